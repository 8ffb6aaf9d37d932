"""Logs of a running dyld: DYLD_PRINT_LIBRARIES, DYLD_PRINT_SEARCHING, and traces of dtruss and fs_usage.

Line layouts: dyld-1378 dyld/Loader.cpp (``log`` calls of getLoader() and forEachResolvedAtPathVar()), dyld-852.2
src/dyld.cpp for the ``loaded:`` lines of dyld2.
"""

from __future__ import annotations

import re
from typing import Final

from machochain.model.evidence import LoggedImage, PathSearch, SearchStep, TracedCall

_LOADED: Final = re.compile(
    r"(?:loaded: )?<(?P<uuid>[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|no uuid)> (?P<path>\S[^\n]*)$"
)
_LOADED_PLAIN: Final = re.compile(r"loaded: (?P<path>\S[^\n]*)$")
_FIND: Final = re.compile(r'find path "(?P<path>[^\n]*)"$')
SEARCHED: Final = ('find path "', "possible path(", "LC_RPATH '", 'stat("', "found: ", 'not found: "')
"""How most lines of such a log begin."""
_STEPS: Final = (
    ("run-path", re.compile(r"LC_RPATH '(?P<path>[^\n]*)' from '(?P<detail>[^\n]*)'$")),
    ("possible", re.compile(r'possible path\((?P<detail>[^)\n]*)\): "(?P<path>[^\n]*)"$')),
    ("stat", re.compile(r'stat\("(?P<path>[^\n]*)"\) (?P<detail>[^\n]*)$')),
    ("found", re.compile(r'found: (?P<detail>[\w-]+): (?:\(0x[0-9A-Fa-f]+\) )?"(?P<path>[^"\n]*)"(?:[^\n]*)$')),
    ("found", re.compile(r"found: (?P<detail>already-loaded-by-rpath): (?P<path>[^\n]*)$")),
    ("found", re.compile(r'(?P<detail>found existing image by install name): "(?P<path>[^\n]*)"$')),
    ("not-found", re.compile(r'not found: "(?P<path>[^\n]*)"$')),
    ("switch", re.compile(r'(?P<detail>switch to (?:canonical cache path|realpath)): "?(?P<path>[^"\n]*)"?$')),
    ("note", re.compile(r"(?P<detail>@(?:executable|loader)_path [^\n]*not (?:expanded|allowed)[^\n]*)$")),
)
_DTRUSS: Final = re.compile(
    r"(?P<call>(?:stat|lstat|open|access|getattrlist|readlink|fsgetpath|openat|faccessat|fstatat)\w*)\("
    r'(?:0x[0-9A-Fa-f]+, |-\d+, )?"(?P<path>[^"\n]{1,4096}?)(?:\\0)?"[^\n]*= (?P<ret>-?\d+|0x[0-9A-Fa-f]+)'
    r"(?: (?:Err#(?P<errno>\d+)|\d+))?"
)
_FS_USAGE: Final = re.compile(
    r"\d\d:\d\d:\d\d(?:\.\d{1,6})?\s{1,8}(?P<call>\w{2,24})\s{1,60}(?:[FD]=\S{1,20}\s{1,20})?"
    r"(?:\[ {0,3}(?P<errno>\d{1,3})\]\s{1,40})?"
    r"(?:\(\S{1,24}\)\s{1,60})?(?P<path>/[^\n]{1,4096}?)\s{2,400}\d+\.\d{1,9}\s"
)
_LIBRARY: Final = re.compile(
    r"\.dylib(?:\.[\w.]+)?$|\.so(?:\.[\d.]+)?$|\.bundle/|\.framework/|\.node$|\.tbd$|/lib[\w+.-]+$"
)


def read_loaded(line: str) -> LoggedImage | None:
    """Read one line of DYLD_PRINT_LIBRARIES, without its ``dyld[pid]: ``."""
    if match := _LOADED.match(line):
        return LoggedImage(None if match["uuid"] == "no uuid" else match["uuid"].upper(), match["path"].rstrip())
    if match := _LOADED_PLAIN.match(line):
        return LoggedImage(None, match["path"].rstrip())
    return None


class SearchReader:
    """Collects the lines of DYLD_PRINT_SEARCHING into searches."""

    def __init__(self) -> None:
        self._searches: list[PathSearch] = []
        self._library: str | None = None
        self._steps: list[SearchStep] = []

    def feed(self, line: str) -> bool:
        """Take one line without its prefix; say whether it belongs to such a log."""
        text = line.strip()
        if match := _FIND.match(text):
            self._flush()
            self._library = match["path"]
            return True
        if self._library is None:
            return False
        for what, pattern in _STEPS:
            if match := pattern.match(text):
                groups = match.groupdict()
                self._steps.append(SearchStep(what, groups.get("path"), groups.get("detail")))
                return True
        return False

    def _flush(self) -> None:
        if self._library is not None:
            self._searches.append(finish_search(self._library, tuple(self._steps)))
        self._library, self._steps = None, []

    def finish(self) -> tuple[PathSearch, ...]:
        """Return what was collected."""
        self._flush()
        return tuple(self._searches)


def finish_search(library: str, steps: tuple[SearchStep, ...]) -> PathSearch:
    """Say how a search ended: the path of the first ``found`` that is no error."""
    good = next((s for s in steps if s.what == "found" and not (s.detail or "").endswith("-error")), None)
    return PathSearch(library, steps, good.path if good else None, any(s.what == "not-found" for s in steps))


def read_call(line: str) -> TracedCall | None:
    """Read one line of dtruss or fs_usage; None unless it names something that looks like a library."""
    match = (_DTRUSS.search(line) if "Err#" in line or '("' in line else None) or _FS_USAGE.match(line.strip())
    if match is None:
        return None
    path = match["path"].removesuffix("\\0").rstrip()
    if not _LIBRARY.search(path):
        return None
    return TracedCall(match["call"], path, int(match["errno"] or 0))
