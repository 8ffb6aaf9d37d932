"""How a library is looked for: the request, the paths that are tried, what each try found."""

from __future__ import annotations

from enum import Enum

from machochain.model.image import Question
from machochain.model.value import frozen


class SearchRule(Enum):
    """Why a path is tried. Values are dyld's own names (dyld-1378, ``PathOverrides::typeName``)."""

    PATH_DIR_OVERRIDE = "DYLD_FRAMEWORK/LIBRARY_PATH"
    VERSIONED_OVERRIDE = "DYLD_VERSIONED_FRAMEWORK/LIBRARY_PATH"
    SUFFIX_OVERRIDE = "DYLD_IMAGE_SUFFIX"
    CATALYST_PREFIX_ON_DISK = "Catalyst prefix on disk"
    CATALYST_PREFIX = "Catalyst prefix"
    OVERLAY_PREFIX = "DYLD_OVERLAY_PATH"
    SIMULATOR_PREFIX = "simulator prefix"
    CRYPTEX_CATALYST_PREFIX = "cryptex Catalyst prefix"
    CRYPTEX_PREFIX = "cryptex prefix"
    RAW_PATH_ON_DISK = "original path on disk"
    RAW_PATH = "original path"
    RPATH = "@path expansion"
    LOADER_PATH = "@loader_path expansion"
    EXECUTABLE_PATH = "@executable_path expansion"
    IMPLICIT_RPATH = "leaf name using rpath"
    CUSTOM_FALLBACK = "DYLD_FRAMEWORK/LIBRARY_FALLBACK_PATH"
    STANDARD_FALLBACK = "default fallback"

    @property
    def on_disk_only(self) -> bool:
        """Whether the shared cache is not consulted (``PathOverrides::isOnDiskOnlyType``)."""
        return self in _ON_DISK_ONLY


# A tuple: to hash a member costs a call, and this is asked of every path that is tried.
_ON_DISK_ONLY = (SearchRule.CATALYST_PREFIX_ON_DISK, SearchRule.RAW_PATH_ON_DISK)


@frozen
class Candidate:
    """One path dyld would try.

    Attributes:
        path: The path exactly as dyld would print it; may be relative to the working directory.
        rule: Why it is tried.
        image: Id of the image whose LC_RPATH (or own place, for ``@loader_path``) gave the path; else None.
        run_path: Index of that LC_RPATH among the image's run paths; None if no run path is involved.
    """

    path: str
    rule: SearchRule
    image: int | None = None
    run_path: int | None = None


class ObjectionKind(Enum):
    """Why a path does not serve, whatever a release's words for it."""

    NO_SUCH_FILE = "no such file"
    STAT_FAILED = "the file cannot be looked at"
    OPEN_FAILED = "the file cannot be opened"
    NOT_A_FILE = "not a regular file"
    EMPTY = "an empty file"
    NOT_MACH_O = "not a Mach-O file"
    UNIVERSAL = "malformed universal file"
    WRONG_ARCHITECTURE = "wrong architecture"
    WRONG_PLATFORM = "wrong platform"
    WRONG_FILE_TYPE = "a file type that cannot be loaded here"
    MALFORMED = "malformed"
    SIGNATURE = "not allowed into this process"
    UNSIGNED = "not signed"
    RELATIVE_PATH = "a relative path in a hardened process"
    PROTECTED = "a protected library of the OS"
    ABORTS = "dyld fails an assertion"


@frozen
class Objection:
    """Why dyld does not take a file.

    Attributes:
        kind: What it is.
        text: dyld's words inside the brackets, e.g. ``no such file``; ``""`` where it has none (an empty file).
        errno: The error of the system call that failed; 0 if none did.
        question: For `ObjectionKind.MALFORMED`: the question of dyld's policy that made it fatal.
    """

    kind: ObjectionKind
    text: str
    errno: int = 0
    question: Question = Question.ALWAYS

    @property
    def is_miss(self) -> bool:
        """Whether nothing lies at the path, as far as anybody can see."""
        if self.kind is ObjectionKind.STAT_FAILED:
            return self.errno != EACCES
        return self.kind is ObjectionKind.NO_SUCH_FILE


EACCES = 13
"""The error of a path that the process may not look at: something is there, or may be."""


@frozen
class Attempt:
    """A candidate that was tried and did not serve.

    Attributes:
        candidate: What was tried.
        objection: Why it did not serve.
        suffix: What dyld prints after the bracket (only ``, not in dyld cache`` behind a sandbox denial).
        unseen: Whether the modelled Mac may in truth have a file there: nobody looked.
    """

    candidate: Candidate
    objection: Objection
    suffix: str = ""
    unseen: bool = False

    @property
    def kind(self) -> ObjectionKind:
        """Why it did not serve."""
        return self.objection.kind

    @property
    def reason(self) -> str:
        """The words of dyld inside the brackets."""
        return self.objection.text


class FailureKind(Enum):
    """Why a search led to no library."""

    NOT_FOUND = "no path serves"
    NO_RUN_PATHS = "no LC_RPATH in any image that leads there"
    UNUSABLE_RUN_PATHS = "LC_RPATHs, but none that can be used"
    NOT_EXPANDED = "the security policy forbids @ paths"
    UNSAFE_PATH = "a path that a restricted process refuses"
    TOO_OLD = "the library's compatibility version is too low"


@frozen
class Failure:
    """Why a library could not be loaded.

    Attributes:
        kind: What it is.
        text: dyld's words behind ``Reason:``.
    """

    kind: FailureKind
    text: str
