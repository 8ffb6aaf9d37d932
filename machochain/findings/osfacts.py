"""What rules may ask about the OS: its libraries and symbols on every release, and the SDKs behind the answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, MutableSet
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from machochain.dyld.profile import PROFILES
from machochain.model.arch import CPU_ARM64
from machochain.model.errors import UsageError
from machochain.model.filesystem import Presence, SymbolAnswer, SystemAnswer
from machochain.model.ospaths import LIBSYSTEM
from machochain.model.platform import Platform
from machochain.model.value import Factory, frozen
from machochain.model.version import Version

if TYPE_CHECKING:
    from machochain.graph.mac import Mac
    from machochain.graph.symbol_tables import SymbolTables
    from machochain.model.image import BuildVersion, Image
    from machochain.model.result import LoadedImage
    from machochain.model.symbols import Import
    from machochain.world.system.facts import GivenSdk, LibraryFacts, Source, SystemFacts

_FIRST_ARM64 = Version.of(11)


@frozen
class OSFacts:
    """The OS on every release.

    Attributes:
        find: What a release has at a path.
        lookup: What is known of a symbol of a library on a release, for an architecture.
        lacking: Which of the symbols that must be there for an image, by its library ordinal, a library certainly lacks
            on a release.
        gone: The first release after one that is known not to have a library, and why; None if there is none.
        left: What is known already of libraries that left the SDK, by library and SDK of the image.
        staying: Libraries that are known to go nowhere, by release and SDK of the image.
        library: What is known of a library, by install name or link; None if nothing is.
        imports: What an image asks for, in the order of its tables.
        strong: Of these, those that must be there: library ordinal to names, and whether each is bound lazily alone.
        compatibility: The newest SDK at or before a release that tells a library's compatibility version, and that.
        system_stamps: What libSystem's version was: (release, id of the SDK, version), for each SDK that tells.
        sources: The SDKs behind the embedded facts, oldest first.
        sdks: The SDKs the user named, quality included; asked for only once something depends on it.
    """

    find: Callable[[str, Version], SystemAnswer]
    lookup: Callable[[str, str, Version, str], SymbolAnswer]
    lacking: Callable[[LoadedImage, int, str, Version], tuple[str, ...]]
    gone: Callable[[str, Version], tuple[Version, str] | None]
    library: Callable[[str], LibraryFacts | None]
    imports: Callable[[LoadedImage], tuple[Import, ...]]
    strong: Callable[[LoadedImage], Mapping[int, Mapping[str, bool]]]
    compatibility: Callable[[str, Version], tuple[str, Version] | None]
    system_stamps: Callable[[], tuple[tuple[Version, str, Version], ...]]
    sources: tuple[Source, ...] = ()
    sdks: Callable[[], tuple[GivenSdk, ...]] = tuple
    left: MutableMapping[tuple[str, Version], tuple[str, str] | None] = Factory(dict)
    staying: MutableSet[tuple[str, Version, Version | None]] = Factory(set)

    def present(self, path: str, macos: Version) -> str | None:
        """Return the canonical path of a library a release is known to have; None for any other."""
        answer = self.find(path, macos)
        return answer.path if answer.presence is Presence.PRESENT else None

    def absent_on(self, path: str, releases: Iterable[Version]) -> tuple[Version, ...]:
        """Return the releases that are known not to have a library."""
        return tuple(r for r in releases if self.find(path, r).presence is Presence.ABSENT)


def gather(mac: Mac, tables: SymbolTables, system: SystemFacts) -> OSFacts:
    """Bring together what a run knows of the OS."""
    library = cache(system.library)

    known: dict[tuple[int, int, str, Version], tuple[str, ...]] = {}

    def lacking(image: LoadedImage, ordinal: int, library: str, macos: Version) -> tuple[str, ...]:
        key = tables.number(image), ordinal, library, macos
        if key not in known:
            arch = image.image.arch.name if image.image is not None else None
            others = tables.not_in_system(library, strong(image)[ordinal], macos, arch)
            answers = tables.system(library, others, macos, arch) if others else {}
            known[key] = tuple(name for name in others if answers[name].found is False)
        return known[key]

    @cache
    def gone(path: str, macos: Version) -> tuple[Version, str] | None:
        later = ((release, mac.find_system(path, release)) for release in releases_from(macos) if release > macos)
        return next(((release, found.why) for release, found in later if found.presence is Presence.ABSENT), None)

    def strong(image: LoadedImage) -> Mapping[int, Mapping[str, bool]]:
        return tables.wanted(image, tables.number(image)).strong

    @cache
    def compatibility(path: str, macos: Version) -> tuple[str, Version] | None:
        return _nearest(library(path), macos)

    @cache
    def system_stamps() -> tuple[tuple[Version, str, Version], ...]:
        return tuple(_stamps(library(LIBSYSTEM), system.sources))

    return OSFacts(
        mac.find_system,
        tables.lookup,
        lacking,
        gone,
        library,
        tables.imports,
        strong,
        compatibility,
        system_stamps,
        system.sources,
        cache(system.given),
    )


def _nearest(known: LibraryFacts | None, macos: Version) -> tuple[str, Version] | None:
    """Return the newest SDK at or before a release that tells a library's compatibility version, and that."""
    found = None
    for sdk, details in known.details if known is not None else ():
        low = _version(sdk.replace(".x", ".0"))
        value = _version(str(details.get("compat", "")))
        if low is not None and value is not None and low.major <= macos.major:
            found = sdk, value
    return found


def _stamps(system: LibraryFacts | None, sources: Iterable[Source]) -> Iterator[tuple[Version, str, Version]]:
    details = dict(system.details) if system is not None else {}
    for source in sources:
        current = _version(str(details.get(source.id, {}).get("current", "")))
        if current is not None:
            yield source.low, source.id, current


@lru_cache(maxsize=4096)
def _version(text: str) -> Version | None:
    try:
        return Version.parse(text)
    except UsageError:
        return None


def macos_build(header: Image) -> BuildVersion | None:
    """Return what an image says it was built for, if that is macOS."""
    build = header.build
    return build if build is not None and build.platform == Platform.MACOS else None


def oldest_release(header: Image) -> Version | None:
    """Return the oldest macOS an image is meant for; None if it does not say.

    No Mac with an arm64 processor runs anything older than macOS 11, whatever the file says.
    """
    build = macos_build(header)
    if build is None:
        return None
    return max(build.minos, _FIRST_ARM64) if header.arch.cputype == CPU_ARM64 else build.minos


def releases_from(oldest: Version) -> tuple[Version, ...]:
    """Return a release and every later one that is modelled."""
    return (oldest, *(p.since for p in PROFILES if p.since > oldest))


def spoken(releases: Iterable[Version]) -> str:
    """Say which releases: ``macOS 11.0``, ``macOS 11.0 to 13.3``."""
    ordered = sorted(releases)
    if len(ordered) == 1:
        return f"macOS {ordered[0]}"
    return f"macOS {ordered[0]} to {ordered[-1]}"


def versions(table: Mapping[str, Version | None]) -> dict[str, str | None]:
    """Return versions as evidence: text, or None."""
    return {key: str(value) if value is not None else None for key, value in table.items()}


def bounds(
    facts: OSFacts, library: str, symbols: Iterable[str], macos: Version, arch: str
) -> list[dict[str, str | None]]:
    """Return for each symbol the newest release known without it, the oldest known with it, and what says so."""
    found = []
    for symbol in symbols:
        answer = facts.lookup(library, symbol, macos, arch)
        known = versions({"absent_in": answer.absent_in, "present_in": answer.present_in})
        found.append({"symbol": symbol, **known, "why": answer.why})
    return found
