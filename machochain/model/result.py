"""What resolving one process yields: images in load order, loads with their outcome, the verdict, the findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any

from machochain.model.execution import ExecVerdict
from machochain.model.frozen import FrozenDict, frozen_dict
from machochain.model.image import FileType, Image, LinkedDylib
from machochain.model.location import Location
from machochain.model.paths import HostPath, TargetPath
from machochain.model.remedy import Remedy, Step, StepKind, mendable, steps
from machochain.model.search import Attempt, Candidate, Failure, FailureKind
from machochain.model.shell import file_word
from machochain.model.value import field, frozen
from machochain.model.version import Version

if TYPE_CHECKING:
    from machochain.model.host import PluginHost
    from machochain.model.prediction import Prediction


class Outcome(Enum):
    """What became of one load command."""

    LOADED = "loaded"
    ALREADY_LOADED = "already-loaded"
    WEAK_MISSING = "weak-missing"
    MISSING = "missing"
    UNKNOWN = "unknown"


class Origin(Enum):
    """Where an image comes from: a file that was read, or the operating system itself."""

    DISK = "disk"
    OS = "os"


class Severity(Enum):
    """How bad a finding is, in rising order."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"

    @property
    def rank(self) -> int:
        """0, 1, 2: for comparison."""
        return ("info", "warning", "error").index(self.value)


class Confidence(Enum):
    """Whether a finding follows from the bytes and dyld's source, or from facts that have gaps."""

    CERTAIN = "certain"
    LIKELY = "likely"


@frozen
class LoadedImage:
    """One image of the process.

    Attributes:
        id: Position in the order dyld loads; 0 is the main executable (or the library that was asked about).
        path: The recorded path: the real path of the file, or the canonical path of an OS library.
        origin: Read from disk, or taken from the OS.
        install_name: LC_ID_DYLIB; for an OS library its path.
        image: The header; None for an OS library of which only stubs are known.
        host: The file on this machine that was read, a copy of what lies in an archive or in memory; None for an OS
            library. Where that copy was is no part of what was found out: images that differ in it only are equal.
        slice_offset: Where the slice begins in that file, bytes.
        slice_size: How long it is, bytes.
        identity: (device, inode) style identity inside the model; None for an OS library.
        case_differs: Whether it was found only because the volume ignores case.
    """

    id: int
    path: TargetPath
    origin: Origin
    install_name: str | None = None
    image: Image | None = None
    host: HostPath | None = field(default=None, eq=False)
    slice_offset: int = 0
    slice_size: int = 0
    identity: tuple[int, int] | None = field(default=None, eq=False)
    case_differs: bool = False

    def __repr__(self) -> str:
        return f"<LoadedImage {self.id} {self.path!r} from {self.origin.value}>"

    @property
    def file_type(self) -> int:
        """The header's file type; a library of the OS is a dylib."""
        return self.image.file_type if self.image is not None else FileType.MH_DYLIB


@frozen
class Load:
    """One load command of one image and what became of it.

    Attributes:
        source: Id of the image that asks.
        dylib: The load command.
        to: Id of the image that serves it; None if none does.
        outcome: What happened.
        found: The path that served, with its rule; None if nothing did, or an image loaded before
            answered by its name before any path was tried.
        tried: Every path that failed before, in dyld's order.
        failure: Why the library is missing, with dyld's words; None if it is not, or if dyld has no words.
        inserted: Whether DYLD_INSERT_LIBRARIES asked, not a load command.
    """

    source: int
    dylib: LinkedDylib
    to: int | None
    outcome: Outcome
    found: Candidate | None = None
    tried: tuple[Attempt, ...] = ()
    failure: Failure | None = None
    inserted: bool = False

    def __repr__(self) -> str:
        return f"<Load {self.dylib.name!r} by image {self.source}: {self.outcome.value}>"

    @property
    def reason(self) -> str | None:
        """What dyld prints after ``Reason: `` if the library is missing, else None."""
        return self.failure.text if self.failure is not None else None

    @property
    def failure_kind(self) -> FailureKind | None:
        """Why the library is missing; None if it is not, or if dyld has no words."""
        return self.failure.kind if self.failure is not None else None


class Lookup(Enum):
    """Where a symbol was looked for."""

    LIBRARY = "one library"
    FLAT = "flat namespace"
    WEAK = "weak"
    ABSENT_LIBRARY = "a library that is absent"
    BAD_ORDINAL = "no library at all"
    TABLE = "a table that cannot be read"


@frozen
class MissingSymbol:
    """A symbol nobody provides.

    Attributes:
        symbol: The Mach-O name, leading underscore included.
        source: Id of the image that imports it.
        expected_in: Path of the library it is bound to; None if that library is absent, or if it is bound to none.
        lazy: Bound at first call only: the launch does not fail.
        weak: A missing one becomes NULL.
        unknown: Why nobody can tell whether it is missing; None if it certainly is.
        ordinal: The library ordinal as written: 1-based over the linked dylibs, or one of the ``ORDINAL_`` constants.
        lookup: Where it was looked for.
        once: Whether the library is known to have had it before, where nobody can tell whether it still has.
        error: What dyld says of a table that cannot be read on the way; None if nothing is wrong with any.
        fatal: Whether it ends the launch although it is bound lazily or may be missing.
    """

    symbol: str
    source: int
    expected_in: str | None
    lazy: bool = False
    weak: bool = False
    unknown: str | None = None
    ordinal: int = 0
    lookup: Lookup = Lookup.LIBRARY
    once: bool = False
    error: str | None = None
    fatal: bool = False

    @property
    def place(self) -> str | None:
        """``expected_in``, or the kind of look-up where no single library was asked."""
        return self.lookup.value if self.lookup in PLACELESS else self.expected_in


PLACELESS = (Lookup.FLAT, Lookup.WEAK)
"""Where no single library is asked."""


class UnknownKind(Enum):
    """Why nobody can tell whether a process launches. Values are the sentences, with places for what they tell."""

    UNSEEN_PATH = "{0}: {1} may or may not exist"
    UNKNOWN_PROCESS = "{0}: depends on the process that loads {1}"
    EARLIER_PATH = "{1} comes before {2} for {0}, and nobody looked there"
    GIVEN_UP = "{0} paths were tried; the rest was not looked for"
    TOO_LONG = "{0} paths were tried, and their names are longer than any process needs; the rest was not looked for"
    SILENT = (
        "{0} is missing, but dyld of this release says nothing and goes on: "
        "the process ends at the first symbol that is bound to it"
    )
    VERSIONED_LIBRARY = "{0}: replaces {1} if its version {2} is greater than that of macOS's own"
    VERSIONED_FOLDER = "{0}: nobody can tell what a versioned path finds there"
    CUT_SHORT = "{0} is cut short: {1}; dyld does not look, what the kernel does is not known"
    SYMBOLS = "{0}, which {1} needs: {2}"
    NOT_LINKED = "{0}"
    LAZY_SYMBOL = "{0}, which {1} needs, is missing: RTLD_NOW does not open it, with RTLD_LAZY it fails when called"
    KERNEL = "{0}: {1}"
    LIBRARY_VALIDATION = "{0} is of another team than {1}, a program for debugging: it is not known if it may be mapped"


@frozen
class Unknown:
    """Something nobody can tell.

    Attributes:
        kind: What it is.
        values: What it is about, in the order of the kind's sentence: first the library, file or symbol.
    """

    kind: UnknownKind
    values: tuple[str, ...]

    @property
    def text(self) -> str:
        """One sentence."""
        return self.kind.value.format(*self.values)

    def __str__(self) -> str:
        """Return the sentence."""
        return self.text


@frozen
class Finding:
    """One thing worth telling. Fields as in the published schema.

    Attributes:
        image: Target path of the image.
        remedies: What to do about it.
        location: Where the image lies on this machine, so that remedies can name it; None if nobody knows.
    """

    rule: str
    name: str
    severity: Severity
    confidence: Confidence
    input: str
    arch: str
    image: str
    load_command: int | None
    subject: str
    message: str
    evidence: Mapping[str, Any] = field(factory=FrozenDict, converter=frozen_dict)
    remedies: tuple[Remedy, ...] = ()
    url: str = ""
    location: Location | None = None

    @property
    def steps(self) -> tuple[Step, ...]:
        """The remedies in words, for the file as its owner has it."""
        given = steps(self.remedies, self.location)
        if not mendable(self.remedies):
            return given
        what = file_word(self.image if self.location is None else self.location.whole)
        fix = f"machochain fix {what} -o fixed/ --only {self.rule}"
        return (*given, Step(StepKind.COMMAND, fix, also=True))

    @property
    def remedy(self) -> tuple[str, ...]:
        """The same, each step as one line."""
        return tuple(step.line for step in self.steps)

    def __repr__(self) -> str:
        return f"<Finding {self.rule} {self.name} {self.severity.value} in {self.image!r}: {self.subject!r}>"


@frozen
class Result:
    """One process: one slice of one input on one macOS.

    Attributes:
        input: Host path (or archive member) as the user named it.
        path: Where it lies on the modelled Mac.
        arch: The slice's architecture name.
        file_type: ``MH_EXECUTE`` and the like.
        macos: The modelled release.
        hardened: Whether dyld is restricted; None if that could not be known.
        launches: True, False, or None where evidence is missing.
        message: dyld's text without ``dyld[pid]:``; None if it launches, is unknown, or never gets as far as dyld.
        images: In the order dyld loads them.
        loads: In the order dyld asks for them.
        missing_symbols: Symbols nobody provides.
        symbols_checked: Whether symbols were looked at at all.
        findings: What the rules have to say.
        unknowns: Why ``launches`` is None.
        prediction: How the loads were found out, if the program would first have to be linked from an archive.
        host: The program the library or bundle is a plug-in of; None if it is none, or nothing told or needed it.
        execution: What the kernel does before dyld's turn; None where no program is started: for a library (unless it
            kills whoever maps it), or a program that is still to be linked.
        malformed: What is wrong with the universal file of a library or bundle that is opened, if dyld takes no slice
            of it for that, in the words of the newest; ``message`` has those of this release.
    """

    input: str
    path: TargetPath
    arch: str
    file_type: str
    macos: Version
    hardened: bool | None
    launches: bool | None
    message: str | None
    images: tuple[LoadedImage, ...]
    loads: tuple[Load, ...]
    missing_symbols: Sequence[MissingSymbol] = ()
    symbols_checked: bool = False
    findings: Sequence[Finding] = ()
    unknowns: tuple[Unknown, ...] = ()
    prediction: Prediction | None = None
    host: PluginHost | None = None
    execution: ExecVerdict | None = None
    malformed: str | None = None

    def __repr__(self) -> str:
        state = {True: "launches", False: "does not launch", None: "unknown"}[self.launches]
        return f"<Result {self.path!r} {self.arch} on macOS {self.macos}: {state}>"
