"""What is known of the OS's libraries and symbols, as values, and the port through which it is asked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol

from attrs import frozen

from machochain.model.filesystem import SystemLibraries, SystemSymbols
from machochain.model.paths import TargetPath
from machochain.model.version import Version


@frozen
class Source:
    """One SDK the catalogue has facts from.

    Attributes:
        id: Its version as the catalogue names it, ``13.x`` where the minor version is not known.
        low: The lowest version it may be.
        high: The highest version it may be.
        complete: Path prefixes below which every library of that SDK is listed.
        missing: Prefixes below those of which nothing is known.
        links: Whether its symbolic links are listed too.
        origin: What kind of copies it was read from.
    """

    id: str
    low: Version
    high: Version
    complete: tuple[str, ...]
    missing: tuple[str, ...]
    links: bool
    origin: tuple[str, ...]

    def covers(self, path: str) -> bool:
        """Whether the SDK would have listed a library at this path."""
        return path.startswith(self.complete) and not (self.missing and path.startswith(self.missing))


@frozen
class LibraryFacts:
    """What is known of one library.

    Attributes:
        path: Its canonical install name.
        sdks: Ids of the SDKs that hold it, oldest first.
        introduced: (release, who says so).
        removed: (release, who says so).
        legacy: (release since which an old name, or one no SDK lists, is known to load, who says so).
        observed: (lowest, highest) SDK stamp of released binaries that link it; None if none was seen.
        details: Per SDK id: current, compat, targets, umbrella, clients, reexports, flags.
    """

    path: TargetPath
    sdks: tuple[str, ...]
    introduced: tuple[tuple[Version, str], ...] = ()
    removed: tuple[tuple[Version, str], ...] = ()
    legacy: tuple[tuple[Version, str], ...] = ()
    observed: tuple[Version, Version] | None = None
    details: tuple[tuple[str, dict[str, Any]], ...] = ()


@frozen
class SymbolFacts:
    """What is known of one symbol of one library.

    Attributes:
        name: The Mach-O name.
        sdks: Ids of the SDKs whose stub exports it, oldest first.
        lacking: Ids of the SDKs whose stub of the library does not export it.
        hidden: Newest deployment target for which ``$ld$hide`` conceals it; None if there is none.
        observed: (lowest, highest) SDK stamp of released binaries that import it from there; None if none was seen.
    """

    name: str
    sdks: tuple[str, ...]
    lacking: tuple[str, ...]
    hidden: Version | None = None
    observed: tuple[Version, Version] | None = None


class Group(NamedTuple):
    """What all symbols of one group line share; ``mask`` as in the table of libraries."""

    mask: int
    hidden: Version | None
    observed: tuple[Version, Version] | None


class Block(NamedTuple):
    """The symbols of one library: ``mask`` tells which SDKs list its symbols at all."""

    mask: int
    names: dict[str, Group]


@frozen
class GivenSdk:
    """One SDK the user named.

    Attributes:
        name: ``SDK 14.2`` or its folder.
        version: Of the macOS it is for; None if it does not say.
        defects: What is wrong with it, one sentence each.
        poor: Whether what is not in it may be missing only because somebody removed it.
    """

    name: str
    version: Version | None
    defects: tuple[str, ...]
    poor: bool


class Row(NamedTuple):
    """One library in the table of libraries: bits of the SDKs that hold it, where its symbols lie, and dates."""

    mask: int
    place: tuple[int, int] | None
    introduced: tuple[tuple[Version, str], ...]
    removed: tuple[tuple[Version, str], ...]
    legacy: tuple[tuple[Version, str], ...]
    observed: tuple[Version, Version] | None


class SystemFacts(SystemLibraries, SystemSymbols, Protocol):
    """Who knows the OS's libraries and symbols on every release: the catalogue alone, or SDKs before it."""

    @property
    def sources(self) -> tuple[Source, ...]:
        """The SDKs behind the embedded facts, oldest first."""
        ...

    def library(self, path: str) -> LibraryFacts | None:
        """Return everything the embedded facts hold of a library, by install name or link; None if nothing."""
        ...

    def providers(self, symbols: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Return the libraries that export each symbol themselves on any release, sorted."""
        ...

    def given(self) -> tuple[GivenSdk, ...]:
        """Return the SDKs the user named, quality included."""
        ...
