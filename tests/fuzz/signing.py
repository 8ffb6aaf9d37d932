"""Signatures, and programs the kernel starts or refuses."""

from __future__ import annotations

import json
import plistlib
import random
import struct
from functools import cache

from machochain.kernel.blob import validate
from machochain.macho.cms import signed_digest_fits
from machochain.macho.signature import parse_signature, verify_pages
from machochain.model.reading import BytesSource
from machochain.model.version import Version
from machochain.report.inspection import _plain
from tests.factory.macho import (
    MachO,
    executable,
    fat,
)
from tests.fuzz import mutators
from tests.graph.test_launching import foreign_cms
from tests.kernel.asking import AS, INTEL, ROSETTA, ask
from tests.macho.test_signature import blob, der, directory, pair, superblob


def signatures() -> list[bytes]:
    code = bytes(9000)
    entitlements = plistlib.dumps({"com.apple.security.cs.allow-dyld-environment-variables": True, "list": ["a", 1]})
    inner = der(0x02, b"\x01") + der(0xB0, pair("a", der(0x01, b"\xff")) + pair("b", der(0x30, der(0x0C, b"c"))))
    return [
        superblob({0: directory(code), 0x1000: directory(code, hash_type=4), 5: blob(0xFADE7171, entitlements)}),
        superblob({0: directory(code, page_shift=0), 7: blob(0xFADE7172, der(0x70, inner))}),
        superblob({0: directory(code), 0x10000: blob(0xFADE0B01, b"cms" * 20)}),
    ]


def mutate_signature(data: bytes, chance: random.Random) -> bytes:
    """Change the content of one blob by what it is, and put the blobs together anew; else bytes."""
    count = int.from_bytes(data[8:12], "big")
    if chance.random() < 0.4 or not 0 < count < 20 or len(data) < 12 + 8 * count:
        return mutators.blind(data, chance)
    blobs: dict[int, bytes] = {}
    for number in range(count):
        slot, start = struct.unpack_from(">II", data, 12 + 8 * number)
        blobs[slot] = data[start : start + int.from_bytes(data[start + 4 : start + 8], "big")]
    slot = chance.choice(list(blobs))
    magic, content = int.from_bytes(blobs[slot][:4], "big"), blobs[slot][8:]
    changed = mutators.values(content, chance) if content.startswith(b"<?xml") else mutators.blind(content, chance)
    blobs[chance.choice((slot, slot, slot, 0, 5, 7, 0x1000, 0x10000))] = blob(magic, changed)
    return mutators.bounded(superblob(blobs))


def read_codesign(data: bytes) -> None:
    signature = parse_signature(data)
    json.dumps(_plain(dict(signature.entitlements)), allow_nan=False)
    verify_pages(BytesSource(bytes(9000)).read, signature)
    _ = signature.flag_names, signature.hardened, signature.cdhash


@cache
def programs() -> list[bytes]:
    """Programs the kernel starts, thin and universal, signed in every way."""
    made = [
        MachO(file_type=2, arch=arch, signed=True, cs_flags=flags, team_id=team, cms=cms).bytes()
        for arch in ("arm64", "x86_64")
        for flags, team, cms in ((2, None, None), (0x10000, "AAAA", foreign_cms()))
    ]
    return [*made, fat(made[::2]), fat([executable(arch="arm64e"), made[0]]), fat(made[::2], fat64=True)]


def start(data: bytes) -> None:
    """Start a file on every Mac and release at which the kernel's answers change; a verdict keeps to its own terms."""
    for mac in (AS, INTEL, ROSETTA):
        for macos in ("11", "12.3", "14", "26", "28"):
            for pages in (True, None, False):
                found = ask(data, mac, macos, pages=pages)
                stopped = found.starts is not True
                assert stopped == bool(found.why) == (found.rule is not None), found
                assert (found.shell_text is None) == (found.starts is not False), found
                assert not (found.errno and found.signal), found


def validate_signature(data: bytes) -> None:
    """Ask the kernel's own checks and the CMS reader about any bytes."""
    for macos in ("11", "13", "14", "26"):
        for shift in (12, 14):
            validate(data, Version.parse(macos), shift)
    signed_digest_fits(data, data)
