"""Which paths dyld2 tries for one library, in its order (third-party programs up to macOS 11).

dyld-852.2, src/dyld2.cpp: load() and loadPhase0() to loadPhase5(). dyld2 walks all permutations twice: first it only
compares them with what is loaded, then it opens files. So an image that is loaded already wins even from a later
permutation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from machochain.dyld.atpaths import LoadRequest, starts_with_variable
from machochain.dyld.config import ProcessConfig
from machochain.dyld.plan import IOS_SUPPORT, add_suffix, framework_partial_path
from machochain.model.image import FileType
from machochain.model.paths import leaf
from machochain.model.platform import Platform
from machochain.model.result import LoadedImage
from machochain.model.search import Candidate, Failure, FailureKind, SearchRule

RealPath = Callable[[str], str | None]
"""``realpath`` on the modelled Mac: the path with links resolved, or None if nothing is there."""


def restriction(config: ProcessConfig, request: LoadRequest) -> Failure | None:
    """Return why a restricted process refuses a load path outright, or None (loadPhase3())."""
    path = request.path
    origin = request.origin or request.chain[0].path
    advice = "(Codesign main executable with Library Validation to allow @ paths)"
    if not config.security.at_paths:
        if path.startswith("@executable_path/"):
            return _unsafe(f"@executable_path in {origin} with restricted binary {advice}")
        if path.startswith("@loader_path/") and origin == config.main_path:
            return _unsafe(f"@loader_path in {origin} with restricted binary {advice}")
    # dlopen() of a relative path goes over the run paths and is not refused here.
    if (
        config.hardened
        and request.static
        and not path.startswith(("/", "@executable_path/", "@loader_path/", "@rpath/"))
    ):
        return _unsafe(f"relative rpath {path} in {origin} with restricted binary")
    return None


def _unsafe(what: str) -> Failure:
    return Failure(FailureKind.UNSAFE_PATH, f"unsafe use of {what}")


def candidates(config: ProcessConfig, request: LoadRequest, real: RealPath, *, opening: bool) -> Iterator[Candidate]:
    """Yield the permutations of one of dyld2's two passes.

    Args:
        config: The process.
        request: The search.
        real: ``realpath``, which dyld2 applies to run paths and to ``@`` bases that did not serve.
        opening: The second pass, in which files are opened and fallbacks are tried.
    """
    path = request.path
    if config.image_suffixes and not request.inserted:
        # "otherwise a load of Foo.framework/Foo will not match"
        path = real(path) or path
    if config.platform == Platform.MAC_CATALYST and path.startswith("/") and not path.startswith(IOS_SUPPORT):
        yield from _phase1(config, request, IOS_SUPPORT + path, real, opening=opening)
    yield from _phase1(config, request, path, real, opening=opening)
    if opening and not path.startswith("@"):
        # A symbolic link to something in the shared cache (loadPhase2cache()).
        resolved = real(path)
        if resolved is not None:
            yield from _suffixed(config, Candidate(resolved, SearchRule.RAW_PATH))


def _phase1(
    config: ProcessConfig, request: LoadRequest, path: str, real: RealPath, *, opening: bool
) -> Iterator[Candidate]:
    if not request.inserted:
        rule = SearchRule.PATH_DIR_OVERRIDE
        yield from _phase2(config, path, config.framework_path, config.library_path, rule, real if opening else None)
    yield from _phase3(config, request, path, real, opening=opening)
    if not opening or request.inserted:
        return
    frameworks, framework_rule = _fallback(config, framework=True)
    libraries, library_rule = _fallback(config, framework=False)
    # dlopen of a path with a slash does not use library fallbacks (dyldAPIs.cpp: dlopen_internal()).
    use_libraries = request.static or "/" not in request.path
    yield from _phase2(config, path, frameworks, (), framework_rule, real)
    if use_libraries:
        yield from _phase2(config, path, (), libraries, library_rule, real)
    # A library that is only in a versioned directory.
    versioned = config.versioned_framework_path, config.versioned_library_path
    yield from _phase2(config, path, *versioned, SearchRule.VERSIONED_OVERRIDE, real)


def _phase2(
    config: ProcessConfig,
    path: str,
    frameworks: tuple[str, ...],
    libraries: tuple[str, ...],
    rule: SearchRule,
    real: RealPath | None,
) -> Iterator[Candidate]:
    partial = framework_partial_path(path, config.image_suffix_text)
    tail = partial if partial is not None else leaf(path)
    for directory in frameworks if partial is not None else libraries:
        yield from _suffixed(config, Candidate(f"{directory}/{tail}", rule))
        # Each is followed by its real path, in case it is a link into the cache (loadPhase2cache()).
        resolved = real(f"{directory}/{tail}") if real is not None else None
        if resolved is not None:
            yield from _suffixed(config, Candidate(resolved, rule))


def _phase3(
    config: ProcessConfig, request: LoadRequest, path: str, real: RealPath, *, opening: bool
) -> Iterator[Candidate]:
    requester = request.chain[0]
    if path.startswith("@executable_path/"):
        if config.main_path is not None:
            yield from _beside(config, config.main_path, path[17:], SearchRule.EXECUTABLE_PATH, None, real)
        yield from _literal(config, path)
        return
    if path.startswith("@loader_path/") and not request.inserted:
        origin = request.origin or requester.path
        yield from _beside(config, origin, path[13:], SearchRule.LOADER_PATH, requester.id, real)
        yield from _literal(config, path)
        return
    explicit = path.startswith("@rpath/")
    if (explicit or (not request.static and not path.startswith("/"))) and not request.inserted:
        tail = path[7:] if explicit else path
        rule = SearchRule.RPATH if explicit else SearchRule.IMPLICIT_RPATH
        for owner in request.chain:
            for index, directory in _run_paths(config, owner, real):
                base = directory if directory.endswith("/") else directory + "/"
                yield from _suffixed(config, Candidate(base + tail, rule, owner.id, index))
        if opening and explicit:
            return
    yield from _suffixed(config, Candidate(path, SearchRule.RAW_PATH))


def _literal(config: ProcessConfig, path: str) -> Iterator[Candidate]:
    """Yield a path that begins with a variable as if it were a file's name: dyld2 falls through to opening it.

    Nothing ever has such a name; what remains is that a hardened process complains about a relative path.
    """
    if config.hardened:
        yield Candidate(path, SearchRule.RAW_PATH)


def _beside(
    config: ProcessConfig, image_path: str, tail: str, rule: SearchRule, image: int | None, real: RealPath
) -> Iterator[Candidate]:
    """Yield a path beside an image as it was found, then beside its real path."""
    yield from _suffixed(config, Candidate(image_path[: image_path.rfind("/") + 1] + tail, rule, image))
    resolved = real(image_path)
    if resolved is not None:
        yield from _suffixed(config, Candidate(resolved[: resolved.rfind("/") + 1] + tail, rule, image))


def _run_paths(config: ProcessConfig, owner: LoadedImage, real: RealPath) -> Iterator[tuple[int, str]]:
    """Yield an image's run paths, expanded (ImageLoaderMachO.cpp: getRPaths())."""
    header = owner.image
    if header is None:
        return
    allowed = config.security.at_paths
    for index, run_path in enumerate(header.run_paths):
        text = run_path.path
        base: str | None = None
        if starts_with_variable(text, "@loader_path"):
            if allowed or header.file_type != FileType.MH_EXECUTE:
                base = owner.path[: owner.path.rfind("/")] + text[12:]
        elif starts_with_variable(text, "@executable_path"):
            if allowed and config.main_path is not None:
                base = config.main_path[: config.main_path.rfind("/")] + text[16:]
        elif text.startswith("/") or allowed:
            base = text if text == "/usr/lib/swift" else real(text) or text
        if base:
            yield index, base


def _fallback(config: ProcessConfig, *, framework: bool) -> tuple[tuple[str, ...], SearchRule]:
    """Return the fallback directories (defaultUninitializedFallbackPaths())."""
    custom = config.fallback_framework_path if framework else config.fallback_library_path
    if custom is not None:
        return custom, SearchRule.CUSTOM_FALLBACK
    rule = SearchRule.STANDARD_FALLBACK
    if not config.security.fallback_paths or config.platform == Platform.MAC_CATALYST:
        return ("/System/Library/Frameworks",) if framework else ("/usr/lib",), rule
    home = config.home
    if framework:
        own = (f"{home}/Library/Frameworks",) if home else ()
        return (*own, "/Library/Frameworks", "/Network/Library/Frameworks", "/System/Library/Frameworks"), rule
    return (*((f"{home}/lib",) if home else ()), "/usr/local/lib", "/usr/lib"), rule


def _suffixed(config: ProcessConfig, candidate: Candidate) -> Iterator[Candidate]:
    """Yield a path with every image suffix, then plain; versioned overrides replace it (loadPhase4(), loadPhase5())."""
    for suffix in config.image_suffixes:
        yield Candidate(
            add_suffix(candidate.path, suffix), SearchRule.SUFFIX_OVERRIDE, candidate.image, candidate.run_path
        )
    for install_name, override in config.overrides:
        if install_name == candidate.path:
            yield Candidate(override, SearchRule.VERSIONED_OVERRIDE)
            return
    yield candidate
