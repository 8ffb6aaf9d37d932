"""Processes that trigger the rules about the kernel, and near misses."""

from __future__ import annotations

import struct
from typing import Any, Final

from machochain.model.arch import CPU_ARM64, Arch
from machochain.model.execution import Host
from machochain.model.result import Severity
from machochain.model.signature import SignatureFlag
from tests.factory import build_version, fat, load, raw_command
from tests.findings.audited import plist
from tests.findings.scenes import RPATH, TOOL, Scene, exe, lib, with_lib
from tests.kernel.signing import blob, directory, superblob

INFO, WARNING, ERROR = Severity.INFO, Severity.WARNING, Severity.ERROR
_RUNTIME: Final = int(SignatureFlag.RUNTIME) | 2
_FOO: Final = "@rpath/libfoo.dylib"
_HARDENED: Final = exe(_FOO, rpaths=[RPATH], cs_flags=_RUNTIME)
_TEAM: Final = exe(_FOO, rpaths=[RPATH], cs_flags=int(SignatureFlag.RUNTIME), team_id="AAAA", cms=b"x")
_NO_VALIDATION: Final = plist(**{"com.apple.security.cs.disable-library-validation": True})
_SILICON: Final[dict[str, Any]] = {"host": Host.APPLE_SILICON}
_FLAGS: Final = 0x85
"""MH_NOUNDEFS, MH_DYLDLINK and MH_TWOLEVEL, but not MH_PIE."""
_ENCRYPTED: Final = raw_command(0x2C, struct.pack("<4I", 0, 0x1000, 1, 0))
_PLAIN: Final = raw_command(0x2C, struct.pack("<4I", 0, 0, 0, 0))
_TWO_VERSIONS: Final = (build_version(1, "12.0", "15.0"), build_version(6, "15.0", "15.0"))


def _alone(program: bytes, macos: str = "26", **options: Any) -> Scene:
    return Scene({TOOL: program}, macos=macos, options=options)


def _claiming(key: str, **more: Any) -> bytes:
    return exe(entitlements=plist(**{key: True}), **more)


_BY_TEAM: Final = _claiming("keychain-access-groups", team_id="AAAA", cms=b"x", cs_flags=0)


def _static() -> bytes:
    data = exe(arch="x86_64", signed=False, flags=1, entry="unixthread")
    at = 32
    while data[at] != 0xE:
        at += int.from_bytes(data[at + 4 : at + 8], "little")
    return data[:at] + b"\x7f" + data[at + 1 :]


def _constrained() -> bytes:
    """A program whose signature sets a constraint on the program itself: longer than the factory's signature."""
    data = exe()
    body = bytearray(data[: data.index(b"\xfa\xde\x0c\xc0")])
    room, at = 0x1000, 32
    for _ in range(int.from_bytes(body[16:20], "little")):
        number, size = struct.unpack_from("<II", body, at)
        if number == 0x1D:
            body[at + 12 : at + 16] = struct.pack("<I", room)
        if number == 0x19 and body[at + 8 : at + 18] == b"__LINKEDIT":
            offset = int.from_bytes(body[at + 40 : at + 48], "little")
            body[at + 32 : at + 40] = struct.pack("<Q", 0x8000)
            body[at + 48 : at + 56] = struct.pack("<Q", len(body) + room - offset)
        at += size
    constraint = blob(0xFADE8181, b"{}\0\0")
    return bytes(body) + superblob([(0, directory(bytes(body), limit=len(body))), (8, constraint)]).ljust(room, b"\0")


TRIGGERS: Final[dict[str, list[tuple[Scene, Severity]]]] = {
    "MC521": [
        (with_lib(_HARDENED), ERROR),
        (with_lib(_TEAM, lib(team_id="BBBB", cms=b"x")), ERROR),
        (with_lib(_HARDENED, macos="11"), ERROR),
        (with_lib(exe(load(_FOO, weak=True), rpaths=[RPATH], cs_flags=_RUNTIME)), WARNING),
    ],
    "MC801": [(_alone(fat([lib(), exe(arch="x86_64")]), **_SILICON), ERROR)],
    "MC802": [
        (_alone(exe(), host=Host.INTEL), ERROR),
        (_alone(exe(arch=Arch.of(CPU_ARM64, 7))), ERROR),
        (_alone(fat([exe()], archs=[Arch.of(CPU_ARM64, 1)])), ERROR),
    ],
    "MC803": [
        (_alone(fat([exe()], fat64=True)), ERROR),
        (_alone(fat([exe(arch="x86_64")], fat64=True)), ERROR),
    ],
    "MC804": [(_alone(exe(build=_TWO_VERSIONS)), ERROR), (_alone(exe(build=_TWO_VERSIONS), "11"), ERROR)],
    "MC805": [(_alone(exe(flags=_FLAGS)), ERROR)],
    "MC806": [
        (_alone(exe(tweak={"__PAGEZERO": {"vmsize": 0x4000}})), ERROR),
        (_alone(exe(tweak={"__DATA": {"flags": 0x10}, "__LINKEDIT": {"flags": 0x10}}), "14"), ERROR),
    ],
    "MC807": [(_alone(exe(extra=(_ENCRYPTED,))), ERROR)],
    "MC808": [
        (_alone(_claiming("com.apple.private.tcc.allow")), ERROR),
        (_alone(_BY_TEAM), WARNING),
    ],
    "MC809": [(_alone(_constrained(), "13"), ERROR)],
    "MC810": [
        (_alone(exe(arch="x86_64")), INFO),
        (_alone(exe(arch="x86_64"), rosetta=False, **_SILICON), ERROR),
        (_alone(fat([exe(), exe(arch="x86_64")]), arch="x86_64", **_SILICON), INFO),
    ],
    "MC811": [(_alone(exe(platform=2)), ERROR)],
    "MC812": [(_alone(_static(), **_SILICON), WARNING)],
}

NEAR_MISSES: Final[dict[str, list[Scene]]] = {
    "MC521": [
        with_lib(_TEAM, lib(team_id="AAAA", cms=b"x")),
        with_lib(exe(_FOO, rpaths=[RPATH], cs_flags=_RUNTIME, entitlements=_NO_VALIDATION)),
        with_lib(exe(_FOO, rpaths=[RPATH])),
    ],
    "MC801": [_alone(fat([exe(), lib(arch="x86_64")]), **_SILICON)],
    "MC802": [_alone(exe(arch=Arch.of(CPU_ARM64, 1))), _alone(fat([exe(), exe(arch="x86_64")]), host=Host.INTEL)],
    "MC803": [_alone(fat([exe(), exe(arch="x86_64")])), with_lib(exe(_FOO, rpaths=[RPATH]), fat([lib()], fat64=True))],
    "MC804": [
        _alone(exe(build=_TWO_VERSIONS[:1])),
        with_lib(exe(_FOO, rpaths=[RPATH]), lib(build=_TWO_VERSIONS)),
    ],
    "MC805": [_alone(exe(arch="x86_64", flags=_FLAGS))],
    "MC806": [
        _alone(exe(arch="x86_64", tweak={"__PAGEZERO": {"vmsize": 0x4000}})),
        _alone(exe(tweak={"__DATA": {"flags": 0x10}, "__LINKEDIT": {"flags": 0x10}}), "13"),
    ],
    "MC807": [_alone(exe(extra=(_PLAIN,)))],
    "MC808": [
        _alone(_claiming("com.apple.security.network.client")),
        Scene(
            {
                "/app/T.app/Contents/MacOS/t": _claiming(
                    "keychain-access-groups", team_id="AAAA", cms=b"x", cs_flags=0
                ),
                "/app/T.app/Contents/embedded.provisionprofile": b"x",
            },
            at="/app/T.app/Contents/MacOS/t",
        ),
    ],
    "MC809": [_alone(_constrained(), "12")],
    "MC810": [_alone(exe()), _alone(fat([exe(), exe(arch="x86_64")]))],
    "MC811": [_alone(exe(platform=6))],
    "MC812": [_alone(_static())],
}
