"""What an input is made of: digests of its Mach-O files, and the packages that they say they belong to.

Metadata is looked for in the directories above each file, the innermost first: ``package.json``, ``*.dist-info``
(https://packaging.python.org/en/latest/specifications/recording-installed-packages/), ``info/index.json`` of conda, and
the ``Info.plist`` of bundles. Nothing outside of the input is looked at.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from email import message_from_string
from email.message import Message
from typing import Any, Final

from machochain.auditing.places import InputPaths
from machochain.findings.bundles import find_bundles
from machochain.graph.mac import Mac
from machochain.macho.details import sections
from machochain.model.audit import AuditBinary
from machochain.model.errors import InputError
from machochain.model.filesystem import NodeKind, Presence
from machochain.model.go import GoBuildInfo
from machochain.model.image import MachOFile
from machochain.model.materials import FileDigest, Materials, PackageFacts, PackageKind
from machochain.model.paths import directory, leaf
from machochain.model.reading import RangeSource
from machochain.model.value import evolve, frozen

_MOST_METADATA: Final = 4 << 20
_MOST_RECORD: Final = 32 << 20
_LONGEST: Final = 200
"""Characters of a licence, a notice or a name; what is longer is a text and no name."""
_LICENCE_CLASSIFIER: Final = re.compile(r"License :: (?:OSI Approved :: )?(.+)")


@frozen
class _Found:
    """A package, the directory its files lie below, and which of these are its own (None: all)."""

    facts: PackageFacts
    top: str
    owned: frozenset[str] | None = None


def gather(
    mac: Mac, origin: str, host: str, binaries: Sequence[AuditBinary], places: InputPaths, more_tops: Iterable[str] = ()
) -> Materials:
    """Return what an input is made of.

    Args:
        mac: The modelled Mac with the input on it.
        origin: The input, as the user named it.
        host: The input on this machine.
        binaries: Its slices.
        places: Where things on the modelled Mac are in the input.
        more_tops: Directories on the modelled Mac that are bundles.
    """
    by_path = {binary.path: binary for binary in binaries}
    found = [*_of_folders(mac, places, by_path.values()), *_of_bundles(mac, places, binaries, more_tops)]
    return Materials(
        origin,
        digest(host, leaf(host.rstrip("/"))),
        tuple(d for path in sorted(by_path) if (d := _digest_of(mac, by_path[path])) is not None),
        tuple(sorted(_shared_out(found, by_path), key=lambda facts: (facts.source, facts.name))),
        tuple((path, info) for path in sorted(by_path) if (info := _go_info(mac, by_path[path])) is not None),
    )


def digest(host: str, path: str) -> FileDigest | None:
    """Return the digest of a file of this machine; None for what is none, or cannot be read."""
    try:
        with open(host, "rb") as file:  # noqa: PTH123  # the raw path of the user
            found = hashlib.file_digest(file, "sha256")
            return FileDigest(path, file.tell(), found.hexdigest())
    except (OSError, ValueError):
        return None


def _digest_of(mac: Mac, binary: AuditBinary) -> FileDigest | None:
    node = mac.look(binary.place)
    return None if node.host is None else digest(node.host, binary.path)


def _shared_out(found: Sequence[_Found], binaries: Mapping[str, AuditBinary]) -> Iterator[PackageFacts]:
    """Yield the packages with their files: each file belongs to the one whose directory is the deepest."""
    files: dict[int, list[str]] = {}
    for path, binary in sorted(binaries.items()):
        place = str(binary.place)
        holding = [
            (len(each.top), number)
            for number, each in enumerate(found)
            if place.startswith(f"{each.top}/") and (each.owned is None or place in each.owned)
        ]
        if holding:
            files.setdefault(max(holding)[1], []).append(path)
    for number, each in enumerate(found):
        yield evolve(each.facts, files=tuple(files.get(number, ())))


# directories above the files


def _of_folders(mac: Mac, places: InputPaths, binaries: Iterable[AuditBinary]) -> Iterator[_Found]:
    tops = places.tops
    seen: set[str] = set()
    for binary in binaries:
        folder = directory(binary.place)
        while folder and folder not in seen and any(f"{folder}/".startswith(f"{top}/") for top in tops):
            seen.add(folder)
            yield from _in_folder(mac, places, folder)
            folder = directory(folder)


def _in_folder(mac: Mac, places: InputPaths, folder: str) -> Iterator[_Found]:
    names = mac.names(folder) or ()
    if "package.json" in names:
        yield from _npm(mac, places, folder)
    if "info" in names:
        yield from _conda(mac, places, folder)
    stated = sorted(name for name in names if name.endswith(".dist-info"))
    for name in stated:
        yield from _python(mac, places, folder, name, alone=len(stated) == 1)


def _python(mac: Mac, places: InputPaths, folder: str, name: str, *, alone: bool) -> Iterator[_Found]:
    path = f"{folder}/{name}/METADATA"
    text = _text(mac, path, _MOST_METADATA)
    if text is None:
        return
    fields = message_from_string(text.partition("\n\n")[0])
    called = _field(fields, "Name")
    if not called:
        return
    facts = PackageFacts(
        PackageKind.PYPI,
        called,
        _field(fields, "Version"),
        _python_licences(fields),
        _field(fields, "Author") or _field(fields, "Author-email") or _field(fields, "Maintainer"),
        _field(fields, "Home-page") or _homepage(fields),
        None,
        None,
        places.locate(path),
    )
    recorded = _recorded(mac, folder, name)
    yield _Found(facts, folder, recorded if recorded is not None or alone else frozenset())


def _field(fields: Message, name: str) -> str | None:
    """Return a field of a metadata file, if it is one line of a sensible length."""
    return _line(fields.get(name))


def _line(value: object) -> str | None:
    text = value.strip() if isinstance(value, str) else ""
    return text if text and "\n" not in text and len(text) <= _LONGEST and text != "UNKNOWN" else None


def _python_licences(fields: Message) -> tuple[str, ...]:
    stated = [_field(fields, "License-Expression"), _field(fields, "License")]
    for value in fields.get_all("Classifier", ()):
        match = _LICENCE_CLASSIFIER.fullmatch(value.strip())
        stated.append(match[1] if match else None)
    return tuple(dict.fromkeys(text for text in stated if text))


def _homepage(fields: Message) -> str | None:
    pairs = (value.partition(",") for value in fields.get_all("Project-URL", ()))
    return next((_line(url) for name, _, url in pairs if name.strip().lower() in {"homepage", "home"}), None)


def _recorded(mac: Mac, folder: str, name: str) -> frozenset[str] | None:
    """Return the places of the files a RECORD lists; None if it cannot be read, as in a wheel, where it is cut."""
    text = _text(mac, f"{folder}/{name}/RECORD", _MOST_RECORD)
    if text is None or "\0" in text:
        return None
    try:
        rows = [row[0] for row in csv.reader(text.splitlines()) if row]
    except csv.Error:
        return None
    return frozenset(f"{folder}/{path}" for path in rows)


def _npm(mac: Mac, places: InputPaths, folder: str) -> Iterator[_Found]:
    path = f"{folder}/package.json"
    stated = _json(mac, path)
    name = _line(stated.get("name"))
    if name is None:
        return
    author = stated.get("author")
    yield _Found(
        PackageFacts(
            PackageKind.NPM,
            name,
            _line(stated.get("version")),
            _npm_licences(stated),
            _line(author.get("name") if isinstance(author, dict) else author),
            _line(stated.get("homepage")),
            None,
            None,
            places.locate(path),
        ),
        folder,
    )


def _npm_licences(stated: Mapping[str, Any]) -> tuple[str, ...]:
    """Return licences: a text, or as they were written once, an object with a type or a list of such."""
    several = stated.get("licenses")
    each = [stated.get("license"), *(several if isinstance(several, list) else ())]
    texts = (_line(item.get("type") if isinstance(item, dict) else item) for item in each)
    return tuple(dict.fromkeys(text for text in texts if text))


def _conda(mac: Mac, places: InputPaths, folder: str) -> Iterator[_Found]:
    path = f"{folder}/info/index.json"
    stated = _json(mac, path)
    name = _line(stated.get("name"))
    if name is not None:
        licence = _line(stated.get("license"))
        version = _line(stated.get("version"))
        found = (licence,) if licence else ()
        yield _Found(
            PackageFacts(PackageKind.CONDA, name, version, found, None, None, None, None, places.locate(path)), folder
        )


def _of_bundles(
    mac: Mac, places: InputPaths, binaries: Sequence[AuditBinary], more_tops: Iterable[str]
) -> Iterator[_Found]:
    for bundle in find_bundles(mac, binaries, more_tops):
        info = bundle.info
        named = (_line(info.get(key)) for key in ("CFBundleDisplayName", "CFBundleName", "CFBundleExecutable"))
        stem = leaf(bundle.place).rpartition(".")[0]
        facts = PackageFacts(
            PackageKind.BUNDLE,
            next((name for name in named if name), stem),
            _line(info.get("CFBundleShortVersionString")) or _line(info.get("CFBundleVersion")),
            (),
            None,
            None,
            _line(info.get("NSHumanReadableCopyright")),
            _line(info.get("CFBundleIdentifier")),
            places.locate(bundle.plist),
        )
        yield _Found(facts, bundle.place)


def _text(mac: Mac, path: str, most: int) -> str | None:
    node = mac.look(path)
    if node.presence is not Presence.PRESENT or node.kind is not NodeKind.FILE or not 0 < node.size <= most:
        return None
    try:
        return mac.files.read_bytes(node, 0, node.size).decode("utf-8", "replace")
    except InputError:
        return None


def _json(mac: Mac, path: str) -> Mapping[str, Any]:
    try:
        found = json.loads(_text(mac, path, _MOST_METADATA) or "")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _go_info(mac: Mac, binary: AuditBinary) -> GoBuildInfo | None:
    """Return the modules of a program that Go made."""
    if not binary.image.made_by_go:
        return None
    from machochain.golang.buildinfo import read_traces  # noqa: PLC0415  # most runs never meet a Go file

    node = mac.look(binary.place)
    file = mac.read(node)
    if not isinstance(file, MachOFile):
        return None
    try:
        with mac.files.opened(node) as source:
            for piece in file.slices:
                if piece.image is not None and piece.image.arch == binary.image.arch:
                    read = RangeSource(source, piece.offset, piece.size).read
                    return read_traces(piece.image, sections(piece.image), read).build
    except InputError:
        return None
    return None
