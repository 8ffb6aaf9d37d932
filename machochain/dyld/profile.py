"""The generations of dyld that matter, as switches.

Apple publishes dyld's source per tag, not per macOS release; which tag a release carries is known from publication
dates and from the UUID-stamped logs users posted. Point-release boundaries are therefore good to one minor release.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from attrs import frozen

from machochain.model.errors import UsageError
from machochain.model.version import Version

_MACOS_13: Final = Version.of(13)


@frozen
class Profile:
    """What one generation of dyld does differently from the others.

    Attributes:
        name: The first release that has it, as ``--macos`` takes it.
        since: The same as a version.
        tags: The source tags it was read from.
        generation: 2 for dyld2 (``src/dyld2.cpp``), 4 for dyld4 (``dyld/Loader.cpp``).
        cryptex: The OS cryptex is searched beside ``/`` (dyld-1042.1, ``PathOverrides::forEachPathVariant``).
        cryptex_for_at_paths: The same even for paths that start with ``@`` (only dyld-1042.1).
        fallbacks_need_old_sdk: Default fallback directories serve only images built with an SDK before macOS 14
            (dyld-1042.1 on, ``Loader.h: pre2022Binary``).
        dlopen_falls_back: ``dlopen`` of a path with a slash tries the default fallbacks too (dyld-940 and 941.5).
        folds_executable_path: Leading ``/..`` behind ``@executable_path`` are folded into the text
            (dyld-1042.1 on, ``Loader::expandAndNormalizeAtExecutablePath``).
        real_loader_paths_sdk: A framework library built with an older SDK may use ``@loader_path`` as if
            ``/Versions/X`` were not there (``Malformed::loaderPathsAreReal``).
        errno_reasons: A failed ``stat`` other than ENOENT is printed as ``errno=N`` (dyld-1042.1 on).
        cache_note: ``, not in dyld cache`` follows a miss below system prefixes (dyld-1042.1 on).
        no_run_path_text: What is said if nothing was tried for ``@rpath``: nothing at all (before dyld-1122.1),
            ``found`` (dyld-1122.1), or ``used`` as well (dyld-1231.3 on).
        wording: ``plain``, or ``quoted`` (only dyld-960: paths in quotes, architectures in brackets).
        uuids: Messages carry the UUID and the "newer than running OS" note (dyld-1042.1 on).
        need_all_archs: Every acceptable architecture is printed, not only the first (dyld-1042.1 on).
        third_party_arm64e: arm64e code that is not Apple's is acceptable to an arm64 process. dyld-1042.1 to 1125.5
            refuse it unless a boot argument allows it (``Process::getMainArchs``, ``osBinariesOnly``).
        arm64e_v1: The arm64e.v1 slice and the capability byte of arm64 subtypes count
            (dyld-1323.3 on, ``mach_o/Architecture.cpp``).
        slice_text: A file that is no Mach-O is ``slice is not valid mach-o file`` (dyld-1284.13 on), not
            ``not a mach-o file``.
        new_platform_names: ``macCatalyst`` rather than ``MacCatalyst`` and the like (dyld-1284.13 on).
        use_flags: ``dylib_use_command`` flags are honoured (dyld-1160.6 on).
        any_embedded_variable: LC_DYLD_ENVIRONMENT takes every ``DYLD_`` name, and names match exactly
            (dyld-1284.13 on); before, only names that end in ``_PATH``, matched by prefix.
        protects_libsystem: libSystem cannot be overridden in a hardened process (dyld-1284.13 on).
        errors_accumulate: What is missing in one branch of the load graph does not silence the next branch, and the
            second text is glued to the first without a newline: ``Diagnostics::error()`` appends to what is there
            (dyld-940 to 1286.10). From dyld-1323.3 on it clears first, so that the last text stays; dyld2 throws the
            first.
        mangles_embedded: Where an LC_DYLD_ENVIRONMENT value has an ``@``, an element without one replaces all before
            it by the main executable's path (``strlcpy`` for ``strlcat`` in ``addEnvVar``, dyld-940 to 1286.10 and
            still 1323.3; dyld-1378 is right, and the tags between have not been read).
    """

    name: str
    since: Version
    tags: str
    generation: Literal[2, 4] = 4
    cryptex: bool = True
    cryptex_for_at_paths: bool = False
    fallbacks_need_old_sdk: bool = True
    dlopen_falls_back: bool = False
    folds_executable_path: bool = True
    real_loader_paths_sdk: Version = _MACOS_13
    errno_reasons: bool = True
    cache_note: bool = True
    no_run_path_text: Literal["none", "found", "used"] = "used"
    wording: Literal["plain", "quoted"] = "plain"
    uuids: bool = True
    need_all_archs: bool = True
    third_party_arm64e: bool = True
    arm64e_v1: bool = False
    slice_text: bool = False
    new_platform_names: bool = False
    use_flags: bool = True
    any_embedded_variable: bool = False
    protects_libsystem: bool = False
    errors_accumulate: bool = False
    mangles_embedded: bool = False

    @property
    def classic(self) -> bool:
        """Whether this is dyld2."""
        return self.generation == 2


_EARLY: Final[dict[str, Any]] = {
    "cryptex": False,
    "fallbacks_need_old_sdk": False,
    "folds_executable_path": False,
    "real_loader_paths_sdk": Version.of(12),
    "errno_reasons": False,
    "cache_note": False,
    "no_run_path_text": "none",
    "uuids": False,
    "need_all_archs": False,
    "use_flags": False,
}
_FOUR: Final[dict[str, Any]] = {"errors_accumulate": True, "mangles_embedded": True}

PROFILES: Final = (
    Profile("11", Version.of(11), "dyld-832.7.1 … 852.2", generation=2, third_party_arm64e=False, **_EARLY),
    Profile("12", Version.of(12), "dyld-940, 941.5", dlopen_falls_back=True, **_EARLY, **_FOUR),
    Profile("12.3", Version.of(12, 3), "dyld-955, 957", **_EARLY, **_FOUR),
    Profile("12.5", Version.of(12, 5), "dyld-960", wording="quoted", **_EARLY, **_FOUR),
    Profile(
        "13", Version.of(13), "dyld-1042.1",
        cryptex_for_at_paths=True, no_run_path_text="none", third_party_arm64e=False, use_flags=False, **_FOUR,
    ),
    Profile(
        "13.3", Version.of(13, 3), "dyld-1066.8, 1066.10",
        no_run_path_text="none", third_party_arm64e=False, use_flags=False, **_FOUR,
    ),
    Profile(
        "14", Version.of(14), "dyld-1122.1, 1125.5",
        no_run_path_text="found", third_party_arm64e=False, use_flags=False, **_FOUR,
    ),
    Profile("14.4", Version.of(14, 4), "dyld-1160.6 … 1165.3", no_run_path_text="found", **_FOUR),
    Profile("15", Version.of(15), "dyld-1231.3 … 1245.1", **_FOUR),
    Profile(
        "15.4", Version.of(15, 4), "dyld-1284.13 … 1286.10",
        slice_text=True, new_platform_names=True, any_embedded_variable=True, protects_libsystem=True, **_FOUR,
    ),
    Profile(
        "26", Version.of(26), "dyld-1323.3 … 1378",
        slice_text=True, new_platform_names=True, any_embedded_variable=True, protects_libsystem=True, arm64e_v1=True,
    ),
)  # fmt: skip
"""In rising order. Defaults are what current dyld does."""

NEWEST: Final = Version.of(26)
"""The newest release whose dyld has been read; the default of ``--macos``."""


def profile_for(macos: Version) -> Profile:
    """Return the profile of a macOS release.

    Raises:
        UsageError: The release is older than 11 or newer than what has been published.
    """
    if macos < PROFILES[0].since or macos.major > NEWEST.major or 15 < macos.major < 26:
        raise UsageError(f"macOS {macos} is not modelled: 11 to 15 and 26 are (16 to 25 never existed)")
    return [p for p in PROFILES if p.since <= macos][-1]


def releases(first: Version, last: Version) -> tuple[Version, ...]:
    """Return one release per profile in a range: the range's first release, then each later profile's first.

    Raises:
        UsageError: The range is empty or leaves what is modelled.
    """
    profile_for(first)
    profile_for(last)
    if last < first:
        raise UsageError(f"empty range: {first}..{last}")
    # A bare major as the upper end means all of that release.
    end = Version.of(last.major, 255, 255) if not last.packed & 0xFFFF else last
    return (first, *(p.since for p in PROFILES if first < p.since <= end))


def parse_range(text: str) -> tuple[Version, ...]:
    """Read one release, a range ``A..B`` of them, or ``A..`` up to the newest.

    Raises:
        UsageError: Not a release that is modelled.
    """
    first, dots, last = text.partition("..")
    if dots:
        return releases(Version.parse(first), Version.parse(last) if last else NEWEST)
    version = Version.parse(text)
    profile_for(version)
    return (version,)
