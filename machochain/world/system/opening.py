"""What stands for the operating system: the embedded catalogue, SDK folders, and facts other people's SDKs gave."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterable
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from machochain.macho.source import FileSource
from machochain.model.paths import HostPath
from machochain.world.named import read_named
from machochain.world.system.catalogue import EMBEDDED, EmbeddedCatalogue
from machochain.world.system.catalogue_file import StrPath

if TYPE_CHECKING:
    from pathlib import Path

    from machochain.world.system.facts import SystemFacts

_MOST: Final = 256 << 20
"""Bytes of a catalogue or a document of facts: twenty times the largest there is."""


class _Last(threading.local):
    """What a thread opened last. Reading changes it, so no other thread may look into it at the same time."""

    state: tuple[object, ...] = ()
    system: SystemFacts


_last: Final = _Last()


def open_system(sdks: Iterable[HostPath] = ()) -> SystemFacts:
    """Return what is known of the OS.

    Hundreds of inputs ask the same facts, so a thread keeps what it opened last, and all that was read from it, as long
    as the files behind it stay what they were.

    Args:
        sdks: SDK folders; files that ``machochain sdk index`` or ``machochain sdk catalogue --add`` wrote; the
            main files of shared caches.

    Raises:
        InputError: One of them cannot be read as what it is.
    """
    given = tuple(sdks)
    state = tuple((path, _state(path)) for path in (HostPath(EMBEDDED), *given))
    if state != _last.state:
        _last.system = _opened(given)
        _last.state = state
    return _last.system


def _state(path: HostPath) -> tuple[object, ...]:
    """Return what changes when a file or an SDK does; nothing for what cannot be read."""
    try:
        status = os.stat(path)  # noqa: PTH116  # as below
    except (OSError, ValueError):
        return ()
    if not stat.S_ISDIR(status.st_mode):
        return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
    from machochain.world.system.sdk_index import fingerprint  # noqa: PLC0415  # only who has an SDK pays for it

    return status.st_dev, status.st_ino, fingerprint(path)


def _opened(sdks: tuple[HostPath, ...]) -> SystemFacts:
    folders: list[HostPath] = []
    facts: list[HostPath] = []
    base = HostPath(EMBEDDED)
    for path in sdks:
        if os.path.isdir(path):  # noqa: PTH112  # pathlib raises where a link's target is too long a name
            folders.append(path)
        elif kind_of(path) is not Given.CATALOGUE:
            facts.append(path)
        else:
            base = path
    catalogue = EmbeddedCatalogue(merged(base, facts) if facts else base)
    if not folders:
        return catalogue
    # Most runs have no SDK: its readers are loaded only for those that do.
    from machochain.world.system.oslibs import SdkLibraries  # noqa: PLC0415
    from machochain.world.system.sdk import Sdk  # noqa: PLC0415

    return SdkLibraries([Sdk(folder) for folder in folders], catalogue)


def merged(base: StrPath, facts: Iterable[HostPath]) -> Path:
    """Return a catalogue with further facts in it, built once and kept in the cache folder.

    Facts are documents, or shared caches that hold them. What is kept counts only while it is what was written: its
    name holds the sums of what it was made of and of itself.
    Where nothing can be kept, it is built anew for each run.

    Raises:
        InputError: A document of facts cannot be read.
    """
    # Most runs add nothing to the catalogue.
    import hashlib  # noqa: PLC0415

    from machochain.world.system.build_catalogue import build  # noqa: PLC0415
    from machochain.world.system.kept import keep, kept_files, read_kept  # noqa: PLC0415

    given = list(facts)
    key = hashlib.sha256(_bytes(base))
    for path in given:
        key.update(_fingerprint(path))
    start = f"catalogue-{key.hexdigest()[:32]}-"
    for kept in kept_files(start):
        found = read_kept(kept)
        if found is not None and kept.name == f"{start}{hashlib.sha256(found).hexdigest()[:32]}.bin":
            return kept
    data = build([*EmbeddedCatalogue(base).documents(), *(read_document(path) for path in given)])
    name = f"{start}{hashlib.sha256(data).hexdigest()[:32]}.bin"
    kept_at = keep(name, data)
    if kept_at is None:
        kept_at = _passing_folder() / name
        kept_at.write_bytes(data)
    return kept_at


def _passing_folder() -> Path:
    """Return a folder of this user's own that goes when the run ends."""
    import atexit  # noqa: PLC0415
    import shutil  # noqa: PLC0415
    import tempfile  # noqa: PLC0415
    from pathlib import Path  # noqa: PLC0415

    folder = tempfile.mkdtemp(prefix="machochain-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def _bytes(path: StrPath) -> bytes:
    return read_named(os.fspath(path), _MOST)


class Given(Enum):
    """What a file given as an SDK is."""

    FACTS = "document of facts"
    CACHE = "shared cache"
    CATALOGUE = "catalogue"


def kind_of(path: HostPath) -> Given:
    """Say what a file given as an SDK is by its first bytes.

    Raises:
        InputError: It cannot be read.
    """
    with FileSource(path) as file:
        start = file.read(0, 64)
    if start.startswith(b"dyld_v"):
        return Given.CACHE
    packed = path.endswith((".xz", ".gz"))
    return Given.FACTS if packed or start.lstrip()[:1] in {b"{", b"["} else Given.CATALOGUE


def read_document(path: HostPath) -> dict[str, Any]:
    """Return the facts in a document, or in a shared cache.

    Raises:
        InputError: They cannot be read.
    """
    from pathlib import Path  # noqa: PLC0415

    from machochain.world.system.fact_documents import checked, read_facts  # noqa: PLC0415

    if kind_of(path) is Given.CACHE:
        from machochain.world.system.sdk_report import index_cache  # noqa: PLC0415
        from machochain.world.system.shared_cache import SharedCache  # noqa: PLC0415

        with SharedCache(path) as cache:
            return checked(index_cache(cache), path)
    document: dict[str, Any] = read_facts(Path(path))
    return document


def _fingerprint(path: HostPath) -> bytes:
    """Return what changes with the content: of a shared cache, which has gigabytes, its header with the UUID."""
    if kind_of(path) is Given.CACHE:
        with FileSource(path) as file:
            return file.read(0, 1024) + str(file.size).encode()
    return _bytes(path)
