"""Expansion of ``@executable_path``, ``@loader_path`` and ``@rpath`` (dyld-1378, Loader.cpp)."""

from __future__ import annotations

from collections.abc import Iterator

from machochain.dyld.config import ProcessConfig
from machochain.dyld.facts import sdk_before
from machochain.model.image import FileType
from machochain.model.ospaths import CRYPTEX
from machochain.model.paths import leaf
from machochain.model.platform import Platform
from machochain.model.result import LoadedImage
from machochain.model.search import Candidate, SearchRule
from machochain.model.value import frozen


@frozen
class LoadRequest:
    """One search for a library.

    Attributes:
        path: The load path as written.
        chain: The run-path stack, innermost image first. At launch the main executable stands on it twice,
            as dyld builds it (dyldMain.cpp: prepare() and JustInTimeLoader::loadDependents()).
        needs_fallbacks: Whether the requesting image was built before default fallbacks were dropped.
        static: Asked by a load command; False for ``dlopen``.
        inserted: Asked by DYLD_INSERT_LIBRARIES.
        may_be_missing: A weak link: failing is no error.
        origin: The path by which the requesting image was found, before links were resolved; only dyld2 looks at it.
    """

    path: str
    chain: tuple[LoadedImage, ...]
    needs_fallbacks: bool = False
    static: bool = True
    inserted: bool = False
    may_be_missing: bool = False
    origin: str | None = None


def starts_with_variable(path: str, variable: str) -> bool:
    """Whether a path starts with the variable, followed by a slash or its end."""
    return path.startswith(variable) and path[len(variable) : len(variable) + 1] in ("", "/")


def expand_loader_path(path: str, image: LoadedImage, *, config: ProcessConfig, in_run_path: bool) -> str | None:
    """Replace ``@loader_path`` by the directory of an image; None if it is not there or not allowed.

    dyld-1378, Loader.cpp: expandAtLoaderPath(). The result is not normalised.
    """
    if not starts_with_variable(path, "@loader_path"):
        return None
    if not config.security.at_paths and in_run_path and _is_main(image):
        return None
    base, slash, _ = image.path.rpartition("/")
    return base + path[12:] if slash else None


def expand_executable_path(path: str, *, config: ProcessConfig) -> str | None:
    """Replace ``@executable_path``; None if it is not there, not allowed, or the process is not known.

    dyld-1378, Loader.cpp: expandAndNormalizeAtExecutablePath(): leading ``/..`` are taken off textually, never
    above the top directory. The test is on three characters, so ``/..foo`` is cut as well. Up to dyld-960 the text
    is only joined.
    """
    if not starts_with_variable(path, "@executable_path") or not config.security.at_paths or config.main_path is None:
        return None
    main = config.main_path
    end = main.rfind("/")
    if end < 0:
        return None
    tail = path[16:]
    if not tail:
        return main[: end + 1]
    if config.profile.folds_executable_path:
        while tail.startswith("/.."):
            parent = main.rfind("/", 0, end)
            if parent <= 0:
                break
            tail = tail[3:]
            end = parent
    return main[:end] + tail


def expand_run_path(
    tail: str, run_path: str, owner: LoadedImage, index: int, *, config: ProcessConfig, rule: SearchRule
) -> Iterator[Candidate]:
    """Yield what one LC_RPATH makes of ``@rpath`` + tail; ``tail`` starts with a slash.

    dyld-1378, Loader.cpp: forEachResolvedAtPathVar(). Variables are relative to the image that owns the run path.
    """
    expanded = expand_loader_path(run_path, owner, config=config, in_run_path=True)
    if expanded is None:
        expanded = expand_executable_path(run_path, config=config)
    if expanded is not None:
        yield Candidate(join(expanded, tail), rule, owner.id, index)
    elif run_path.startswith("/"):
        if config.platform == Platform.IOS:
            yield Candidate(join("/System/iOSSupport" + run_path, tail), rule, owner.id, index)
        if config.is_simulator and config.root_path is not None:
            yield Candidate(join(config.root_path + run_path, tail), rule, owner.id, index)
        yield Candidate(join(run_path, tail), rule, owner.id, index)
        if config.cryptex:
            yield Candidate(join(CRYPTEX + run_path, tail), rule, owner.id, index)
    elif config.security.at_paths and not (
        # The text goes through unexpanded only if it names no variable dyld cannot expand for want of a process.
        config.main_path is None and starts_with_variable(run_path, "@executable_path")
    ):
        yield Candidate(join(run_path, tail), rule, owner.id, index)


def join(directory: str, tail: str) -> str:
    """Append a tail that starts with a slash, dropping one slash of a directory that ends in one."""
    return directory.removesuffix("/") + tail


def resolve_variables(path: str, rule: SearchRule, request: LoadRequest, config: ProcessConfig) -> Iterator[Candidate]:
    """Yield the concrete paths of one path variant; a path that still starts with ``@`` yields nothing.

    dyld-1378, Loader.cpp: forEachResolvedAtPathVar().
    """
    is_rpath = path.startswith("@rpath/")
    if is_rpath and request.inserted:
        yield Candidate(path, rule)
        return
    requester = request.chain[0]
    if not request.inserted:
        expanded = expand_loader_path(path, requester, config=config, in_run_path=False)
        if expanded is not None:
            yield Candidate(expanded, SearchRule.LOADER_PATH, requester.id)
            retry = _without_versions(requester, path[12:], config)
            if retry is not None:
                yield Candidate(retry, SearchRule.LOADER_PATH, requester.id)
            return
    expanded = expand_executable_path(path, config=config)
    if expanded is not None:
        yield Candidate(expanded, SearchRule.EXECUTABLE_PATH)
        return
    if is_rpath:
        kind = rule if rule is SearchRule.IMPLICIT_RPATH else SearchRule.RPATH
        for owner in request.chain:
            if owner.image is not None:
                for index, run_path in enumerate(owner.image.run_paths):
                    yield from expand_run_path(path[6:], run_path.path, owner, index, config=config, rule=kind)
    if not path.startswith("@"):
        yield Candidate(path, rule)


def _is_main(image: LoadedImage) -> bool:
    return image.image is not None and image.image.file_type == FileType.MH_EXECUTE


def _without_versions(image: LoadedImage, tail: str, config: ProcessConfig) -> str | None:
    """Return ``@loader_path`` + tail as if a framework's library lay outside its ``/Versions/X``.

    dyld-1378, Loader.cpp: forEachResolvedAtPathVar(): only for dylibs of an old SDK whose path ends in
    ``/Versions/X/leaf``, with the leaf of their install name and a one-letter version.
    """
    folder = framework_folder(image)
    if folder is None or image.image is None or not sdk_before(image.image, config.profile.real_loader_paths_sdk):
        return None
    return folder + tail


def framework_folder(image: LoadedImage) -> str | None:
    """Return what dyld takes for the framework a dylib lies in; None for any other, as in `_without_versions`."""
    header = image.image
    if header is None or header.file_type != FileType.MH_DYLIB or "/" not in (header.install_name or ""):
        return None
    install_leaf = "/" + leaf(header.install_name or "")
    cut = len(image.path) - len(install_leaf) - 11
    return image.path[:cut] if cut > 0 and image.path[cut:].startswith("/Versions/") else None
