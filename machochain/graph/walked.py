"""What a walk over a process finds: images, loads, and what each search came to."""

from __future__ import annotations

from machochain.dyld.atpaths import LoadRequest
from machochain.dyld.config import ProcessConfig
from machochain.model.filesystem import Node
from machochain.model.image import Slice
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
    """

    images: tuple[LoadedImage, ...]
    loads: tuple[Load, ...]
    message: str | None
    unknowns: tuple[Unknown, ...]
    config: ProcessConfig
    searches: tuple[tuple[LoadRequest, Found], ...] = ()
    implied: tuple[Load, ...] = ()
    launched: int = 0


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
    """

    image: LoadedImage | None
    candidate: Candidate | None
    tried: tuple[Attempt, ...]
    failure: Failure | None
    fresh: bool = False
    unknown: Unknown | None = None

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
