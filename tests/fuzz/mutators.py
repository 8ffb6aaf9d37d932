"""Changes that keep most of a file as it was: blind ones, and ones that know Mach-O files and lines of text."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Sequence

Mutator = Callable[[bytes, random.Random], bytes]

MOST = 1 << 17
"""Bytes of an input; larger ones teach nothing that smaller ones do not."""

NUMBERS = (
    0, 1, 2, 7, 8, 12, 16, 24, 28, 31, 32, 63, 64, 0x7F, 0x80, 0xFF, 0x100, 0xFFF, 0x1000, 0x3FFF, 0x4000, 0x7FFF,
    0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF0, 0xFFFFFFF8, 0xFFFFFFFC, 0xFFFFFFFE, 0xFFFFFFFF,
)  # fmt: skip
WIDE = (*NUMBERS, 1 << 32, 1 << 40, (1 << 63) - 1, 1 << 63, (1 << 64) - 0x1000, (1 << 64) - 1)
TOKENS = (
    b"", b" ", b"\t", b"\n", b"\r\n", b"\0", b"\xff\xfe", b"\xc3\x28", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"'", b'"',
    b"[", b"]", b"{", b"}", b"(", b")", b",", b":", b";", b"=", b"-", b"---\n", b"...\n", b"&a ", b"*a", b"!!binary ",
    b"<<: *a", b"null", b"true", b"-1", b"1e999", b"NaN", b"99999999999999999999", b"2024-02-30", b"@rpath/",
    b"@executable_path/../", b"../", b"/" * 64, b"${SRCDIR}", b"\x1b[2J", b"<script>", b"\\u0000", b"\\ud800", b"%s%n",
    b"Library not loaded: ", b"Referenced from: ", b"Reason: tried: '", b"' (no such file)", b"dyld[1]: ", b"$ld$hide$",
    b"[" * 200, b"{" * 200, b'{"a":' * 200, b"- " * 200, b"<dict>" * 200, b"<array>" * 200,
)  # fmt: skip


def bounded(data: bytes) -> bytes:
    return data[:MOST]


def blind(data: bytes, chance: random.Random) -> bytes:
    """Flip bits, overwrite numbers, cut, copy, fill."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8, 30))):
        if not changed:
            return b""
        at = chance.randrange(len(changed))
        match chance.randrange(7):
            case 0:
                changed[at] ^= 1 << chance.randrange(8)
            case 1:
                changed[at] = chance.randrange(256)
            case 2:
                width = chance.choice((2, 4, 8))
                order = chance.choice(("little", "big"))
                number = chance.choice(WIDE) & ((1 << 8 * width) - 1)
                changed[at : at + width] = number.to_bytes(width, "big" if order == "big" else "little")
            case 3:
                del changed[at : at + chance.choice((1, 2, 4, 8, 64, 1024))]
            case 4:
                other = chance.randrange(len(changed))
                changed[at:at] = changed[other : other + chance.choice((1, 4, 8, 64, 1024))]
            case 5:
                changed[at : at + chance.choice((4, 16, 256))] = bytes([chance.randrange(256)]) * chance.choice((4, 16))
            case _:
                if chance.random() < 0.3:
                    del changed[at:]
    return bounded(bytes(changed))


def text(data: bytes, chance: random.Random) -> bytes:
    """Move, double and cut lines; put tokens of the formats where they do not belong; now and then blindly."""
    if chance.random() < 0.25:
        return blind(data, chance)
    lines = data.splitlines(keepends=True) or [b""]
    for _ in range(chance.choice((1, 1, 2, 4, 10))):
        at = chance.randrange(len(lines))
        match chance.randrange(6):
            case 0:
                lines.insert(chance.randrange(len(lines) + 1), lines[at])
            case 1 if len(lines) > 1:
                del lines[at]
            case 2:
                other = chance.randrange(len(lines))
                lines[at], lines[other] = lines[other], lines[at]
            case 3:
                times = chance.choice((2, 10, 100))
                lines[at] = lines[at][: MOST // times] * times
            case 4:
                lines[at] = chance.choice((b" ", b"  ", b"\t", b"> ")) * chance.choice((1, 3, 40)) + lines[at]
            case _:
                where = chance.randrange(len(lines[at]) + 1)
                cut = where + chance.choice((0, 0, 1, 5, 100))
                lines[at] = lines[at][:where] + chance.choice(TOKENS) + lines[at][cut:]
    return bounded(b"".join(lines))


def macho(data: bytes, chance: random.Random) -> bytes:
    """Change the header and single fields of load commands of one slice, or move commands; else blindly."""
    start = chance.choice(slice_starts(data))
    if chance.random() < 0.2 or len(data) < start + 32:
        return blind(data, chance)
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 3, 6))):
        commands = command_places(changed, start)
        if not commands or chance.random() < 0.15:
            changed[(field := start + 4 * chance.randrange(8)) : field + 4] = _u32(chance.choice(NUMBERS))
            continue
        at, size = chance.choice(commands)
        other, other_size = chance.choice(commands)
        match chance.randrange(6):
            case 0:
                changed[at : at + 4] = _u32(
                    chance.choice((*range(0x3A), 0x80000018, 0x8000001C, 0x80000033, 0x80000034))
                )
            case 1:
                changed[at + 4 : at + 8] = _u32(chance.choice((*NUMBERS, size - 8, size + 8, size - 1)))
            case 2:
                where = at + 8 + 4 * chance.randrange(max(1, (size - 8) // 4))
                old = int.from_bytes(changed[where : where + 4], "little")
                near = (old + chance.choice((-8, -4, -1, 1, 4, 8, 4096))) & 0xFFFFFFFF
                changed[where : where + 4] = _u32(chance.choice((*NUMBERS, near, len(data) - 1, len(data))))
            case 3:
                where = at + 8 + 8 * chance.randrange(max(1, (size - 8) // 8))
                changed[where : where + 8] = struct.pack("<Q", chance.choice(WIDE))
            case 4:
                changed[at : at + size], changed[other : other + other_size] = (
                    changed[other : other + other_size],
                    changed[at : at + size],
                )
            case _:
                changed[at : at + min(size, other_size)] = changed[other : other + min(size, other_size)]
    return bounded(bytes(changed))


def fat(data: bytes, chance: random.Random) -> bytes:
    """Change the fat header's numbers; else one slice."""
    if chance.random() < 0.4:
        return macho(data, chance)
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4))):
        at = 4 * chance.randrange(17)
        number = chance.choice((*NUMBERS, len(data), len(data) - 1, 0x01000007, 0x0100000C, 0x80000002))
        changed[at : at + 4] = number.to_bytes(4, "big")
    return bounded(bytes(changed))


def slice_starts(data: bytes) -> Sequence[int]:
    """Where slices begin."""
    if data[:4] not in (b"\xca\xfe\xba\xbe", b"\xca\xfe\xba\xbf"):
        return (0,)
    wide = data[3] == 0xBF
    step, place = (32, ">8xQ") if wide else (20, ">8xI")
    count = min(int.from_bytes(data[4:8], "big"), 8)
    found = [struct.unpack_from(place, data, 8 + step * i)[0] for i in range(count) if 8 + step * i + step <= len(data)]
    return found or (0,)


def command_places(data: bytes | bytearray, start: int) -> list[tuple[int, int]]:
    """Offset and size of each load command that lies where it says."""
    head = 32 if data[start : start + 1] == b"\xcf" else 28
    count = min(int.from_bytes(data[start + 16 : start + 20], "little"), 200)
    at, found = start + head, []
    for _ in range(count):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        if size < 8 or at + size > len(data):
            break
        found.append((at, size))
        at += size
    return found


def _u32(number: int) -> bytes:
    return struct.pack("<I", number & 0xFFFFFFFF)
