"""Archives as inputs: wheels, zips, tars, npm and conda packages, Homebrew bottles.

An archive is known by its content, never by its name, and unpacked into a temporary folder of its own under `Limits`.
Only what matters is written in full: Mach-O files, static archives, links, and the files that say what a package is.
Of every other file the folder has the right length and the right first 4096 bytes, because dyld may come upon it at a
path it tries, and tells an empty file from one that is no Mach-O file. Nothing is ever executed.
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
from contextlib import contextmanager
from typing import Final

from attrs import evolve

from machochain.model.artifact import Artifact, ArtifactKind, Limits
from machochain.model.errors import InputError
from machochain.model.paths import HostPath
from machochain.world.archives.budget import Budget
from machochain.world.archives.containers import may_be_archive, recognise
from machochain.world.archives.packages import package, package_of
from machochain.world.archives.tree import Tree

_ENDINGS: Final = re.compile(r"(\.bottle(\.\d+)?)?\.(tar(\.\w+)?|t[gbx]z2?|tzst|zip|whl|conda|jar)$", re.IGNORECASE)


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
            artifact = _unpack_file(name, name, folder, Budget(name, limits or Limits()))
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


def _unpack_file(path: str, name: str, folder: str, budget: Budget, *, nested: bool = False) -> Artifact:
    """Unpack one file into ``folder``; ``name`` is what the user calls it."""
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise InputError("not a regular file", path=name)
    with open(path, "rb") as file:
        found = recognise(file, status.st_size)
        if found is None:
            raise InputError("is no archive that can be read", path=name)
        container, packing = found
        if container.read is None:
            raise InputError(container.unread or "is not read", path=name)
        root = HostPath(os.path.join(folder, "files"))
        os.mkdir(root, 0o700)  # noqa: PTH102
        tree = Tree(root, budget)
        file.seek(0)
        kind = container.read(tree, file, packing, None if nested else may_be_archive)
    tree.finish()
    return _opened_nested(_described(tree, name, packing, kind), tree, folder)


def _described(tree: Tree, name: str, container: str, kind: ArtifactKind | None) -> Artifact:
    """Say what was unpacked."""
    files = {entry.name: entry.host for entry in tree.entries if entry.host is not None and entry.whole}
    tops = {entry.name.partition("/")[0] for entry in tree.entries if entry.host is not None}
    found = package_of(files, tops) if kind is None else package(kind)
    leaf = _ENDINGS.sub("", os.path.basename(name.rpartition(":")[2]))  # noqa: PTH119
    leaf = leaf if leaf.strip(".") else "archive"
    facts = found.facts(files)
    facts = evolve(facts, name=facts.name or leaf)
    return Artifact(
        path=name,
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
    )


def _opened_nested(artifact: Artifact, tree: Tree, folder: str) -> Artifact:
    """Look into the archives inside a plain one; those without a Mach-O file are left as the files they are.

    What an installer unpacks no further (a jar in a wheel) stays a file; a release of several packages does not.
    """
    if artifact.kind is not ArtifactKind.ARCHIVE:
        return artifact
    found: list[Artifact] = []
    entries = list(artifact.entries)
    for number, (index, host) in enumerate(sorted(tree.candidates.items())):
        inner = os.path.join(folder, f"nested-{number}")
        os.mkdir(inner, 0o700)  # noqa: PTH102
        name = f"{artifact.path}:{entries[index].name}"
        try:
            if is_artifact(host) is None:
                continue
            unpacked = _unpack_file(host, name, inner, tree.budget, nested=True)
        except InputError as error:
            if tree.budget.is_exceeded:
                raise
            entries[index] = evolve(entries[index], note=f"not looked into: {error.reason}")
            continue
        if any(entry.macho for entry in unpacked.entries):
            found.append(unpacked)
        else:
            shutil.rmtree(inner)
    return evolve(artifact, entries=tuple(entries), nested=tuple(found))
