"""What a program linked from a package archive will load, read off the archive's pragmas.

cmd/go links each cgo package once on trial and records the install names it finds as ``cgo_import_dynamic _ _ "LIB"``
(``cmd/cgo -dynimport``). Where that trial failed (member ``dynimportfail``) only the link flags are left, and the
libraries behind them have to be looked for as the linker would.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from machochain.golang.flags import (
    Framework,
    InputFile,
    Library,
    LinkInput,
    LinkMode,
    RunPathFlag,
    SearchDirectory,
    SystemRoot,
    parse_ldflags,
)
from machochain.model.go import Directive, ImportDynamic, LdFlag
from machochain.model.value import frozen

Found = tuple[str, str | None]
"""(path of the file the linker would take, its install name); the name is None for a static library or object."""

Find = Callable[[str, str, Sequence[str]], Found | None]
"""``find(kind, name, directories)``: what the linker takes for it, or None.

The kind is ``library``, ``framework`` or ``file``. ``directories`` are in search order and empty for a file;
:func:`search_paths` turns them into the paths to try.
"""

Exists = Callable[[str], bool]

_LIBRARY_DIRECTORIES: Final = ("/usr/lib", "/usr/local/lib")
_FRAMEWORK_DIRECTORIES: Final = ("/Library/Frameworks", "/System/Library/Frameworks")


@frozen
class PredictedLoad:
    """One dylib command to come.

    Attributes:
        name: The install name.
        weak: Whether the flag links it weakly.
        source: The pragma or flag that says so.
    """

    name: str
    weak: bool
    source: str


@frozen
class PredictedLink:
    """What the host linker will write.

    Attributes:
        loads: Dylib commands, each name once, in the order of the pragmas or flags.
        run_paths: LC_RPATHs in order; one package's flags may repeat a path.
        static: Paths of static libraries and objects that go in.
        unresolved: Flags whose library was not found.
        from_imports: Whether the names were recorded by cmd/go, not looked for.
        directories: Absolute directories of ``-L`` flags, in order, each once.
    """

    loads: tuple[PredictedLoad, ...] = ()
    run_paths: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    unresolved: tuple[str, ...] = ()
    from_imports: bool = False
    directories: tuple[str, ...] = ()


def _nowhere(path: str) -> bool:
    del path
    return False


def predict_link(directives: Iterable[Directive], find: Find, exists: Exists = _nowhere) -> PredictedLink:
    """Predict dylib commands and run paths.

    Args:
        directives: Of one package archive: what one records says nothing about another.
        find: How to look for libraries.
        exists: Whether there is a directory: one below the SDK replaces the one named.

    A name recorded by cmd/go is weak only if the flag that links it weakly finds a library of this name.
    """
    listed = tuple(directives)
    words = tuple(each.word for each in listed if isinstance(each, LdFlag))
    inputs = parse_ldflags(words)
    run_paths = tuple(each.path for each in inputs if isinstance(each, RunPathFlag))
    recorded = [each.loads for each in listed if isinstance(each, ImportDynamic) and each.loads]
    folders = tuple(
        dict.fromkeys(
            each.path
            for each in inputs
            if isinstance(each, SearchDirectory) and not each.frameworks and each.path.startswith("/")
        )
    )
    loads: dict[str, PredictedLoad] = {}
    static: list[str] = []
    unresolved: list[str] = []
    for each, found in _searched(inputs, find, exists):
        shown = _shown(words, each)
        if found is None:
            unresolved.append(shown)
        elif found[1] is None:
            static.append(found[0])
        else:
            # Named twice, a library stays weak only if every mention is.
            weak = each.mode is LinkMode.WEAK and (found[1] not in loads or loads[found[1]].weak)
            loads[found[1]] = PredictedLoad(found[1], weak, f"{shown} ({found[0]})")
    if not recorded:
        return PredictedLink(tuple(loads.values()), run_paths, tuple(static), tuple(unresolved), directories=folders)
    named = {
        name: PredictedLoad(name, name in loads and loads[name].weak, f'cgo_import_dynamic _ _ "{name}"')
        for name in recorded
    }
    return PredictedLink(tuple(named.values()), run_paths, tuple(static), from_imports=True, directories=folders)


def _shown(words: Sequence[str], each: Library | Framework | InputFile) -> str:
    word, name = words[each.word], _name(each)
    return word if name in word else f"{word} {name}"


def _name(each: Library | Framework | InputFile) -> str:
    return each.path if isinstance(each, InputFile) else each.name


def _searched(
    inputs: Iterable[LinkInput], find: Find, exists: Exists
) -> Iterator[tuple[Library | Framework | InputFile, Found | None]]:
    listed = tuple(inputs)
    roots = [each.path for each in listed if isinstance(each, SystemRoot)]
    libraries = _directories(listed, roots, exists, frameworks=False)
    frameworks = _directories(listed, roots, exists, frameworks=True)
    for each in listed:
        if isinstance(each, Library):
            yield each, find("library", each.name, libraries)
        elif isinstance(each, Framework):
            yield each, find("framework", each.name, frameworks)
        elif isinstance(each, InputFile):
            yield each, find("file", each.path, ())


def _directories(
    inputs: Iterable[LinkInput], roots: Sequence[str], exists: Exists, *, frameworks: bool
) -> tuple[str, ...]:
    own = [each.path for each in inputs if isinstance(each, SearchDirectory) and each.frameworks is frameworks]
    standard = _FRAMEWORK_DIRECTORIES if frameworks else _LIBRARY_DIRECTORIES
    bases = [root.rstrip("/") for root in roots]
    # ld(1), -syslibroot: an absolute directory that exists below an SDK is replaced by that one.
    placed = [
        next((f"{base}{path}" for base in bases if path.startswith("/") and exists(f"{base}{path}")), path)
        for path in own
    ]
    return tuple(dict.fromkeys((*placed, *(f"{base}{path}" for base in bases or [""] for path in standard))))


def search_paths(kind: str, name: str, directories: Sequence[str]) -> Iterator[str]:
    """Return the paths the linker tries for a library, framework or file, in order.

    In each directory a stub comes before a dylib and a dylib before an archive (``-search_paths_first``, the default
    since Xcode 4; ``man ld``). A library whose name ends in ``.o`` is that very file.
    """
    if kind == "file":
        yield name
        return
    for directory in directories:
        base = directory.rstrip("/")
        if kind == "framework":
            yield f"{base}/{name}.framework/{name}.tbd"
            yield f"{base}/{name}.framework/{name}"
        elif name.endswith(".o"):
            yield f"{base}/{name}"
        else:
            yield from (f"{base}/lib{name}{suffix}" for suffix in (".tbd", ".dylib", ".so", ".a"))
