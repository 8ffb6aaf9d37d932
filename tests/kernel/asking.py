"""Asks the kernel about bytes, by the readers the commands use."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from attrs import frozen

from machochain.graph.starting import program_of, read_slice_signature, state_of
from machochain.kernel.failure import LoadReturn
from machochain.kernel.file import Program
from machochain.kernel.policy import SignatureState
from machochain.kernel.verdict import Start, first_choice, judge
from machochain.macho.reader import read_source, slice_reader
from machochain.model.errors import InputError
from machochain.model.execution import ExecOutcome, ExecVerdict, Host, Launcher
from machochain.model.reading import BytesSource
from machochain.model.version import Version
from tests.factory import MachO, executable, raw_command

RELEASES = ("11", "12", "12.3", "13", "14", "15", "15.4", "26")
AS, INTEL, ROSETTA = "apple silicon", "intel", "rosetta"


def ask(
    data: bytes,
    mac: str = AS,
    macos: str = "26",
    *,
    launcher: Launcher = Launcher.SHELL,
    installed: bool | None = None,
    pages: bool | None = True,
    profile: bool | None = False,
    mode: int | None = None,
    arch: str | None = None,
) -> ExecVerdict:
    """What becomes of a file that a shell on a Mac starts; ``rosetta``: the Intel slice is asked for."""
    host = Host.INTEL if mac == INTEL else Host.APPLE_SILICON
    release = Version.parse(macos)
    installed = True if mac == ROSETTA else installed
    start = Start(host, release, launcher, installed)
    try:
        source = BytesSource(data)
        file = read_source(source)
    except InputError:
        return judge(Program(data[:0x4000], len(data), (), mode), None, start, SignatureState())
    program = program_of(file)
    program = Program(program.first, program.size, program.pieces, mode)
    wanted = "x86_64" if mac == ROSETTA else arch
    if wanted is not None:
        piece = next((p for p in program.pieces if p.arch.name == wanted), None)
    else:
        piece = first_choice(program, host)
        if piece is None and not file.universal:
            piece = program.pieces[0]
    state = SignatureState()
    for each in file.slices:
        if piece is not None and each.offset == piece.offset and each.image is not None:
            found = read_slice_signature(each.image, slice_reader(source, each), each.size, pages=pages)
            state = state_of(found, release, profile)
    return judge(program, piece, start, state)


def short(found: ExecVerdict) -> str:
    """``D``, ``E86``, ``K88``, ``S8`` (EXEC), ``SC1`` (CODESIGNING), ``P`` or ``?``: the table's own words."""
    if found.outcome is ExecOutcome.DYLD:
        return "D"
    if found.outcome is ExecOutcome.UNKNOWN:
        return "?"
    if found.outcome is ExecOutcome.INVALID_PAGE:
        return "P"
    if found.outcome is ExecOutcome.REFUSED:
        return f"E{found.errno}"
    if found.outcome is ExecOutcome.NOT_LOADED:
        number = found.errno
        if number is None and found.spawn_text is not None:
            number = int(found.spawn_text.split()[2])
        return f"K{LoadReturn(number).value}"
    assert found.reason is not None
    return f"S{'C' if found.reason.namespace.name == 'CODESIGNING' else ''}{found.reason.code}"


def outcome(data: bytes, mac: str = AS, macos: str = "26", **more: Any) -> str:
    return short(ask(data, mac, macos, **more))


@frozen
class Case:
    """A file and what becomes of it, on each of the three ways to run it; a mapping tells releases apart."""

    data: Callable[[], bytes]
    silicon: str | dict[str, str] | None = None
    intel: str | dict[str, str] | None = None
    rosetta: str | dict[str, str] | None = None

    def expected(self, mac: str, macos: str) -> str | None:
        """The outcome on a release: of the latest entry that is not newer."""
        said = {AS: self.silicon, INTEL: self.intel, ROSETTA: self.rosetta}[mac]
        if said is None or isinstance(said, str):
            return said
        fits = [v for since, v in said.items() if Version.parse(since) <= Version.parse(macos)]
        return fits[-1]


def edited(data: bytes, command: int, offset: int, value: bytes, *, nth: int = 0) -> bytes:
    """A file with bytes of one of its load commands replaced; the signature keeps the hashes of before."""
    count = int.from_bytes(data[16:20], "little")
    at, seen = 32, 0
    for _ in range(count):
        number, size = struct.unpack_from("<II", data, at)
        if number == command:
            if seen == nth:
                return data[: at + offset] + value + data[at + offset + len(value) :]
            seen += 1
        at += size
    raise AssertionError(f"no command {command:#x}")


def with_command(raw: bytes, **more: Any) -> bytes:
    return executable(extra=(raw,), **more)


def unixthread(arch: str, *, pc: int | None = None, flavor: int | None = None, words: int | None = None) -> bytes:
    known, count, register = (6, 68, 32) if arch == "arm64" else (4, 42, 16)
    state = bytearray(count * 4)
    struct.pack_into("<Q", state, register * 8, 0x1_0000_0000 if pc is None else pc)
    head = struct.pack("<II", flavor or known, words or count)
    return raw_command(0x5, head + bytes(state[: (words or count) * 4]))


def both(make: Callable[[str], bytes]) -> tuple[bytes, bytes]:
    return make("arm64"), make("x86_64")


__all__ = ["AS", "INTEL", "RELEASES", "ROSETTA", "Case", "MachO", "ask", "both", "edited", "outcome", "short"]
