"""A wheel's own bookkeeping: RECORD, the tags, the file's name (binary distribution format, packaging.python.org)."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
from collections.abc import Iterable, Mapping
from typing import Final

from packaging.tags import parse_tag
from packaging.utils import parse_wheel_filename

_SIGNATURES: Final = ("RECORD.jws", "RECORD.p7s")


def record_name(names: Iterable[str]) -> str | None:
    """Return the name of a wheel's RECORD; None if it has none."""
    return next((n for n in names if n.count("/") == 1 and n.endswith(".dist-info/RECORD")), None)


def void_signatures(names: Iterable[str]) -> tuple[str, ...]:
    """Return the members that sign a RECORD that is no more."""
    return tuple(n for n in names if n.count("/") == 1 and n.rpartition("/")[2] in _SIGNATURES)


def row(name: str, data: bytes) -> list[str]:
    """Return a file's row in RECORD."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return [name, f"sha256={digest}", str(len(data))]


def new_record(old: bytes, changed: Mapping[str, bytes]) -> bytes:
    """Return a RECORD with the rows of changed members renewed, in the old order; new members come last.

    Args:
        old: The RECORD as it was.
        changed: New bytes of members by name.
    """
    text = old.decode("utf-8", "surrogateescape")
    ending = "\r\n" if "\r\n" in text else "\n"
    out = io.StringIO()
    writer = csv.writer(out, lineterminator=ending)
    seen = set()
    for line in text.splitlines():
        fields = next(csv.reader([line]), [])
        if not fields:
            continue
        seen.add(fields[0])
        if fields[0] in changed:
            writer.writerow(row(fields[0], changed[fields[0]]))
        else:
            out.write(line + ending)
    for name in sorted(set(changed) - seen):
        writer.writerow(row(name, changed[name]))
    return out.getvalue().encode("utf-8", "surrogateescape")


def with_tag(wheel: bytes, tag: str) -> bytes:
    """Return a WHEEL file whose tags are those of a file name's compressed tag, each on a line of its own."""
    lines = wheel.decode("utf-8", "surrogateescape").splitlines(keepends=True)
    at = next((i for i, line in enumerate(lines) if line.lower().startswith("tag:")), len(lines))
    ending = "\r\n" if lines and lines[0].endswith("\r\n") else "\n"
    kept = [line for line in lines if not line.lower().startswith("tag:")]
    tags = [f"Tag: {each}{ending}" for each in sorted(map(str, parse_tag(tag)))]
    return "".join([*kept[:at], *tags, *kept[at:]]).encode("utf-8", "surrogateescape")


def renamed_file(name: str, platform: str) -> str:
    """Return a wheel's file name with another platform tag.

    Raises:
        packaging.utils.InvalidWheelFilename: It is no wheel's name.
    """
    parse_wheel_filename(name)
    return "-".join((*name.removesuffix(".whl").split("-")[:-1], platform)) + ".whl"


def full_tag(name: str, platform: str) -> str:
    """Return the compressed tag of a wheel's file name with another platform: ``cp312-abi3-macosx_13_0_arm64``."""
    return "-".join(renamed_file(name, platform).removesuffix(".whl").split("-")[-3:])
