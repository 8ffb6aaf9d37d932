"""Which paths dyld4 tries for one library, in its order (macOS 12 and later).

dyld-1378, DyldProcessConfig.cpp: PathOverrides::forEachPathVariant() composed with Loader.cpp: forEachPath().
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machochain.dyld.atpaths import LoadRequest, resolve_variables
from machochain.dyld.config import ProcessConfig
from machochain.model.ospaths import CRYPTEX
from machochain.model.paths import leaf
from machochain.model.platform import Platform
from machochain.model.search import Candidate, SearchRule

IOS_SUPPORT = "/System/iOSSupport"
_OLD_WEBKIT: Final = "/System/Library/PrivateFrameworks/WebKit.framework/WebKit"


def candidates(config: ProcessConfig, request: LoadRequest) -> Iterator[Candidate]:
    """Yield the paths dyld4 would try, in order, until the caller has found one that serves."""
    for path, rule in path_variants(config, request):
        if request.static or rule is not SearchRule.RAW_PATH or request.path.startswith(("/", "@")):
            yield from resolve_variables(path, rule, request, config)
            continue
        # dlopen of a relative path (forEachPath): as if it were behind @rpath, then below /usr/lib, then as it is.
        yield from resolve_variables("@rpath/" + path, SearchRule.IMPLICIT_RPATH, request, config)
        if not config.profile.dlopen_tries_usr_lib:
            yield from resolve_variables(path, rule, request, config)
            continue
        yield Candidate("/usr/lib/" + request.path, SearchRule.STANDARD_FALLBACK)
        if config.security.at_paths:
            yield Candidate(request.path, rule)


def path_variants(config: ProcessConfig, request: LoadRequest) -> Iterator[tuple[str, SearchRule]]:
    """Yield every variant of a load path before ``@`` variables are expanded (forEachPathVariant)."""
    path = request.path
    partial = framework_partial_path(path, config.image_suffix_text)
    tail = partial if partial is not None else leaf(path)
    for directory in config.framework_path if partial is not None else config.library_path:
        yield from _with_suffixes(f"{directory}/{tail}", SearchRule.PATH_DIR_OVERRIDE, config)
    for install_name, override in config.overrides:
        if install_name == path:
            yield override, SearchRule.VERSIONED_OVERRIDE
            return
    if not path.startswith("@") or config.profile.cryptex_for_at_paths:
        if path == _OLD_WEBKIT and config.platform == Platform.IOS:
            path = "/System/Library/Frameworks/WebKit.framework/WebKit"
        yield from _prefixed(path, config)
    yield from _with_suffixes(path, SearchRule.RAW_PATH, config)
    if _skips_fallbacks(config, request, partial):
        return
    for directory, rule in _fallbacks(config, request, framework=partial is not None):
        fallback = f"{directory}/{tail}"
        if fallback != path:
            yield from _with_suffixes(fallback, rule, config)


def _prefixed(path: str, config: ProcessConfig) -> Iterator[tuple[str, SearchRule]]:
    """Yield the path below simulator, Catalyst and cryptex roots, and the path itself on disk only."""
    absolute_kind = not path.startswith("@")
    if absolute_kind and config.is_simulator and config.root_path is not None:
        yield from _with_suffixes(config.root_path + path, SearchRule.SIMULATOR_PREFIX, config)
    support = absolute_kind and config.searches_ios_support and not path.startswith(IOS_SUPPORT + "/")
    if not config.cryptex:
        if support:
            yield from _with_suffixes(IOS_SUPPORT + path, SearchRule.CATALYST_PREFIX, config)
        return
    if support:
        if not config.profile.cryptex_for_at_paths:
            yield from _with_suffixes(IOS_SUPPORT + path, SearchRule.CATALYST_PREFIX_ON_DISK, config)
            yield from _with_suffixes(CRYPTEX + IOS_SUPPORT + path, SearchRule.CRYPTEX_CATALYST_PREFIX, config)
        yield from _with_suffixes(IOS_SUPPORT + path, SearchRule.CATALYST_PREFIX, config)
    yield from _with_suffixes(path, SearchRule.RAW_PATH_ON_DISK, config)
    yield from _with_suffixes(CRYPTEX + path, SearchRule.CRYPTEX_PREFIX, config)


def _skips_fallbacks(config: ProcessConfig, request: LoadRequest, partial: str | None) -> bool:
    """Whether fallbacks are left out: ``dlopen`` of a path with a slash that is no framework path (dyld-955 on)."""
    return not request.static and "/" in request.path and partial is None and not config.profile.dlopen_falls_back


def _fallbacks(config: ProcessConfig, request: LoadRequest, *, framework: bool) -> Iterator[tuple[str, SearchRule]]:
    """Yield fallback directories (forEachDylibFallback, forEachFrameworkFallback)."""
    custom = config.fallback_framework_path if framework else config.fallback_library_path
    if custom is not None and (config.profile.custom_fallbacks_for_dlopen or _custom_allowed(request)):
        for directory in custom:
            yield directory, SearchRule.CUSTOM_FALLBACK
        return
    if config.profile.default_fallbacks_need_old_sdk and not request.needs_fallbacks:
        return
    for directory in default_fallbacks(config, framework=framework):
        yield directory, SearchRule.STANDARD_FALLBACK


def _custom_allowed(request: LoadRequest) -> bool:
    """Up to dyld-960 ``dlopen`` of a path with a slash used only the default list (``useFallBackPaths``)."""
    return request.static or "/" not in request.path


_DEVICES: Final = frozenset({Platform.IOS, Platform.TVOS, Platform.WATCHOS, Platform.BRIDGEOS, Platform.VISIONOS})


def default_fallbacks(config: ProcessConfig, *, framework: bool) -> tuple[str, ...]:
    """Return the fallback directories used when no variable names others (macOS and Catalyst programs)."""
    if config.platform == Platform.DRIVERKIT:
        return ()
    if framework:
        system = ("/System/Library/Frameworks",)
        full = config.platform == Platform.MACOS and config.security.fallback_paths
        return ("/Library/Frameworks", *system) if full else system
    if config.platform == Platform.MACOS:
        return ("/usr/local/lib", "/usr/lib") if config.security.fallback_paths else ("/usr/lib",)
    kind = config.profile.catalyst_fallback
    if config.platform == Platform.MAC_CATALYST or config.is_simulator:
        if kind == "both for simulators" and config.is_simulator:
            return ("/usr/local/lib", "/usr/lib")
        return ("/usr/local/lib",) if kind == "usr-local-lib" else ("/usr/lib",)
    if config.platform in _DEVICES:
        return ("/usr/local/lib",) if config.profile.ios_fallback_local_only else ("/usr/local/lib", "/usr/lib")
    return ("/usr/local/lib",) if config.profile.ios_fallback_local_only else ()


def _with_suffixes(path: str, rule: SearchRule, config: ProcessConfig) -> Iterator[tuple[str, SearchRule]]:
    """Yield a path with every DYLD_IMAGE_SUFFIX, then plain (forEachImageSuffix)."""
    for suffix in config.image_suffixes:
        yield add_suffix(path, suffix), SearchRule.SUFFIX_OVERRIDE
    yield path, rule


def add_suffix(path: str, suffix: str) -> str:
    """Insert a suffix before the last dot of the leaf, or append it (dyld-1378, PathOverrides::addSuffix())."""
    head, slash, name = path.rpartition("/")
    stem, dot, extension = name.rpartition(".")
    return f"{head}{slash}{stem}{suffix}.{extension}" if dot else path + suffix


def framework_partial_path(path: str, image_suffix: str | None = None) -> str | None:
    """Return the part of a framework path from the framework's name on, or None if it is not one.

    dyld-1378, PathOverrides::getFrameworkPartialPath(): the name of the last ``.framework/`` must be the leaf,
    or the leaf without the image suffix.
    """
    dot = path.rfind(".framework/")
    if dot < 0:
        return None
    start = path.rfind("/", 0, dot + 1) + 1
    name = path[start:dot]
    last = leaf(path)
    if last == name or (image_suffix is not None and last == name + image_suffix):
        return path[start:]
    return None
