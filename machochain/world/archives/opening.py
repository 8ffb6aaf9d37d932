"""Archives as inputs: wheels, zips, tars, npm and conda packages, Homebrew bottles.

An archive is known by its content, never by its name, and unpacked into a temporary folder of its own under `Limits`.
Only what matters is written in full: Mach-O files, static archives, links, and the files that say what a package is.
Of every other file the folder has the right length and the right first 4096 bytes, because dyld may come upon it at a
path it tries, and tells an empty file from one that is no Mach-O file. Nothing is ever executed.

Archives in archives are opened as well, whatever the outer one is, `Limits.levels` deep and within one budget:
`Artifact.nested` holds those with a Mach-O file in them, each at a place of its own, and `Artifact.unopened` names all
that were not looked into, and why. `Artifact.all` walks them. The archives in a folder are inputs like any other:
`archives_in` finds them, and each is opened on its own (`open_artifact`), one after the other, so that a folder of any
size takes the room of one archive.
"""

# A host path is the raw string the user gave; pathlib would rewrite it.
# ruff: noqa: PTH116, PTH118, PTH123

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Final

from machochain.macho.kind import FileKind, kind_of
from machochain.macho.source import FileSource
from machochain.model.artifact import Artifact, Limits, Unopened
from machochain.model.errors import InputError
from machochain.model.location import Location
from machochain.model.paths import HostPath, leaf
from machochain.model.value import evolve
from machochain.world.archives.budget import Budget
from machochain.world.archives.compression import HEAD, damage_errors
from machochain.world.archives.containers import may_be_archive, recognise
from machochain.world.archives.containers.form import Container, Known
from machochain.world.archives.errors import OverLimitError, TooDeepError, reason_of
from machochain.world.archives.packages import package, package_of
from machochain.world.archives.packages.form import Contents
from machochain.world.archives.tree import Tree
from machochain.world.host import iter_files

_ENDINGS: Final = re.compile(
    r"(\.bottle(\.\d+)?)?\.(tar(\.\w+)?|t[gbx]z2?|tzst|zip|whl|conda|jar|aar|war|pkg|xip|xar|dmg|img|iso|ipa|cpio|asar"
    r"|nupkg|vsix|gem|crate)$",
    re.IGNORECASE,
)


def is_artifact(path: str | os.PathLike[str]) -> str | None:
    """Say what kind of archive a file is, by a look at its first (and last) bytes.

    Args:
        path: Anything; what is no regular file, or cannot be read, is no archive.

    Returns:
        ``zip``, ``tar``, ``tar.gz``, ``tar.bz2``, ``tar.xz``, ``tar.zst``, ``xar``, ``dmg``; None for anything else.
    """
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            return None
        with open(path, "rb") as file:
            found = recognise(file, status.st_size)
    except (OSError, ValueError):
        return None
    return None if found is None else found[1]


@contextmanager
def open_artifact(path: str | os.PathLike[str], limits: Limits | None = None) -> Iterator[Artifact]:
    """Unpack an archive into a temporary folder, which is gone when the context ends.

    What is damaged, or would be written elsewhere, is told in `Artifact.problems`; the rest is there.

    Args:
        path: The archive.
        limits: How much it may cost.

    Raises:
        InputError: It is no archive, cannot be read at all, is encrypted, needs a library that is not installed, or
            exceeds a limit; the error names the archive, the entry and the limit.
    """
    name = os.fspath(path)
    folder: str | None = None
    try:
        try:
            folder = os.path.realpath(tempfile.mkdtemp(prefix="machochain-"))
            budget = Budget(name, limits or Limits())
            artifact = _unpack(name, Location(HostPath(name)), folder, budget, budget.limits.levels)
        except InputError as error:
            raise error.at(name) from None
        except OSError as error:
            raise InputError(
                f"cannot be unpacked: {error.strerror or error}", path=name, errno=error.errno or 0
            ) from error
        yield artifact
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def archives_in(folder: str | os.PathLike[str]) -> Iterator[HostPath | InputError]:
    """Yield the archives in a folder, and what of it cannot be read. Links are not followed.

    Args:
        folder: A folder of this machine.
    """
    for path in iter_files(HostPath(os.fspath(folder))):
        if isinstance(path, InputError):
            yield path
            continue
        try:
            with FileSource(path) as source:
                if kind_of(source.read(0, 64)) is not FileKind.UNRECOGNISED:
                    continue
        except InputError as error:
            yield error
            continue
        if is_artifact(path) is not None:
            yield path


def _unpack(path: str, location: Location, folder: str, budget: Budget, levels: int) -> Artifact:
    """Unpack one file into ``folder``, and what is packed in it, ``levels`` deep."""
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise InputError("not a regular file", path=location.display)
    with open(path, "rb") as file:
        found = recognise(file, status.st_size)
        if found is None:
            raise InputError("is no archive that can be read", path=location.display)
        container, packing = found
        root = HostPath(os.path.join(folder, "files"))
        os.mkdir(root, 0o700)  # noqa: PTH102
        tree = Tree(root, budget, leaf(location.path), may_be_archive, opens=levels > 1)
        file.seek(0)
        known = _read(container, tree, file, packing)
    tree.finish()
    return _with_nested(_described(tree, location, packing, known), tree, folder, levels - 1)


def _read(container: Container, tree: Tree, file: IO[bytes], packing: str) -> Known:
    """Read a container; whatever its bytes make a library raise is damage."""
    try:
        return container.read(tree, file, packing) or Known()
    except InputError:
        raise
    except damage_errors() as error:
        if isinstance(error, OSError) and error.errno:
            raise  # it is this machine's: no room, no permission
        raise InputError(f"is cut or damaged: {error or type(error).__name__}") from error


def _described(tree: Tree, location: Location, container: str, known: Known) -> Artifact:
    """Say what was unpacked."""
    name = location.display
    files = {entry.name: entry.host for entry in tree.entries if entry.host is not None and entry.whole}
    names = frozenset(entry.name for entry in tree.entries)
    tops = frozenset(entry.name.partition("/")[0] for entry in tree.entries if entry.host is not None)
    machos = frozenset(entry.name.partition("/")[0] for entry in tree.entries if entry.macho)
    found = package_of(Contents(files, names, tops, machos)) if known.kind is None else package(known.kind)
    stem = _ENDINGS.sub("", tree.name)
    facts = known.facts or found.facts(files)
    facts = evolve(facts, name=facts.name or (stem if stem.strip(".") else "archive"))
    return Artifact(
        location=location,
        kind=found.kind,
        container=container,
        folder=tree.root,
        entries=tuple(tree.entries),
        problems=tuple(error.at(name) for error in tree.problems),
        complete=tree.complete,
        default_place=found.place(facts, tree.cpus),
        name=facts.name,
        version=facts.version,
        platforms=facts.platforms,
        requires=facts.requires,
        unopened=tuple(Unopened(location.inside(part), reason_of(error), error.reason) for part, error in tree.passed),
        installer=known.installer,
        image=known.image,
    )


def _with_nested(artifact: Artifact, tree: Tree, folder: str, levels: int) -> Artifact:
    """Look into the archives inside one. Those without a Mach-O file are left as the files they are."""
    found: list[Artifact] = []
    unopened = list(artifact.unopened)
    problems: list[InputError] = []
    entries = list(artifact.entries)
    inner_place = package(artifact.kind).inner_place
    for number, (index, host) in enumerate(sorted(tree.candidates.items())):
        location = artifact.location.inside(entries[index].name)
        inside: Artifact | InputError | None
        if tree.opens:
            inside = _inner(host, location, os.path.join(folder, f"nested-{number}"), tree.budget, levels)
            _shorten(host)
            entries[index] = evolve(entries[index], whole=False)
        else:
            inside = TooDeepError(f"lies in {tree.budget.limits.levels} archives, as many as --archive-levels opens")
        if isinstance(inside, InputError):
            unopened.append(Unopened(location, reason_of(inside), inside.reason))
            entries[index] = evolve(entries[index], note=f"not looked into: {inside.reason}")
            if isinstance(inside, OverLimitError) and not problems:
                problems.append(inside.at(location.display))
        elif inside is not None:
            place = None if inner_place is None else inner_place(artifact, inside)
            found.append(inside if place is None else evolve(inside, default_place=place))
            unopened += inside.unopened
    return evolve(
        artifact,
        entries=tuple(entries),
        nested=tuple(inner for inner in found if inner.holds_macho),
        unopened=tuple(unopened),
        problems=(*artifact.problems, *problems),
    )


def _inner(host: str, location: Location, folder: str, budget: Budget, levels: int) -> Artifact | InputError | None:
    """Open an archive in an archive; None for a file that is none after all."""
    if budget.is_exceeded:
        return OverLimitError("what was opened before it exceeds a limit")
    try:
        if is_artifact(host) is None:
            return None
        os.mkdir(folder, 0o700)  # noqa: PTH102
        inside = _unpack(host, location, folder, budget, levels)
    except InputError as error:
        shutil.rmtree(folder, ignore_errors=True)
        return error
    if inside.holds_macho:
        return inside
    shutil.rmtree(folder)
    if inside.problems or not inside.complete:
        return inside.problems[0] if inside.problems else InputError("is cut or damaged")
    return inside


def _shorten(host: str) -> None:
    """Give back the room of a file that was kept whole to be looked into, as if it had not been."""
    with suppress(FileNotFoundError), open(host, "r+b") as file:
        size = file.seek(0, os.SEEK_END)
        if size > HEAD:
            file.truncate(HEAD)
            file.truncate(size)
