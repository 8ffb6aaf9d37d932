"""dyld's texts, byte for byte, by generation. Sources: the format strings of the files each test names."""

from __future__ import annotations

from typing import Any

import pytest

from machochain.dyld import messages as m
from machochain.dyld.config import HARDENED, RESTRICTED
from machochain.model.platform import Platform
from machochain.model.search import Attempt, Candidate, Objection, ObjectionKind, SearchRule
from tests.dyld.processes import image, process

UUID = "<00010203-0405-0607-0809-0A0B0C0D0E0F>"
MAIN = image("/app/ma'in", number=0)
WEAK_15 = (
    "Symbol not found: _s\n  Referenced from: <no uuid> /app/main\n  Expected as weak-def export from some loaded dylib"
)
NONE_USED = "no LC_RPATH's used.  They may be invalid, eg, not start with '@loader_path' or '@executable_path'"
NO_UUID = image("/app/main", uuid=None)


@pytest.mark.parametrize(
    ("macos", "text"),
    [
        # dyld-852.2, ImageLoader.cpp: recursiveLoadLibraries()
        ("11", "Library not loaded: @rpath/l'x\n  Referenced from: /app/ma'in\n  Reason: why"),
        # dyld-940, 957, JustInTimeLoader.cpp: loadDependents()
        ("12", "Library not loaded: @rpath/l'x\n  Referenced from: /app/ma'in\n  Reason: why"),
        ("12.3", "Library not loaded: @rpath/l'x\n  Referenced from: /app/ma'in\n  Reason: why"),
        # dyld-960, the same with Diagnostics::quotePath()
        ("12.5", "Library not loaded: '@rpath/l x'\n  Referenced from: '/app/ma in'\n  Reason: why"),
        # dyld-1042.1 on
        ("13", f"Library not loaded: @rpath/l'x\n  Referenced from: {UUID} /app/ma'in\n  Reason: why"),
        ("15.4", f"Library not loaded: @rpath/l'x\n  Referenced from: {UUID} /app/ma'in\n  Reason: why"),
        ("26", f"Library not loaded: @rpath/l'x\n  Referenced from: {UUID} /app/ma'in\n  Reason: why"),
    ],
)
def test_library_not_loaded(macos: str, text: str) -> None:
    assert m.library_not_loaded(process(macos), "@rpath/l'x", MAIN, "why") == text


def test_an_image_without_uuid_says_so() -> None:
    # dyld-1378, Loader.cpp: getUuidStr()
    text = m.library_not_loaded(process("26"), "l", NO_UUID, "why")
    assert text == "Library not loaded: l\n  Referenced from: <no uuid> /app/main\n  Reason: why"


@pytest.mark.parametrize(
    ("macos", "minos", "note"),
    [
        # dyld-1378, Loader.cpp: tooNewErrorAddendum(); there is none before dyld-1042.1
        ("26", "27.0", " (built for macOS 27.0 which is newer than running OS)"),
        ("14.2", "14.2.1", " (built for macOS 14.2.1 which is newer than running OS)"),
        ("14.2", "14.2", ""),
        ("12.3", "13.0", ""),
    ],
)
def test_a_requester_that_is_too_new_is_pointed_out(macos: str, minos: str, note: str) -> None:
    text = m.library_not_loaded(process(macos), "l", image("/app/main", minos=minos), "why")
    assert text.splitlines()[1].endswith(f"/app/main{note}")


def test_only_the_macos_version_of_a_requester_is_compared() -> None:
    catalyst = image("/app/main", platform=Platform.MAC_CATALYST, minos="27.0")
    text = m.library_not_loaded(process("26", platform=Platform.MAC_CATALYST), "l", catalyst, "why")
    assert text.splitlines()[1].endswith("/app/main")


def attempt(path: str, reason: str, suffix: str = "") -> Attempt:
    return Attempt(Candidate(path, SearchRule.RAW_PATH), Objection(ObjectionKind.MALFORMED, reason), suffix)


def test_attempts_are_listed_in_order_with_duplicates() -> None:
    # dyld-1378, Loader.cpp: getLoader(); a sandbox denial's note stands behind the bracket; an empty file has no words
    listed = (
        attempt("/a", "no such file"),
        attempt("/a", ""),
        attempt("/b", "blocked by sandbox", ", not in dyld cache"),
    )
    assert m.tried_text(process("26").profile, listed) == (
        "tried: '/a' (no such file), '/a' (), '/b' (blocked by sandbox), not in dyld cache"
    )
    assert m.tried_text(process("26").profile, ()) == ""


def test_macos_12_5_blanks_quotes_in_attempts() -> None:
    assert m.tried_text(process("12.5").profile, (attempt("/it's", "x"),)) == "tried: '/it s' (x)"


@pytest.mark.parametrize(
    ("macos", "path", "rule", "errno", "reason"),
    [
        # dyld-957, Loader.cpp: getLoader(): every failure of stat() is one
        ("12.3", "/usr/lib/x", SearchRule.RAW_PATH, 2, "no such file"),
        ("12.3", "/usr/lib/x", SearchRule.RAW_PATH, 13, "no such file"),
        ("12.3", "/usr/lib", SearchRule.RAW_PATH, m.ENOTAFILE, "not a file"),
        # dyld-1042.1 on
        ("13", "/x", SearchRule.RAW_PATH, 2, "no such file"),
        ("13", "/x", SearchRule.RAW_PATH, 13, "errno=13"),
        ("26", "/usr/lib/x", SearchRule.RAW_PATH, 2, "no such file, not in dyld cache"),
        ("26", "/usr/lib/x", SearchRule.RAW_PATH_ON_DISK, 2, "no such file"),
        ("26", "/usr/lib/x", SearchRule.RPATH, 20, "errno=20, not in dyld cache"),
        ("26", "/usr/lib/x", SearchRule.RAW_PATH, m.ENOTAFILE, "not a file, not in dyld cache"),
        ("26", "/System/Library/x", SearchRule.RAW_PATH, 2, "no such file, not in dyld cache"),
        ("26", "/System/iOSSupport/usr/lib/x", SearchRule.CATALYST_PREFIX, 2, "no such file, not in dyld cache"),
        ("26", "/System/iOSSupport/usr/lib/x", SearchRule.CATALYST_PREFIX_ON_DISK, 2, "no such file"),
        ("26", "/System/iOSSupport/x", SearchRule.CATALYST_PREFIX, 2, "no such file"),
        ("26", "/System/DriverKit/x", SearchRule.RAW_PATH, 2, "no such file, not in dyld cache"),
        ("26", "/System/Volumes/x", SearchRule.CRYPTEX_PREFIX, 2, "no such file"),
        ("26", "/usr/local/lib/x", SearchRule.STANDARD_FALLBACK, 2, "no such file"),
    ],
)
def test_why_nothing_was_found_at_a_path(macos: str, path: str, rule: SearchRule, errno: int, reason: str) -> None:
    found = m.miss(process(macos).profile, Candidate(path, rule), errno)
    assert (found.text, found.errno) == (reason, max(errno, 0))


@pytest.mark.parametrize(
    ("macos", "has_run_paths", "text"),
    [
        ("12.3", False, ""),
        ("13", False, ""),
        ("13.3", False, ""),
        # dyld-1122.1 on; dyld-1231.3 on
        ("14", False, "no LC_RPATH's found"),
        ("14", True, ""),
        ("14.4", True, ""),
        ("15", False, "no LC_RPATH's found"),
        ("15", True, NONE_USED),
        ("26", True, NONE_USED),
    ],
)
def test_what_is_said_if_no_run_path_gave_anything(macos: str, has_run_paths: bool, text: str) -> None:
    failure = m.nothing_tried(process(macos).profile, "@rpath/l", has_run_paths=has_run_paths)
    assert (failure.text if failure is not None else "") == text
    assert m.nothing_tried(process(macos).profile, "@bogus/l", has_run_paths=has_run_paths) is None


@pytest.mark.parametrize(
    ("macos", "security", "path", "note"),
    [
        ("26", RESTRICTED, "@rpath/l", ", (security policy does not allow @ path expansion)"),
        ("12", RESTRICTED, "@executable_path/l", ", (security policy does not allow @ path expansion)"),
        ("26", RESTRICTED, "/l", ""),
        ("26", HARDENED, "@rpath/l", ""),
        ("11", RESTRICTED, "@rpath/l", ""),
    ],
)
def test_the_hint_at_the_security_policy(macos: str, security: Any, path: str, note: str) -> None:
    assert m.not_expanded_note(process(macos, security=security), path) == note


LIB = image("/l/li'b", number=1)


@pytest.mark.parametrize(
    ("macos", "text"),
    [
        # dyld-852.2, ImageLoaderMachO.cpp: throwSymbolNotFound()
        ("11", "Symbol not found: _s\n  Referenced from: /app/ma'in\n  Expected in: /l/li'b\n"),
        # dyld-957, 960 and 1042.1 on, Loader.cpp: resolveSymbol()
        ("12.3", "Symbol not found: _s\n  Referenced from: /app/ma'in\n  Expected in: /l/li'b"),
        ("12.5", "Symbol not found: (_s)\n  Referenced from: '/app/ma in'\n  Expected in: '/l/li'b'"),
        ("13", f"Symbol not found: _s\n  Referenced from: {UUID} /app/ma'in\n  Expected in:     {UUID} /l/li'b"),
        ("26", f"Symbol not found: _s\n  Referenced from: {UUID} /app/ma'in\n  Expected in:     {UUID} /l/li'b"),
    ],
)
def test_symbol_not_found(macos: str, text: str) -> None:
    assert m.symbol_not_found(process(macos), "_s", MAIN, LIB) == text


@pytest.mark.parametrize(
    ("macos", "text"),
    [
        ("12.3", "Symbol not found: _s\n  Referenced from: /app/ma'in\n  Expected in: unknown"),
        ("26", f"Symbol not found: _s\n  Referenced from: {UUID} /app/ma'in\n  Expected in:     <no uuid> unknown"),
    ],
)
def test_a_symbol_of_an_absent_library(macos: str, text: str) -> None:
    assert m.symbol_not_found(process(macos), "_s", MAIN, None) == text


@pytest.mark.parametrize(
    ("macos", "flat", "weak"),
    [
        ("11", "Symbol not found: _s\n  Referenced from: /app/main\n  Expected in: flat namespace\n", None),
        ("12.3", "symbol not found in flat namespace '_s'", "weak-def symbol not found '_s'"),
        ("12.5", "symbol not found in flat namespace (_s)", "weak-def symbol not found (_s)"),
        ("14.4", "symbol not found in flat namespace '_s'", "weak-def symbol not found '_s'"),
        ("15", "symbol not found in flat namespace '_s'", WEAK_15),
    ],
)
def test_flat_and_weak_symbols(macos: str, flat: str, weak: str | None) -> None:
    assert m.flat_symbol_not_found(process(macos), "_s", NO_UUID) == flat
    if weak is not None:
        assert m.weak_symbol_not_found(process(macos), "_s", NO_UUID) == weak


def test_dyld2_notes_an_importer_that_is_too_new_as_mac_os_x() -> None:
    # dyld-852.2, ImageLoaderMachOCompressed.cpp: resolveTwolevel()
    text = m.symbol_not_found(process("11"), "_s", image("/app/main", minos="12.3.1"), LIB)
    assert text.splitlines()[1] == "  Referenced from: /app/main (which was built for Mac OS X 12.3)"


@pytest.mark.parametrize(
    ("macos", "text"),
    [
        ("11", "could not load inserted library '/i' because why\n"),
        ("12.3", "terminating because inserted dylib '/i' could not be loaded: why\nwhy"),
        ("26", "terminating because inserted dylib '/i' could not be loaded: why\nwhy"),
    ],
)
def test_an_inserted_library_that_is_missing(macos: str, text: str) -> None:
    assert m.inserted_library_failed(process(macos), "/i", "why") == text


def test_dyld2_lists_only_what_it_found_unfit() -> None:
    # dyld-852.2, dyld2.cpp: load()
    assert m.classic_tried_text(()) == "image not found"
    listed = (attempt("/a", "not a file"), attempt("/b", ""), attempt("", "no relative paths"))
    assert m.classic_tried_text(listed) == (
        "no suitable image found.  Did find:\n\t/a: not a file\n\tno relative paths"
    )


@pytest.mark.parametrize(
    ("macos", "text"),
    [
        ("11", "code signature in (/l) not valid for use in process using Library Validation: no"),
        ("26", f"code signature in {UUID} '/l' not valid for use in process: no"),
    ],
)
def test_the_kernel_s_verdict_on_a_signature(macos: str, text: str) -> None:
    assert MAIN.image is not None
    found = m.not_valid_reason(process(macos).profile, MAIN.image, "/l", "no")
    assert found == Objection(ObjectionKind.SIGNATURE, text)


def test_a_refused_main_executable_is_told_twice() -> None:
    assert m.main_refused(process("26").profile, "/app/main", "bad") == "bad in /app/main\nbad"
    assert m.main_refused(process("11").profile, "/app/main", "bad") == "bad"  # dyld2.cpp: halt()
