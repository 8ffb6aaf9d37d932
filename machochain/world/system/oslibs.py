"""The libraries of the OS as SDK folders and the embedded catalogue know them together.

An SDK speaks for its own macOS; the catalogue adds what was before and after it. A library counts as absent only where
an SDK of the modelled release (or a newer one) looks whole and lacks it, and nothing else vouches for it.
"""

from __future__ import annotations

from collections.abc import Iterable

from machochain.model.filesystem import Presence, SymbolAnswer, SystemAnswer
from machochain.model.ospaths import SWIFT_LIBRARIES, SYSTEM_PREFIXES, inside_cryptex, is_private_framework
from machochain.model.paths import TargetPath
from machochain.model.value import frozen
from machochain.model.version import Version
from machochain.world.system.catalogue import EmbeddedCatalogue
from machochain.world.system.facts import GivenSdk, LibraryFacts, Source
from machochain.world.system.names import normalise
from machochain.world.system.sdk import Sdk, SdkQuality


@frozen
class _Side:
    """How an SDK relates to the modelled release: 0 the same major release, below it negative, above it positive."""

    sdk: Sdk
    distance: int

    @property
    def vouches(self) -> bool:
        """Whether what it holds is there on the modelled release."""
        return self.distance <= 0

    @property
    def rules_out(self) -> bool:
        """Whether what it lacks is not there on the modelled release."""
        return self.distance >= 0


class SdkLibraries:
    """OS libraries and symbols from SDK folders, the catalogue behind them (a ``SystemFacts``).

    One object keeps what it has read; it never changes an answer.
    """

    def __init__(self, sdks: Iterable[Sdk], catalogue: EmbeddedCatalogue) -> None:
        """Combine SDKs of any versions.

        Args:
            sdks: A folder without a version is taken for the modelled release, whichever that is.
            catalogue: The embedded facts.
        """
        self.sdks = tuple(sdks)
        self._catalogue = catalogue
        self._ordered: dict[Version, list[_Side]] = {}
        self._qualities: dict[int, SdkQuality] = {}
        self._closures: dict[tuple[int, str, str], tuple[str, ...]] = {}

    @property
    def catalogue(self) -> EmbeddedCatalogue:
        """The embedded facts behind the folders."""
        return self._catalogue

    @property
    def sources(self) -> tuple[Source, ...]:
        """The SDKs behind the embedded facts, oldest first."""
        return self._catalogue.sources

    def library(self, path: str) -> LibraryFacts | None:
        """Return everything the embedded facts hold of a library, by install name or link; None if nothing."""
        return self._catalogue.library(path)

    def given(self) -> tuple[GivenSdk, ...]:
        """Return the SDKs the user named, quality included."""
        found = []
        for sdk in self.sdks:
            quality = self.quality(sdk)
            found.append(GivenSdk(sdk.name, sdk.version, quality.sentences(), quality.poor))
        return tuple(found)

    def quality(self, sdk: Sdk) -> SdkQuality:
        """Return how whole an SDK is; found out once."""
        found = self._qualities.get(id(sdk))
        if found is None:
            found = self._qualities[id(sdk)] = sdk.quality(self._catalogue)
        return found

    def _sides(self, macos: Version) -> list[_Side]:
        """Return the SDKs, the nearest to the release first."""
        known = self._ordered.get(macos)
        if known is not None:
            return known
        sides = [_Side(sdk, 0 if sdk.version is None else sdk.version.major - macos.major) for sdk in self.sdks]
        sides.sort(key=lambda s: (abs(s.distance), abs((s.sdk.version or macos).packed - macos.packed)))
        return self._ordered.setdefault(macos, sides)

    def find(self, path: str, macos: Version) -> SystemAnswer:
        """Say whether a release provides the library at a path; see ``EmbeddedCatalogue.find``."""
        path = normalise(path)
        known = self._catalogue.find(path, macos)
        inner = inside_cryptex(path)
        if inner is not None:
            if inner.startswith(SYSTEM_PREFIXES) and self.find(inner, macos).presence is Presence.ABSENT:
                return SystemAnswer(Presence.ABSENT, why=f"macOS {macos} has no {inner}, in a cryptex or elsewhere")
            return known
        if not path.startswith(SYSTEM_PREFIXES):
            return known
        sides = self._sides(macos)
        for side in sides:
            name = side.sdk.canonical(path)
            if name is None or not side.vouches:
                continue
            exact = side.sdk.version is None or side.sdk.version == macos
            if not exact and known.presence is Presence.ABSENT:
                continue
            if side.distance < 0 and known.presence is Presence.UNSEEN and self._catalogue.canonical(path) is not None:
                continue  # the catalogue knows what became of it since
            return SystemAnswer(Presence.PRESENT, TargetPath(name), f"in the {side.sdk.name}")
        if known.presence is not Presence.UNSEEN:
            return known
        return self._unlisted(path, sides, known)

    def _unlisted(self, path: str, sides: list[_Side], known: SystemAnswer) -> SystemAnswer:
        """Answer for a path no SDK of the release has and for which nobody vouches."""
        newer = next((s for s in sides if not s.vouches and s.sdk.canonical(path) is not None), None)
        if newer is not None:
            return SystemAnswer(Presence.UNSEEN, why=f"in the {newer.sdk.name}, which is newer; {known.why}")
        if self._catalogue.canonical(path) is not None:
            return known
        for side in sides:
            if not side.rules_out:
                continue
            why = self._incomplete(path, side.sdk)
            if why is not None:
                return SystemAnswer(Presence.UNSEEN, why=why)
            hint = side.sdk.hint(path)
            other = f"; {hint} differs from it in case only" if hint else ""
            return SystemAnswer(Presence.ABSENT, why=f"not in the {side.sdk.name}{other}")
        return known

    def _incomplete(self, path: str, sdk: Sdk) -> str | None:
        """Return why an SDK cannot rule a path out; None if it can."""
        if is_private_framework(path):
            return f"not in the {sdk.name}, but SDKs leave private frameworks out"
        quality = self.quality(sdk)
        if path.startswith(SWIFT_LIBRARIES) and quality.no_swift:
            return f"the {sdk.name} has no usr/lib/swift"
        if quality.poor:
            return f"not in the {sdk.name}, but that is incomplete: {quality.sentences()[-1]}"
        return None

    def closure(self, sdk: Sdk, library: str, arch: str) -> tuple[str, ...]:
        """Return a library of an SDK and all it re-exports, in the order dyld searches them.

        Where the SDK has its re-exports stripped, the catalogue's stand in.

        Raises:
            InputError: A stub can no longer be read.
        """
        key = (id(sdk), library, arch)
        found = self._closures.get(key)
        if found is None:
            names: dict[str, None] = {}
            waiting = [library]
            while waiting:
                name = waiting.pop()
                if name in names:
                    continue
                names[name] = None
                stub = sdk.stub(name)
                inner = stub.reexported_libraries(arch) if stub is not None else ()
                if not inner and sdk.version is not None and name in self.quality(sdk).stripped:
                    inner = self._catalogue.reexports(name, sdk.version)
                waiting.extend(sdk.canonical(x) or x for x in reversed(inner))
            found = self._closures[key] = tuple(names)
        return found

    def lookup(self, library: str, symbol: str, macos: Version, arch: str | None = None) -> SymbolAnswer:
        """Say whether a library provides a symbol on a release; see ``EmbeddedCatalogue.lookup``.

        Args:
            library: An install name or a link to one.
            symbol: The Mach-O name.
            macos: The release.
            arch: The architecture that asks; without it any of the stub's will do.

        Raises:
            InputError: A stub can no longer be read.
        """
        known = self._catalogue.lookup(library, symbol, macos)
        newer: SymbolAnswer | None = None
        for side in self._sides(macos):
            sdk = side.sdk
            name = sdk.canonical(library)
            if name is None:
                continue
            owner, whole = self._search(sdk, name, symbol, arch)
            if owner is not None and side.vouches:
                if side.distance < 0 and known.presence is Presence.UNSEEN and known.present_in is not None:
                    continue  # the catalogue knows that it left the stubs since
                return SymbolAnswer(
                    Presence.PRESENT, TargetPath(owner), present_in=sdk.version, why=f"exported in the {sdk.name}"
                )
            if owner is not None:
                newer = SymbolAnswer(
                    Presence.UNSEEN,
                    absent_in=known.absent_in,
                    present_in=sdk.version,
                    why=f"exported in the {sdk.name}, which is newer; {known.why}",
                )
            elif side.rules_out and whole and known.presence is not Presence.PRESENT:
                if side.distance > 0 and known.present_in is not None:
                    continue  # it may have left the stubs between the two
                return SymbolAnswer(
                    Presence.ABSENT, absent_in=sdk.version or macos, why=f"not exported in the {sdk.name}"
                )
        return newer if newer is not None and known.presence is Presence.UNSEEN else known

    def providers(self, symbols: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Return the libraries that export each symbol themselves, in any SDK or in the catalogue, sorted.

        Raises:
            InputError: A stub can no longer be read.
        """
        found = {symbol: set(names) for symbol, names in self._catalogue.providers(symbols).items()}
        for sdk in self.sdks:
            for symbol, names in sdk.providers(s for s, known in found.items() if not known).items():
                found[symbol].update(names)
        return {symbol: tuple(sorted(names)) for symbol, names in found.items()}

    def _search(self, sdk: Sdk, library: str, symbol: str, arch: str | None) -> tuple[str | None, bool]:
        """Return who exports a symbol, and whether every library of the closure could be asked."""
        stub = sdk.stub(library)
        targets = stub.targets if stub is not None else ()
        archs = [arch] if arch is not None else list(dict.fromkeys(t.partition("-")[0] for t in targets))
        whole = not self.quality(sdk).stripped
        for each in archs:
            whole = whole and stub is not None and bool(stub.serves(each))
            for name in self.closure(sdk, library, each):
                if symbol in sdk.exports(name, each):
                    return name, whole
                whole = whole and sdk.canonical(name) is not None
        return None, whole and bool(archs)
