"""What a Mac printed, read back into facts.

`Evidence` holds only what stands in the text: a fact that is absent stays None. What is concluded from it (why a path
was tried, the cause, the remedy) is in `machochain.model.diagnosis`.
"""

from __future__ import annotations

from enum import Enum

from machochain.model.result import Confidence
from machochain.model.value import frozen
from machochain.model.version import Version


class EvidenceKind(Enum):
    """What a piece of text tells."""

    LIBRARY_MISSING = "library-missing"
    ARCHITECTURE = "architecture"
    SIGNATURE = "signature"
    COMPATIBILITY = "compatibility-version"
    RESTRICTED = "restricted"
    BAD_FILE = "bad-file"
    SYMBOL_MISSING = "symbol-missing"
    VALIDITY = "validity"
    TERMINATION = "termination"
    BUILD = "build"
    MESSAGE = "message"
    LOADS = "loads-log"
    SEARCHES = "searching-log"
    TRACE = "file-trace"

    @property
    def is_failure(self) -> bool:
        """Whether text of this kind alone shows that something failed. A trace of file calls never does."""
        return self not in {EvidenceKind.LOADS, EvidenceKind.SEARCHES, EvidenceKind.TRACE}


class Request(Enum):
    """Who asked dyld for the library."""

    LAUNCH = "launch"
    DLOPEN = "dlopen"
    INSERTED = "inserted"


class Era(Enum):
    """Which layout of messages a text follows. dyld2 and dyld3 word failures alike: both are ``DYLD2``."""

    DYLD2 = "dyld2"
    DYLD3_CLOSURE = "dyld3-closure"
    DYLD4_EARLY = "dyld4-early"
    DYLD4_QUOTED = "dyld4-quoted"
    DYLD4 = "dyld4"


@frozen
class Tried:
    """One path dyld says it tried.

    Attributes:
        path: As printed.
        reason: dyld's words inside the brackets; None if the text was cut before they ended.
        suffix: What stands after the bracket (``, not in dyld cache``), else ``""``.
    """

    path: str
    reason: str | None
    suffix: str = ""


@frozen
class Termination:
    """Why the kernel ended a process, from a crash report.

    Attributes:
        namespace: ``DYLD``, ``CODESIGNING``, ``SIGNAL``…
        code: The number; None if it was not printed.
        indicator: The words after it, e.g. ``Library missing``.
    """

    namespace: str
    code: int | None = None
    indicator: str | None = None


@frozen
class LoggedImage:
    """One line of DYLD_PRINT_LIBRARIES: the UUID (None if not printed) and the path."""

    uuid: str | None
    path: str


@frozen
class SearchStep:
    """One line of DYLD_PRINT_SEARCHING below its ``find path``.

    Attributes:
        what: ``run-path``, ``possible``, ``stat``, ``found``, ``not-found``, ``switch`` or ``note``.
        path: The path (or LC_RPATH text) of the line; None if it names none.
        detail: The type of a possible path, the owner of a run path, the result of a ``stat``, how it was found.
    """

    what: str
    path: str | None
    detail: str | None = None


@frozen
class PathSearch:
    """One search of DYLD_PRINT_SEARCHING.

    Attributes:
        library: The load path that was looked for.
        steps: The lines below it, in order.
        found: The path that served; None if none did or the log ends before.
        missing: Whether dyld said ``not found``.
    """

    library: str
    steps: tuple[SearchStep, ...] = ()
    found: str | None = None
    missing: bool = False


@frozen
class TracedCall:
    """One file-system call of dtruss or fs_usage on a path that looks like a library; errno 0 if it succeeded."""

    call: str
    path: str
    errno: int


@frozen
class MacOSRange:
    """The releases a text can come from, both ends included; None for an open end.

    Attributes:
        low: The oldest.
        high: The newest.
        because: Which wordings say so.
    """

    low: Version | None
    high: Version | None
    because: tuple[str, ...] = ()


@frozen
class Evidence:
    """One failure (or one log) read from text. Every field but the first is None or empty where the text is silent.

    Attributes:
        kind: What it tells.
        request: Launch, dlopen or DYLD_INSERT_LIBRARIES.
        era: Whose layout it follows.
        macos: The release, where the text states it (crash report, ``sw_vers``).
        macos_range: The releases its wording belongs to.
        library: The load path dyld did not get; for a build error the library, framework or file.
        referenced_from: The image that asked (for ``VALIDITY`` the image that was refused).
        uuid: Its UUID, upper case.
        built_for: What it was built for, where dyld says this is newer than the running OS: ``macOS 14.0``.
        attempts: Each path tried, in dyld's order.
        reason: dyld's words where they are not a list of attempts.
        symbol: The symbol nobody provides.
        expected_in: Where it was expected: a path, ``flat namespace`` or ``weak-def export``.
        expected_uuid: The UUID of that library.
        lazy: Whether the symbol was looked up at its first call.
        dlopen_path: The path given to ``dlopen``.
        dlopen_mode: The mode as printed.
        pid: Process number.
        process: Path (or, failing that, name) of the process, from a crash report.
        arch: The processor of the process, from a crash report, as printed.
        sip: Whether System Integrity Protection was on, from a crash report.
        termination: From a crash report.
        loads: Lines of DYLD_PRINT_LIBRARIES.
        searches: Searches of DYLD_PRINT_SEARCHING.
        calls: Lines of dtruss or fs_usage.
        build_rule: Which build-time message it is, e.g. ``ld-library-not-found``.
        build_tool: The program that printed it.
        truncated: The text ends before the message does: facts may be missing, the last one may be cut.
        redacted: A path has ``*`` where components were removed: a wildcard, not a name.
        lines: First and last line of the text it was read from, 1-based.
        occurrences: How often the same message stands in the text.
        confidence: ``LIKELY`` where wrapped lines were joined by guess or the head of the message is missing.
    """

    kind: EvidenceKind
    request: Request | None = None
    era: Era | None = None
    macos: Version | None = None
    macos_range: MacOSRange | None = None
    library: str | None = None
    referenced_from: str | None = None
    uuid: str | None = None
    built_for: str | None = None
    attempts: tuple[Tried, ...] = ()
    reason: str | None = None
    symbol: str | None = None
    expected_in: str | None = None
    expected_uuid: str | None = None
    lazy: bool = False
    dlopen_path: str | None = None
    dlopen_mode: str | None = None
    pid: int | None = None
    process: str | None = None
    arch: str | None = None
    sip: bool | None = None
    termination: Termination | None = None
    loads: tuple[LoggedImage, ...] = ()
    searches: tuple[PathSearch, ...] = ()
    calls: tuple[TracedCall, ...] = ()
    build_rule: str | None = None
    build_tool: str | None = None
    truncated: bool = False
    redacted: bool = False
    lines: tuple[int, int] = (1, 1)
    occurrences: int = 1
    confidence: Confidence = Confidence.CERTAIN
