"""What a package needs and whoever requires its module does not get: files that git, and so the module zip, has not.

A module's zip holds the files of its repository at one commit (``golang.org/x/mod/zip``, ``CreateFromVCS``; the module
proxy makes it from ``git archive``): submodules are empty there, files git does not track are absent, and of files that
git-lfs keeps there is a pointer. The index of git: gitformat-index(5), versions 2 to 4.
"""

# ruff: noqa: PTH110, PTH113, PTH114, PTH116, PTH118, PTH120  # host paths are raw strings

from __future__ import annotations

import fnmatch
import os
import re
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from typing import Final

from machochain.model.value import frozen
from machochain.source.disk import read_bytes
from machochain.source.loading import other_module
from machochain.source.values import FlagOrigin, Kind, PackageFacts, Search, SearchOutcome, SourcePosition


class NotCarried(Enum):
    """Why a file or directory does not come with the module."""

    LINK = "a symbolic link"
    SUBMODULE = "in a git submodule"
    OUTSIDE = "outside the module"
    ABSENT = "not there"
    UNTRACKED = "not known to git"
    LFS = "kept by git-lfs"


@frozen
class UncarriedFile:
    """Something that a package needs and that whoever requires the module does not get.

    Attributes:
        module: Path of the module.
        path: The file or directory, relative to the module's directory.
        why: Why not.
        package: The package that needs it.
        place: Where it asks for it.
    """

    module: str
    path: str
    why: NotCarried
    package: str
    place: SourcePosition


_POINTER: Final = b"version https://git-lfs.github.com/spec/"
_SUBMODULE: Final = re.compile(r"^\s*path\s*=\s*(.+?)\s*$", re.MULTILINE)
_PATH: Final = re.compile(r"/.*")
_LARGEST_INDEX: Final = 128 << 20

Use = tuple[PackageFacts, str, bool, SourcePosition]
"""(package, file it uses, whether for sure, what asks for it)."""


@frozen
class Repository:
    """The git repository around a module, as far as it tells what a module zip has.

    Attributes:
        root: Its directory.
        submodules: Directories of submodules, absolute.
        tracked: Files git knows, relative to the root; None if nobody can tell.
        lfs: Patterns of ``.gitattributes`` whose files git-lfs keeps.
    """

    root: str
    submodules: tuple[str, ...] = ()
    tracked: frozenset[str] | None = None
    lfs: tuple[str, ...] = ()

    def why_not(self, path: str, asking: str) -> NotCarried | None:
        """Say why a file does not come with the module; None if it does, or nobody can tell.

        Args:
            path: The file, which is there.
            asking: The file that asks for it: if git does not know that one either, the work is not done yet.
        """
        if self.in_submodule(path):
            return NotCarried.SUBMODULE
        rest = _below(path, self.root)
        if rest is None:
            return None
        if is_pointer(path) or any(_matches(rest, each) for each in self.lfs):
            return NotCarried.LFS
        asker = _below(asking, self.root)
        if self.tracked is not None and rest not in self.tracked and asker in self.tracked:
            return NotCarried.UNTRACKED
        return None

    def in_submodule(self, path: str) -> bool:
        """Whether a path is that of a submodule, or below it."""
        return any(f"{path}/".startswith(f"{each}/") for each in self.submodules)


def is_pointer(path: str) -> bool:
    """Whether a file is what git-lfs keeps in git: fewer than 1,024 bytes that begin in one way (its spec)."""
    try:
        small = os.stat(path).st_size < 1024
    except OSError:
        return False
    return small and (read_bytes(path) or b"").startswith(_POINTER)


def _below(path: str, root: str) -> str | None:
    head = f"{root.rstrip('/')}/"
    return path[len(head) :] if path.startswith(head) else None


def _matches(path: str, pattern: str) -> bool:
    """Whether a pattern of ``.gitattributes`` fits: one without a slash fits names anywhere (gitattributes(5))."""
    if "/" not in pattern.rstrip("/"):
        return fnmatch.fnmatchcase(path.rpartition("/")[2], pattern)
    return fnmatch.fnmatchcase(path, pattern.lstrip("/").replace("**/", "*"))


def repository(directory: str) -> Repository | None:
    """Return the repository a module lies in; None if there is none."""
    root = directory
    while not os.path.exists(os.path.join(root, ".git")):
        if os.path.isfile(os.path.join(root, ".gitmodules")):
            break
        above = os.path.dirname(root)
        if above == root:
            return None
        root = above
    modules = _text(os.path.join(root, ".gitmodules"))
    attributes = _text(os.path.join(root, ".gitattributes"))
    return Repository(
        root,
        tuple(os.path.join(root, path.strip('"').rstrip("/")) for path in _SUBMODULE.findall(modules)),
        tracked_files(root),
        tuple(line.split()[0] for line in attributes.split("\n") if "filter=lfs" in line.split()[1:]),
    )


def _text(path: str) -> str:
    return (read_bytes(path) or b"").decode("utf-8", "surrogateescape")


def tracked_files(root: str) -> frozenset[str] | None:
    """Return the files git knows in a working tree, by its index; None if there is none that can be read."""
    git = os.path.join(root, ".git")
    if os.path.isfile(git):
        named = _text(git).strip()
        if not named.startswith("gitdir: "):
            return None
        git = os.path.normpath(os.path.join(root, named.removeprefix("gitdir: ")))
    data = read_bytes(os.path.join(git, "index"), _LARGEST_INDEX)
    try:
        return None if data is None else frozenset(_entries(data))
    except (struct.error, IndexError, ValueError):
        return None


def _entries(data: bytes) -> Iterator[str]:
    """Yield the names in an index.

    Raises:
        ValueError: It is no index, or not all of one.
    """
    magic, version, count = struct.unpack_from(">4sII", data)
    if magic != b"DIRC" or version not in (2, 3, 4) or count > len(data) // 62:
        raise ValueError(version)
    at, name = 12, b""
    for _ in range(count):
        mode, flags = struct.unpack_from(">I", data, at + 24)[0], struct.unpack_from(">H", data, at + 60)[0]
        start = at + (64 if flags & 0x4000 else 62)
        if version == 4:
            drop, start = _offset(data, start)
            end = data.index(0, start)
            name = name[: len(name) - drop] + data[start:end]
            at = end + 1
        else:
            end = data.index(0, start)
            name = data[start:end]
            at += (end - at + 8) // 8 * 8
        if mode == 0o040000:
            # A sparse index: what lies below is not listed.
            raise ValueError(mode)
        yield name.decode("utf-8", "surrogateescape")
    if data[at : at + 4] == b"link":
        # A split index: the rest is in another file.
        raise ValueError(data[at : at + 4])


def _offset(data: bytes, at: int) -> tuple[int, int]:
    """Read a number as offsets of packs are written; return it and where it ends."""
    byte = data[at]
    value = byte & 0x7F
    while byte & 0x80:
        at += 1
        byte = data[at]
        value = ((value + 1) << 7) | (byte & 0x7F)
    return value, at + 1


def uncarried(
    used: Iterable[Use],
    wanted: Iterable[Use],
    roots: Callable[[PackageFacts], tuple[str, str] | None],
    repositories: Callable[[str], Repository | None],
) -> Iterator[UncarriedFile]:
    """Yield what whoever requires a module does not get.

    Args:
        used: Files that are there and go in.
        wanted: Files and directories that are asked for and are not there, or lie outside the module.
        roots: Path and directory of a package's module; None if vendored, or not known.
        repositories: The repository around a module's directory.
    """
    told: set[tuple[str, str]] = set()
    folders: dict[str, NotCarried | None] = {}
    for uses, there in ((used, True), (wanted, False)):
        for facts, path, _, place in uses:
            module = roots(facts)
            if module is None or (facts.path, path) in told:
                continue
            if there:
                folder = os.path.dirname(path)
                if folder not in folders:
                    folders[folder] = _of_folder(folder, module[1])
                why = folders[folder] or _of_file(path, place.file, module[1], repositories(module[1]))
            else:
                why = _of_absent(path, module[1], repositories(module[1]))
            if why is not None:
                told.add((facts.path, path))
                yield UncarriedFile(module[0], os.path.relpath(path, module[1]), why, facts.path, place)


def _of_folder(folder: str, root: str) -> NotCarried | None:
    """Say why nothing in a folder comes with the module; None if something may."""
    if _below(f"{folder}/", root) is None:
        return None
    if other_module(folder, root):
        return NotCarried.OUTSIDE
    while _below(folder, root) is not None:
        if os.path.islink(folder):
            return NotCarried.LINK
        folder = os.path.dirname(folder)
    return None


def _of_file(path: str, asking: str, root: str, found: Repository | None) -> NotCarried | None:
    if _below(path, root) is None:
        return None
    if os.path.islink(path):
        # A zip of a module holds regular files.
        return NotCarried.LINK
    if found is not None:
        return found.why_not(path, asking)
    return NotCarried.LFS if is_pointer(path) else None


def _of_absent(path: str, root: str, found: Repository | None) -> NotCarried:
    if _below(f"{path}/", root) is None:
        return NotCarried.OUTSIDE
    return NotCarried.SUBMODULE if found is not None and found.in_submodule(path) else NotCarried.ABSENT


def outside_words(facts: PackageFacts, root: str) -> Iterator[Use]:
    """Yield the directories and files that ``${SRCDIR}`` leads to outside the module."""
    for verb in ("CPPFLAGS", "CFLAGS", "CXXFLAGS", "LDFLAGS"):
        for word in facts.words.get(verb, ()):
            if "${SRCDIR}" not in word.written and not word.text.startswith(("-I", "-L")):
                continue
            path = _PATH.search(word.text)
            if path is None or word.origin is not FlagOrigin.DIRECTIVE or "/../" not in f"{word.written}/":
                continue
            named = os.path.normpath(path.group())
            if _below(f"{named}/", root) is None:
                yield facts, named, False, word.place


def absent_files(
    searches: Iterable[Search],
    packages: Mapping[str, PackageFacts],
    roots: Callable[[PackageFacts], tuple[str, str] | None],
) -> Iterator[Use]:
    """Yield directories and files below a module that its own ``#cgo`` lines name and that are not there.

    Only where what is looked for in them is not found: products of a build that is not run on users' machines.
    """
    for search in searches:
        facts = packages.get(search.package)
        module = roots(facts) if facts is not None else None
        if facts is None or module is None or search.outcome is SearchOutcome.FOUND or not search.certain:
            continue
        if search.kind in (Kind.FILE, Kind.PKG_CONFIG):
            if _below(search.name, module[1]) is not None and not os.path.exists(search.name):
                yield facts, search.name, True, search.place
            continue
        if search.kind is Kind.HEADER and search.outcome is not SearchOutcome.MISSING:
            continue
        flag, verbs = ("-L", ("LDFLAGS",)) if search.kind is Kind.LIBRARY else ("-I", ("CPPFLAGS", "CFLAGS"))
        for verb in verbs:
            for word in facts.words.get(verb, ()):
                path = word.text.removeprefix(flag)
                if path == word.text or _below(f"{path}/", module[1]) is None or os.path.exists(path):
                    continue
                yield facts, path, True, word.place
