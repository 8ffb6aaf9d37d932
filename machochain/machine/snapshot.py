"""A recorded Mac: outputs of commands, variables, files and listings, as they were; nothing in it is judged."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from machochain.model.errors import InputError
from machochain.model.value import define, field, frozen

SCHEMA: Final = "machochain.snapshot/1"
LARGEST: Final = 8 << 20
"""Bytes of a whole snapshot."""
LARGEST_OUTPUT: Final = 256 << 10
LARGEST_TEXT: Final = 64 << 10
MOST_NAMES: Final = 5000
SECONDS: Final = 10
DEEPEST: Final = 50
KINDS: Final = ("file", "directory", "link", "absent")


@frozen
class Recorded:
    """What one command printed.

    Attributes:
        argv: The command.
        rc: Its exit code; None if it could not be started or took too long.
        stdout: Its output.
        stderr: Its errors.
        timed_out: Whether it took too long.
        truncated: Whether the output was cut.
    """

    argv: tuple[str, ...]
    rc: int | None
    stdout: str = ""
    stderr: str = ""
    timed_out: bool = False
    truncated: bool = False


@frozen
class RecordedFile:
    """A file or directory.

    Attributes:
        kind: ``file``, ``directory``, ``link`` or ``absent``.
        size: In bytes; None if it was not asked.
        target: Of a link.
        text: Its text, if it was wanted.
    """

    kind: str
    size: int | None = None
    target: str | None = None
    text: str | None = None


@define
class Snapshot:
    """A recorded Mac.

    Attributes:
        taken: When, UTC, ``2026-11-26T14:00:00Z``; ``""`` if it does not say.
        collector: Who recorded it.
        redacted: Whether names of user and host were taken out.
        commands: By id.
        environment: Variables that may be told.
        dyld_seen: Whether ``DYLD_`` variables could be seen: a shell of macOS never sees them.
        files: By path.
        listings: Names in directories: (name, kind, size, target).
        more: Keys nobody knows, kept as they are.
    """

    taken: str = ""
    collector: Mapping[str, Any] = field(factory=dict)
    redacted: bool = False
    commands: dict[str, Recorded] = field(factory=dict)
    environment: dict[str, str] = field(factory=dict)
    dyld_seen: bool = False
    files: dict[str, RecordedFile] = field(factory=dict)
    listings: dict[str, tuple[tuple[str, str, int | None, str | None], ...]] = field(factory=dict)
    more: dict[str, Any] = field(factory=dict)


def document(snapshot: Snapshot) -> dict[str, Any]:
    """Return the snapshot as JSON has it."""
    return {
        **snapshot.more,
        "schema": SCHEMA,
        "taken": snapshot.taken,
        "collector": dict(snapshot.collector),
        "redacted": snapshot.redacted,
        "commands": {
            name: {
                "argv": list(c.argv), "rc": c.rc, "timed_out": c.timed_out, "stdout": c.stdout, "stderr": c.stderr,
                "truncated": c.truncated,
            }
            for name, c in snapshot.commands.items()
        },
        "environment": dict(snapshot.environment),
        "environment_seen": {"dyld": snapshot.dyld_seen},
        "files": {
            path: {
                "kind": f.kind, "size": f.size, "target": f.target, **({} if f.text is None else {"text": f.text}),
            }
            for path, f in snapshot.files.items()
        },
        "listings": {path: [list(entry) for entry in entries] for path, entries in snapshot.listings.items()},
    }  # fmt: skip


def cut(snapshot: Snapshot, limit: int = LARGEST) -> None:
    """Keep a snapshot within its size: the largest listings and texts go first, and the snapshot says so.

    A listing that is gone is one that nobody took: what it would have named is unknown, and never absent.
    """
    parts: list[tuple[int, dict[str, Any], str]] = [
        *(
            (sum(len(entry[0]) for entry in names), snapshot.listings, path)
            for path, names in snapshot.listings.items()
        ),
        *((len(file.text), snapshot.files, path) for path, file in snapshot.files.items() if file.text is not None),
        *((len(c.stdout) + len(c.stderr), snapshot.commands, name) for name, c in snapshot.commands.items()),
    ]
    size = sum(each for each, _, _ in parts)
    for each, where, key in sorted(parts, key=lambda part: part[0], reverse=True):
        if size <= limit:
            return
        size -= each
        del where[key]
        snapshot.more["truncated"] = True


def is_snapshot(head: bytes) -> bool:
    """Whether a file begins like a snapshot."""
    return re.match(rb'\s*\{(?:.{0,4096})"machochain\.snapshot/', head, re.DOTALL) is not None


def parse(text: str, path: str) -> Snapshot:
    """Read a snapshot.

    Raises:
        InputError: It is none, or of another version.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"not a snapshot: {error}", path=path) from None
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        found = data.get("schema") if isinstance(data, dict) else None
        raise InputError(f"not a snapshot of {SCHEMA}" + (f", but {found!r}" if found else ""), path=path)
    if _deeper(data, DEEPEST):
        raise InputError("not a snapshot: nested deeper than any", path=path)
    seen = _table(data.get("environment_seen"))
    known = {
        "schema", "taken", "collector", "redacted", "commands", "environment", "environment_seen", "files", "listings",
    }  # fmt: skip
    return Snapshot(
        _text(data.get("taken")),
        _table(data.get("collector")),
        data.get("redacted") is True,
        {str(k): _recorded(v) for k, v in _table(data.get("commands")).items() if isinstance(v, dict)},
        {str(k): _text(v) for k, v in _table(data.get("environment")).items()},
        seen.get("dyld") is True,
        {str(k): _file(v) for k, v in _table(data.get("files")).items() if _has_kind(v)},
        {
            str(k): tuple(_entry(e) for e in v if isinstance(e, list) and e)
            for k, v in _table(data.get("listings")).items()
            if isinstance(v, list)
        },
        {str(k): v for k, v in data.items() if k not in known},
    )  # fmt: skip


def _deeper(data: Any, most: int) -> bool:
    """Whether lists and tables are nested deeper: keys nobody knows are kept as they are."""
    level: list[Any] = [data]
    for _ in range(most):
        level = [v for each in level for v in (each.values() if isinstance(each, dict) else each)
                 if isinstance(v, dict | list)]  # fmt: skip
        if not level:
            return False
    return True


def _table(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _recorded(value: dict[str, Any]) -> Recorded:
    argv = value.get("argv")
    return Recorded(
        tuple(map(str, argv)) if isinstance(argv, list) else (),
        _whole(value.get("rc")),
        _text(value.get("stdout")),
        _text(value.get("stderr")),
        value.get("timed_out") is True,
        value.get("truncated") is True,
    )


def _has_kind(value: object) -> bool:
    """Whether it says what lies there: what is of no known kind is not known, least of all to be absent."""
    return isinstance(value, dict) and value.get("kind") in KINDS


def _file(value: dict[str, Any]) -> RecordedFile:
    target, text = value.get("target"), value.get("text")
    return RecordedFile(
        _text(value.get("kind")), _whole(value.get("size")), target if isinstance(target, str) else None,
        text if isinstance(text, str) else None,
    )  # fmt: skip


def _entry(value: list[Any]) -> tuple[str, str, int | None, str | None]:
    name, kind, size, target = (*value, None, None, None)[:4]
    return _text(name), _text(kind), _whole(size), target if isinstance(target, str) else None


def redact(snapshot: Snapshot, *, home: str, user: str, host: str) -> Snapshot:
    """Return a snapshot without the names of a home directory, a user and a host."""
    pairs = [(home, "~"), (user, "user"), (host, "host"), (host.partition(".")[0], "host")]
    words = [(re.compile(rf"(?<![\w.]){re.escape(old)}(?![\w.])") if old.isalnum() else re.compile(re.escape(old)), new)
             for old, new in pairs if len(old) > 1]  # fmt: skip

    def clean(value: Any) -> Any:
        if isinstance(value, str):
            for pattern, new in words:
                value = pattern.sub(new, value)
            return value
        if isinstance(value, list):
            return [clean(v) for v in value]
        if isinstance(value, dict):
            return {clean(k): clean(v) for k, v in value.items()}
        return value

    data = clean(document(snapshot))
    data["redacted"] = True
    return parse(json.dumps(data), "snapshot")
