"""Damaged archives: an error of our own or an artifact with problems, in bounded time, and nothing left behind."""

from __future__ import annotations

import contextlib
import random
import tempfile
import time
from pathlib import Path

import pytest

from machochain.model.artifact import Limits
from machochain.model.errors import InputError
from machochain.world.artifacts import is_artifact, open_artifact
from tests.world.packing import LIBRARY, TEXT, Content, Link, compressed, conda, tar, wheel, zip_bytes, zipped

pytestmark = pytest.mark.fuzz

SECONDS = 20
ENTRIES: list[tuple[str, Content]] = [
    ("d/libx.dylib", LIBRARY), ("d/link", Link("libx.dylib")), ("n" * 180 + "/" + "m" * 90, TEXT), ("e", b""),
    ("\N{EURO SIGN}/x", LIBRARY), ("in.zip", zip_bytes([("libx.dylib", LIBRARY)])),
]  # fmt: skip


def seeds(folder: Path) -> list[Path]:
    hard: list[tuple[str, Content]] = [*ENTRIES, ("hard", Link("d/libx.dylib", hard=True))]
    found = [compressed(folder / f"a.tar.{form}", hard) for form in ("gz", "bz2", "xz", "zst")]
    return [
        *found, tar(folder / "a.tar", hard), zipped(folder / "a.zip", ENTRIES), conda(folder / "a.conda", hard),
        wheel(folder / "a.whl", {"pkg/a.so": LIBRARY, "pkg-1.2.data/scripts/x": LIBRARY}),
    ]  # fmt: skip


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Change bits, numbers and lengths; sums of tar headers are made right again half of the time."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 5, 20))):
        at = chance.randrange(len(changed))
        kind = chance.randrange(5)
        if kind == 0:
            changed[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            changed[at : at + 4] = chance.choice((b"\xff\xff\xff\xff", bytes(4), b"\x80\0\0\0", b"\x7f\xff\xff\xff"))
        elif kind == 2:
            del changed[at : at + chance.randrange(600)]
        elif kind == 3:
            other = chance.randrange(len(changed))
            changed[at:at] = changed[other : other + chance.randrange(600)]
        else:
            changed[at] = chance.choice(b"\0/.:x157gKLS")
        if not changed:
            return b"\0"
    if chance.random() < 0.5:
        for start in range(0, len(changed) - 511, 512):
            if changed[start + 257 : start + 262] == b"ustar":
                changed[start + 148 : start + 156] = b" " * 8
                changed[start + 148 : start + 156] = b"%06o\0 " % sum(changed[start : start + 512])
    return bytes(changed)


def test_mutated_archives_never_do_more_than_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    (tmp_path / "seeds").mkdir()
    originals = [path.read_bytes() for path in seeds(tmp_path / "seeds")]
    limits = Limits(total_bytes=32 << 20, file_bytes=8 << 20, entries=500, ratio_floor=1 << 20)
    chance = random.Random(5)
    path = tmp_path / "mutated"
    opened = 0
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        path.write_bytes(mutated(chance.choice(originals), chance))
        is_artifact(path)
        start = time.process_time()
        with contextlib.suppress(InputError), open_artifact(path, limits) as artifact:
            opened += bool(artifact.entries)
            top = Path(artifact.folder).resolve()
            assert all(found.resolve().is_relative_to(top) for found in top.rglob("*"))
        assert time.process_time() - start < 5
        assert list(scratch.iterdir()) == []
    assert opened > 100
