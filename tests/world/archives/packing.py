"""Archives for tests, well formed and hostile, made byte by byte where the libraries refuse to."""

from __future__ import annotations

import io
import json
import lzma
import stat
import sys
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from tests.factory.macho import dylib

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LIBRARY = dylib("@rpath/libx.dylib")
TEXT = b"no image at all\n" * 1000


@frozen
class Link:
    """A symbolic link (or, in a tar, a hard one)."""

    to: str
    hard: bool = False


@frozen
class Special:
    """A tar entry of another type."""

    type: bytes


Content = bytes | Link | Special | None
"""What an entry is; None for a directory."""


def tar(path: Path, entries: Iterable[tuple[str, Content]], mode: str = "w", **options: Any) -> Path:
    """Write a tar archive; names go in as they are."""
    with tarfile.open(path, mode, **options) as archive:  # type: ignore[call-overload]
        add(archive, entries)
    return path


def add(archive: tarfile.TarFile, entries: Iterable[tuple[str, Content]]) -> None:
    for name, content in entries:
        info = tarfile.TarInfo(name)
        if isinstance(content, bytes):
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
            continue
        if content is None:
            info.type = tarfile.DIRTYPE
        elif isinstance(content, Special):
            info.type = content.type
        else:
            info.type, info.linkname = (tarfile.LNKTYPE if content.hard else tarfile.SYMTYPE), content.to
        archive.addfile(info)


def tar_bytes(entries: Iterable[tuple[str, Content]]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        add(archive, entries)
    return out.getvalue()


def compressed(path: Path, entries: Iterable[tuple[str, Content]]) -> Path:
    """Write a tar archive compressed as its name says."""
    kind = path.name.rpartition(".")[2]
    if kind == "zst":
        path.write_bytes(zstd.compress(tar_bytes(entries)))
        return path
    return tar(path, entries, f"w:{'gz' if kind == 'tgz' else kind}")


def zipped(path: Path | io.BytesIO, entries: Iterable[tuple[str, Content]], method: int = zipfile.ZIP_DEFLATED) -> Path:
    """Write a zip; names go in as they are."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in entries:
            info = zipfile.ZipInfo("x")
            info.filename = info.orig_filename = name
            info.create_system = 3
            info.compress_type = method
            if isinstance(content, Link):
                info.external_attr = (stat.S_IFLNK | 0o777) << 16
                archive.writestr(info, content.to)
            elif isinstance(content, Special):
                info.external_attr = stat.S_IFIFO << 16
                archive.writestr(info, b"")
            else:
                archive.writestr(info, content or b"")
    return path if isinstance(path, Path) else Path()


def zip_bytes(entries: Iterable[tuple[str, Content]]) -> bytes:
    out = io.BytesIO()
    zipped(out, entries)
    return out.getvalue()


def wheel(
    path: Path, entries: Mapping[str, Content], *, tag: str = "cp312-cp312-macosx_11_0_arm64", needs: str = ""
) -> Path:
    """Write a wheel of a package ``pkg``."""
    metadata = f"Metadata-Version: 2.1\nName: pkg\nVersion: 1.2\n{needs}\n\nRequires-Dist: not a field\n".encode()
    stated = f"Wheel-Version: 1.0\nTag: {tag}\n".encode()
    return zipped(
        path, [*entries.items(), ("pkg-1.2.dist-info/WHEEL", stated), ("pkg-1.2.dist-info/METADATA", metadata)]
    )


def conda(path: Path, entries: Iterable[tuple[str, Content]]) -> Path:
    """Write a ``.conda`` package."""
    index = json.dumps({"name": "libx", "version": "3", "subdir": "osx-arm64", "depends": ["libz >=1"]}).encode()
    return zipped(
        path,
        [
            ("metadata.json", b'{"conda_pkg_format_version": 2}'),
            ("pkg-libx-3.tar.zst", zstd.compress(tar_bytes(entries))),
            ("info-libx-3.tar.zst", zstd.compress(tar_bytes([("info/index.json", index)]))),
        ],
        zipfile.ZIP_STORED,
    )


def lzma_with_a_huge_dictionary(data: bytes) -> bytes:
    """An xz stream that asks its reader for more than a gigabyte of memory."""
    return lzma.compress(data, filters=[{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1536 << 20}])
