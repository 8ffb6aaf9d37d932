"""What lies where in an SDK folder: one walk, one pass over the stubs, and a cache of the result.

SDKs come whole, and they come damaged: checked out without symbolic links (a link is then a small text file that holds
its target), with links turned into copies, with links that lead nowhere, with frameworks cut out. None of that is
fatal; all of it is counted.
"""

# A host path is the raw string the user gave; pathlib would rewrite it, and costs more than the look.
# ruff: noqa: PTH112, PTH115, PTH118, PTH119, PTH208

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import posixpath
import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any, Final, NamedTuple

from machochain.macho.kind import is_macho
from machochain.macho.reader import read_file
from machochain.macho.source import FileSource
from machochain.model.errors import InputError, UsageError
from machochain.model.image import FileType
from machochain.model.ospaths import SYSTEM_PREFIXES
from machochain.model.paths import HostPath
from machochain.model.value import field, frozen
from machochain.model.version import Version
from machochain.tbd import places
from machochain.world.named import read_named
from machochain.world.system.kept import keep, own_folder, read_kept
from machochain.world.system.names import leads_to, normalise, plain_variant, squeeze

SCHEMA: Final = "machochain.sdk-index/2"
_FOLDERS: Final = ("System", "usr/lib", "Library/Apple")
_SKIPPED: Final = frozenset({"Headers", "PrivateHeaders", "Modules", "include", "share", "man", "Documentation"})
_SETTINGS: Final = ("SDKSettings.json", "SDKSettings.plist", "System/Library/CoreServices/SystemVersion.plist")
"""What tells the version of an SDK, the best first."""
_TEXT_LINK_LIMIT: Final = 1024
_MAGIC_BYTES: Final = 4096
_MOST_BYTES: Final = 256 << 20
"""More than all stubs of any SDK together."""
_FRAMEWORK_BINARY = re.compile(r"(?:.*/)?([^/]+)\.framework/(?:Versions/[^/]+/)?\1")
_SDK_NAME = re.compile(r"MacOSX(\d+(?:\.\d+){0,2})\w*\.sdk")


class Located(NamedTuple):
    """Where the stub of one library lies.

    Attributes:
        file: Path below the SDK.
        start: First byte of its document; 0 for a Mach-O stub.
        end: First byte after it.
        macho: Whether the stub is a Mach-O file, as up to SDK 10.9 and for a few libraries of 10.10 and 10.11.
    """

    file: str
    start: int
    end: int
    macho: bool


@frozen
class SdkIndex:
    """What lies in one SDK.

    Attributes:
        libraries: Install name to the place of its stub; libraries without any macOS target are left out.
        links: Library path to library path: symbolic links and small text files that were ones.
        copies: Library path to install name, for files that lie elsewhere than their install name says.
        current: ``…/X.framework/Versions`` to the version ``Current`` leads to.
        files: Number of stub files that were read.
        text_links: How many of ``links`` are text files.
        duplicates: Files that repeat a library another file has.
        other_platforms: Libraries without any macOS target.
        dangling: Links that lead nowhere, as library paths.
        unreadable: (file, why) of stubs that could not be read.
    """

    libraries: dict[str, Located] = field(repr=False)
    links: dict[str, str] = field(repr=False)
    copies: dict[str, str] = field(repr=False)
    current: dict[str, str] = field(repr=False)
    files: int
    text_links: int
    duplicates: int
    other_platforms: int
    dangling: tuple[str, ...]
    unreadable: tuple[tuple[str, str], ...]

    def canonical(self, path: str) -> str | None:
        """Return the install name behind a path (install name, link or copy); None if the SDK has no such library."""
        path = normalise(path)
        for _ in range(32):
            if path in self.libraries:
                return path
            if path in self.copies:
                return self.copies[path]
            if path in self.links:
                path = self.links[path]
                continue
            folder, middle, rest = path.partition("/Versions/Current/")
            if not middle or f"{folder}/Versions" not in self.current:
                return self._through_frameworks(path)
            path = f"{folder}/Versions/{self.current[f'{folder}/Versions']}/{rest}"
        return None

    def _through_frameworks(self, path: str) -> str | None:
        if ".framework/" not in path:
            return None
        fitting = [name for name in self.squeezed.get(squeeze(path), ()) if leads_to(path, name)]
        for name in fitting:
            versions, _, rest = name.rpartition("/Versions/")
            if self.current.get(f"{versions}/Versions") == rest.partition("/")[0]:
                return name
        return max(fitting) if fitting else None

    @cached_property
    def squeezed(self) -> dict[str, list[str]]:
        """Framework libraries by their paths without ``Versions`` parts."""
        table: dict[str, list[str]] = {}
        for name in self.libraries:
            if ".framework/Versions/" in name:
                table.setdefault(squeeze(name), []).append(name)
        return table


class _Entry(NamedTuple):
    """A file or link; of a link ``mtime`` holds the inode, which costs no system call and changes as it does."""

    path: str
    link: bool
    size: int
    mtime: int


def library_path(file: str) -> str:
    """Return the path of the library a stub file stands for: ``usr/lib/libz.1.tbd`` is ``/usr/lib/libz.1.dylib``."""
    path = "/" + file
    base = path.removesuffix(".tbd")
    if base == path or base.endswith(".dylib") or _FRAMEWORK_BINARY.fullmatch(base):
        return base
    return base + ".dylib"


def _walk(root: HostPath) -> list[_Entry]:
    """Return the files and links that may matter, sorted: stubs, dylibs, framework binaries, ``Current``."""
    waiting = [folder for folder in _FOLDERS if os.path.isdir(os.path.join(root, folder))]
    found: list[_Entry] = []
    while waiting:
        folder = waiting.pop()
        try:
            entries = os.scandir(f"{root}/{folder}")
        except OSError:
            continue  # a folder nobody may read holds no stub for us
        with entries:
            for entry in entries:
                name = entry.name
                if entry.is_symlink():
                    if _matters(folder, name):
                        found.append(_Entry(f"{folder}/{name}", link=True, size=0, mtime=entry.inode()))
                elif entry.is_dir(follow_symlinks=False):
                    if name not in _SKIPPED and not name.endswith((".lproj", ".swiftmodule")):
                        waiting.append(f"{folder}/{name}")
                elif _matters(folder, name) and entry.is_file(follow_symlinks=False):
                    try:
                        status = entry.stat(follow_symlinks=False)
                    except OSError:
                        continue
                    found.append(_Entry(f"{folder}/{name}", link=False, size=status.st_size, mtime=status.st_mtime_ns))
    found.sort()
    return found


def _matters(folder: str, name: str) -> bool:
    return name.endswith((".tbd", ".dylib")) or name == "Current" or f"/{name}.framework" in folder


def _read(root: HostPath, file: str) -> bytes:
    """Return what a file of an SDK holds; a FIFO is not waited for, and nothing larger than any stub is read."""
    return read_named(os.path.join(root, file), _MOST_BYTES)


class _Builder:
    """Takes entries one by one and keeps the best place of each library."""

    def __init__(self, root: HostPath) -> None:
        self.root = root
        self.libraries: dict[str, Located] = {}
        self.rank: dict[str, int] = {}
        self.links: dict[str, str] = {}
        self.copies: dict[str, str] = {}
        self.current: dict[str, str] = {}
        self.files = self.text_links = self.duplicates = self.other_platforms = 0
        self.unreadable: list[tuple[str, str]] = []

    def add(self, entry: _Entry) -> None:
        try:
            if entry.link:
                self._link(entry.path, os.readlink(os.path.join(self.root, entry.path)))
            elif entry.path.endswith("/Current"):
                if entry.size < _TEXT_LINK_LIMIT:
                    self._text_link(entry.path, _read(self.root, entry.path))
            elif entry.path.endswith(".tbd"):
                self._stub(entry)
            else:
                self._macho(entry)
        except InputError as error:
            where = f"{error.part}: " if error.part else ""
            self.unreadable.append((entry.path, where + error.reason))
        except OSError as error:
            self.unreadable.append((entry.path, error.strerror or "cannot be read"))

    def _link(self, file: str, target: str) -> None:
        if file.endswith("/Current"):
            self.current["/" + posixpath.dirname(file)] = target.rstrip("/").rpartition("/")[2]
            return
        # An absolute target means the SDK's own root: the SDK is "/" of what it describes.
        path = posixpath.normpath(posixpath.join("/" + posixpath.dirname(file), target))
        if not plain_variant(library_path(file)):
            self.links[library_path(file)] = library_path(path.lstrip("/"))

    def _text_link(self, file: str, data: bytes) -> None:
        target = data.decode("utf-8", "surrogateescape").strip()
        if not target or "\n" in target or "\0" in target:
            raise InputError("neither a stub nor a link")
        self._link(file, target)
        self.text_links += 1

    def _stub(self, entry: _Entry) -> None:
        data = _read(self.root, entry.path)
        if len(data) < _TEXT_LINK_LIMIT and not data.lstrip().startswith((b"---", b"{", b"#", b"\xef\xbb\xbf")):
            self._text_link(entry.path, data)
            return
        self.files += 1
        own = library_path(entry.path)
        for index, place in enumerate(places(data)):
            if not place.macos:
                self.other_platforms += 1
                continue
            # A file that lies where its install name says beats one that does not; both beat an inlined copy.
            rank = 2 if index else (0 if place.install_name == own else 1)
            self._offer(place.install_name, own, Located(entry.path, place.start, place.end, macho=False), rank)

    def _macho(self, entry: _Entry) -> None:
        path = HostPath(os.path.join(self.root, entry.path))
        with FileSource(path) as source:
            if not is_macho(source.read(0, _MAGIC_BYTES)):
                return
        file = read_file(path)
        image = next((s.image for s in file.slices if s.image is not None), None)
        if image is None or image.install_name is None:
            return
        if image.file_type not in {FileType.MH_DYLIB, FileType.MH_DYLIB_STUB}:
            return
        self.files += 1
        own = library_path(entry.path)
        rank = 0 if image.install_name == own else 1
        self._offer(image.install_name, own, Located(entry.path, 0, entry.size, macho=True), rank)

    def _offer(self, name: str, own: str, place: Located, rank: int) -> None:
        name = re.sub("//+", "/", name)
        if not name.startswith(SYSTEM_PREFIXES):
            # A slip of Apple's build (@rpath/…, a build folder): what is asked for is the path of the file.
            if rank == 2:
                return
            name = own
        elif rank == 1 and not plain_variant(own):
            self.copies[own] = name
        known = self.rank.get(name)
        if known is not None:
            self.duplicates += rank < 2 and known < 2
            if known <= rank:
                return
        self.libraries[name] = place
        self.rank[name] = rank

    def finish(self) -> SdkIndex:
        index = SdkIndex(
            libraries=self.libraries,
            links=self.links,
            copies={path: name for path, name in self.copies.items() if path not in self.libraries},
            current=self.current,
            files=self.files,
            text_links=self.text_links,
            duplicates=self.duplicates,
            other_platforms=self.other_platforms,
            dangling=(),
            unreadable=tuple(self.unreadable),
        )
        dangling = sorted(path for path in self.links if index.canonical(path) is None)
        return _replaced(index, dangling=tuple(dangling))


def _replaced(index: SdkIndex, **changes: Any) -> SdkIndex:
    fields = {a.name: getattr(index, a.name) for a in SdkIndex.__attrs_attrs__ if a.init}
    return SdkIndex(**{**fields, **changes})


def index(root: HostPath, *, cache: bool = True) -> SdkIndex:
    """Find every library of an SDK.

    Args:
        root: The SDK's folder.
        cache: Whether to keep the result in, and take it from, ``cache_folder()``. A kept index counts only while
            path, size and time of every file are what they were.

    Raises:
        InputError: The folder does not exist or looks like no SDK.
    """
    if not os.path.isdir(root):
        raise InputError("no such folder", path=root)
    try:
        os.listdir(root)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", path=root, errno=error.errno or 0) from None
    if not any(os.path.isdir(os.path.join(root, folder)) for folder in ("usr/lib", "System/Library")):
        raise InputError("not an SDK: neither usr/lib nor System/Library is in it", path=root)
    entries = _walk(root)
    if not cache:
        return _build(root, entries)
    key = hashlib.blake2b(os.fsencode(os.path.realpath(root)), digest_size=12).hexdigest()
    state = _fingerprint(entries)
    name = f"{key}.json"
    found = _load(name, state)
    if found is None:
        found = _build(root, entries)
        _store(name, state, found)
    return found


def _fingerprint(entries: Iterable[_Entry]) -> str:
    listing = "\n".join(f"{e.path}\t{e.link:d}\t{e.size}\t{e.mtime}" for e in entries)
    return hashlib.blake2b(listing.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


def fingerprint(root: HostPath) -> str:
    """Return what changes with the libraries of an SDK, their stubs or its version: it reads no file."""
    entries = _walk(root)
    for name in _SETTINGS:
        with contextlib.suppress(OSError):
            status = os.stat(os.path.join(root, name))  # noqa: PTH116
            entries.append(_Entry(name, link=False, size=status.st_size, mtime=status.st_mtime_ns))
    return _fingerprint(entries)


def _build(root: HostPath, entries: list[_Entry]) -> SdkIndex:
    builder = _Builder(root)
    for entry in entries:
        builder.add(entry)
    return builder.finish()


def _store(name: str, fingerprint: str, found: SdkIndex) -> None:
    """Keep an index; whatever goes wrong only costs time at the next run.

    The first line tells of which files it is, and the sum of the second.
    """
    fields = {a.name: getattr(found, a.name) for a in SdkIndex.__attrs_attrs__ if a.init}
    body = json.dumps(fields)
    keep(name, f"{_head(fingerprint, body)}\n{body}".encode("ascii"))


def _head(fingerprint: str, body: str) -> str:
    digest = hashlib.blake2b(body.encode("ascii"), digest_size=16).hexdigest()
    return json.dumps({"schema": SCHEMA, "fingerprint": fingerprint, "digest": digest})


def _load(name: str, fingerprint: str) -> SdkIndex | None:
    """Return a kept index; None unless it is what was written, by this version, and of exactly these files."""
    try:
        folder = own_folder()
        data = read_kept(folder / name) if folder is not None else None
        if data is None:
            return None
        head, _, body = data.decode("ascii").partition("\n")
        if head != _head(fingerprint, body):
            return None
        fields = json.loads(body)
        libraries = {}
        for library, (path, start, end, macho) in fields["libraries"].items():
            if not (isinstance(path, str) and isinstance(macho, bool) and 0 <= int(start) <= int(end)):
                return None
            if path.startswith("/") or ".." in path.split("/"):
                return None
            libraries[library] = Located(path, int(start), int(end), macho)
        return SdkIndex(
            libraries=libraries,
            links=_text_table(fields["links"]),
            copies=_text_table(fields["copies"]),
            current=_text_table(fields["current"]),
            files=int(fields["files"]),
            text_links=int(fields["text_links"]),
            duplicates=int(fields["duplicates"]),
            other_platforms=int(fields["other_platforms"]),
            dangling=tuple(str(x) for x in fields["dangling"]),
            unreadable=tuple((str(x), str(y)) for x, y in fields["unreadable"]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return None


def _text_table(value: Any) -> dict[str, str]:
    if not all(isinstance(x, str) for pair in value.items() for x in pair):
        raise TypeError
    return dict(value)


# Versions


def _release(text: object) -> Version | None:
    if not isinstance(text, str):
        return None
    match = re.match(r"(?:mac ?os ?x? ?)?(\d+(?:\.\d+){0,2})", text.strip(), re.IGNORECASE)
    try:
        version = Version.parse(match[1]) if match else None
    except UsageError:
        return None
    # Big Sur called itself 10.16 towards whoever could not count further.
    return Version.of(11) if version is not None and (version.major, version.minor) == (10, 16) else version


def _tables(root: HostPath) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the settings files that can be read, best first."""
    with contextlib.suppress(InputError, ValueError, RecursionError):
        document = json.loads(_read(root, _SETTINGS[0]))
        if isinstance(document, dict):
            yield _SETTINGS[0], document
    for name in _SETTINGS[1:]:
        # plistlib raises whatever expat and its own parsers raise: a file it cannot read says nothing
        with contextlib.suppress(Exception):
            import plistlib  # noqa: PLC0415 - only where there is no JSON

            document = plistlib.loads(_read(root, name))
            if isinstance(document, dict):
                yield name, document


def sdk_version(root: HostPath) -> tuple[Version | None, str]:
    """Return which macOS an SDK is for, and what says so.

    ``SDKSettings.json`` or ``.plist`` in any of its shapes, ``SystemVersion.plist``, else the folder's name.

    Raises:
        InputError: It is the SDK of another platform.
    """
    for name, table in _tables(root):
        canonical = table.get("CanonicalName")
        if isinstance(canonical, str) and canonical and not canonical.lower().startswith("macos"):
            raise InputError(f"not a macOS SDK: {name} calls it {canonical}", path=root)
        for key in ("Version", "MinimalDisplayName", "ProductVersion", "DisplayName", "CanonicalName"):
            value = table.get(key)
            if key == "CanonicalName" and isinstance(value, str):
                value = value.lower().removeprefix("macosx").removeprefix("macos")
            version = _release(value)
            if version is not None:
                return version, name
    for path in (os.path.abspath(root), os.path.realpath(root)):  # noqa: PTH100
        match = _SDK_NAME.fullmatch(os.path.basename(path))
        if match and (version := _release(match[1])) is not None:
            return version, "the folder's name"
    return None, "nothing"
