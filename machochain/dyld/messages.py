"""dyld's own texts, by generation.

Texts have no ``dyld[pid]: `` in front: dyld puts it before the first line only (dyld-1378, DyldRuntimeState.cpp).
"""

from __future__ import annotations

from functools import cache

from machochain.dyld.config import ProcessConfig
from machochain.dyld.facts import might_be_in_shared_cache, too_new
from machochain.dyld.profile import Profile
from machochain.model.image import Image
from machochain.model.platform import Platform
from machochain.model.result import LoadedImage, Origin
from machochain.model.search import Attempt, Candidate, Failure, FailureKind, Objection, ObjectionKind

ENOENT = 2
ENOTAFILE = -1
"""Stands for dyld's private ENOTAFILE_NP: something is there, but it is not a regular file."""

NO_ROOT_PATH = "DYLD_ROOT_PATH not set for simulator program"
CLASSIC_NO_ROOT_PATH = "attempt to run simulator program outside simulator (DYLD_ROOT_PATH not set)"
"""What dyld says to a simulator program started without its simulator (dyld-957 to 1378, dyldMain.cpp: prepare()).

Other programs may set DYLD_ROOT_PATH as they like: dyld does not look at it (``PathOverrides::addEnvVar``).
"""


NO_LIBDYLD = "libdyld.dylib not found"
NO_LIBSYSTEM = "program does not link with libSystem.B.dylib"
"""How a launch ends that has loaded all it needs, but not these (dyld-940 to 1378, dyldMain.cpp: prepare())."""


def miss(profile: Profile, candidate: Candidate, errno: int) -> Objection:
    """Return the objection to a path at which no file could be found (dyld-1378, Loader.cpp: getLoader()).

    Args:
        profile: The generation of dyld.
        candidate: The path that was tried.
        errno: The error of ``stat``, or ``ENOTAFILE``.
    """
    note = ""
    if profile.cache_note and not candidate.rule.on_disk_only and might_be_in_shared_cache(candidate.path):
        note = ", not in dyld cache"
    return _miss(errno, note, numbers=profile.errno_reasons)


@cache
def _miss(errno: int, note: str, *, numbers: bool) -> Objection:
    """Return the one object that stands for all misses that dyld words alike."""
    if errno == ENOTAFILE:
        return Objection(ObjectionKind.NOT_A_FILE, "not a file" + note)
    kind = ObjectionKind.NO_SUCH_FILE if errno == ENOENT else ObjectionKind.STAT_FAILED
    text = "no such file" if errno == ENOENT or not numbers else f"errno={errno}"
    return Objection(kind, text + note, errno)


def classic_miss(errno: int) -> Objection:
    """Return dyld2's objection to a path at which no file could be found; it has no words for an absent one."""
    if errno in (0, ENOENT):
        return Objection(ObjectionKind.NO_SUCH_FILE, "", errno)
    return Objection(ObjectionKind.STAT_FAILED, f"stat() failed with errno={errno}", errno)


def quote_path(path: str, profile: Profile) -> str:
    """Return a path as it stands in a message: dyld-960 replaces quotes by blanks (Diagnostics::quotePath())."""
    return path.replace("'", " ") if profile.wording == "quoted" else path


def tried_text(profile: Profile, tried: tuple[Attempt, ...]) -> str:
    """Return ``tried: 'a' (why), 'b' (why)``; empty if nothing was tried."""
    if not tried:
        return ""
    return "tried: " + ", ".join(f"'{quote_path(a.candidate.path, profile)}' ({a.reason}){a.suffix}" for a in tried)


def classic_tried_text(tried: tuple[Attempt, ...]) -> str:
    """Return dyld2's reason (dyld-852.2, dyld2.cpp: load()): only files that exist and are unfit are listed."""
    found = [f"{a.candidate.path}: {a.reason}" if a.candidate.path else a.reason for a in tried if a.reason]
    return "\n\t".join(["no suitable image found.  Did find:", *found]) if found else "image not found"


def not_valid_reason(profile: Profile, image: Image, path: str, kernel: str) -> Objection:
    """Return the objection to a file that the kernel will not map into this process (F_CHECK_LV).

    dyld-957 to 1378, Loader.cpp: mapSegments(); dyld-852.2, ImageLoaderMachO.cpp: validateFirstPages().

    Args:
        profile: The generation of dyld.
        image: The slice.
        path: Its real path; for dyld2 the path it was found by.
        kernel: What the kernel said.
    """
    if profile.classic:
        text = f"code signature in ({path}) not valid for use in process using Library Validation: {kernel}"
        return Objection(ObjectionKind.SIGNATURE, text)
    uuid = image.uuid_text or "no uuid"
    text = f"code signature in <{uuid}> '{quote_path(path, profile)}' not valid for use in process: {kernel}"
    return Objection(ObjectionKind.SIGNATURE, text)


def not_expanded_note(config: ProcessConfig, path: str) -> str:
    """Return what is appended when the security policy forbids ``@`` paths."""
    if path.startswith("@") and not config.security.at_paths and not config.profile.classic:
        return ", (security policy does not allow @ path expansion)"
    return ""


def nothing_tried(profile: Profile, path: str, *, has_run_paths: bool) -> Failure | None:
    """Return the reason if no path at all was tried; None where dyld says nothing.

    dyld-1122.1 on for no LC_RPATH, dyld-1231.3 on for unusable ones (Loader.cpp: getLoader(), at the end).
    """
    if not path.startswith("@rpath/") or profile.no_run_path_text == "none":
        return None
    if not has_run_paths:
        return Failure(FailureKind.NO_RUN_PATHS, "no LC_RPATH's found")
    if profile.no_run_path_text == "used":
        text = "no LC_RPATH's used.  They may be invalid, eg, not start with '@loader_path' or '@executable_path'"
        return Failure(FailureKind.UNUSABLE_RUN_PATHS, text)
    return None


UNKNOWN_UUID = "XXXXXXXX-XXXX-XXXX-XXXX-XXXXXXXXXXXX"
"""Stands for the UUID of a library of the OS: every build of macOS has its own."""


def _uuid(image: LoadedImage) -> str:
    if image.origin is Origin.OS and image.image is None:
        return UNKNOWN_UUID
    return (image.image.uuid_text if image.image is not None else None) or "no uuid"


def _too_new(image: LoadedImage, config: ProcessConfig) -> str:
    """Return the note behind a requester's path; only its macOS version counts, which is dyld's own platform."""
    if image.image is None:
        return ""
    minos = too_new(image.image, Platform.MACOS, config.macos)
    return f" (built for macOS {minos} which is newer than running OS)" if minos is not None else ""


def _classic_too_new(image: LoadedImage, config: ProcessConfig) -> str:
    """Return dyld2's note (ImageLoaderMachOCompressed.cpp: resolveTwolevel()); it says Mac OS X of any platform."""
    build = image.image.build if image.image is not None else None
    if build is None or build.minos <= config.macos:
        return ""
    return f" (which was built for Mac OS X {build.minos.major}.{build.minos.minor})"


def library_not_loaded(config: ProcessConfig, load_path: str, requester: LoadedImage, reason: str) -> str:
    """Return the three lines for a library that could not be loaded.

    dyld-1378, JustInTimeLoader.cpp: loadDependents(); dyld-960 and 957, the same; dyld-852.2, ImageLoader.cpp:
    recursiveLoadLibraries().
    """
    profile = config.profile
    if profile.uuids:
        origin = f"<{_uuid(requester)}> {requester.path}{_too_new(requester, config)}"
        return f"Library not loaded: {load_path}\n  Referenced from: {origin}\n  Reason: {reason}"
    if profile.wording == "quoted":
        path, origin = quote_path(load_path, profile), quote_path(requester.path, profile)
        return f"Library not loaded: '{path}'\n  Referenced from: '{origin}'\n  Reason: {reason}"
    return f"Library not loaded: {load_path}\n  Referenced from: {requester.path}\n  Reason: {reason}"


def symbol_not_found(
    config: ProcessConfig,
    symbol: str,
    importer: LoadedImage,
    expected: LoadedImage | None,
    load_path: str = "",
    headline: str | None = None,
) -> str:
    """Return the lines for a missing symbol of a two-level import.

    dyld-1378, Loader.cpp: resolveSymbol(); dyld-852.2, ImageLoaderMachOCompressed.cpp: resolve(), resolveTwolevel().

    Args:
        config: The process.
        symbol: The Mach-O name.
        importer: The image that asks.
        expected: The library it is bound to; None if that is absent (linked weakly, or missing without a word).
        load_path: The absent library's load path, which dyld2 prints.
        headline: What stands for the first line (dyld-1284.13 on, where a table could not be read).
    """
    profile = config.profile
    if profile.classic and expected is None and load_path:
        return (
            f"can't resolve symbol {symbol} in {importer.path} because dependent dylib {load_path} could not be loaded"
        )
    if profile.classic:
        where = expected.path if expected is not None else "unknown"
        note = _classic_too_new(importer, config)
        return f"Symbol not found: {symbol}\n  Referenced from: {importer.path}{note}\n  Expected in: {where}\n"
    if not profile.uuids:
        where = expected.path if expected is not None else "unknown"
        if profile.wording == "quoted":
            path = quote_path(importer.path, profile)
            return f"Symbol not found: ({symbol})\n  Referenced from: '{path}'\n  Expected in: '{where}'"
        return f"Symbol not found: {symbol}\n  Referenced from: {importer.path}\n  Expected in: {where}"
    uuid, where = (_uuid(expected), expected.path) if expected is not None else ("no uuid", "unknown")
    return (
        f"{_cut(headline) or f'Symbol not found: {symbol}'}\n  Referenced from: <{_uuid(importer)}> {importer.path}"
        f"{_too_new(importer, config)}\n  Expected in:     <{uuid}> {where}"
    )


def _cut(text: str | None) -> str | None:
    """Cut a text to the 1,023 bytes dyld keeps of it (resolveSymbol(): ``symbolErrMsg``)."""
    if text is None or len(text) < 1024 // 4:
        return text
    return text.encode("utf-8", "surrogateescape")[:1023].decode("utf-8", "surrogateescape")


def bad_reexport(profile: Profile, ordinal: int, path: str, symbol: str) -> str:
    """Return what is said of a re-export from a library that is not there (hasExportedSymbol())."""
    if profile.wording == "quoted":
        return f"re-export ordinal {ordinal} in '{quote_path(path, profile)}' out of range for ({symbol})"
    return f"re-export ordinal {ordinal} in {path} out of range for {symbol}"


def dlopen_prefix(profile: Profile, path: str, mode: int) -> str:
    """Return what libdyld puts in front of an error of ``dlopen`` (dyld2: dlopen_internal())."""
    return f"dlopen({path}, {mode}): " if profile.classic else f"dlopen({path}, 0x{mode:04X}): "


def flat_symbol_not_found(config: ProcessConfig, symbol: str, importer: LoadedImage) -> str:
    """Return the line for a symbol that flat look-up did not find."""
    if config.profile.classic:
        return f"Symbol not found: {symbol}\n  Referenced from: {importer.path}\n  Expected in: flat namespace\n"
    if config.profile.wording == "quoted":
        return f"symbol not found in flat namespace ({symbol})"
    return f"symbol not found in flat namespace '{symbol}'"


def weak_symbol_not_found(config: ProcessConfig, symbol: str, importer: LoadedImage) -> str:
    """Return the text for a weak-def look-up that found nothing (fatal in chained fixups only)."""
    profile = config.profile
    if profile.classic:  # dyld-852.2, ImageLoaderMachOCompressed.cpp: resolveWeak()
        return f"Symbol not found: {symbol}\n  Referenced from: {importer.path}\n  Expected in: weak\n"
    if profile.weak_def_with_names:
        return (
            f"Symbol not found: {symbol}\n  Referenced from: <{_uuid(importer)}> {importer.path}"
            "\n  Expected as weak-def export from some loaded dylib"
        )
    if profile.wording == "quoted":
        return f"weak-def symbol not found ({symbol})"
    return f"weak-def symbol not found '{symbol}'"


def unknown_ordinal(config: ProcessConfig, symbol: str, importer: LoadedImage, ordinal: int, count: int) -> str:
    """Return the line for a bind to a library ordinal beyond the image's ``count`` libraries, or unknown to dyld.

    dyld-1378, Loader.cpp: resolveSymbol(), at the end of the ordinals; dyld-852.2, ImageLoaderMachOCompressed.cpp:
    resolve().
    """
    path = importer.path
    if config.profile.classic and ordinal <= 0:
        return f"bad mach-o binary, unknown special library ordinal ({ordinal}) too big for symbol {symbol} in {path}"
    if config.profile.classic:
        return f"bad mach-o binary, library ordinal ({ordinal}) too big (max {count}) for symbol {symbol} in {path}"
    if config.profile.wording == "quoted":
        return f"unknown library ordinal {ordinal} in '{path}' when binding ({symbol})"
    return f"unknown library ordinal {ordinal} in {path} when binding '{symbol}'"


def inserted_library_failed(config: ProcessConfig, path: str, reason: str) -> str:
    """Return the lines for a DYLD_INSERT_LIBRARIES entry that could not be loaded.

    dyld-1378, dyldMain.cpp: prepare() logs one line and halts with the reason; dyld-852.2: loadInsertedDylib().
    """
    if config.profile.classic:
        return f"could not load inserted library '{path}' because {reason}\n"
    return f"terminating because inserted dylib '{path}' could not be loaded: {reason}\n{reason}"


def main_refused(profile: Profile, path: str, error: str) -> str:
    """Return what dyld says of a main executable that is malformed (dyld-1323.3 on, dyldMain.cpp; dyld2's halt())."""
    if profile.classic:
        return error
    return f"{error} in {path}\n{error}"
