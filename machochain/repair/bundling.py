"""Libraries from outside brought into an artifact: which, where to, and what has to be called otherwise.

The places are those of the tools people know: ``PACKAGE/.dylibs`` in a wheel, ``Contents/Frameworks`` in an app,
``lib`` in anything else. A copy is reached by ``@loader_path``, so that no run path is needed.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping

from machochain.model.audit import AuditReport
from machochain.model.paths import HostPath, leaf
from machochain.model.result import LoadedImage, Origin, Result
from machochain.model.value import frozen
from machochain.repair.edits import ChangeInstallName, ChangeLoad, DeleteRunPath, Edit
from machochain.repair.obstacle import Obstacle, ObstacleKind
from machochain.repair.result import Refusal


@frozen
class Copy:
    """One library that is brought in.

    Attributes:
        host: The file on this machine.
        source: Where it lies on the modelled Mac.
        path: Its path in the artifact.
    """

    host: HostPath
    source: str
    path: str


@frozen
class Bundling:
    """What is brought in.

    Attributes:
        copies: In the order they were found.
        edits: By path in the artifact and architecture, those of the copies among them.
        refusals: Libraries that cannot be brought in.
    """

    copies: tuple[Copy, ...]
    edits: Mapping[str, Mapping[str, tuple[Edit, ...]]]
    refusals: tuple[Refusal, ...] = ()


def _folder(kind: str, path: str) -> str:
    """Return the folder for copies, by what the artifact is and who asks first."""
    if kind == "wheel":
        top, slash, _ = path.partition("/")
        return f"{top}/.dylibs" if slash else ".dylibs"
    head, app, _ = path.partition(".app/Contents/")
    if app:
        return f"{head}{app}Frameworks"
    return "Contents/Frameworks" if kind == "app" else "lib"


def plan_bundling(report: AuditReport) -> Bundling:
    """Find what an artifact loads from outside of itself, the OS aside.

    Args:
        report: The audit of one input.
    """
    kind = report.inputs[0].kind
    inside: dict[str, str] = {binary.place: binary.path for binary in report.binaries}
    copies: dict[str, Copy] = {}
    refused: dict[str, Refusal] = {}
    edits: dict[str, dict[str, list[Edit]]] = {}
    for result in report.results:
        _collect(result, inside, kind, copies, refused)
    for result in report.results:
        _name(result, inside, copies, edits)
    return Bundling(
        tuple(copies.values()),
        {path: {arch: tuple(each) for arch, each in by_arch.items()} for path, by_arch in edits.items()},
        tuple(refused.values()),
    )


def place_of(report: AuditReport, path: str) -> str | None:
    """Return where a path of an artifact lies on the modelled Mac; None if nothing in it tells."""
    for binary in report.binaries:
        if binary.place.endswith(f"/{binary.path}"):
            return binary.place[: -len(binary.path)] + path
    return None


def _collect(
    result: Result, inside: Mapping[str, str], kind: str, copies: dict[str, Copy], refused: dict[str, Refusal]
) -> None:
    for load in result.loads:
        image = result.images[load.to] if load.to is not None else None
        if image is None or image.origin is Origin.OS or image.host is None or load.inserted:
            continue
        if image.path in inside or image.path in copies or image.path in refused:
            continue
        asker = _path_of(result.images[load.source], inside, copies)
        if asker is None:
            continue
        name = leaf(image.path)
        folder = posixpath.dirname(next(iter(copies.values())).path) if copies else _folder(kind, asker)
        taken = {copy.path: source for source, copy in copies.items()}
        path = f"{folder}/{name}"
        if ".framework/" in image.path:
            refused[image.path] = Refusal(
                image.path, Obstacle(ObstacleKind.CONTAINER, "a framework, which is a folder")
            )
        elif path in taken or path in inside.values():
            refused[image.path] = Refusal(image.path, Obstacle(ObstacleKind.WOULD_REPEAT, path))
        else:
            copies[image.path] = Copy(image.host, image.path, path)


def _path_of(image: LoadedImage, inside: Mapping[str, str], copies: Mapping[str, Copy]) -> str | None:
    """Return an image's path in the artifact, brought in or not; None if it stays outside."""
    if image.path in copies:
        return copies[image.path].path
    return inside.get(image.path)


def _name(
    result: Result,
    inside: Mapping[str, str],
    copies: Mapping[str, Copy],
    edits: dict[str, dict[str, list[Edit]]],
) -> None:
    """Plan what has to be called otherwise in one process."""

    def ask(path: str, edit: Edit) -> None:
        asked = edits.setdefault(path, {}).setdefault(result.arch, [])
        if edit not in asked:
            asked.append(edit)

    for image in result.images:
        copy = copies.get(image.path)
        if copy is not None and image.image is not None:
            ask(copy.path, ChangeInstallName(f"@rpath/{leaf(copy.path)}"))
            for run_path in dict.fromkeys(r.path for r in image.image.run_paths):
                if run_path.startswith("/"):
                    ask(copy.path, DeleteRunPath(run_path))
    for load in result.loads:
        if load.to is None or load.inserted:
            continue
        target, source = result.images[load.to], result.images[load.source]
        to, asker = _path_of(target, inside, copies), _path_of(source, inside, copies)
        if to is None or asker is None or not (target.path in copies or source.path in copies):
            continue
        new = f"@loader_path/{posixpath.relpath(to, posixpath.dirname(asker) or '.')}"
        if load.dylib.name != new:
            ask(asker, ChangeLoad(load.dylib.name, new))
