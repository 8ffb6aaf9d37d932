"""Join the readers of ``macho`` with those of ``golang``, as the floors above do."""

from __future__ import annotations

from collections.abc import Callable

from machochain.golang.buildinfo import read_traces
from machochain.golang.marks import describe
from machochain.macho.reader import BytesSource, read_source, sections, slice_reader
from machochain.macho.symtab import defined_symbols
from machochain.model.go import GoBinary, GoTraces
from machochain.model.image import Image

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
    assert archive.startswith(b"!<arch>\n")
    out, at = [], 8
    while at + 60 <= len(archive):
        name, size = archive[at : at + 16].decode().rstrip(), int(archive[at + 48 : at + 58])
        at += 60
        start = at
        if name.startswith("#1/"):
            length = int(name[3:])
            name, start = archive[at : at + length].rstrip(b"\0").decode(), at + length
        out.append((name.rstrip("/"), archive[start : at + size]))
        at += size + size % 2
    return out
