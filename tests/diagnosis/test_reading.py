"""What a paste tells is found, whatever stands around it, and nothing else is."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from machochain.diagnosis import read
from machochain.diagnosis.reading import MAX_MESSAGES
from machochain.diagnosis.tried import scan_tried
from machochain.model.errors import InputError
from machochain.model.evidence import Era, Evidence, EvidenceKind, LoggedImage, Request, Termination, Tried
from machochain.model.result import Confidence
from machochain.model.version import Version
from tests.dyld.noise import NOISES
from tests.dyld.printed import observations, printed, tried_list

UUID = "D62710E5-38A2-394B-B5F9-7FC1C47FC916"
MODERN = (
    "dyld[77]: Library not loaded: @rpath/libfoo.1.dylib\n"
    f"  Referenced from: <{UUID}> /Applications/My (old) App.app/Contents/MacOS/app (built for macOS 14.0 which is"
    " newer than running OS)\n"
    "  Reason: tried: '/a b/libfoo.1.dylib' (no such file), '/usr/lib/libfoo.1.dylib' (no such file, not in dyld cache)"
)
WEAK_DEF_15 = "Expected as weak-def export from some loaded dylib"
RECORDS = observations()
WRAPPERS = ("hard_wrapped", "soft_wrapped")


def plain(found: tuple[Evidence, ...]) -> list[Evidence]:
    """The facts without where they stand and how sure the reader was of the line breaks."""
    return [evolve(e, lines=(0, 0), confidence=Confidence.CERTAIN) for e in found]


def test_every_field_of_a_launch_message_is_read() -> None:
    (found,) = read(MODERN)
    assert found.kind is EvidenceKind.LIBRARY_MISSING
    assert found.request is Request.LAUNCH
    assert found.era is Era.DYLD4
    assert found.pid == 77
    assert found.library == "@rpath/libfoo.1.dylib"
    assert found.referenced_from == "/Applications/My (old) App.app/Contents/MacOS/app"
    assert found.uuid == UUID
    assert found.built_for == "macOS 14.0"
    assert [t.path for t in found.attempts] == ["/a b/libfoo.1.dylib", "/usr/lib/libfoo.1.dylib"]
    assert found.attempts[1].reason == "no such file, not in dyld cache"
    assert not found.truncated
    assert found.lines == (1, 3)


@pytest.mark.parametrize("noise", [n for n in NOISES if n not in WRAPPERS])
def test_noise_around_a_message_changes_no_fact(noise: str) -> None:
    for record in RECORDS:
        text = printed(record)
        assert plain(read(NOISES[noise](text))) == plain(read(text)), record["id"]


def test_wrapped_lines_are_joined_and_what_was_guessed_says_so() -> None:
    same = 0
    for record in RECORDS:
        text = printed(record)
        for noise in WRAPPERS:
            wrapped = NOISES[noise](text)
            found = read(wrapped)
            same += plain(found) == plain(read(text))
            if wrapped != text and "\n" in wrapped[len(text) // 2 :] and plain(found) != plain(read(text)):
                assert all(e.confidence is Confidence.LIKELY or e.truncated for e in found), record["id"]
    assert same / (len(RECORDS) * len(WRAPPERS)) >= 0.98


def test_a_cut_message_gives_a_part_of_its_facts_and_nothing_else() -> None:
    for record in RECORDS[::7]:
        text = printed(record)
        (whole,) = read(text)
        for end in range(0, len(text), 5):
            for part in read(text[:end]):
                for name in ("library", "referenced_from", "symbol", "expected_in", "dlopen_path"):
                    value, full = getattr(part, name), getattr(whole, name)
                    assert value is None or (full is not None and _is_cut_of(value, full)), (name, text[:end])
                assert [t.path for t in part.attempts] == [t.path for t in whole.attempts][: len(part.attempts)] or (
                    "Did find" in text or record["form"].endswith("inserted")
                ), text[:end]


def _is_cut_of(value: str, full: str) -> bool:
    return full.startswith(value.rstrip("'")) or value.lstrip("'(").rstrip("')") in full or value.startswith(full)


def test_messages_glued_together_are_two() -> None:
    second = MODERN.replace("libfoo", "libbar").removeprefix("dyld[77]: ")
    first, other = read(MODERN + second)
    assert (first.library, other.library) == ("@rpath/libfoo.1.dylib", "@rpath/libbar.1.dylib")
    assert len(first.attempts) == len(other.attempts) == 2


def test_the_same_message_again_is_counted() -> None:
    (found,) = read(f"{MODERN}\nzsh: abort\n{MODERN}\n{MODERN}")
    assert found.occurrences == 3


def test_lazy_failures_are_printed_twice_and_read_once() -> None:
    block = "Symbol not found: _f\n  Referenced from: /b/x\n  Expected in: /usr/lib/libSystem.B.dylib\n"
    (found,) = read(f"dyld: lazy symbol binding failed: {block}\ndyld: {block}\nAbort trap: 6\n")
    assert (found.symbol, found.lazy, found.occurrences, found.era) == ("_f", True, 1, Era.DYLD2)


def test_a_refused_main_executable_is_read_once_with_its_path() -> None:
    (found,) = read("dyld[9]: missing LC_UUID load command in /a/b c\ndyld[9]: missing LC_UUID load command\n")
    assert (found.kind, found.referenced_from, found.reason) == (
        EvidenceKind.VALIDITY,
        "/a/b c",
        "missing LC_UUID load command",
    )
    assert found.macos_range is not None
    assert found.macos_range.low == Version.of(26)


@pytest.mark.parametrize(
    ("text", "symbol", "where"),
    [
        ("dlopen(/p.so, 0x0002): symbol not found in flat namespace '_x'", "_x", "flat namespace"),
        ("dlopen(/p.so, 0x0002): symbol not found in flat namespace (_x)", "_x", "flat namespace"),
        ("dyld[1]: weak-def symbol not found '__Znwm'", "__Znwm", "weak-def export"),
        (
            (f"dyld[1]: Symbol not found: _x\n  Referenced from: <{UUID}> /a\n"
            "  Expected as weak-def export from some loaded dylib"),
            "_x",
            "weak-def export",
        ),
        ("dyld[1]: Symbol not found: _x\n  Referenced from: /a\n  Expected in:     <no uuid> ?", "_x", "?"),
    ],
)  # fmt: skip
def test_symbol_messages_of_every_layout(text: str, symbol: str, where: str) -> None:
    (found,) = read(text)
    assert (found.kind, found.symbol, found.expected_in) == (EvidenceKind.SYMBOL_MISSING, symbol, where)


def test_dyld3_closure_wording() -> None:
    (found,) = read(
        "dyld: dependent dylib '/l/a.dylib' not found for '/b/m', tried but didn't find: '/l/a.dylib' '/k/a.dylib' "
    )
    assert (found.library, found.referenced_from) == ("/l/a.dylib", "/b/m")
    assert [t.path for t in found.attempts] == ["/l/a.dylib", "/k/a.dylib"]


def test_the_tail_of_a_message_without_its_head() -> None:
    (found,) = read("  Reason: tried: '/l/a.dylib' (no such file)")
    assert (found.library, found.confidence) == (None, Confidence.LIKELY)
    assert found.attempts == (Tried("/l/a.dylib", "no such file"),)


def test_an_escaped_one_line_log_and_typographic_quotes() -> None:
    one_line = MODERN.replace("\n", "\\n")
    assert plain(read(one_line)) == plain(read(MODERN))
    curly = MODERN.replace(" '", " \u2018").replace("' ", "\u2019 ")
    assert plain(read(curly)) == plain(read(MODERN))


def test_html_entities() -> None:
    assert plain(read(MODERN.replace("<", "&lt;").replace(">", "&gt;").replace("'", "&#39;"))) == plain(read(MODERN))


def test_sw_vers_states_the_release() -> None:
    (found,) = read(f"ProductName: macOS\nProductVersion: 14.4.1\n{MODERN}\n")
    assert found.macos == Version.of(14, 4, 1)


# --- crash reports ----------------------------------------------------------------------------------------------------

IPS_BODY: dict[str, Any] = {
    "pid": 812,
    "procPath": "/Applications/T-Shell.app/Contents/MacOS/T-Shell",
    "cpuType": "ARM-64",
    "sip": "enabled",
    "osVersion": {"train": "macOS 13.4", "build": "22F66"},
    "termination": {
        "code": 1,
        "namespace": "DYLD",
        "indicator": "Library missing",
        "reasons": [
            "Library not loaded: /opt/homebrew/*/libssl.3.dylib",
            f"Referenced from: <{UUID}> /Applications/T-Shell.app/Contents/MacOS/T-Shell",
            (
                "Reason: tried: '/opt/homebrew/*/libssl.3.dylib' (no such file),"
                " '/System/Volumes/Preboot/Cryptexes/OS/opt/homebrew/*/libssl.3.dylib' (no such file)"
            ),
            "(terminated at launch; ignore backtrace)",
        ],
    },
}


def ips() -> str:
    return json.dumps({"app_name": "T-Shell", "bug_type": "309"}) + "\n" + json.dumps(IPS_BODY, indent=2)


def test_ips_report() -> None:
    (found,) = read(ips().replace("/", "\\/"))
    assert found.library == "/opt/homebrew/*/libssl.3.dylib"
    assert found.redacted
    assert found.macos == Version.of(13, 4)
    assert (found.pid, found.sip, found.arch) == (812, True, "ARM-64")
    assert found.termination == Termination("DYLD", 1, "Library missing")
    assert len(found.attempts) == 2
    assert not found.truncated


def test_ips_report_that_was_cut_in_its_list() -> None:
    text = ips()
    (found,) = read(text[: text.index("Cryptexes") + 4])
    assert found.library == "/opt/homebrew/*/libssl.3.dylib"
    assert [t.path for t in found.attempts] == ["/opt/homebrew/*/libssl.3.dylib"]
    assert found.truncated
    assert found.macos == Version.of(13, 4)


CRASH = f"""\
-------------------------------------
Translated Report (Full Report Below)
-------------------------------------

Process:               T-Shell [812]
Path:                  /Applications/T-Shell.app/Contents/MacOS/T-Shell
Code Type:             X86-64 (Translated)
OS Version:            macOS 13.4 (22F66)
System Integrity Protection: enabled

Termination Reason:    Namespace DYLD, Code 1 Library missing
Library not loaded: @rpath/libfoo.dylib
Referenced from: <{UUID}> /Applications/T-Shell.app/Contents/MacOS/T-Shell
Reason: tried: '/Users/USER/*/libfoo.dylib' (no such file)
(terminated at launch; ignore backtrace)

Thread 0 Crashed:
0   dyld      0x1 __abort_with_payload + 8
"""


def test_crash_report_in_text() -> None:
    (found,) = read(CRASH)
    assert (found.library, found.pid, found.arch, found.sip) == (
        "@rpath/libfoo.dylib",
        812,
        "X86-64 (Translated)",
        True,
    )
    assert found.termination == Termination("DYLD", 1, "Library missing")
    assert found.attempts == (Tried("/Users/USER/*/libfoo.dylib", "no such file"),)
    assert found.redacted


def test_crash_report_of_dyld2() -> None:
    (found,) = read(
        "Process:               r3mac [51]\nOS Version:            Mac OS X 10.15.7 (19H2)\n"
        "Termination Reason:    DYLD, [0x1] Library missing\n\nApplication Specific Information:\n"
        "dyld: launch, loading dependent libraries\n\nDyld Error Message:\n"
        "  Library not loaded: /usr/local/opt/sdl2/lib/libSDL2-2.0.0.dylib\n"
        "  Referenced from: /Users/USER/Downloads/*/r3mac\n  Reason: image not found\n\nBinary Images:\n"
    )
    assert (found.era, found.macos, found.reason) == (Era.DYLD2, Version.of(10, 15, 7), "image not found")
    assert found.termination == Termination("DYLD", 1, "Library missing")
    assert found.referenced_from == "/Users/USER/Downloads/*/r3mac"


def test_crash_report_without_a_message_of_dyld() -> None:
    (found,) = read("Process: x [1]\nTermination Reason:    Namespace CODESIGNING, Code 2 Invalid Page\n")
    assert found.kind is EvidenceKind.TERMINATION
    assert found.termination == Termination("CODESIGNING", 2, "Invalid Page")


# --- logs and builds --------------------------------------------------------------------------------------------------


def test_print_libraries_is_a_log_and_no_failure() -> None:
    (found,) = read(f"dyld[5]: <{UUID}> /a/b\ndyld[5]: <no uuid> /usr/lib/libz.1.dylib\n")
    assert found.kind is EvidenceKind.LOADS
    assert not found.kind.is_failure
    assert found.loads == (LoggedImage(UUID, "/a/b"), LoggedImage(None, "/usr/lib/libz.1.dylib"))


SEARCHING = """\
find path "@rpath/libfoo.dylib"
  LC_RPATH '@loader_path/../lib' from '/a/bin/x'
  possible path(@path expansion): "/a/bin/../lib/libfoo.dylib"
    stat("/a/bin/../lib/libfoo.dylib") returned: errno=2
  possible path(default fallback): "/usr/local/lib/libfoo.dylib"
  found: dylib-from-disk: "/usr/local/lib/libfoo.dylib"
find path "/b/bar.dylib"
  possible path(original path on disk): "/b/bar.dylib"
  not found: "/b/bar.dylib"
"""


@pytest.mark.parametrize("prefix", ["", "dyld[5]: "])
def test_print_searching(prefix: str) -> None:
    (found,) = read("".join(prefix + line + "\n" for line in SEARCHING.splitlines()))
    assert found.kind is EvidenceKind.SEARCHES
    first, second = found.searches
    assert (first.library, first.found, first.missing) == ("@rpath/libfoo.dylib", "/usr/local/lib/libfoo.dylib", False)
    assert [(s.what, s.detail) for s in first.steps[:3]] == [
        ("run-path", "/a/bin/x"),
        ("possible", "@path expansion"),
        ("stat", "returned: errno=2"),
    ]
    assert (second.found, second.missing) == (None, True)


def test_traces_name_libraries_and_never_fail() -> None:
    (found,) = read(
        'stat64("/usr/lib/libfoo.dylib\\0", 0x16F, 0x0)\t\t = -1 Err#2\n'
        'open("/etc/passwd\\0", 0x0, 0x0)\t\t = 3 0\n'
        "12:00:01.123456  stat64            [  2]           /opt/x/libbar.1.dylib        0.000012   prog.77\n"
    )
    assert found.kind is EvidenceKind.TRACE
    assert not found.kind.is_failure
    assert [(c.call, c.path, c.errno) for c in found.calls] == [
        ("stat64", "/usr/lib/libfoo.dylib", 2),
        ("stat64", "/opt/x/libbar.1.dylib", 2),
    ]


# --- what is not a message --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "In prose: the words Library not loaded: mean that something is missing.",
        "call dlopen(name, RTLD_NOW) and then dlopen(x, 1)",
        "dyld: launch, loading dependent libraries",
        'printf("Reason: %s", "image not found")',
    ],
)
def test_text_without_a_message_tells_nothing(text: str) -> None:
    assert read(text) == ()


@pytest.mark.parametrize("data", [b"\xcf\xfa\xed\xfe\x07", b"\xca\xfe\xba\xbe" * 9, b"text\0more", b"PK\x03\x04zip"])
def test_binary_data_is_refused_politely(data: bytes) -> None:
    with pytest.raises(InputError, match="binary"):
        read(data)


def test_bytes_that_are_not_utf8_survive_in_paths() -> None:
    (found,) = read(b"dyld: Library not loaded: /a/\xff.dylib\n  Referenced from: /b\n  Reason: image not found\n")
    assert found.library is not None
    assert found.library.encode("utf-8", "surrogateescape") == b"/a/\xff.dylib"


def test_utf16_is_read() -> None:
    assert plain(read(b"\xff\xfe" + MODERN.encode("utf-16-le"))) == plain(read(MODERN))


class CountingText(str):
    """Text that counts the characters handed out, to show that work is in proportion to size."""

    handed = 0
    __slots__ = ()

    def __getitem__(self, key: Any) -> str:
        part = super().__getitem__(key)
        CountingText.handed += len(part)
        return part


@pytest.mark.parametrize(
    "unit", ["Library not loaded: /a ", "tried: '", "dlopen(", "Err#", "tried: '/a' (((", "Referenced from:\n"]
)
def test_hostile_text_costs_work_in_proportion_to_its_size(unit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def cost(size: int) -> int:
        CountingText.handed = 0
        text = CountingText(unit * (size // len(unit)))
        monkeypatch.setattr("machochain.diagnosis.reading.clean", lambda _: text)
        read("")
        return CountingText.handed

    small, large = cost(100_000), cost(400_000)
    assert large <= 4.5 * small + 200_000


def test_ten_megabytes_of_anything_are_looked_at_in_bounded_steps() -> None:
    text = "the quick brown fox (jumps) over 'the' lazy dog: /usr/lib/x.dylib, \n" * (10_000_000 // 68)
    assert read(text) == ()
    many = "".join(f"dyld: Library not loaded: /a/{i}.dylib\n" for i in range(MAX_MESSAGES + 50))
    assert len(read(many)) == MAX_MESSAGES


# --- the list of attempts ---------------------------------------------------------------------------------------------

REASONS = st.sampled_from(
    [
        "no such file",
        "no such file, not in dyld cache",
        "not a file",
        "",
        "errno=13",
        "mach-o file, but is an incompatible architecture (have 'x86_64', need 'arm64e' or 'arm64')",
        "mach-o file, but is an incompatible architecture (have (x86_64), need (arm64e))",
        "fat file, but missing compatible architecture (have 'i386,x86_64', need 'arm64')",
        (
            f"code signature in <{UUID}> '/p/q (x)/l.dylib' not valid for use in process: mapping process and mapped"
            " file (non-platform) have different Team IDs"
        ),
        "duplicate LC_RPATH '@loader_path/a (b), c'",
        "relative path not allowed in hardened program",
        f"code signature invalid in <{UUID}> '/x' (errno=1) sliceOffset=0x0, codeBlobSize=0x2",
    ]
)
NAMES = st.text(
    st.sampled_from("abcXYZ019 ._-+@~#=,()&é'"), min_size=1, max_size=12
).filter(lambda n: "' (" not in n and n.strip() == n and not n.endswith("'"))  # fmt: skip
PATHS = st.lists(NAMES, min_size=1, max_size=5).map(lambda parts: "/" + "/".join(parts))
ATTEMPTS = st.lists(st.tuples(PATHS, REASONS), min_size=1, max_size=8)


@given(ATTEMPTS)
@settings(max_examples=200, deadline=None)
def test_every_list_of_attempts_is_read_back(attempts: list[tuple[str, str]]) -> None:
    text = tried_list([[path, reason] for path, reason in attempts])
    found = scan_tried(text, 6)
    assert [(t.path, t.reason) for t in found.items] == attempts
    assert found.complete


@given(ATTEMPTS, PATHS, PATHS)
@settings(max_examples=100, deadline=None)
def test_every_launch_message_is_read_back(attempts: list[tuple[str, str]], library: str, asker: str) -> None:
    tried = tried_list([[path, reason] for path, reason in attempts])
    text = f"dyld[3]: Library not loaded: {library}\n  Referenced from: <{UUID}> {asker}\n  Reason: {tried}"
    (found,) = read(text)
    assert (found.library, found.referenced_from, found.uuid) == (library, asker, UUID)
    assert [(t.path, t.reason) for t in found.attempts] == attempts


@given(ATTEMPTS, st.integers(0, 400))
@settings(max_examples=100, deadline=None)
def test_a_cut_list_gives_the_attempts_before_the_cut(attempts: list[tuple[str, str]], end: int) -> None:
    text = tried_list([[path, reason] for path, reason in attempts])
    found = scan_tried(text[: max(6, end)], 6).items
    assert [t.path for t in found] == [path for path, _ in attempts][: len(found)]


@given(st.text(max_size=300))
@settings(max_examples=150, deadline=None)
def test_no_text_makes_the_reader_fail(text: str) -> None:
    with contextlib.suppress(InputError):  # a NUL makes it binary
        assert all(e.lines[0] >= 1 for e in read(f"dyld[1]: Library not loaded: {text}\n Reason: tried: '{text}"))


@pytest.mark.parametrize(
    ("line", "low", "high"),
    [
        ("symbol not found in flat namespace '_f'", "12", None),
        ("symbol not found in flat namespace (_f)", "12.5", "12.7"),
        ("weak-def symbol not found '_f'", "12", "14.7"),
        ("weak-def symbol not found (_f)", "12.5", "12.7"),
        (f"Symbol not found: _f\n  Referenced from: <{UUID}> /a\n  {WEAK_DEF_15}", "15", None),
    ],
)
@pytest.mark.parametrize("before", ["dyld[7]: ", "dlopen(/x/_z.so, 0x0002): "])
def test_a_line_that_several_releases_word_alike_is_dated_to_all_of_them(
    before: str, line: str, low: str, high: str | None
) -> None:
    (found,) = read(before + line)
    assert found.symbol == "_f"
    assert found.macos_range is not None
    assert found.macos_range.low == Version.parse(low)
    assert found.macos_range.high == (Version.parse(high) if high else None)
