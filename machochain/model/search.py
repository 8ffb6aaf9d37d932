"""How a library is looked for: the request, the paths that are tried, what each try found."""

from __future__ import annotations

from enum import Enum

from attrs import frozen


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


@frozen
class Attempt:
    """A candidate that was tried and did not serve.

    Attributes:
        candidate: What was tried.
        reason: dyld's words inside the brackets, e.g. ``no such file``; ``""`` for an empty file.
        suffix: What dyld prints after the bracket (only ``, not in dyld cache`` behind a sandbox denial).
        unseen: Whether the modelled Mac may in truth have a file there: nobody looked.
    """

    candidate: Candidate
    reason: str
    suffix: str = ""
    unseen: bool = False
