"""Macs that are folders: programs that print what those of a Mac print, files beside them, and both collectors.

Everything lies below one directory of this machine, whose name is taken out of what was recorded: what is left are the
paths of a Mac.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest import mock

from attrs import field, frozen

from machochain.machine import collect as collecting
from machochain.machine.asked import NOTHING, Asked
from machochain.machine.probes import LISTED
from machochain.machine.script import read_framed, script
from machochain.machine.snapshot import Snapshot, document, parse

TAKEN = "2026-11-26T12:00:00Z"
_TOOLS = ("cat", "env", "head", "ls", "mktemp", "printenv", "rm", "sed", "sh", "sleep", "sort", "tr", "wc")
_WHICH = 'for d in $(echo "$PATH" | tr : " "); do [ -x "$d/$1" ] && { echo "$d/$1"; exit 0; }; done; exit 1\n'


@frozen
class Said:
    """What a program prints for some arguments, and its exit code."""

    out: str = ""
    err: str = ""
    rc: int = 0


@frozen
class FakeMac:
    """A Mac.

    Attributes:
        programs: By path, what they print: by arguments, ``*`` for any others.
        files: Texts by path; a path that ends with a slash is a directory, ``-> target`` a link.
        environment: Variables of the shell.
    """

    programs: Mapping[str, Mapping[str, Said]]
    files: Mapping[str, str] = field(factory=dict)
    environment: Mapping[str, str] = field(factory=dict)

    def build(self, root: Path) -> None:
        """Make the folder."""
        for path, text in {"/usr/local/": "", "/tmp/": "", **self.files}.items():
            place = Path(f"{root}{path}")
            if path.endswith("/"):
                place.mkdir(parents=True, exist_ok=True)
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            if text.startswith("-> "):
                place.symlink_to(f"{root}{text[3:]}" if text[3:].startswith("/") else text[3:])
            else:
                place.write_text(text)
        tools = root / "usr/bin"
        tools.mkdir(parents=True, exist_ok=True)
        for name in _TOOLS:
            (tools / name).symlink_to(shutil.which(name) or name)
        _program(tools / "which", _WHICH)
        for path, said in self.programs.items():
            cases = []
            for number, (arguments, each) in enumerate(said.items()):
                kept = Path(f"{root}/said{path}.{number}")
                kept.parent.mkdir(parents=True, exist_ok=True)
                for end, text in (("out", each.out), ("err", each.err)):
                    Path(f"{kept}.{end}").write_text(re.sub(r"(?<![\w.@])/(?=[A-Za-z]+/)(?!dev/)", f"{root}/", text))
                pattern = "*" if arguments == "*" else f"'{arguments}'"
                cases.append(f"{pattern}) cat '{kept}.out'; cat '{kept}.err' >&2; exit {each.rc} ;;")
            _program(Path(f"{root}{path}"), 'case "$*" in\n' + "\n".join(cases) + "\n*) exit 64 ;;\nesac\n")

    def variables(self, root: Path) -> dict[str, str]:
        """Return the environment of a process on it."""
        search = ":".join(f"{root}{p}" for p in self.environment["PATH"].split(":"))
        named = {n: f"{root}{self.environment[n]}" for n in ("DEVELOPER_DIR", "SDKROOT") if n in self.environment}
        return {**self.environment, **named, "PATH": search, "TMPDIR": f"{root}/tmp"}

    def by_python(self, root: Path, asked: Asked = NOTHING) -> Snapshot:
        """Record it by Python."""
        listed = tuple(f"{root}{path}" for path in LISTED)
        with mock.patch.object(collecting, "LISTED", listed), mock.patch.object(collecting, "SECONDS", 60):
            found = collecting.collect(self.variables(root), asked=_placed(asked, root))
        return without(found, root)

    def by_script(self, root: Path, *dyld: str, shell: str = "sh", asked: Asked = NOTHING) -> bytes:
        """Record it by the script; return what that prints."""
        text = script(_placed(asked, root))
        for path in LISTED:
            text = text.replace(f'list "{path}"', f'list "{root}{path}"')
        program = shutil.which(shell) or shell
        done = subprocess.run(
            [program, "-s", "--", *dyld], input=text.encode(), env=self.variables(root), capture_output=True, check=True
        )
        return done.stdout


def _placed(asked: Asked, root: Path) -> Asked:
    return Asked(tuple(f"{root}{path}" for path in asked.directories), asked.packages)


def _program(place: Path, text: str) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.is_symlink():
        place.unlink()
    place.write_text(f"#!/bin/sh\n{text}")
    place.chmod(0o755)


def without(found: Snapshot, root: Path) -> Snapshot:
    """Return a snapshot with the paths of the Mac that a folder stands for, of one day."""
    text = json.dumps(document(found)).replace(str(root), "")
    data: dict[str, Any] = json.loads(text)
    data["taken"] = TAKEN
    data["collector"] = {**data["collector"], "version": "0"}
    data["environment_seen"] = {"dyld": data["collector"].get("shell") is not True or data["environment_seen"]["dyld"]}
    return parse(json.dumps(data), "snapshot")


def imported(framed: bytes, root: Path) -> Snapshot:
    """Read what the script printed on a Mac that a folder stands for."""
    return without(read_framed(framed, str(root)), root)


def reframed(framed: bytes, root: Path) -> bytes:
    """Return what the script printed with the paths of the Mac, counted anew."""

    def frame(match: re.Match[bytes]) -> bytes:
        start, first, second = match.end(), int(match[4]), int(match[5])
        out, err = framed[start : start + first], framed[start + first : start + first + second]
        out, err = (part.replace(os.fsencode(root), b"") for part in (out, err))
        return b"@@ %s %s %s %d %d\n%s%s\n" % (match[1], match[2], match[3], len(out), len(err), out, err)

    at, made = 0, []
    pattern = re.compile(rb"@@ (\w+) (\S+) (\d+) (\d+) (\d+)\n")
    while at < len(framed):
        match = pattern.match(framed, at)
        if match is None:
            end = framed.index(b"\n", at) + 1
            made.append(framed[at:end])
            at = end
            continue
        made.append(frame(match))
        at = match.end() + int(match[4]) + int(match[5]) + 1
    return b"".join(made)
