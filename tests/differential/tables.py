"""Symbols, imports, exports, signatures and build information as several readers see them, in one form."""

from __future__ import annotations

import re
import struct
import subprocess
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from machochain.golang.buildinfo import format_build_info, read_traces
from machochain.macho.details import sections
from machochain.macho.exports import open_exports
from machochain.macho.imports import read_imports
from machochain.macho.interop import LiefImage
from machochain.macho.signature import read_signature
from machochain.macho.symtab import defined_symbols, undefined_symbols
from machochain.model.image import Image
from machochain.model.reading import ReadAt
from machochain.model.signature import SignatureKind
from machochain.model.symbols import ImportKind
from tests.differential.headers import REFUSED, Facts
from tests.llvm import llvm

OPTIONS: Final = ("--bind", "--lazy-bind", "--weak-bind", "--chained-fixups", "--exports-trie")
_BINDS: Final = {
    # Option: table, and how many columns come before the symbol.
    "--bind": (ImportKind.BIND, 6),
    "--lazy-bind": (ImportKind.LAZY_BIND, 4),
    "--weak-bind": (ImportKind.WEAK_BIND, 5),
}
_CHAINED: Final = re.compile(r"(lib_ordinal|weak_import|name_offset) += (-?\d+)(?: \((.*)\))?")
_EXPORT: Final = re.compile(r"(?:0x([0-9A-F]+)  |\[re-export\] )(.+?)((?: \[[^]]*\])*)(?: \((?:(.+) )?from .*\))?")
_WEAK: Final = " (weak_import)"


def our_tables(image: Image, read: ReadAt) -> Facts:
    """Return our imports and exports in the form in which llvm-objdump can be held against them."""
    imports = read_imports(image, read)
    exports = open_exports(image, read).all() if image.linkedit.exports_trie is not None else ()
    base = next((s.vmaddr for s in image.segments if s.name == "__TEXT"), 0)
    found: Facts = {
        kind.value: {(e.name, e.weak and kind is ImportKind.BIND) for e in imports.entries if e.kind is kind}
        for kind, _ in _BINDS.values()
    }
    found["chained imports"] = [e[:3] for e in imports.entries if e.kind is ImportKind.CHAINED]
    found["exports"] = {
        e.name: (e.imported_name, 0 if e.reexport else e.value + base * (not e.absolute), e.weak) for e in exports
    }
    return found


def their_tables(lines: dict[str, list[str]]) -> Facts:
    """Read what llvm-objdump prints of one slice; ``lines`` by option. What it refuses is a text with the reason."""
    readers: dict[str, tuple[str, Callable[[list[str]], Any]]] = {
        **{option: (kind.value, partial(_binds, columns)) for option, (kind, columns) in _BINDS.items()},
        "--chained-fixups": ("chained imports", _chained),
        "--exports-trie": ("exports", _exports),
    }
    return {
        field: lines[option][0] if lines[option] and lines[option][0].startswith(REFUSED) else reader(lines[option])
        for option, (field, reader) in readers.items()
    }


def _binds(columns: int, lines: list[str]) -> set[tuple[str, bool]]:
    return {
        (name.removesuffix(_WEAK), name.endswith(_WEAK))
        for line in lines
        if line.startswith("__") and not line.endswith("strong")
        for name in (line.split(None, columns)[columns],)
    }


def _chained(lines: list[str]) -> list[tuple[str, int, bool]]:
    fields = [match for line in lines if (match := _CHAINED.fullmatch(line.strip()))]
    return [
        (name[3], int(ordinal[2]), weak[2] == "1")
        for ordinal, weak, name in zip(fields[::3], fields[1::3], fields[2::3], strict=True)
    ]


def _exports(lines: list[str]) -> dict[str, tuple[str, int, bool]]:
    return {
        match[2]: ("" if match[1] else match[4] or match[2], int(match[1] or "0", 16), "weak_def" in match[3])
        for line in lines
        if (match := _EXPORT.fullmatch(line.strip()))
    }


def our_symbols(image: Image, read: ReadAt) -> Facts:
    return {
        "defined symbols": sorted(s.name for s in defined_symbols(image, read).entries if s.name),
        "undefined symbols": sorted(s.name for s in undefined_symbols(image, read).entries if s.name),
    }


def by_nm(path: Path, arch: str) -> Facts:
    """Read the symbol table of one slice with llvm-nm."""
    return {
        "defined symbols": sorted(_nm(path, arch, "--defined-only")),
        "undefined symbols": sorted(_nm(path, arch, "--undefined-only")),
    }


def _nm(path: Path, arch: str, option: str) -> Iterator[str]:
    tool = llvm("llvm-nm")
    assert tool is not None
    done = subprocess.run(
        [tool, option, "--no-sort", "--format=just-symbols", f"--arch={arch}", str(path)],
        check=True, capture_output=True,
    ).stdout.decode("utf-8", "surrogateescape")  # fmt: skip
    for line in done.split("\n"):
        if line and not (line.startswith(f"{path}") and line.endswith(":")):
            yield line


# ---------------------------------------------------------------------------------------------------------------------


def our_signature(image: Image, read: ReadAt) -> Facts:
    found = read_signature(image, read)
    if found.kind is SignatureKind.NONE:
        return {"signature": None}
    return {
        "signature": {
            "flags": found.flags,
            "identifier": found.identifier,
            "team": found.team_id,
            "version": found.version,
            "code limit": found.code_limit,
            "signed": found.kind is SignatureKind.SIGNED,
        }
    }


def lief_signature(opened: LiefImage) -> Facts:
    """Take the signature's bytes from LIEF, which does not look into them, and read the code directory plainly.

    A superblob (0xfade0cc0) lists (type, offset) pairs; type 0 is the code directory, 0x1000 and up are alternate ones
    of which signers write the better ones, 0x10000 is the CMS blob (xnu, ``osfmk/kern/cs_blobs.h``).
    """
    command = opened.binary.code_signature
    if command is None:
        return {"signature": None}
    data = bytes(command.content)
    magic, _, count = struct.unpack_from(">III", data)
    if magic != 0xFADE0CC0:
        return {"signature": None}
    index = dict(struct.unpack_from(">II", data, 12 + 8 * i) for i in range(count))
    directories = [at for slot, at in index.items() if slot == 0 or 0x1000 <= slot < 0x1006]
    if not directories:
        return {"signature": None}
    at = max(directories, key=lambda at: _rank(data[at + 37]))
    version, flags, _, name, _, _, limit = struct.unpack_from(">IIIIIII", data, at + 8)
    team = struct.unpack_from(">I", data, at + 48)[0] if version >= 0x20200 else 0
    cms = index.get(0x10000)
    return {
        "signature": {
            "flags": flags,
            "identifier": _c_string(data, at + name),
            "team": _c_string(data, at + team) if team else None,
            "version": version,
            "code limit": limit,
            "signed": cms is not None and struct.unpack_from(">I", data, cms + 4)[0] > 8,
        }
    }


def _rank(hash_type: int) -> int:
    return (1, 3, 2, 4).index(hash_type)


def _c_string(data: bytes, at: int) -> str:
    return data[at : data.index(b"\0", at)].decode("utf-8", "surrogateescape")


# ---------------------------------------------------------------------------------------------------------------------


def our_build_info(image: Image, read: ReadAt, name: str) -> str | None:
    """Return what ``go version -m`` is expected to print; None if there is no build information."""
    traces = read_traces(image, sections(image), read)
    return format_build_info(traces.build, name) if traces.build is not None else None


def go_build_info(go: Path, folder: Path, names: Sequence[str], environment: dict[str, str]) -> dict[str, str]:
    """Return what ``go version -m`` prints of files in a folder; those without build information are not there."""
    done = subprocess.run(
        [str(go), "version", "-m", *names], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    found: dict[str, str] = {}
    for line in done.stdout.splitlines(keepends=True):
        if not line.startswith("\t"):
            name = line.partition(":")[0]
        found[name] = found.get(name, "") + line
    return found


def short(value: Any, other: Any) -> str:
    """Return what of a value the other does not have, in few words."""
    if isinstance(value, dict) and isinstance(other, dict):
        value = {k: v for k, v in value.items() if k not in other or other[k] != v}
    elif isinstance(value, (set, list)) and isinstance(other, (set, list)):
        there = set(other)
        value = sorted((x for x in value if x not in there), key=repr) or f"{len(value)} in another order or number"
    text = repr(value)
    return text if len(text) <= 300 else f"{text[:300]}…"
