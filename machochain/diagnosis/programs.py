"""What a file is and which processors it is for, where a paste has what file(1) or lipo(1) says of it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Final

from machochain.model.paths import leaf

_ARCH: Final = r"arm64e?|x86_64h?|i[3-6]86|ppc(?:_?\d{2,4})?"
_FILE: Final = re.compile(
    r"(?<![^\s:])(?P<file>[^\s:]{1,1024})(?: \(for architecture [\w.]{1,20}\))?:[ \t]{1,40}Mach-O (?:64-bit )?"
    rf"(?:executable (?P<last>{_ARCH})(?=[ \t,]|$)|(?P<first>{_ARCH}) executable\b)",
    re.MULTILINE,
)
"""``executable arm64`` of Apple's file, ``arm64 executable, flags:<…>`` of newer versions of libmagic."""
_UNIVERSAL: Final = re.compile(
    r"(?<![^\s:])(?P<file>[^\s:]{1,1024}):[ \t]{1,40}Mach-O (?:universal binary|fat file) with (?P<count>\d{1,2}) "
    r"architectures?:(?P<archs>[^\n]{1,2000}(?:\n- [^\n]{1,1000}){0,8})"
)
_SLICE: Final = re.compile(rf"\[(?P<arch>{_ARCH})(?=[:\]\s\\])")
_LIPO: Final = re.compile(
    r"Non-fat file: (?P<file>[^\n]{1,1024}?) is architecture: (?P<one>[\w.]{1,20})"
    r"|Architectures in the fat file: (?P<fat>[^\n]{1,1024}?) are: (?P<archs>[\w. ]{1,200})"
    r"|\blipo -archs (?P<asked>[^\n]{1,1024})\n(?P<answer>[\w. ]{1,200})$",
    re.MULTILINE,
)
_SAID: Final = re.compile(
    r":[ \t]{1,40}(?P<what>Mach-O [^\n]{4,400}|ELF \d{2}-bit|PE32|MS-DOS executable|current ar archive|Zip archive"
    r"|gzip compressed"
    r"|(?:ASCII|UTF-8|Unicode|HTML|XML|exported SGML|JSON)[^\n]{0,80}(?:text|document)|POSIX shell script"
    r"|[\w /.-]{1,60} script|empty$|data$)",
    re.MULTILINE,
)
_ONE: Final = re.compile(r" \(for architecture (?P<one>[\w.]{1,20})\)$")
_NAME: Final = 1_060
"""Characters before what file says in which the name stands."""
_KINDS: Final = (
    ("ELF", "ELF file"),
    ("PE32", "program of Windows"),
    ("MS-DOS", "program of Windows"),
    ("dynamically linked shared library", "library"),
    (" dylib", "library"),
    (" bundle", "bundle"),
    (" object", "object file"),
    ("current ar archive", "archive"),
    ("Zip archive", "packed file"),
    ("gzip", "packed file"),
    ("script", "script"),
    ("document", "text"),
    ("text", "text"),
    ("empty", "empty file"),
    ("data", "file of no kind that is known"),
)
"""Words of file, and what kind of file they mean: the first that is among them."""
_SLICES: Final = re.compile(
    rf"(?:\[|\b(?:library|bundle|object|executable)[ \t]{{1,4}})(?P<arch>{_ARCH})(?=[:\]\s\\,]|$)"
)
_NO_PROGRAM: Final = (".dylib", ".so", ".a", ".o", ".bundle", ".node", ".tbd")


def processors_of(text: str) -> dict[str, frozenset[str]]:
    """Return for each program that file or lipo was asked about the processors it is for."""
    found: dict[str, set[str]] = {}
    cut: set[str] = set()
    for match in _FILE.finditer(text):
        found.setdefault(match["file"], set()).add(match["last"] or match["first"])
    for match in _UNIVERSAL.finditer(text):
        slices = {each["arch"] for each in _SLICE.finditer(match["archs"])}
        if len(slices) == int(match["count"]):
            found.setdefault(match["file"], set()).update(slices)
        else:
            cut.add(match["file"])  # what is listed is not all
    for match in _LIPO.finditer(text):
        name = match["file"] or match["fat"] or match["asked"]
        words = (match["one"] or match["archs"] or match["answer"]).split()
        archs = {w for w in words if re.fullmatch(_ARCH, w)}
        if len(archs) == len(words) and not name.endswith(_NO_PROGRAM):
            found.setdefault(name, set()).update(archs)
    return {name: frozenset(archs) for name, archs in found.items() if name not in cut}


def program_of(text: str, refused: Collection[str]) -> str:
    """Return the processor the program of a paste is for: ``arm64``, ``x86_64``, ``i386`` or ``universal``.

    Args:
        text: Of the paste.
        refused: Paths of programs the system did not start; if there are any, only what is said of them counts.

    Returns:
        ``universal`` for a file both arm64 and x86_64 processors run, ``i386`` for one no 64-bit processor runs;
        ``""`` if nothing is said, or different things of different files.
    """
    said = processors_of(text)
    names = {leaf(path) for path in refused} - {""}
    kinds = {
        _kind(archs) for file, archs in said.items() if not names or any(_akin(leaf(file), name) for name in names)
    }
    return kinds.pop() if len(kinds) == 1 else ""


def _akin(one: str, other: str) -> bool:
    """Whether names are of one program: a download has the system's name behind the program's."""
    return bool(one) and (one.startswith(other) or other.startswith(one))


def _kind(archs: frozenset[str]) -> str:
    arm, intel = any(a.startswith("arm64") for a in archs), any(a.startswith("x86_64") for a in archs)
    if arm and intel:
        return "universal"
    return "arm64" if arm else "x86_64" if intel else "i386"


def kind_of(text: str, refused: Collection[str]) -> str:
    """Return what file says the refused file is, where that is no program of macOS; ``""`` if it does not say.

    Args:
        text: Of the paste.
        refused: Paths of programs the system did not start.
    """
    names = {leaf(path) for path in refused} - {""}
    found = set()
    for file, _, what in _said(text):
        if any(_akin(leaf(file), name) for name in names):
            found.add("program" if " executable" in what and "Mach-O" in what else _word(what))
    return found.pop() if len(found) == 1 and found != {"program"} else ""


def _said(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield each file of which file(1) says something, the slice it speaks of, and what it says."""
    for match in _SAID.finditer(text):
        before = text[max(0, match.start() - _NAME) : match.start()].rpartition("\n")[2]
        name = before.rpartition(":")[2].strip()
        one = _ONE.search(name)
        if name:
            yield (name[: one.start()], one["one"], match["what"]) if one else (name, "", match["what"])


def _word(what: str) -> str:
    return next((kind for part, kind in _KINDS if part in what), "program")


def slices_of(text: str, path: str) -> tuple[str, ...]:
    """Return the processors file or lipo names for a file, in their order."""
    found: list[str] = []
    for file, one, what in _said(text):
        if leaf(file) != leaf(path) or "Mach-O" not in what:
            continue
        found += [one] if one else []
        found += (each["arch"] for each in _SLICES.finditer(what))
    for match in _LIPO.finditer(text):
        name = match["file"] or match["fat"] or match["asked"]
        if leaf(name) == leaf(path):
            found += (match["one"] or match["archs"] or match["answer"]).split()
    return tuple(dict.fromkeys(a for a in found if re.fullmatch(_ARCH, a)))
