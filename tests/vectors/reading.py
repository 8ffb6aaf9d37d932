"""Vector files: one JSON object a line, plain or compressed with xz (testdata/vectors/README.md has the format)."""

from __future__ import annotations

import base64
import json
import lzma
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

Vector = Mapping[str, Any]


def vectors(path: Path) -> Iterator[Vector]:
    """Yield the vectors of a file, in its order."""
    data = lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()
    for line in data.splitlines():
        if line.strip():
            yield json.loads(line)


def tree(vector: Vector) -> dict[str, bytes | str | None]:
    """Return the files of a vector's Mac: bytes, a link's target, or None for a directory."""
    found: dict[str, bytes | str | None] = {}
    for path, what in vector["files"].items():
        if what.get("dir"):
            found[path] = None
        elif "link" in what:
            found[path] = what["link"]
        else:
            found[path] = zlib.decompress(base64.b64decode(what["z"]))
    return found


def area(vector: Vector) -> str:
    """Return what a vector is about; a threshold vector does not say so itself."""
    return str(vector.get("area") or ("thresholds" if "text_by_sdk" in vector else ""))
