"""Stub files of every version to ``Stub`` values.

Formats: LLVM ``TextAPI/TextStub.cpp`` and ``TextStubV5.cpp``, tapi ``docs/TBD_current.rst`` and ``TBD_legacy.rst``;
expansion of Objective-C names: tapi ``libtapi/LinkerInterfaceFile.cpp``. Unknown keys, architectures and platforms are
kept or passed over: SDKs grow new ones every year.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from machochain.model.errors import InputError
from machochain.model.paths import encodable
from machochain.model.stub import Directive, ExportKind, Stub, StubExport, StubSection, TargetList
from machochain.model.value import frozen
from machochain.model.version import Version
from machochain.tbd.directives import PREFIX, parse_directive
from machochain.tbd.tree import MAX_DEPTH, Value, parse

_START = re.compile(r"^---(?P<tag>[ \t]+\S+)?[ \t]*$", re.MULTILINE)
_INSTALL_NAME = re.compile(rb"""\ninstall-name:[ \t]*(?:'([^'\n]*)'|"([^"\\\n]*)"|([^'"#\s][^#\n]*?))[ \t]*\n""")
_TAGS: Final = {"!tapi-tbd-v1": 1, "!tapi-tbd-v2": 2, "!tapi-tbd-v3": 3, "!tapi-tbd": 4}
_LEGACY_PLATFORMS: Final = {
    "macosx": ("macos",),
    "ios": ("ios",),
    "tvos": ("tvos",),
    "watchos": ("watchos",),
    "bridgeos": ("bridgeos",),
    "iosmac": ("maccatalyst",),
    "zippered": ("macos", "maccatalyst"),
}
_NUMBERED_PLATFORMS: Final = (
    "",
    "macos",
    "ios",
    "tvos",
    "watchos",
    "bridgeos",
    "maccatalyst",
    "ios-simulator",
    "tvos-simulator",
    "watchos-simulator",
    "driverkit",
    "xros",
    "xros-simulator",
)
_NUMBERED = re.compile(r"(.+)-<?(\d{1,2})>?")
_X86: Final = frozenset({"i386", "x86_64", "x86_64h"})
_SYMBOL_KEYS: Final = {
    "symbols": ExportKind.GLOBAL,
    "weak-symbols": ExportKind.WEAK,
    "weak-def-symbols": ExportKind.WEAK,
    "thread-local-symbols": ExportKind.THREAD_LOCAL,
    "global": ExportKind.GLOBAL,
    "weak": ExportKind.WEAK,
    "thread_local": ExportKind.THREAD_LOCAL,
}


@frozen
class StubExtent:
    """Where one library's document lies in a stub file.

    Attributes:
        install_name: Of that library.
        start: First byte of the document, its ``---`` line included.
        end: First byte after it.
        macos: Whether any of its targets is macOS; stubs of Catalyst-only libraries lie in macOS SDKs too.
    """

    install_name: str
    start: int
    end: int
    macos: bool


def _text(data: bytes) -> str:
    text = data.decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    return text.replace("\r\n", "\n") if "\r" in text else text


def is_stub(data: bytes) -> bool:
    """Whether bytes begin like a stub of any version."""
    head = data[:256].removeprefix(b"\xef\xbb\xbf").lstrip()
    return head.startswith((b"---", b"{"))


def read(data: bytes, path: str | None = None) -> tuple[Stub, ...]:
    """Read a stub file, or the documents of a part of one.

    Args:
        data: The bytes; for YAML they must begin with a ``---`` line (comments may precede it).
        path: The file, for error messages only.

    Returns:
        The library of the file, then those inlined in it, in file order.

    Raises:
        InputError: It is no stub; names the file and the line.
    """
    try:
        return tuple(_read(data))
    except InputError as error:
        raise error.at(path) from None


def _read(data: bytes) -> Iterator[Stub]:
    if not data.strip():
        raise InputError("an empty file is no linker stub")
    text = _text(data)
    if text.lstrip().startswith("{"):
        yield from _read_json(text)
        return
    found = False
    for tag, body, line in _documents(text):
        found = True
        yield _yaml_stub(tag, body, line)
    if not found:
        raise InputError("not a linker stub: no line begins with ---", part="line 1")


def _documents(text: str) -> Iterator[tuple[str, str, int]]:
    """Yield (tag, body, first line of the body) of each YAML document."""
    starts = list(_START.finditer(text))
    if starts and any(x.strip() and not x.startswith(("#", "%")) for x in text[: starts[0].start()].split("\n")):
        raise InputError("not a linker stub: text before the first document", part="line 1")
    line, seen = 1, 0
    for index, match in enumerate(starts):
        end = starts[index + 1].start() if index + 1 < len(starts) else len(text)
        begin = min(match.end() + 1, len(text))
        line += text.count("\n", seen, begin)
        seen = begin
        body = text[begin:end]
        if body.startswith("...\n") or body == "...":
            body = ""
        else:
            cut = body.find("\n...")
            while cut != -1 and body[cut + 4 : cut + 5] not in {"", "\n", " ", "\t"}:
                cut = body.find("\n...", cut + 1)
            body = body if cut == -1 else body[: cut + 1]
        yield (match["tag"] or "").strip(), body, line


def places(data: bytes, path: str | None = None) -> tuple[StubExtent, ...]:
    """Return where each library of a stub file lies, reading as little as possible.

    ``read(data[place.start : place.end])[0]`` is the library. Version 5 keeps all in one JSON value: every place then
    spans the file, and the library must be picked by its name.

    Raises:
        InputError: It is no stub; names the file and the line.
    """
    if not is_stub(data) or data.lstrip()[:1] == b"{" or not data.startswith(b"---") or b"\r" in data[:4096]:
        return tuple(_place(stub, 0, len(data)) for stub in read(data, path))
    starts = [0]
    at = data.find(b"\n---")
    while at != -1:
        if data[at + 4 : at + 5] in {b"", b"\n", b" ", b"\t"}:
            starts.append(at + 1)
        at = data.find(b"\n---", at + 4)
    found = []
    for index, start in enumerate(starts):
        end = starts[index + 1] if index + 1 < len(starts) else len(data)
        match = _INSTALL_NAME.search(data, start, min(end, data.find(b"\ninstall-name:", start, end) + 4096))
        head = data[start : match.start()] if match is not None else b""
        if match is None or (b"\ntargets:" not in head and b"\nplatform:" not in head) or b"<" in head:
            found.append(_place(read(data[start:end], path)[0], start, end))
        else:
            name = next(x for x in match.groups() if x is not None).decode("utf-8", "surrogateescape")
            found.append(StubExtent(name, start, end, b"macos" in head or b"zippered" in head))
    return tuple(found)


def _place(stub: Stub, start: int, end: int) -> StubExtent:
    return StubExtent(stub.install_name, start, end, any(t.endswith("-macos") for t in stub.targets))


# Shapes. Every helper answers with the line of the document at most: values carry no positions.


def _string(value: Value | None, what: str, line: int) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InputError(f"{what} is no plain text", part=f"line {line}")
    return value


def _strings(value: Value | None, what: str, line: int) -> tuple[str, ...]:
    if value is None or value == "":
        return ()
    if not isinstance(value, list) or not all(isinstance(x, str) for x in value):
        raise InputError(f"{what} is no list of names", part=f"line {line}")
    return tuple(str(x) for x in value)


def _maps(value: Value | None, what: str, line: int) -> list[dict[str, Value]]:
    if value is None or value == "":
        return []
    if not isinstance(value, list):
        raise InputError(f"{what} is no list", part=f"line {line}")
    maps = [x for x in value if isinstance(x, dict)]
    if len(maps) != len(value):
        raise InputError(f"{what} holds something else than mappings", part=f"line {line}")
    return maps


def _version(text: str, what: str, line: int) -> Version:
    """Read a packed version; parts that do not fit 16.8.8 bits are cut to the largest that does, as tapi does."""
    if not text:
        return Version.of(1)
    parts = text.split(".")
    if not all(p.isascii() and p.isdecimal() and len(p) < 20 for p in parts):
        raise InputError(f"{what} is no version: {text!r}", part=f"line {line}")
    major, minor, patch = ([int(p) for p in parts] + [0, 0])[:3]
    return Version.of(min(major, 0xFFFF), min(minor, 0xFF), min(patch, 0xFF))


def _version_of(document: dict[str, Value], key: str, line: int) -> Version:
    return _version(_string(document.get(key), key, line), key, line)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else 0


def _target(text: str) -> str:
    match = _NUMBERED.fullmatch(text)
    if match and int(match[2]) < len(_NUMBERED_PLATFORMS) and _NUMBERED_PLATFORMS[int(match[2])]:
        return f"{match[1]}-{_NUMBERED_PLATFORMS[int(match[2])]}"
    return text


def _targets(value: Value | None, what: str, line: int) -> tuple[str, ...]:
    return tuple(map(_target, _strings(value, what, line)))


def _sections(
    targets: tuple[str, ...],
    symbols: Iterable[tuple[ExportKind, Iterable[str]]],
    classes: Iterable[str] = (),
    others: Iterable[str] = (),
    *,
    reexported: bool = False,
) -> Iterator[StubSection]:
    """Yield the symbols of one target list; two lists if Objective-C names differ between its targets."""
    exports: list[StubExport] = []
    directives: list[Directive] = []
    for kind, names in symbols:
        for name in names:
            if not name.startswith(PREFIX):
                exports.append(StubExport(name, kind, reexported))
            elif kind is ExportKind.GLOBAL and (directive := parse_directive(name)) is not None:
                directives.append(directive)
    exports += [StubExport(name, ExportKind.GLOBAL, reexported) for name in others]
    classes = tuple(classes)
    # The fragile run-time of i386 macOS knows no class symbols but these (tapi: useObjC1ABI).
    old = tuple(t for t in targets if t == "i386-macos") if classes else ()
    new = tuple(t for t in targets if t not in old)
    if old:
        fragile = (StubExport(f".objc_class_name_{c}", ExportKind.GLOBAL, reexported) for c in classes)
        yield StubSection(old, (*exports, *fragile), tuple(directives))
    if new:
        modern = (
            StubExport(f"{prefix}{c}", ExportKind.GLOBAL, reexported)
            for c in classes
            for prefix in ("_OBJC_CLASS_$_", "_OBJC_METACLASS_$_")
        )
        yield StubSection(new, (*exports, *modern), tuple(directives))


# YAML


def _yaml_stub(tag: str, body: str, line: int) -> Stub:
    document = parse(body, line)
    if not isinstance(document, dict):
        raise InputError("not a linker stub: the document is no mapping", part=f"line {line}")
    version = _TAGS.get(tag) if tag else 1
    if version is None:
        raise InputError(f"not a linker stub: document tag {tag}", part=f"line {line}")
    if version == 4:
        version = _number(_string(document.get("tbd-version"), "tbd-version", line)) or 4
    install_name = _string(document.get("install-name"), "install-name", line)
    if not install_name:
        raise InputError("not a linker stub: no install-name", part=f"line {line}")
    convert = _legacy if version < 4 else _modern
    return convert(document, version, install_name, line)


def _legacy_targets(archs: Iterable[str], platform: str) -> tuple[str, ...]:
    names = _LEGACY_PLATFORMS.get(platform, (platform or "macos",))
    targets = []
    for arch in archs:
        for name in names:
            if name == "maccatalyst" and arch == "i386":
                continue
            simulated = arch in _X86 and name in {"ios", "tvos", "watchos"}
            targets.append(f"{arch}-{name}-simulator" if simulated else f"{arch}-{name}")
    return tuple(targets)


def _legacy(document: dict[str, Value], version: int, install_name: str, line: int) -> Stub:
    """Versions 1 to 3: one platform, lists of architectures."""
    platform = _string(document.get("platform"), "platform", line)
    archs = _strings(document.get("archs"), "archs", line)
    targets = _legacy_targets(archs, platform)
    sections: list[StubSection] = []
    clients: list[TargetList] = []
    reexports: list[TargetList] = []
    skip = 1 if version < 3 else 0  # versions 1 and 2 write Objective-C names with an underscore in front
    for item in _maps(document.get("exports"), "exports", line):
        section_targets = _legacy_targets(_strings(item.get("archs"), "archs", line), platform)
        for key, into in (("allowed-clients", clients), ("allowable-clients", clients), ("re-exports", reexports)):
            if names := _strings(item.get(key), key, line):
                into.append(TargetList(section_targets, names))
        symbols = [(kind, _strings(item.get(key), key, line)) for key, kind in _SYMBOL_KEYS.items() if key in item]
        classes, eh_types, ivars = (
            [name[skip:] if name.startswith("_") else name for name in _strings(item.get(key), key, line)]
            for key in ("objc-classes", "objc-eh-types", "objc-ivars")
        )
        others = [f"_OBJC_EHTYPE_$_{x}" for x in eh_types] + [f"_OBJC_IVAR_$_{x}" for x in ivars]
        sections += _sections(section_targets, symbols, classes, others)
    umbrella = _string(document.get("parent-umbrella"), "parent-umbrella", line)
    swift = _string(document.get("swift-abi-version", document.get("swift-version")), "swift-version", line)
    return Stub(
        install_name=install_name,
        version=version,
        current=_version_of(document, "current-version", line),
        compat=_version_of(document, "compatibility-version", line),
        targets=targets,
        umbrella=(TargetList(targets, (umbrella,)),) if umbrella else (),
        clients=tuple(clients),
        reexports=tuple(reexports),
        flags=_strings(document.get("flags"), "flags", line),
        sections=tuple(sections),
        # Versions 1 and 2 write the language's version for the first four numbers of the ABI.
        swift_abi={"1.0": 1, "1.1": 2, "2.0": 3, "3.0": 4}.get(swift) or _number(swift),
    )


def _listed(
    document: dict[str, Value], key: str, inner: str, targets: tuple[str, ...], line: int
) -> tuple[TargetList, ...]:
    lists = []
    for item in _maps(document.get(key), key, line):
        value = item.get(inner)
        names = (value,) if isinstance(value, str) and value else _strings(value, key, line)
        lists.append(TargetList(_targets(item.get("targets"), key, line) or targets, names))
    return tuple(lists)


def _modern(document: dict[str, Value], version: int, install_name: str, line: int) -> Stub:
    """Version 4: lists of targets."""
    targets = _targets(document.get("targets"), "targets", line)
    sections: list[StubSection] = []
    for key in ("exports", "reexports", "re-exports"):  # LLVM writes the second, the documentation the third
        for item in _maps(document.get(key), key, line):
            symbols = [(kind, _strings(item.get(k), k, line)) for k, kind in _SYMBOL_KEYS.items() if k in item]
            others = [f"_OBJC_EHTYPE_$_{x}" for x in _strings(item.get("objc-eh-types"), "objc-eh-types", line)]
            others += [f"_OBJC_IVAR_$_{x}" for x in _strings(item.get("objc-ivars"), "objc-ivars", line)]
            sections += _sections(
                _targets(item.get("targets"), key, line),
                symbols,
                _strings(item.get("objc-classes"), "objc-classes", line),
                others,
                reexported=key != "exports",
            )
    return Stub(
        install_name=install_name,
        version=version,
        current=_version_of(document, "current-version", line),
        compat=_version_of(document, "compatibility-version", line),
        targets=targets,
        umbrella=_listed(document, "parent-umbrella", "umbrella", targets, line),
        clients=_listed(document, "allowable-clients", "clients", targets, line),
        reexports=_listed(document, "reexported-libraries", "libraries", targets, line),
        flags=_strings(document.get("flags"), "flags", line),
        sections=tuple(sections),
        swift_abi=_number(_string(document.get("swift-abi-version"), "swift-abi-version", line)),
    )


# JSON


def _read_json(text: str) -> Iterator[Stub]:
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"not JSON: {error.msg}", part=f"line {error.lineno}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"not JSON: {error}", part="line 1") from None
    if not isinstance(document, dict) or not isinstance(document.get("tapi_tbd_version"), int):
        raise InputError("not a linker stub: no tapi_tbd_version", part="line 1")
    version = document["tapi_tbd_version"]
    inlined = document.get("libraries", [])
    if not isinstance(inlined, list):
        raise InputError("libraries is no list", part="line 1")
    for library in (document.get("main_library"), *inlined):
        if not isinstance(library, dict):
            raise InputError("a library is no mapping", part="line 1")
        yield _json_stub(_flatten(library), version)


def _flatten(value: Any) -> dict[str, Value]:
    """Turn numbers and the like into text, so that both notations share their helpers.

    Raises:
        InputError: It is nested deeper than any stub.
    """

    def plain(item: Any, depth: int) -> Value:
        if isinstance(item, dict | list) and depth > MAX_DEPTH:
            raise InputError("nested deeper than any stub", part="line 1")
        if isinstance(item, dict):
            return {key: plain(inner, depth + 1) for key, inner in item.items()}
        if isinstance(item, list):
            return [plain(inner, depth + 1) for inner in item]
        return encodable(item) if isinstance(item, str) else "" if item is None else str(item)

    return {key: plain(inner, 1) for key, inner in value.items()}


def _json_stub(library: dict[str, Value], version: int) -> Stub:
    def first(key: str, inner: str) -> str:
        items = _maps(library.get(key), key, 1)
        return _string(items[0].get(inner), key, 1) if items else ""

    install_name = first("install_names", "name")
    if not install_name:
        raise InputError("not a linker stub: no install_names", part="line 1")
    infos = _maps(library.get("target_info"), "target_info", 1)
    targets = tuple(_target(_string(item.get("target"), "target_info", 1)) for item in infos)
    sections: list[StubSection] = []
    for key in ("exported_symbols", "reexported_symbols"):
        for item in _maps(library.get(key), key, 1):
            section_targets = _targets(item.get("targets"), key, 1) or targets
            for segment in ("text", "data"):
                table = item.get(segment)
                if table is None:
                    continue
                if not isinstance(table, dict):
                    raise InputError(f"{segment} of {key} is no mapping", part="line 1")
                symbols = [(kind, _strings(table.get(k), k, 1)) for k, kind in _SYMBOL_KEYS.items() if k in table]
                others = [f"_OBJC_EHTYPE_$_{x}" for x in _strings(table.get("objc_eh_type"), "objc_eh_type", 1)]
                others += [f"_OBJC_IVAR_$_{x}" for x in _strings(table.get("objc_ivar"), "objc_ivar", 1)]
                classes = _strings(table.get("objc_class"), "objc_class", 1)
                sections += _sections(section_targets, symbols, classes, others, reexported=key[0] == "r")
    flags = _listed(library, "flags", "attributes", targets, 1)
    return Stub(
        install_name=install_name,
        version=version,
        current=_version(first("current_versions", "version"), "current_versions", 1),
        compat=_version(first("compatibility_versions", "version"), "compatibility_versions", 1),
        targets=targets,
        umbrella=_listed(library, "parent_umbrellas", "umbrella", targets, 1),
        clients=_listed(library, "allowable_clients", "clients", targets, 1),
        reexports=_listed(library, "reexported_libraries", "names", targets, 1),
        flags=tuple(dict.fromkeys(name for item in flags for name in item.names)),
        sections=tuple(sections),
        rpaths=_listed(library, "rpaths", "paths", targets, 1),
        swift_abi=_number(first("swift_abi", "abi")),
    )
