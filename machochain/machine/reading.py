"""Reading recorded Macs from files."""

from __future__ import annotations

from pathlib import Path

from machochain.machine.ci import CiPolicy, parse_policy
from machochain.machine.script import START, read_framed
from machochain.machine.snapshot import LARGEST, Snapshot, is_snapshot, parse
from machochain.model.errors import InputError, UsageError
from machochain.source.disk import read_bytes


def read_snapshot(path: str) -> Snapshot:
    """Read a snapshot, or what the script printed.

    Raises:
        InputError: It cannot be read, or is neither.
    """
    data = read_bytes(path, 4 * LARGEST)
    if data is None:
        raise InputError(_no_snapshot(path), path=path)
    if data.lstrip()[:1] == b"{":
        return parse(data.decode("utf-8", "replace"), path)
    return read_framed(data, path)


def _no_snapshot(path: str) -> str:
    if Path(path).is_dir():
        return "is a folder, not a snapshot: `machochain snapshot` writes one; a module is given by --source"
    if not Path(path).exists():
        return "no such file or directory"
    return "cannot be read, or is larger than a snapshot may be"


def looks_recorded(path: str) -> bool:
    """Whether a file is a snapshot, or what the script printed."""
    data = read_bytes(path, 4 * LARGEST)
    return data is not None and (is_snapshot(data[:5000]) or START in data[:5000])


def read_policy(path: str) -> CiPolicy:
    """Read what a project declared for its pipelines.

    Raises:
        InputError: The file cannot be read.
        UsageError: It is not well written, or says nothing of pipelines.
    """
    data = read_bytes(path)
    if data is None:
        raise InputError("cannot be read", path=path)
    declared = parse_policy(data.decode("utf-8", "replace"), path)
    if declared is None:
        raise UsageError(f"{path}: has no table [machochain.ci]")
    return declared
