"""What a walk over a process finds: images, loads, and what each search came to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from machochain.dyld.atpaths import LoadRequest
from machochain.dyld.config import ProcessConfig
from machochain.model.filesystem import Node, Presence
from machochain.model.image import Slice
from machochain.model.paths import TargetPath
from machochain.model.result import Load, LoadedImage, Origin, Unknown
from machochain.model.search import Attempt, Candidate, Failure
from machochain.model.value import frozen


@frozen
class Walk:
    """What one walk found.

    Attributes:
        images: In load order.
        loads: In the order they were asked for.
        message: dyld's text if the walk failed, else None.
        unknowns: What could not be decided.
        config: The process.
        searches: Every search with what it came to, in order: enough to tell whether another release comes to the
            same.
        implied: What stands for a load command in images without any: libSystem, as their first library.
        launched: How many images were there when the launch was over; what follows was opened.
        begun: The images nobody searched for: the main executable, and what is opened.
        trails: The ways all the searches went; None if one of them may go another way next time.
    """

    images: tuple[LoadedImage, ...]
    loads: tuple[Load, ...]
    message: str | None
    unknowns: tuple[Unknown, ...]
    config: ProcessConfig
    searches: tuple[tuple[LoadRequest, Found], ...] = ()
    implied: tuple[Load, ...] = ()
    launched: int = 0
    begun: tuple[LoadedImage, ...] = ()
    trails: frozenset[Trail] | None = None


@frozen(eq=False)
class Trail:
    """How a search ends if no image of the process answers on the way: that depends on who asks and on the release.

    Ways that are the same on several releases are one object.

    Attributes:
        chain: Ids of the images that were asked, in the process that went first; attempts and candidate name them.
        tried: What failed before.
        candidate: The path that served; None if none did.
        passed: The names of images that would have answered before that.
        node: What lies there, if it is a file.
        piece: The slice of it that is loaded; None if none is.
        system: The install name of the library of the OS that is there.
        loads_system: Whether that one is loaded.
        failure: Why no path serves; None if dyld has no words, or nobody could tell and needed them.
        answers: What the OS was asked for, and answered.
    """

    chain: tuple[int, ...] = ()
    tried: tuple[Attempt, ...] = ()
    candidate: Candidate | None = None
    passed: tuple[str, ...] = ()
    node: Node | None = None
    piece: Slice | None = None
    system: TargetPath | None = None
    loads_system: bool = False
    failure: Failure | None = None
    answers: tuple[tuple[str, Presence, TargetPath | None], ...] = ()

    def seen_by(self, chain: tuple[int, ...]) -> tuple[tuple[Attempt, ...], Candidate | None]:
        """Return what was tried and what served, where the images that are asked have other ids."""
        if chain == self.chain:
            return self.tried, self.candidate
        ids = dict(reversed([*zip(self.chain, chain, strict=False)]))  # the first of several counts
        tried = tuple(Attempt(_of(a.candidate, ids), a.objection, a.suffix, a.unseen) for a in self.tried)
        return tried, None if self.candidate is None else _of(self.candidate, ids)


def _of(candidate: Candidate, ids: Mapping[int, int]) -> Candidate:
    if candidate.image is None:
        return candidate
    return Candidate(candidate.path, candidate.rule, ids[candidate.image], candidate.run_path)


BY_NAME: Final = Trail()
"""The way of a search that an image answers by its name before any path is tried: the same on all releases."""


@frozen
class Found:
    """What one search came to: an image, or the reason why not.

    Attributes:
        image: What serves.
        candidate: The path by which it was found; None if it answered by name before any path was tried.
        tried: What failed before.
        failure: Why not, with dyld's words; None if it has none.
        fresh: Whether the image was loaded just now.
        unknown: Why nobody can tell what dyld would find.
        trail: The way it went; None if it may go another one next time.
    """

    image: LoadedImage | None
    candidate: Candidate | None
    tried: tuple[Attempt, ...]
    failure: Failure | None
    fresh: bool = False
    unknown: Unknown | None = None
    trail: Trail | None = None

    @property
    def reason(self) -> str | None:
        """The words of dyld."""
        return self.failure.text if self.failure is not None else None


@frozen
class Dlopen:
    """A library that a running process opens.

    Attributes:
        path: The argument of ``dlopen``.
        mode: Its flags, for the text.
        caller: Path of the image that calls: its run paths and ``@loader_path`` count before those of the main
            executable. None if the main executable itself calls.
    """

    path: str
    mode: int = 2
    caller: str | None = None


def image_of(node: Node, piece: Slice, number: int) -> LoadedImage:
    """Return the image that a slice of a file becomes.

    Raises:
        ValueError: The slice is no Mach-O image, or the node is no file.
    """
    if piece.image is None or node.real is None:
        raise ValueError("no image to load")
    return LoadedImage(
        number,
        node.real,
        Origin.DISK,
        install_name=piece.image.install_name,
        image=piece.image,
        host=node.host,
        slice_offset=piece.offset,
        slice_size=piece.size,
        identity=node.identity,
        case_differs=node.case_differs,
    )
