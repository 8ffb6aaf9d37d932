"""The modelled Mac as the driver sees it: files, the libraries of the OS, and what has been read already."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from machochain.dyld.atpaths import framework_folder
from machochain.dyld.config import ProcessConfig
from machochain.dyld.facts import needs_fallbacks
from machochain.dyld.profile import NEWEST, PROFILES
from machochain.graph.sharing import Alike, Trails, Ways
from machochain.graph.starting import NO_SIGNATURE, SliceSignature, read_slice_signature
from machochain.kernel.libraries import MapRefusal
from machochain.kernel.libraries import refusal as library_refusal
from machochain.macho.reader import read_source, slice_reader
from machochain.model.arch import Arch
from machochain.model.errors import InputError
from machochain.model.execution import Validation
from machochain.model.filesystem import Node, NodeKind, Presence, SystemAnswer, SystemLibraries
from machochain.model.image import FileType, MachOFile, Slice
from machochain.model.ospaths import OS_FOLDERS
from machochain.model.paths import TargetPath, directory
from machochain.model.result import LoadedImage
from machochain.model.value import evolve
from machochain.model.version import Version
from machochain.world.filesystem import ENOENT, ReadableFileSystem

_NOTHING: Final = Node(Presence.ABSENT, errno=ENOENT)
RESPELT: Final = SystemAnswer(Presence.ABSENT, why="the shared cache knows no such spelling of a path")


def _absolute(path: str, cwd: str) -> str:
    return path if path.startswith("/") else f"{cwd.rstrip('/')}/{path}"


def is_respelt(path: str) -> bool:
    """Whether a path has ``//``, ``/./``, ``/../`` or a slash at its end: no name of the shared cache has."""
    if "//" in path or path.endswith("/"):
        return True
    if "/." not in path:
        return False
    return not path.startswith("/") or "/./" in path or "/../" in path or path.endswith(("/.", "/.."))


def normalised(path: str) -> str:
    """Return an absolute path with ``//``, ``.`` and ``..`` taken out by name."""
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            if parts:
                parts.pop()
        elif part not in {"", "."}:
            parts.append(part)
    return "/" + "/".join(parts)


_NO_PAGES: Final = 0
_HOW_MUCH: Final = {False: _NO_PAGES, None: 1, True: 2}

Fitting = dict[tuple[tuple[int, int] | None, bool], Slice]
"""By identity of the file and whether a load command asks."""


class Mac:
    """Files and OS libraries, shared by every process that is modelled in one run.

    What is read once is not read again: one file of a wheel serves hundreds of processes.
    """

    def __init__(
        self,
        files: ReadableFileSystem,
        system: SystemLibraries,
        *,
        unmappable: Mapping[str, str] | None = None,
        beside: Iterable[str] = (),
    ) -> None:
        """Take the two ports.

        Args:
            files: The files.
            system: The libraries of the OS.
            unmappable: What the kernel says when it is asked whether a file may be mapped into a process (F_CHECK_LV),
                by real path; nothing for all others. Library validation is the kernel's: no file tells its verdict.
            beside: Prefixes below which packages of others lie, which nobody can see.
        """
        self._beside = tuple(f"{prefix}/" for prefix in beside)
        self.files = files
        self.system = system
        self.unmappable = dict(unmappable or {})
        self._signatures: dict[tuple[tuple[int, int], int], tuple[int, SliceSignature]] = {}
        self._read: dict[tuple[int, int], MachOFile | InputError] = {}
        self._nodes: dict[str, Node] = {}
        self._answers: dict[int, dict[str, SystemAnswer]] = {}
        self._known: dict[str, bool] = {}
        self._fitting: dict[tuple[Arch, int, bool, Version, Validation], Fitting] = {}
        self._trails: dict[tuple[ProcessConfig, str], Trails] = {}
        self._kinds: dict[tuple[object, Version], Trails] = {}
        self._alike: dict[object, Alike] = {}
        self._ways: Ways = {}
        self._standpoints: dict[tuple[str, int, str | None], int] = {}
        self._standpoint_numbers: dict[tuple[object, ...], int] = {}

    def look(self, path: str, cwd: str = "/") -> Node:
        """Say what lies at a path; a relative one starts at the working directory."""
        if not path:
            return _NOTHING
        absolute = _absolute(path, cwd)
        node = self._nodes.get(absolute)
        if node is None:
            node = self._nodes[absolute] = self.files.look(TargetPath(absolute))
        return node

    def is_anothers(self, path: str) -> bool:
        """Whether an unseen path is one where only a package of somebody else would have put a file."""
        return (normalised(path) + "/").startswith(self._beside)

    def knows_system(self, path: str) -> bool:
        """Whether some release is known to have a library at a path."""
        known = self._known.get(path)
        if known is None:
            found = (self.find_system(path, p.since).presence is Presence.PRESENT for p in PROFILES)
            known = self._known[path] = any(found)
        return known

    def names(self, path: str, cwd: str = "/") -> tuple[str, ...] | None:
        """Return the names in a directory, sorted; none if it is no directory; None if nobody can tell."""
        return self.files.names(TargetPath(_absolute(path, cwd)))

    def realpath(self, path: str, cwd: str = "/") -> TargetPath | None:
        """Return the real path of a file, or of its directory plus leaf; None if neither is there.

        dyld-940 to 1378, DyldDelegates.cpp: SyscallDelegate::realpath(): a slash and the leaf are put behind what
        F_GETPATH says of the directory, so that below ``/`` two slashes stand. The folders of the OS are there, though
        nobody gave them, and so is the working directory.
        """
        node = self.look(path, cwd)
        if node.presence is not Presence.ABSENT:
            return node.real
        folder, slash, name = path.rpartition("/")
        if slash and not folder:
            return None
        above = self.look(folder or ".", cwd)
        if above.kind is NodeKind.DIRECTORY:
            return TargetPath(f"{above.real}/{name}")
        plain = normalised(_absolute(folder or ".", cwd))
        here = (plain + "/").startswith(OS_FOLDERS) or plain == cwd or cwd.startswith(plain + "/")
        if above.presence is Presence.ABSENT and here:
            return TargetPath(f"{plain}/{name}")
        return None

    def left_behind(self, path: str, cwd: str = "/") -> str | None:
        """Return what realpath() leaves in its buffer: the real path, or that of the first part that is not there.

        Apple's Libc, stdlib/FreeBSD/realpath.c, as dyld-852.2 uses it (``loadPhase2cache()``). None where it fails for
        another reason than that nothing is there.
        """
        found = ""
        for part in _absolute(path, cwd).split("/"):
            if part in {"", "."}:
                continue
            if part == "..":
                found = found.rpartition("/")[0]
                continue
            node = self.look(f"{found}/{part}")
            if node.presence is Presence.PRESENT and node.real is not None:
                found = "" if node.real == "/" else node.real
                continue
            found = f"{found}/{part}"
            if node.presence is Presence.UNSEEN or node.errno not in {0, ENOENT}:
                return None
            # the folders of the OS are there, though nobody gave them
            if not (found + "/").startswith(OS_FOLDERS) and not any(x.startswith(found + "/") for x in OS_FOLDERS):
                return found
        return found or "/"

    def find_system(self, path: str, macos: Version) -> SystemAnswer:
        """Say whether the OS provides a library at a path, which is compared byte for byte.

        dyld-940 to 1378, DyldProcessConfig.cpp: DyldCache::indexOfPath().
        """
        answers = self._answers.setdefault(macos.packed, {})
        answer = answers.get(path)
        if answer is None:
            if is_respelt(path):  # most paths that run paths make; they are tried once
                return RESPELT
            answer = answers[path] = self.system.find(path, macos)
        return answer

    def fitting(self, config: ProcessConfig) -> Fitting:
        """Return the table of slices that were found fit for processes of this kind; it grows with use."""
        kind = (config.arch, config.platform, config.haswell, config.macos, config.validation)
        return self._fitting.setdefault(kind, {})

    def trails(self, config: ProcessConfig, cwd: str) -> Trails:
        """Return the ways of searches that processes of this kind have gone; it grows with use.

        They are the same whatever the main executable is, but for what stands for it in a `standpoint`.
        """
        known = self._trails.get((config, cwd))
        if known is None:
            alike = evolve(config, main_path=None, profile=PROFILES[-1], macos=NEWEST), config.searching, cwd
            kind = alike, config.macos  # which has a profile of its own
            known = self._kinds.get(kind)
            if known is None:
                known = self._kinds[kind] = Trails(self._alike.setdefault(alike, ({}, set())), self._ways)
            self._trails[config, cwd] = known
        return known

    def slices_beside(self, image: LoadedImage) -> int:
        """Return how many slices the file of an image has, its own among them."""
        file = self._read.get(image.identity) if image.identity is not None else None
        return max(1, len(file.slices)) if isinstance(file, MachOFile) else 1

    def standpoint(self, image: LoadedImage, main_path: str | None = None) -> int:
        """Return a number that images share which search from one directory by the same run paths.

        Args:
            image: The image that asks, or has run paths.
            main_path: The process's main executable.
        """
        key = (image.path, image.slice_offset, main_path)
        known = self._standpoints.get(key)
        if known is None:
            header = image.image
            run_paths = tuple(r.path for r in header.run_paths) if header is not None else ()
            # A framework's library of an old SDK is searched for as if it lay elsewhere, too.
            place = key if framework_folder(image) is not None else directory(image.path)
            old = header is not None and needs_fallbacks(header)
            main = header is not None and header.file_type == FileType.MH_EXECUTE
            whose = main_path if any(r.startswith("@executable_path") for r in run_paths) else None
            what = (place, run_paths, old, main, whose)
            known = self._standpoint_numbers.setdefault(what, len(self._standpoint_numbers))
            self._standpoints[key] = known
        return known

    def standpoints(self, chain: tuple[LoadedImage, ...], main_path: str | None) -> int:
        """Return a number for all the images whose run paths count for a search, one behind the other."""
        ids = [image.id for image in chain]
        what = tuple((self.standpoint(image, main_path), ids.index(image.id)) for image in chain)
        return self._standpoint_numbers.setdefault(what, len(self._standpoint_numbers))

    def read(self, node: Node) -> MachOFile | InputError:
        """Return the headers of a file, or why they cannot be read."""
        assert node.presence is Presence.PRESENT
        key = node.identity or (0, 0)
        found = self._read.get(key)
        if found is None:
            try:
                with self.files.opened(node) as source:
                    found = read_source(source)
            except InputError as error:
                found = error.at(str(node.host or node.real))
            self._read[key] = found
        return found

    def signature(self, node: Node, piece: Slice, *, pages: bool | None) -> SliceSignature:
        """Return the signature of a slice with what of it was held against the file; an unreadable file has none.

        Args:
            node: The file.
            piece: Its slice.
            pages: True for every page, None for those of header and load commands, False for none.
        """
        if piece.image is None:
            return NO_SIGNATURE
        key = (node.identity or (0, 0), piece.offset)
        known, found = self._signatures.get(key, (_NO_PAGES, None))
        if found is None or _HOW_MUCH[pages] > known:
            try:
                with self.files.opened(node) as source:
                    read = slice_reader(source, piece)
                    found = read_slice_signature(piece.image, read, piece.size, pages=pages)
            except InputError:
                found = NO_SIGNATURE
            self._signatures[key] = _HOW_MUCH[pages], found
        return found

    def signature_of(self, image: LoadedImage, *, pages: bool | None) -> SliceSignature:
        """Return the signature of a file that is loaded, as `signature` does."""
        if image.image is None:
            return NO_SIGNATURE
        known, found = self._signatures.get((image.identity or (0, 0), image.slice_offset), (_NO_PAGES, None))
        if found is not None and _HOW_MUCH[pages] <= known:
            return found
        node = Node(Presence.PRESENT, NodeKind.FILE, image.path, image.identity, image.host)
        piece = Slice(image.image.arch, image.slice_offset, image.slice_size, 0, image.image)
        return self.signature(node, piece, pages=pages)

    def refuses_to_map(self, node: Node, piece: Slice, config: ProcessConfig) -> str | MapRefusal | None:
        """Return what the kernel says when a process asks to map a library (F_CHECK_LV); None if it may.

        A text is one the caller knows of this file already.
        """
        said = self.unmappable.get(node.real or "")
        asks = config.validation
        if said is not None or not (asks.signed or asks.team):
            return said
        return library_refusal(asks, self.signature(node, piece, pages=asks.pages).library(config.macos))

    def first_bytes(self, node: Node, count: int, offset: int = 0) -> bytes:
        """Return the first bytes of a file, or of what begins in it; none if it cannot be read."""
        try:
            return self.files.read_bytes(node, offset, count)
        except InputError:
            return b""
