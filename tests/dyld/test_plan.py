"""The paths dyld4 tries, in its order (DyldProcessConfig.cpp, Loader.cpp; dyld's own unit tests where they say so)."""

from __future__ import annotations

from typing import Any

import pytest

from machochain.dyld.config import HARDENED, RESTRICTED
from machochain.dyld.plan import add_suffix, candidates, default_fallbacks, framework_partial_path, path_variants
from machochain.model.arch import Arch
from machochain.model.platform import Platform
from machochain.model.search import SearchRule as R
from tests.dyld.processes import CRYPTEX as K
from tests.dyld.processes import DYLD4, image, process, request

FOO = "/stuff/Foo.framework/Foo"
LIB = "/stuff/libfoo.dylib"
S = "/System/iOSSupport"
NEW = tuple(x for x in DYLD4 if float(x) >= 13)
EARLY = tuple(x for x in DYLD4 if float(x) < 13)


def tried(
    path: str, macos: str, *, chain: tuple[Any, ...] = (), asked: dict[str, Any] | None = None, **more: Any
) -> list[str]:
    config = process(macos, **more)
    return [c.path for c in candidates(config, request(path, *chain, **(asked or {})))]


def variants(path: str, macos: str, *, asked: dict[str, Any] | None = None, **more: Any) -> list[tuple[str, R]]:
    return list(path_variants(process(macos, **more), request(path, **(asked or {}))))


# -- framework paths and suffixes --


@pytest.mark.parametrize(
    ("path", "suffix", "partial"),
    [
        # dyld-1378, DyldProcessConfig.cpp, comment above getFrameworkPartialPath()
        ("/path/foo.framework/foo", None, "foo.framework/foo"),
        ("/path/foo.framework/Versions/A/foo", None, "foo.framework/Versions/A/foo"),
        ("/path/foo.framework/Frameworks/bar.framework/bar", None, "bar.framework/bar"),
        ("/path/foo.framework/Libraries/bar.dylib", None, None),
        ("/path/foo.framework/bar", None, None),
        # the rest: the code below it
        ("foo.framework/foo", None, "foo.framework/foo"),
        ("@rpath/foo.framework/foo", None, "foo.framework/foo"),
        ("/path/foo.framework", None, None),
        ("/path/foo.framework/", None, None),
        ("/path/.framework/", None, ".framework/"),
        ("/path/foo.framework/foo_debug", "_debug", "foo.framework/foo_debug"),
        ("/path/foo.framework/foo_debug", None, None),
        ("/path/foo.framework/foo_debug", "_alt:_debug", None),
        ("/path/libfoo.dylib", None, None),
    ],
)
def test_a_framework_path_ends_in_the_framework_s_own_name(path: str, suffix: str | None, partial: str | None) -> None:
    assert framework_partial_path(path, suffix) == partial


@pytest.mark.parametrize(
    ("path", "result"),
    [
        # dyld-1378, DyldProcessConfig.cpp: addSuffix() and the comment above it, suffix _debug
        ("/path/foo.dylib", "/path/foo_debug.dylib"),
        ("/path/bar.A.dylib", "/path/bar.A_debug.dylib"),
        ("foo", "foo_debug"),
        ("/path.d/foo", "/path.d/foo_debug"),
        ("/path/foo.framework/Versions/A/foo", "/path/foo.framework/Versions/A/foo_debug"),
    ],
)
def test_an_image_suffix_goes_before_the_last_dot_of_the_leaf(path: str, result: str) -> None:
    assert add_suffix(path, "_debug") == result


# -- default fallbacks --

OLD = {"needs_fallbacks": True}


@pytest.mark.parametrize(
    ("path", "platform", "asked", "result"),
    [
        # dyld-1066.8, DyldProcessConfigTests.mm, without a cryptex: what follows the path itself
        pytest.param(FOO, Platform.MACOS, {}, [], id="testDefaultFallbackFrameworkPathsMac"),
        pytest.param(
            FOO,
            Platform.MACOS,
            OLD,
            ["/Library/Frameworks/Foo.framework/Foo", "/System/Library/Frameworks/Foo.framework/Foo"],
            id="testDefaultFallbackFrameworkPathsMacOld",
        ),
        pytest.param(FOO, Platform.TVOS, {}, [], id="testDefaultFallbackFrameworkPaths"),
        pytest.param(
            FOO,
            Platform.TVOS,
            OLD,
            ["/System/Library/Frameworks/Foo.framework/Foo"],
            id="testDefaultFallbackFrameworkPathsOld",
        ),
        pytest.param(
            "/System/Library/Frameworks/Foo.framework/Foo",
            Platform.TVOS,
            OLD,
            [],
            id="testDefaultFallbackFrameworkPathRepeats",
        ),
        pytest.param(LIB, Platform.MACOS, {}, [], id="testDefaultFallbackLibraryPaths"),
        pytest.param(
            LIB,
            Platform.MACOS,
            OLD,
            ["/usr/local/lib/libfoo.dylib", "/usr/lib/libfoo.dylib"],
            id="testDefaultFallbackLibraryPathsOld",
        ),
        pytest.param(
            "/usr/local/lib/libfoo.dylib",
            Platform.MACOS,
            OLD,
            ["/usr/lib/libfoo.dylib"],
            id="a fallback that is the path itself",
        ),
        pytest.param(LIB, Platform.DRIVERKIT, OLD, [], id="forEachDylibFallback, driverKit"),
        pytest.param(FOO, Platform.DRIVERKIT, OLD, [], id="forEachFrameworkFallback, driverKit"),
    ],
)
@pytest.mark.parametrize("macos", NEW)
def test_only_images_of_an_old_sdk_get_default_fallbacks(
    macos: str, path: str, platform: int, asked: dict[str, Any], result: list[str]
) -> None:
    found = [p for p, rule in variants(path, macos, asked=asked, platform=platform) if rule is R.STANDARD_FALLBACK]
    assert found == result


@pytest.mark.parametrize("macos", EARLY)
@pytest.mark.parametrize("asked", [{}, OLD])
def test_before_macos_13_every_image_gets_default_fallbacks(macos: str, asked: dict[str, Any]) -> None:
    # dyld-940 to 960, DyldProcessConfig.cpp: forEachDylibFallback()
    assert tried(LIB, macos, asked=asked) == [LIB, "/usr/local/lib/libfoo.dylib", "/usr/lib/libfoo.dylib"]


@pytest.mark.parametrize(
    ("macos", "platform", "security", "library", "framework"),
    [
        # dyld-1286.10 and 1378, DyldProcessConfig.cpp: forEachDylibFallback(), forEachFrameworkFallback()
        (
            "26",
            Platform.MACOS,
            None,
            ["/usr/local/lib", "/usr/lib"],
            ["/Library/Frameworks", "/System/Library/Frameworks"],
        ),
        ("26", Platform.MACOS, HARDENED, ["/usr/lib"], ["/System/Library/Frameworks"]),
        ("26", Platform.MACOS, RESTRICTED, ["/usr/lib"], ["/System/Library/Frameworks"]),
        ("26", Platform.MAC_CATALYST, None, ["/usr/local/lib"], ["/System/Library/Frameworks"]),
        ("26", Platform.IOS_SIMULATOR, None, ["/usr/local/lib"], ["/System/Library/Frameworks"]),
        ("26", Platform.IOS, None, ["/usr/local/lib", "/usr/lib"], ["/System/Library/Frameworks"]),
        ("26", Platform.VISIONOS, None, ["/usr/local/lib", "/usr/lib"], ["/System/Library/Frameworks"]),
        # dyld-1245.1
        (
            "15",
            Platform.MACOS,
            None,
            ["/usr/local/lib", "/usr/lib"],
            ["/Library/Frameworks", "/System/Library/Frameworks"],
        ),
        ("15", Platform.MAC_CATALYST, None, ["/usr/lib"], ["/System/Library/Frameworks"]),
        ("15", Platform.IOS_SIMULATOR, None, ["/usr/lib"], ["/System/Library/Frameworks"]),
        # dyld-957
        ("12.3", Platform.MACOS, HARDENED, ["/usr/lib"], ["/System/Library/Frameworks"]),
        ("12.3", Platform.MAC_CATALYST, None, ["/usr/lib"], ["/System/Library/Frameworks"]),
    ],
)
def test_which_directories_are_the_default_fallbacks(
    macos: str, platform: int, security: Any, library: list[str], framework: list[str]
) -> None:
    config = process(macos, platform=platform, **({"security": security} if security else {}))
    assert list(default_fallbacks(config, framework=False)) == library
    assert list(default_fallbacks(config, framework=True)) == framework


@pytest.mark.parametrize("macos", NEW)
@pytest.mark.parametrize("asked", [{}, OLD])
def test_a_fallback_variable_replaces_the_default_whatever_the_sdk(macos: str, asked: dict[str, Any]) -> None:
    # dyld-1066.8, DyldProcessConfigTests.mm: testCustomFallbackLibraryPaths, testCustomFallbackFrameworkPaths
    found = variants(LIB, macos, asked=asked, fallback_library_path=("/yonder", "/hither"))
    assert found[-2:] == [("/yonder/libfoo.dylib", R.CUSTOM_FALLBACK), ("/hither/libfoo.dylib", R.CUSTOM_FALLBACK)]
    found = variants(FOO, macos, asked=asked, fallback_framework_path=("/yonder", "/hither"))
    assert [p for p, r in found if r is R.CUSTOM_FALLBACK] == [f"/{x}/Foo.framework/Foo" for x in ("yonder", "hither")]


def test_an_empty_fallback_variable_still_replaces_the_default() -> None:
    # forEachInColonList() hands over the empty text between two colons as well
    assert variants(LIB, "26", asked=OLD, fallback_library_path=("",))[-1] == ("/libfoo.dylib", R.CUSTOM_FALLBACK)


# -- the order of the variants --


@pytest.mark.parametrize(
    ("path", "platform", "result"),
    [
        # dyld-1066.8, DyldProcessConfigTests.mm: testCryptexPrefix, testCryptexCatalystPrefix and …Prefix2
        (FOO, Platform.MACOS, [(FOO, R.RAW_PATH_ON_DISK), (K + FOO, R.CRYPTEX_PREFIX), (FOO, R.RAW_PATH)]),
        (
            FOO,
            Platform.MAC_CATALYST,
            [
                (S + FOO, R.CATALYST_PREFIX_ON_DISK),
                (K + S + FOO, R.CRYPTEX_CATALYST_PREFIX),
                (S + FOO, R.CATALYST_PREFIX),
                (FOO, R.RAW_PATH_ON_DISK),
                (K + FOO, R.CRYPTEX_PREFIX),
                (FOO, R.RAW_PATH),
            ],
        ),
        (
            S + FOO,
            Platform.MAC_CATALYST,
            [
                (S + FOO, R.RAW_PATH_ON_DISK),
                (K + S + FOO, R.CRYPTEX_PREFIX),
                (S + FOO, R.RAW_PATH),
            ],
        ),
        # forEachPathVariant(): a relative name is glued to the prefix
        (
            "libfoo.dylib",
            Platform.MACOS,
            [
                ("libfoo.dylib", R.RAW_PATH_ON_DISK),
                (K + "libfoo.dylib", R.CRYPTEX_PREFIX),
                ("libfoo.dylib", R.RAW_PATH),
            ],
        ),
        ("@rpath/libfoo.dylib", Platform.MACOS, [("@rpath/libfoo.dylib", R.RAW_PATH)]),
        ("@rpath/libfoo.dylib", Platform.MAC_CATALYST, [("@rpath/libfoo.dylib", R.RAW_PATH)]),
    ],
)
@pytest.mark.parametrize("macos", NEW[1:])
def test_a_path_is_tried_on_disk_then_in_the_cryptex_then_in_the_cache(
    macos: str, path: str, platform: int, result: list[tuple[str, R]]
) -> None:
    assert variants(path, macos, platform=platform) == result


@pytest.mark.parametrize(
    ("path", "platform", "result"),
    [
        # dyld-1042.1, DyldProcessConfig.cpp: forEachPathVariant(): one Catalyst variant, and @ paths get prefixes too
        (
            FOO,
            Platform.MAC_CATALYST,
            [
                (S + FOO, R.CATALYST_PREFIX),
                (FOO, R.RAW_PATH_ON_DISK),
                (K + FOO, R.CRYPTEX_PREFIX),
                (FOO, R.RAW_PATH),
            ],
        ),
        (
            "@rpath/x",
            Platform.MACOS,
            [
                ("@rpath/x", R.RAW_PATH_ON_DISK),
                (K + "@rpath/x", R.CRYPTEX_PREFIX),
                ("@rpath/x", R.RAW_PATH),
            ],
        ),
        (
            "@rpath/x",
            Platform.MAC_CATALYST,
            [
                ("@rpath/x", R.RAW_PATH_ON_DISK),
                (K + "@rpath/x", R.CRYPTEX_PREFIX),
                ("@rpath/x", R.RAW_PATH),
            ],
        ),
    ],
)
def test_macos_13_0_puts_the_cryptex_before_variables_too(
    path: str, platform: int, result: list[tuple[str, R]]
) -> None:
    assert variants(path, "13", platform=platform) == result


@pytest.mark.parametrize("macos", EARLY)
def test_before_macos_13_only_catalyst_has_a_prefix(macos: str) -> None:
    # dyld-1066.8, DyldProcessConfigTests.mm: testCataylstPrefix, testCataylstPrefix2; dyld-957 is the same
    catalyst = [p for p, _ in variants(FOO, macos, platform=Platform.MAC_CATALYST)]
    assert catalyst[:2] == [S + FOO, FOO]
    assert [p for p, _ in variants(S + FOO, macos, platform=Platform.MAC_CATALYST)][:1] == [S + FOO]
    assert variants(FOO, macos)[0] == (FOO, R.RAW_PATH)


@pytest.mark.parametrize("macos", DYLD4)
def test_library_path_is_for_libraries_and_framework_path_for_frameworks(macos: str) -> None:
    # forEachPathVariant(): "check for overrides"; entries are used as they stand, an empty one is the root
    both: dict[str, Any] = {"library_path": ("/one", "", "two/"), "framework_path": ("/f",)}
    found = [p for p, r in variants("@rpath/sub/libfoo.dylib", macos, **both) if r is R.PATH_DIR_OVERRIDE]
    assert found == ["/one/libfoo.dylib", "/libfoo.dylib", "two//libfoo.dylib"]
    assert [p for p, r in variants(FOO, macos, **both) if r is R.PATH_DIR_OVERRIDE] == ["/f/Foo.framework/Foo"]
    assert variants(LIB, macos, **both)[0] == ("/one/libfoo.dylib", R.PATH_DIR_OVERRIDE)


@pytest.mark.parametrize("macos", DYLD4)
def test_a_versioned_override_ends_the_search(macos: str) -> None:
    # forEachPathVariant(): "always stop searching when versioned override is found"
    more: dict[str, Any] = {"overrides": ((LIB, "/newer/libfoo.dylib"),), "library_path": ("/one",)}
    assert variants(LIB, macos, asked=OLD, **more) == [
        ("/one/libfoo.dylib", R.PATH_DIR_OVERRIDE),
        ("/newer/libfoo.dylib", R.VERSIONED_OVERRIDE),
    ]
    assert variants("/other/libfoo.dylib", macos, **more)[-1][1] is not R.VERSIONED_OVERRIDE


@pytest.mark.parametrize("macos", DYLD4)
def test_image_suffixes_come_before_each_plain_path(macos: str) -> None:
    # DyldProcessConfig.cpp: forEachImageSuffix()
    more: dict[str, Any] = {
        "image_suffixes": ("_alt", "_other"),
        "image_suffix_text": "_alt:_other",
        "library_path": ("/d",),
    }
    found = variants(LIB, macos, **more)
    assert found[:3] == [
        ("/d/libfoo_alt.dylib", R.SUFFIX_OVERRIDE),
        ("/d/libfoo_other.dylib", R.SUFFIX_OVERRIDE),
        ("/d/libfoo.dylib", R.PATH_DIR_OVERRIDE),
    ]
    assert ("/stuff/libfoo_alt.dylib", R.SUFFIX_OVERRIDE) in found


def test_a_simulator_program_searches_its_root_and_no_cryptex() -> None:
    # forEachPathVariant() and forEachResolvedAtPathVar() under TARGET_OS_SIMULATOR
    more: dict[str, Any] = {"platform": Platform.IOS_SIMULATOR, "root_path": "/sim"}
    assert tried(LIB, "26", **more) == ["/sim" + LIB, LIB]
    main = image("/A/B/C", "/lib", platform=Platform.IOS_SIMULATOR)
    assert tried("@rpath/x", "26", chain=(main,), **more) == ["/sim/lib/x", "/lib/x"]


def test_an_ios_app_on_a_mac_searches_ios_support() -> None:
    # forEachPathVariant(), TARGET_CPU_ARM64; forEachResolvedAtPathVar(): /usr/lib/swift
    more: dict[str, Any] = {"platform": Platform.IOS, "arch": Arch.named("arm64")}
    assert tried(LIB, "26", **more)[:3] == [S + LIB, K + S + LIB, S + LIB]
    main = image("/A/B/C", "/usr/lib/swift", platform=Platform.IOS)
    found = tried("@rpath/x", "26", chain=(main,), **more)
    assert found == [S + "/usr/lib/swift/x", "/usr/lib/swift/x", K + "/usr/lib/swift/x"]


# -- dlopen --

OPEN = {"static": False, "needs_fallbacks": True}


@pytest.mark.parametrize(
    ("macos", "path", "result"),
    [
        # dyld-940, Loader.cpp: forEachPath(): no rule for paths with a slash; dyld-957 has it
        ("12", LIB, [LIB, "/usr/local/lib/libfoo.dylib", "/usr/lib/libfoo.dylib"]),
        ("12.3", LIB, [LIB]),
        ("12.5", LIB, [LIB]),
        ("26", LIB, [LIB, K + LIB, LIB]),
        (
            "26",
            FOO,
            [
                FOO,
                K + FOO,
                FOO,
                "/Library/Frameworks/Foo.framework/Foo",
                "/System/Library/Frameworks/Foo.framework/Foo",
            ],
        ),
        # a bare name: behind @rpath, then as it is
        ("12.3", "libfoo", ["/r/libfoo", "/r/libfoo", "libfoo", "/usr/local/lib/libfoo", "/usr/lib/libfoo"]),
        # dyld-1042.1 on: the raw variant becomes @rpath, /usr/lib, working directory
        (
            "26",
            "libfoo",
            [
                "libfoo",
                K + "libfoo",
                "/r/libfoo",
                K + "/r/libfoo",
                "/r/libfoo",
                K + "/r/libfoo",
                "/usr/lib/libfoo",
                "libfoo",
                "/usr/local/lib/libfoo",
                "/usr/lib/libfoo",
            ],
        ),
        (
            "26",
            "sub/libfoo",
            [
                "sub/libfoo",
                K + "sub/libfoo",
                "/r/sub/libfoo",
                K + "/r/sub/libfoo",
                "/r/sub/libfoo",
                K + "/r/sub/libfoo",
                "/usr/lib/sub/libfoo",
                "sub/libfoo",
            ],
        ),
    ],
)
def test_what_dlopen_tries(macos: str, path: str, result: list[str]) -> None:
    main = image("/A/B/C", "/r")
    assert tried(path, macos, chain=(main, main), asked=OPEN) == result


def test_dlopen_of_a_bare_name_leaves_the_working_directory_out_where_at_paths_are_forbidden() -> None:
    # dyld-1378, Loader.cpp: forEachPath(): "only try cwd relative if afmi allows"
    found = tried("libfoo", "26", asked={"static": False}, security=RESTRICTED)
    assert found == ["libfoo", K + "libfoo", "/usr/lib/libfoo"]


@pytest.mark.parametrize(("macos", "custom"), [("12", False), ("12.5", False), ("13", False), ("26", False)])
def test_dlopen_of_a_path_with_a_slash_uses_no_custom_fallbacks(macos: str, custom: bool) -> None:
    # dyld-940: useFallBackPaths false means the default list; dyld-955 on: none at all
    found = variants(LIB, macos, asked=OPEN, fallback_library_path=("/custom",))
    assert any(r is R.CUSTOM_FALLBACK for _, r in found) is custom
