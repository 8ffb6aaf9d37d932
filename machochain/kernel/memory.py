"""Stage 5: the segments in a new address space (``load_segment``, ``map_segment``). Sections are never looked at.

Addresses are those of the file: the slide moves all segments of an image alike, and where it decides (a page zero that
ends within the slide's reach) the answer here is the one that holds for every slide.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

from machochain.kernel.failure import Failure, LoadReturn
from machochain.kernel.releases import ONE_READ_ONLY_SEGMENT
from machochain.model.execution import Cause, ExecRule
from machochain.model.paths import printable
from machochain.model.value import evolve, frozen
from machochain.model.version import Version

_SG_PROTECTED: Final = 0x8
_SG_READ_ONLY: Final = 0x10
_R_X: Final = 5
_U64: Final = 0xFFFFFFFFFFFFFFFF
_UNPROTECTED: Final = 3 * 4096
"""``APPLE_UNPROTECTED_HEADER_SIZE``."""
_MOST_SEGMENTS: Final = 4096
"""Real programs have ten. Of one with more nobody asks where they overlap."""
_LIMIT: Final = 0x7FFFFFE00000
"""``MACH_VM_MAX_ADDRESS`` of Intel; that of arm64 is 30 MiB lower."""


@frozen
class SegmentFields:
    """A segment command as it stands in the file."""

    command_index: int
    name: str
    vmaddr: int
    vmsize: int
    fileoff: int
    filesize: int
    maxprot: int
    initprot: int
    section_count: int
    flags: int


class Memory:
    """The address space of one process while its main executable is mapped.

    Attributes:
        lowest: The lowest address anything may have: the end of the page zero.
        limit: The end of the address space.
        header_segment: Name of the segment that maps the start of the file, or None.
        writable_code: Name of a segment that is both writable and executable, or None.
    """

    def __init__(self, page: int, slice_offset: int, slice_size: int, macos: Version) -> None:
        """Begin with nothing mapped."""
        self.lowest = 0
        self.limit = _LIMIT
        self.header_segment: str | None = None
        self.writable_code: str | None = None
        self._page = page
        self._slice_offset = slice_offset
        self._slice_size = slice_size
        self._one_read_only = macos >= ONE_READ_ONLY_SEGMENT
        self._read_only: str | None = None
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._executable: list[tuple[int, int, bool]] = []
        self._files: list[tuple[int, int]] = []

    def add(self, segment: SegmentFields, room: int) -> Failure | None:
        """Map a segment; return why the kernel does not.

        Args:
            segment: The command.
            room: How many sections its ``cmdsize`` has room for.
        """
        failure = self._map(segment, room)
        if failure is not None:
            return failure
        self._files.append((segment.fileoff, segment.fileoff + segment.filesize))
        if segment.fileoff == 0 and segment.filesize > 0:
            name = printable(segment.name)
            if self.header_segment is not None:
                why = f"two segments map the start of the file: {self.header_segment} and {name}"
                return self._bad(ExecRule.TWO_HEADER_SEGMENTS, segment, why)
            if segment.initprot & _R_X != _R_X:
                why = f"{name} holds the header but is not readable and executable"
                return self._bad(ExecRule.HEADER_NOT_EXECUTABLE, segment, why)
            self.header_segment = name
        return None

    def executes(self, address: int) -> bool:
        """Whether an entry point lies in code: the last segment around it decides (``result->validentry``)."""
        good = False
        for start, end, executable in self._executable:
            if start <= address < end and address:
                good = executable
        return good

    def holds(self, offset: int, length: int) -> bool:
        """Whether a range of the file lies in one segment."""
        return any(start <= offset and offset + length <= end for start, end in self._files)

    def _map(self, segment: SegmentFields, room: int) -> Failure | None:  # noqa: PLR0911  # one answer a case
        name = printable(segment.name)
        file_end = segment.fileoff + segment.filesize
        if file_end > _U64 or file_end > self._slice_size:
            return self._bad(ExecRule.SEGMENT_BEHIND_END, segment, f"{name} ends behind the end of the file")
        if room < segment.section_count:
            why = f"{name} claims {segment.section_count} sections, more than its command has room for"
            return self._bad(ExecRule.SECTION_COUNT, segment, why, Cause.LOAD_COMMANDS)
        offset = self._slice_offset + segment.fileoff
        if offset % self._page:
            why = f"{name} begins at {offset:#x} of the file, which is no multiple of {self._page // 1024} KiB"
            return self._bad(ExecRule.SEGMENT_ALIGNMENT, segment, why)
        if not segment.vmsize:
            return None
        if self._is_page_zero(segment):
            return self._raise_lowest(segment)
        start = segment.vmaddr // self._page * self._page
        end = self._round(segment.vmaddr + segment.vmsize)
        if segment.flags & _SG_READ_ONLY and self._one_read_only:
            if self._read_only is not None:
                why = f"two segments have the flag SG_READ_ONLY: {self._read_only} and {name}"
                return self._bad(ExecRule.TWO_READ_ONLY_SEGMENTS, segment, why, since=ONE_READ_ONLY_SEGMENT)
            self._read_only = name
        failure = self._place(segment, start, end)
        if failure is not None:
            return failure
        if segment.flags & _SG_PROTECTED and segment.filesize and self._round(file_end) > _UNPROTECTED:
            why = f"{name} is protected (SG_PROTECTED_VERSION_1), which only Apple's programs may be"
            return self._bad(ExecRule.PROTECTED_SEGMENT, segment, why, ends=LoadReturn.FAILURE)
        self._executable.append((segment.vmaddr, segment.vmaddr + segment.vmsize, segment.initprot & _R_X == _R_X))
        if segment.initprot & 6 == 6:
            self.writable_code = name
        return None

    @staticmethod
    def _is_page_zero(segment: SegmentFields) -> bool:
        return not (segment.vmaddr or segment.filesize or segment.initprot & 7 or segment.maxprot & 7)

    def _raise_lowest(self, segment: SegmentFields) -> Failure | None:
        """``vm_map_raise_min_offset``."""
        end = self._round(segment.vmsize)
        if end < self.lowest or end >= self.limit or (self._starts and self._starts[0] < end):
            why = f"the page zero {printable(segment.name)} comes after something else at these addresses"
            return self._bad(ExecRule.PAGE_ZERO_LATE, segment, why, ends=LoadReturn.FAILURE)
        self.lowest = end
        return None

    def _place(self, segment: SegmentFields, start: int, end: int) -> Failure | None:
        """Map file and zero fill at fixed addresses; what is there already, or below the lowest, ends it."""
        name = printable(segment.name)
        file_start = (self._slice_offset + segment.fileoff) // self._page * self._page
        length = self._round(self._slice_offset + segment.fileoff + segment.filesize) - file_start
        if not segment.filesize:
            length = 0
        end = max(end, start + length)
        if end > self.limit:
            why = f"{name} ends at {end:#x}, behind the address space"
            return self._bad(ExecRule.SEGMENT_ADDRESS, segment, why, ends=LoadReturn.NOSPACE)
        if start < self.lowest:
            why = f"{name} begins at {start:#x}, inside the page zero"
            return self._bad(ExecRule.SEGMENT_OVERLAP, segment, why, ends=LoadReturn.NOSPACE)
        if len(self._starts) >= _MOST_SEGMENTS:
            why = f"it has more than {_MOST_SEGMENTS} segments, and whether they overlap was not looked at"
            return evolve(self._bad(ExecRule.SEGMENT_OVERLAP, segment, why), unknown=True)
        at = bisect_left(self._starts, start)
        if (at < len(self._starts) and self._starts[at] < end) or (at and self._ends[at - 1] > start):
            why = f"{name} lies on the addresses of another segment"
            return self._bad(ExecRule.SEGMENT_OVERLAP, segment, why, ends=LoadReturn.NOSPACE)
        self._starts.insert(at, start)
        self._ends.insert(at, end)
        return None

    def _round(self, value: int) -> int:
        return -(-value // self._page) * self._page

    def _bad(
        self,
        rule: ExecRule,
        segment: SegmentFields,
        why: str,
        cause: Cause = Cause.SEGMENTS,
        *,
        ends: LoadReturn = LoadReturn.BADMACHO,
        since: Version | None = None,
    ) -> Failure:
        return Failure(rule, cause, ends, why, segment.command_index, segment.name, since)
