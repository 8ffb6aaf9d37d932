"""All processes of an audit as one picture: each image once, each load once, with where it fails."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from machochain.model.audit import AuditInput, AuditReport
from machochain.model.image import Image, file_type_name
from machochain.model.platform import platform_name
from machochain.model.result import Load, LoadedImage, Origin, Outcome, Result
from machochain.model.value import define, field, frozen
from machochain.model.version import Version

_WORST_FIRST: Final = (
    Outcome.MISSING,
    Outcome.UNKNOWN,
    Outcome.WEAK_MISSING,
    Outcome.LOADED,
    Outcome.ALREADY_LOADED,
)


@frozen
class Build:
    """One slice of an image."""

    arch: str
    uuid: str | None
    platform: str | None
    minos: Version | None
    sdk: Version | None
    current_version: Version | None


@frozen
class MergedImage:
    """One file, or one library of the OS, in all processes it is part of.

    Attributes:
        key: Position in `Merged.images`.
        input: Index of the input whose processes have it.
        path: Recorded path on the modelled Mac.
        origin: Read from disk, or taken from the OS.
        install_name: LC_ID_DYLIB; for an OS library its path.
        file_type: ``MH_EXECUTE`` and the like; None for an OS library.
        builds: Its slices, by architecture.
        run_paths: LC_RPATHs as written, each once.
        processes: In how many processes it is.
        root: Whether a process starts with it (or it was the library that was asked about).
    """

    key: int
    input: int
    path: str
    origin: Origin
    install_name: str | None
    file_type: str | None
    builds: tuple[Build, ...]
    run_paths: tuple[str, ...]
    processes: int
    root: bool


@frozen
class MergedLoad:
    """One load path of one image, in all processes.

    Attributes:
        source: Key of the image that asks.
        to: Key of the image that serves it; None where none does.
        name: Load path as written.
        command: ``LC_LOAD_DYLIB`` and the like; ``DYLD_INSERT_LIBRARIES`` for an inserted one.
        weak: Whether it may be absent.
        reexport: Whether its exports are those of the image that asks, too.
        upward: Whether the dependency points up.
        delayed: Whether its initialisers wait for first use.
        outcome: What became of it.
        macos: Releases on which that was so, rising.
        ordinal: Place among the image's loads.
    """

    source: int
    to: int | None
    name: str
    command: str
    weak: bool
    reexport: bool
    upward: bool
    delayed: bool
    outcome: Outcome
    macos: tuple[Version, ...]
    ordinal: int


@frozen
class Merged:
    """The picture.

    Attributes:
        images: Grouped by input, each in the order it was first met.
        loads: By source, then in the order of the load commands; a load that is served on some releases and not on
            others is there once for each.
    """

    images: tuple[MergedImage, ...]
    loads: tuple[MergedLoad, ...]


@define
class _Image:
    input: int
    first: LoadedImage
    file_type: str | None
    builds: dict[str, Build] = field(factory=dict)
    run_paths: dict[str, None] = field(factory=dict)
    processes: int = 0
    root: bool = False


@define
class _Load:
    load: Load
    outcome: Outcome
    macos: set[Version] = field(factory=set)


def input_of(result: Result, inputs: Sequence[AuditInput]) -> int:
    """Return the index of the input a process came from: the one whose path begins its own, the longest of several."""
    best, length = 0, -1
    for index, each in enumerate(inputs):
        path = each.path.rstrip("/") or "/"
        inside = result.input == path or result.input.startswith((path.rstrip("/") + "/", path + ":"))
        if (inside or result.input in each.members) and len(path) > length:
            best, length = index, len(path)
    return best


def merge(report: AuditReport) -> Merged:
    """Return all processes of a report as one picture."""
    images: dict[tuple[int, str], _Image] = {}
    keys: dict[tuple[int, str], int] = {}
    loads: dict[tuple[int, int | None, str, str], _Load] = {}
    for result in report.results:
        owner = input_of(result, report.inputs)
        local: list[int] = []
        for image in result.images:
            at = (owner, image.path)
            if at not in images:
                keys[at] = len(images)
                images[at] = _Image(owner, image, None if image.image is None else _type_of(image.image))
            _add(images[at], image, root=image.id == 0)
            local.append(keys[at])
        for load in result.loads:
            source = local[load.source]
            to = None if load.to is None else local[load.to]
            state = load.outcome if load.to is None else Outcome.LOADED
            entry = loads.setdefault((source, to, load.dylib.name, state.value), _Load(load, load.outcome))
            entry.macos.add(result.macos)
            if _WORST_FIRST.index(load.outcome) < _WORST_FIRST.index(entry.outcome):
                entry.outcome = load.outcome
    order = sorted(keys.items(), key=lambda item: (item[0][0], item[1]))
    renumbered = {old: new for new, (_, old) in enumerate(order)}
    return Merged(
        tuple(_image(renumbered[old], images[at]) for at, old in order),
        tuple(
            sorted(
                (
                    _load(renumbered[source], None if to is None else renumbered[to], entry)
                    for (source, to, _, _), entry in loads.items()
                ),
                key=lambda x: (x.source, x.ordinal, x.name, x.macos),
            )
        ),
    )


def _type_of(image: Image) -> str:
    return file_type_name(image.file_type)


def _add(entry: _Image, image: LoadedImage, *, root: bool) -> None:
    entry.processes += 1
    entry.root = entry.root or root
    header = image.image
    if header is None or header.arch.name in entry.builds:
        return
    build = header.build
    entry.builds[header.arch.name] = Build(
        header.arch.name,
        header.uuid_text,
        platform_name(build.platform) if build is not None else None,
        build.minos if build is not None else None,
        build.sdk if build is not None else None,
        header.id_current_version,
    )
    entry.run_paths.update(dict.fromkeys(r.path for r in header.run_paths))


def _image(key: int, entry: _Image) -> MergedImage:
    return MergedImage(
        key,
        entry.input,
        entry.first.path,
        entry.first.origin,
        entry.first.install_name,
        entry.file_type,
        tuple(entry.builds[name] for name in sorted(entry.builds)),
        tuple(entry.run_paths),
        entry.processes,
        entry.root,
    )


def _load(source: int, to: int | None, entry: _Load) -> MergedLoad:
    dylib = entry.load.dylib
    return MergedLoad(
        source,
        to,
        dylib.name,
        "DYLD_INSERT_LIBRARIES" if entry.load.inserted else dylib.command,
        dylib.weak,
        dylib.reexport,
        dylib.upward,
        dylib.delayed,
        entry.outcome,
        tuple(sorted(entry.macos)),
        dylib.ordinal,
    )
