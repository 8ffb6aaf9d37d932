"""Releases and the facts that hold for a release and all later ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machochain.dyld.facts import builds, enforces_compatibility, needs_fallbacks, process_platform, too_new
from machochain.dyld.profile import NEWEST, PROFILES, Profile, profile_for, releases
from machochain.model.errors import UsageError
from machochain.model.image import BuildVersion, Image
from machochain.model.platform import ZIPPERED, Platform
from machochain.model.version import Version
from tests.dyld.processes import header

V = Version.parse


@pytest.mark.parametrize(
    ("macos", "name"),
    [
        ("11", "11"), ("11.7.10", "11"), ("12.2.1", "12"), ("12.3", "12.3"), ("12.4", "12.3"), ("12.7.6", "12.5"),
        ("13.2.1", "13"), ("13.3", "13.3"), ("13.4.1", "13.3"), ("13.7", "13.5"), ("14.3.1", "14"),
        ("14.4", "14.4"), ("15", "15"),
        ("15.3.2", "15"), ("15.4", "15.4"), ("15.7", "15.5"), ("26", "26"), ("26.3", "26.1"),
        ("26.5", "26.4"), ("27", "26.4"), ("27.2", "26.4"),
    ],
)  # fmt: skip
def test_a_release_has_the_newest_profile_that_is_not_newer(macos: str, name: str) -> None:
    assert profile_for(V(macos)).name == name


@pytest.mark.parametrize("macos", ["10.15", "10.15.7", "16", "20.1", "25.9", "28"])
def test_releases_that_are_not_modelled(macos: str) -> None:
    with pytest.raises(UsageError, match="not modelled"):
        profile_for(V(macos))


@pytest.mark.parametrize(
    ("first", "last", "names"),
    [
        ("14.2", "15.3", ["14.2", "14.4", "15.0"]),
        ("15", "26", ["15.0", "15.4", "15.5", "26.0", "26.1", "26.4"]),
        ("13.1", "13", ["13.1"]),
        ("12", "12", ["12.0", "12.3", "12.5"]),
        ("26", "26", ["26.0", "26.1", "26.4"]),
        ("26.4", "27", ["26.4", "27.0"]),
    ],
)
def test_a_range_has_one_release_per_profile(first: str, last: str, names: list[str]) -> None:
    if V(last) < V(first):
        with pytest.raises(UsageError, match="empty range"):
            releases(V(first), V(last))
    else:
        assert [str(x) for x in releases(V(first), V(last))] == names


def test_profiles_rise_and_carry_their_name() -> None:
    assert [p.since for p in PROFILES] == sorted({p.since for p in PROFILES})
    assert all(str(V(p.name)) == str(p.since) for p in PROFILES)
    assert PROFILES[-1].since == NEWEST


MONOTONIC = (
    "cryptex", "default_fallbacks_need_old_sdk", "custom_fallbacks_for_dlopen",
    "dlopen_tries_usr_lib", "folds_executable_path", "errno_reasons", "cache_note", "uuids",
    "need_all_archs", "arm64e_v1", "protects_libsystem", "use_flags", "embedded_needs_amfi",
    "ios_takes_visionos",    "zippered_process", "validates_dylibs", "validates_main",
    "whole_fat_file", "forgives_overrides", "follows_renamed",
)  # fmt: skip
GONE_FOR_GOOD = ("classic", "dlopen_falls_back", "cryptex_for_at_paths", "slices_twice", "errors_accumulate")
modelled = st.sampled_from([v for p in PROFILES for v in (p.since, V(f"{p.since.major}.{p.since.minor}.9"))])


@given(modelled, modelled)
def test_what_dyld_learned_it_has_not_forgotten(one: Version, other: Version) -> None:
    older, newer = (profile_for(v) for v in sorted((one, other)))
    for fact in MONOTONIC:
        assert getattr(older, fact) <= getattr(newer, fact), fact
    assert older.generation <= newer.generation
    assert older.real_loader_paths_sdk <= newer.real_loader_paths_sdk
    texts = ("none", "found", "used")
    assert texts.index(older.no_run_path_text) <= texts.index(newer.no_run_path_text)


@pytest.mark.parametrize("fact", GONE_FOR_GOOD)
def test_a_quirk_that_was_dropped_stays_dropped(fact: str) -> None:
    values = [getattr(p, fact) for p in PROFILES]
    last = max(i for i, v in enumerate(values) if v)
    first = values.index(True)
    assert all(values[first : last + 1])
    assert not any(values[last + 1 :])


def test_only_dyld_960_quotes() -> None:
    assert [p.name for p in PROFILES if p.wording == "quoted"] == ["12.5"]


def test_a_profile_by_default_is_the_current_dyld() -> None:
    current = PROFILES[-1]
    fresh = Profile(current.name, current.since, current.last, current.tags)
    assert fresh.classic is False
    assert (fresh.cryptex, fresh.no_run_path_text, fresh.errors_accumulate) == (True, "used", False)


# -- facts of an image --


def with_builds(*items: tuple[str, int, str, str | None], arch: str = "arm64") -> Image:
    from attrs import evolve

    made = tuple(BuildVersion(c, p, V(m), V(s) if s else None) for c, p, m, s in items)
    return evolve(header(arch=arch), builds=made)


@pytest.mark.parametrize(
    ("platform", "sdk", "old"),
    [
        # dyld-1042.1, MachOFile.cpp: enforceFormat(Malformed::sdkOnOrAfter2022)
        (Platform.MACOS, "13.3", True), (Platform.MACOS, "14.0", False), (Platform.MACOS, None, True),
        (Platform.MAC_CATALYST, "16.4", True), (Platform.MAC_CATALYST, "17.0", False),
        (Platform.IOS, "16.4", True), (Platform.IOS, "17.0", False),
        (Platform.WATCHOS, "9.4", True), (Platform.WATCHOS, "10.0", False),
        (Platform.VISIONOS, "1.2", True), (Platform.VISIONOS, "2.0", False),
    ],
)  # fmt: skip
def test_an_old_sdk_needs_fallbacks(platform: int, sdk: str | None, old: bool) -> None:
    assert needs_fallbacks(header(platform=platform, sdk=sdk)) is old


@pytest.mark.parametrize(
    ("arch", "version"),
    # dyld-1378, mach_o/UnsafeHeader.cpp: platformAndVersions()
    [("arm64", "11.0"), ("x86_64", "10.5")],
)
def test_an_image_without_platform_counts_as_old_macos(arch: str, version: str) -> None:
    image = with_builds(arch=arch)
    (build,) = builds(image)
    assert (build.platform, str(build.minos), str(build.sdk)) == (Platform.MACOS, version, version)
    assert needs_fallbacks(image)


def test_a_version_min_command_without_sdk_takes_its_minos() -> None:
    old = with_builds(("LC_VERSION_MIN_MACOSX", 1, "14.0", None))
    assert not needs_fallbacks(old)
    assert needs_fallbacks(with_builds(("LC_BUILD_VERSION", 1, "14.0", None)))


def test_a_zippered_program_runs_as_catalyst_or_as_a_platform_of_its_own() -> None:
    # the kernel starts no such program; getMainPlatform()
    both = with_builds(("LC_BUILD_VERSION", 6, "17.0", "17.0"), ("LC_BUILD_VERSION", 1, "14.0", "14.0"))
    assert process_platform(both) == Platform.MAC_CATALYST
    assert process_platform(both, zippered=True) == ZIPPERED
    assert process_platform(header(platform=Platform.MAC_CATALYST)) == Platform.MAC_CATALYST


@pytest.mark.parametrize(
    ("platform", "minos", "enforced"),
    [
        # dyld-852.2, dyld3/MachOFile.cpp: enforceCompatVersion()
        (Platform.MACOS, "10.13", True), (Platform.MACOS, "10.14", False), (Platform.IOS, "11.4", True),
        (Platform.IOS, "12.0", False), (Platform.MAC_CATALYST, "10.0", False), (Platform.WATCHOS, "4.3", True),
        (Platform.WATCHOS, "5.0", False), (Platform.DRIVERKIT, "1.0", False),
    ],
)  # fmt: skip
def test_whose_compatibility_version_dyld2_minds(platform: int, minos: str, enforced: bool) -> None:
    assert enforces_compatibility(header(platform=platform, minos=minos)) is enforced


def test_too_new_names_the_minos_of_the_process_s_platform() -> None:
    both = with_builds(("LC_BUILD_VERSION", 1, "15.0", "15.0"), ("LC_BUILD_VERSION", 6, "18.0", "18.0"))
    assert too_new(both, Platform.MACOS, V("14.6")) == V("15.0")
    assert too_new(both, Platform.MACOS, V("15.0")) is None
