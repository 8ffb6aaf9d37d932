"""Changes of Mach-O files, universal files and static archives by those who know where things lie."""

from __future__ import annotations

import random
import re
import struct
from collections.abc import Callable, Sequence

from tests.fuzz.mutators import NUMBERS, WIDE, Mutator, blind, bounded, text

_DYLD_INFO = (0x22, 0x80000022)
_LINKEDIT_DATA = (0x1D, 0x1E, 0x26, 0x29, 0x2B, 0x2E, 0x80000033, 0x80000034)
_KINDS = (*range(0x3A), *(0x80000000 | x for x in (0x18, 0x1C, 0x1F, 0x22, 0x23, 0x28, 0x33, 0x34, 0x35)))


def macho(donors: Callable[[], Sequence[bytes]]) -> Mutator:
    """Return what changes one slice: its header, fields of load commands, what these point to, their order.

    Args:
        donors: Files whose load commands are put into others.
    """

    def mutate(data: bytes, chance: random.Random) -> bytes:
        start = chance.choice(slice_starts(data))
        if chance.random() < 0.15 or len(data) < start + 32:
            return blind(data, chance)
        changed = bytearray(data)
        for _ in range(chance.choice((1, 1, 2, 3, 6))):
            commands = command_places(changed, start)
            match chance.randrange(8):
                case 0 | 1 | 2 if tables := table_places(changed, start, commands):
                    _table(changed, *chance.choice(tables), chance)
                case 3 if commands:
                    _splice(changed, start, commands, chance.choice(donors()), chance)
                case 4 if chance.random() < 0.5:
                    changed[(field := start + 4 * chance.randrange(8)) : field + 4] = _u32(chance.choice(NUMBERS))
                case _ if commands:
                    _command(changed, commands, chance)
                case _:
                    changed[(field := start + 4 * chance.randrange(8)) : field + 4] = _u32(chance.choice(NUMBERS))
        return bounded(bytes(changed))

    return mutate


def _command(changed: bytearray, commands: list[tuple[int, int]], chance: random.Random) -> None:
    """Change a load command in its place."""
    at, size = chance.choice(commands)
    other, other_size = chance.choice(commands)
    match chance.randrange(7):
        case 0:
            changed[at : at + 4] = _u32(chance.choice(_KINDS))
        case 1:
            changed[at + 4 : at + 8] = _u32(chance.choice((*NUMBERS, size - 8, size + 8, size - 1)))
        case 2:
            _number(changed, at + 8, size - 8, chance)
        case 3:
            where = at + 8 + 8 * chance.randrange(max(1, (size - 8) // 8))
            changed[where : where + 8] = struct.pack("<Q", chance.choice(WIDE))
        case 4:
            changed[at : at + size], changed[other : other + other_size] = (
                changed[other : other + other_size],
                changed[at : at + size],
            )
        case 5:
            changed[at : at + min(size, other_size)] = changed[other : other + min(size, other_size)]
        case _:
            # A name: what stands behind the last field, up to the end of the command.
            where = at + chance.choice((12, 24, 28))
            word = chance.choice(_NAMES)[: max(0, at + size - where)]
            changed[where : where + len(word)] = word


_NAMES = (
    b"@rpath/libx.dylib\0",
    b"@loader_path/../x\0",
    b"@executable_path\0",
    b"@rpath\0",
    b"@loader_path\0",
    b"\0",
    b"/\0",
    b"/usr/lib/libSystem.B.dylib\0",
    b"/usr/lib/libz.1.dylib\0",
    b"../x\0",
    b"@rpath/../../x\0",
    b"\xff\xfe\0",
    b"\x1b[2J\0",
    b"@rpath/@rpath/x\0",
    b"/a/b.framework/Versions/A/b\0",
    b"b.framework/b\0",
    b"@\0",
    b"/usr/lib/../lib/libz.1.dylib\0",
    b"DYLD_LIBRARY_PATH=/a:/b\0",
    b"DYLD_FALLBACK_LIBRARY_PATH=\0",
    b"DYLD_IMAGE_SUFFIX=_debug\0",
    b"a" * 400,
)


def _number(changed: bytearray, start: int, size: int, chance: random.Random) -> None:
    """Change a 32-bit number."""
    where = start + 4 * chance.randrange(max(1, size // 4))
    old = int.from_bytes(changed[where : where + 4], "little")
    near = old + chance.choice((-4096, -8, -4, -1, 1, 4, 8, 4096))
    number = chance.choice((*NUMBERS, near, near, near, near, len(changed) - 1, len(changed)))
    changed[where : where + 4] = (number & 0xFFFFFFFF).to_bytes(4, "big") if chance.random() < 0.1 else _u32(number)


def _splice(
    changed: bytearray, start: int, commands: list[tuple[int, int]], donor: bytes, chance: random.Random
) -> None:
    """Put a load command of another file before one of these; those behind it move into the padding."""
    given = command_places(donor, chance.choice(slice_starts(donor)))
    if not given:
        return
    taken, length = chance.choice(given)
    at = chance.choice(commands)[0]
    end = commands[-1][0] + commands[-1][1]
    changed[at : end + length] = donor[taken : taken + length] + changed[at:end]
    count, total = struct.unpack_from("<II", changed, start + 16)
    struct.pack_into("<II", changed, start + 16, (count + 1) & 0xFFFFFFFF, (total + length) & 0xFFFFFFFF)


def _table(changed: bytearray, at: int, size: int, chance: random.Random) -> None:
    """Change what a load command points to: opcodes, a trie, numbers of a table, a signature's blobs."""
    where = (
        at + min(int(chance.expovariate(1 / 64)), size - 1) if chance.random() < 0.6 else at + chance.randrange(size)
    )
    match chance.randrange(8):
        case 0:
            changed[where] = chance.choice((*range(0, 256, 16), 1, 2, 0x12, 0x3F, 0x7F, 0x81))
        case 1:
            changed[where] ^= 1 << chance.randrange(8)
        case 2 | 3:
            _number(changed, at + (where - at & ~3), min(4, size), chance)
        case 4:
            order = chance.choice(("<", ">"))
            changed[where : where + 4] = struct.pack(
                f"{order}I", chance.choice((*NUMBERS, size, size - 1, size - 4)) & 0xFFFFFFFF
            )
        case 5:
            # Numbers in base 128: too long, or with a value over 64 bits.
            number = chance.choice((b"\x80", b"\xff")) * chance.choice((1, 4, 9, 10, 30)) + b"\x01"
            changed[where : where + len(number)] = number
        case 6:
            # Child nodes are told by their offsets: a copy leads back to where its original leads.
            other = at + chance.randrange(size)
            length = chance.choice((1, 2, 4, 12, 16, 64))
            changed[where : where + length] = changed[other : other + length]
        case _:
            length = chance.choice((1, 4, 16, 100))
            changed[where : where + length] = bytes([chance.choice((0, 0, 0xFF, 0x41))]) * length


def fat(donors: Callable[[], Sequence[bytes]]) -> Mutator:
    """Return what changes the fat header's numbers, puts a universal file into another, or changes one slice."""
    inner = macho(donors)

    def mutate(data: bytes, chance: random.Random) -> bytes:
        if chance.random() < 0.4:
            return inner(data, chance)
        changed = bytearray(data)
        for _ in range(chance.choice((1, 1, 2, 4))):
            if chance.random() < 0.1:
                where = chance.choice(slice_starts(bytes(changed)))
                changed[where : where + 64] = data[:64]
            at = 4 * chance.randrange(17)
            number = chance.choice((*NUMBERS, len(data), len(data) - 1, 0x01000007, 0x0100000C, 0x80000002))
            changed[at : at + 4] = number.to_bytes(4, "big")
        return bounded(bytes(changed))

    return mutate


def slice_starts(data: bytes) -> Sequence[int]:
    """Where slices begin."""
    if data[:4] not in (b"\xca\xfe\xba\xbe", b"\xca\xfe\xba\xbf"):
        return (0,)
    wide = data[3] == 0xBF
    step, place = (32, ">8xQ") if wide else (20, ">8xI")
    count = min(int.from_bytes(data[4:8], "big"), 8)
    found = [struct.unpack_from(place, data, 8 + step * i)[0] for i in range(count) if 8 + step * i + step <= len(data)]
    return [x for x in found if x < len(data)] or (0,)


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


def table_places(data: bytes | bytearray, start: int, commands: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Offset and size of everything that load commands point to: tables of __LINKEDIT, and sections."""
    found: list[tuple[int, int]] = []
    for at, size in commands:
        kind, fields = int.from_bytes(data[at : at + 4], "little"), bytes(data[at + 8 : at + size])
        if kind in _DYLD_INFO and size >= 48:
            numbers = struct.unpack_from("<10I", fields)
            found += zip(numbers[::2], numbers[1::2], strict=True)
        elif kind in _LINKEDIT_DATA and size >= 16:
            found.append(struct.unpack_from("<II", fields))
        elif kind == 2 and size >= 24:
            symbols, count, strings, length = struct.unpack_from("<4I", fields)
            found += [(symbols, 16 * count), (strings, length)]
        elif kind == 0x19 and size >= 72:
            for section in range(min((size - 72) // 80, 20)):
                length, offset = struct.unpack_from("<QI", fields, 64 + 80 * section + 40)
                found.append((offset, length))
    end = len(data)
    return [(start + x, min(n, end - start - x)) for x, n in found if n and x and start + x < end]


def ar(data: bytes, chance: random.Random) -> bytes:
    """Change the fields of members' headers, and what archives of other makers have there; else lines or bytes."""
    headers = [end.start() - 58 for end in re.finditer(b"`\n", data) if end.start() >= 66]
    if not headers or chance.random() < 0.4:
        return text(data, chance) if chance.random() < 0.5 else blind(data, chance)
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4))):
        at = chance.choice(headers)
        match chance.randrange(5):
            case 0:
                size = chance.choice(
                    (b"0", b"-1", b"9999999999", b"1e3", b"0x10", b"", b"1 2", b"\xb2", b"%d" % len(data))
                )
                changed[at + 48 : at + 58] = size.ljust(10)
            case 1:
                old = (
                    int(bytes(changed[at + 48 : at + 58]).strip() or b"0", 10)
                    if changed[at + 48 : at + 58].strip().isdigit()
                    else 0
                )
                changed[at + 48 : at + 58] = b"%-10d" % max(0, old + chance.choice((-60, -2, -1, 1, 2, 60)))
            case 2:
                name = chance.choice(
                    (
                        b"#1/20",
                        b"#1/0",
                        b"#1/-1",
                        b"#1/9999999999",
                        b"//",
                        b"/",
                        b"/0",
                        b"/99999",
                        b"/SYM64/",
                        b"__.PKGDEF",
                        b"_go_.o",
                        b"__.SYMDEF SORTED",
                        b"",
                        b"a\0b",
                        b"\xff.o",
                        b"/-1",
                        b"#1/",
                        b"#1/x",
                    )
                )
                changed[at : at + 16] = name.ljust(16)[:16]
            case 3:
                other = chance.choice(headers)
                changed[at : at + 60] = changed[other : other + 60]
            case _:
                other = chance.choice(headers)
                changed[at:at] = changed[other : other + chance.choice((60, 200, 2000))]
                break
    return bounded(bytes(changed))


def _u32(number: int) -> bytes:
    return struct.pack("<I", number & 0xFFFFFFFF)
