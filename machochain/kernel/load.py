"""Stages 3 to 5: header, load commands and segments (xnu ``bsd/kern/mach_loader.c``, ``parse_machfile``).

Four passes over all commands: versions; thread, uuid and signature; segments; entry, dylinker and encryption. A fault
ends the pass and the load.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Final

from machochain.kernel.failure import Failure, LoadReturn
from machochain.kernel.memory import Memory, SegmentFields
from machochain.kernel.releases import IGNORES_EMPTY_CRYPT
from machochain.model.arch import CPU_ARM64, CPU_X86_64
from machochain.model.execution import Cause, Certainty, ExecRule
from machochain.model.loadcommand import walk_commands
from machochain.model.reading import text
from machochain.model.value import evolve, frozen
from machochain.model.version import Version

DYLD: Final = "/usr/lib/dyld"

_LC_SEGMENT: Final = 0x1
_LC_UNIXTHREAD: Final = 0x5
_LC_LOAD_DYLINKER: Final = 0xE
_LC_SEGMENT_64: Final = 0x19
_LC_UUID: Final = 0x1B
_LC_CODE_SIGNATURE: Final = 0x1D
_LC_MAIN: Final = 0x80000028
_LC_BUILD_VERSION: Final = 0x32
_VERSION_MINS: Final = frozenset({0x24, 0x25, 0x2F, 0x30})
_ENCRYPTION: Final = frozenset({0x21, 0x2C})

_HEADER: Final = struct.Struct("<7I")
_SEGMENT: Final = struct.Struct("<16s8I")
_SEGMENT_64: Final = struct.Struct("<16s4Q4I")
_ONE: Final = struct.Struct("<I")
_TWO: Final = struct.Struct("<II")
_THREE: Final = struct.Struct("<3I")

_MH_DYLDLINK: Final = 0x4
_MH_PIE: Final = 0x200000
_U32: Final = 0xFFFFFFFF
_U64: Final = 0xFFFFFFFFFFFFFFFF
_INT_MAX: Final = 0x7FFFFFFF

Command = tuple[int, int, int]
"""Number, offset, size."""


@frozen
class Context:
    """The process the image would become.

    Attributes:
        macos: The release.
        page: Bytes of a page of its address map.
        slice_offset: Where the slice begins in the file, bytes.
        slice_size: Its length in bytes.
    """

    macos: Version
    page: int
    slice_offset: int
    slice_size: int


@frozen
class Loaded:
    """What a load that succeeds, or that stops, leaves for the checks behind it.

    Attributes:
        platform: The platform command's number; 0 without one.
        commands_size: Bytes of header and load commands.
        static: Whether dyld is not asked for.
        writable_code: Name of a segment that may be written and executed, or None.
    """

    platform: int = 0
    commands_size: int = 0
    static: bool = False
    writable_code: str | None = None


class _Stop(Exception):  # noqa: N818 - ends the load, as an error return does; never seen outside
    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.why)
        self.failure = failure


SignatureCheck = Callable[[int, int, int], Failure | None]
"""What to do at LC_CODE_SIGNATURE in pass 1: command index, offset and ``cmdsize`` of the command."""


def load(head: bytes, context: Context, signature: SignatureCheck | None = None) -> Failure | Loaded:
    """Load a main executable.

    Args:
        head: Header and load commands.
        context: The process.
        signature: Asked at each LC_CODE_SIGNATURE, where the first pages are held against their hashes.
    """
    run = _Load(head.ljust(32, b"\0"), context, signature)
    try:
        run.load()
    except _Stop as stop:
        failure = stop.failure
        if failure.ends is LoadReturn.BADMACHO and run.packed_by_upx:
            # LOAD_BADMACHO_UPX: the same number for posix_spawn, but with a crash report
            return _as_upx(failure)
        return failure
    return run.found()


def _as_upx(failure: Failure) -> Failure:
    return evolve(failure, why=f"{failure.why}, and UPX left its mark (a segment __XHDR)", subject="__XHDR")


def ends_with_upx_report(failure: Failure) -> bool:
    """Whether the kernel writes the crash report it has for UPX."""
    return failure.ends is LoadReturn.BADMACHO and failure.subject == "__XHDR"


class _Load:
    def __init__(self, head: bytes, context: Context, signature: SignatureCheck | None) -> None:
        self.head = head
        self.context = context
        self.signature = signature
        self.wide = head[:1] == b"\xcf"
        _, self.cputype, _, _, self.count, self.size, self.flags = _HEADER.unpack_from(head)
        self.header_size = 32 if self.wide else 28
        self.abi64 = bool(self.cputype & 0x01000000)
        self.commands: list[Command] = []
        self.memory = Memory(context.page, context.slice_offset, context.slice_size, context.macos)
        self.packed_by_upx = False
        self.platform = 0
        self.has_version = False
        self.has_entry = False
        self.uses_main = False
        self.entry_point = 0
        self.dylinker: tuple[int, Command] | None = None

    def found(self) -> Loaded:
        return Loaded(
            self.platform,
            self.header_size + self.size,
            static=self.dylinker is None,
            writable_code=self.memory.writable_code,
        )

    def stop(self, rule: ExecRule, cause: Cause, ends: LoadReturn, why: str, index: int | None = None) -> None:
        raise _Stop(Failure(rule, cause, ends, why, command_index=index))

    def malformed(self, rule: ExecRule, why: str, index: int | None = None) -> None:
        self.stop(rule, Cause.LOAD_COMMANDS, LoadReturn.BADMACHO, why, index)

    def load(self) -> None:
        self._header()
        for each in (self._versions, self._facts, self._segments, self._end):
            each()
            # each pass walks all commands and meets the one that cannot be walked at its place
        self._dylinker()
        self._page_zero()

    def _header(self) -> None:
        dynamic = bool(self.flags & _MH_DYLDLINK)
        if dynamic and self.cputype == CPU_ARM64 and not self.flags & _MH_PIE:
            why = "arm64 program that is not position-independent (no MH_PIE)"
            self.stop(ExecRule.NOT_PIE, Cause.NOT_MOVABLE, LoadReturn.FAILURE, why)
        if not dynamic and self.cputype != CPU_X86_64:
            why = "arm64 program without dyld (static, no MH_DYLDLINK)"
            self.stop(ExecRule.STATIC, Cause.NOT_MOVABLE, LoadReturn.FAILURE, why)
        end = self.header_size + self.size
        if end > self.context.slice_size or -(-end // self.context.page) * self.context.page > _INT_MAX:
            self.malformed(ExecRule.COMMANDS_BEHIND_END, "the load commands are longer than the file")
        self.commands = walk_commands(self.head, self.header_size, self.count, min(end, len(self.head)))

    def _walk(self) -> Iterator[tuple[int, Command]]:
        yield from enumerate(self.commands)
        if len(self.commands) < self.count:
            index = len(self.commands)
            why = f"load command #{index + 1} of {self.count} does not fit the load commands"
            self.malformed(ExecRule.COMMAND_SIZE, why, index)

    def _versions(self) -> None:
        """Pass 0."""
        for index, (number, at, size) in self._walk():
            if number in {_LC_SEGMENT, _LC_SEGMENT_64}:
                if size < (72 if number == _LC_SEGMENT_64 else 56):
                    self.malformed(ExecRule.COMMAND_SIZE, "a segment command is too short", index)
            elif number == _LC_BUILD_VERSION or number in _VERSION_MINS:
                if size < (24 if number == _LC_BUILD_VERSION else 16):
                    self.malformed(ExecRule.COMMAND_SIZE, "a version command is too short", index)
                if self.has_version:
                    why = "two version commands (LC_BUILD_VERSION, LC_VERSION_MIN_*) in a main executable"
                    self.malformed(ExecRule.TWO_VERSION_COMMANDS, why, index)
                self.has_version = True
                self.platform = self._platform(number, at)

    def _platform(self, number: int, at: int) -> int:
        if number == _LC_BUILD_VERSION:
            return int(_ONE.unpack_from(self.head, at + 8)[0])
        arm = {0x24: 1, 0x25: 2, 0x2F: 3, 0x30: 4}
        intel = {0x24: 1, 0x25: 7, 0x2F: 8, 0x30: 9}
        return (arm if self.cputype == CPU_ARM64 else intel)[number]

    def _facts(self) -> None:
        """Pass 1."""
        for index, (number, at, size) in self._walk():
            if number in {_LC_SEGMENT, _LC_SEGMENT_64}:
                self.packed_by_upx |= self.head[at + 8 : at + 24].rstrip(b"\0") == b"__XHDR"
            elif number == _LC_UNIXTHREAD:
                self._thread(index, at, size)
            elif number == _LC_MAIN:
                self._main(index, at, size)
            elif number == _LC_UUID:
                if size < 24:
                    self.malformed(ExecRule.COMMAND_SIZE, "LC_UUID is too short", index)
            elif number == _LC_CODE_SIGNATURE and self.signature is not None:
                failure = self.signature(index, at, size)
                if failure is not None:
                    raise _Stop(failure)

    def _main(self, index: int, at: int, size: int) -> None:
        if size < 24:
            self.malformed(ExecRule.COMMAND_SIZE, "LC_MAIN is too short", index)
        self._one_entry(index)
        (stack,) = struct.unpack_from("<Q", self.head, at + 16)
        if stack + 4 * self.context.page > _U64:
            self.malformed(ExecRule.STACK_SIZE, f"LC_MAIN asks for a stack of {stack:#x} bytes", index)
        if stack > self.memory.limit:
            why = f"LC_MAIN asks for a stack of {stack:#x} bytes"
            self.stop(ExecRule.STACK_SIZE, Cause.LOAD_COMMANDS, LoadReturn.NOSPACE, why, index)
        self.uses_main = self.has_entry = True

    def _one_entry(self, index: int) -> None:
        if self.has_entry:
            why = "more than one entry point (LC_MAIN, LC_UNIXTHREAD)"
            self.stop(ExecRule.TWO_ENTRIES, Cause.LOAD_COMMANDS, LoadReturn.FAILURE, why, index)

    def _thread(self, index: int, at: int, size: int) -> None:
        """``load_unixthread``: flavor, count and registers, one after the other."""
        self._one_entry(index)
        if size == 8:
            self.malformed(ExecRule.THREAD_STATE, "LC_UNIXTHREAD is empty", index)
        place, end = at + 8, at + size
        arm = self.cputype == CPU_ARM64
        while place < end:
            if place + 8 > end:
                self.malformed(ExecRule.THREAD_STATE, "LC_UNIXTHREAD is cut off", index)
            flavor, count = _TWO.unpack_from(self.head, place)
            if place + 8 + count * 4 > end:
                self.malformed(ExecRule.THREAD_STATE, "LC_UNIXTHREAD is cut off", index)
            # osfmk/arm64/status.c and osfmk/i386/bsd_i386.c: thread_userstack() and thread_entrypoint() both
            known = (flavor, count) == (6, 68) if arm else (flavor, count) in {(4, 42), (1, 16)} or flavor == 20
            if not known:
                why = f"LC_UNIXTHREAD has thread state {flavor} with {count} words"
                self.stop(ExecRule.THREAD_STATE, Cause.LOAD_COMMANDS, LoadReturn.FAILURE, why, index)
            if flavor in {4, 6}:
                (self.entry_point,) = struct.unpack_from("<Q", self.head, place + 8 + (32 if arm else 16) * 8)
            elif flavor == 1:
                (self.entry_point,) = _ONE.unpack_from(self.head, place + 8 + 10 * 4)
            place += 8 + count * 4
        self.has_entry = True

    def _segments(self) -> None:
        """Pass 2."""
        native = _LC_SEGMENT_64 if self.abi64 else _LC_SEGMENT
        for index, (number, at, size) in self._walk():
            if number not in {_LC_SEGMENT, _LC_SEGMENT_64}:
                continue
            if number != native:
                bits = 64 if self.abi64 else 32
                self.malformed(ExecRule.SEGMENT_KIND, f"a segment command of the wrong kind for {bits} bits", index)
            layout, first, step = (_SEGMENT_64, 72, 80) if number == _LC_SEGMENT_64 else (_SEGMENT, 56, 68)
            name, *fields = layout.unpack_from(self.head, at + 8)
            segment = SegmentFields(index, text(name.partition(b"\0")[0]), *fields)
            room = (size - first) // step
            failure = self.memory.add(segment, room)
            if failure is not None:
                raise _Stop(failure)

    def _end(self) -> None:
        """Pass 3."""
        if not self.uses_main and not self.memory.executes(self.entry_point):
            why = "its LC_UNIXTHREAD starts outside of code" if self.has_entry else "it has no entry point (LC_MAIN)"
            self.stop(ExecRule.NO_ENTRY, Cause.LOAD_COMMANDS, LoadReturn.FAILURE, why)
        if self.memory.header_segment is None:
            why = "no segment maps the start of the file, where the header is"
            self.stop(ExecRule.NO_HEADER_SEGMENT, Cause.SEGMENTS, LoadReturn.BADMACHO, why)
        for index, command in self._walk():
            if command[0] == _LC_LOAD_DYLINKER:
                if self.dylinker is not None:
                    why = "two LC_LOAD_DYLINKER commands"
                    self.stop(ExecRule.TWO_DYLINKERS, Cause.LOAD_COMMANDS, LoadReturn.FAILURE, why, index)
                self.dylinker = index, command
            elif command[0] in _ENCRYPTION:
                self._encryption(index, *command[1:])

    def _encryption(self, index: int, at: int, size: int) -> None:
        if size < 20:
            self.malformed(ExecRule.COMMAND_SIZE, "LC_ENCRYPTION_INFO is too short", index)
        offset, length, kind = _THREE.unpack_from(self.head, at + 8)
        if not kind:
            return
        if kind not in {1, 0x10}:
            self.malformed(ExecRule.ENCRYPTION, f"unknown kind of encryption {kind}", index)
        if not length and self.context.macos >= IGNORES_EMPTY_CRYPT:
            return
        if not self.memory.holds(offset, length):
            self.malformed(ExecRule.ENCRYPTION, "the encrypted range lies in no segment", index)
        if kind == 1:
            # FairPlay has the keys where the App Store put them, and there only
            why = "it is encrypted (FairPlay): only the Mac it was bought for has the key"
            raise _Stop(
                Failure(
                    ExecRule.ENCRYPTION, Cause.ENCRYPTED, LoadReturn.DECRYPTFAIL, why,
                    command_index=index, certainty=Certainty.OBSERVED,
                )
            )  # fmt: skip

    def _dylinker(self) -> None:
        needed = self.uses_main or bool(self.flags & _MH_DYLDLINK)
        if self.dylinker is None:
            if needed:
                why = "it asks for no dynamic linker (LC_LOAD_DYLINKER)"
                self.stop(ExecRule.NO_DYLINKER, Cause.LOAD_COMMANDS, LoadReturn.FAILURE, why)
            return
        index, (_, at, size) = self.dylinker
        (offset,) = _ONE.unpack_from(self.head.ljust(at + 12, b"\0"), at + 8)
        end = self.head.find(b"\0", at + offset, at + size) if size >= 12 and offset < size else -1
        if end < 0:
            self.malformed(ExecRule.OTHER_DYLINKER, "the name in LC_LOAD_DYLINKER does not end", index)
        name = text(self.head[at + offset : end])
        if name != DYLD:
            self.malformed(ExecRule.OTHER_DYLINKER, f"its dynamic linker is {name!r}, not {DYLD}", index)

    def _page_zero(self) -> None:
        """The end of ``load_machfile``: nothing may ever be mapped at the lowest addresses."""
        low = self.memory.lowest
        if low < 0x1000 and self.abi64:
            why = "it has no page zero: no inaccessible segment at address 0"
            self.stop(ExecRule.NO_PAGE_ZERO, Cause.SEGMENTS, LoadReturn.BADMACHO, why)
        if self.cputype == CPU_ARM64 and low < 1 << 32:
            why = f"its page zero ends at {low:#x}; arm64 needs one of 4 GiB"
            self.stop(ExecRule.SMALL_PAGE_ZERO, Cause.SEGMENTS, LoadReturn.BADMACHO, why)
