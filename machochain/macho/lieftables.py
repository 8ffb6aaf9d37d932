"""What LIEF knows of an image, told as JSON: ``python -m machochain.macho.lieftables`` answers until its input ends.

LIEF has no bound: a megabyte of entries that share a name, or of opcodes that bind without end, takes gigabytes. So it
reads in this process, which has limits, for `machochain.macho.apart`. A request is the length of an image (8 bytes,
little-endian) and the image; an answer is the length of a JSON document and the document.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from machochain.macho.interop import LiefImage, lief_image, lief_text
from machochain.macho.symtab import N_EXT, N_STAB, N_TYPE, name_budget
from machochain.model.errors import InputError
from machochain.model.symbols import ORDINAL_WEAK

if TYPE_CHECKING:
    import lief

MEMORY: Final = 512 << 20, 24
"""Address space for one image: a constant, and bytes a byte of it. libvtkCommonCore (98 MB) takes 6 a byte."""
SECONDS: Final = 60
"""CPU time for one image. libvtkCommonCore takes 3."""


def tables(data: bytes) -> dict[str, Any]:
    """Read one image with LIEF.

    Returns:
        ``version`` of LIEF; ``symbols`` of the symbol table as ``[name, n_type, external, value, section, ordinal]``,
        stabs left out and counted as ``debug_symbols``; ``undefined`` names; ``bindings``, ``relocations`` and
        ``functions`` as numbers; ``bound`` as ``[name, ordinal, weak]``; ``exports`` as ``[name, flags, address]``,
        None without such a table.

    Raises:
        InputError: LIEF refuses it, or its names have no end.
    """
    theirs = lief_image(data)
    names = _Names(name_budget(len(data)))
    binary = theirs.binary
    symbols, stabs = _symbols(theirs, names)
    starts = binary.function_starts
    table = binary.dyld_exports_trie or binary.dyld_info
    return {
        "version": theirs.version,
        "symbols": symbols,
        "debug_symbols": stabs,
        "undefined": list(_undefined(binary, names)),
        "bindings": sum(1 for _ in binary.bindings),
        "bound": [list(each) for each in sorted(set(_bound(binary, names)))],
        "relocations": len(binary.relocations),
        "functions": len(starts.functions) if starts is not None else None,
        "exports": None if table is None else [[names.of(e.symbol), e.flags, e.address] for e in table.exports],
    }


class _Names:
    """The names of an answer, counted: entries may share one without end."""

    def __init__(self, left: int) -> None:
        self._left = left
        self._known: set[str] = set()

    def of(self, symbol: lief.MachO.Symbol | None, *, again: bool = False) -> str:
        """Return a name; one that is told ``again`` and again counts once.

        Raises:
            InputError: There were more than a table of this size can honestly hold.
        """
        if symbol is None:
            return ""
        try:
            name = lief_text(symbol.name)
        except UnicodeDecodeError as error:
            name = bytes(error.object).decode("utf-8", "surrogateescape")
        if again and name in self._known:
            return name
        if again:
            self._known.add(name)
        self._left -= len(name)
        if self._left < 0:
            raise InputError("its names overlap without end")
        return name


def _symbols(theirs: LiefImage, names: _Names) -> tuple[list[list[Any]], int]:
    import lief  # noqa: PLC0415  # loaded already: an image of it is here

    found: list[list[Any]] = []
    stabs = 0
    for symbol in theirs.binary.symbols:
        if symbol.origin != lief.MachO.Symbol.ORIGIN.SYMTAB:
            continue
        number = symbol.raw_type
        if number & N_STAB:
            stabs += 1
            continue
        ordinal = None if number & N_TYPE else symbol.library_ordinal
        found.append(
            [names.of(symbol), number & N_TYPE, bool(number & N_EXT), symbol.value, symbol.numberof_sections, ordinal]
        )
    return found, stabs


def _undefined(binary: lief.MachO.Binary, names: _Names) -> Iterator[str]:
    import lief  # noqa: PLC0415  # loaded already: an image of it is here

    undefined = lief.MachO.Symbol.CATEGORY.UNDEFINED
    for symbol in binary.symbols:
        if symbol.category == undefined:
            yield names.of(symbol)


def _bound(binary: lief.MachO.Binary, names: _Names) -> Iterator[tuple[str, int, bool]]:
    import lief  # noqa: PLC0415  # loaded already: an image of it is here

    for binding in binary.bindings:
        coalesced = (
            isinstance(binding, lief.MachO.DyldBindingInfo)
            and binding.binding_class == lief.MachO.DyldBindingInfo.CLASS.WEAK
        )
        ordinal = ORDINAL_WEAK if coalesced else binding.library_ordinal
        yield names.of(binding.symbol, again=True), ordinal, not coalesced and binding.weak_import


def answer(data: bytes) -> tuple[bytes, bool]:
    """Return the document about one image, its tables or the ``error`` that says why there are none, and if to go on.

    What a want of memory left behind is not known.
    """
    try:
        return json.dumps(tables(data)).encode("ascii"), True
    except InputError as error:
        return json.dumps({"error": error.reason}).encode("ascii"), True
    except MemoryError:
        told = {"error": "LIEF needs more memory for it than it is given", "ends": True}
        return json.dumps(told).encode("ascii"), False


def limit(size: int) -> None:
    """Bound what the next image may take, where the system knows such bounds."""
    try:
        import resource  # noqa: PLC0415  # not on Windows
    except ImportError:
        return
    _lower(resource, resource.RLIMIT_AS, _address_space() + MEMORY[0] + MEMORY[1] * size)
    used = resource.getrusage(resource.RUSAGE_SELF)
    _lower(resource, resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + 1 + SECONDS)


def _lower(resource: Any, what: int, to: int) -> None:
    _, hard = resource.getrlimit(what)
    try:
        resource.setrlimit(what, (to if hard == resource.RLIM_INFINITY else min(to, hard), hard))
    except (ValueError, OSError):
        return  # a system that does not bound it


def _address_space() -> int:
    """Return the bytes of address space this process has; 0 where nobody tells."""
    try:
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123  # two words of the system
            return int(file.read().split()[0]) * 4096
    except OSError:
        return 0


def serve(source: BinaryIO, to: BinaryIO) -> None:
    """Answer request by request until there are no more."""
    goes_on = True
    while goes_on and len(head := source.read(8)) == 8:
        length = int.from_bytes(head, "little")
        limit(length)
        told, goes_on = answer(source.read(length))
        to.write(len(told).to_bytes(8, "little") + told)
        to.flush()


def main() -> None:
    """Answer on standard output; whatever else writes there goes elsewhere."""
    with os.fdopen(os.dup(1), "wb") as out:
        os.dup2(2, 1)
        serve(sys.stdin.buffer, out)


if __name__ == "__main__":
    main()
