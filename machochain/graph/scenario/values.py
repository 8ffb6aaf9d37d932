"""What a comparison of launch contexts consists of."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from enum import Enum

from machochain.model.go import GoBinary
from machochain.model.launch import ROOTS, LaunchContext, Program, closed_root
from machochain.model.result import Load, LoadedImage, Outcome, Result
from machochain.model.search import Candidate
from machochain.model.value import frozen
from machochain.model.version import Version


class Verdict(Enum):
    """What the contexts say about one library together."""

    STABLE = "stable"
    DIFFERS = "differs"
    BROKEN = "broken"
    UNKNOWN = "unknown"


class Reason(Enum):
    """Why a library is not found everywhere, or why the answer cannot be trusted for long."""

    EXECUTABLE_RELATIVE = "executable-relative"
    CWD_RELATIVE = "cwd-relative"
    ENVIRONMENT = "environment"
    STALE_CACHE = "stale-cache"
    POLICY = "policy"
    ABSOLUTE_PREFIX = "absolute-prefix"
    MACOS = "macos"
    NO_RUN_PATH = "no-run-path"
    LINK_FLAGS = "link-flags"


@frozen
class Column:
    """One launch: a context on one release.

    Attributes:
        context: The context.
        macos: The release.
        result: What dyld does.
        cwd: The working directory of the process.
        lost: Environment variables that were lost on the way, in order.
        environment: What the process sees.
    """

    context: LaunchContext
    macos: Version
    result: Result
    cwd: str
    lost: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()


@frozen
class Cell:
    """One library in one column.

    Attributes:
        load: The load command that matters most there; None if nothing asks for the library.
        image: What serves it; None if nothing does.
        run_path: Text of the LC_RPATH that led to it; None if none did.
    """

    load: Load | None = None
    image: LoadedImage | None = None
    run_path: str | None = None

    @property
    def outcome(self) -> Outcome | None:
        """What became of it; None if nothing asks for the library."""
        return None if self.load is None else self.load.outcome

    @property
    def found(self) -> bool:
        """Whether something serves it."""
        return self.image is not None

    @property
    def failed(self) -> bool:
        """Whether it ends the launch."""
        return self.outcome is Outcome.MISSING

    @property
    def certain_by_place(self) -> bool:
        """Whether every path that was tried lies where only Go writes: a miss that needs no look at any disk."""
        if self.load is None or self.found or not self.load.tried:
            return False
        return all(closed_root(posixpath.normpath(a.candidate.path)) is not None for a in self.load.tried)


@frozen
class LibraryRow:
    """One load path in all columns.

    Attributes:
        name: The load path as written.
        weak: Whether every image that asks can do without.
        system: Whether it names a library of the OS.
        requesters: Leaf names of the images that ask, in load order.
        cells: One per column.
        verdict: What they say together.
        reasons: Why, the most telling first; empty where nothing needs one.
        remedy: Commands or steps.
    """

    name: str
    weak: bool
    system: bool
    requesters: tuple[str, ...]
    cells: tuple[Cell, ...]
    verdict: Verdict
    reasons: tuple[Reason, ...] = ()
    remedy: tuple[str, ...] = ()


@frozen
class Advice:
    """Something true of the contexts as such, whatever dyld does.

    Attributes:
        reason: What it is about.
        text: One sentence.
        remedy: Commands.
    """

    reason: Reason
    text: str
    remedy: tuple[str, ...] = ()


@frozen
class Skipped:
    """A context that was asked for and does not apply."""

    context: LaunchContext
    why: str


@frozen
class Matrix:
    """Libraries by contexts, for one slice of a program.

    Attributes:
        input: The file as the user named it.
        arch: The slice.
        program: What the contexts were made from.
        go: What Go left in it; None if Go did not make it.
        columns: Contexts in the order asked for, each on every release.
        rows: Libraries in the order dyld first asks for them.
        skipped: Contexts left out.
        advice: What else to know.
    """

    input: str
    arch: str
    program: Program
    go: GoBinary | None
    columns: tuple[Column, ...]
    rows: tuple[LibraryRow, ...]
    skipped: tuple[Skipped, ...] = ()
    advice: tuple[Advice, ...] = ()

    @property
    def launches(self) -> bool | None:
        """True if the program launches in every context, False if it fails in one, None if one is unknown or absent."""
        verdicts = {c.result.launches for c in self.columns}
        return False if False in verdicts else None if None in verdicts or not verdicts else True

    @property
    def launches_nowhere(self) -> bool:
        """Whether the program fails in every context."""
        return bool(self.columns) and all(c.result.launches is False for c in self.columns)

    def __repr__(self) -> str:
        return f"<Matrix {self.input!r} {self.arch}: {len(self.rows)} libraries in {len(self.columns)} contexts>"


def run_path_text(candidate: Candidate, result: Result) -> str | None:
    """Return the LC_RPATH a candidate comes from, as written; None if from none."""
    if candidate.image is None or candidate.run_path is None:
        return None
    owner = result.images[candidate.image].image
    return owner.run_paths[candidate.run_path].path if owner is not None else None


def tried_run_paths(row: LibraryRow, columns: Sequence[Column]) -> tuple[str, ...]:
    """Return the LC_RPATHs behind which the library was looked for in vain, each once, in order."""
    texts: dict[str, None] = {}
    for cell, column in zip(row.cells, columns, strict=True):
        for attempt in cell.load.tried if cell.load is not None else ():
            text = run_path_text(attempt.candidate, column.result)
            if text is not None:
                texts[text] = None
    return tuple(texts)


def shown_text(text: str) -> str:
    """Return a text with Go's made-up directories written as people know them: ``$WORK``, ``$GOCACHE``."""
    for root in ROOTS:
        if root.path in text:
            text = text.replace(f"{root.path}/00/{'0' * 64}-d", f"{root.shown}/xx/<hash>-d")
            text = text.replace(f"{root.path}/00/", f"{root.shown}/xx/").replace(root.path, root.shown)
    return text
