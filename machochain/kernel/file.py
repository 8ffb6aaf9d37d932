"""Stages 1 and 2: is the file anything the kernel starts, and which slice does it take (``exec_fat_imgact``).

The best slice is taken by its grade and then checked; where the check fails there is no second choice.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from machochain.kernel.failure import EBADARCH, EBADMACHO, ENOEXEC, Failure, LoadReturn, refused
from machochain.kernel.releases import CHECKS_SLICE_ENDS
from machochain.model.arch import CPU_ARM64, CPU_X86, CPU_X86_64, Arch
from machochain.model.execution import Cause, ExecRule, Host
from machochain.model.value import frozen
from machochain.model.version import Version

MH_EXECUTE: Final = 2
HEADS: Final = frozenset({b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe"})
SWAPPED: Final = frozenset({b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf"})
FAT: Final = b"\xca\xfe\xba\xbe"
FAT_64: Final = b"\xca\xfe\xba\xbf"
PAGE: Final = {Host.APPLE_SILICON: 0x4000, Host.INTEL: 0x1000}
"""The kernel's page; the first of a file is all that is looked at for its kind."""
_ARCH: Final = struct.Struct(">5I")
_U32: Final = 0xFFFFFFFF


@frozen
class Piece:
    """One slice, nothing normalised.

    Attributes:
        arch: From the fat header, or the thin file's own; the full subtype.
        offset: Where it begins in the file, bytes.
        size: Its length in bytes.
        head: Header and load commands, or as much of its beginning as is at hand where they are not.
    """

    arch: Arch
    offset: int
    size: int
    head: bytes

    @property
    def file_type(self) -> int:
        """``filetype`` of its header; 0 where the bytes end before."""
        return int.from_bytes(self.head[12:16], "little")

    @property
    def own_arch(self) -> Arch:
        """The architecture of its own header."""
        cputype, subtype = struct.unpack_from("<II", self.head.ljust(12, b"\0"), 4)
        return Arch.of(cputype, subtype)


@frozen
class Program:
    """A file as the kernel finds it.

    Attributes:
        first: Its first page, or as much of it as holds the fat header with its entries.
        size: Its length in bytes.
        pieces: Its slices in the order of the fat header; the one of a thin file.
        mode: Permission bits, or None where nobody knows.
    """

    first: bytes
    size: int
    pieces: tuple[Piece, ...]
    mode: int | None = None


def grade(arch: Arch, host: Host) -> int:
    """Return the kernel's preference for an architecture, 0 for none (``grade_binary``, ``bsd/dev``).

    Intel Macs that macOS 11 to 26 run on are Haswell or later but for a few Ivy Bridge ones, which have no x86_64h.
    32-bit Intel programs end with EBADARCH in any case (``no32exec``), so they have no grade here.
    """
    if host is Host.APPLE_SILICON:
        if arch.cputype != CPU_ARM64:
            return 0
        if arch.subtype == 2:
            version = arch.cpusubtype >> 24 & 0xF
            return 12 if version == 0 else 11
        return {0: 9, 1: 10}.get(arch.subtype, 0)
    if arch.cputype == CPU_X86_64:
        return {3: 2, 8: 3}.get(arch.subtype, 0)
    return 0


def check_file(program: Program) -> Failure | None:
    """Return why the kernel has no activator for the file as a whole (``execsw``, ``exec_activate_image``)."""
    if program.mode is not None and not program.mode & 0o111:
        return refused(ExecRule.NOT_EXECUTABLE, Cause.NO_PROGRAM, 13, "the file is not executable")
    if not program.size:
        return refused(ExecRule.EMPTY_FILE, Cause.NO_PROGRAM, ENOEXEC, "the file is empty")
    magic = program.first[:4]
    if magic == FAT_64:
        why = "no kernel starts a universal file with a 64-bit header (FAT_MAGIC_64)"
        return refused(ExecRule.FAT64, Cause.UNIVERSAL, ENOEXEC, why)
    if magic not in HEADS and magic not in SWAPPED and magic != FAT:
        return refused(ExecRule.NOT_MACHO, Cause.NO_PROGRAM, ENOEXEC, "it is no Mach-O file")
    return None


def check_fat(program: Program, host: Host, macos: Version) -> Failure | None:
    """Return why a universal file is refused as a whole (``bsd/kern/mach_fat.c``, ``fatfile_validate_fatarches``)."""
    if program.first[:4] != FAT:
        return None
    first = program.first
    count = int.from_bytes(first[4:8], "big")
    if count > (PAGE[host] - 8) // _ARCH.size:
        why = f"its fat header claims {count} slices, more than fit the first page"
        return _universal(ExecRule.TOO_MANY_SLICES, why)
    table = 8 + count * _ARCH.size
    entries = [_ARCH.unpack_from(first.ljust(table, b"\0"), 8 + i * _ARCH.size) for i in range(count)]
    for index, (cputype, subtype, offset, size, _) in enumerate(entries):
        name = Arch.of(cputype, subtype).name
        if offset < table:
            return _universal(ExecRule.SLICE_IN_FAT_HEADER, f"its {name} slice begins inside the fat header")
        if offset + size > _U32 or (offset + size > program.size and macos >= CHECKS_SLICE_ENDS):
            since = None if offset + size > _U32 else CHECKS_SLICE_ENDS
            why = f"its {name} slice ends behind the end of the file"
            return _universal(ExecRule.SLICE_BEHIND_END, why, since)
        for cputype2, subtype2, offset2, size2, _ in entries[index + 1 :]:
            if (cputype, subtype) == (cputype2, subtype2):
                return _universal(ExecRule.DUPLICATE_SLICES, f"it has two {name} slices")
            if offset2 + size2 > _U32:
                other = Arch.of(cputype2, subtype2).name
                return _universal(ExecRule.SLICE_BEHIND_END, f"its {other} slice ends behind the end of the file")
            if offset + size > offset2 if offset <= offset2 else offset < offset2 + size2:
                other = Arch.of(cputype2, subtype2).name
                return _universal(ExecRule.OVERLAPPING_SLICES, f"its {name} and {other} slices overlap")
    return None


def _universal(rule: ExecRule, why: str, since: Version | None = None) -> Failure:
    return refused(rule, Cause.UNIVERSAL, EBADMACHO, why, since=since)


def choose(pieces: Sequence[Piece], host: Host) -> Piece | None:
    """Return the slice with the best grade, the first of equals; None if none has one (``fatfile_getarch``)."""
    best, best_grade = None, 0
    for piece in pieces:
        found = grade(piece.arch, host)
        if found > best_grade:
            best, best_grade = piece, found
    return best


def check_piece(program: Program, piece: Piece, host: Host, *, translated: bool) -> Failure | None:
    """Return why the chosen slice is no program for this Mac (``exec_mach_imgact``, its first part)."""
    magic = piece.head[:4]
    if magic in SWAPPED:
        return _architecture(ExecRule.BYTE_SWAPPED, piece.arch, "it is big-endian code")
    if magic not in HEADS:
        return refused(ExecRule.NOT_MACHO, Cause.NO_PROGRAM, ENOEXEC, f"its {piece.arch.name} slice is no Mach-O image")
    if piece.file_type != MH_EXECUTE:
        why = "it is no main executable (MH_EXECUTE)"
        return refused(ExecRule.NOT_MH_EXECUTE, Cause.NO_PROGRAM, ENOEXEC, why)
    if program.first[:4] == FAT and piece.own_arch != piece.arch:
        why = f"the fat header calls the slice {_full(piece.arch)}, its own header {_full(piece.own_arch)}"
        return _architecture(ExecRule.SLICE_HEADER_DIFFERS, piece.arch, why)
    if not translated and not grade(piece.own_arch, host):
        return no_slice([piece], host)
    return None


def no_slice(pieces: Sequence[Piece], host: Host) -> Failure:
    """Return the refusal of a file of which this Mac runs nothing."""
    have = ", ".join(dict.fromkeys(p.arch.name for p in pieces)) or "nothing"
    mac = "Apple silicon" if host is Host.APPLE_SILICON else "an Intel Mac"
    why = f"{mac} runs no {have} code"
    if any(p.arch.cputype == CPU_X86 for p in pieces):
        why = "no macOS since 10.15 runs 32-bit Intel code"
    return refused(ExecRule.NO_SLICE_FOR_HOST, Cause.ARCHITECTURE, EBADARCH, why, subject=have)


def check_place(program: Program, piece: Piece) -> Failure | None:
    """Return why ``load_machfile`` does not take the slice's place in the file."""
    if piece.offset + piece.size > program.size:
        why = f"its {piece.arch.name} slice ends behind the end of the file"
        return Failure(ExecRule.SLICE_BEHIND_END, Cause.UNIVERSAL, LoadReturn.BADMACHO, why)
    return None


def _architecture(rule: ExecRule, arch: Arch, why: str) -> Failure:
    return refused(rule, Cause.ARCHITECTURE, EBADARCH, why, subject=arch.name)


def _full(arch: Arch) -> str:
    return f"{arch.cputype:#x}/{arch.cpusubtype:#x}"
