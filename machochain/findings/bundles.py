"""The bundles of an input, and what their property lists say."""

from __future__ import annotations

import plistlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from xml.parsers.expat import ExpatError

from machochain.graph.mac import Mac
from machochain.model.audit import AuditBinary
from machochain.model.errors import InputError
from machochain.model.filesystem import NodeKind, Presence
from machochain.model.paths import directory
from machochain.model.value import frozen

PLIST_LIMIT: Final = 1 << 20
"""Bytes of an Info.plist that is looked at; real ones have a few thousand."""

_SUFFIXES: Final = (".app", ".framework", ".bundle", ".plugin", ".xpc", ".appex")
_PROGRAMS: Final = (".app", ".xpc", ".appex")


@frozen
class Bundle:
    """One bundle on the modelled Mac.

    Attributes:
        place: Its directory.
        plist: Where its Info.plist is.
        info: What that says.
        executables: Where CFBundleExecutable may lie; empty if it names none.
    """

    place: str
    plist: str
    info: Mapping[str, Any]
    executables: tuple[str, ...]

    @property
    def is_program(self) -> bool:
        """Whether it is one that the system starts by itself."""
        return self.place.endswith(_PROGRAMS)


def parse_plist(data: bytes) -> Mapping[str, Any] | None:
    """Return the dictionary a property list holds, in any of Apple's formats; None if there is none to read."""
    try:
        found = plistlib.loads(data)
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError, MemoryError, ExpatError):
        return None
    return found if isinstance(found, dict) else None


def find_bundles(mac: Mac, binaries: Iterable[AuditBinary], tops: Iterable[str]) -> tuple[Bundle, ...]:
    """Return the bundles that hold some binaries, and those that are among some directories, sorted by place."""
    wanted = {top for top in tops if top.endswith(_SUFFIXES)}
    seen: set[str] = set()
    for binary in binaries:
        above = directory(binary.place)
        while above and above not in seen:
            seen.add(above)
            if above.endswith(_SUFFIXES):
                wanted.add(above)
            above = directory(above)
    return tuple(bundle for place in sorted(wanted) for bundle in _bundle(mac, place))


def _bundle(mac: Mac, place: str) -> Iterator[Bundle]:
    if place.endswith(".framework"):
        layouts = [("Resources", ""), ("Versions/Current/Resources", "Versions/Current/"), ("Versions/A/Resources", "")]
    else:
        layouts = [("Contents", "Contents/MacOS/"), (".", "")]
    for resources, programs in layouts:
        plist = f"{place}/{resources}/Info.plist".replace("/./", "/")
        info = _read_plist(mac, plist)
        if info is None:
            continue
        name = info.get("CFBundleExecutable")
        plain = isinstance(name, str) and name and "/" not in name and "\0" not in name
        yield Bundle(place, plist, info, (f"{place}/{programs}{name}", f"{place}/{name}") if plain else ())
        return


def _read_plist(mac: Mac, path: str) -> Mapping[str, Any] | None:
    node = mac.look(path)
    if node.presence is not Presence.PRESENT or node.kind is not NodeKind.FILE or node.size > PLIST_LIMIT:
        return None
    try:
        return parse_plist(mac.files.read_bytes(node, 0, node.size))
    except InputError:
        return None
