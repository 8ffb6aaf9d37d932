"""A small Mach-O writer. What it makes by default is accepted by current dyld and by llvm-objdump.

Sizes and addresses are bytes; versions are texts such as ``"12.0"``; names may be ``str`` or raw ``bytes``.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from typing import Any, Final

from attrs import define, evolve, field, frozen

from machochain.macho import constants as c
from machochain.model.arch import Arch
from machochain.model.image import FileType, HeaderFlag

LIBSYSTEM: Final = "/usr/lib/libSystem.B.dylib"
PAGE: Final = 0x4000
_RET: Final = {"arm64": b"\xc0\x03\x5f\xd6", "arm64e": b"\xc0\x03\x5f\xd6"}


def _name(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")


def packed(version: str | int) -> int:
    """``"10.15.7"`` as ``X<<16 | Y<<8 | Z``; a number stays itself."""
    if isinstance(version, int):
        return version
    x, y, z = (*(int(part) for part in version.split(".")), 0, 0)[:3]
    return x << 16 | y << 8 | z


def _round(value: int, to: int) -> int:
    return -(-value // to) * to


@frozen
class Load:
    """One dylib command. ``use_flags`` not None makes it a dylib_use_command."""

    name: str | bytes
    cmd: int = c.LC_LOAD_DYLIB
    current: str | int = "1.0.0"
    compat: str | int = "1.0.0"
    timestamp: int = 2
    use_flags: int | None = None

    def command(self, align: int = 8) -> bytes:
        if self.use_flags is None:
            head = struct.pack("<4I", 24, self.timestamp, packed(self.current), packed(self.compat))
        else:
            head = struct.pack("<5I", 28, c.DYLIB_USE_MARKER, packed(self.current), packed(self.compat), self.use_flags)
        return raw_command(self.cmd, head + _name(self.name) + b"\0", align)


def load(name: str | bytes, *, weak: bool = False, **more: Any) -> Load:
    """LC_LOAD_DYLIB or LC_LOAD_WEAK_DYLIB."""
    return Load(name, c.LC_LOAD_WEAK_DYLIB if weak else c.LC_LOAD_DYLIB, **more)


def reexport(name: str | bytes, **more: Any) -> Load:
    """LC_REEXPORT_DYLIB."""
    return Load(name, c.LC_REEXPORT_DYLIB, **more)


def upward(name: str | bytes, **more: Any) -> Load:
    """LC_LOAD_UPWARD_DYLIB."""
    return Load(name, c.LC_LOAD_UPWARD_DYLIB, **more)


def lazy(name: str | bytes, **more: Any) -> Load:
    """LC_LAZY_LOAD_DYLIB, which no dyld looks at."""
    return Load(name, c.LC_LAZY_LOAD_DYLIB, **more)


def delayed(name: str | bytes, **more: Any) -> Load:
    """A dylib_use_command with the delayed-init flag."""
    return use(name, c.DYLIB_USE_DELAYED, **more)


def use(name: str | bytes, flags: int, *, cmd: int | None = None, **more: Any) -> Load:
    """A dylib_use_command; the command number follows the weak flag as ld writes it."""
    if cmd is None:
        cmd = c.LC_LOAD_WEAK_DYLIB if flags & c.DYLIB_USE_WEAK else c.LC_LOAD_DYLIB
    return Load(name, cmd, use_flags=flags, **more)


def raw_command(cmd: int, payload: bytes, align: int = 8, *, size: int | None = None) -> bytes:
    """A load command: number, size (padded, or as told), payload."""
    total = _round(8 + len(payload), align)
    return struct.pack("<II", cmd, total if size is None else size) + payload.ljust(total - 8, b"\0")


def string_command(cmd: int, text: str | bytes, align: int = 8) -> bytes:
    """A load command of the lc_str kind: LC_RPATH, LC_DYLD_ENVIRONMENT, LC_LOAD_DYLINKER, LC_SUB_*."""
    return raw_command(cmd, struct.pack("<I", 12) + _name(text) + b"\0", align)


def build_version(
    platform: int, minos: str | int, sdk: str | int, tools: Sequence[tuple[int, str | int]] = ()
) -> bytes:
    """LC_BUILD_VERSION."""
    payload = struct.pack("<4I", platform, packed(minos), packed(sdk), len(tools))
    return raw_command(c.LC_BUILD_VERSION, payload + b"".join(struct.pack("<II", t, packed(v)) for t, v in tools))


def version_min(version: str | int, sdk: str | int, cmd: int = c.LC_VERSION_MIN_MACOSX) -> bytes:
    """LC_VERSION_MIN_*."""
    return raw_command(cmd, struct.pack("<II", packed(version), packed(sdk)))


@frozen
class Section:
    """A section with its content; ``size`` larger than the content makes a zero-fill one (type S_ZEROFILL)."""

    segment: str
    name: str
    content: bytes = b""
    size: int | None = None
    flags: int = 0
    align: int = 3
    reserved1: int = 0

    @property
    def length(self) -> int:
        return len(self.content) if self.size is None else self.size


@frozen
class Import:
    """An undefined symbol.

    Attributes:
        name: With its leading underscore.
        ordinal: The library, 1-based over the loads; 0 self, -1 main executable, -2 flat, -3 weak lookup.
        weak: May be missing (weak_import).
        lazy: Bound at first call; only with opcodes.
        coalesced: A weak-bind entry (a C++ weak definition) besides the ordinary bind; only with opcodes.
    """

    name: str
    ordinal: int = 1
    weak: bool = False
    lazy: bool = False
    coalesced: bool = False


@frozen
class Export:
    """A defined symbol. With ``reexport`` it is (ordinal, name there, or "" for the same one) of another library."""

    name: str
    weak: bool = False
    reexport: tuple[int, str] | None = None


@define
class Segment:
    """A segment as it will be written. A test may change any field through ``MachO.tweak``."""

    name: str
    vmaddr: int = 0
    vmsize: int = 0
    fileoff: int = 0
    filesize: int = 0
    maxprot: int = 3
    initprot: int = 3
    flags: int = 0
    sections: list[tuple[Section, int, int]] = field(factory=list)
    """Each with its address and file offset."""


_PROTECTIONS: Final = {"__PAGEZERO": 0, "__TEXT": 5, "__LINKEDIT": 1}


@define(kw_only=True)
class MachO:
    """One image. See the module text; every field has a default that makes a valid file.

    Attributes:
        arch: A name of ``Arch.named`` or an ``Arch``.
        file_type: MH_DYLIB where an install name is given, else MH_EXECUTE.
        loads: Dylib commands in file order; a text stands for a plain LC_LOAD_DYLIB.
        libsystem: Append a load of libSystem unless ``loads`` names it already.
        uuid: 16 bytes, None for no LC_UUID, or ``"auto"`` (from the other fields).
        build: False for no platform command, ``"version_min"`` for LC_VERSION_MIN_MACOSX, or ready commands.
        sections: Additional sections; their segments are made, in the order of first mention, before __LINKEDIT.
        linkedit: Bytes placed at the start of __LINKEDIT.
        exports: Symbols it defines: an export trie and symbol table entries.
        imports: Symbols it needs: binds and symbol table entries.
        fixups: ``"opcodes"`` (LC_DYLD_INFO_ONLY) or ``"chained"`` (import table without any chain).
        imports_format: Of chained fixups: 1, 2 or 3.
        entry: ``"main"``, ``"unixthread"`` or None; executables only.
        before: Ready load commands placed before the segments.
        extra: Ready load commands placed after all others.
        tweak: Segment name to fields that replace what the layout computed.
        signed: Sign with real page hashes; ad hoc unless ``cms`` stands for a certificate's signature. By default what
            Apple silicon would not run or map otherwise.
        headerpad: Bytes left free behind the load commands.
    """

    arch: str | Arch = "arm64"
    file_type: int | None = None
    flags: int | None = None
    install_name: str | bytes | None = None
    id_current: str | int = "1.0.0"
    id_compat: str | int = "1.0.0"
    loads: Sequence[Load | str] = ()
    libsystem: bool = True
    rpaths: Sequence[str | bytes] = ()
    dyld_env: Sequence[str | bytes] = ()
    platform: int = 1
    minos: str | int = "12.0"
    sdk: str | int = "15.0"
    tools: Sequence[tuple[int, str | int]] = ()
    build: bool | str | Sequence[bytes] = True
    uuid: bytes | str | None = "auto"
    source_version: int | None = None
    restrict: bool = False
    sections: Sequence[Section] = ()
    data: bool = True
    linkedit: bytes = b""
    exports: Sequence[Export | str] = ()
    imports: Sequence[Import | str] = ()
    fixups: str = "opcodes"
    imports_format: int = 1
    entry: str | None = "main"
    before: Sequence[bytes] = ()
    extra: Sequence[bytes] = ()
    tweak: dict[str, dict[str, Any]] = field(factory=dict)
    signed: bool | None = None
    headerpad: int = 0
    identifier: str = "factory"
    team_id: str | None = None
    cs_flags: int = 2
    entitlements: bytes | None = None
    cms: bytes | None = None

    @property
    def _arch(self) -> Arch:
        return Arch.named(self.arch) if isinstance(self.arch, str) else self.arch

    @property
    def _type(self) -> int:
        if self.file_type is not None:
            return self.file_type
        return FileType.MH_EXECUTE if self.install_name is None else FileType.MH_DYLIB

    @property
    def _signs(self) -> bool:
        if self.signed is None:
            return self._arch.is_arm64 and self._type in {FileType.MH_EXECUTE, FileType.MH_DYLIB, FileType.MH_BUNDLE}
        return self.signed

    @property
    def _all_loads(self) -> list[Load]:
        loads = [x if isinstance(x, Load) else load(x) for x in self.loads]
        wants = self.libsystem and self._type in {FileType.MH_EXECUTE, FileType.MH_DYLIB, FileType.MH_BUNDLE}
        if wants and all(_name(x.name) != _name(LIBSYSTEM) for x in loads):
            loads.append(load(LIBSYSTEM, current="1351.0.0"))
        return loads

    def _flags(self) -> int:
        if self.flags is not None:
            return self.flags
        if self._type == FileType.MH_OBJECT:
            return HeaderFlag.MH_SUBSECTIONS_VIA_SYMBOLS
        flags = HeaderFlag.MH_NOUNDEFS | HeaderFlag.MH_DYLDLINK | HeaderFlag.MH_TWOLEVEL
        if self._type == FileType.MH_EXECUTE:
            flags |= HeaderFlag.MH_PIE
        elif not any(x.cmd == c.LC_REEXPORT_DYLIB for x in self._all_loads):
            flags |= HeaderFlag.MH_NO_REEXPORTED_DYLIBS
        return flags

    def _plain_commands(self) -> tuple[list[bytes], list[bytes]]:
        """Commands that stand before and behind the linkedit ones; none depends on the layout except LC_MAIN."""
        align = 8 if self._arch.is_64 else 4
        head: list[bytes] = []
        if self.install_name is not None:
            ident = Load(self.install_name, c.LC_ID_DYLIB, self.id_current, self.id_compat, timestamp=1)
            head.append(ident.command(align))
        tail: list[bytes] = []
        if self._type == FileType.MH_EXECUTE:
            tail.append(string_command(c.LC_LOAD_DYLINKER, "/usr/lib/dyld", align))
        if self.uuid is not None:
            tail.append(raw_command(c.LC_UUID, self._uuid_bytes()))
        if self.build is True:
            tail.append(build_version(self.platform, self.minos, self.sdk, self.tools))
        elif self.build == "version_min":
            tail.append(version_min(self.minos, self.sdk))
        elif isinstance(self.build, (list, tuple)):
            tail.extend(self.build)
        if self.source_version is not None:
            tail.append(raw_command(c.LC_SOURCE_VERSION, struct.pack("<Q", self.source_version)))
        if self._type == FileType.MH_EXECUTE and self.entry:
            tail.append(self._entry_command(0))
        tail.extend(x.command(align) for x in self._all_loads)
        tail.extend(string_command(c.LC_RPATH, x, align) for x in self.rpaths)
        tail.extend(string_command(c.LC_DYLD_ENVIRONMENT, x, align) for x in self.dyld_env)
        return head, tail

    def _uuid_bytes(self) -> bytes:
        if isinstance(self.uuid, bytes):
            return self.uuid
        seed = repr((self.arch, self._type, self.install_name, self.loads, self.rpaths, self.sections))
        return hashlib.md5(seed.encode("utf-8", "backslashreplace"), usedforsecurity=False).digest()

    def _entry_command(self, offset: int) -> bytes:
        if self.entry == "unixthread":
            # x86_THREAD_STATE64: flavor 4, 42 words, rip is register 16; ARM_THREAD_STATE64: 6, 68 words, pc is 32
            flavor, words, at = (6, 68, 32) if self._arch.is_arm64 else (4, 42, 16)
            state = bytearray(words * 4)
            struct.pack_into("<Q", state, at * 8, self._base() + offset)
            return raw_command(c.LC_UNIXTHREAD, struct.pack("<II", flavor, words) + bytes(state))
        return raw_command(c.LC_MAIN, struct.pack("<QQ", offset, 0))

    def _base(self) -> int:
        if self._type != FileType.MH_EXECUTE:
            return 0
        return 0x1_0000_0000 if self._arch.is_64 else PAGE

    def _segments(self) -> list[Segment]:
        """The segments with sections but without places."""
        text = Section("__TEXT", "__text", _RET.get(self._arch.name, b"\xc3\0\0\0"), flags=0x80000400, align=2)
        wanted: list[Section] = [text]
        if self.data:
            wanted.append(Section("__DATA", "__data", bytes(8 * max(1, len(self.imports)))))
        wanted += self.sections
        if self.restrict:
            wanted.append(Section("__RESTRICT", "__restrict", align=0))
        names = ["__PAGEZERO"] if self._type == FileType.MH_EXECUTE else []
        names += list(dict.fromkeys(x.segment for x in wanted))
        segments = []
        for name in [*names, "__LINKEDIT"]:
            prot = _PROTECTIONS.get(name, 3)
            flags = c.SG_READ_ONLY if name == "__DATA_CONST" else 0
            segment = Segment(name, maxprot=prot, initprot=prot, flags=flags)
            segment.sections = [(x, 0, 0) for x in wanted if x.segment == name]
            segments.append(segment)
        return segments

    def _lay_out(self, segments: list[Segment], headers: int) -> None:
        """Give every segment its addresses and file range; __LINKEDIT's length comes later."""
        address, offset = self._base(), 0
        for segment in segments:
            if segment.name == "__PAGEZERO":
                segment.vmsize = self._base()
                continue
            segment.vmaddr, segment.fileoff = address, offset
            at = headers if segment.name == "__TEXT" else 0
            filled = at
            placed = []
            for section, _, _ in segment.sections:
                at = _round(at, 1 << section.align)
                placed.append((section, address + at, offset + at if section.content else 0))
                at += section.length
                if section.content:
                    filled = at
            segment.sections = placed
            segment.filesize, segment.vmsize = _round(filled, PAGE), _round(at, PAGE)
            address += segment.vmsize
            offset += segment.filesize

    def _segment_command(self, segment: Segment) -> bytes:
        # tweaks change what the command says, not where things lie
        segment = evolve(segment, **self.tweak.get(segment.name, {}))
        wide = self._arch.is_64
        out = [segment.name.encode().ljust(16, b"\0")]
        places = (segment.vmaddr, segment.vmsize, segment.fileoff, segment.filesize)
        out.append(struct.pack("<4Q" if wide else "<4I", *places))
        out.append(struct.pack("<4I", segment.maxprot, segment.initprot, len(segment.sections), segment.flags))
        for section, address, offset in segment.sections:
            out.append(section.name.encode().ljust(16, b"\0") + segment.name.encode().ljust(16, b"\0"))
            flags = section.flags or (1 if section.length > len(section.content) else 0)
            out.append(struct.pack("<QQ" if wide else "<II", address, section.length))
            out.append(struct.pack("<7I", offset, section.align, 0, 0, flags, section.reserved1, 0))
            if wide:
                out.append(bytes(4))
        return raw_command(c.LC_SEGMENT_64 if wide else c.LC_SEGMENT, b"".join(out), 4)

    def _linkedit(self, segments: list[Segment]) -> tuple[bytes, list[bytes]]:
        """The content of __LINKEDIT and the commands that point into it."""
        # late, because that module builds on this one
        from tests.factory.tables import chained, nlist, trie

        start = segments[-1].fileoff
        blob = bytearray(self.linkedit or bytes(8))
        commands: list[bytes] = []

        def place(table: bytes) -> tuple[int, int]:
            blob.extend(bytes(-len(blob) % 8))
            blob.extend(table)
            return (start + len(blob) - len(table), len(table)) if table else (0, 0)

        exports = [x if isinstance(x, Export) else Export(x) for x in self.exports]
        imports = [x if isinstance(x, Import) else Import(x) for x in self.imports]
        text = next(x for x in segments if x.name == "__TEXT")
        code = text.sections[0][1]
        own = [x for x in exports if x.reexport is None]
        if exports or imports:
            names = trie({x.name: _export_payload(x, code - text.vmaddr) for x in exports}) if exports else b""
            if self.fixups == "chained":
                rows = [(x.name, x.ordinal, x.weak) for x in imports]
                table = chained(rows, imports_format=self.imports_format, segments=len(segments))
                commands.append(raw_command(c.LC_DYLD_CHAINED_FIXUPS, struct.pack("<II", *place(table))))
                exported = place(names) if names else (start + len(blob), 0)
                commands.append(raw_command(c.LC_DYLD_EXPORTS_TRIE, struct.pack("<II", *exported)))
            else:
                tables = [place(x) for x in self._opcodes(imports, segments)]
                fields = [y for x in [(0, 0), *tables, place(names)] for y in x]
                commands.append(raw_command(c.LC_DYLD_INFO_ONLY, struct.pack("<10I", *fields)))
        symbols = [(x.name, 0xF, 1, 0x80 * x.weak, code) for x in own]
        symbols += [(x.name, 1, 0, (x.ordinal & 0xFF) << 8 | 0x40 * x.weak, 0) for x in imports]
        table, strings = nlist(symbols, wide=self._arch.is_64)
        symoff, _ = place(table)
        stroff, strsize = place(strings)
        fields = [symoff or stroff, len(symbols), stroff, strsize]
        commands.append(raw_command(c.LC_SYMTAB, struct.pack("<4I", *fields)))
        runs = [0, 0, 0, len(own), len(own), len(imports)]
        commands.append(raw_command(c.LC_DYSYMTAB, struct.pack("<18I", *runs, *[0] * 12)))
        return bytes(blob), commands

    def _opcodes(self, imports: list[Import], segments: list[Segment]) -> tuple[bytes, bytes, bytes]:
        """Bind, weak-bind and lazy-bind opcodes; each import has its own pointer in __DATA."""
        from tests.factory.tables import BIND, DONE, POINTER, ordinal, place, symbol

        index = next((i for i, x in enumerate(segments) if x.name == "__DATA"), 0)
        bind = weak = late = b""
        for number, item in enumerate(imports):
            name = symbol(item.name, int(item.weak))
            where = place(index, 8 * number)
            if item.lazy:
                late += where + ordinal(item.ordinal) + name + BIND + DONE
            else:
                bind += ordinal(item.ordinal) + name + POINTER + where + BIND
            if item.coalesced:
                weak += name + POINTER + where + BIND
        return bind and bind + DONE, weak and weak + DONE, late

    def _signature_size(self, limit: int) -> int:
        return _round(len(self._signature(bytes(limit), 0)), 16)

    def _signature(self, covered: bytes, text_size: int) -> bytes:
        """An embedded signature over everything before it: SHA-256, 4 KiB pages (xnu bsd/sys/codesign.h)."""
        requirements = struct.pack(">III", 0xFADE0C01, 12, 0)
        slots = {2: requirements}
        if self.entitlements is not None:
            slots[5] = struct.pack(">II", 0xFADE7171, 8 + len(self.entitlements)) + self.entitlements
        special = max(slots)
        # version 0x20400 is 88 bytes long: with scatter, team, 64-bit limit and the executable segment's fields
        ident_at = 88
        names = self.identifier.encode() + b"\0"
        team = 0
        if self.team_id is not None:
            team = ident_at + len(names)
            names += self.team_id.encode() + b"\0"
        pages = [covered[i : i + 4096] for i in range(0, len(covered), 4096)]
        hashes = b"".join(
            hashlib.sha256(slots[n]).digest() if n in slots else bytes(32) for n in range(special, 0, -1)
        ) + b"".join(hashlib.sha256(x).digest() for x in pages)
        hash_at = ident_at + len(names) + 32 * special
        directory = struct.pack(
            ">9I4BIIIIQQQQ",
            0xFADE0C02, hash_at + 32 * len(pages), 0x20400, self.cs_flags, hash_at, ident_at, special, len(pages),
            len(covered), 32, 2, 0, 12, 0, 0, team, 0, 0, 0, text_size,
            1 if self._type == FileType.MH_EXECUTE else 0,
        )  # fmt: skip
        directory += names + hashes
        blobs = [(0, directory), *sorted(slots.items())]
        if self.cms is not None:
            blobs.append((0x10000, struct.pack(">II", 0xFADE0B01, 8 + len(self.cms)) + self.cms))
        at = 12 + 8 * len(blobs)
        index = content = b""
        for kind, blob in blobs:
            index += struct.pack(">II", kind, at + len(content))
            content += blob
        signature = struct.pack(">III", 0xFADE0CC0, at + len(content), len(blobs)) + index + content
        return signature.ljust(_round(len(signature), 16), b"\0")

    def bytes(self) -> bytes:
        """The finished file."""
        wide = self._arch.is_64
        head, tail = self._plain_commands()
        segments = self._segments()
        fixed = sum(map(len, (*self.before, *head, *tail, *self.extra)))
        fixed += sum(len(self._segment_command(x)) for x in segments)
        fixed += sum(map(len, self._linkedit(segments)[1]))
        fixed += (32 if wide else 28) + (16 if self._signs else 0)
        self._lay_out(segments, _round(fixed, 16) + self.headerpad)
        linkedit = segments[-1]
        tables, commands = self._linkedit(segments)
        end = linkedit.fileoff + len(tables)
        signature = 0
        if self._signs:
            end = _round(end, 16)
            signature = self._signature_size(end)
            commands.append(raw_command(c.LC_CODE_SIGNATURE, struct.pack("<II", end, signature)))
        linkedit.filesize = end + signature - linkedit.fileoff
        linkedit.vmsize = _round(linkedit.filesize, PAGE)
        text = next(x for x in segments if x.name == "__TEXT")
        entry = text.sections[0][2]
        tail = [
            self._entry_command(entry) if int.from_bytes(x[:4], "little") in {c.LC_MAIN, c.LC_UNIXTHREAD} else x
            for x in tail
        ]
        everything = [*self.before, *map(self._segment_command, segments), *head, *commands, *tail, *self.extra]
        body = b"".join(everything)
        arch = self._arch
        magic = c.MH_MAGIC_64 if wide else c.MH_MAGIC
        header = struct.pack(
            "<7I", magic, arch.cputype, arch.cpusubtype, self._type, len(everything), len(body), self._flags()
        )
        out = bytearray(header + (bytes(4) if wide else b"") + body)
        for segment in segments:
            for section, _, offset in segment.sections:
                if offset:
                    out.extend(bytes(max(0, offset - len(out))))
                    out[offset : offset + len(section.content)] = section.content
        out.extend(bytes(linkedit.fileoff - len(out)))
        out.extend(tables)
        if self._signs:
            out.extend(bytes(end - len(out)))
            out.extend(self._signature(bytes(out), text.filesize))
        return bytes(out)


def _export_payload(export: Export, address: int) -> bytes:
    from tests.factory.tables import uleb

    if export.reexport is not None:
        number, name = export.reexport
        return uleb(8) + uleb(number) + name.encode() + b"\0"
    return uleb(4 * export.weak) + uleb(address)


def dylib(install_name: str | bytes, *loads: Load | str, **more: Any) -> bytes:
    """A finished MH_DYLIB."""
    return MachO(install_name=install_name, loads=loads, **more).bytes()


def executable(*loads: Load | str, **more: Any) -> bytes:
    """A finished MH_EXECUTE."""
    return MachO(file_type=FileType.MH_EXECUTE, loads=loads, **more).bytes()


def bundle(*loads: Load | str, **more: Any) -> bytes:
    """A finished MH_BUNDLE."""
    return MachO(file_type=FileType.MH_BUNDLE, loads=loads, **more).bytes()


def fat(
    slices: Sequence[bytes | MachO],
    *,
    fat64: bool = False,
    align: int = 14,
    archs: Sequence[Arch] | None = None,
    hidden: bool = False,
) -> bytes:
    """A universal file.

    Args:
        slices: Finished images or descriptions.
        fat64: Use 64-bit offsets (0xcafebabf).
        align: log2 of each slice's alignment.
        archs: What the fat header says; by default what the slices' own headers say.
        hidden: Leave the last slice out of the count, as old tools need it for a further arm64 slice.
    """
    images = [x.bytes() if isinstance(x, MachO) else x for x in slices]
    if archs is None:
        archs = [Arch.of(*struct.unpack_from("<II", x, 4)) for x in images]
    at = _round(8 + (32 if fat64 else 20) * (len(images) + 1), 1 << align)
    magic = c.FAT_MAGIC_64 if fat64 else c.FAT_MAGIC
    out = bytearray(struct.pack(">II", magic, len(images) - hidden))
    places = []
    for arch, image in zip(archs, images, strict=True):
        entry = (arch.cputype, arch.cpusubtype, at, len(image), align)
        out += struct.pack(">IIQQII", *entry, 0) if fat64 else struct.pack(">5I", *entry)
        places.append(at)
        at = _round(at + len(image), 1 << align)
    for place, image in zip(places, images, strict=True):
        out.extend(bytes(place - len(out)))
        out += image
    return bytes(out)


def over_one_another(image: bytes, count: int) -> bytes:
    """Return a universal file all of whose slices are the same bytes."""
    entries = b"".join(struct.pack(">IIQQII", 0x1000007, n, PAGE, len(image), 14, 0) for n in range(count))
    return (struct.pack(">II", 0xCAFEBABF, count) + entries).ljust(PAGE, b"\0") + image
