"""The file of the embedded facts: its sections, read on demand, and the tables in them.

A first question costs the table of libraries, a question about symbols the block of that library.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterable
from functools import cache, cached_property, lru_cache
from typing import Any, Final

from machochain.model.errors import InputError, UsageError
from machochain.model.version import Version
from machochain.world.system.facts import Block, Group, Row, Source
from machochain.world.system.names import leads_to, normalise, squeeze

StrPath = str | os.PathLike[str]
MAGIC: Final = b"MCCAT\x04"
FACTS: Final = {
    "introduced": (3, 4),
    "removed": (3, 3),
    "legacy": (3, 3),
    "observed": (3, 3),
    "seen": (3, 3),
    "missing": (3, 3),
    "stable": (2, 2),
    "patterns": (4, 4),
}
"""Tables of facts on libraries that come from elsewhere than SDKs: fewest and most fields of a row."""
_SECTIONS: Final = ("libraries", "aliases", "umbrellas", "details", "symbols")
_MOST: Final = 64 << 20
"""Bytes of one table, unpacked: many times what the embedded catalogue needs."""
_DAMAGE: Final = (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError, UsageError)
"""What comes of reading a table that is not as it was written."""
_NO_BLOCK: Final = Block(0, 0, {})


def _dated(items: Iterable[Any]) -> tuple[tuple[Version, str], ...]:
    return tuple(sorted((Version.parse(v), _text(why)) for v, why in items))


def _introduced(items: Iterable[Any]) -> tuple[tuple[Version, str, Version | None], ...]:
    rows = [(Version.parse(v), _text(who), Version.parse(more[0]) if more else None) for v, who, *more in items]
    return tuple(sorted(rows, key=lambda row: row[:2]))


def _masks(text: str) -> tuple[int, int]:
    intel, _, arm = text.partition(",")
    return int(intel, 16), int(arm or intel, 16)


@lru_cache(maxsize=1 << 14)
def _group(head: str) -> Group:
    fields = head.split(" ")
    if len(fields) > 9:
        raise ValueError("a line of a group with too many fields")
    masks, hidden, low, high, since, newest, until, marks, missing = (*fields, *[""] * (9 - len(fields)))
    observed = (_version(low), _version(high))
    return Group(
        *_masks(masks),
        hidden=_version(hidden),
        observed=(observed[0], observed[1]) if observed[0] is not None and observed[1] is not None else None,
        since=_version(since),
        newest=_version(newest),
        until=_version(until),
        marks=marks,
        missing=_version(missing),
    )


@cache
def _version(text: str) -> Version | None:
    return Version.parse(text) if text else None


def _source(item: dict[str, Any]) -> Source:
    return Source(
        id=_text(item["id"]),
        low=Version.parse(_text(item["low"])),
        high=Version.parse(_text(item["high"])),
        complete=_texts(item["complete"]),
        missing=_texts(item["missing"]),
        links=bool(item["links"]),
        origin=_texts(item["origin"]),
        last=bool(item.get("last")),
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
    if not set(map(type, value)) <= {str}:
        raise TypeError("no text where a text belongs")
    return tuple(value)


class CatalogueFile:
    """The tables of one catalogue. What was read is kept; nothing is judged here."""

    def __init__(self, file: StrPath) -> None:
        """Open the catalogue; only its header is read.

        Raises:
            InputError: The file cannot be read or is no catalogue of this version.
        """
        self._file = os.fspath(file)
        try:
            with open(file, "rb") as stream:  # noqa: PTH123
                start = stream.read(len(MAGIC) + 4)
                if start[:-4] != MAGIC:
                    raise InputError("not a catalogue of this version", path=self._file)
                length = int.from_bytes(start[-4:], "little")
                self._base = len(start) + length
                self._size = stream.seek(0, 2) - self._base
                if self._size < 0:
                    raise self._damaged("it is cut")
                stream.seek(len(start))
                packed = stream.read(length)
        except OSError as error:
            raise InputError(f"cannot read the catalogue: {error}", path=self._file) from None
        self._rows: dict[str, Row] = {}
        self._details: dict[str, dict[str, dict[str, Any]]] = {}
        self._blocks: dict[str, Block] = {}
        self._sets: dict[int, tuple[Source, ...]] = {}
        self._sections: dict[str, tuple[int, int]] = {}
        try:
            header = json.loads(self._unpacked(packed))
            for name in _SECTIONS:
                offset, size = header["sections"][name]
                self._sections[name] = self._place(offset, size, self._size)
            self.sources: tuple[Source, ...] = tuple(_source(item) for item in header["sources"])
        except _DAMAGE as error:
            raise self._damaged(error) from None

    def _damaged(self, why: object) -> InputError:
        words = f"{type(why).__name__}: {why}" if isinstance(why, Exception) else why
        return InputError(f"the catalogue is damaged: {words}", path=self._file)

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
            with open(self._file, "rb") as stream:  # noqa: PTH123
                stream.seek(self._base + offset)
                return stream.read(length)
        except OSError as error:
            raise InputError(f"cannot read the catalogue: {error}", path=self._file) from None

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
            return dict([line.split("\t", 1) for line in text.split("\n") if line])
        except ValueError as error:
            raise self._damaged(error) from None

    @cached_property
    def rows(self) -> dict[str, str]:
        """The table of libraries: each canonical install name, sorted, with its fields as text."""
        return self._table("libraries")

    @cached_property
    def aliases(self) -> dict[str, str]:
        """The table of links, sorted, each with its fields as text."""
        return self._table("aliases")

    @cached_property
    def _squeezed(self) -> dict[str, list[str]]:
        table: dict[str, list[str]] = {}
        for name in self.rows:
            if ".framework/Versions/" in name:
                table.setdefault(squeeze(name), []).append(name)
        return table

    @cached_property
    def _folded(self) -> dict[str, str]:
        return {name.casefold(): name for name in (*self.aliases, *self.rows)}

    @cached_property
    def umbrellas(self) -> dict[str, str]:
        """The table of libraries that re-export others in some SDK, with what each SDK says about them as text."""
        return self._table("umbrellas")

    @cached_property
    def _detail_texts(self) -> dict[str, str]:
        return self._table("details")

    def details(self, name: str) -> dict[str, dict[str, Any]]:
        """Return what each SDK says about a library; all of them at once would be a megabyte of JSON."""
        details = self._details.get(name)
        if details is None:
            details = self._details[name] = self._parse_details(name)
        return details

    def _parse_details(self, name: str) -> dict[str, dict[str, Any]]:
        text = self.umbrellas.get(name)
        try:
            table = json.loads(self._detail_texts[name] if text is None else text)
            return {source.id: _detail(table[source.id]) for source in self.of(self.row(name).mask)}
        except _DAMAGE as error:
            raise self._damaged(error) from None

    def row(self, name: str) -> Row:
        """Return the fields of a library of the table."""
        row = self._rows.get(name)
        if row is None:
            row = self._rows[name] = self._parse_row(name)
        return row

    def _parse_row(self, name: str) -> Row:
        try:
            mask, place, facts = self.rows[name].split("\t", 2)
            table = json.loads(facts) if facts else {}
            observed = [Version.parse(v) for item in table.get("observed", ()) for v in item]
            return Row(
                mask=int(mask, 16),
                place=self._symbols_place(place),
                introduced=_introduced(table.get("introduced", ())),
                removed=_dated(table.get("removed", ())),
                legacy=_dated(table.get("legacy", ())),
                observed=(min(observed), max(observed)) if observed else None,
                seen=_dated(table.get("seen", ())),
                missing=_dated(table.get("missing", ())),
                stable=tuple(_text(who) for (who,) in table.get("stable", ())),
                documented=Version.parse(_text(table["documented"])) if "documented" in table else None,
                patterns=tuple((_text(p), Version.parse(v), _text(w)) for p, v, w in table.get("patterns", ())),
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

    def alias(self, path: str) -> tuple[str, int]:
        """Return where a link leads, and the SDKs that have it: one at least."""
        try:
            target, mask = self.aliases[path].split("\t")
            sdks = int(mask, 16)
        except _DAMAGE as error:
            raise self._damaged(error) from None
        if not self.of(sdks):
            raise self._damaged("a link that no SDK has")
        return target, sdks

    def of(self, mask: int) -> tuple[Source, ...]:
        """Return the SDKs that some bits stand for, oldest first."""
        sources = self._sets.get(mask)
        if sources is None:
            sources = self._sets[mask] = tuple(s for i, s in enumerate(self.sources) if mask >> i & 1)
        return sources

    # Names

    def canonical(self, path: str) -> str | None:
        """Return the canonical install name behind a path (itself, or a link to it); None if nothing is known of it.

        Links are those the SDKs list, and those every framework has (``X.framework/X``, ``Versions/Current``).
        Letters are compared exactly: a name in another case is in no shared cache.
        """
        path = normalise(path)
        if path in self.rows:
            return path
        if path in self.aliases:
            target, _ = self.alias(path)
            return target if target in self.rows else self._through_frameworks(target)
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

    # Symbols

    def block(self, name: str) -> Block:
        """Return the symbols of a library of the table itself."""
        block = self._blocks.get(name)
        if block is None:
            place = self.row(name).place
            block = self._blocks[name] = self._parse_block(place) if place else _NO_BLOCK
        return block

    def _parse_block(self, place: tuple[int, int]) -> Block:
        start = self._sections["symbols"][0]
        text = self._unpacked(self._raw(start + place[0], place[1])).decode("utf-8", "surrogateescape")
        first, *groups = text.split("\n=")
        names: dict[str, Group] = {}
        try:
            for body in groups:
                head, *members = body.split("\n")
                names.update(dict.fromkeys(members, _group(head)))
            return Block(*_masks(first), names)
        except _DAMAGE as error:
            raise self._damaged(error) from None

    def exporters(self, symbols: Iterable[str]) -> dict[str, list[str]]:
        """Return the libraries whose blocks hold each name, sorted; one pass over all blocks, none parsed."""
        found: dict[str, list[str]] = {symbol: [] for symbol in symbols}
        start, length = self._sections["symbols"]
        data = self._raw(start, length)
        keys = {key.encode("utf-8", "surrogateescape"): key for key in found}
        for name, rest in self.rows.items():
            try:
                place = self._symbols_place(rest.split("\t", 2)[1])
            except _DAMAGE as error:
                raise self._damaged(error) from None
            if place is None:
                continue
            lines = set(self._unpacked(data[place[0] : place[0] + place[1]]).split(b"\n"))
            for key in lines & keys.keys():
                found[keys[key]].append(name)
        return found
