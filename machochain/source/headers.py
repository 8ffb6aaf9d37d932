"""Which headers the C code of a package includes, where each is found, and what it shadows."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from machochain.golang.cheaders import of_compiler
from machochain.golang.gofile import GoFile, comment_lines, read_go_file
from machochain.golang.preprocess import (
    Directive,
    Include,
    Macros,
    Truth,
    directives,
    includes,
    known_macros,
    with_definitions,
)
from machochain.golang.settings import Settings
from machochain.golang.words import GO_SPACE
from machochain.model.value import define, field, frozen
from machochain.source.chain import Directory, header_directories
from machochain.source.disk import Disk, read_bytes
from machochain.source.values import (
    BuildTarget,
    FlagWord,
    Kind,
    LinkedLibrary,
    PackageFacts,
    PathState,
    Search,
    SearchOutcome,
    SourcePosition,
    TriedPath,
)

_LANGUAGES: Final = {"CFiles": "c", "CXXFiles": "c++", "MFiles": "objective-c", "SFiles": "c"}
_MOST: Final = 20_000
"""Files of one package that are walked; nobody has more, but files that include one another may ask for it."""
_GENERATED: Final = frozenset({"_cgo_export.h"})


@define
class Closure:
    """What the C code of one package reaches.

    Attributes:
        searches: One for each name, in the order they are met.
        used: Files below the module that go in, with whether that is sure; and what includes each first.
        units: How many files were compiled.
        walked: How many includes were met.
    """

    searches: list[Search] = field(factory=list)
    used: dict[str, tuple[bool, SourcePosition]] = field(factory=dict)
    units: int = 0
    walked: int = 0


class HeaderWalk:
    """Walks the includes of packages for one target."""

    def __init__(
        self, disk: Disk, target: BuildTarget, settings: Settings, listed: dict[str, tuple[Directive, ...]]
    ) -> None:
        """Take where to look; ``listed`` keeps the directives of files for walks of other targets."""
        self.disk = disk
        self.target = target
        self.settings = settings
        self._listed = listed

    def closure(self, package: PackageFacts, words: Mapping[str, Sequence[FlagWord]]) -> Closure:
        """Return what a package includes.

        Args:
            package: The package.
            words: The words of its compiler, by the verb of the language: CFLAGS, CXXFLAGS.
        """
        found = Closure()
        walk = _PackageWalk(self, package, found)
        plain = words["CFLAGS"]
        for name in package.files.get("CgoFiles", ()):
            path = f"{package.directory}/{name}"
            for listed, place in self._preambles(path):
                walk.unit(listed, place, plain, "c")
        for key, language in _LANGUAGES.items():
            flags = words["CXXFLAGS"] if key == "CXXFiles" else plain
            for name in package.files.get(key, ()):
                if key == "SFiles" and not name.endswith((".S", ".sx")):
                    continue
                path = f"{package.directory}/{name}"
                walk.unit(self.listed(path), SourcePosition(path), flags, _language(language, flags))
        found.searches = list(walk.searches.values())
        return found

    def listed(self, path: str) -> tuple[Directive, ...]:
        """Return the directives of a file."""
        if path not in self._listed:
            self._listed[path] = directives(self.disk.text(path) or "")
        return self._listed[path]

    def _preambles(self, path: str) -> Iterator[tuple[tuple[Directive, ...], SourcePosition]]:
        data = read_bytes(path)
        if data is None:
            return
        head: GoFile = read_go_file(data)
        for each in head.imports:
            if each.path != "C" or not each.doc:
                continue
            lines = list(comment_lines(each.doc))
            text = "\n".join("" if t.strip(GO_SPACE).startswith("#cgo") else t for t, _ in lines)
            numbers = [number for _, number in lines]
            yield (
                tuple(Directive(d.kind, d.text, numbers[d.line - 1]) for d in directives(text)),
                SourcePosition(path, each.line),
            )


def _language(language: str, words: Sequence[FlagWord]) -> str:
    texts = [w.text for w in words]
    for at, text in enumerate(texts):
        given = texts[at + 1] if text == "-x" and at + 1 < len(texts) else text[2:] if text.startswith("-x") else ""
        if given in ("c", "c++", "objective-c", "objective-c++"):
            language = given
    return language


@frozen
class _Hit:
    """What the search for one header came to: as the fields of `Search`."""

    winner: str | None
    outcome: SearchOutcome
    system: bool = False
    tried: tuple[TriedPath, ...] = ()
    shadowed: tuple[tuple[str, LinkedLibrary], ...] = ()


class _PackageWalk:
    """The translation units of one package."""

    def __init__(self, walk: HeaderWalk, package: PackageFacts, found: Closure) -> None:
        self.walk = walk
        self.disk = walk.disk
        self.package = package
        self.found = found
        self.searches: dict[tuple[str, str], Search] = {}
        self._chains: dict[tuple[str, ...], tuple[Directory, ...]] = {}
        self._hits: dict[tuple[int, str, str], _Hit] = {}

    def unit(
        self, listed: tuple[Directive, ...], place: SourcePosition, words: Sequence[FlagWord], language: str
    ) -> None:
        """Walk one translation unit."""
        self.found.units += 1
        texts = tuple(w.text for w in words)
        if texts not in self._chains:
            self._chains[texts] = header_directories(words, self.walk.target, self.walk.settings)
        chain = self._chains[texts]
        macros = with_definitions(known_macros(self.walk.target.goarch, language=language), texts)
        visited: dict[str, bool] = {}
        for at, text in enumerate(texts):
            if text == "-include" and at + 1 < len(texts):
                each = Include(texts[at + 1], quoted=True, line=words[at].place.line)
                self._include(each, words[at].place.file or place.file, macros, chain, visited, certain=True, depth=0)
        self._file(listed, place.file, macros, chain, visited, certain=True, depth=0)

    def _file(
        self,
        listed: tuple[Directive, ...],
        path: str,
        macros: Macros,
        chain: tuple[Directory, ...],
        visited: dict[str, bool],
        *,
        certain: bool,
        depth: int,
    ) -> None:
        def has_include(name: str, quoted: bool) -> Truth:
            outcome = self._look(name, quoted, path, chain).outcome
            return {SearchOutcome.FOUND: True, SearchOutcome.MISSING: False, SearchOutcome.UNKNOWN: None}[outcome]

        for each in includes(listed, macros, has_include, certain=certain):
            self.found.walked += 1
            if self.found.walked > _MOST:
                continue
            if each.computed:
                self._unknown(each, path, certain=certain and each.certain)
                continue
            self._include(each, path, macros, chain, visited, certain=certain and each.certain, depth=depth)

    def _unknown(self, each: Include, path: str, *, certain: bool) -> None:
        """Note an include of a macro whose value is not known."""
        key = (each.name, "")
        if key not in self.searches or (certain and not self.searches[key].certain):
            self.searches[key] = Search(
                self.walk.target.name, Kind.HEADER, each.name, self.package.path, SourcePosition(path, each.line),
                certain, SearchOutcome.UNKNOWN, computed=True,
            )  # fmt: skip

    def _include(
        self,
        each: Include,
        path: str,
        macros: Macros,
        chain: tuple[Directory, ...],
        visited: dict[str, bool],
        *,
        certain: bool,
        depth: int,
    ) -> None:
        place = SourcePosition(path, each.line)
        hit = self._look(each.name, each.quoted, path, chain)
        winner, system = hit.winner, hit.system
        key = (each.name, winner or "")
        known = self.searches.get(key)
        if known is None or (certain and not known.certain):
            self.searches[key] = Search(
                self.walk.target.name, Kind.HEADER, each.name, self.package.path, place, certain, hit.outcome,
                winner, hit.tried, shadowed=hit.shadowed, by_system=system,
            )  # fmt: skip
        if winner is None or system or depth > 100:
            return
        if self.disk.is_own(winner):
            before = self.found.used.get(winner)
            if before is None or (certain and not before[0]):
                self.found.used[winner] = (certain, place)
        if visited.get(winner, False) or (winner in visited and not certain):
            return
        visited[winner] = certain
        self._file(self.walk.listed(winner), winner, macros, chain, visited, certain=certain, depth=depth + 1)

    def _look(self, name: str, quoted: bool, path: str, chain: tuple[Directory, ...]) -> _Hit:
        beside = posixpath.dirname(path) if quoted else ""
        key = (id(chain), name, beside)
        found = self._hits.get(key)
        if found is None:
            found = self._hits[key] = self._search(name, beside, chain)
        return found

    def _search(self, name: str, beside: str, chain: tuple[Directory, ...]) -> _Hit:  # noqa: C901, PLR0912  # the order of its steps is the rule
        if name in _GENERATED:
            return _Hit(None, SearchOutcome.FOUND, system=True)
        tried: list[TriedPath] = []
        shadowed: list[tuple[str, LinkedLibrary]] = []
        winner: str | None = None
        system = unseen = False
        if name.startswith("/"):
            chain, beside = (Directory("", "the name itself"),), ""
        own = Directory(beside, "the including file's directory")
        for each in (own, *chain) if beside else chain:
            candidate = _candidate(each, name)
            if candidate is None:
                if each.path is None and (not each.frameworks or "/" in name):
                    unseen = unseen or winner is None
                continue
            there = self.disk.exists(candidate) if not _not_a_mac(each, self.disk) else None
            if there:
                candidate = self.disk.spelled(candidate)
            if winner is not None:
                if there and candidate != winner:
                    tried.append(TriedPath(candidate, PathState.SHADOWED, each.origin))
                    if not each.system and self._differ(winner, candidate):
                        shadowed.append((candidate, LinkedLibrary()))
                continue
            if self._is_gone(each):
                tried.append(TriedPath(each.path or "", PathState.NO_DIRECTORY, each.origin))
                continue
            state = {True: PathState.WINNER, False: PathState.ABSENT, None: PathState.UNSEEN}[there]
            tried.append(TriedPath(candidate, state, each.origin))
            if there:
                winner, system = candidate, each.system
            elif there is None:
                unseen = True
        if winner is not None:
            # A header beside the file that includes it is meant, whatever lies elsewhere.
            shadows = () if tried[0].state is PathState.WINNER and beside else tuple(shadowed)
            return _Hit(winner, SearchOutcome.FOUND, system, tuple(tried), shadows)
        if of_compiler(name):
            return _Hit(None, SearchOutcome.FOUND, True, tuple(tried))
        return _Hit(None, SearchOutcome.UNKNOWN if unseen else SearchOutcome.MISSING, False, tuple(tried))

    def _is_gone(self, directory: Directory) -> bool:
        """Whether a flag names a directory that is not there."""
        if directory.word is None or directory.path is None:
            return False
        return self.disk.is_directory(directory.path) is False

    def _differ(self, one: str, other: str) -> bool:
        mine, theirs = self.disk.text(one), self.disk.text(other)
        return mine is not None and theirs is not None and mine != theirs


def _not_a_mac(each: Directory, disk: Disk) -> bool:
    """Whether a directory nobody asked for lies on this machine, which is no Mac: it tells nothing."""
    return each.implicit and not each.system and not disk.stands_for_mac


def _candidate(directory: Directory, name: str) -> str | None:
    if directory.path is None:
        return None
    base = directory.path.rstrip("/")
    if not directory.frameworks:
        return (
            posixpath.normpath(f"{base}/{name}")
            if name[:1] == "." or "/." in name or "//" in name
            else f"{base}/{name}"
        )
    framework, slash, header = name.partition("/")
    return f"{base}/{framework}.framework/Headers/{header}" if slash else None
