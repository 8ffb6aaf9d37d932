"""The embedded catalogue: which library, and which symbol of it, each macOS release provides, as far as facts reach.

The facts are names and numbers read from linker stubs of many SDKs and from released binaries; the file is made by
``machochain.world.system.build_catalogue``. Everything is read on demand: a first question costs the table of
libraries, a question about symbols the block of that library.

An SDK proves presence at its own version. Absence follows only from an SDK that is complete where the library lies, and
only before its first appearance: what left the SDK may still be in the OS.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple

from attrs import frozen

from machochain.model.errors import InputError, UsageError
from machochain.model.filesystem import Presence, SymbolAnswer, SystemAnswer
from machochain.model.paths import TargetPath
from machochain.model.version import Version

MAGIC: Final = b"MCCAT\x02"
EMBEDDED: Final = Path(__file__).parent / "data" / "catalogue.bin"

SYSTEM_PREFIXES: Final = (
    "/usr/lib/",
    "/System/Library/",
    "/System/iOSSupport/",
    "/System/DriverKit/",
    "/Library/Apple/",
)
"""Where the OS keeps libraries; nothing elsewhere comes with it."""

CRYPTEXES: Final = ("/System/Volumes/Preboot/Cryptexes/OS", "/System/Cryptexes/OS")
"""Where the OS cryptex is mounted (the path dyld prints), and the link to it."""
_INSIDE_CRYPTEXES: Final = tuple(place + "/" for place in CRYPTEXES)

FIRST_SEALED: Final = 11
"""Since this release the system volume is sealed and its libraries are in the shared cache only."""

_VERSIONS = re.compile(r"(\.framework)/Versions/[^/]+")

_DATED: Final = frozenset({"introduced", "removed", "legacy", "observed"})
_SECTIONS: Final = ("libraries", "aliases", "details", "symbols")
_MOST: Final = 64 << 20
"""Bytes of one table, unpacked: many times what the embedded catalogue needs."""
_DAMAGE: Final = (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError, UsageError)
"""What comes of reading a table that is not as it was written."""


NOT_THE_SYSTEMS: Final = "the OS keeps its libraries below /usr/lib and /System only"


def inside_cryptex(path: str) -> str | None:
    """Return what follows the place of the OS cryptex, with its slash; None for a path elsewhere."""
    if not path.startswith(_INSIDE_CRYPTEXES):
        return None
    return next(path[len(place) - 1 :] for place in _INSIDE_CRYPTEXES if path.startswith(place))


def squeeze(path: str) -> str:
    """Return a framework path without its ``Versions/A`` parts: the key under which its links meet."""
    return _VERSIONS.sub(r"\1", path)


def normalise(path: str) -> str:
    """Collapse ``//`` and ``/./`` and resolve ``..`` by name, as ``realpath`` does where no link is involved.

    Relative paths, and those that end in a slash (no file is meant), stay as they are.
    """
    if ("//" not in path and "/." not in path) or not path.startswith("/") or path.endswith("/"):
        return path
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            if parts:
                parts.pop()
        elif part not in {"", "."}:
            parts.append(part)
    return "/" + "/".join(parts)


_VARIANT = re.compile(r"(.+)_(?:asan|debug|profile)(\.dylib)?")


def plain_variant(path: str) -> str | None:
    """Return the library of which a path names the sanitised, debugging or profiling variant; None if it names none.

    SDKs have such stubs (their install name is the plain one) and links for the linker; released systems have not.
    """
    match = _VARIANT.fullmatch(path)
    return match[1] + (match[2] or "") if match else None


def leads_to(link: str, name: str) -> bool:
    """Whether the links every framework has lead from one path to the other.

    A level of ``link`` that names no version, or ``Current``, fits any; one that names a version only that one.
    """
    left, right = link.split("/"), name.split("/")
    i = j = 0
    while i < len(left) and j < len(right):
        if left[i] == right[j] or (left[i] == "Current" and right[j - 1] == "Versions"):
            i, j = i + 1, j + 1
        elif right[j] == "Versions":
            j += 2
        else:
            return False
    return i == len(left) and j == len(right)


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


class _Group(NamedTuple):
    """What all symbols of one group line share; ``mask`` as in the table of libraries."""

    mask: int
    hidden: Version | None
    observed: tuple[Version, Version] | None


class _Block(NamedTuple):
    """The symbols of one library: ``mask`` tells which SDKs list its symbols at all."""

    mask: int
    names: dict[str, _Group]


_NO_BLOCK = _Block(0, {})
_UNKNOWN_SYMBOL = _Group(0, None, None)


def stored_name(symbol: str) -> str:
    """Return the name under which the catalogue keeps a symbol: a metaclass comes and goes with its class."""
    metaclass = "_OBJC_METACLASS_$_"
    return "_OBJC_CLASS_$_" + symbol[len(metaclass) :] if symbol.startswith(metaclass) else symbol


class _Row(NamedTuple):
    mask: int
    place: tuple[int, int] | None
    introduced: tuple[tuple[Version, str], ...]
    removed: tuple[tuple[Version, str], ...]
    legacy: tuple[tuple[Version, str], ...]
    observed: tuple[Version, Version] | None


def _dated(items: Iterable[Any]) -> tuple[tuple[Version, str], ...]:
    return tuple(sorted((Version.parse(v), _text(why)) for v, why in items))


def _spoken(items: Iterable[str]) -> str:
    names = list(items)
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _source(item: dict[str, Any]) -> Source:
    return Source(
        id=_text(item["id"]),
        low=Version.parse(_text(item["low"])),
        high=Version.parse(_text(item["high"])),
        complete=_texts(item["complete"]),
        missing=_texts(item["missing"]),
        links=bool(item["links"]),
        origin=_texts(item["origin"]),
    )


def _detail(item: dict[str, Any]) -> dict[str, Any]:
    """Check what one SDK says about a library: texts and lists of texts."""
    for value in item.values():
        _ = _text(value) if isinstance(value, str) else _texts(value)
    return item


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("no text where a text belongs")
    return value


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError("no list where a list belongs")
    return tuple(map(_text, value))


class EmbeddedCatalogue:
    """The OS libraries of every release, from facts alone (a ``SystemLibraries``).

    One object keeps what it has read; it never changes an answer.
    """

    def __init__(self, file: Path = EMBEDDED) -> None:
        """Open the catalogue; only its header is read.

        Args:
            file: A file made by ``machochain.world.system.build_catalogue``.

        Raises:
            InputError: The file cannot be read or is no catalogue of this version.
        """
        self._file = file
        try:
            with file.open("rb") as stream:
                start = stream.read(len(MAGIC) + 4)
                if start[:-4] != MAGIC:
                    raise InputError("not a catalogue of this version", path=str(file))
                length = int.from_bytes(start[-4:], "little")
                self._base = len(start) + length
                self._size = stream.seek(0, 2) - self._base
                if self._size < 0:
                    raise self._damaged("it is cut")
                stream.seek(len(start))
                packed = stream.read(length)
        except OSError as error:
            raise InputError(f"cannot read the catalogue: {error}", path=str(file)) from None
        self._blocks: dict[str, _Block] = {}
        self._sets: dict[int, tuple[Source, ...]] = {}
        self._closures: dict[tuple[str, int], tuple[str, ...]] = {}
        self._listed: dict[tuple[str, ...], tuple[tuple[str, dict[str, _Group]], ...]] = {}
        self._judged: dict[tuple[str, _Group, int], SymbolAnswer] = {}
        self._sections: dict[str, tuple[int, int]] = {}
        try:
            header = json.loads(self._unpacked(packed))
            for name in _SECTIONS:
                offset, size = header["sections"][name]
                self._sections[name] = self._place(offset, size, self._size)
            self.sources: tuple[Source, ...] = tuple(_source(item) for item in header["sources"])
        except _DAMAGE as error:
            raise self._damaged(error) from None

    # Reading

    def _damaged(self, why: object) -> InputError:
        words = f"{type(why).__name__}: {why}" if isinstance(why, Exception) else why
        return InputError(f"the catalogue is damaged: {words}", path=str(self._file))

    @staticmethod
    def _place(offset: object, length: object, size: int) -> tuple[int, int]:
        """Return a place that lies within so many bytes.

        Raises:
            ValueError: It does not.
        """
        if not (isinstance(offset, int) and isinstance(length, int)):
            raise TypeError("a place that is no number of bytes")  # JSON has fractions
        if offset < 0 or length < 0 or offset + length > size:
            raise ValueError("a place outside")
        return offset, length

    def _raw(self, offset: int, length: int) -> bytes:
        try:
            with self._file.open("rb") as stream:
                stream.seek(self._base + offset)
                return stream.read(length)
        except OSError as error:
            raise InputError(f"cannot read the catalogue: {error}", path=str(self._file)) from None

    def _unpacked(self, data: bytes) -> bytes:
        stream = zlib.decompressobj()
        try:
            text = stream.decompress(data, _MOST)
        except zlib.error as error:
            raise self._damaged(error) from None
        if not stream.eof:
            raise self._damaged("a table is cut, or larger than any")
        return text

    def _table(self, section: str) -> dict[str, str]:
        text = self._unpacked(self._raw(*self._sections[section])).decode("utf-8", "surrogateescape")
        try:
            return {(parts := line.split("\t", 1))[0]: parts[1] for line in text.split("\n") if line}
        except IndexError as error:
            raise self._damaged(error) from None

    @cached_property
    def _rows(self) -> dict[str, str]:
        return self._table("libraries")

    @cached_property
    def _aliases(self) -> dict[str, str]:
        return self._table("aliases")

    @cached_property
    def _squeezed(self) -> dict[str, list[str]]:
        table: dict[str, list[str]] = {}
        for name in self._rows:
            if ".framework/Versions/" in name:
                table.setdefault(squeeze(name), []).append(name)
        return table

    @cached_property
    def _folded(self) -> dict[str, str]:
        return {name.casefold(): name for name in (*self._aliases, *self._rows)}

    @cached_property
    def _detail_texts(self) -> dict[str, str]:
        return self._table("details")

    def _details(self, name: str) -> dict[str, dict[str, Any]]:
        """Return what each SDK says about a library; all of them at once would be a megabyte of JSON."""
        try:
            table = json.loads(self._detail_texts[name])
            return {source.id: _detail(table[source.id]) for source in self._of(self._row(name).mask)}
        except _DAMAGE as error:
            raise self._damaged(error) from None

    def _row(self, name: str) -> _Row:
        try:
            mask, place, facts = self._rows[name].split("\t", 2)
            table = json.loads(facts) if facts else {}
            observed = [Version.parse(v) for item in table.get("observed", ()) for v in item]
            return _Row(
                mask=int(mask, 16),
                place=self._symbols_place(place),
                introduced=_dated(table.get("introduced", ())),
                removed=_dated(table.get("removed", ())),
                legacy=_dated(table.get("legacy", ())),
                observed=(min(observed), max(observed)) if observed else None,
            )
        except _DAMAGE as error:
            raise self._damaged(error) from None

    def _symbols_place(self, text: str) -> tuple[int, int] | None:
        """Read where the symbols of a library lie.

        Raises:
            ValueError: Nowhere.
        """
        offset, _, length = text.partition(":")
        return self._place(int(offset), int(length), self._sections["symbols"][1]) if text else None

    def _alias(self, path: str) -> tuple[str, int]:
        """Return where a link leads, and the SDKs that have it: one at least."""
        try:
            target, mask = self._aliases[path].split("\t")
            sdks = int(mask, 16)
        except _DAMAGE as error:
            raise self._damaged(error) from None
        if not self._of(sdks):
            raise self._damaged("a link that no SDK has")
        return target, sdks

    def _of(self, mask: int) -> tuple[Source, ...]:
        sources = self._sets.get(mask)
        if sources is None:
            sources = self._sets[mask] = tuple(s for i, s in enumerate(self.sources) if mask >> i & 1)
        return sources

    # Names

    def libraries(self) -> tuple[str, ...]:
        """Return every canonical install name, sorted."""
        return tuple(self._rows)

    def canonical(self, path: str) -> str | None:
        """Return the canonical install name behind a path (itself, or a link to it); None if nothing is known of it.

        Links are those the SDKs list, and those every framework has (``X.framework/X``, ``Versions/Current``).
        Letters are compared exactly: a name in another case is in no shared cache.
        """
        path = normalise(path)
        if path in self._rows:
            return path
        if path in self._aliases:
            target, _ = self._alias(path)
            return target if target in self._rows else self._through_frameworks(target)
        return self._through_frameworks(path)

    def _through_frameworks(self, path: str) -> str | None:
        if ".framework/" not in path:
            return None
        fitting = [name for name in self._squeezed.get(squeeze(path), ()) if leads_to(path, name)]
        return max(fitting) if fitting else None

    def hint(self, path: str) -> str | None:
        """Return the name that differs from a path in case only; None if there is none."""
        found = self._folded.get(normalise(path).casefold())
        return found if found != normalise(path) else None

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
            return SystemAnswer(Presence.ABSENT, why=NOT_THE_SYSTEMS)
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
            hint = self.hint(path)
            other = f"; {hint} differs from it in case only" if hint else ""
            known = f"{self.sources[0].id} to {self.sources[-1].id}" if self.sources else "no SDK at all"
            return SystemAnswer(Presence.UNSEEN, why=f"{path} is in none of the SDKs known here ({known}){other}")
        answer = self._judge(name, macos)
        if answer.presence is Presence.PRESENT and path in self._aliases:
            link = self._judge_link(path, macos)
            if link is not None:
                return link
        if answer.presence is not Presence.PRESENT and name != path:
            return SystemAnswer(answer.presence, why=f"{path} is a link to {name}: {answer.why}")
        return answer

    def _cryptex(self, inner: str, macos: Version) -> SystemAnswer:
        if not inner.startswith(SYSTEM_PREFIXES):
            return SystemAnswer(Presence.ABSENT, why=NOT_THE_SYSTEMS)
        if self.find(inner, macos).presence is Presence.ABSENT:
            return SystemAnswer(Presence.ABSENT, why=f"macOS {macos} has no {inner}, in a cryptex or elsewhere")
        return SystemAnswer(Presence.UNSEEN, why="what the cryptexes hold is in no SDK")

    def _judge_link(self, path: str, macos: Version) -> SystemAnswer | None:
        """Return why a link to a present library may not be there; None if it is."""
        target, mask = self._alias(path)
        having = self._of(mask)
        lacking = [s for s in self.sources if s.links and s.covers(path) and s not in having]
        if not any(s.high <= macos for s in having):
            if any(s.low >= macos for s in lacking) and having:
                return SystemAnswer(Presence.ABSENT, why=f"{path} is first a link in the SDK {having[0].id}")
            return SystemAnswer(Presence.UNSEEN, why=f"{path} is first a link to {target} in the SDK {having[0].id}")
        last = max(s.high for s in having)
        gone = next((s for s in lacking if last < s.low <= macos), None)
        if gone is not None:
            return SystemAnswer(
                Presence.UNSEEN, why=f"the SDK {gone.id} no longer has the link {path}; the OS may still have it"
            )
        return None

    def _judge(self, name: str, macos: Version) -> SystemAnswer:
        row = self._row(name)
        for version, who in row.removed:
            if macos >= version:
                return SystemAnswer(Presence.ABSENT, why=f"removed in macOS {version} ({who})")
        having = self._of(row.mask)
        lacking = tuple(s for s in self.sources if s.covers(name) and s not in having)
        dates = self._credible(row, having, lacking)
        proof = self._proof(row, having, dates, macos)
        if proof is None:
            return self._before(row, having, lacking, dates, macos)
        last, why = proof
        later = any(s.high > last for s in having) or (row.observed is not None and row.observed[1] > last)
        if later:
            return SystemAnswer(Presence.PRESENT, TargetPath(name), why)
        gone = next((s for s in lacking if last < s.low <= macos), None)
        if gone is not None:
            return SystemAnswer(Presence.UNSEEN, why=f"{why}, but not in the SDK {gone.id}; the OS may still have it")
        if "/PrivateFrameworks/" in name and last.major < macos.major:
            return SystemAnswer(Presence.UNSEEN, why=f"{why}; private libraries come and go without notice")
        return SystemAnswer(Presence.PRESENT, TargetPath(name), why)

    @staticmethod
    def _credible(
        row: _Row, having: tuple[Source, ...], lacking: tuple[Source, ...]
    ) -> tuple[tuple[Version, str], ...]:
        """Return the dates of introduction no SDK contradicts.

        Those who list them list the API's: the library may be older, or the API may have lain in another one before.
        """
        first = having[0].high if having else None
        return tuple(
            (date, who)
            for date, who in row.introduced
            if (first is None or date <= first)
            and not any(s.low >= date and (first is None or s.high < first) for s in lacking)
        )

    @staticmethod
    def _proof(
        row: _Row, having: tuple[Source, ...], dates: tuple[tuple[Version, str], ...], macos: Version
    ) -> tuple[Version, str] | None:
        """Return the newest evidence of presence at or before the release, in words; None if there is none."""
        proofs = [(s.high, f"in the SDK {s.id}") for s in having if s.high <= macos]
        if row.observed is not None:
            proofs += [(v, f"linked by binaries built with the SDK {v}") for v in row.observed if v <= macos]
        if dates and dates[-1][0] <= macos:
            version = dates[-1][0]
            proofs.append((version, f"part of macOS since {version} ({_spoken(who for _, who in dates)})"))
        proofs += [(v, f"an old name that still loads ({who})") for v, who in row.legacy if v <= macos]
        return max(proofs, key=lambda item: item[0], default=None)

    @staticmethod
    def _before(
        row: _Row,
        having: tuple[Source, ...],
        lacking: tuple[Source, ...],
        dates: tuple[tuple[Version, str], ...],
        macos: Version,
    ) -> SystemAnswer:
        """Answer for a release older than every evidence of presence."""
        first = having[0] if having else None
        absent = [s for s in lacking if s.low >= macos and (first is None or s.high < first.high)]
        if absent and (first is not None or dates or row.observed):
            known = f"first in the SDK {first.id}" if first else "known from later releases only"
            return SystemAnswer(Presence.ABSENT, why=f"not in the SDK {absent[-1].id}, {known}")
        if dates and macos < dates[0][0]:
            said = _spoken(f"{v} ({who})" for v, who in dates)
            return SystemAnswer(Presence.ABSENT, why=f"introduced in macOS {said}")
        if dates:
            said = _spoken(f"{v} ({who})" for v, who in dates)
            return SystemAnswer(Presence.UNSEEN, why=f"introduced in macOS {said}: the sources differ")
        older = [s for s in lacking if s.high <= macos]
        start = f"not in the SDK {older[-1].id}, " if older else ""
        if first is not None:
            return SystemAnswer(Presence.UNSEEN, why=f"{start}first seen in the SDK {first.id}")
        if row.observed is not None:
            return SystemAnswer(
                Presence.UNSEEN, why=f"{start}first seen in binaries built with the SDK {row.observed[0]}"
            )
        return SystemAnswer(Presence.UNSEEN, why=f"{start}nothing vouches for it on macOS {macos}")

    def sdks_of(self, name: str) -> tuple[Source, ...]:
        """Return the SDKs that hold a library, oldest first; nothing for a name the catalogue does not know."""
        return self._of(self._row(name).mask) if name in self._rows else ()

    def documents(self) -> list[dict[str, Any]]:
        """Return all facts in the form ``machochain.world.system.build_catalogue`` reads.

        Building from them gives this catalogue again; with documents added, a larger one.
        """
        documents: list[dict[str, Any]] = []
        for source in self.sources:
            text = {
                "schema": "machochain.sdk-facts/1",
                "sdk": source.id,
                "low": str(source.low),
                "high": str(source.high),
            }
            lists = {"complete": list(source.complete), "missing": list(source.missing), "origin": list(source.origin)}
            documents.append({**text, **lists, "links": source.links, "libraries": [], "aliases": {}})
        elsewhere: dict[str, Any] = {"schema": "machochain.os-facts/1", "observed_symbols": []}
        for name, rest in self._rows.items():
            self._row(name)  # what is damaged is told here
            facts = json.loads(rest.split("\t", 2)[2] or "{}")
            for key in sorted(_DATED & facts.keys()):
                elsewhere.setdefault(key, []).extend([name, *item] for item in facts[key])
            self._export_library(name, documents, elsewhere)
        for alias in self._aliases:
            target, mask = self._alias(alias)
            for source, document in zip(self.sources, documents, strict=True):
                if source in self._of(mask):
                    document["aliases"][alias] = target
        return [*documents, elsewhere]

    def _export_library(self, name: str, documents: list[dict[str, Any]], elsewhere: dict[str, Any]) -> None:
        row, block, details = self._row(name), self._block(name), self._details(name)
        items: list[dict[str, Any]] = []
        for index, document in enumerate(documents):
            if row.mask >> index & 1:
                listed = block.mask >> index & 1
                symbols = [n for n, group in block.names.items() if group.mask >> index & 1] if listed else None
                detail = details[self.sources[index].id]
                items.append({"install_name": name, **detail, "symbols": symbols, "directives": []})
                document["libraries"].append(items[-1])
        for symbol, group in block.names.items():
            if group.hidden is not None and items:
                items[-1]["directives"].append(f"$ld$hide$os{group.hidden}${symbol}")
            if group.observed is not None:
                elsewhere["observed_symbols"].append([name, symbol, *map(str, group.observed)])

    def library(self, path: str) -> LibraryFacts | None:
        """Return everything known of a library, by install name or link; None if nothing is."""
        name = self.canonical(path)
        if name is None:
            return None
        row, details = self._row(name), self._details(name)
        return LibraryFacts(
            path=TargetPath(name),
            sdks=tuple(s.id for s in self._of(row.mask)),
            introduced=row.introduced,
            removed=row.removed,
            legacy=row.legacy,
            observed=row.observed,
            details=tuple((s.id, details[s.id]) for s in self._of(row.mask)),
        )

    # Symbols

    def _block(self, name: str) -> _Block:
        block = self._blocks.get(name)
        if block is None:
            place = self._row(name).place
            block = self._blocks[name] = self._parse_block(place) if place else _NO_BLOCK
        return block

    def _parse_block(self, place: tuple[int, int]) -> _Block:
        start = self._sections["symbols"][0]
        text = self._unpacked(self._raw(start + place[0], place[1])).decode("utf-8", "surrogateescape")
        first, *groups = text.split("\n=")
        names: dict[str, _Group] = {}
        try:
            for body in groups:
                head, *members = body.split("\n")
                mask, hidden, low, high = head.split(" ")
                group = _Group(
                    mask=int(mask, 16),
                    hidden=Version.parse(hidden) if hidden else None,
                    observed=(Version.parse(low), Version.parse(high)) if low else None,
                )
                names.update(dict.fromkeys(members, group))
            return _Block(int(first, 16), names)
        except _DAMAGE as error:
            raise self._damaged(error) from None

    def symbols(self, library: str) -> tuple[SymbolFacts, ...]:
        """Return what is known of every symbol of one library itself, sorted by name.

        Objective-C metaclasses are not listed: they come and go with their classes.

        Args:
            library: An install name or a link to one.
        """
        name = self.canonical(library)
        if name is None:
            return ()
        block = self._block(name)
        return tuple(self._facts(symbol, block.names[symbol], block) for symbol in sorted(block.names))

    def _facts(self, symbol: str, group: _Group, block: _Block) -> SymbolFacts:
        return SymbolFacts(
            name=symbol,
            sdks=tuple(s.id for s in self._of(group.mask)),
            lacking=tuple(s.id for s in self._of(block.mask & ~group.mask)),
            hidden=group.hidden,
            observed=group.observed,
        )

    def reexports(self, library: str, macos: Version) -> tuple[str, ...]:
        """Return the libraries a library re-exports around a release: by the SDKs next to it on either side."""
        name = self.canonical(library)
        if name is None:
            return ()
        having, details = self._of(self._row(name).mask), self._details(name)
        before = [s for s in having if s.low <= macos]
        after = [s for s in having if s.low > macos]
        found: dict[str, None] = {}
        for source in (*before[-1:], *after[:1]):
            for inner in details[source.id].get("reexports", ()):
                found[self.canonical(inner) or inner] = None
        return tuple(found)

    def closure(self, library: str, macos: Version) -> tuple[str, ...]:
        """Return a library and all it re-exports, directly or not, in the order dyld searches them."""
        start = self.canonical(library)
        if start is None:
            return ()
        known = self._closures.get((start, macos.packed))
        if known is not None:
            return known
        found: dict[str, None] = {}
        waiting = [start]
        while waiting:
            name = waiting.pop()
            if name not in found:
                found[name] = None
                waiting.extend(reversed(self.reexports(name, macos)))
        return self._closures.setdefault((start, macos.packed), tuple(found))

    def lookup(self, library: str, symbol: str, macos: Version, arch: str | None = None) -> SymbolAnswer:
        """Say whether a library provides a symbol on a release, itself or through what it re-exports.

        Args:
            library: An install name or a link to one.
            symbol: The Mach-O name.
            macos: The release.
            arch: Not looked at: the facts hold for at least one architecture of the library.
        """
        del arch
        answer = self._lookup(library, symbol, macos)
        if answer.presence is not Presence.UNSEEN or answer.present_in is None:
            return answer
        # What a later SDK lacks, and what appears after that only, was not there before either: symbols do not come,
        # go and come again. An SDK that no longer re-exports some library can tell this where those before cannot.
        for source in reversed(self.sources):
            if macos < source.low < answer.present_in:
                later = self._lookup(library, symbol, source.low)
                if later.presence is Presence.ABSENT and later.absent_in is not None and later.absent_in > macos:
                    return later
        return answer

    def _lookup(self, library: str, symbol: str, macos: Version) -> SymbolAnswer:
        """Answer from the SDKs around one release."""
        stored = stored_name(symbol)
        closure = self.closure(library, macos)
        if not closure:
            return SymbolAnswer(Presence.UNSEEN, why=f"{library} is in none of the SDKs known here")
        tables = self._tables(closure)
        for name, names in tables:
            group = names.get(stored)  # who never listed it cannot be known to have it
            if group is not None:
                answer = self._judge_symbol(name, group, macos)
                if answer.presence is Presence.PRESENT:
                    return answer
        answers = [self._judge_symbol(name, names.get(stored, _UNKNOWN_SYMBOL), macos) for name, names in tables]
        known = [v for a in answers if (v := a.present_in) is not None]
        lacking = [v for a in answers if (v := a.absent_in) is not None]
        first = min(known, default=None)
        if all(a.presence is Presence.ABSENT for a in answers):
            # The weakest member of the closure bounds what is known of the whole.
            last = min(lacking)
            later = f", first known in {first}" if first is not None else ""
            return SymbolAnswer(
                Presence.ABSENT, absent_in=last, present_in=first, why=f"not exported in the SDK {last}{later}"
            )
        telling = next((a for a in answers if a.presence is Presence.UNSEEN and a.present_in is not None), None)
        answer = telling or next(a for a in answers if a.presence is Presence.UNSEEN)
        return SymbolAnswer(Presence.UNSEEN, absent_in=answer.absent_in, present_in=first, why=answer.why)

    def _tables(self, closure: tuple[str, ...]) -> tuple[tuple[str, dict[str, _Group]], ...]:
        """Return some libraries with what is known of their symbols."""
        found = self._listed.get(closure)
        if found is None:
            found = tuple((n, (self._block(n) if n in self._rows else _NO_BLOCK).names) for n in closure)
            self._listed[closure] = found
        return found

    def _judge_symbol(self, name: str, group: _Group, macos: Version) -> SymbolAnswer:
        """Answer for one library alone: the same for all symbols of a group, and for all no stub of it ever listed."""
        key = (name, group, macos.packed)
        answer = self._judged.get(key)
        if answer is None:
            answer = self._judged[key] = self._judge_group(name, group, macos)
        return answer

    def _judge_group(self, name: str, group: _Group, macos: Version) -> SymbolAnswer:
        block = self._block(name) if name in self._rows else _NO_BLOCK
        having = self._of(group.mask)
        lacking = self._of(block.mask & ~group.mask)
        proofs = [(s.high, f"exported by {name} in the SDK {s.id}") for s in having]
        if group.observed is not None:
            proofs += [(v, f"imported from {name} by binaries built with the SDK {v}") for v in group.observed]
        proofs.sort(key=lambda item: item[0])
        first = proofs[0][0] if proofs else None
        before = [p for p in proofs if p[0] <= macos]
        if before:
            last, why = before[-1]
            gone = next((s for s in lacking if last < s.low <= macos), None)
            if gone is None or proofs[-1][0] > gone.high:
                return SymbolAnswer(Presence.PRESENT, TargetPath(name), present_in=first, why=why)
            return SymbolAnswer(Presence.UNSEEN, present_in=first, why=f"{why}, but no longer in the SDK {gone.id}")
        without = [s.low for s in lacking if first is None or s.high < first]
        if group.hidden is not None:
            without.append(group.hidden)
        bound = max(without, default=None)
        if bound is not None and macos <= bound:
            later = f", first known in {first}" if first is not None else ""
            return SymbolAnswer(
                Presence.ABSENT, absent_in=bound, present_in=first, why=f"{name} lacks it in {bound}{later}"
            )
        if first is not None:
            start = f"{name} lacks it in {bound}, " if bound is not None else f"{name}: "
            return SymbolAnswer(
                Presence.UNSEEN, absent_in=bound, present_in=first, why=f"{start}first known in {first}"
            )
        reach = f"its symbols are known up to the SDK {bound}" if bound is not None else "none of its symbols is known"
        return SymbolAnswer(Presence.UNSEEN, absent_in=bound, why=f"{name}: {reach}")

    def providers(self, symbols: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Return the libraries that export each symbol themselves in any SDK, sorted; one pass over all blocks."""
        wanted = {stored_name(s): s for s in symbols}
        found: dict[str, list[str]] = {symbol: [] for symbol in wanted.values()}
        start, length = self._sections["symbols"]
        data = self._raw(start, length)
        keys = {key.encode("utf-8", "surrogateescape"): symbol for key, symbol in wanted.items()}
        for name, rest in self._rows.items():
            try:
                place = self._symbols_place(rest.split("\t", 2)[1])
            except _DAMAGE as error:
                raise self._damaged(error) from None
            if place is None:
                continue
            lines = set(self._unpacked(data[place[0] : place[0] + place[1]]).split(b"\n"))
            for key in lines & keys.keys():
                found[keys[key]].append(name)
        return {symbol: tuple(names) for symbol, names in found.items()}
