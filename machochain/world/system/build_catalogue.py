"""Build the embedded catalogue: ``python -m machochain.world.system.build_catalogue FACTS... -o FILE``.

Every input is a JSON document (plain, or compressed as .gz or .xz) of one of two kinds.

``machochain.sdk-facts/1``, what ``machochain sdk index`` prints, says what one SDK holds::

    {"schema": "machochain.sdk-facts/1",
     "sdk": "14.2", "low": "14.2", "high": "14.2", "origin": "what it was read from",
     "complete": ["/usr/lib/"], "missing": ["/usr/lib/swift/"], "links": true,
     "libraries": [{"install_name": ..., "current": "1.2.3", "compat": "1.0.0", "targets": [...], "umbrella": [...],
                    "clients": [...], "reexports": [...], "flags": [...],
                    "symbols": [...] or null, "directives": ["$ld$..."]}],
     "aliases": {"/usr/lib/libz.dylib": "/usr/lib/libz.1.dylib"}}

``low`` and ``high`` differ where the exact minor version of the SDK is not known. A library below a prefix of
``complete`` and below none of ``missing`` that the document does not list was not in that SDK.

``machochain.os-facts/1`` says what is known from elsewhere::

    {"schema": "machochain.os-facts/1",
     "introduced": [[install name, version, source]], "removed": [[install name, version, source]],
     "legacy": [[old name no SDK lists, release since which it is known to load, source]],
     "observed": [[install name, lowest SDK stamp, highest SDK stamp]],
     "observed_symbols": [[install name, symbol, lowest SDK stamp, highest SDK stamp]]}

Facts only: names, versions, numbers. Documents of one ``sdk`` are merged. ``--base`` adds to a catalogue that was built
before, so whoever owns an SDK can close a gap of the embedded one.
"""

from __future__ import annotations

import argparse
import gzip
import json
import lzma
import re
import sys
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO, Final, TypedDict

from machochain.model.errors import InputError, UsageError
from machochain.model.ospaths import SYSTEM_PREFIXES, is_private_framework
from machochain.model.version import Version
from machochain.world.system.catalogue import EmbeddedCatalogue
from machochain.world.system.catalogue_file import MAGIC
from machochain.world.system.names import leads_to, plain_variant, squeeze

_HIDE = re.compile(r"\$ld\$hide\$os(\d{1,5}\.\d{1,2})\$(.+)", re.DOTALL)
_BREAKS: Final = re.compile(r"[\t\n]")
_CHUNK: Final = 1 << 20
_MOST: Final = 256 << 20
"""Bytes of one document, unpacked: twenty times what the largest SDK gives."""


class _Library(TypedDict):
    """What the merged documents say about one install name."""

    mask: int
    facts: dict[str, list[Any]]
    details: dict[str, Any]
    symbols: dict[str, int]
    symbol_mask: int
    hidden: dict[str, str]
    observed: dict[str, list[str]]


def read_facts(path: Path) -> Any:
    """Return one document of facts; ``.xz`` and ``.gz`` are unpacked.

    Raises:
        InputError: The file is no such document.
    """
    try:
        data = _bounded(path)
        document = json.loads(data)
        _check(document)
    except OSError as error:
        raise InputError(
            f"cannot be read: {error.strerror or error}", path=str(path), errno=error.errno or 0
        ) from error
    except (ValueError, EOFError, RecursionError, UsageError, lzma.LZMAError, zlib.error) as error:
        raise InputError(f"no document of facts: {error}", path=str(path)) from error
    return document


def _bounded(path: Path) -> bytes:
    data = bytearray()
    with _opened(path) as file:
        while part := file.read(_CHUNK):  # one read of the most there may be would make room for it
            data += part
            if len(data) > _MOST:
                raise ValueError(f"longer than {_MOST} bytes")
    return bytes(data)


def _opened(path: Path) -> BinaryIO | gzip.GzipFile | lzma.LZMAFile:
    if path.suffix == ".xz":
        return lzma.open(path)
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")


def _check(document: Any) -> None:
    """Check that a document has one of the two forms, and that its names can be told apart in the tables made of them.

    Raises:
        ValueError: It is not so.
        UsageError: A version is none.
    """
    fields = _fields_of(document, "the document")
    match fields.get("schema"):
        case "machochain.sdk-facts/1":
            _check_sdk(fields)
        case "machochain.os-facts/1":
            for key, count in (
                ("introduced", 3),
                ("removed", 3),
                ("legacy", 3),
                ("observed", 3),
                ("observed_symbols", 4),
            ):
                for row in _list_of(fields.get(key, []), key):
                    if len(_texts(row, key)) != count:
                        raise ValueError(f"an entry of {key} has not {count} texts")
                    for text in row[1:2] if count == 3 and key != "observed" else row[count - 2 :]:
                        Version.parse(text)
        case other:
            raise ValueError(f"its schema is {other!r}")


def _check_sdk(fields: dict[str, Any]) -> None:
    _texts([fields.get("sdk")], "sdk")
    for key in ("low", "high"):
        Version.parse(_texts([fields.get(key)], key)[0])
    for key in ("complete", "missing"):
        _texts(fields.get(key, []), key)
    origin = fields.get("origin", "")
    _texts([origin] if isinstance(origin, str) else origin, "origin")
    for item in _list_of(fields.get("libraries"), "libraries"):
        library = _fields_of(item, "libraries")
        _texts([library.get("install_name")], "install_name")
        for key in ("current", "compat"):
            _texts([] if (text := library.get(key)) is None else [text], key)
        for key in ("targets", "umbrella", "clients", "reexports", "flags", "symbols", "directives"):
            _texts([] if (listed := library.get(key)) is None else listed, key)
        if any(name.startswith("=") for name in library.get("symbols") or ()):
            raise ValueError("the name of a symbol begins with =")
    aliases = _fields_of(fields.get("aliases", {}), "aliases")
    _texts([*aliases, *aliases.values()], "aliases")


def _fields_of(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{where}: no object")  # noqa: TRY004 - of the document, not of an argument
    return value


def _list_of(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{where}: no list")  # noqa: TRY004 - of the document, not of an argument
    return value


def _texts(value: Any, where: str) -> list[str]:
    """Return a list of texts that fit into one field of one line, in bytes."""
    for text in _list_of(value, where):
        if not isinstance(text, str):
            raise ValueError(f"{where}: {text!r} is no text")  # noqa: TRY004 - of the document, not of an argument
        if _BREAKS.search(text):
            raise ValueError(f"{where}: {text!r} holds what ends a field or line")
        text.encode("utf-8", "surrogateescape")
    return list(value)


def is_private(path: str) -> bool:
    """Whether symbols of the library are left out: private frameworks and the Catalyst copies."""
    return is_private_framework(path) or path.startswith("/System/iOSSupport/")


def _slot(libraries: dict[str, _Library], name: str) -> _Library | None:
    name = re.sub("//+", "/", name)
    if not name.startswith(SYSTEM_PREFIXES):
        return None
    return libraries.setdefault(
        name,
        _Library(mask=0, facts={}, details={}, symbols={}, symbol_mask=0, hidden={}, observed={}),
    )


def _add_library(slot: _Library, item: dict[str, Any], bit: int, sdk: str) -> None:
    slot["mask"] |= 1 << bit
    detail = {
        key: value
        for key in ("current", "compat", "targets", "umbrella", "clients", "reexports", "flags")
        if (value := item.get(key))
    }
    known = slot["details"].setdefault(sdk, detail)
    for key, value in detail.items():  # zippered twins and merged documents: lists are joined, the first number stays
        if isinstance(value, list):
            known[key] = list(dict.fromkeys([*known.get(key, ()), *value]))
        else:
            known.setdefault(key, value)
    if item.get("symbols") is not None:
        slot["symbol_mask"] |= 1 << bit
        symbols = slot["symbols"]
        for name in item["symbols"]:
            if not name.startswith(("$ld$", "_OBJC_METACLASS_$_", ".objc_class_name_")):
                symbols[name] = symbols.get(name, 0) | 1 << bit
    for text in item.get("directives") or ():
        match = _HIDE.match(text)
        if match:
            version, symbol = match.groups()
            known_version = slot["hidden"].get(symbol)
            if known_version is None or Version.parse(known_version) < Version.parse(version):
                slot["hidden"][symbol] = version


def _pack_symbols(library: _Library) -> bytes:
    r"""Encode one library: a group line (mask, hidden-until, observed range) then its names, one a line.

    Group lines start with ``=``, which no Mach-O name in a stub does.
    """
    groups: dict[str, list[str]] = {}
    for name in {*library["symbols"], *library["observed"]}:
        low, high = library["observed"].get(name, ("", ""))
        hidden = library["hidden"].get(name, "") if name in library["symbols"] else ""
        groups.setdefault(f"={library['symbols'].get(name, 0):x} {hidden} {low} {high}", []).append(name)
    lines = [f"{library['symbol_mask']:x}"]
    for key in sorted(groups):
        lines.append(key)
        lines.extend(sorted(groups[key]))
    return _packed(lines)


def _merge_os_facts(document: dict[str, Any], libraries: dict[str, _Library]) -> None:
    for key in ("introduced", "removed", "legacy", "observed"):
        for name, *rest in document.get(key, ()):
            slot = _slot(libraries, name)
            if slot is not None:
                slot["facts"].setdefault(key, []).append(rest)
    for name, symbol, low, high in document.get("observed_symbols", ()):
        slot = _slot(libraries, name)
        if slot is not None and not symbol.startswith("_OBJC_METACLASS_$_"):
            slot["observed"][symbol] = [low, high]


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
                "origin": [],
            },
        )
        bit = list(sources).index(sdk)
        source["complete"] = sorted({*source["complete"], *document.get("complete", ())})
        source["missing"] = sorted({*source["missing"], *document.get("missing", ())})
        source["links"] = source["links"] or bool(document.get("links"))
        origin = document.get("origin", "")  # one name, or those of a catalogue that was built before
        source["origin"] = sorted({*source["origin"], *([origin] if isinstance(origin, str) else origin)} - {""})
        for item in document["libraries"]:
            slot = _slot(libraries, item["install_name"])
            if slot is not None:
                private = is_private(item["install_name"])
                _add_library(slot, {**item, "symbols": None} if private else item, bit, sdk)
        for alias, target in document.get("aliases", {}).items():
            mask = aliases.get(alias, ("", 0))[1]
            aliases[alias] = (target, mask | 1 << bit)  # the newest SDK's target stays
    for document in kinds["machochain.os-facts/1"]:
        _merge_os_facts(document, libraries)
    return _write(list(sources.values()), libraries, aliases)


def _packed(lines: Iterable[str]) -> bytes:
    return zlib.compress("\n".join(lines).encode("utf-8", "surrogateescape"), 9)


def _write(sources: list[dict[str, Any]], libraries: dict[str, _Library], aliases: dict[str, tuple[str, int]]) -> bytes:
    chunks = bytearray()
    rows, details = [], []
    for name in sorted(libraries):
        library = libraries[name]
        place = ""
        if library["symbols"] or library["observed"] or library["symbol_mask"]:
            chunk = _pack_symbols(library)
            place = f"{len(chunks)}:{len(chunk)}"
            chunks += chunk
        facts = json.dumps(library["facts"], separators=(",", ":"), sort_keys=True) if library["facts"] else ""
        rows.append(f"{name}\t{library['mask']:x}\t{place}\t{facts}")
        details.append(f"{name}\t{json.dumps(library['details'], separators=(',', ':'), sort_keys=True)}")
    links = []
    for alias, (target, mask) in sorted(aliases.items()):
        implied = squeeze(alias) == squeeze(target) and (target not in libraries or leads_to(alias, target))
        if alias.startswith(SYSTEM_PREFIXES) and alias not in libraries and not implied and not plain_variant(alias):
            links.append(f"{alias}\t{target}\t{mask:x}")
    sections = {
        "libraries": _packed(rows),
        "aliases": _packed(links),
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
