"""Archives as inputs: wheels, zips, tars, npm and conda packages, Homebrew bottles.

An archive is known by its content, never by its name, and unpacked into a temporary folder of its own under `Limits`.
Only what matters is written in full: Mach-O files, static archives, links, and the files that say what a package is.
Of every other file the folder has the right length and the right first 4096 bytes, because dyld may come upon it at a
path it tries, and tells an empty file from one that is no Mach-O file. Nothing is ever executed.

Installer packages (xar) and disk images are recognised, but not read: no maintained library reads them.
"""

# A host path is the raw string the user gave; pathlib would rewrite it.
# ruff: noqa: PTH116, PTH118, PTH123

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any, Final

from attrs import evolve, frozen

from machochain.model.artifact import Artifact, ArtifactKind, Limits
from machochain.model.errors import InputError
from machochain.model.paths import HostPath
from machochain.world.archives.places import default_place
from machochain.world.archives.streams import (
    HEAD,
    Decompressed,
    ForwardStream,
    Read,
    container_of,
    damage_errors,
)
from machochain.world.archives.tree import Budget, Refused, Tree, entry_names

_UNREAD: Final = {
    "xar": "an installer package (xar) is not read: unpack it with 'pkgutil --expand-full PKG DIR' and name DIR",
    "dmg": "a disk image is not read: mount it with 'hdiutil attach DMG' and name the mounted folder",
}
_ENDINGS: Final = re.compile(r"(\.bottle(\.\d+)?)?\.(tar(\.\w+)?|t[gbx]z2?|tzst|zip|whl|conda|jar)$", re.IGNORECASE)
_METADATA_LIMIT: Final = 4 << 20
_Errors = tuple[type[BaseException], ...]
_GLOBAL_HEADERS: Final = 1000
_ZIP_DIRECTORY_ENTRY: Final = b"PK\x01\x02"
_ZIP_ENCRYPTED: Final = 0x1
_ZIP_UTF8: Final = 0x800
_ZIP_UNIX: Final = 3
_LINK_LIMIT: Final = 4096


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
            return _container(file, status.st_size)
    except (OSError, ValueError):
        return None


def _container(file: IO[bytes], size: int) -> str | None:
    file.seek(max(size - 512, 0))
    end = file.read(512)
    file.seek(0)
    return container_of(file.read(512), file.read, end)


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
        container = _container(file, status.st_size)
        if container is None:
            raise InputError("is no archive that can be read", path=name)
        if container in _UNREAD:
            raise InputError(_UNREAD[container], path=name)
        root = HostPath(os.path.join(folder, "files"))
        os.mkdir(root, 0o700)  # noqa: PTH102
        tree = Tree(root, budget)
        file.seek(0)
        kind = None
        if container == "zip":
            kind = _read_zip(tree, file, nested=nested)
        else:
            _read_tar(tree, file.read, _skipper(file), container.partition(".")[2], spool=not nested)
    tree.finish()
    return _opened_nested(_described(tree, name, container, kind), tree, folder)


def _skipper(file: IO[bytes]) -> Callable[[int], None]:
    def skip(count: int) -> None:
        file.seek(count, os.SEEK_CUR)

    return skip


# --- tar ---------------------------------------------------------------------------------------------------------


def _read_tar(tree: Tree, read: Read, skip: Callable[[int], None] | None, compression: str, *, spool: bool) -> None:
    """Take over the entries of a tar archive, one after the other; nothing is looked at twice."""
    budget = tree.budget
    if compression:
        packed = Decompressed(read, compression)
        produced = 0

        def plain(size: int) -> bytes:
            nonlocal produced
            data = packed.read(size)
            produced += len(data)
            budget.spend(len(data))
            budget.check_ratio(produced, packed.consumed)
            return data

        stream = ForwardStream(plain, None, budget.limits.header_bytes)
    else:
        stream = ForwardStream(read, skip, budget.limits.header_bytes)
    errors = damage_errors()
    last = ""
    try:
        # The mode is set apart from the file's own: nothing is ever written to it.
        with tarfile.TarFile(fileobj=stream, mode="r", errors="surrogateescape") as archive:  # type: ignore[arg-type]
            while True:
                stream.start_header()
                member = archive.next()
                if member is None:
                    break
                # tarfile would keep every header; and it copies the global ones to each.
                archive.members.clear()  # type: ignore[attr-defined]  # typeshed leaves it out
                if len(archive.pax_headers) > _GLOBAL_HEADERS:
                    raise budget.exceeded(f"more than {_GLOBAL_HEADERS} global headers")
                last = member.name
                _tar_entry(tree, archive, stream, member, spool=spool, errors=errors)
    except InputError:
        raise
    except errors as error:
        tree.complete = False
        tree.problem(f"is cut or damaged{_after(last)}: {error}", offset=stream.tell())
        return
    if stream.tail.strip(b"\0") or len(stream.tail) < tarfile.BLOCKSIZE:
        tree.complete = False
        tree.problem(f"is cut or damaged{_after(last)}: its end is missing", offset=stream.tell())


def _after(name: str) -> str:
    return f" after {name!r}" if name else ""


def _tar_entry(
    tree: Tree,
    archive: tarfile.TarFile,
    stream: ForwardStream,
    member: tarfile.TarInfo,
    *,
    spool: bool,
    errors: _Errors,
) -> None:
    name = member.name
    if member.size < 0:
        raise tarfile.ReadError(f"the size of {name!r} is negative")
    if member.isdir():
        tree.add_directory(name)
    elif member.issym():
        tree.add_link(name, member.linkname)
    elif member.islnk():
        tree.add_hard_link(name, member.linkname)
    elif not member.isreg():
        tree.add_special(name, "a device, FIFO or other special file")
    elif member.issparse():
        if member.size > tree.budget.limits.file_bytes:
            tree.add_oversized(name, member.size)
            return
        inside = archive.extractfile(member)
        assert inside is not None
        stream.start_header()
        tree.add_file(name, member.size, _unlimited(stream, inside.read), errors=errors)
    else:
        stream.seek(member.offset_data)
        left = member.size

        def read(size: int) -> bytes:
            nonlocal left
            if left <= 0:
                return b""
            data = stream.read_some(min(size, left))
            left -= len(data)
            return data

        tree.add_file(name, member.size, read, spool=_is_nested if spool else None, errors=errors)


def _unlimited(stream: ForwardStream, read: Read) -> Read:
    """Read a sparse file through tarfile, whose reads would else count as those of a header."""

    def wrapped(size: int) -> bytes:
        data = b""
        while len(data) < size:
            stream.start_header()
            part = read(min(size - len(data), HEAD))
            if not part:
                break
            data += part
        return data

    return wrapped


def _is_nested(head: bytes) -> bool:
    """Whether a file that begins so may be an archive that is worth a look inside."""
    return head.startswith((b"PK\x03\x04", b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd")) or (
        container_of(head, lambda _: b"") == "tar"
    )


# --- zip ---------------------------------------------------------------------------------------------------------


class _DirectoryGuard:
    """A file for zipfile that refuses a directory with more entries than are allowed, before objects are made of it."""

    def __init__(self, file: IO[bytes], budget: Budget) -> None:
        self._file = file
        self._budget = budget

    def read(self, size: int = -1) -> bytes:
        limits = self._budget.limits
        data = self._file.read(size)
        if data.startswith(_ZIP_DIRECTORY_ENTRY) and data.count(_ZIP_DIRECTORY_ENTRY) > limits.entries:
            raise self._budget.exceeded(f"more than {limits.entries} entries (limit entries)")
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _read_zip(tree: Tree, file: IO[bytes], *, nested: bool) -> ArtifactKind | None:
    """Take over the entries of a zip; return what it is if the names alone tell."""
    budget = tree.budget
    errors: _Errors = (*damage_errors(), zipfile.BadZipFile, NotImplementedError, RuntimeError)
    try:
        archive = zipfile.ZipFile(_DirectoryGuard(file, budget))
    except InputError:
        raise
    except UnicodeDecodeError:
        raise InputError("the name of an entry is not UTF-8, though the archive says so") from None
    except errors as error:
        raise InputError(f"is cut or damaged: its directory cannot be read ({error})") from error
    with archive:
        members = [_Member(_zip_name(info), info) for info in archive.infolist()]
        locked = next((m for m in members if m.info.flag_bits & _ZIP_ENCRYPTED), None)
        if locked is not None:
            raise InputError("is encrypted, and no password is asked for", part=locked.name)
        names = {member.name for member in members}
        kind = _zip_kind(names)
        for member in members:
            if kind is ArtifactKind.CONDA:
                _conda_member(tree, archive, member, errors)
            else:
                _zip_member(tree, archive, member, kind, errors, spool=kind is None and not nested)
    return kind


@frozen
class _Member:
    """An entry of a zip with its true name."""

    name: str
    info: zipfile.ZipInfo


def _zip_name(info: zipfile.ZipInfo) -> str:
    """Return the name as written.

    zipfile ends it at a NUL, and reads names without the UTF-8 flag as code page 437; what macOS itself writes there
    is UTF-8 without the flag.
    """
    name = info.orig_filename
    if not info.flag_bits & _ZIP_UTF8 and not name.isascii():
        try:
            return name.encode("cp437").decode()
        except (UnicodeEncodeError, UnicodeDecodeError):
            return name
    return name


def _zip_kind(names: set[str]) -> ArtifactKind | None:
    if any(name.endswith(".dist-info/WHEEL") and name.count("/") == 1 for name in names):
        return ArtifactKind.WHEEL
    if "metadata.json" in names and any(name.startswith("pkg-") and ".tar" in name for name in names):
        return ArtifactKind.CONDA
    return None


def _zip_member(
    tree: Tree,
    archive: zipfile.ZipFile,
    member: _Member,
    kind: ArtifactKind | None,
    errors: _Errors,
    *,
    spool: bool,
) -> None:
    name, info = member.name, member.info
    if name.startswith("__MACOSX/"):
        tree.add_left_out(name, info.file_size, "holds attributes of another entry (AppleDouble)")
        return
    at = None
    if kind is ArtifactKind.WHEEL:
        try:
            names = entry_names(name, tree.budget.limits)
        except Refused:
            names = []
        at = _installed(names) if names else None
    mode = info.external_attr >> 16 if info.create_system == _ZIP_UNIX else 0
    if name.endswith("/"):
        tree.add_directory(name, at)
        return
    is_link = stat.S_ISLNK(mode)
    if stat.S_IFMT(mode) and not is_link and not stat.S_ISREG(mode):
        tree.add_special(name, "a device, FIFO or other special file")
        return
    try:
        opened = archive.open(info)
    except errors as error:
        tree.add_file(name, info.file_size, _raiser(error), at=at, errors=errors)
        return
    with opened:
        if is_link and kind is not ArtifactKind.WHEEL:
            _zip_link(tree, opened, name, info, errors)
            return
        note = "pip writes a link of a wheel as a plain file" if is_link else None
        produced = 0

        def read(size: int) -> bytes:
            nonlocal produced
            data = opened.read(size)
            produced += len(data)
            tree.budget.check_ratio(produced, info.compress_size, name)
            return data

        tree.add_file(name, info.file_size, read, at=at, note=note, spool=_is_nested if spool else None, errors=errors)


def _zip_link(tree: Tree, opened: IO[bytes], name: str, info: zipfile.ZipInfo, errors: _Errors) -> None:
    if info.file_size > _LINK_LIMIT:
        tree.add_special(name, f"a link longer than {_LINK_LIMIT} bytes")
        return
    try:
        link = opened.read(_LINK_LIMIT)
    except errors as error:
        tree.add_file(name, info.file_size, _raiser(error), errors=errors)
        return
    tree.add_link(name, link.decode("utf-8", "surrogateescape"))


def _raiser(error: BaseException) -> Read:
    def read(_: int) -> bytes:
        raise error

    return read


def _installed(names: list[str]) -> list[str]:
    """Return where pip puts a file of a wheel, below one folder for each scheme.

    https://packaging.python.org/en/latest/specifications/binary-distribution-format/
    """
    if len(names) > 2 and names[0].endswith(".data"):
        if names[1] in ("purelib", "platlib"):
            return ["site-packages", *names[2:]]
        if names[1] in ("scripts", "data", "headers"):
            return names[1:]
    return ["site-packages", *names]


def _conda_member(tree: Tree, archive: zipfile.ZipFile, member: _Member, errors: _Errors) -> None:
    """Take over the inner archives of a ``.conda`` file as if they were one."""
    name, info = member.name, member.info
    compression = name.rpartition(".tar.")[2]
    if not name.startswith(("pkg-", "info-")) or compression not in ("gz", "bz2", "xz", "zst"):
        tree.add_left_out(name, info.file_size, "describes the package file itself")
        return
    try:
        with archive.open(info) as opened:
            _read_tar(tree, opened.read, None, compression, spool=False)
    except InputError:
        raise
    except errors as error:
        tree.complete = False
        tree.problem(f"cannot be read: {error}", name)


# --- what it is --------------------------------------------------------------------------------------------------


def _described(tree: Tree, name: str, container: str, kind: ArtifactKind | None) -> Artifact:
    """Say what was unpacked."""
    files = {entry.name: entry.host for entry in tree.entries if entry.host is not None and entry.whole}
    tops = {entry.name.partition("/")[0] for entry in tree.entries if entry.host is not None}
    if kind is None:
        kind = _tar_kind(files, tops)
    leaf = _ENDINGS.sub("", os.path.basename(name.rpartition(":")[2]))  # noqa: PTH119
    leaf = leaf if leaf.strip(".") else "archive"
    facts = _FACTS[kind](files) if kind in _FACTS else _Facts()
    facts = evolve(facts, name=facts.name or leaf)
    return Artifact(
        path=name,
        kind=kind,
        container=container,
        folder=tree.root,
        entries=tuple(tree.entries),
        problems=tuple(error.at(name) for error in tree.problems),
        complete=tree.complete,
        default_place=default_place(kind, facts.name, facts.version, facts.platforms, tree.cpus),
        name=facts.name,
        version=facts.version,
        platforms=facts.platforms,
        requires=facts.requires,
    )


@frozen
class _Facts:
    """What a package says of itself."""

    name: str = ""
    version: str | None = None
    platforms: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()


_Files = dict[str, HostPath]


def _tar_kind(files: _Files, tops: set[str]) -> ArtifactKind:
    """Tell by a few names what no name of the file itself proves."""
    if "info/index.json" in files:
        return ArtifactKind.CONDA
    if tops == {"package"} and "package/package.json" in files:
        return ArtifactKind.NPM
    if len(tops) == 1 and any(name.endswith("/INSTALL_RECEIPT.json") and name.count("/") == 2 for name in files):
        return ArtifactKind.BOTTLE
    if tops and all(top.endswith(".app") for top in tops):
        return ArtifactKind.APP
    return ArtifactKind.ARCHIVE


def _text(files: _Files, name: str | None) -> str:
    if name is None or name not in files:
        return ""
    with open(files[name], encoding="utf-8", errors="replace") as file:
        return file.read(_METADATA_LIMIT)


def _json(files: _Files, name: str) -> dict[str, Any]:
    try:
        found = json.loads(_text(files, name))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _string(value: object) -> str | None:
    """Return a value that goes into a path, if it is a plain name."""
    return value if isinstance(value, str) and re.fullmatch(r"(@\w[\w.~-]*/)?\w[\w+!@.~-]*", value) else None


def _strings(value: object) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def _fields(text: str, name: str) -> tuple[str, ...]:
    """Return the values of one field of a metadata file; its header ends at the first empty line."""
    head = text.partition("\n\n")[0]
    return tuple(re.findall(rf"^{name}:[ \t]*(.*?)[ \t]*\r?$", head, re.MULTILINE))


def _wheel(files: _Files) -> _Facts:
    stated = next((name for name in files if name.endswith(".dist-info/WHEEL") and name.count("/") == 1), None)
    if stated is None:
        return _Facts()
    metadata = _text(files, stated.replace("/WHEEL", "/METADATA"))
    needed = (re.match(r"[\w.-]+", value) for value in _fields(metadata, "Requires-Dist") if "extra ==" not in value)
    return _Facts(
        next((value for value in map(_string, _fields(metadata, "Name")) if value), ""),
        next(iter(_fields(metadata, "Version")), None),
        _fields(_text(files, stated), "Tag"),
        tuple(match[0] for match in needed if match),
    )


def _npm(files: _Files) -> _Facts:
    stated = _json(files, "package/package.json")
    needed = stated.get("dependencies")
    return _Facts(
        _string(stated.get("name")) or "",
        _string(stated.get("version")),
        (*_strings(stated.get("os")), *_strings(stated.get("cpu"))),
        tuple(needed) if isinstance(needed, dict) else (),
    )


def _conda(files: _Files) -> _Facts:
    stated = _json(files, "info/index.json")
    subdir = _string(stated.get("subdir"))
    return _Facts(
        _string(stated.get("name")) or "",
        _string(stated.get("version")),
        (subdir,) if subdir else (),
        tuple(value.partition(" ")[0] for value in _strings(stated.get("depends"))),
    )


def _bottle(files: _Files) -> _Facts:
    receipt = next(name for name in files if name.endswith("/INSTALL_RECEIPT.json") and name.count("/") == 2)
    name, version, _ = receipt.split("/")
    stated = _json(files, receipt)
    arch = _string(stated.get("arch"))
    needed = stated.get("runtime_dependencies")
    names = (item.get("full_name") for item in needed if isinstance(item, dict)) if isinstance(needed, list) else ()
    return _Facts(name, version, (arch,) if arch else (), tuple(value for value in names if isinstance(value, str)))


_FACTS: Final[dict[ArtifactKind, Callable[[_Files], _Facts]]] = {
    ArtifactKind.WHEEL: _wheel,
    ArtifactKind.NPM: _npm,
    ArtifactKind.CONDA: _conda,
    ArtifactKind.BOTTLE: _bottle,
}


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
