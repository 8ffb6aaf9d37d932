"""Join the readers of ``macho`` with those of ``golang``, as the floors above do."""

from __future__ import annotations

from collections.abc import Callable

from machochain.golang.buildinfo import read_traces
from machochain.golang.marks import describe
from machochain.macho.archive import read_archives
from machochain.macho.details import sections
from machochain.macho.reader import read_source, slice_reader
from machochain.macho.symtab import defined_symbols
from machochain.model.go import GoBinary, GoTraces
from machochain.model.image import Image
from machochain.model.reading import BytesSource

ReadAt = Callable[[int, int], bytes]


def opened(data: bytes, index: int = 0) -> tuple[Image, ReadAt]:
    source = BytesSource(data)
    piece = read_source(source).slices[index]
    assert piece.image is not None
    return piece.image, slice_reader(source, piece)


def traces_of(data: bytes, index: int = 0) -> GoTraces:
    image, read = opened(data, index)
    return read_traces(image, sections(image), read)


def binary_of(data: bytes, index: int = 0) -> GoBinary | None:
    image, read = opened(data, index)
    symbols = ((each.name, True) for each in defined_symbols(image, read).entries)
    return describe(image, read_traces(image, sections(image), read), symbols)


def reading(data: bytes) -> ReadAt:
    return lambda offset, size: data[offset : offset + size]


def members_of(archive: bytes) -> list[tuple[str, bytes]]:
    (found,) = read_archives(BytesSource(archive))
    assert found.error is None
    return [(each.name, archive[each.offset : each.offset + each.size]) for each in found.members]
