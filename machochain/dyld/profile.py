"""The generations of dyld that matter, as switches.

Apple publishes dyld's source per tag; which tag a macOS release carries is told by the submodules of
apple-oss-distributions/distribution-macOS up to 26.0, and by UUID-stamped logs of users for what came after. A row
covers the tags between which nothing differs that this model knows of; adding a macOS is one row and its facts.

This is the one place that compares macOS releases for dyld's sake: whoever else wants to know asks a switch.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from machochain.model.errors import UsageError, guess
from machochain.model.value import frozen
from machochain.model.version import Version

_MACOS_13: Final = Version.of(13)

Validation = Literal["walk", "walk strictly", "dylibs", "all"]
"""What dyld checks in a header: whether its load commands can be walked; the same with sizes, alignment and file type;
all that `Header::valid` asks, of dylibs and bundles; the same of main executables too."""


@frozen
class Profile:
    """What one generation of dyld does differently from the others. Defaults are what current dyld does.

    Attributes:
        name: The first release that has it, as ``--macos`` takes it.
        since: The same as a version.
        last: The last release that has it.
        tags: The source tags it was read from.
        generation: 2 for dyld2 (``src/dyld2.cpp``), 4 for dyld4 (``dyld/Loader.cpp``).

        cryptex: The OS cryptex is searched beside ``/`` (1042.1 on, ``DyldProcessConfig.cpp: forEachPathVariant``).
        cryptex_for_at_paths: The same even for paths that start with ``@`` (only 1042.1, the same function).
        default_fallbacks_need_old_sdk: Default fallback directories serve only images built with an SDK before macOS 14
            (1042.1 on, ``Loader.h: pre2022Binary``).
        custom_fallbacks_for_dlopen: DYLD_FALLBACK_* counts for ``dlopen`` of a path with a slash as well
            (1042.1 on, ``forEachDylibFallback``; before, ``disableCustom``).
        dlopen_tries_usr_lib: ``dlopen`` of a relative name tries ``/usr/lib`` before the working directory
            (1042.1 on, ``Loader.cpp: forEachPath``).
        dlopen_falls_back: ``dlopen`` of a path with a slash tries the default fallbacks too (only 940 to 941.5).
        catalyst_fallback: The default library fallback of Catalyst and simulator programs: ``/usr/lib`` (up to 1245.1),
            ``/usr/lib`` but for simulators ``/usr/local/lib`` before it (only 1284.13), ``/usr/local/lib`` (1285.19 on,
            ``forEachDylibFallback``).
        ios_fallback_local_only: iOS and the like fall back to ``/usr/local/lib`` alone (only 1284.13).
        folds_executable_path: Leading ``/..`` behind ``@executable_path`` are folded into the text
            (1042.1 on, ``Loader.cpp: expandAndNormalizeAtExecutablePath``).
        real_loader_paths_sdk: A framework library built with an older SDK may use ``@loader_path`` as if
            ``/Versions/X`` were not there (``Malformed::loaderPathsAreReal``).

        errno_reasons: A failed ``stat`` other than ENOENT is printed as ``errno=N`` (1042.1 on, ``getLoader``).
        cache_note: ``, not in dyld cache`` follows a miss below system prefixes (1042.1 on, ``getLoader``).
        no_run_path_text: What is said if nothing was tried for ``@rpath``: nothing at all (before 1122.1),
            ``found`` (1122.1 on), or ``used`` as well (1231.3 on, ``getLoader``, at its end).
        weak_def_with_names: A weak look-up that fails is told in three lines (1231.3 on, ``resolveSymbol``).
        wording: ``plain``, or ``quoted`` (only 960: paths in quotes, architectures in brackets, ``Diagnostics.cpp``).
        uuids: Messages carry the UUID and the "newer than running OS" note (1042.1 on, ``loadDependents``).
        need_all_archs: Every acceptable architecture is printed, not only the first (1042.1 on, ``compatibleSlice``).
        arch_names: dyld's table of architecture names: the oldest, with the armv6m family (1042.1 on, both
            ``common/MachOFile.cpp: _s_archInfos``), or ``mach_o/Architecture.cpp`` (1284.13 on).
        platform_names: dyld's table of platform names (``common/MachOFile.cpp`` up to 1245.1, then
            ``mach_o/Platform.cpp``), named by what is new in it.
        not_mach_o_text: A file that is no Mach-O is ``slice is not valid mach-o file`` (1284.13 on,
            ``compatibleSlice``), not ``not a mach-o file``.
        errors_accumulate: What is missing in one branch of the load graph does not silence the next branch, and the
            second text is glued to the first without a newline: ``Diagnostics::error()`` appends to what is there
            (940 to 1286.10). From 1323.3 on it clears first, so that the last text stays; dyld2 throws the first.

        third_party_arm64e: arm64e code that is not Apple's is acceptable to an arm64 process; 1042.1 to 1125.5 refuse
            it unless a boot argument allows it (``Process::getMainArchs``, ``osBinariesOnly``).
        slices_twice: Because of that list the slices of a universal file are walked twice with one diagnostic, so that
            each objection stands twice (1042.1 to 1125.5, ``DyldDelegates.cpp: mapFileReadOnly``).
        arm64e_v1: The arm64e.v1 slice and the capability byte of arm64 subtypes count
            (1323.3 on, ``mach_o/Architecture.cpp``).
        ios_takes_visionos: iOS programs accept visionOS dylibs (1231.3 on, ``loadableIntoProcess``).
        zippered_process: A main executable for macOS and Catalyst runs as platform ``zippered(macOS/Catalyst)``
            (1284.13 on, ``Process::getMainPlatform``; before as Catalyst).

        use_flags: ``dylib_use_command`` flags are honoured (1160.6 on, ``forEachDependentDylib``).
        embedded_names: Which LC_DYLD_ENVIRONMENT counts: names that end in ``_PATH`` (up to 1125.5), or every
            ``DYLD_`` name (1160.6 on, ``MachOFile::forDyldEnv``).
        exact_variable_names: Names of variables are compared whole; before, as prefixes (1284.13 on, ``addEnvVar``).
        mangles_embedded: Where an LC_DYLD_ENVIRONMENT value has an ``@``, an element without one replaces all before
            it by the main executable's path (``strlcpy`` for ``strlcat`` in ``addEnvVar``, 940 to 1340).
        embedded_needs_amfi: AMFI may forbid LC_DYLD_ENVIRONMENT (960 on, ``PathOverrides::PathOverrides``).
        versioned_needs_amfi: DYLD_VERSIONED_* counts only where path variables are allowed (940 to 957, 1042.1,
            1066.8, the same function).
        protects_libsystem: libSystem cannot be overridden in a hardened process
            (1284.13 on, ``isProtectedLibSystemPath``).

        validation: What is checked in a header, see `Validation` (``makeJustInTimeLoaderDisk``, ``makeLaunchLoader``).
        policy: Which thresholds the checks have: ``mach_o/Policy.cpp`` of 1284.13 or of 1323.3.
        checks_first_segment: The first mapped segment goes through ``MachOFile::isMachO`` once more
            (1284.13 on, ``Loader.cpp: mapSegments``).
        whole_fat_file: A universal file is judged as a whole (1323.3 on, ``Universal::valid``), not slice by slice
            (``FatFile``).
        platform_clash: What two platform commands that do not go together lead to: the last is taken (up to 1245.1),
            an assertion fails (1284.13 to 1323.3, ``Header::platformAndVersions``), the first is named (1330 on).

        forgives_overrides: A library that takes the place of a cached one may lack symbols (1231.3 on,
            ``resolveSymbol``).
        reexport_error: Where the text about a table that cannot be read goes if a symbol is not found in one library:
            in front of all (up to 1245.1), or for the first line (1284.13 on, ``resolveSymbol``, at its end).
        lazy_needs_libdyld: Without libdyld in the process lazily bound functions are looked up at once
            (up to 1245.1, ``resolveSymbol``).
        follows_renamed: A renamed re-export is followed into what that library re-exports in flat look-ups too
            (1042.1 on, ``hasExportedSymbol``).
        missing_lazy_aborts: A lazily bound symbol that is missing ends in ``missing symbol called`` at its first call
            (up to 1245.1, ``__dyld_missing_symbol_abort``); later its pointer is NULL, and the call jumps to 0.
    """

    name: str
    since: Version
    last: Version
    tags: tuple[str, ...]
    generation: Literal[2, 4] = 4

    cryptex: bool = True
    cryptex_for_at_paths: bool = False
    default_fallbacks_need_old_sdk: bool = True
    custom_fallbacks_for_dlopen: bool = True
    dlopen_tries_usr_lib: bool = True
    dlopen_falls_back: bool = False
    catalyst_fallback: Literal["usr-lib", "both for simulators", "usr-local-lib"] = "usr-local-lib"
    ios_fallback_local_only: bool = False
    folds_executable_path: bool = True
    real_loader_paths_sdk: Version = _MACOS_13

    errno_reasons: bool = True
    cache_note: bool = True
    no_run_path_text: Literal["none", "found", "used"] = "used"
    weak_def_with_names: bool = True
    wording: Literal["plain", "quoted"] = "plain"
    uuids: bool = True
    need_all_archs: bool = True
    arch_names: Literal["oldest", "armv6m", "all"] = "all"
    platform_names: Literal["oldest", "xrOS", "visionOS", "all"] = "all"
    not_mach_o_text: Literal["not a mach-o file", "slice is not valid mach-o file"] = "slice is not valid mach-o file"
    errors_accumulate: bool = False

    third_party_arm64e: bool = True
    slices_twice: bool = False
    arm64e_v1: bool = True
    ios_takes_visionos: bool = True
    zippered_process: bool = True

    use_flags: bool = True
    embedded_names: Literal["_PATH", "DYLD_"] = "DYLD_"
    exact_variable_names: bool = True
    mangles_embedded: bool = False
    embedded_needs_amfi: bool = True
    versioned_needs_amfi: bool = False
    protects_libsystem: bool = True

    validation: Validation = "all"
    policy: Literal["1284", "1323"] = "1323"
    checks_first_segment: bool = True
    whole_fat_file: bool = True
    platform_clash: Literal["last", "assertion", "first"] = "first"

    forgives_overrides: bool = True
    reexport_error: Literal["in front", "first line"] = "first line"
    lazy_needs_libdyld: bool = False
    follows_renamed: bool = True
    missing_lazy_aborts: bool = False

    @property
    def classic(self) -> bool:
        """Whether this is dyld2."""
        return self.generation == 2

    @property
    def validates_dylibs(self) -> bool:
        """Whether every defect of a dylib may end its load, not only load commands that cannot be walked."""
        return self.validation in {"dylibs", "all"}

    @property
    def validates_main(self) -> bool:
        """Whether main executables are validated as well."""
        return self.validation == "all"


# Each generation as what is different from the next, the newest first.
_TO_1340: Final[dict[str, Any]] = {"mangles_embedded": True}
_TO_1323: Final[dict[str, Any]] = {**_TO_1340, "platform_clash": "assertion"}
_TO_1286: Final[dict[str, Any]] = {
    **_TO_1323, "validation": "dylibs", "policy": "1284", "whole_fat_file": False, "arm64e_v1": False,
    "errors_accumulate": True,
}  # fmt: skip
_TO_1284: Final[dict[str, Any]] = {
    **_TO_1286, "catalyst_fallback": "both for simulators", "ios_fallback_local_only": True,
}  # fmt: skip
_TO_1245: Final[dict[str, Any]] = {
    **_TO_1286, "catalyst_fallback": "usr-lib", "arch_names": "armv6m", "platform_names": "visionOS",
    "not_mach_o_text": "not a mach-o file", "zippered_process": False, "exact_variable_names": False,
    "protects_libsystem": False, "validation": "walk strictly", "checks_first_segment": False,
    "platform_clash": "last", "missing_lazy_aborts": True, "reexport_error": "in front",
    "lazy_needs_libdyld": True,
}  # fmt: skip
_TO_1165: Final[dict[str, Any]] = {
    **_TO_1245, "no_run_path_text": "found", "weak_def_with_names": False, "platform_names": "xrOS",
    "ios_takes_visionos": False, "forgives_overrides": False,
}  # fmt: skip
_TO_1125: Final[dict[str, Any]] = {
    **_TO_1165, "platform_names": "oldest", "third_party_arm64e": False, "slices_twice": True, "use_flags": False,
    "embedded_names": "_PATH",
}  # fmt: skip
_TO_1066: Final[dict[str, Any]] = {**_TO_1125, "no_run_path_text": "none"}
_TO_960: Final[dict[str, Any]] = {
    **_TO_1066, "cryptex": False, "default_fallbacks_need_old_sdk": False, "custom_fallbacks_for_dlopen": False,
    "dlopen_tries_usr_lib": False, "folds_executable_path": False, "real_loader_paths_sdk": Version.of(12),
    "errno_reasons": False, "cache_note": False, "uuids": False, "need_all_archs": False, "arch_names": "oldest",
    "third_party_arm64e": True, "slices_twice": False, "validation": "walk", "follows_renamed": False,
}  # fmt: skip
_TO_957: Final[dict[str, Any]] = {**_TO_960, "embedded_needs_amfi": False, "versioned_needs_amfi": True}
_TO_852: Final[dict[str, Any]] = {
    **_TO_957, "third_party_arm64e": False, "errors_accumulate": False, "mangles_embedded": False,
    "exact_variable_names": True, "versioned_needs_amfi": False,
}  # fmt: skip


def _row(name: str, tags: str, **more: Any) -> Profile:
    """Make a row; ``tags`` are pairs of a tag and the first release that carries it."""
    pairs = [pair.split("=") for pair in tags.split()]
    last = Version.parse(pairs[-1][1])
    return Profile(name, Version.parse(name), last, tuple(f"dyld-{tag}" for tag, _ in pairs), **more)


PROFILES: Final = (
    _row("11", "832.7.1=11.0.1 832.7.3=11.2 851.27=11.3 852=11.4 852.2=11.5", generation=2, **_TO_852),
    _row("12", "940=12.0.1 941.4=12.1 941.5=12.2", dlopen_falls_back=True, **_TO_957),
    _row("12.3", "955=12.3 957=12.4", **_TO_957),
    _row("12.5", "960=12.5", wording="quoted", **_TO_960),
    _row("13", "1042.1=13.2", cryptex_for_at_paths=True, **{**_TO_1066, "versioned_needs_amfi": True}),
    _row("13.3", "1066.8=13.4", **{**_TO_1066, "versioned_needs_amfi": True}),
    _row("13.5", "1066.10=13.5", **_TO_1066),
    _row("14", "1122.1=14.0 1122.1.2=14.1 1125.5=14.3", **_TO_1125),
    _row("14.4", "1160.6=14.4 1162=14.5 1165.3=14.6", **_TO_1165),
    _row("15", "1231.3=15.0 1235.2=15.1 1241.17=15.2 1245.1=15.3", **_TO_1245),
    _row("15.4", "1284.13=15.4", **_TO_1284),
    _row("15.5", "1285.19=15.5 1286.10=15.6", **_TO_1286),
    _row("26", "1323.3=26.0", **_TO_1323),
    _row("26.1", "1330=26.1 1335=26.1 1340=26.3", **_TO_1340),
    _row("26.4", "1376.6=26.4 1378=26.5"),
)
"""In rising order."""

NEWEST: Final = PROFILES[-1].since
"""The newest release whose dyld has been read; the default of ``--macos``."""

OLDEST: Final = PROFILES[0].since
"""The oldest release that is modelled."""

ANNOUNCED: Final = Version.of(27)
"""The newest release there is. Its dyld is not published: it runs by the newest rules, and a note says so."""

NAMES: Final = {
    "big sur": 11, "monterey": 12, "ventura": 13, "sonoma": 14, "sequoia": 15, "tahoe": 26,
}  # fmt: skip
"""What Apple calls the major releases."""

_LAST_OLD_MAJOR: Final = 15
_FIRST_NEW_MAJOR: Final = 26
"""Releases 16 to 25 never existed: in 2025 the number became that of the year that follows."""
END_OF_MAJOR: Final = (255, 255)


def modelled() -> str:
    """Return the range of releases for help texts and errors."""
    return f"{OLDEST} to {_LAST_OLD_MAJOR} and {_FIRST_NEW_MAJOR} to {ANNOUNCED.major}"


def majors() -> tuple[int, ...]:
    """Return every release that can be modelled, by its first number."""
    return tuple(sorted({p.since.major for p in PROFILES} | {ANNOUNCED.major}))


def exists(macos: Version) -> bool:
    """Whether a release is one that can be modelled."""
    return macos >= OLDEST and macos.major <= ANNOUNCED.major and not (_LAST_OLD_MAJOR < macos.major < _FIRST_NEW_MAJOR)


def is_unread(macos: Version) -> bool:
    """Whether no dyld of this major release has been read, so that the newest rules stand in for its own."""
    return macos.major > NEWEST.major


def may_meet_dyld2(oldest: Version) -> bool:
    """Whether what is meant for a release and all later ones may be run by dyld2."""
    return oldest < next(p.since for p in PROFILES if not p.classic)


def profile_for(macos: Version) -> Profile:
    """Return the profile of a macOS release; the newest for one whose dyld is not published.

    Raises:
        UsageError: The release is older than 11 or newer than any there is.
    """
    if not exists(macos):
        last, first = _LAST_OLD_MAJOR + 1, _FIRST_NEW_MAJOR - 1
        raise UsageError(f"macOS {macos} is not modelled: {modelled()} are ({last} to {first} never existed)")
    return [p for p in PROFILES if p.since <= macos][-1]


def profile_of_tag(tag: str) -> Profile:
    """Return the profile that was read from a tag of dyld's source.

    Raises:
        UsageError: The tag has not been read.
    """
    for profile in PROFILES:
        if tag in profile.tags:
            return profile
    raise UsageError(f"{tag} has not been read")


def nearest(macos: Version) -> Version:
    """Return the release that stands for any version: one that never existed, or is too new, becomes the next known."""
    if macos.major > ANNOUNCED.major:
        return NEWEST
    return Version.of(_FIRST_NEW_MAJOR) if _LAST_OLD_MAJOR < macos.major < _FIRST_NEW_MAJOR else macos


def end_of(macos: Version) -> Version:
    """Return the upper end that a version means in a range: a bare major means all of that release."""
    return Version.of(macos.major, *END_OF_MAJOR) if not macos.packed & 0xFFFF else macos


def releases(first: Version, last: Version) -> tuple[Version, ...]:
    """Return one release per profile in a range: the range's first release, then each later profile's first.

    A release whose dyld is not published has no profile of its own; it ends the range if it is asked for.

    Raises:
        UsageError: The range is empty or leaves what is modelled.
    """
    profile_for(first)
    profile_for(last)
    if last < first:
        raise UsageError(f"empty range: {first}..{last}")
    end = end_of(last)
    found = (first, *(p.since for p in PROFILES if first < p.since <= end))
    return (*found, last) if is_unread(last) and last != first else found


def parse_release(text: str) -> Version:
    """Read a release by number or by Apple's name for it.

    Raises:
        UsageError: Neither.
    """
    plain = text.strip().lower().removeprefix("macos").strip()
    named = NAMES.get(plain.replace("-", " ").replace("_", " ")) or NAMES.get({"bigsur": "big sur"}.get(plain, ""))
    if named is not None:
        return Version.of(named)
    try:
        return Version.parse(text)
    except UsageError as error:
        raise UsageError(f"{error}{guess(plain, NAMES)}") from None


def parse_range(text: str) -> tuple[Version, ...]:
    """Read one release, a range ``A..B`` of them, or ``A..`` up to the newest.

    Raises:
        UsageError: Not a release that is modelled.
    """
    first, dots, last = text.partition("..")
    if dots:
        return releases(parse_release(first), parse_release(last) if last else Version.of(NEWEST.major))
    version = parse_release(text)
    profile_for(version)
    return (version,)
