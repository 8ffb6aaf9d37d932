"""A universal file taken into its slices and put together again; a thin file is one slice."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from machochain.model.arch import Arch
from machochain.model.value import evolve, frozen
from machochain.repair.obstacle import ObstacleKind, refuse

_FAT: Final = b"\xca\xfe\xba\xbe"
_FAT64: Final = b"\xca\xfe\xba\xbf"
_MOST: Final = 42
_MOST_ALIGNMENT: Final = 20


@frozen
class Piece:
    """One slice in its place.

    Attributes:
        cputype: As in the table, or the header of a thin file.
        cpusubtype: Likewise.
        offset: Where it lies.
        data: Its bytes.
        align: Logarithm of what its offset is a multiple of.
        reserved: The last field of a 64-bit entry.
    """

    cputype: int
    cpusubtype: int
    offset: int
    data: bytes
    align: int = 0
    reserved: int = 0

    @property
    def arch(self) -> str:
        """Its architecture's name."""
        return Arch(self.cputype, self.cpusubtype).name


@frozen
class Pieces:
    """A file as slices.

    Attributes:
        slices: In the order of the table.
        magic: Of the table; empty for a thin file.
    """

    slices: tuple[Piece, ...]
    magic: bytes = b""

    def with_data(self, slices: Sequence[bytes]) -> bytes:
        """Return the file with other contents of its slices, each where its own alignment puts it."""
        if not self.magic:
            return slices[0]
        moved: list[Piece] = []
        end = self._table_size
        grown = any(len(new) != len(piece.data) for piece, new in zip(self.slices, slices, strict=True))
        for piece, new in zip(self.slices, slices, strict=True):
            step = 1 << piece.align
            offset = -(-end // step) * step if grown and moved else piece.offset
            moved.append(evolve(piece, offset=offset, data=new))
            end = offset + len(new)
        out = bytearray(self.magic + struct.pack(">I", len(moved)))
        for piece in moved:
            fields = piece.cputype, piece.cpusubtype, piece.offset, len(piece.data), piece.align
            out += (
                struct.pack(">5I", *fields) if self.magic == _FAT else struct.pack(">2I2Q2I", *fields, piece.reserved)
            )
        for piece in moved:
            out += bytes(piece.offset - len(out)) + piece.data
        return bytes(out)

    @property
    def _table_size(self) -> int:
        return 8 + len(self.slices) * (20 if self.magic == _FAT else 32)


def read_pieces(data: bytes) -> Pieces:
    """Take a file into its slices.

    Raises:
        RepairError: It is a universal file whose parts do not lie one behind the other, with zeros between them, or
            that has two slices for one architecture.
    """
    magic = data[:4]
    if magic not in (_FAT, _FAT64):
        if len(data) < 12:
            raise refuse(ObstacleKind.MALFORMED, "no Mach-O header")
        cputype, subtype = struct.unpack_from("<II", data, 4)
        return Pieces((Piece(cputype, subtype, 0, data),))
    form = ">5I" if magic == _FAT else ">2I2Q2I"
    step = struct.calcsize(form)
    count = struct.unpack_from(">I", data, 4)[0] if len(data) >= 8 else 0
    if not 0 < count <= _MOST or 8 + count * step > len(data):
        raise refuse(ObstacleKind.UNIVERSAL_LAYOUT, f"{count} slices")
    found: list[Piece] = []
    end = 8 + count * step
    for index in range(count):
        cputype, subtype, offset, size, align, *rest = struct.unpack_from(form, data, 8 + index * step)
        if align > _MOST_ALIGNMENT or offset % (1 << align) or offset + size > len(data):
            raise refuse(ObstacleKind.UNIVERSAL_LAYOUT, f"slice {index} does not lie where it should")
        if offset < end or any(data[end:offset]):
            raise refuse(ObstacleKind.UNIVERSAL_LAYOUT, f"slice {index} does not follow the one before it")
        if (cputype, subtype) in {(p.cputype, p.cpusubtype) for p in found}:
            raise refuse(ObstacleKind.UNIVERSAL_LAYOUT, "two slices for one architecture")
        found.append(Piece(cputype, subtype, offset, data[offset : offset + size], align, *rest))
        end = offset + size
    if end != len(data):
        raise refuse(ObstacleKind.UNIVERSAL_LAYOUT, f"{len(data) - end} bytes behind the last slice")
    return Pieces(tuple(found), magic)
