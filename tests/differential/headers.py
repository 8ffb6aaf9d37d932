"""Load commands as several readers see them, in one form: field name to plain value, for each slice of a file."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from machochain.macho.details import command_name, sections
from machochain.macho.interop import lief_image, lief_text, to_macholib
from machochain.macho.reader import read_file
from machochain.model.image import Image, MachOFile
from machochain.model.paths import HostPath
from machochain.model.version import Version
from tests.llvm import llvm

Facts = dict[str, Any]
Triple = tuple[int, int, int]
LINKED: Final = frozenset({"LC_LOAD_DYLIB", "LC_LOAD_WEAK_DYLIB", "LC_REEXPORT_DYLIB", "LC_LOAD_UPWARD_DYLIB"})
BUILDS: Final = frozenset({"LC_BUILD_VERSION", "LC_VERSION_MIN_MACOSX", "LC_VERSION_MIN_IPHONEOS"})
TABLES: Final = {
    "code signature": "LC_CODE_SIGNATURE",
    "chained fixups": "LC_DYLD_CHAINED_FIXUPS",
    "function starts": "LC_FUNCTION_STARTS",
    "exports trie": "LC_DYLD_EXPORTS_TRIE",
}
DYSYMTAB: Final = (
    "ilocalsym", "nlocalsym", "iextdefsym", "nextdefsym", "iundefsym", "nundefsym", "tocoff", "ntoc", "modtaboff",
    "nmodtab", "extrefsymoff", "nextrefsyms", "indirectsymoff", "nindirectsyms", "extreloff", "nextrel", "locreloff",
    "nlocrel",
)  # fmt: skip


def triple(version: Version | None) -> Triple | None:
    return None if version is None else (version.major, version.minor, version.patch)


def unpacked(number: int) -> Triple:
    return number >> 16, number >> 8 & 0xFF, number & 0xFF


def ours(image: Image) -> Facts:
    link = image.linkedit
    commands = {command_name(x.cmd) for x in image.commands}
    return {
        "cpu": (image.arch.cputype, image.arch.cpusubtype),
        "file type": int(image.file_type),
        "flags": image.flags,
        "commands": [(x.cmd, x.size) for x in image.commands],
        "loads": [
            (x.command, x.name, triple(x.current_version), triple(x.compatibility_version), x.timestamp)
            for x in image.loads
        ],
        "id": None
        if image.install_name is None
        else (image.install_name, triple(image.id_current_version), triple(image.id_compatibility_version)),
        "run paths": [x.path for x in image.run_paths],
        "uuid": image.uuid,
        "builds": [(x.command, triple(x.minos), triple(x.sdk)) for x in image.builds],
        "platforms": [x.platform for x in image.builds],
        "tools": [(n, triple(v)) for x in image.builds for n, v in x.tools],
        "source version": image.source_version,
        "environment": list(image.dyld_environment),
        "segments": [
            (s.name, s.vmaddr, s.vmsize, s.fileoff, s.filesize, s.maxprot, s.initprot, s.section_count)
            for s in image.segments
        ],
        "segment flags": [s.flags for s in image.segments],
        "sections": [(s.segment, s.name, s.addr, s.size, s.offset) for s in sections(image)],
        "section flags": [s.flags for s in sections(image)],
        "symtab": link.symtab,
        "dysymtab": link.dysymtab,
        "dyld info": None
        if not commands & {"LC_DYLD_INFO", "LC_DYLD_INFO_ONLY"}
        else tuple(x or (0, 0) for x in (link.rebase, link.bind, link.weak_bind, link.lazy_bind, link.exports_trie)),
        "code signature": link.code_signature,
        "chained fixups": link.chained_fixups,
        "function starts": link.function_starts,
        "exports trie": link.exports_trie if "LC_DYLD_EXPORTS_TRIE" in commands else None,
    }


# ---------------------------------------------------------------------------------------------------------------------


def by_lief(path: Path, file: MachOFile, index: int) -> Facts:
    """Read one slice with LIEF, which gets the header and the load commands only."""
    import lief

    image = file.slices[index].image
    assert image is not None
    with path.open("rb") as stream:
        stream.seek(file.slices[index].offset)
        opened = lief_image(stream.read(image.header_size + sum(x.size for x in image.commands)))
    binary = opened.binary
    commands = list(binary.commands)
    raw = [(x, int(x.command.value)) for x in commands]

    def first(kind: Any) -> Any:
        return next((x for x in commands if isinstance(x, kind)), None)

    def table(kind: Any) -> tuple[int, int] | None:
        found = first(kind)
        return None if found is None else (found.data_offset, found.data_size)

    linked = [(command_name(number), x) for x, number in raw if isinstance(x, lief.MachO.DylibCommand)]
    dylibs = [
        (name, lief_text(x.name), tuple(x.current_version), tuple(x.compatibility_version), x.timestamp)
        for name, x in linked
    ]
    builds = [(command_name(n), x) for x, n in raw if isinstance(x, (lief.MachO.BuildVersion, lief.MachO.VersionMin))]
    uuid, source = first(lief.MachO.UUIDCommand), first(lief.MachO.SourceVersion)
    symtab, dysymtab = first(lief.MachO.SymbolCommand), first(lief.MachO.DynamicSymbolCommand)
    info = first(lief.MachO.DyldInfo)
    segments = [x for x in commands if isinstance(x, lief.MachO.SegmentCommand)]
    found = [
        (
            lief_text(s.segment_name),
            lief_text(s.name),
            s.virtual_address,
            s.size,
            s.offset,
            int(s.flags) | int(s.type.value),
        )
        for s in binary.sections
    ]
    return {
        "cpu": (int(binary.header.cpu_type.value), binary.header.cpu_subtype),
        "file type": int(binary.header.file_type.value),
        "flags": int(binary.header.flags),
        "commands": [(number, x.size) for x, number in raw],
        "loads": [x for x in dylibs if x[0] in LINKED],
        "id": next((x[1:4] for x in dylibs if x[0] == "LC_ID_DYLIB"), None),
        "run paths": [lief_text(x.path) for x in commands if isinstance(x, lief.MachO.RPathCommand)],
        "uuid": bytes(uuid.uuid) if uuid is not None else None,
        "builds": [
            (name, tuple(x.minos if isinstance(x, lief.MachO.BuildVersion) else x.version), _sdk(tuple(x.sdk)))
            for name, x in builds
        ],
        "platforms": [
            int(x.platform.value) if isinstance(x, lief.MachO.BuildVersion) else 1 if name.endswith("MACOSX") else 2
            for name, x in builds
        ],
        "tools": [
            (int(t.tool.value), tuple(t.version))
            for _, x in builds
            if isinstance(x, lief.MachO.BuildVersion)
            for t in x.tools
        ],
        "source version": None if source is None else _packed_source(tuple(source.version)),
        "environment": [lief_text(x.value) for x in commands if isinstance(x, lief.MachO.DyldEnvironment)],
        "segments": [
            (
                lief_text(s.name), s.virtual_address, s.virtual_size, s.file_offset, s.file_size,
                int(s.max_protection), int(s.init_protection), s.numberof_sections,
            )
            for s in segments
        ],
        "segment flags": [int(s.flags) for s in segments],
        "sections": [x[:5] for x in found],
        "section flags": [x[5] for x in found],
        "symtab": None
        if symtab is None
        else (symtab.symbol_offset, symtab.numberof_symbols, symtab.strings_offset, symtab.strings_size),
        "dysymtab": None
        if dysymtab is None
        else (
            dysymtab.idx_local_symbol, dysymtab.nb_local_symbols, dysymtab.idx_external_define_symbol,
            dysymtab.nb_external_define_symbols, dysymtab.idx_undefined_symbol, dysymtab.nb_undefined_symbols,
            dysymtab.toc_offset, dysymtab.nb_toc, dysymtab.module_table_offset, dysymtab.nb_module_table,
            dysymtab.external_reference_symbol_offset, dysymtab.nb_external_reference_symbols,
            dysymtab.indirect_symbol_offset, dysymtab.nb_indirect_symbols, dysymtab.external_relocation_offset,
            dysymtab.nb_external_relocations, dysymtab.local_relocation_offset, dysymtab.nb_local_relocations,
        ),
        "dyld info": None
        if info is None
        else tuple(tuple(x) for x in (info.rebase, info.bind, info.weak_bind, info.lazy_bind, info.export_info)),
        "code signature": table(lief.MachO.CodeSignature),
        "chained fixups": table(lief.MachO.DyldChainedFixups),
        "function starts": table(lief.MachO.FunctionStarts),
        "exports trie": table(lief.MachO.DyldExportsTrie),
    }  # fmt: skip


def _sdk(version: tuple[int, ...]) -> tuple[int, ...] | None:
    return version if any(version) else None


def _packed_source(parts: Sequence[int]) -> int:
    a, b, c, d, e = parts
    return a << 40 | b << 30 | c << 20 | d << 10 | e


# ---------------------------------------------------------------------------------------------------------------------


def by_macholib(path: Path) -> list[Facts]:
    """Read all slices of a file with macholib, in its order."""
    return [_macholib(header) for header in to_macholib(str(path)).headers]


def _macholib(header: Any) -> Facts:
    commands: list[tuple[Any, Any, Any]] = header.commands
    named = [(command_name(int(lc.cmd)), cmd, data) for lc, cmd, data in commands]

    def first(*names: str) -> Any:
        return next((cmd for name, cmd, _ in named if name in names), None)

    def table(name: str) -> tuple[int, int] | None:
        cmd = first(name)
        return None if cmd is None else (int(cmd.dataoff), int(cmd.datasize))

    def text(data: bytes) -> str:
        return data.partition(b"\0")[0].decode("utf-8", "surrogateescape")

    def dylib(cmd: Any, data: bytes) -> tuple[str, Triple, Triple]:
        current, compatible = (unpacked(int(x._version)) for x in (cmd.current_version, cmd.compatibility_version))
        return text(data), current, compatible

    segments = [(cmd, data) for name, cmd, data in named if name in {"LC_SEGMENT", "LC_SEGMENT_64"}]
    found = [section for _, data in segments for section in data]
    symtab, dysymtab = first("LC_SYMTAB"), first("LC_DYSYMTAB")
    info, uuid = first("LC_DYLD_INFO", "LC_DYLD_INFO_ONLY"), first("LC_UUID")
    fields = ("rebase", "bind", "weak_bind", "lazy_bind", "export")
    builds = [(name, cmd) for name, cmd, _ in named if name in BUILDS]
    return {
        "cpu": (int(header.header.cputype), int(header.header.cpusubtype) & 0xFFFFFFFF),
        "file type": int(header.header.filetype),
        "flags": int(header.header.flags),
        "commands": [(int(lc.cmd), int(lc.cmdsize)) for lc, _, _ in commands],
        "loads": [(name, *dylib(cmd, data), int(cmd.timestamp)) for name, cmd, data in named if name in LINKED],
        "id": next((dylib(cmd, data) for name, cmd, data in named if name == "LC_ID_DYLIB"), None),
        "run paths": [text(data) for name, _, data in named if name == "LC_RPATH"],
        "uuid": None if uuid is None else bytes(uuid.uuid),
        "builds": [
            (
                name,
                unpacked(int(cmd.minos if name == "LC_BUILD_VERSION" else cmd.version)),
                _sdk(unpacked(int(cmd.sdk))),
            )
            for name, cmd in builds
        ],
        "segments": [
            (
                text(bytes(cmd.segname)), int(cmd.vmaddr), int(cmd.vmsize), int(cmd.fileoff), int(cmd.filesize),
                int(cmd.maxprot), int(cmd.initprot), int(cmd.nsects),
            )
            for cmd, _ in segments
        ],
        "segment flags": [int(cmd.flags) for cmd, _ in segments],
        "sections": [
            (text(bytes(s.segname)), text(bytes(s.sectname)), int(s.addr), int(s.size), int(s.offset)) for s in found
        ],
        "section flags": [int(s.flags) & 0xFFFFFFFF for s in found],
        "symtab": None
        if symtab is None
        else tuple(int(getattr(symtab, x)) for x in ("symoff", "nsyms", "stroff", "strsize")),
        "dysymtab": None if dysymtab is None else tuple(int(getattr(dysymtab, x)) for x in DYSYMTAB),
        "dyld info": None
        if info is None
        else tuple((int(getattr(info, f"{x}_off")), int(getattr(info, f"{x}_size"))) for x in fields),
        **{field: table(name) for field, name in TABLES.items()},
    }  # fmt: skip


# ---------------------------------------------------------------------------------------------------------------------

_FIELD: Final = re.compile(
    r"^ *([a-z_]+(?: (?:version|stamp))?) (.*?)(?: \((?:offset \d+|past end of file)\))?$", re.MULTILINE
)
_PROTECTION: Final = {"r": 1, "w": 2, "x": 4}
Key = tuple[str, str]
REFUSED: Final = "refused: "
"""Begins what stands in place of an answer."""


def objdump(files: Sequence[Path], *options: str) -> dict[Key, list[str]]:
    """Return the lines llvm-objdump prints, by file and architecture; ``""`` for that of a thin file.

    It ends at the first slice it refuses. Then each is asked for alone, and a refused one has one line, `REFUSED` and
    the reason.
    """
    done = _objdump("--arch=all", *options, *map(str, files))
    if not done.returncode:
        return _by_slice(done, {str(path) for path in files})
    found: dict[Key, list[str]] = {}
    for path in files:
        for piece in read_file(HostPath(str(path))).slices:
            done = _objdump(f"--arch={piece.arch.name}", *options, str(path))
            words = done.stderr.decode("utf-8", "surrogateescape").strip().partition(f"'{path}': ")[2]
            parts = {(str(path), ""): [f"{REFUSED}{words}"]} if done.returncode else _by_slice(done, {str(path)})
            found[str(path), piece.arch.name] = [line for lines in parts.values() for line in lines]
    return found


def _objdump(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    tool = llvm("llvm-objdump")
    assert tool is not None
    return subprocess.run([tool, "--macho", *arguments], capture_output=True, check=False)


def _by_slice(done: subprocess.CompletedProcess[bytes], names: set[str]) -> dict[Key, list[str]]:
    found: dict[Key, list[str]] = {}
    lines: list[str] = []
    for line in done.stdout.decode("utf-8", "surrogateescape").split("\n"):
        key = _heading(line, names)
        if key is not None:
            lines = found.setdefault(key, [])
        elif line.strip():
            lines.append(line)
    return found


def _heading(line: str, names: set[str]) -> Key | None:
    if not line.startswith("/") or not line.endswith(":"):
        return None
    name, _, rest = line[:-1].partition(" (architecture ")
    return (name, rest.removesuffix(")")) if name in names else None


def of(table: Mapping[Key, list[str]], path: Path, arch: str) -> list[str]:
    """Return the lines about one slice."""
    return table.get((str(path), arch)) or table.get((str(path), ""), [])


def by_objdump(lines: Sequence[str]) -> Facts:
    """Read what llvm-objdump prints of the load commands of one slice."""
    blocks = "\n".join(lines).split("\nLoad command ")[1:]
    facts = [dict(_FIELD.findall(x.split("\nSection\n")[0])) for x in blocks]
    found = [dict(_FIELD.findall(x)) for block in blocks for x in block.split("\nSection\n")[1:]]

    def first(name: str) -> dict[str, str] | None:
        return next((x for x in facts if x["cmd"].startswith(name)), None)

    def numbers(name: str, *fields: str) -> tuple[int, ...] | None:
        block = first(name)
        return None if block is None else tuple(int(block[x]) for x in fields)

    def dylib(x: Mapping[str, str]) -> tuple[str, Triple | None, Triple | None]:
        return x["name"], _dotted(x["current version"]), _dotted(x["compatibility version"])

    info = numbers(
        "LC_DYLD_INFO", "rebase_off", "rebase_size", "bind_off", "bind_size", "weak_bind_off", "weak_bind_size",
        "lazy_bind_off", "lazy_bind_size", "export_off", "export_size",
    )  # fmt: skip
    segments = [x for x in facts if x["cmd"].startswith("LC_SEGMENT") and "segname" in x]
    uuid = first("LC_UUID")
    source = first("LC_SOURCE_VERSION")
    return {
        "commands": [(x["cmd"], int(x["cmdsize"])) for x in facts],
        "loads": [(x["cmd"], *dylib(x), int(x["time stamp"].split()[0])) for x in facts if x["cmd"] in LINKED],
        "id": next((dylib(x) for x in facts if x["cmd"] == "LC_ID_DYLIB"), None),
        "run paths": [x["path"] for x in facts if x["cmd"] == "LC_RPATH"],
        "uuid": bytes.fromhex(uuid["uuid"].replace("-", "")) if uuid is not None else None,
        "builds": [
            (x["cmd"], _dotted(x["minos" if x["cmd"] == "LC_BUILD_VERSION" else "version"]), _dotted(x["sdk"]))
            for x in facts
            if x["cmd"] in BUILDS
        ],
        "source version": None if source is None else _packed_source(_five(source["version"])),
        "environment": [x["name"] for x in facts if x["cmd"] == "LC_DYLD_ENVIRONMENT"],
        "segments": [
            (
                x["segname"], int(x["vmaddr"], 16), int(x["vmsize"], 16), int(x["fileoff"]), int(x["filesize"]),
                _protection(x["maxprot"]), _protection(x["initprot"]), int(x["nsects"]),
            )
            for x in segments
        ],
        "sections": [
            (x["segname"], x["sectname"], int(x["addr"], 16), int(x["size"], 16), int(x["offset"])) for x in found
        ],
        "symtab": numbers("LC_SYMTAB", "symoff", "nsyms", "stroff", "strsize"),
        "dysymtab": numbers("LC_DYSYMTAB", *DYSYMTAB),
        "dyld info": None if info is None else tuple(zip(info[::2], info[1::2], strict=True)),
        **{field: numbers(name, "dataoff", "datasize") for field, name in TABLES.items()},
    }  # fmt: skip


def _dotted(text: str) -> Triple | None:
    if text == "n/a":
        return None
    a, b, c, *_ = [int(x) for x in f"{text}.0.0".split(".")]
    return a, b, c


def _five(text: str) -> list[int]:
    return [int(x) for x in f"{text}.0.0.0.0".split(".")[:5]]


def _protection(text: str) -> int:
    return sum(_PROTECTION[x] for x in text if x != "-")


def as_objdump_shows(facts: Facts) -> Facts:
    """Return our facts with command names for numbers, which is all that llvm-objdump prints."""
    return {**facts, "commands": [(command_name(cmd), size) for cmd, size in facts["commands"]]}
