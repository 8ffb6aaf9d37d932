"""The embedded catalogue: which library, and which symbol of it, each macOS release provides, as far as facts reach.

The facts are names and numbers read from linker stubs of many SDKs and from released binaries; the file is made by
``machochain.world.system.build_catalogue``. How it is laid out is known to ``catalogue_file``, what the facts prove to
``availability``.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, Final

from machochain.model.filesystem import Presence, SymbolAnswer, SystemAnswer
from machochain.model.ospaths import SYSTEM_PREFIXES, inside_cryptex
from machochain.model.paths import TargetPath
from machochain.model.version import Version
from machochain.world.system.availability import judge_library, judge_link, judge_symbol, lacks_certainly
from machochain.world.system.catalogue_file import CatalogueFile, StrPath
from machochain.world.system.facts import Block, GivenSdk, Group, LibraryFacts, Source, SymbolFacts
from machochain.world.system.names import normalise, plain_variant, stored_name
from machochain.world.system.reached import Reached, Served

EMBEDDED: Final = os.path.join(os.path.dirname(__file__), "data", "catalogue.bin")  # noqa: PTH118, PTH120

FIRST_ARM: Final = 11
"""The first release for Macs with an arm64 processor."""
FIRST_SEALED: Final = 11
"""Since this release the system volume is sealed and its libraries are in the shared cache only."""
NOT_THE_SYSTEMS: Final = "the OS keeps its libraries below /usr/lib and /System only"
_MOST_SERVED: Final = 1 << 14
"""Libraries of a release that are kept in mind: their spellings are the input's, and there is no end of them."""
_NOT_THE_SYSTEMS: Final = SystemAnswer(Presence.ABSENT, why=NOT_THE_SYSTEMS)
_NO_BLOCK: Final = Block(0, 0, {})
_UNKNOWN_SYMBOL: Final = Group(0, 0)


def family_of(arch: str | None) -> str:
    """Return the processor family whose exports an architecture gets: ``arm64``, ``x86_64``, or nothing for any."""
    if arch is None:
        return ""
    return "arm64" if arch.startswith("arm64") else "x86_64"


def _mask(item: Group | Block, family: str) -> int:
    if family == "arm64":
        return item.arm
    return item.intel if family == "x86_64" else item.intel | item.arm


class EmbeddedCatalogue:
    """The OS libraries of every release, from facts alone (a ``SystemFacts``).

    One object keeps what it has read; it never changes an answer.
    """

    def __init__(self, file: StrPath = EMBEDDED) -> None:
        """Open the catalogue; only its header is read.

        Args:
            file: A file made by ``machochain.world.system.build_catalogue``.

        Raises:
            InputError: The file cannot be read or is no catalogue of this version.
        """
        self._tables = CatalogueFile(file)
        self._closures: dict[tuple[str, int, bool], Reached] = {}
        self._judged: dict[tuple[str, Group, int, str], SymbolAnswer] = {}
        self._libraries: dict[tuple[str, int], SystemAnswer] = {}
        self._unknown = ("", _NOT_THE_SYSTEMS)
        self._serving: dict[tuple[str, int, str], Served] = {}
        self._concluded: dict[tuple[object, ...], SymbolAnswer] = {}
        self._listings: dict[tuple[str, ...], Container[str]] = {}

    @property
    def sources(self) -> tuple[Source, ...]:
        """The SDKs behind the facts, oldest first."""
        return self._tables.sources

    def given(self) -> tuple[GivenSdk, ...]:
        """Return the SDKs the user named: none."""
        return ()

    # Names

    def libraries(self) -> tuple[str, ...]:
        """Return every canonical install name, sorted."""
        return tuple(self._tables.rows)

    def canonical(self, path: str) -> str | None:
        """Return the canonical install name behind a path (itself, or a link to it); None if nothing is known of it.

        Links are those the SDKs list, and those every framework has (``X.framework/X``, ``Versions/Current``).
        Letters are compared exactly: a name in another case is in no shared cache.
        """
        return self._tables.canonical(path)

    def hint(self, path: str) -> str | None:
        """Return the name that differs from a path in case only; None if there is none."""
        return self._tables.hint(path)

    # Libraries

    def find(self, path: str, macos: Version) -> SystemAnswer:
        """Say whether a release provides the library at a path.

        Args:
            path: Absolute target path: an install name or a link to one, compared byte for byte.
            macos: The release.

        Returns:
            Present with the canonical path, absent where an SDK or another source rules it out, else unseen.
        """
        path = normalise(path)
        inner = inside_cryptex(path)
        if inner is not None:
            return self._cryptex(inner, macos)
        if not path.startswith(SYSTEM_PREFIXES):
            return _NOT_THE_SYSTEMS
        answer = self._named(path, macos)
        plain = plain_variant(path)
        if answer.presence is not Presence.UNSEEN or plain is None or macos.major < FIRST_SEALED:
            return answer
        if self.canonical(plain) is None:
            return answer
        return SystemAnswer(Presence.ABSENT, why=f"released systems have no such variant of {plain}")

    def _named(self, path: str, macos: Version) -> SystemAnswer:
        name = self.canonical(path)
        if name is None:
            if self._unknown[0] != path:  # asked about release after release: one answer for all
                self._unknown = (path, self._in_no_sdk(path))
            return self._unknown[1]
        answer = self._judge(name, macos)
        if answer.presence is Presence.PRESENT and path in self._tables.aliases:
            link = self._judge_link(path, macos)
            if link is not None:
                return link
        if answer.presence is not Presence.PRESENT and name != path:
            return SystemAnswer(answer.presence, why=f"{path} is a link to {name}: {answer.why}")
        return answer

    def _in_no_sdk(self, path: str) -> SystemAnswer:
        hint = self.hint(path)
        other = f"; {hint} differs from it in case only" if hint else ""
        known = f"{self.sources[0].id} to {self.sources[-1].id}" if self.sources else "no SDK at all"
        return SystemAnswer(Presence.UNSEEN, why=f"{path} is in none of the SDKs known here ({known}){other}")

    def _cryptex(self, inner: str, macos: Version) -> SystemAnswer:
        if not inner.startswith(SYSTEM_PREFIXES):
            return _NOT_THE_SYSTEMS
        if self.find(inner, macos).presence is Presence.ABSENT:
            return SystemAnswer(Presence.ABSENT, why=f"macOS {macos} has no {inner}, in a cryptex or elsewhere")
        return SystemAnswer(Presence.UNSEEN, why="what the cryptexes hold is in no SDK")

    def _judge_link(self, path: str, macos: Version) -> SystemAnswer | None:
        target, mask = self._tables.alias(path)
        having = self._tables.of(mask)
        lacking = tuple(s for s in self.sources if s.links and s.covers(path) and s not in having)
        return judge_link(path, target, having, lacking, macos)

    def _judge(self, name: str, macos: Version) -> SystemAnswer:
        """Answer for a library of the table: once for each release, whoever asks."""
        key = (name, macos.packed)
        answer = self._libraries.get(key)
        if answer is None:
            row = self._tables.row(name)
            having = self._tables.of(row.mask)
            lacking = tuple(s for s in self.sources if s.covers(name) and s not in having)
            answer = self._libraries[key] = judge_library(name, row, having, lacking, macos)
        return answer

    def sdks_of(self, name: str) -> tuple[Source, ...]:
        """Return the SDKs that hold a library, oldest first; nothing for a name the catalogue does not know."""
        return self._tables.of(self._tables.row(name).mask) if name in self._tables.rows else ()

    def documents(self) -> list[dict[str, Any]]:
        """Return all facts in the form ``machochain.world.system.build_catalogue`` reads.

        Building from them gives this catalogue again; with documents added, a larger one.
        """
        from machochain.world.system.documents import documents  # noqa: PLC0415  # only who builds a catalogue asks

        return documents(self._tables)

    def library(self, path: str) -> LibraryFacts | None:
        """Return everything known of a library, by install name or link; None if nothing is."""
        name = self.canonical(path)
        if name is None:
            return None
        row, details = self._tables.row(name), self._tables.details(name)
        return LibraryFacts(
            path=TargetPath(name),
            sdks=tuple(s.id for s in self._tables.of(row.mask)),
            introduced=row.introduced,
            removed=row.removed,
            legacy=row.legacy,
            observed=row.observed,
            seen=row.seen,
            missing=row.missing,
            details=tuple((s.id, details[s.id]) for s in self._tables.of(row.mask)),
        )

    # Symbols

    def symbols(self, library: str) -> tuple[SymbolFacts, ...]:
        """Return what is known of every symbol of one library itself, sorted by name.

        Objective-C metaclasses are not listed: they come and go with their classes.

        Args:
            library: An install name or a link to one.
        """
        name = self.canonical(library)
        if name is None:
            return ()
        block = self._tables.block(name)
        return tuple(self._facts(symbol, block.names[symbol], block) for symbol in sorted(block.names))

    def _facts(self, symbol: str, group: Group, block: Block) -> SymbolFacts:
        return SymbolFacts(
            name=symbol,
            sdks=tuple(s.id for s in self._tables.of(group.intel | group.arm)),
            lacking=tuple(s.id for s in self._tables.of((block.intel | block.arm) & ~(group.intel | group.arm))),
            hidden=group.hidden,
            observed=group.observed,
            archs=tuple(name for name, mask in (("x86_64", group.intel), ("arm64", group.arm)) if mask),
            introduced=group.since or group.newest,
            declared=group.until,
            missing=group.missing,
        )

    def reexports(self, library: str, macos: Version, *, later: bool = False) -> tuple[str, ...]:
        """Return the libraries a library re-exports around a release: by the SDKs next to it on either side.

        Args:
            library: An install name or a link to one.
            macos: The release.
            later: Leave out those the next SDK after the release no longer names, if there is one.
        """
        name = self.canonical(library)
        if name not in self._tables.umbrellas:
            return ()
        having, details = self._tables.of(self._tables.row(name).mask), self._tables.details(name)
        block = self._tables.block(name)
        listed = self._tables.of(block.intel | block.arm)
        whole = [s for s in having if details[s.id] or s in listed]  # not those of which only the name is known
        before = [s for s in whole if s.low <= macos]
        after = [s for s in whole if s.low > macos]
        found: dict[str, None] = {}
        for source in after[:1] if later and after else (*before[-1:], *after[:1]):
            for inner in details[source.id].get("reexports", ()):
                found[self.canonical(inner) or inner] = None
        return tuple(found)

    def closure(self, library: str, macos: Version, *, later: bool = False) -> tuple[str, ...]:
        """Return a library and all it re-exports, directly or not, in the order dyld searches them."""
        start = self.canonical(library)
        return tuple(self._reached(start, macos, later=later)) if start is not None else ()

    def _reached(self, start: str, macos: Version, *, later: bool = False) -> Reached:
        """Return a library and all it re-exports; what is not walked to is not read."""
        key = (start, macos.packed, later)
        found = self._closures.get(key)
        if found is None:
            found = Reached(start, lambda name: self.reexports(name, macos, later=later))
            self._closures[key] = found
        return found

    def lookup(self, library: str, symbol: str, macos: Version, arch: str | None = None) -> SymbolAnswer:
        """Say whether a library provides a symbol on a release, itself or through what it re-exports.

        Args:
            library: An install name or a link to one.
            symbol: The Mach-O name.
            macos: The release.
            arch: The architecture that asks; without it any will do.
        """
        family = family_of(arch)
        answer = self._judge_lookup(library, symbol, macos, family)
        if answer.presence is not Presence.UNSEEN or answer.present_in is None:
            return answer
        # What a later SDK lacks, and what appears after that only, was not there before either: symbols do not come,
        # go and come again. An SDK that no longer re-exports some library can tell this where those before cannot.
        for source in reversed(self.sources):
            if macos < source.low < answer.present_in:
                later = self._judge_lookup(library, symbol, source.low, family)
                if later.presence is Presence.ABSENT and later.absent_in is not None and later.absent_in > macos:
                    return later
        return answer

    def _judge_lookup(self, library: str, symbol: str, macos: Version, family: str) -> SymbolAnswer:
        """Answer from the SDKs around one release."""
        served = self._served(library, macos, family)
        start, closure = served.start, served.reached
        if start is None or closure is None:
            return SymbolAnswer(Presence.UNSEEN, why=f"{library} is in none of the SDKs known here")
        stored = stored_name(symbol)
        plain = "$" not in stored
        if plain and closure.many_absent and stored not in self._listed(closure):
            return self._concluded_for(start, (), macos, family)
        listing: list[tuple[str, Group, bool]] = []
        for name, names, settled in served:
            group = listed = names.get(stored)
            if not plain:
                group = self._patterned(name, stored, group)
            if group is None:  # who never listed it cannot be known to have it
                continue
            # The tables keep a group that a library lists; one that a pattern makes up is new each time.
            key = id(listed) if group is listed else 0
            if key not in settled or not key:
                settled[key] = self._settling(name, group, macos, family)
            answer = settled[key]
            if answer is not None:
                return answer
            listing.append((name, group, listed is not None))
        closure.absent += not listing
        return self._concluded_for(start, listing, macos, family)

    def _served(self, library: str, macos: Version, family: str) -> Served:
        """Return what a library serves, with what has been found out of it."""
        key = (library, macos.packed, family)
        served = self._serving.get(key)
        if served is None:
            start = self.canonical(library)
            reached = self._reached(start, macos) if start is not None else None
            if len(self._serving) >= _MOST_SERVED:
                self._serving.clear()
            served = self._serving[key] = Served(start, reached, self._names)
        return served

    def _settling(self, name: str, group: Group, macos: Version, family: str) -> SymbolAnswer | None:
        """Return the answer of one library if it counts whatever others of the closure have."""
        answer = self._judge_symbol(name, group, macos, family)
        if answer.presence is Presence.PRESENT:
            return answer
        certain = answer.presence is Presence.ABSENT and lacks_certainly(group, self._having(group, family), macos)
        return answer if certain else None

    def _listed(self, closure: Reached) -> Container[str]:
        """Return the symbols that any library of a closure lists: one object for all closures of the same libraries."""
        if closure.listed is None:
            members = tuple(closure)
            if members not in self._listings:
                first, *others = map(self._names, members)
                self._listings[members] = frozenset(first).union(*others) if others else first
            closure.listed = self._listings[members]
        return closure.listed

    def _concluded_for(
        self, start: str, listing: Sequence[tuple[str, Group, bool]], macos: Version, family: str
    ) -> SymbolAnswer:
        """Give thousands of symbols that the same members list, or none, one answer."""
        key = (start, macos.packed, family, *listing)
        found = self._concluded.get(key)
        if found is None:
            found = self._concluded[key] = self._conclude(start, listing, macos, family)
        return found

    def _conclude(
        self, start: str, listing: Sequence[tuple[str, Group, bool]], macos: Version, family: str
    ) -> SymbolAnswer:
        """Answer for a symbol that none of those that list it settles: each with its facts, and if by a stub."""
        answers = [self._judge_symbol(name, group, macos, family) for name, group, _ in listing]
        by_stub = {name for name, _, listed in listing if listed}
        strangers = [name for name in self._reached(start, macos) if name not in by_stub]
        # Who is about to leave the closure gains no symbol any more.
        staying = set(self._reached(start, macos, later=True)) if strangers else ()
        answers += [self._judge_symbol(name, _UNKNOWN_SYMBOL, macos, family) for name in strangers if name in staying]
        known = [v for a in answers if (v := a.present_in) is not None]
        lacking = [v for a in answers if (v := a.absent_in) is not None]
        first = min(known, default=None)
        if all(a.presence is Presence.ABSENT for a in answers):
            # The weakest member of the closure bounds what is known of the whole.
            last = min(lacking)
            dated = next((a.why for a in answers if a.present_in is not None and len(answers) == 1), None)
            later = f", first known in {first}" if first is not None else ""
            why = dated or f"not exported in the SDK {last}{later}"
            return SymbolAnswer(Presence.ABSENT, absent_in=last, present_in=first, why=why)
        stayed = next((a for a in answers if a.likely is Presence.PRESENT), None)
        if stayed is not None and any(v > macos for v in known):
            # One member had it before, one has it later: it moved between them, and whoever links the umbrella has it.
            return SymbolAnswer(Presence.PRESENT, TargetPath(start), present_in=first, why=stayed.why)
        telling = next((a for a in answers if a.presence is Presence.UNSEEN and a.present_in is not None), None)
        answer = telling or next(a for a in answers if a.presence is Presence.UNSEEN)
        return SymbolAnswer(
            Presence.UNSEEN, absent_in=answer.absent_in, present_in=first, why=answer.why, likely=answer.likely
        )

    def _patterned(self, name: str, symbol: str, group: Group | None) -> Group | None:
        """Return what is known of a symbol of which all of some form came with one release."""
        for pattern, since, _ in self._tables.row(name).patterns if name in self._tables.rows else ():
            if re.search(pattern, symbol):
                there = group is not None or self._lists(name, symbol.partition("$")[0])
                known = group if group is not None else _UNKNOWN_SYMBOL
                return known._replace(since=since, newest=since if there else None, marks="c")
        return group

    def _lists(self, name: str, symbol: str) -> bool:
        """Whether a library, or what it re-exports in any SDK, lists a symbol in any stub."""
        closure = self.closure(name, self.sources[-1].low)
        return any(symbol in self._names(member) for member in closure)

    def _names(self, name: str) -> dict[str, Group]:
        """Return what is known of the symbols of one library."""
        return (self._tables.block(name) if name in self._tables.rows else _NO_BLOCK).names

    def _judge_symbol(self, name: str, group: Group, macos: Version, family: str) -> SymbolAnswer:
        """Answer for one library alone: the same for all symbols of a group, and for all no stub of it ever listed."""
        key = (name, group, macos.packed, family)
        answer = self._judged.get(key)
        if answer is None:
            answer = self._judged[key] = self._judge_group(name, group, macos, family)
        return answer

    def _judge_group(self, name: str, group: Group, macos: Version, family: str) -> SymbolAnswer:
        known = name in self._tables.rows
        block = self._tables.block(name) if known else _NO_BLOCK
        mask = _mask(block, family)
        if not mask:  # no stub tells architectures apart: an Intel one speaks for all
            family = ""
            mask = _mask(block, family)
        listed = _mask(group, family)
        newer = block.intel & block.arm & ~self._before_arm
        if family == "arm64" and group.intel & ~group.arm & newer:
            listed &= ~self._before_arm  # a stub for both has it for Intel alone: so it always was
        lacking = self._tables.of(mask & ~listed)
        stable = known and bool(self._tables.row(name).stable)
        return judge_symbol(name, group, self._tables.of(listed), lacking, macos, stable=stable)

    def _having(self, group: Group, family: str) -> tuple[Source, ...]:
        return self._tables.of(_mask(group, family))

    @cached_property
    def _before_arm(self) -> int:
        """The SDKs older than the first Mac with an arm64 processor."""
        return sum(1 << i for i, s in enumerate(self.sources) if s.low.major < FIRST_ARM)

    def alike(self, library: str) -> Callable[[Version], Iterator[tuple[Presence, frozenset[int], int]]]:
        """Return a function that judges all symbols of one library itself for a release, those known alike at once.

        It yields whether they are there, the major releases of the SDKs that export them, and how many they are.
        """
        name = self.canonical(library) or library
        groups = Counter(self._names(name).values())
        majors = {
            group: frozenset(source.low.major for source in self._tables.of(group.intel | group.arm))
            for group in groups
        }

        def judged(macos: Version) -> Iterator[tuple[Presence, frozenset[int], int]]:
            for group, number in groups.items():
                yield self._judge_symbol(name, group, macos, "").presence, majors[group], number

        return judged

    def providers(self, symbols: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Return the libraries that export each symbol themselves in any SDK, sorted; one pass over all blocks."""
        asked = {symbol: stored_name(symbol) for symbol in symbols}  # a class and its metaclass are stored as one
        found = self._tables.exporters(dict.fromkeys(asked.values()))
        return {symbol: tuple(found.get(stored, ())) for symbol, stored in asked.items()}
