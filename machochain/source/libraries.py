r"""Which file a linker takes for a library, framework or path, and what it shadows.

Per directory ``libX.tbd``, ``libX.dylib``, ``libX.so``, ``libX.a`` (``-search_paths_first``, ld(1)): an archive in an
earlier directory beats a dylib in a later one. ld64.lld takes a dylib of the wrong architecture without a word; Apple's
ld ignores it with a warning.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from typing import Final

from machochain.golang.predict import search_paths
from machochain.macho.archive import MemberKind, member_source, read_archives
from machochain.macho.kind import FileKind, kind_of
from machochain.macho.reader import read_source
from machochain.macho.source import FileSource
from machochain.model.errors import InputError
from machochain.model.filesystem import Presence
from machochain.model.image import FileType
from machochain.model.paths import HostPath
from machochain.model.value import evolve
from machochain.model.version import Version
from machochain.source.chain import Directory
from machochain.source.disk import Disk
from machochain.source.values import (
    BuildTarget,
    FlagWord,
    Kind,
    LinkedLibrary,
    Mode,
    PathState,
    Search,
    SearchOutcome,
    TriedPath,
)
from machochain.tbd.reader import is_stub
from machochain.tbd.reader import read as read_stubs
from machochain.world.system.facts import SystemFacts

_STUB_LIMIT: Final = 16 << 20
_OF_EVERY_SDK: Final = ("/usr/lib", "/System/Library/Frameworks")
_MEMBERS: Final = 64
"""Members of an archive that are asked for their architecture; the rest has the same."""


class Libraries:
    """Looks for libraries for one target."""

    def __init__(self, disk: Disk, system: SystemFacts, macos: Version, target: BuildTarget) -> None:
        """Take where to look."""
        self.disk = disk
        self.system = system
        self.macos = macos
        self.target = target.name
        # Cross compilers bring stubs of their own.
        self._sdk = target.sdk.rstrip("/") if target.sdk and target.mode is not Mode.CROSS else None
        self._has_sdk = target.mode in (Mode.SHIM, Mode.SDK)
        self._facts: dict[str, LinkedLibrary | None] = {}
        self._found: dict[tuple[str, str, tuple[str | None, ...]], Search] = {}

    def search(self, kind: Kind, name: str, directories: Sequence[Directory], word: FlagWord, package: str) -> Search:
        """Look for a library, a framework or a file."""
        key = (kind.value, name, tuple(d.path for d in directories))
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = self._search(kind, name, directories, word, package)
            return found
        return Search(
            found.target, kind, name, package, word.place, found.certain, found.outcome, found.winner, found.tried,
            found.facts, found.shadowed, found.by_system, word,
        )  # fmt: skip

    def _search(self, kind: Kind, name: str, directories: Sequence[Directory], word: FlagWord, package: str) -> Search:  # noqa: C901, PLR0912  # the order of its steps is the rule
        tried: list[TriedPath] = []
        shadowed: list[tuple[str, LinkedLibrary]] = []
        winner: str | None = None
        facts = LinkedLibrary()
        by_system = unseen = False
        searched: dict[str | None, Directory] = {}
        for each in map(self._in_sdk, directories):
            searched.setdefault(each.path, each)
        for directory, paths in self._steps(kind, name, tuple(searched.values())):
            whose = directory.word.package if directory.word is not None else ""
            if directory.path is None or (directory.system and not self.disk.exists(directory.path)):
                system = self._of_system(kind, name) if winner is None else None
                if system is not None:
                    winner, facts, by_system = system[0], system[1], True
                    tried.append(TriedPath(winner, PathState.IN_SDK, directory.origin, whose))
                elif winner is None and (directory.path is None or self.disk.exists(directory.path) is None):
                    # An SDK that is not at hand may have what the catalogue does not name.
                    unseen = True
                continue
            if directory.implicit and not directory.system and not self.disk.stands_for_mac:
                unseen = unseen or winner is None
                if winner is None:
                    tried.append(TriedPath(directory.path, PathState.UNSEEN, directory.origin, whose))
                continue
            if directory.path and self.disk.is_directory(directory.path) is False:
                if winner is None:
                    tried.append(TriedPath(directory.path, PathState.NO_DIRECTORY, directory.origin, whose))
                continue
            for candidate in paths:
                there = self.disk.exists(candidate)
                path = self.disk.spelled(candidate) if there else candidate
                if winner is not None:
                    if there:
                        tried.append(TriedPath(path, PathState.SHADOWED, directory.origin, whose))
                        shadowed.append((path, self.facts(path) or LinkedLibrary()))
                    continue
                state = {True: PathState.WINNER, False: PathState.ABSENT, None: PathState.UNSEEN}[there]
                tried.append(TriedPath(path, state, directory.origin, whose))
                if there:
                    winner, facts, by_system = path, self.facts(path) or LinkedLibrary(), directory.system
                elif there is None:
                    unseen = True
        outcome = (
            SearchOutcome.FOUND if winner is not None else SearchOutcome.UNKNOWN if unseen else SearchOutcome.MISSING
        )
        if outcome is SearchOutcome.MISSING:
            by_system = self._of_system(kind, name) is not None
        return Search(
            self.target, kind, name, package, word.place, True, outcome, winner, tuple(tried), facts, tuple(shadowed),
            by_system, word,
        )  # fmt: skip

    def _steps(
        self, kind: Kind, name: str, directories: Sequence[Directory]
    ) -> Iterator[tuple[Directory, tuple[str, ...]]]:
        if kind is Kind.FILE:
            yield Directory("", "the name itself"), (name,)
            return
        label = "framework" if kind is Kind.FRAMEWORK else "library"
        for each in directories:
            yield each, tuple(search_paths(label, name, (each.path,))) if each.path is not None else ()

    def _in_sdk(self, directory: Directory) -> Directory:
        """Return the directory of the SDK that stands for an absolute one: ``-syslibroot`` replaces it (ld(1))."""
        path = directory.path
        if path is None or directory.system or not path.startswith("/"):
            return directory
        if self._sdk is not None and self.disk.is_directory(f"{self._sdk}{path}"):
            return evolve(directory, path=f"{self._sdk}{path}", system=True)
        if self._sdk is None and self._has_sdk and path.rstrip("/") in _OF_EVERY_SDK:
            return evolve(directory, path=None, system=True)
        return directory

    def _of_system(self, kind: Kind, name: str) -> tuple[str, LinkedLibrary] | None:
        """Return a library that macOS has, though no SDK is at hand."""
        if kind is Kind.FRAMEWORK:
            path = f"/System/Library/Frameworks/{name}.framework/{name}"
        else:
            path = f"/usr/lib/lib{name}.dylib"
        answer = self.system.find(path, self.macos)
        if answer.presence is not Presence.PRESENT:
            return None
        return path, LinkedLibrary(install_name=str(answer.path or path))

    def facts(self, path: str) -> LinkedLibrary | None:
        """Return what a file says of itself; None if it cannot be read."""
        if path not in self._facts:
            self._facts[path] = self._read(path)
        return self._facts[path]

    def _read(self, path: str) -> LinkedLibrary | None:
        host = self.disk.host(path)
        if host is None:
            return None
        try:
            with FileSource(HostPath(host)) as source:
                first = source.read(0, 64)
                if is_stub(first):
                    stubs = read_stubs(source.read(0, min(source.size, _STUB_LIMIT)), host)
                    own = stubs[0]
                    archs = tuple(dict.fromkeys(t.partition("-")[0] for t in own.targets if t.endswith("macos")))
                    return LinkedLibrary(archs, own.install_name, str(own.current))
                if kind_of(first) is FileKind.ARCHIVE:
                    return self._archive(source)
                if first.startswith(b"!<arch>"):
                    return LinkedLibrary(static=True)
                file = read_source(source)
                images = [s.image for s in file.slices if s.image is not None]
        except InputError:
            return None
        if not images:
            return None
        if all(s.arch is not None and kind_of(first) is FileKind.ARCHIVE for s in file.slices):
            return LinkedLibrary(static=True)
        version = images[0].id_current_version
        return LinkedLibrary(
            tuple(i.arch.name for i in images),
            images[0].install_name if images[0].file_type == FileType.MH_DYLIB else None,
            str(version) if version is not None else None,
            static=images[0].file_type == FileType.MH_OBJECT,
        )

    def _archive(self, source: FileSource) -> LinkedLibrary:
        archs: dict[str, None] = {}
        for archive in read_archives(source):
            for member in [m for m in archive.members if m.kind in (MemberKind.MACHO, MemberKind.UNIVERSAL)][:_MEMBERS]:
                try:
                    file = read_source(member_source(source, member))
                except InputError:
                    continue
                archs.update((s.image.arch.name, None) for s in file.slices if s.image is not None)
        return LinkedLibrary(tuple(archs), static=True)


def library_name(path: str) -> str:
    """Return the X of ``libX.dylib``."""
    return posixpath.basename(path).removeprefix("lib").partition(".")[0]
