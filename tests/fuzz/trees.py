"""Whole folders as one input: packed for the fuzzer, changed file by file, laid out on disk."""

from __future__ import annotations

import random
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from tests.fuzz import machos
from tests.fuzz.containers import mutate as container
from tests.fuzz.mutators import Mutator, blind, text, values

FILES = 40
"""Files of one folder, at most; what comes behind them is left out."""
LINK = "@"
"""The last character of a name whose content is where a symbolic link points."""


def pack(files: Mapping[str, bytes]) -> bytes:
    return b"".join(
        f"{name}\n{len(content)}\n".encode("utf-8", "surrogateescape") + content for name, content in files.items()
    )


def unpack(data: bytes) -> dict[str, bytes]:
    """Return the files of a packed folder; what has no length is cut off."""
    files: dict[str, bytes] = {}
    while data and len(files) < FILES:
        name, _, rest = data.partition(b"\n")
        size, _, rest = rest.partition(b"\n")
        if not size.isdigit() or len(size) > 9:
            break
        files[name.decode("utf-8", "surrogateescape")] = rest[: int(size)]
        data = rest[int(size) :]
    return files


def lay_out(files: Mapping[str, bytes], top: Path) -> None:
    """Write a folder anew; names that lead out of it, or that cannot be made, are left out."""
    shutil.rmtree(top, ignore_errors=True)
    top.mkdir(parents=True)
    for name, content in files.items():
        parts = PurePosixPath(name.removesuffix(LINK)).parts
        if not parts or parts[0] == "/" or ".." in parts or "\0" in name:
            continue
        path = top.joinpath(*parts)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.parent.resolve().is_relative_to(top) or path.is_symlink():
                continue
            if name.endswith(LINK):
                path.symlink_to(content.decode("utf-8", "surrogateescape"))
            else:
                path.write_bytes(content)
        except (OSError, ValueError):
            continue


def mutator(donors: Mutator) -> Mutator:
    """Return what changes one or two files of a folder by what they are, or puts files in each other's place."""

    def mutate(data: bytes, chance: random.Random) -> bytes:
        files = unpack(data)
        if not files:
            return blind(data, chance)
        for _ in range(chance.choice((1, 1, 1, 2, 3))):
            name = chance.choice(list(files))
            other = chance.choice(list(files))
            match chance.randrange(12):
                case 0:
                    files[name] = files[other]
                case 1:
                    files[other + chance.choice(("", "x", "/x", LINK))] = files.pop(name)
                case 2:
                    files[name + LINK] = chance.choice(
                        (
                            b".",
                            b"..",
                            b"/",
                            name.rpartition("/")[2].encode("utf-8", "surrogateescape"),
                            other.encode("utf-8", "surrogateescape"),
                            b"../" * 9 + b"etc",
                            b"x" * 300,
                            b"\xff",
                        )
                    )
                    del files[name]
                case 3:
                    files = dict(sorted(files.items(), key=lambda item: (chance.random() < 0.2, item[0])))
                case _:
                    files[name] = _file(name, files[name], donors, chance)
            if not files:
                return b""
        return pack(files)

    return mutate


def _file(name: str, content: bytes, donors: Mutator, chance: random.Random) -> bytes:
    """Change one file by what it is."""
    if content[:4] in (b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xca\xfe\xba\xbe", b"\xca\xfe\xba\xbf"):
        return donors(content, chance)
    if content.startswith(b"!<arch>"):
        return machos.ar(content, chance)
    if content.startswith((b"PK", b"\x1f\x8b", b"\x28\xb5\x2f\xfd")):
        return container(content, chance)
    if name.endswith((".json", ".plist", ".ips")):
        return values(content, chance)
    return text(content, chance)
