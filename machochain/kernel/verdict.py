"""The whole answer: what becomes of a program that somebody starts."""

from __future__ import annotations

from typing import Final

from machochain.kernel import words
from machochain.kernel.failure import (
    BAD_MACHO,
    EBADARCH,
    FAIRPLAY,
    INVALID_PAGE,
    UPX,
    Failure,
    LoadReturn,
    refused,
)
from machochain.kernel.file import Piece, Program, check_fat, check_file, check_piece, check_place, choose, no_slice
from machochain.kernel.load import Context, Loaded, ends_with_upx_report, load
from machochain.kernel.policy import SignatureState, first_pages, security
from machochain.kernel.releases import FIRST_WITHOUT_INTEL, FIRST_WITHOUT_ROSETTA
from machochain.model.execution import (
    Cause,
    Certainty,
    ExecOutcome,
    ExecRule,
    ExecVerdict,
    ExitReason,
    Host,
    Launcher,
    RosettaNeed,
)
from machochain.model.paths import leaf, printable
from machochain.model.value import evolve, frozen
from machochain.model.version import Version

_PAGE: Final = {True: 0x1000, False: 0x4000}


@frozen
class Start:
    """How a program is started.

    Attributes:
        host: The Mac's processor.
        macos: The release.
        launcher: Who starts it.
        rosetta: Whether Rosetta is installed; None where nobody knows.
        name: What the user types, for the words a shell prints.
    """

    host: Host
    macos: Version
    launcher: Launcher = Launcher.SHELL
    rosetta: bool | None = None
    name: str = "./x"


def default_host(arch_is_x86_64: bool, macos: Version) -> Host:
    """Return the Mac a slice is meant for: Intel up to the last release that has one."""
    return Host.INTEL if arch_is_x86_64 and macos < FIRST_WITHOUT_INTEL else Host.APPLE_SILICON


def first_choice(program: Program, host: Host) -> Piece | None:
    """Return the slice this Mac starts if nobody asks for another; x86_64 ones where nothing else runs (Rosetta)."""
    best = choose(program.pieces, host)
    if best is None and host is Host.APPLE_SILICON:
        return next((p for p in program.pieces if p.arch.is_x86_64), None)
    return best


def judge(program: Program, piece: Piece | None, start: Start, signature: SignatureState) -> ExecVerdict:
    """Return what the kernel does.

    Args:
        program: The file.
        piece: The slice that is started: the kernel's choice, or the one that was asked for (``arch -x86_64``); None
            if it has none for this Mac.
        start: The Mac and the launcher.
        signature: The signature of the slice, and what of it was held against the file.
    """
    translated = piece is not None and start.host is Host.APPLE_SILICON and piece.arch.is_x86_64
    blank = ExecVerdict(
        ExecOutcome.DYLD,
        start.host,
        piece.arch.name if piece is not None else None,
        translated=translated,
        launcher=start.launcher,
        rosetta=_rosetta(start.macos) if translated else None,
        program=start.name,
    )
    failure = _failure(program, piece, start, signature, translated=translated)
    return blank if failure is None else _verdict(blank, failure, start)


def killed_by_library(verdict: ExecVerdict, library: str, page: int) -> ExecVerdict:
    """Return how a process ends that maps a library with a page that has another hash."""
    name = printable(leaf(library))
    return evolve(
        verdict,
        outcome=ExecOutcome.INVALID_PAGE,
        rule=ExecRule.OTHER_PAGE,
        cause=Cause.CHANGED_PAGE,
        signal="SIGKILL",
        reason=INVALID_PAGE,
        certainty=Certainty.OBSERVED,
        why=f"{name} was changed after it was signed: page {page} has another hash",
        subject=library,
        shell_text=verdict.shell_text or words.killed_text(verdict.program),
        spawn_text=words.SPAWN_KILLED_LATER,
    )


def _failure(
    program: Program, piece: Piece | None, start: Start, signature: SignatureState, *, translated: bool
) -> Failure | None:
    failure = check_file(program) or check_fat(program, start.host, start.macos)
    if failure is not None:
        return failure
    if piece is None:
        return no_slice(program.pieces, start.host)
    failure = check_piece(program, piece, start.host, translated=translated)
    if failure is None and translated:
        failure = _without_rosetta(start)
    if failure is not None:
        return failure
    failure = check_place(program, piece)
    if failure is not None:
        return failure
    page = _PAGE[translated or start.host is Host.INTEL]
    loaded = load(
        piece.head,
        Context(start.macos, page, piece.offset, piece.size),
        lambda index, _at, _size: first_pages(signature, piece.arch, translated=translated, index=index),
    )
    if isinstance(loaded, Failure):
        return loaded
    return _behind_load(loaded, piece, start, signature, translated=translated)


def _behind_load(
    loaded: Loaded, piece: Piece, start: Start, signature: SignatureState, *, translated: bool
) -> Failure | None:
    failure = security(signature, piece.arch, loaded.platform, start.macos, translated=translated)
    if failure is not None and not failure.unknown:
        return failure
    if loaded.static and translated:
        why = "whether Rosetta runs a program without dyld (static) is not known; one such program failed"
        return Failure(ExecRule.STATIC_ROSETTA, Cause.STATIC_ROSETTA, LoadReturn.FAILURE, why, unknown=True)
    if failure is None and loaded.writable_code is not None and piece.arch.is_arm64:
        why = f"{loaded.writable_code} may be written and executed; when Apple silicon lets such code run is not known"
        return Failure(ExecRule.WRITABLE_CODE, Cause.SEGMENTS, LoadReturn.NOSPACE, why, unknown=True)
    return failure


def _without_rosetta(start: Start) -> Failure | None:
    if start.rosetta is False:
        why = "Apple silicon runs Intel code with Rosetta only, and it is not installed"
        return refused(ExecRule.ROSETTA_MISSING, Cause.NO_ROSETTA, EBADARCH, why, subject="Rosetta")
    if start.macos >= FIRST_WITHOUT_ROSETTA and start.rosetta is None:
        why = "Rosetta is announced to run only some older games from this macOS on"
        failure = refused(ExecRule.ROSETTA_MISSING, Cause.NO_ROSETTA, EBADARCH, why, subject="Rosetta")
        return evolve(failure, since=FIRST_WITHOUT_ROSETTA, certainty=Certainty.OBSERVED)
    return None


def _rosetta(macos: Version) -> RosettaNeed:
    if macos >= FIRST_WITHOUT_ROSETTA:
        return RosettaNeed.GONE
    return RosettaNeed.LAST_RELEASE if macos >= FIRST_WITHOUT_INTEL else RosettaNeed.NEEDED


def _verdict(blank: ExecVerdict, failure: Failure, start: Start) -> ExecVerdict:
    """Put a failure into the words and numbers of the launcher."""
    found = evolve(
        blank,
        rule=failure.rule,
        cause=failure.cause,
        certainty=failure.certainty,
        why=failure.why,
        since=failure.since,
        until=failure.until,
        command_index=failure.command_index,
        subject=failure.subject,
    )
    if failure.unknown:
        return evolve(found, outcome=ExecOutcome.UNKNOWN)
    ends, name = failure.ends, start.name
    if isinstance(ends, ExitReason):
        return evolve(
            found,
            outcome=ExecOutcome.INVALID_PAGE if failure.page else ExecOutcome.DENIED,
            signal="SIGKILL",
            reason=ends,
            shell_text=words.killed_text(name),
            spawn_text=words.SPAWN_KILLED_LATER if failure.page else words.SPAWN_KILLED,
        )
    if isinstance(ends, LoadReturn):
        shell = start.launcher is Launcher.SHELL
        reason = FAIRPLAY if ends is LoadReturn.DECRYPTFAIL else BAD_MACHO
        if ends_with_upx_report(failure):
            reason = UPX
        return evolve(
            found,
            outcome=ExecOutcome.NOT_LOADED,
            errno=None if shell else ends.value,
            signal="SIGKILL" if shell else None,
            reason=reason if shell else None,
            shell_text=words.killed_text(name),
            spawn_text=words.spawn_text(ends.value),
        )
    return evolve(
        found,
        outcome=ExecOutcome.REFUSED,
        errno=ends,
        shell_text=words.refused_text(ends, name),
        spawn_text=words.spawn_text(ends),
    )
