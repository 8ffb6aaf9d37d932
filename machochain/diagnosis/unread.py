"""A text no form fits: which lines look like a message, which form is nearest, what to run to learn more."""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from machochain.diagnosis import table
from machochain.model.diagnosis import Unread

_SUSPECT: Final = re.compile(
    r"(?i)error|\bld: |dyld|fatal|failed|cannot|can't|could not|killed|abort|denied|invalid|not found|signature"
)
_WORD: Final = re.compile(r"[A-Za-z]{2,40}")
_HOLE: Final = re.compile(r"\{[^}]*\}|[\u27e6\u27e7\u27e8\u27e9|\u23ce^$]")
_OTHER: Final = re.compile(
    r"cannot open shared object file|ld-linux|GLIBC_\d|/lib/x86_64-linux-gnu|libc\.musl"
    r"|\.dll\b|WinError|0xc000|ELF file|/usr/bin/ld: cannot find"
)
LINES: Final = 6
HEAD: Final = 200_000
"""Characters of a text that are looked at."""
ENOUGH: Final = 0.5
"""Share of a form's word triples a line must have to be named as near it."""
_NEXT: Final = (
    (re.compile(r"(?i)killed|exit (?:code|status) 137|SIGKILL"), (
        "codesign -vvv FILE",
        "log show --last 2m --predicate 'eventMessage CONTAINS \"CODE SIGNING\" OR process == \"amfid\"'",
    )),
    (re.compile(r"(?i)abort|exit (?:code|status) 134|SIGABRT"), (
        "DYLD_PRINT_LIBRARIES=1 DYLD_PRINT_SEARCHING=1 FILE",
        "ls -t ~/Library/Logs/DiagnosticReports",
    )),
    (re.compile(r"(?i)notar"), ("xcrun notarytool log SUBMISSION_ID",)),
    (re.compile(r"(?i)\.app\b|gatekeeper|quarantine|codesign|bundle"), (
        "codesign --verify --deep --strict -vvv APP",
        "spctl -a -vv APP; xattr -l APP",
    )),
    (re.compile(r"(?i)\bld: |clang|linker|go build|cgo|undefined"), (
        "go build -x -ldflags=-v   # or the same command with -v; the first error counts",
    )),
    (re.compile(r"(?i)\.dylib|\.so\b|\.bundle|librar|module|framework"), (
        "otool -L FILE; otool -l FILE; file FILE",
        "machochain audit FILE",
    )),
)  # fmt: skip


@cache
def _triples() -> list[tuple[frozenset[tuple[str, ...]], str, str]]:
    found = []
    for form in table.forms().values():
        if form.producer == "facts":
            continue  # what a text states is no message of a tool
        for wording in form.wordings:
            words = _WORD.findall(_HOLE.sub(" ", wording))
            triples = frozenset(_of(words))
            if len(triples) > 1:
                found.append((triples, form.name, " ".join(words)))
    return found


def _of(words: list[str]) -> list[tuple[str, ...]]:
    low = [w.lower() for w in words]
    return [tuple(low[i : i + 3]) for i in range(len(low) - 2)]


def unread(text: str) -> Unread:
    """Say what can be said of a text in which nothing is known; no value is taken from it."""
    head = text[:HEAD]
    lines = [line.strip()[:400] for line in head.split("\n") if _SUSPECT.search(line[:4000])][:LINES]
    if not lines:
        return Unread(other_system=_OTHER.search(head) is not None)
    best: tuple[float, str, str, str] | None = None
    for line in lines:
        words = _WORD.findall(line)
        have = frozenset(_of(words))
        for triples, name, wording in _triples():
            share = len(triples & have) / len(triples)
            if share >= ENOUGH and (best is None or share > best[0]):
                best = (share, name, wording, " ".join(words))
    step = next((steps for pattern, steps in _NEXT if any(pattern.search(line) for line in lines)), ())
    if best is None:
        return Unread(tuple(lines), next=step, other_system=_OTHER.search(head) is not None)
    _, name, wording, line_words = best
    missing = [w for w in wording.split() if w.lower() not in line_words.lower().split()]
    return Unread(
        tuple(lines),
        nearest=name,
        producer=table.forms()[name].producer,
        differs=" ".join(missing[:6]) or None,
        next=step,
        other_system=_OTHER.search(head) is not None,
    )
