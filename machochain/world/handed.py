"""What a caller hands over: paths, addresses, bytes, open files, whole trees in memory."""

# A host path is the raw string the user gave; pathlib would rewrite it.
# ruff: noqa: PTH103, PTH112, PTH118, PTH120, PTH123

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, Final

from machochain.macho.kind import FileKind, kind_of, kind_of_file
from machochain.model.errors import InputError, UsageError
from machochain.model.location import Location
from machochain.model.paths import HostPath, TargetPath, leaf
from machochain.model.value import field, frozen
from machochain.world.placement import World
from machochain.world.remote import TIMEOUT, fetched, is_remote, redacted

if TYPE_CHECKING:
    from machochain.world.survey import Survey

StrPath = str | os.PathLike[str]

_LONGEST_NAME: Final = 200
_SHORTEST: Final = 16
"""No archive with something in it is shorter."""


@frozen
class MemoryFile:
    """A file that is only in memory.

    Attributes:
        name: What to call it.
        data: Its bytes.
        within: What was handed over, if this is an archive in a tree.
    """

    name: str
    data: bytes = field(repr=False)
    within: str | None = None


Source = StrPath | bytes | bytearray | memoryview | IO[bytes] | Mapping[str, bytes] | MemoryFile
"""One input."""
Sources = Source | Iterable[Source]
"""One input, or several."""


@frozen
class MemoryTree:
    """Files that are only in memory, by their paths: all absolute (on the modelled Mac), or all relative to one folder.

    Attributes:
        files: Pairs of path and bytes.
    """

    files: tuple[tuple[str, bytes], ...] = field(repr=False)

    @property
    def absolute(self) -> bool:
        """Whether the paths say where on the modelled Mac the files lie."""
        return self.files[0][0].startswith("/")


@frozen
class SurveyedFolder:
    """A folder that was walked through.

    Attributes:
        path: As the user named it.
        survey: What is in it.
    """

    path: str
    survey: Survey = field(repr=False)


@frozen
class FoundArchive:
    """An archive in a folder: an input of its own, with a Mac of its own.

    Attributes:
        path: Where it is.
        within: The folder the user named.
    """

    path: str
    within: str


Handed = str | MemoryFile | MemoryTree | SurveyedFolder | FoundArchive
"""One input as it is passed on: a path or address, or what is only in memory. All can be sent to other processes."""


def called(handed: Handed) -> str:
    """Return what to call an input before it is opened."""
    if isinstance(handed, str):
        return redacted(handed) if is_remote(handed) else handed
    if isinstance(handed, MemoryFile):
        return handed.name
    return "<mapping>" if isinstance(handed, MemoryTree) else handed.path


def _walked(folder: str) -> Survey:
    from machochain.world.survey import survey  # noqa: PLC0415  # who names files walks through no folder

    return survey(HostPath(folder))


def with_archives(handed: Iterable[Handed]) -> list[Handed]:
    """Walk through the folders among some inputs, and put the archives that are in each behind it."""
    found: list[Handed] = []
    for each in handed:
        if isinstance(each, str) and not is_remote(each) and "\0" not in each and os.path.isdir(each):
            walked = _walked(each)
            found.append(SurveyedFolder(each, walked))
            found += [FoundArchive(path, each) for path in walked.archives]
        else:
            found.append(each)
            if isinstance(each, MemoryTree):
                found += _archives_in(each)
    return found


def _archives_in(tree: MemoryTree) -> Iterator[MemoryFile]:
    from machochain.world.archives.containers import recognise  # noqa: PLC0415  # brings what reads archives

    for path, data in tree.files:
        known = kind_of(data[:64]) is not FileKind.UNRECOGNISED or len(data) < _SHORTEST
        if not known and recognise(io.BytesIO(data), len(data)) is not None:
            yield MemoryFile(path, data, called(tree))


def found_within(handed: Handed) -> str | None:
    """Return the folder or tree that an archive was found in; None for what was handed over itself."""
    return handed.within if isinstance(handed, (FoundArchive, MemoryFile)) else None


def handed_over(sources: Sources) -> list[Handed]:
    """Return what was handed over, one value an input; open files are read.

    Raises:
        UsageError: It is nothing that can be an input.
    """
    one = isinstance(sources, (str, os.PathLike, bytes, bytearray, memoryview, Mapping, MemoryFile)) or hasattr(
        sources, "read"
    )
    if not one and not isinstance(sources, Iterable):
        raise UsageError(f"no input: {_shown(sources)}; give paths, bytes, open files or mappings of paths to bytes")
    items: Iterable[Any] = (sources,) if one else sources  # type: ignore[assignment]
    return [_handed(item) for item in items]


def _handed(source: Source) -> Handed:
    if isinstance(source, (str, os.PathLike)):
        return os.fsdecode(os.fspath(source))
    if isinstance(source, MemoryFile):
        return source
    if isinstance(source, (bytes, bytearray, memoryview)):
        return MemoryFile("<bytes>", bytes(source))
    if isinstance(source, Mapping):
        return _tree(source)
    if hasattr(source, "read"):
        return _stream(source)
    raise UsageError(f"no input: {_shown(source)}; give paths, bytes, open files or mappings of paths to bytes")


def _stream(stream: IO[bytes]) -> MemoryFile:
    name = getattr(stream, "name", None)
    data: object = stream.read()
    if not isinstance(data, bytes):
        raise UsageError(f"{name or 'the open file'} gives text: open it in binary mode, 'rb'")
    return MemoryFile(name if isinstance(name, str) else "<stream>", data)


def _tree(files: Mapping[str, bytes]) -> MemoryTree:
    pairs: list[tuple[str, bytes]] = []
    for path, data in files.items():
        if not isinstance(path, (str, os.PathLike)) or not isinstance(data, (bytes, bytearray, memoryview)):
            raise UsageError("a tree in memory is a mapping of paths to bytes")
        name = os.fspath(path)
        parts = name.removeprefix("/").split("/")
        if not all(parts) or ".." in parts or "." in parts or "\0" in name:
            raise UsageError(f"no path of a file in a tree: {name!r}")
        pairs.append((name, bytes(data)))
    if not pairs:
        raise UsageError("the tree in memory holds no file")
    if len({name.startswith("/") for name, _ in pairs}) > 1:
        raise UsageError("the paths of a tree in memory are either all absolute or all relative")
    return MemoryTree(tuple(sorted(pairs)))


def _shown(value: object) -> str:
    return repr(value) if value is None or isinstance(value, (int, float)) else type(value).__name__


@frozen
class OnDisk:
    """An input as a file or folder of this machine.

    Attributes:
        host: Its path here, for as long as it is open.
        called: What the user called it.
        own: Whether it is the very file that the user named, and no copy of something that lies elsewhere.
        at: Where it lies on the modelled Mac if nobody says so; None for its own path here.
        maps: What of it lies where, if there are several places.
        whole: Whether names below it are told without its own: those of a tree in memory are.
        survey: What is in it, if it is a folder that was walked through.
        within: The folder that was named, if this is an archive that was found in it.
    """

    host: str
    called: str
    own: bool = True
    at: TargetPath | None = None
    maps: tuple[tuple[TargetPath, HostPath], ...] = ()
    whole: bool = False
    survey: Survey | None = None
    within: str | None = None

    def name(self, path: str) -> str:
        """Return what to call a file of it that lies at a path of this machine, or in this archive."""
        if self.own or not path.startswith(self.host):
            return path
        rest = path[len(self.host) :]
        return rest.lstrip("/") if self.whole and rest else f"{self.called}{rest}"

    def location(self, path: str, members: tuple[str, ...] = (), place: TargetPath | None = None) -> Location:
        """Return where a file of it is for whoever handed it over.

        Args:
            path: Its path on this machine, or that of the archive it is in.
            members: The names on the way to it in that archive.
            place: Where it lies on the modelled Mac.
        """
        if self.own or not path.startswith(self.host):
            return Location(HostPath(path), members, place)
        # Whoever saves what an address names has it under its own name.
        rest = path[len(self.host) :]
        saved = rest.lstrip("/") if self.whole else f"{leaf(self.host)}{rest}"
        return Location(HostPath(saved), members, place, self.name(path))

    def renamed(self, error: InputError) -> InputError:
        """Return an error about a file of it under the name the user knows."""
        if self.own or error.path is None:
            return error
        return InputError(
            error.reason, path=self.name(error.path), offset=error.offset, part=error.part, errno=error.errno
        )

    def placed(self, world: World) -> World:
        """Return the modelled Mac with the input where it lies if nobody says where."""
        if self.within is not None:
            # What was said of the folder is not said of an archive in it.
            return world.with_places(None)
        if self.own or world.at is not None or world.root is not None:
            return world
        return world.with_places(self.at, self.maps)


@contextmanager
def on_disk(handed: Handed, timeout: float = TIMEOUT) -> Iterator[OnDisk]:
    """Have an input as a file or folder of this machine while the context lasts.

    Args:
        handed: The input.
        timeout: How many seconds nothing may come from an address.

    Raises:
        InputError: It cannot be fetched.
        UsageError: What is needed to fetch it is not installed, or a tree cannot be laid out.
    """
    if isinstance(handed, SurveyedFolder):
        yield OnDisk(handed.path, handed.path, survey=handed.survey)
        return
    if isinstance(handed, FoundArchive):
        yield OnDisk(handed.path, handed.path, within=handed.within)
        return
    if isinstance(handed, str):
        if "\0" in handed:
            raise InputError("no file can have this name", path=handed)
        if not is_remote(handed):
            yield OnDisk(handed, handed)
            return
        with fetched(handed, timeout=timeout) as local:
            yield OnDisk(local, redacted(handed), False, _download(local))
        return
    import tempfile  # noqa: PLC0415  # most inputs are files

    folder = os.path.realpath(tempfile.mkdtemp(prefix="machochain-"))
    try:
        yield _laid_out(handed, folder)
    finally:
        import shutil  # noqa: PLC0415  # brings what compresses archives

        shutil.rmtree(folder, ignore_errors=True)


def _download(local: str) -> TargetPath | None:
    """Return where a single program lies: where a browser would have put it. Archives know better themselves."""
    try:
        plain = kind_of_file(HostPath(local)) in {FileKind.MACHO, FileKind.UNIVERSAL}
    except InputError:
        return None
    return _downloaded(leaf(local)) if plain else None


def _downloaded(name: str) -> TargetPath:
    from machochain.world.archives.packages.form import DOWNLOADS  # noqa: PLC0415  # describes wheels

    return TargetPath(f"{DOWNLOADS}/{name}")


def _laid_out(handed: MemoryFile | MemoryTree, folder: str) -> OnDisk:
    if isinstance(handed, MemoryFile):
        name = leaf(handed.name).replace("\0", "").strip("<>")[:_LONGEST_NAME]
        host = os.path.join(folder, name if name not in {"", ".", ".."} else "input")
        _write(host, handed.data)
        return OnDisk(host, handed.name, False, _download(host), within=handed.within)
    maps = []
    for path, data in handed.files:
        host = os.path.join(folder, path.removeprefix("/"))
        try:
            os.makedirs(os.path.dirname(host), exist_ok=True)
            _write(host, data)
        except OSError as error:
            raise UsageError(f"the tree in memory cannot be laid out: {path}: {error.strerror}") from error
        if handed.absolute:
            maps.append((TargetPath(path), HostPath(host)))
    at = None if handed.absolute else _downloaded("input")
    walked = _walked(folder)
    return OnDisk(folder, called(handed), False, at, tuple(maps), whole=True, survey=walked)


def _write(host: str, data: bytes) -> None:
    with open(host, "xb") as file:
        file.write(data)
