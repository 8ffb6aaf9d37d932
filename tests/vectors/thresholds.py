"""Threshold vectors: one defect in one file, over platforms and SDK versions."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from machochain.dyld.config import process_config
from machochain.dyld.profile import profile_of_tag
from machochain.graph.driver import walk
from machochain.graph.mac import Mac
from machochain.graph.walked import image_of
from machochain.model.errors import InputError
from machochain.world.memory import MemoryFileSystem
from tests.factory import MachO, Section, raw_command
from tests.vectors.macs import System
from tests.vectors.reading import Vector

DEFECTS: Final = Path(__file__).parent / "threshold-defects.json"
_LIBRARY: Final = "/t/lib"
_MAIN: Final = "/app/main"
_DYLIB_FLAGS: Final = 0x80100085
_FIRST_REASON: Final = re.compile(r"Reason: tried: '[^']*' \((.*?)\)(?:, '|$)", re.DOTALL)


@cache
def defects() -> Mapping[str, Mapping[str, Any]]:
    """Return the arguments of `MachO` by which each defect is made."""
    found: Mapping[str, Mapping[str, Any]] = json.loads(DEFECTS.read_text(encoding="utf-8"))["defects"]
    return found


def _arguments(defect: str, *, dylib: bool) -> dict[str, Any]:
    given = dict(defects()[defect])
    if "sections" in given:
        given["sections"] = [Section(segment, name, bytes(size)) for segment, name, size in given["sections"]]
    if "xextra" in given:
        given["extra"] = [raw_command(cmd, bytes.fromhex(payload)) for cmd, payload in given.pop("xextra")]
    if dylib and "flags" in given:
        given["flags"] = _DYLIB_FLAGS
    return given


def threshold_texts(vector: Vector, sdk: str) -> str | None:
    """Return what dyld says of the vector's file built with an SDK; ``OK`` where it says nothing."""
    dylib = vector["file"] == "dylib"
    common: dict[str, Any] = {
        "arch": vector["arch"], "minos": "11.0", "platform": vector["platform"], "sdk": sdk, "signed": False,
    }  # fmt: skip
    broken = _arguments(vector["defect"], dylib=dylib)
    tree: dict[str, bytes | str | None] = {}
    if dylib:
        tree[_LIBRARY] = MachO(install_name=_LIBRARY, **{**common, **broken}).bytes()
        tree[_MAIN] = MachO(loads=[_LIBRARY], **common).bytes()
    else:
        tree[_MAIN] = MachO(**{**common, **broken}).bytes()
    libraries: dict[str, list[str]] = {
        "/usr/lib/libSystem.B.dylib": [],
        "/usr/lib/libz.1.dylib": [],
        "/usr/lib/system/libdyld.dylib": [],
    }
    mac = Mac(MemoryFileSystem(tree), System.of({"os": libraries}))
    node = mac.look(_MAIN)
    file = mac.read(node)
    assert not isinstance(file, InputError)
    main = image_of(node, file.slices[0], 0)
    assert main.image is not None
    profile = profile_of_tag(vector["dyld"])
    config = process_config(profile, profile.since, main.image, main.path)
    message = walk(mac, main, config, complete=False).message
    if message is None:
        return "OK"
    reason = _FIRST_REASON.search(message)
    if reason is None:
        return message if dylib else message.rpartition("\n")[2]
    return reason[1] if f"Library not loaded: {_LIBRARY}" in message else "OK"
