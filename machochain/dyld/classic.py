"""Which paths dyld2 tries for one library, in its order (third-party programs up to macOS 11).

dyld-852.2, src/dyld2.cpp: load() and loadPhase0() to loadPhase5(). dyld2 walks all permutations twice: first it only
compares them with what is loaded, then it opens files. So an image that is loaded already wins even from a later
permutation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from machochain.dyld.atpaths import LoadRequest, starts_with_variable
from machochain.dyld.config import ProcessConfig
from machochain.dyld.plan import add_suffix, framework_partial_path
from machochain.model.image import FileType
from machochain.model.paths import leaf
from machochain.model.result import LoadedImage
from machochain.model.search import Candidate, Failure, FailureKind, SearchRule
from machochain.model.value import evolve, frozen

RealPath = Callable[[str], str | None]
"""``realpath`` on the modelled Mac: the path with links resolved, or None if nothing is there."""


@frozen
class Paths:
    """What dyld2 asks the file system for while it makes up paths.

    Attributes:
        real: ``realpath``.
        left: What ``realpath`` leaves in its buffer: the real path, or that of the first part that is not there; None
            if it fails in any other way.
        cached: Whether the shared cache has a library of that name.
        there: Whether anything is at a path.
    """

    real: RealPath
    left: RealPath
    cached: Callable[[str], bool]
    there: Callable[[str], bool]


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


def candidates(config: ProcessConfig, request: LoadRequest, paths: Paths, *, opening: bool) -> Iterator[Candidate]:
    """Yield the permutations of one of dyld2's two passes.

    Args:
        config: The process.
        request: The search.
        paths: The file system: dyld2 applies ``realpath`` to run paths and to ``@`` bases that did not serve.
        opening: The second pass, in which files are opened and fallbacks are tried.
    """
    if config.image_suffixes and config.root_paths:
        config = evolve(config, image_suffixes=())
    path = request.path
    if config.image_suffixes and not request.inserted:
        # "otherwise a load of Foo.framework/Foo will not match"
        path = paths.real(path) or path
    yield from _phase0(config, request, path, paths, opening=opening)
    if opening:
        yield from _left(config, path, SearchRule.RAW_PATH, paths)


def _phase0(
    config: ProcessConfig, request: LoadRequest, path: str, paths: Paths, *, opening: bool
) -> Iterator[Candidate]:
    """Other roots first; iOS programs know frameworks without versions."""
    if config.demands.ios_on_mac and _VERSIONS in path:
        yield from _phase0(config, request, _flat(path), paths, opening=opening)
    for root in config.root_paths if path.startswith("/") else ():
        if not path.startswith(root):
            yield from _phase1(config, request, root + path, paths, opening=opening)
    yield from _phase1(config, request, path, paths, opening=opening)


_VERSIONS: Final = ".framework/Versions/"


def _flat(path: str) -> str:
    """Leave out ``Versions`` and the one letter behind it."""
    while _VERSIONS in path:
        before, _, behind = path.partition(_VERSIONS)
        path = f"{before}.framework/{behind[2:]}"
    return path


def _phase1(
    config: ProcessConfig, request: LoadRequest, path: str, paths: Paths, *, opening: bool
) -> Iterator[Candidate]:
    at = paths if opening else None
    alone = not request.static and "/" not in request.path  # dyldAPIs.cpp: dlopen_internal(), useLdLibraryPath
    if not (config.production_cache and paths.cached(path)):
        if alone:
            yield from _phase2(config, path, (), config.unix_library_path, SearchRule.PATH_DIR_OVERRIDE, at)
        if not request.inserted:
            rule = SearchRule.PATH_DIR_OVERRIDE
            yield from _phase2(config, path, config.framework_path, config.library_path, rule, at)
    yield from _phase3(config, request, path, paths, opening=opening)
    frameworks, framework_rule = _fallback(config, framework=True)
    libraries, library_rule = _fallback(config, framework=False)
    # dlopen of a path with a slash does not use library fallbacks, nor does what is inserted.
    uses = (request.static and not request.inserted) or alone
    if opening:
        yield from _phase2(config, path, frameworks, (), framework_rule, paths)
        yield from _phase2(config, path, (), libraries if uses else (), library_rule, paths)
    if alone and not libraries:
        yield from _phase2(config, path, (), ("/usr/lib",), SearchRule.STANDARD_FALLBACK, at)
    if opening:
        # A library that is only in a versioned directory.
        versioned = config.versioned_framework_path, config.versioned_library_path
        yield from _phase2(config, path, *versioned, SearchRule.VERSIONED_OVERRIDE, paths)


def _phase2(
    config: ProcessConfig,
    path: str,
    frameworks: tuple[str, ...],
    libraries: tuple[str, ...],
    rule: SearchRule,
    paths: Paths | None,
) -> Iterator[Candidate]:
    partial = _partial_path(config, path)
    tail = partial if partial is not None else leaf(path)
    for directory in frameworks if partial is not None else libraries:
        yield from _suffixed(config, Candidate(f"{directory}/{tail}", rule))
        if paths is not None:
            yield from _left(config, f"{directory}/{tail}", rule, paths)


def _partial_path(config: ProcessConfig, path: str) -> str | None:
    """Return the framework part of a path; its name may end in any of the suffixes (getFrameworkPartialPath())."""
    for suffix in (None, *config.image_suffixes):
        partial = framework_partial_path(path, suffix)
        if partial is not None:
            return partial
    return None


def _left(config: ProcessConfig, path: str, rule: SearchRule, paths: Paths) -> Iterator[Candidate]:
    """Yield what realpath() leaves, in case it is a link to something in the shared cache (loadPhase2cache())."""
    if path.startswith("@") or (config.hardened and not path.startswith("/")):
        return
    resolved = paths.left(path)
    if resolved is not None:
        yield from _suffixed(config, Candidate(resolved, rule))


def _phase3(
    config: ProcessConfig, request: LoadRequest, path: str, paths: Paths, *, opening: bool
) -> Iterator[Candidate]:
    requester = request.chain[0]
    if path.startswith("@executable_path/"):
        if config.main_path is not None:
            yield from _beside(config, config.main_path, path[17:], SearchRule.EXECUTABLE_PATH, None, paths.real)
        yield from _literal(config, path)
        return
    if path.startswith("@loader_path/") and not request.inserted:
        origin = request.origin or requester.path
        yield from _beside(config, origin, path[13:], SearchRule.LOADER_PATH, requester.id, paths.real)
        yield from _literal(config, path)
        return
    explicit = path.startswith("@rpath/")
    if explicit or (not request.static and not request.path.startswith("/")):
        tail = path[7:] if explicit else path
        rule = SearchRule.RPATH if explicit else SearchRule.IMPLICIT_RPATH
        for owner in request.chain if not request.inserted else ():
            for index, directory in _run_paths(config, owner, paths):
                base = directory if directory.endswith("/") else directory + "/"
                yield from _suffixed(config, Candidate(base + tail, rule, owner.id, index))
        yield from _phase2(config, tail, (), config.unix_library_path, rule, paths if opening else None)
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


def _run_paths(config: ProcessConfig, owner: LoadedImage, paths: Paths) -> Iterator[tuple[int, str]]:
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
        elif text.startswith("/") and config.root_paths:
            yield from ((index, root + text) for root in config.root_paths if paths.there(root + text))
            base = text
        elif text.startswith("/") or allowed:
            base = text if text == "/usr/lib/swift" else paths.real(text) or text
        if base:
            yield index, base


def _fallback(config: ProcessConfig, *, framework: bool) -> tuple[tuple[str, ...], SearchRule]:
    """Return the fallback directories (defaultUninitializedFallbackPaths())."""
    if config.pruned:
        return (), SearchRule.STANDARD_FALLBACK
    custom = config.fallback_framework_path if framework else config.fallback_library_path
    if custom is not None:
        return custom, SearchRule.CUSTOM_FALLBACK
    rule = SearchRule.STANDARD_FALLBACK
    if not config.security.fallback_paths or config.demands.ios_on_mac:
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
