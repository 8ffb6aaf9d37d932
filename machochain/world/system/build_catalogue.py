"""Build the embedded catalogue: ``python -m machochain.world.system.build_catalogue FACTS... -o FILE``.

Every input is a JSON document (plain, or compressed as .gz or .xz) of one of two kinds.

``machochain.sdk-facts/1``, what ``machochain sdk index`` prints, says what one SDK holds::

    {"schema": "machochain.sdk-facts/1",
     "sdk": "14.2", "low": "14.2", "high": "14.2", "origin": "what it was read from",
     "complete": ["/usr/lib/"], "missing": ["/usr/lib/swift/"], "links": true,
     "libraries": [{"install_name": ..., "current": "1.2.3", "compat": "1.0.0", "targets": [...], "umbrella": [...],
                    "clients": [...], "reexports": [...], "flags": [...],
                    "symbols": [...] or null, "only_on": {"x86_64": [...], "arm64": [...], "i386": [...]},
                    "directives": ["$ld$..."]}],
     "aliases": {"/usr/lib/libz.dylib": "/usr/lib/libz.1.dylib"}}

``low`` and ``high`` differ where the exact minor version of the SDK is not known. A library below a prefix of
``complete`` and below none of ``missing`` that the document does not list was not in that SDK. ``only_on`` names the
symbols that stubs export for one family of processors alone; ``"last": true`` says that no later SDK of the same major
release exists.

``machochain.os-facts/1`` says what is known from elsewhere::

    {"schema": "machochain.os-facts/1",
     "introduced": [[install name, version, source, newest SDK for which the source lists it (optional)]],
     "removed": [[install name, version, source]],
     "legacy": [[old name no SDK lists, release since which it is known to load, source]],
     "observed": [[install name, lowest SDK stamp, highest SDK stamp]],
     "seen": [[install name, release of a Mac that had it, source]], "missing": [[… that did not, source]],
     "stable": [[install name of a library that takes no symbol back, source]],
     "patterns": [[install name, regular expression, release with which all symbols of that form came, source]],
     "observed_symbols": [[install name, symbol, lowest SDK stamp, highest SDK stamp]],
     "declared_symbols": [[install name, symbol, oldest date or "", newest date or "", newest SDK or "", marks]],
     "missing_symbols": [[install name, symbol, newest release of a Mac that did not have it]]}

The marks of a declared symbol: ``c``, it came to be at its date and was not just announced; ``d``, it is deprecated;
``l``, LLVM's tables date it, ``o``, open source does, else headers. A symbol is filed with the members of an umbrella
that list it in some stub.

Facts only: names, versions, numbers. Documents of one ``sdk`` are merged. ``--base`` adds to a catalogue that was built
before, so whoever owns an SDK can close a gap of the embedded one.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import zlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, Final, TypedDict

from machochain.model.ospaths import SYSTEM_PREFIXES, is_private_framework
from machochain.model.version import Version
from machochain.world.system.catalogue import EmbeddedCatalogue
from machochain.world.system.catalogue_file import FACTS, MAGIC
from machochain.world.system.fact_documents import read_facts
from machochain.world.system.names import leads_to, plain_variant, squeeze, stored_name

_HIDE = re.compile(r"\$ld\$hide\$os(\d{1,5}\.\d{1,2})\$(.+)", re.DOTALL)
_DETAILS: Final = ("current", "compat", "targets", "umbrella", "clients", "reexports", "flags")
_FIRST_ARM: Final = 11
_FAMILIES: Final = ("x86_64", "arm64")


class _Library(TypedDict):
    """What the merged documents say about one install name."""

    mask: int
    facts: dict[str, list[Any]]
    details: dict[str, Any]
    symbols: dict[str, list[int]]
    symbol_masks: list[int]
    hidden: dict[str, str]
    observed: dict[str, list[str]]
    declared: dict[str, list[str]]
    missing: dict[str, str]


def _is_private(path: str) -> bool:
    return is_private_framework(path) or path.startswith("/System/iOSSupport/")


def _passed_on(sdks: Iterable[dict[str, Any]]) -> set[str]:
    """Return the private libraries whose symbols public ones pass on: AudioToolbox those of AudioToolboxCore."""
    inner: dict[str, set[str]] = {}
    for document in sdks:
        for item in document["libraries"]:
            inner.setdefault(item["install_name"], set()).update(item.get("reexports") or ())
    waiting = [name for name in inner if not _is_private(name)]
    found: set[str] = set()
    while waiting:
        for name in inner.get(waiting.pop(), ()):
            if _is_private(name) and name not in found:
                found.add(name)
                waiting.append(name)
    return found


def _slot(libraries: dict[str, _Library], name: str) -> _Library | None:
    name = re.sub("//+", "/", name)
    if not name.startswith(SYSTEM_PREFIXES):
        return None
    slot = libraries.get(name)
    if slot is None:
        slot = libraries[name] = _Library(
            mask=0,
            facts={},
            details={},
            symbols={},
            symbol_masks=[0, 0],
            hidden={},
            observed={},
            declared={},
            missing={},
        )
    return slot


def _add_library(slot: _Library, item: dict[str, Any], bit: int, sdk: str) -> None:
    slot["mask"] |= 1 << bit
    detail = {key: value for key in _DETAILS if (value := item.get(key))}
    known = slot["details"].setdefault(sdk, detail)
    for key, value in detail.items():  # zippered twins and merged documents: lists are joined, the first number stays
        if isinstance(value, list):
            known[key] = list(dict.fromkeys([*known.get(key, ()), *value]))
        else:
            known.setdefault(key, value)
    if item.get("symbols") is not None:
        _add_symbols(slot, item, bit, sdk)
    for text in item.get("directives") or ():
        match = _HIDE.match(text)
        if match:
            version, symbol = match.groups()
            known_version = slot["hidden"].get(symbol)
            if known_version is None or Version.parse(known_version) < Version.parse(version):
                slot["hidden"][symbol] = version


def _add_symbols(slot: _Library, item: dict[str, Any], bit: int, sdk: str) -> None:
    """Note for each family of processors which symbols an SDK lists.

    What an SDK older than macOS 11 says of Intel counts for arm64 as well: that is how its API began.
    """
    targets = item.get("targets") or ()
    served = [not targets or any(t.startswith(family) for t in targets) for family in _FAMILIES]
    if not served[1] and Version.parse(sdk.replace(".x", ".0")).major < _FIRST_ARM:
        served[1] = True
    if not any(served):  # 32-bit code alone
        served = [True, True]
    only = {name: family for family, names in (item.get("only_on") or {}).items() for name in names}
    for index, there in enumerate(served):
        slot["symbol_masks"][index] |= there << bit
    for name in item["symbols"]:
        if not name.startswith(("$ld$", "_OBJC_METACLASS_$_", ".objc_class_name_")):
            bits = [
                (there and only.get(name, family) == family) << bit
                for there, family in zip(served, _FAMILIES, strict=True)
            ]
            if any(bits):  # else it is exported for 32-bit code alone
                known = slot["symbols"].get(name, [0, 0])
                slot["symbols"][name] = [known[0] | bits[0], known[1] | bits[1]]


def _pack_symbols(library: _Library) -> bytes:
    r"""Encode one library: a line for each group (see ``facts.Group``), then its names, one a line.

    Group lines start with ``=``, which no Mach-O name in a stub does.
    """
    groups: dict[str, list[str]] = {}
    for name in {*library["symbols"], *library["observed"], *library["declared"], *library["missing"]}:
        listed = library["symbols"].get(name, [0, 0])
        *dates, marks = library["declared"].get(name, ("", "", "", ""))
        versions = [library["hidden"].get(name, "") if any(listed) else "", *library["observed"].get(name, ("", ""))]
        fields = [
            _masks(listed),
            *(_version_text(v) for v in (*versions, *dates)),
            marks,
            _version_text(library["missing"].get(name, "")),
        ]
        groups.setdefault("=" + " ".join(fields).rstrip(" "), []).append(name)
    lines = [_masks(library["symbol_masks"])]
    for key in sorted(groups):
        lines.append(key)
        lines.extend(sorted(groups[key]))
    return _packed(lines)


@cache
def _version_text(text: str) -> str:
    return str(Version.parse(text)) if text else ""


def _masks(pair: list[int]) -> str:
    return f"{pair[0]:x}" if pair[0] == pair[1] else f"{pair[0]:x},{pair[1]:x}"


class _Homes:
    """Where facts on a name are filed: under the library the SDKs list, and with the member that lists a symbol."""

    def __init__(self, libraries: dict[str, _Library], aliases: dict[str, tuple[str, int]]) -> None:
        self._libraries = libraries
        self._aliases = aliases
        self._squeezed: dict[str, list[str]] = {}
        for name in sorted(libraries):
            if ".framework/Versions/" in name:
                self._squeezed.setdefault(squeeze(name), []).append(name)
        self._closures: dict[str, list[str]] = {}

    def library(self, name: str) -> str:
        """Return the name of the library a name leads to; itself where it leads to none."""
        if name in self._libraries:
            return name
        target = self._aliases.get(name, (name, 0))[0]
        if target in self._libraries:
            return target
        fitting = [n for n in self._squeezed.get(squeeze(target), ()) if leads_to(target, n)]
        return max(fitting, default=name)

    def slots(self, name: str, symbol: str) -> list[_Library]:
        """Return the members of a library that list or declare a symbol; the library itself if none does."""
        if stored_name(symbol) != symbol:
            return []  # the class stands for both
        closure = [self._libraries[n] for n in self._closure(self.library(name))]
        listing = [slot for slot in closure if symbol in slot["symbols"]]
        if listing:  # it may have moved: who has it in the newest SDK counts
            newest = max(max(slot["symbols"][symbol]).bit_length() for slot in listing)
            return [slot for slot in listing if max(slot["symbols"][symbol]).bit_length() == newest]
        declaring = [slot for slot in closure if symbol in slot["declared"]]
        if declaring:
            return declaring
        slot = _slot(self._libraries, self.library(name))
        return [slot] if slot is not None else []

    def _closure(self, name: str) -> list[str]:
        found = self._closures.get(name)
        if found is None:
            waiting, found = [name], []
            while waiting:
                each = self.library(waiting.pop())
                if each in self._libraries and each not in found:
                    found.append(each)
                    for detail in self._libraries[each]["details"].values():
                        waiting += detail.get("reexports", ())
            self._closures[name] = found
        return found


def _merge_os_facts(document: dict[str, Any], libraries: dict[str, _Library], homes: _Homes) -> None:
    for key in FACTS:
        for name, *rest in document.get(key, ()):
            home = homes.library(name)
            if key == "legacy" and home != name:
                if leads_to(name, home):
                    continue  # a link like those of every framework
                home = name
            slot = _slot(libraries, home)
            if slot is not None and rest not in slot["facts"].setdefault(key, []):
                slot["facts"][key].append(rest)
    for name, symbol, low, high in document.get("observed_symbols", ()):
        for slot in homes.slots(name, symbol):
            known = slot["observed"].setdefault(symbol, [low, high])
            slot["observed"][symbol] = [min(known[0], low, key=Version.parse), max(known[1], high, key=Version.parse)]
    for name, symbol, *fields in document.get("declared_symbols", ()):
        for slot in homes.slots(name, symbol):
            _declare(slot["declared"].setdefault(symbol, ["", "", "", ""]), fields)
    for name, symbol, release in document.get("missing_symbols", ()):
        for slot in homes.slots(name, symbol):
            slot["missing"][symbol] = _newest(slot["missing"].get(symbol, ""), release)


def _declare(known: list[str], fields: list[str]) -> None:
    since, newest, until, marks = fields
    dates = [text for text in (known[0], since) if text]
    known[0] = min(dates, key=Version.parse) if dates else ""
    known[1] = _newest(known[1], newest)
    known[2] = _newest(known[2], until)
    known[3] = "".join(sorted({*known[3], *marks}))


def _newest(one: str, two: str) -> str:
    return max((text for text in (one, two) if text), key=Version.parse, default="")


def build(documents: Iterable[dict[str, Any]]) -> bytes:
    """Return the catalogue file for fact documents of the two kinds described above.

    Raises:
        ValueError: A document is of neither kind.
    """
    kinds: dict[str, list[dict[str, Any]]] = {"machochain.sdk-facts/1": [], "machochain.os-facts/1": []}
    for document in documents:
        if document.get("schema") not in kinds:
            raise ValueError(f"not a fact document: schema {document.get('schema')!r}")
        kinds[document["schema"]].append(document)
    sdks = sorted(kinds["machochain.sdk-facts/1"], key=lambda d: (Version.parse(d["low"]), Version.parse(d["high"])))
    sources: dict[str, dict[str, Any]] = {}
    libraries: dict[str, _Library] = {}
    aliases: dict[str, tuple[str, int]] = {}
    names_only: list[tuple[str, int, str]] = []
    passed_on = _passed_on(sdks)
    for document in sdks:
        sdk = document["sdk"]
        source = sources.setdefault(
            sdk,
            {
                "id": sdk,
                "low": document["low"],
                "high": document["high"],
                "complete": [],
                "missing": [],
                "links": False,
                "last": False,
                "origin": [],
            },
        )
        bit = list(sources).index(sdk)
        source["complete"] = sorted({*source["complete"], *document.get("complete", ())})
        source["missing"] = sorted({*source["missing"], *document.get("missing", ())})
        source["links"] = source["links"] or bool(document.get("links"))
        source["last"] = source["last"] or bool(document.get("last"))
        origin = document.get("origin", "")  # one name, or those of a catalogue that was built before
        source["origin"] = sorted({*source["origin"], *([origin] if isinstance(origin, str) else origin)} - {""})
        for item in document["libraries"]:
            if item.get("symbols") is None and not any(item.get(key) for key in _DETAILS):
                names_only.append((item["install_name"], bit, sdk))
                continue
            slot = _slot(libraries, item["install_name"])
            if slot is not None:
                name = item["install_name"]
                hidden = _is_private(name) and name not in passed_on
                _add_library(slot, {**item, "symbols": None} if hidden else item, bit, sdk)
        for alias, target in document.get("aliases", {}).items():
            mask = aliases.get(alias, ("", 0))[1]
            aliases[alias] = (target, mask | 1 << bit)  # the newest SDK's target stays
    homes = _Homes(libraries, aliases)
    for name, bit, sdk in names_only:
        slot = _slot(libraries, homes.library(name))
        if slot is not None:
            slot["mask"] |= 1 << bit
            slot["details"].setdefault(sdk, {})
    for document in kinds["machochain.os-facts/1"]:
        _merge_os_facts(document, libraries, homes)
    return _write(list(sources.values()), libraries, aliases, homes)


def _documented(name: str, libraries: dict[str, _Library], homes: _Homes, seen: set[str]) -> str:
    """Return the newest SDK whose headers declare something of a library; an umbrella is documented by its members."""
    if name in seen or name not in libraries:
        return ""
    seen.add(name)
    library = libraries[name]
    declared = [row[2] or row[1] for row in library["declared"].values() if "d" not in row[3]]
    inner = {homes.library(n) for detail in library["details"].values() for n in detail.get("reexports", ())}
    if not declared:
        declared += [_documented(each, libraries, homes, seen) for each in sorted(inner)]
    return max((text for text in declared if text), key=Version.parse, default="")


def _packed(lines: Iterable[str]) -> bytes:
    return zlib.compress("\n".join(lines).encode("utf-8", "surrogateescape"), 9)


def _write(
    sources: list[dict[str, Any]],
    libraries: dict[str, _Library],
    aliases: dict[str, tuple[str, int]],
    homes: _Homes,
) -> bytes:
    chunks = bytearray()
    rows: list[str] = []
    umbrellas: list[str] = []
    details: list[str] = []
    for name in sorted(libraries):
        library = libraries[name]
        place = ""
        if any(library[key] for key in ("symbols", "observed", "declared", "missing")) or any(library["symbol_masks"]):
            chunk = _pack_symbols(library)
            place = f"{len(chunks)}:{len(chunk)}"
            chunks += chunk
        documented = _documented(name, libraries, homes, set())
        table = {**library["facts"], **({"documented": documented} if documented else {})}
        facts = json.dumps(table, separators=(",", ":"), sort_keys=True) if table else ""
        rows.append(f"{name}\t{library['mask']:x}\t{place}\t{facts}")
        reexports = any(detail.get("reexports") for detail in library["details"].values())
        (umbrellas if reexports else details).append(
            f"{name}\t{json.dumps(library['details'], separators=(',', ':'), sort_keys=True)}"
        )
    links = []
    for alias, (target, mask) in sorted(aliases.items()):
        implied = squeeze(alias) == squeeze(target) and (target not in libraries or leads_to(alias, target))
        if alias.startswith(SYSTEM_PREFIXES) and alias not in libraries and not implied and not plain_variant(alias):
            links.append(f"{alias}\t{target}\t{mask:x}")
    sections = {
        "libraries": _packed(rows),
        "aliases": _packed(links),
        "umbrellas": _packed(umbrellas),
        "details": _packed(details),
        "symbols": bytes(chunks),
    }
    header = {"schema": "machochain.catalogue/1", "sources": sources, "sections": {}}
    offset = 0
    places = {}
    for key, data in sections.items():
        places[key] = [offset, len(data)]
        offset += len(data)
    header["sections"] = places
    head = zlib.compress(json.dumps(header, separators=(",", ":"), sort_keys=True).encode(), 9)
    return MAGIC + len(head).to_bytes(4, "little") + head + b"".join(sections.values())


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="machochain.world.system.build_catalogue", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("facts", nargs="*", type=Path, metavar="FACTS")
    parser.add_argument("-o", "--output", required=True, type=Path, metavar="FILE")
    parser.add_argument("--base", type=Path, metavar="FILE", help="a catalogue to add to, e.g. the embedded one")
    options = parser.parse_args(arguments)
    base = EmbeddedCatalogue(options.base).documents() if options.base else []
    data = build([*base, *(read_facts(path) for path in options.facts)])
    options.output.write_bytes(data)
    sys.stderr.write(f"{options.output}: {len(data)} bytes from {len(options.facts)} documents\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
