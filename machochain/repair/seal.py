"""The seal of a bundle, ``_CodeSignature/CodeResources``, renewed where files below it changed.

The rules in the file stay; entries of what changed get their new hashes, deepest bundle first, and each bundle's main
executable is signed again over its new seal (Security-61901, ``lib/bundlediskrep.cpp``, ``lib/resources.cpp``,
``lib/StaticCode.cpp``). CoreFoundation's notation is kept, so that a seal in which nothing changed is the same bytes.
"""

from __future__ import annotations

import hashlib
import plistlib
import posixpath
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any, Final

from machochain.model.value import frozen
from machochain.repair.layout import read_layout
from machochain.repair.obstacle import ObstacleKind, RepairError, refuse
from machochain.repair.signing import signature_of
from machochain.repair.superblob import SLOT_INFO_PLIST, SLOT_RESOURCES, cdhash
from machochain.repair.universal import read_pieces

SEAL: Final = "_CodeSignature/CodeResources"
Read = Callable[[str], bytes | None]
"""Bytes of a file of the tree by its path in it, as they shall be; None if it is not there."""
Sign = Callable[[str, dict[int, bytes]], bytes]
"""Signs a main executable over its seal and Info.plist; returns the file's new bytes."""


@frozen
class Bundle:
    """A sealed folder.

    Attributes:
        root: The folder its seal counts from: ``X.app/Contents``, ``X.framework/Versions/A``, or a flat bundle itself.
    """

    root: str

    @property
    def folder(self) -> str:
        """The bundle's own folder."""
        if self.root.endswith("/Contents"):
            return posixpath.dirname(self.root)
        above = posixpath.dirname(self.root)
        if posixpath.basename(above) == "Versions":
            return posixpath.dirname(above)
        return self.root

    def inside(self, path: str) -> str | None:
        """Return a path relative to the root; None if it lies elsewhere."""
        if not self.root:
            return path
        return path[len(self.root) + 1 :] if path.startswith(f"{self.root}/") else None

    def at(self, name: str) -> str:
        """Return the path of a name below the root."""
        return posixpath.join(self.root, name) if self.root else name


def bundles_of(paths: list[str] | frozenset[str]) -> list[Bundle]:
    """Return the sealed folders of a tree, deepest first."""
    found = [Bundle(posixpath.dirname(posixpath.dirname(p))) for p in paths if p == SEAL or p.endswith(f"/{SEAL}")]
    return sorted(found, key=lambda b: (-b.root.count("/") - bool(b.root), b.root))


def info_plist(bundle: Bundle, read: Read) -> tuple[str, bytes] | None:
    """Return name and bytes of a bundle's Info.plist."""
    for name in ("Info.plist", "Resources/Info.plist"):
        data = read(bundle.at(name))
        if data is not None:
            return name, data
    return None


def main_executable(bundle: Bundle, read: Read) -> str | None:
    """Return the path of a bundle's main executable; None if nothing names it."""
    found = info_plist(bundle, read)
    if found is None:
        return None
    try:
        name = plistlib.loads(found[1]).get("CFBundleExecutable")
    except Exception:  # noqa: BLE001  # plistlib raises whatever its parsers do; then nothing names one
        return None
    if not isinstance(name, str) or "/" in name or not name:
        return None
    for place in (f"MacOS/{name}", name):
        if read(bundle.at(place)) is not None:
            return bundle.at(place)
    return None


def renew(changed: MutableMapping[str, bytes], paths: frozenset[str], read: Read, sign: Sign) -> list[str]:
    """Renew the seals above some changed files.

    Args:
        changed: New bytes by path; seals and main executables that change with them are added.
        paths: Every file of the tree.
        read: Reads a file as it shall be.
        sign: Signs a main executable.

    Returns:
        The paths that were added.

    Raises:
        RepairError: A seal cannot be read, or nothing names the executable that it belongs to.
    """
    added: list[str] = []
    sealed = bundles_of(paths)
    done: list[tuple[Bundle, bytes]] = []
    for bundle in sealed:
        deeper = [b for b, _ in done]
        own = {
            inside: path
            for path in changed
            if (inside := bundle.inside(path)) is not None
            and inside != SEAL
            and not any(b.inside(path) is not None for b in deeper if bundle.inside(f"{b.root}/x") is not None)
        }
        nested = [(inside, main) for b, main in done if (inside := bundle.inside(b.folder)) is not None]
        if not own and not nested:
            continue
        main_path = main_executable(bundle, read)
        if main_path is None:
            raise refuse(ObstacleKind.CONTAINER, f"nothing names the executable that {bundle.at(SEAL)} belongs to")
        seal = _seal(read(bundle.at(SEAL)) or b"", bundle)
        main_inside = bundle.inside(main_path)
        fresh = frozenset(k for k, p in own.items() if p not in paths)
        new = _updated(seal, {k: changed[p] for k, p in own.items() if k != main_inside}, nested, fresh)
        renewed = write_plist(new)
        changed[bundle.at(SEAL)] = renewed
        covers = {SLOT_RESOURCES: renewed}
        info = info_plist(bundle, read)
        if info is not None:
            covers[SLOT_INFO_PLIST] = info[1]
        changed[main_path] = sign(main_path, covers)
        added += [bundle.at(SEAL), main_path]
        done.append((bundle, changed[main_path]))
    return added


def _seal(data: bytes, bundle: Bundle) -> dict[str, Any]:
    try:
        found = plistlib.loads(data)
    except Exception as error:  # plistlib raises whatever its parsers do
        raise refuse(ObstacleKind.CONTAINER, f"{bundle.at(SEAL)} cannot be read") from error
    if not isinstance(found, dict):
        raise refuse(ObstacleKind.CONTAINER, f"{bundle.at(SEAL)} cannot be read")
    return found


_CODE: Final = ("Frameworks/", "SharedFrameworks/", "PlugIns/", "Plug-ins/", "XPCServices/", "Helpers/", "MacOS/")
"""Where whatever is put is code of its own (rules2 of every seal that codesign makes)."""


def _updated(
    seal: dict[str, Any], own: dict[str, bytes], nested: list[tuple[str, bytes]], fresh: frozenset[str]
) -> dict[str, Any]:
    files, files2 = dict(seal.get("files", {})), dict(seal.get("files2", {}))
    for name, data in own.items():
        old = files.get(name)
        if isinstance(old, bytes):
            files[name] = hashlib.sha1(data, usedforsecurity=False).digest()
        elif isinstance(old, dict) and "hash" in old:
            files[name] = {**old, "hash": hashlib.sha1(data, usedforsecurity=False).digest()}
        entry = files2.get(name)
        if isinstance(entry, dict) and "cdhash" in entry:
            files2[name] = {**entry, **_code_entry(data)}
        elif isinstance(entry, dict):
            entry = dict(entry)
            if "hash" in entry:
                entry["hash"] = hashlib.sha1(data, usedforsecurity=False).digest()
            if "hash2" in entry:
                entry["hash2"] = hashlib.sha256(data).digest()
            files2[name] = entry
        elif name in fresh:
            code = name.startswith(_CODE)
            files2[name] = _code_entry(data) if code else {"hash2": hashlib.sha256(data).digest()}
        elif isinstance(entry, bytes):
            files2[name] = hashlib.sha1(data, usedforsecurity=False).digest()
    for name, main in nested:
        entry = files2.get(name)
        if isinstance(entry, dict):
            files2[name] = {**entry, **_code_entry(main)}
    return {**seal, **({"files": files} if "files" in seal else {}), **({"files2": files2} if "files2" in seal else {})}


def _code_entry(data: bytes) -> dict[str, Any]:
    hashes = list(_cdhashes(data))
    if not hashes:
        raise RepairError(refuse(ObstacleKind.UNUSUAL_SIGNATURE, "nested code without a signature").obstacle)
    return {"cdhash": hashes[0], "requirement": " or ".join(f'cdhash H"{h.hex()}"' for h in hashes)}


def _cdhashes(data: bytes) -> Iterator[bytes]:
    """Yield the cdhash of each slice, Intel first as codesign has them."""
    for piece in sorted(read_pieces(data).slices, key=lambda p: p.arch != "x86_64"):
        signature = signature_of(piece.data, read_layout(piece.data))
        if signature is not None:
            best = signature.best
            yield cdhash(best.whole, best.hash_type)


def write_plist(value: dict[str, Any]) -> bytes:
    """Return a property list in CoreFoundation's notation."""
    return plistlib.dumps(value, sort_keys=True).replace(b".0</real>", b"</real>")
