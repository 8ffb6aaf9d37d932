"""The rules that turn a message back into a Mac, on lists made up for them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.graph.modelled import CRYPTEX as K
from tests.graph.replaying import infer_fallbacks, infer_macos, replay, tried_of

N, C = "no such file", "no such file, not in dyld cache"
ARCH = "mach-o file, but is an incompatible architecture (have 'x86_64', need 'arm64e' or 'arm64')"
HARD = "relative path not allowed in hardened program"


def record(
    library: str, *tried: tuple[str, str], ref: str | None = "/t/x", form: str = "dyld4/launch", **more: Any
) -> dict[str, Any]:
    return {
        "form": form, "library": library, "tried": [list(x) for x in tried], "referenced_from": ref, "loader": "launch",
        "macos": None, "uuid": None, **more,
    }  # fmt: skip


def group(path: str, reason: str = N) -> tuple[tuple[str, str], ...]:
    return (path, reason), (K + path, N), (path, reason)


def fallback(name: str) -> tuple[tuple[str, str], ...]:
    return (f"/usr/local/lib/{name}", N), (f"/usr/lib/{name}", C)


OPENED: dict[str, Any] = {"ref": None, "form": "dyld4/dlopen-tried", "loader": "dlopen(0x0005)"}
OPT, CELLAR = "/opt/homebrew/opt/x/lib/l", "/opt/homebrew/Cellar/x/1/lib/l"
APP = "/Applications/X.app/Contents"
RECORDS = {
    "no run path on macOS 13.0": record("@rpath/l", (f"{K}@rpath/l", N), *fallback("l")),
    "relative run path": record("@rpath/l", *[("./ext/l", N)] * 2),
    "absolute run path": record("@rpath/l", *[("/a/l", N), (f"{K}/a/l", N)] * 2),
    "fallbacks behind both groups": record(OPT, *group(OPT), *fallback("l"), *group(CELLAR), *fallback("l")),
    "wrong architecture in both groups": record(OPT, *group(OPT, ARCH), *group(CELLAR, ARCH)),
    "bare name, hardened": record(
        "l",
        ("l", HARD),
        (f"{K}l", N),
        *[("/d/bin/../lib/l", N)] * 2,
        ("/usr/lib/l", C),
        ("l", HARD),
        ("/usr/lib/l", C),
        **OPENED,
    ),
    "fallback variable behind no run path": record("@rpath/l", ("/t/deps/l", N), ("/home/l", N), *fallback("l")),
    "fallback variable behind a path": record("/q/l", *group("/q/l"), ("/t/deps/l", N), *fallback("l")),
    "@executable_path from a library": record(
        "@executable_path/../Frameworks/l", (f"{APP}/Frameworks/l", N), ref=f"{APP}/Frameworks/libA.dylib"
    ),
    "@executable_path from a library, macOS 12": record(
        "@executable_path/../Frameworks/l",
        (f"{APP}/MacOS/../Frameworks/l", N),
        ("/usr/local/lib/l", N),
        ("/usr/lib/l", N),
        ref=f"{APP}/Frameworks/libA.dylib",
        form="dyld4-early/launch",
    ),
    "empty file": record("/q/l", *group("/q/l", "")),
    "directory": record("/q/l", *group("/q/l", "not a file"), **OPENED),
    "link, opened on macOS 12": record(
        "/opt/o/x/l.so", ("/opt/o/x/l.so", N), ("/opt/C/x/1/l.so", N), **{**OPENED, "form": "dyld4-early/dlopen-tried"}
    ),
    "nobody referred": record("/q/l", *group("/q/l"), ref=None),
    "framework of an old program": record(
        "@rpath/A.framework/A",
        *[(f"{APP}/Frameworks/A.framework/A", N)] * 2,
        ("/Library/Frameworks/A.framework/A", N),
        ("/System/Library/Frameworks/A.framework/A", C),
        ref=f"{APP}/MacOS/x",
    ),
    "chain of a library and its loader": record(
        "@rpath/l", ("/p/lib/../../l", N), *[("/g/libexec/../l", N)] * 2, ref="/p/lib/libA.dylib"
    ),
    "dyld2 found a universal file": record(
        "/q/l",
        *[("/q/l", "no matching architecture in universal wrapper")] * 2,
        **{**OPENED, "form": "dyld2/dyld2-did-find-list", "loader": "dlopen(1)"},
    ),
}


@pytest.mark.parametrize("name", RECORDS)
def test_a_list_comes_out_as_it_went_in(name: str) -> None:
    _, got = replay(RECORDS[name])
    assert got == tried_of(RECORDS[name])


@pytest.mark.parametrize("name", RECORDS)
def test_a_list_that_is_not_dyld_s_does_not_come_out(name: str) -> None:
    """The inference cannot make up just anything: a path behind all that dyld tries stays unexplained."""
    spoilt = {**RECORDS[name], "tried": [*RECORDS[name]["tried"], ["/made/up/other", N]]}
    try:
        _, got = replay(spoilt)
    except StopIteration:
        return  # the model finds the library
    assert got != tried_of(spoilt)


@pytest.mark.parametrize(
    ("reason", "stated", "macos"),
    [
        (N, None, "13.3"), (N, "15.0.1", "15.0.1"), (N, "26.2", "26.2"),
        ("mach-o file, but is an incompatible architecture (have 'x86_64', need 'arm64')", None, "13.3"),
        ("mach-o file, but is an incompatible architecture (have 'x86_64', need 'arm64')", "13.4.1", "13.4.1"),
        (ARCH, None, "14.4"), (ARCH, "15.1", "15.1"), (ARCH, "14.1", "14.4"),
        ("slice is not valid mach-o file", None, "15.4"), ("duplicate LC_RPATH 'x'", "15.6", "15.6"),
    ],
)  # fmt: skip
def test_the_wording_narrows_the_release_and_a_statement_within_it_counts(
    reason: str, stated: str | None, macos: str
) -> None:
    one = record("/q/l", ("/q/l", reason), macos=stated)
    assert infer_macos(one, tried_of(one)) == macos


@pytest.mark.parametrize(
    ("path", "tail", "used", "shortened"),
    [
        ("/q/l", [("/q/l", N)], False, False),
        ("/q/l", [("/q/l", N), *fallback("l")], True, False),
        ("/q/l", [("/q/l", N), ("/usr/lib/l", C)], True, True),
        ("/usr/local/lib/l", [("/usr/local/lib/l", N), ("/usr/lib/l", C)], True, False),
        ("/usr/lib/l", [("/usr/lib/l", N)], False, False),
    ],
)
def test_the_tail_tells_of_default_fallbacks(
    path: str, tail: list[tuple[str, str]], used: bool, shortened: bool
) -> None:
    found = infer_fallbacks(path, tail)
    assert (found.used, found.shortened) == (used, shortened)
