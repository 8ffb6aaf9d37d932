"""What was looked at, what is not known of it, and what was passed over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from enum import Enum

from machochain.model.result import Origin, Result, UnknownKind
from machochain.model.value import frozen


class PassedOverKind(Enum):
    """What was not looked at."""

    ARCHIVE = "archive"
    """An archive that was not opened: what is in it nobody knows."""
    FOREIGN = "foreign-format"
    """Code for another system."""
    MEMBER = "archive-member"
    """A part of a static library that cannot be read."""
    DAMAGED = "damaged-file"
    """A file that begins as a Mach-O file does, and whose headers cannot be read."""
    LINK = "link"
    """A symbolic link that leads out of what was given."""


@frozen
class PassedOver:
    """One thing that was not looked at.

    Attributes:
        path: What it is called.
        kind: What it is.
        reason: Why; one sentence without a full stop.
    """

    path: str
    kind: PassedOverKind
    reason: str


@frozen
class Coverage:
    """How much was looked at.

    Attributes:
        programs: Main executables whose headers were read; a program that a static library would make counts as one.
        libraries: Libraries and bundles whose headers were read; those of the OS do not count.
        processes: Processes that were modelled: of each input, slice and release one.
        unknown: How many of these nobody can say of whether they launch.
        reasons: Why, and of how many: the first reason of each.
        passed_over: What was not looked at.
    """

    programs: int
    libraries: int
    processes: int
    unknown: int
    reasons: tuple[tuple[UnknownKind, int], ...] = ()
    passed_over: tuple[PassedOver, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether everything was looked at and is known."""
        return not (self.unknown or self.passed_over)


def coverage_of(
    results: Iterable[Result],
    passed_over: Iterable[PassedOver] = (),
    files: Iterable[tuple[Hashable, bool]] | None = None,
) -> Coverage:
    """Count what was looked at.

    Args:
        results: The processes.
        passed_over: What was not looked at.
        files: Every file that was read, and whether it is a main executable; by default those of the processes.
    """
    processes = tuple(results)
    seen: dict[Hashable, bool] = dict(files if files is not None else _files(processes))
    seen.update((result.input, True) for result in processes if result.prediction is not None)
    open_ended = [result for result in processes if result.launches is None]
    reasons = Counter(result.unknowns[0].kind for result in open_ended if result.unknowns)
    programs = sum(seen.values())
    return Coverage(
        programs,
        len(seen) - programs,
        len(processes),
        len(open_ended),
        tuple(sorted(reasons.items(), key=lambda item: (-item[1], item[0].name))),
        tuple(passed_over),
    )


def _files(results: Iterable[Result]) -> Iterator[tuple[Hashable, bool]]:
    known: set[int] = set()
    for result in results:
        # Releases that come to the same walk share its images.
        if id(result.images) in known or result.prediction is not None:
            continue
        known.add(id(result.images))
        for image in result.images:
            if image.origin is Origin.DISK and image.image is not None:
                yield str(image.host or image.path), image.image.is_main_executable


def members_lost(results: Iterable[Result]) -> Iterator[PassedOver]:
    """Yield the members of static libraries that could not be read, each once."""
    told: set[tuple[str, str]] = set()
    for result in results:
        for fact in result.prediction.facts if result.prediction is not None else ():
            if (result.input, fact) not in told:
                told.add((result.input, fact))
                yield PassedOver(result.input, PassedOverKind.MEMBER, fact)
