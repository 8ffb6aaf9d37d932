"""What the kernel makes of a program before dyld's first instruction, as plain values.

The kernel answers ``execve`` and ``posix_spawn`` in its own words: a number of errno, or a signal with a reason. Which
rule led there is an enum; sentences are made last, in ``machochain.kernel.words``.
"""

from __future__ import annotations

from enum import Enum

from machochain.model.value import frozen
from machochain.model.version import Version


class Host(Enum):
    """The processor of a Mac."""

    APPLE_SILICON = "apple-silicon"
    INTEL = "intel"


class Launcher(Enum):
    """How a program is started; outcomes are the same, words and signals differ.

    ``SHELL`` is ``execve`` (shells, Go, Python's subprocess): behind the point of no return an error is a SIGKILL.
    ``SPAWN`` is ``posix_spawn`` (Node, Rust, Foundation): the caller gets the number.
    """

    SHELL = "shell"
    SPAWN = "spawn"


class ExecOutcome(Enum):
    """What happens first.

    ``DYLD``: the kernel is content, dyld decides. ``REFUSED``: the call fails with an errno, whoever calls.
    ``NOT_LOADED``: the image was chosen but cannot be loaded: SIGKILL under ``execve``, an errno from ``posix_spawn``.
    ``DENIED``: security policy kills the process before its first instruction. ``INVALID_PAGE``: the process is killed
    when a page is touched whose hash differs. ``UNKNOWN``: the sources do not tell.
    """

    DYLD = "dyld"
    REFUSED = "refused"
    NOT_LOADED = "not-loaded"
    DENIED = "denied"
    INVALID_PAGE = "invalid-page"
    UNKNOWN = "unknown"


class Certainty(Enum):
    """What a rule rests on: Apple's published source, or logs and documentation."""

    SOURCE = "source"
    OBSERVED = "observed"


class Cause(Enum):
    """What is behind a refusal: one cause, one finding."""

    NO_PROGRAM = "no-program"
    ARCHITECTURE = "architecture"
    NO_ROSETTA = "no-rosetta"
    UNIVERSAL = "universal"
    LOAD_COMMANDS = "load-commands"
    NOT_MOVABLE = "not-movable"
    SEGMENTS = "segments"
    ENCRYPTED = "encrypted"
    ARM64E = "arm64e"
    UNSIGNED = "unsigned"
    BROKEN_SIGNATURE = "broken-signature"
    CHANGED_PAGE = "changed-page"
    FOREIGN_CMS = "foreign-cms"
    ENTITLEMENTS = "entitlements"
    LAUNCH_CONSTRAINT = "launch-constraint"
    PLATFORM = "platform"
    STATIC_ROSETTA = "static-rosetta"


class ExecRule(Enum):
    """The rule that decided, named by what is wrong; the value is stable."""

    NOT_EXECUTABLE = "not-executable"
    EMPTY_FILE = "empty-file"
    NOT_MACHO = "not-macho"
    FAT64 = "fat64"
    NOT_MH_EXECUTE = "not-mh-execute"
    BYTE_SWAPPED = "byte-swapped"
    TOO_MANY_SLICES = "too-many-slices"
    SLICE_IN_FAT_HEADER = "slice-in-fat-header"
    DUPLICATE_SLICES = "duplicate-slices"
    OVERLAPPING_SLICES = "overlapping-slices"
    SLICE_BEHIND_END = "slice-behind-end"
    NO_SLICE_FOR_HOST = "no-slice-for-host"
    SLICE_HEADER_DIFFERS = "slice-header-differs"
    ROSETTA_MISSING = "rosetta-missing"
    COMMANDS_BEHIND_END = "commands-behind-end"
    NOT_PIE = "not-pie"
    STATIC = "static"
    COMMAND_SIZE = "command-size"
    SECTION_COUNT = "section-count"
    SEGMENT_KIND = "segment-kind"
    TWO_VERSION_COMMANDS = "two-version-commands"
    TWO_ENTRIES = "two-entries"
    NO_ENTRY = "no-entry"
    STACK_SIZE = "stack-size"
    THREAD_STATE = "thread-state"
    NO_DYLINKER = "no-dylinker"
    TWO_DYLINKERS = "two-dylinkers"
    OTHER_DYLINKER = "other-dylinker"
    ENCRYPTION = "encryption"
    SEGMENT_ALIGNMENT = "segment-alignment"
    SEGMENT_BEHIND_END = "segment-behind-end"
    SEGMENT_ADDRESS = "segment-address"
    SEGMENT_OVERLAP = "segment-overlap"
    PAGE_ZERO_LATE = "page-zero-late"
    NO_PAGE_ZERO = "no-page-zero"
    SMALL_PAGE_ZERO = "small-page-zero"
    NO_HEADER_SEGMENT = "no-header-segment"
    TWO_HEADER_SEGMENTS = "two-header-segments"
    HEADER_NOT_EXECUTABLE = "header-not-executable"
    TWO_READ_ONLY_SEGMENTS = "two-read-only-segments"
    PROTECTED_SEGMENT = "protected-segment"
    WRITABLE_CODE = "writable-code"
    ARM64E_PREVIEW = "arm64e-preview"
    UNSIGNED = "unsigned"
    SIGNATURE_COMMAND = "signature-command"
    SIGNATURE_BLOB = "signature-blob"
    CODE_DIRECTORY = "code-directory"
    TWO_CODE_DIRECTORIES = "two-code-directories"
    SIGNATURE_PAGE_SIZE = "signature-page-size"
    FOREIGN_CMS = "foreign-cms"
    FIRST_PAGES = "first-pages"
    OTHER_PAGE = "other-page"
    RESTRICTED_ENTITLEMENT = "restricted-entitlement"
    HARDENED_PROCESS = "hardened-process"
    LAUNCH_CONSTRAINT = "launch-constraint"
    IOS_PLATFORM = "ios-platform"
    STATIC_ROSETTA = "static-rosetta"


class Namespace(Enum):
    """Namespaces of exit reasons (xnu ``bsd/sys/reason.h``) that occur here; the value is the number."""

    CODESIGNING = 3
    EXEC = 9


@frozen
class ExitReason:
    """The reason the kernel records with a SIGKILL.

    Attributes:
        namespace: Who gave it.
        code: Its number there.
        name: The number's name in ``bsd/sys/reason.h``, in the words of a crash report.
        crash_report: Whether a crash report is written.
    """

    namespace: Namespace
    code: int
    name: str
    crash_report: bool


class RosettaNeed(Enum):
    """How a program stands with Rosetta on the modelled Mac."""

    NEEDED = "needed"
    LAST_RELEASE = "last-release"
    GONE = "gone"


@frozen
class ExecVerdict:
    """What the kernel does with one program.

    Attributes:
        outcome: What happens first.
        host: The Mac's processor.
        arch: The slice that was judged; None where none was chosen.
        translated: Whether Rosetta runs it.
        launcher: Who starts it.
        rule: The rule that decided; None if the kernel is content.
        cause: What is behind it.
        errno: What the launcher gets back; None if a signal comes, or nothing.
        signal: ``SIGKILL``, or None.
        reason: The reason recorded with the signal.
        certainty: What the rule rests on.
        why: What is wrong, one clause without a full stop; "" if nothing is.
        since: The first modelled release with the rule; None where every release has it.
        until: The first release without the rule; None where none is known.
        command_index: The load command it is about, 0-based; None for the file as a whole.
        subject: The segment, entitlement or other thing it is about, or None.
        shell_text: What zsh prints; None if the kernel is content or nobody knows.
        spawn_text: What a spawning program reports.
        rosetta: How it stands with Rosetta; None if it needs none.
        program: What the user types to start it.
    """

    outcome: ExecOutcome
    host: Host
    arch: str | None
    translated: bool = False
    launcher: Launcher = Launcher.SHELL
    rule: ExecRule | None = None
    cause: Cause | None = None
    errno: int | None = None
    signal: str | None = None
    reason: ExitReason | None = None
    certainty: Certainty = Certainty.SOURCE
    why: str = ""
    since: Version | None = None
    until: Version | None = None
    command_index: int | None = None
    subject: str | None = None
    shell_text: str | None = None
    spawn_text: str | None = None
    rosetta: RosettaNeed | None = None
    program: str = "./x"

    @property
    def starts(self) -> bool | None:
        """Whether dyld gets its turn and no page kills the process later; None if nobody knows."""
        if self.outcome is ExecOutcome.UNKNOWN:
            return None
        return self.outcome is ExecOutcome.DYLD


@frozen
class Validation:
    """What a process demands of the libraries it maps.

    Attributes:
        team: Whether they must be Apple's or of the process's own team; None where that is not certain.
        team_id: The process's team; None for an ad-hoc signature, which matches nothing.
        signed: Whether they must be signed at all.
        kills: Whether a page with another hash ends the process.
        pages: Which pages are held against their hashes here: all, none, or (None) those of the load commands.
    """

    team: bool | None = False
    team_id: str | None = None
    signed: bool = False
    kills: bool = False
    pages: bool | None = None
