"""Doors to LIEF and macholib, for those who need more of a file than this package reads.

Both are loaded at first use: LIEF takes more time to load than most runs take in all.

What LIEF (0.17 to 1.0) wants to be known, all of it seen on real files:

* What it hands out dies with its ``FatBinary``: iterating a temporary one ends the process. `LiefImage` keeps the
  owner; copy text and numbers out before letting go of it.
* ``symbol.name`` is ``bytes`` where a name is not UTF-8, or reading it raises UnicodeDecodeError; `lief_text` gives
  text with surrogate escapes either way.
* Universal files with a 64-bit header and static archives come back as None, and so does anything else it cannot
  read: no exception, but a line on standard error unless ``lief.logging.disable()`` was called.
* A buffer that ends inside the load commands gives a binary with no commands at all; a load command it does not like
  is left out. ``len(binary.commands) != binary.header.nb_cmds`` tells.
* ``libraries`` begins with LC_ID_DYLIB. ``symbols`` holds more than the symbol table: names that only the export trie
  or the fixups have are added. ``symbol.library`` may be None where ``library_ordinal`` is set.
* A weak bind has library ordinal 0, and its ``weak_import`` says nothing. ``bindings`` are the places that are bound,
  so an entry of the chained import table that no chain leads to, which dyld looks up all the same, is not among them.

macholib raises struct.error, ValueError, OSError, IndexError, … for one and the same kind of damage, and reads the file
whole; `to_macholib` raises one kind of error.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

from machochain.macho.reader import read_source, slice_reader
from machochain.macho.source import FileSource
from machochain.model.errors import InputError
from machochain.model.paths import HostPath
from machochain.model.value import frozen

if TYPE_CHECKING:
    import lief
    from macholib.MachO import MachO


@frozen
class LiefImage:
    """One slice as LIEF sees it.

    Keep it in a variable: ``binary`` lives no longer than this object, and neither does what comes out of ``binary``.

    Attributes:
        binary: The slice.
        owner: What must be kept for ``binary`` to stay valid.
        version: LIEF's version.
    """

    binary: lief.MachO.Binary
    owner: lief.MachO.FatBinary
    version: str


def to_lief(path: str, arch: str | None = None) -> LiefImage:
    """Open one slice of a file with LIEF. Slices of universal files of either kind are found by our own reader.

    Args:
        path: A Mach-O file on this machine.
        arch: Which slice, e.g. ``arm64``; None for the first.

    Raises:
        InputError: The file cannot be read, has no such slice, or LIEF refuses it.
    """
    with FileSource(HostPath(path)) as source:
        file = read_source(source)
        pieces = [s for s in file.slices if arch is None or s.arch.name == arch]
        if not pieces:
            there = ", ".join(s.arch.name for s in file.slices) or "none at all"
            raise InputError(f"no {arch or 'slice'} in it (there is {there})", path=path)
        data = slice_reader(source, pieces[0])(0, pieces[0].size)
    try:
        return lief_image(data)
    except InputError as error:
        raise error.at(path, part=f"slice {pieces[0].arch.name}") from error


def lief_image(data: bytes) -> LiefImage:
    """Open the bytes of one Mach-O image with LIEF.

    Raises:
        InputError: LIEF refuses it, or reads only a part of the load commands.
    """
    import lief  # noqa: PLC0415  # takes most of a second

    lief.logging.disable()
    owner = lief.MachO.parse(data)
    binary = owner.at(0) if owner is not None and owner.size else None
    if owner is None or binary is None:
        raise InputError("LIEF cannot read it")
    count = len(binary.commands)
    if count != binary.header.nb_cmds:
        raise InputError(f"LIEF reads {count} of {binary.header.nb_cmds} load commands")
    return LiefImage(binary, owner, version("lief"))


def lief_text(text: str | bytes) -> str:
    """Return a name from LIEF as text; bytes that are not UTF-8 as surrogate escapes."""
    return text.decode("utf-8", "surrogateescape") if isinstance(text, bytes) else text


def to_macholib(path: str) -> MachO:
    """Open a file with macholib; ``headers`` has one entry for each slice.

    Raises:
        InputError: macholib refuses the file.
    """
    from macholib.MachO import MachO  # noqa: PLC0415  # most runs do without

    try:
        return MachO(path)
    except OSError as error:
        raise InputError(f"macholib cannot read it: {error.strerror or error}", path=path) from error
    except Exception as error:
        # struct.error, ValueError, IndexError, AttributeError, KeyError … with no common base of macholib's own
        raise InputError(f"macholib cannot read it: {error or type(error).__name__}", path=path) from error
