"""What is known of the OS's libraries and symbols, as values, and the port through which it is asked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol

from machochain.model.filesystem import SystemLibraries, SystemSymbols
from machochain.model.paths import TargetPath
from machochain.model.value import frozen
from machochain.model.version import Version

FIRST_OF_ITS_OWN = 11
"""Since macOS 11 every year brings a major release, before it brought 10.x."""


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
        last: Whether it is the last SDK of its major release: what it lacks came to no later minor of that release.
    """

    id: str
    low: Version
    high: Version
    complete: tuple[str, ...]
    missing: tuple[str, ...]
    links: bool
    origin: tuple[str, ...]
    last: bool = False

    @property
    def reach(self) -> Version:
        """The newest release that lacks what this SDK lacks and a later one has."""
        if self.low.major < FIRST_OF_ITS_OWN:  # a release such as 10.13 had one SDK
            return Version.of(self.low.major, self.low.minor, 255)
        return Version.of(self.low.major, 255, 255) if self.last else self.low

    def covers(self, path: str) -> bool:
        """Whether the SDK would have listed a library at this path."""
        return path.startswith(self.complete) and not (self.missing and path.startswith(self.missing))


@frozen
class LibraryFacts:
    """What is known of one library.

    Attributes:
        path: Its canonical install name.
        sdks: Ids of the SDKs that hold it, oldest first.
        introduced: (release, who says so, newest release whose SDK they still list it for; None if they list none).
        removed: (release, who says so).
        legacy: (release since which an old name, or one no SDK lists, is known to load, who says so).
        observed: (lowest, highest) SDK stamp of released binaries that link it; None if none was seen.
        seen: (release of a Mac that had it, who says so).
        missing: (release of a Mac that did not have it, who says so).
        details: Per SDK id: current, compat, targets, umbrella, clients, reexports, flags.
    """

    path: TargetPath
    sdks: tuple[str, ...]
    introduced: tuple[tuple[Version, str, Version | None], ...] = ()
    removed: tuple[tuple[Version, str], ...] = ()
    legacy: tuple[tuple[Version, str], ...] = ()
    observed: tuple[Version, Version] | None = None
    seen: tuple[tuple[Version, str], ...] = ()
    missing: tuple[tuple[Version, str], ...] = ()
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
        archs: ``x86_64`` and ``arm64``, as far as some stub exports it for them.
        introduced: Since which release headers or open source declare it; None if nothing dates it.
        declared: Newest SDK whose headers declare it; None if none is known to.
        missing: Newest release of a Mac that did not have it; None if none was reported.
    """

    name: str
    sdks: tuple[str, ...]
    lacking: tuple[str, ...]
    hidden: Version | None = None
    observed: tuple[Version, Version] | None = None
    archs: tuple[str, ...] = ()
    introduced: Version | None = None
    declared: Version | None = None
    missing: Version | None = None


class Group(NamedTuple):
    """What all symbols of one group line share; masks as in the table of libraries.

    Attributes:
        intel: SDKs whose stub exports them for x86_64.
        arm: SDKs whose stub exports them for arm64; one older than macOS 11 counts for both.
        hidden: Newest deployment target for which ``$ld$hide`` conceals them.
        observed: (lowest, highest) SDK stamp of released binaries that import them.
        since: The oldest date of introduction; before it they were not announced.
        newest: The newest date of introduction: from it on they are there.
        until: Newest SDK whose headers declare them.
        marks: ``c``: ``since`` is when they came to be, not just when they were announced; ``d``: deprecated; ``l``:
            dated by LLVM's tables; ``o``: by open source; else by headers.
        missing: Newest release of a Mac that did not have them.
    """

    intel: int
    arm: int
    hidden: Version | None = None
    observed: tuple[Version, Version] | None = None
    since: Version | None = None
    newest: Version | None = None
    until: Version | None = None
    marks: str = ""
    missing: Version | None = None

    @property
    def documented(self) -> bool:
        """Whether it is API that Apple or a project has declared and not deprecated."""
        return (self.until is not None or self.newest is not None) and "d" not in self.marks


class Block(NamedTuple):
    """The symbols of one library: the masks tell which SDKs list its symbols at all, for x86_64 and for arm64."""

    intel: int
    arm: int
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
    introduced: tuple[tuple[Version, str, Version | None], ...] = ()
    removed: tuple[tuple[Version, str], ...] = ()
    legacy: tuple[tuple[Version, str], ...] = ()
    observed: tuple[Version, Version] | None = None
    seen: tuple[tuple[Version, str], ...] = ()
    missing: tuple[tuple[Version, str], ...] = ()
    stable: tuple[str, ...] = ()
    patterns: tuple[tuple[str, Version, str], ...] = ()
    documented: Version | None = None


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
