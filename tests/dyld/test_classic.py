"""The permutations dyld2 tries (dyld-852.2, src/dyld2.cpp: load(), loadPhase0() to loadPhase5())."""

from __future__ import annotations

from typing import Any

import pytest

from machochain.dyld.classic import Paths, candidates, restriction
from machochain.dyld.config import HARDENED, RESTRICTED, Security
from machochain.dyld.sniff import Demands
from machochain.model.platform import Platform
from machochain.model.search import SearchRule as R
from tests.dyld.processes import image, process, request

LIB = "/stuff/libfoo.dylib"
FOO = "/stuff/Foo.framework/Foo"
DEFAULTS = ["/usr/local/lib/libfoo.dylib", "/usr/lib/libfoo.dylib"]


def paths(links: dict[str, str]) -> Paths:
    return Paths(links.get, links.get, cached=lambda _: False, there=lambda _: False)


def tried(
    path: str,
    *chain: Any,
    opening: bool = True,
    links: dict[str, str] | None = None,
    asked: dict[str, Any] | None = None,
    **more: Any,
) -> list[str]:
    config = process("11", **more)
    found = candidates(config, request(path, *chain, **(asked or {})), paths(links or {}), opening=opening)
    return [c.path for c in found]


@pytest.mark.parametrize(
    ("path", "more", "first", "second"),
    [
        # loadPhase1(): fallbacks in the opening pass only
        (LIB, {}, [LIB], [LIB, *DEFAULTS]),
        (
            FOO,
            {},
            [FOO],
            [
                FOO,
                *[
                    f"{d}/Foo.framework/Foo"
                    for d in ("/Library/Frameworks", "/Network/Library/Frameworks", "/System/Library/Frameworks")
                ],
            ],
        ),
        (LIB, {"home": "/Users/u"}, [LIB], [LIB, "/Users/u/lib/libfoo.dylib", *DEFAULTS]),
        (LIB, {"library_path": ("/d",)}, ["/d/libfoo.dylib", LIB], ["/d/libfoo.dylib", LIB, *DEFAULTS]),
        (LIB, {"fallback_library_path": ("/f",)}, [LIB], [LIB, "/f/libfoo.dylib"]),
        (LIB, {"security": Security(fallback_paths=False)}, [LIB], [LIB, "/usr/lib/libfoo.dylib"]),
        # a library that is only in a versioned directory
        (LIB, {"versioned_library_path": ("/v",)}, [LIB], [LIB, *DEFAULTS, "/v/libfoo.dylib"]),
        # loadPhase0(): DYLD_ROOT_PATH is Catalyst's prefix
        (
            LIB,
            {"platform": Platform.MAC_CATALYST, "demands": Demands(True, True), "root_paths": ("/System/iOSSupport",)},
            ["/System/iOSSupport" + LIB, LIB],
            ["/System/iOSSupport" + LIB, "/usr/lib/libfoo.dylib", LIB, "/usr/lib/libfoo.dylib"],
        ),
        # loadPhase5(): an override stands in for the path in both passes
        (LIB, {"overrides": ((LIB, "/v/libfoo.dylib"),)}, ["/v/libfoo.dylib"], ["/v/libfoo.dylib", *DEFAULTS]),
        # loadPhase4()
        (
            LIB,
            {"image_suffixes": ("_d",)},
            ["/stuff/libfoo_d.dylib", LIB],
            [
                "/stuff/libfoo_d.dylib",
                LIB,
                "/usr/local/lib/libfoo_d.dylib",
                DEFAULTS[0],
                "/usr/lib/libfoo_d.dylib",
                DEFAULTS[1],
            ],
        ),
    ],
)
def test_the_two_passes(path: str, more: dict[str, Any], first: list[str], second: list[str]) -> None:
    assert tried(path, opening=False, **more) == first
    assert tried(path, opening=True, **more) == second


def test_each_directory_is_followed_by_its_real_path_when_opening() -> None:
    # loadPhase2() and load(): loadPhase2cache()
    links = {"/d/libfoo.dylib": "/real/libfoo.dylib", LIB: "/elsewhere/libfoo.dylib"}
    found = tried(LIB, links=links, library_path=("/d",))
    assert found == ["/d/libfoo.dylib", "/real/libfoo.dylib", LIB, *DEFAULTS, "/elsewhere/libfoo.dylib"]
    assert tried(LIB, links=links, library_path=("/d",), opening=False) == ["/d/libfoo.dylib", LIB]


def test_variables_are_relative_to_the_path_as_found_then_to_the_real_one() -> None:
    # loadPhase3(): "perhaps main executable path is a sym link"
    links = {"/A/B/C": "/real/B/C", "/link/l.dylib": "/real/l.dylib"}
    assert tried("@executable_path/../x", links=links)[:2] == ["/A/B/../x", "/real/B/../x"]
    found = tried("@loader_path/x", image("/real/l.dylib"), links=links, asked={"origin": "/link/l.dylib"})
    assert found[:2] == ["/link/x", "/real/x"]


def test_run_paths_are_resolved_and_nothing_is_opened_as_rpath() -> None:
    # ImageLoaderMachO.cpp: getRPaths(); loadPhase3(): "don't try to open @rpath/... as a relative path"
    inner = image("/x/inner", "@loader_path/in", number=1)
    main = image("/A/B/C", "@executable_path/../out", "/link", "/usr/lib/swift", "rel")
    links = {"/link": "/real", "/usr/lib/swift": "/never"}
    expected = ["/x/in/l", "/A/B/../out/l", "/real/l", "/usr/lib/swift/l", "rel/l"]
    assert tried("@rpath/l", inner, main, links=links, opening=False) == [*expected, "@rpath/l"]
    assert tried("@rpath/l", inner, main, links=links) == [*expected, "/usr/local/lib/l", "/usr/lib/l"]


def test_a_restricted_program_drops_relative_run_paths_but_not_those_of_its_libraries() -> None:
    inner = image("/x/inner", "@loader_path/in", "@executable_path/no", "rel", file_type=6, number=1)
    main = image("/A/B/C", "@loader_path/no", "/abs")
    assert tried("@rpath/l", inner, main, opening=False, security=RESTRICTED) == ["/x/in/l", "/abs/l", "@rpath/l"]


@pytest.mark.parametrize(
    ("path", "result"),
    [
        # dyldAPIs.cpp: dlopen_internal(): implicitRPath, useFallbackPaths
        ("libfoo.dylib", ["/r/libfoo.dylib", "libfoo.dylib", *DEFAULTS]),
        ("sub/libfoo.dylib", ["/r/sub/libfoo.dylib", "sub/libfoo.dylib"]),
        (LIB, [LIB]),
        (
            FOO,
            [
                FOO,
                *[
                    f"{d}/Foo.framework/Foo"
                    for d in ("/Library/Frameworks", "/Network/Library/Frameworks", "/System/Library/Frameworks")
                ],
            ],
        ),
    ],
)
def test_what_dlopen_tries(path: str, result: list[str]) -> None:
    assert tried(path, image("/A/B/C", "/r"), asked={"static": False}) == result


def test_an_inserted_library_is_not_searched_for() -> None:
    # dyld2.cpp: loadInsertedDylib(): no search paths, no run paths, no origin
    assert tried("@rpath/l", image("/A/B/C", "/r"), asked={"inserted": True}) == []
    for path in (LIB, "@loader_path/l"):
        assert tried(path, image("/A/B/C", "/r"), asked={"inserted": True}, library_path=("/d",)) == [path]
    assert tried("@executable_path/l", asked={"inserted": True}) == ["/A/B/l"]


ADVICE = "(Codesign main executable with Library Validation to allow @ paths)"


@pytest.mark.parametrize(
    ("path", "security", "asked", "text"),
    [
        # loadPhase3()
        (
            "@executable_path/l",
            RESTRICTED,
            {},
            f"unsafe use of @executable_path in /A/B/C with restricted binary {ADVICE}",
        ),
        ("@loader_path/l", RESTRICTED, {}, f"unsafe use of @loader_path in /A/B/C with restricted binary {ADVICE}"),
        ("@loader_path/l", RESTRICTED, {"origin": "/x/inner"}, None),
        ("libfoo.dylib", HARDENED, {}, "unsafe use of relative rpath libfoo.dylib in /A/B/C with restricted binary"),
        ("@bogus/l", HARDENED, {}, "unsafe use of relative rpath @bogus/l in /A/B/C with restricted binary"),
        ("libfoo.dylib", HARDENED, {"static": False}, None),
        ("libfoo.dylib", Security(), {}, None),
        ("@rpath/l", HARDENED, {}, None),
        (LIB, RESTRICTED, {}, None),
    ],
)
def test_what_a_restricted_program_refuses(
    path: str, security: Security, asked: dict[str, Any], text: str | None
) -> None:
    failure = restriction(process("11", security=security), request(path, **asked))
    assert (failure.text if failure is not None else None) == text


def test_a_hardened_program_complains_about_the_variable_itself() -> None:
    # loadPhase3() falls through to loadPhase4(path); loadPhase5load(): isFileRelativePath()
    assert tried("@executable_path/l", security=HARDENED, opening=True)[:2] == ["/A/B/l", "@executable_path/l"]
    assert "@executable_path/l" not in tried("@executable_path/l")


def test_rules_name_where_a_path_comes_from() -> None:
    config = process("11", versioned_library_path=("/v",))
    found = list(candidates(config, request("@rpath/l", image("/A/B/C", "/r")), paths({}), opening=True))
    assert [(c.path, c.rule) for c in found] == [
        ("/r/l", R.RPATH),
        ("/usr/local/lib/l", R.STANDARD_FALLBACK),
        ("/usr/lib/l", R.STANDARD_FALLBACK),
        ("/v/l", R.VERSIONED_OVERRIDE),
    ]
