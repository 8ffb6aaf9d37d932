"""The environment and LC_DYLD_ENVIRONMENT (DyldProcessConfig.cpp: PathOverrides(), addEnvVar())."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from machochain.dyld.config import HARDENED, RESTRICTED, UNRESTRICTED, ProcessConfig, process_config
from machochain.dyld.profile import profile_for
from machochain.model.paths import TargetPath
from machochain.model.platform import Platform
from machochain.model.version import Version
from tests.dyld.processes import DYLD4, header

MAIN = TargetPath("/A/B/C")


def configured(macos: str, *embedded: str, environment: dict[str, str] | None = None, **more: Any) -> ProcessConfig:
    version = Version.parse(macos)
    main = evolve(header(), dyld_environment=embedded)
    return process_config(profile_for(version), version, main, MAIN, environment=environment, **more)


@pytest.mark.parametrize("macos", DYLD4)
@pytest.mark.parametrize(
    ("variable", "field"),
    [
        ("DYLD_LIBRARY_PATH", "library_path"),
        ("DYLD_FRAMEWORK_PATH", "framework_path"),
        ("DYLD_FALLBACK_LIBRARY_PATH", "fallback_library_path"),
        ("DYLD_FALLBACK_FRAMEWORK_PATH", "fallback_framework_path"),
        ("DYLD_VERSIONED_LIBRARY_PATH", "versioned_library_path"),
        ("DYLD_VERSIONED_FRAMEWORK_PATH", "versioned_framework_path"),
    ],
)
def test_the_environment_comes_before_the_program_s_own(macos: str, variable: str, field: str) -> None:
    # dyld-1066.8, DyldProcessConfigTests.mm: testLibraryPathLC and the three like it; forEachInColonList()
    config = configured(macos, f"{variable}=/c", environment={variable: "/a::/b"})
    assert getattr(config, field) == ("/a", "", "/b", "/c")


@pytest.mark.parametrize(
    ("macos", "key", "counts"),
    [
        # strncmp() over the known name up to dyld-1245.1; std::string_view from dyld-1284.13 on
        ("15", "DYLD_LIBRARY_PATHS", True),
        ("15.4", "DYLD_LIBRARY_PATHS", False),
        ("26", "DYLD_LIBRARY_PATH", True),
        ("11", "DYLD_LIBRARY_PATHS", False),
        ("15", "LD_LIBRARY_PATH", False),
        ("15", "DYLD_LIBRARY", False),
    ],
)
def test_before_macos_15_4_a_name_counts_by_its_beginning(macos: str, key: str, counts: bool) -> None:
    assert (configured(macos, environment={key: "/a"}).library_path == ("/a",)) is counts


@pytest.mark.parametrize(
    ("macos", "embedded", "field", "value"),
    [
        # MachOFile::forDyldEnv(): only names that end in _PATH up to dyld-1125.5
        ("14", "DYLD_INSERT_LIBRARIES=/i", "inserted", ()),
        ("14.4", "DYLD_INSERT_LIBRARIES=/i", "inserted", ("/i",)),
        ("15.3", "DYLD_INSERT_LIBRARIES_TOO=/i", "inserted", ("/i",)),
        ("15.4", "DYLD_INSERT_LIBRARIES_TOO=/i", "inserted", ()),
        ("15.4", "DYLD_INSERT_LIBRARIES=/i", "inserted", ("/i",)),
        ("14", "DYLD_IMAGE_SUFFIX=_d", "image_suffixes", ()),
        ("26", "DYLD_IMAGE_SUFFIX=", "image_suffixes", ("",)),
        ("26", "DYLD_IMAGE_SUFFIX=_d", "image_suffixes", ("_d",)),
        ("15", "DYLD_LIBRARY_PATH=/l", "library_path", ("/l",)),
        ("26", "DYLD_LIBRARY_PATH", "library_path", ()),
    ],
)
def test_which_embedded_variables_count(macos: str, embedded: str, field: str, value: tuple[str, ...]) -> None:
    assert getattr(configured(macos, embedded), field) == value


@pytest.mark.parametrize(
    ("macos", "value", "result"),
    [
        # addEnvVar(): both variables mean the main executable's directory; others stay
        ("26.4", "@executable_path/lib:@loader_path/../lib", ("/A/B/lib", "/A/B/../lib")),
        ("26.4", "@executable_path/lib:/x:@rpath/y", ("/A/B/lib", "/x", "@rpath/y")),
        ("26.4", "@executable_path", ("@executable_path",)),
        ("26", "/x:/y", ("/x", "/y")),
        # up to dyld-1340 strlcpy()
        ("26.3", "@executable_path/lib:/x:@loader_path/y", ("/A/B/C", "/A/B/y")),
        # the same where strlcat() is meant
        ("15.4", "@executable_path/lib:/x:@loader_path/y", ("/A/B/C", "/A/B/y")),
        ("12.3", "@loader_path/y:/x", ("/A/B/C",)),
        ("12.3", "/x:/y", ("/x", "/y")),
    ],
)
def test_what_embedded_paths_become(macos: str, value: str, result: tuple[str, ...]) -> None:
    assert configured(macos, f"DYLD_LIBRARY_PATH={value}").library_path == result


def test_commands_with_one_key_are_joined() -> None:
    # setString()
    config = configured("26", "DYLD_LIBRARY_PATH=/a", "DYLD_LIBRARY_PATH=/b")
    assert config.library_path == ("/a", "/b")


@pytest.mark.parametrize(
    ("security", "outer", "inner"),
    [
        (UNRESTRICTED, ("/out",), ("/A/B/in", "/in")),
        (HARDENED, (), ("/A/B/in", "/in")),
        (RESTRICTED, (), ()),
        (evolve(UNRESTRICTED, at_paths=False), ("/out",), ("/in",)),
    ],
)
def test_what_the_security_policy_lets_through(security: Any, outer: tuple[str, ...], inner: tuple[str, ...]) -> None:
    # PathOverrides(): allowEnvVarsPath, allowEmbeddedVars; addEnvVar(): allowAtPaths
    config = configured(
        "26.4",
        "DYLD_LIBRARY_PATH=@executable_path/in:/in",
        environment={"DYLD_LIBRARY_PATH": "/out"},
        security=security,
    )
    assert config.library_path == outer + inner
    assert config.hardened is not security.path_variables


def test_fallbacks_are_none_unless_set() -> None:
    assert configured("26").fallback_library_path is None
    assert configured("26", environment={"DYLD_FALLBACK_LIBRARY_PATH": ""}).fallback_library_path == ("",)


def test_the_image_suffix_is_a_list_and_one_text() -> None:
    config = configured("26", environment={"DYLD_IMAGE_SUFFIX": "_alt:_other"})
    assert (config.image_suffixes, config.image_suffix_text) == (("_alt", "_other"), "_alt:_other")


def test_a_library_that_stands_for_an_unknown_process_has_no_embedded_variables() -> None:
    version = Version.of(26)
    main = evolve(header(), dyld_environment=("DYLD_LIBRARY_PATH=/l",))
    assert process_config(profile_for(version), version, main, None).library_path == ()


@pytest.mark.parametrize(
    ("platform", "simulator", "ios_support", "cryptex"),
    [
        (Platform.MACOS, False, False, True),
        (Platform.MAC_CATALYST, False, True, True),
        (Platform.IOS, False, True, True),
        (Platform.IOS_SIMULATOR, True, False, False),
        (Platform.VISIONOS_SIMULATOR, True, False, False),
        (Platform.DRIVERKIT, False, False, True),
    ],
)
def test_what_follows_from_the_platform(platform: int, simulator: bool, ios_support: bool, cryptex: bool) -> None:
    config = evolve(configured("26"), platform=platform)
    assert (config.is_simulator, config.searches_ios_support, config.cryptex) == (simulator, ios_support, cryptex)
