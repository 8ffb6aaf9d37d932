"""What stands for the OS, damaged: SDK folders, the kept index of one, catalogues, documents of facts."""

from __future__ import annotations

import json
import os
import random
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache, partial
from pathlib import Path
from unittest import mock

from attrs import evolve

from machochain.model.errors import InputError, MachochainError
from machochain.model.paths import HostPath
from machochain.model.version import Version
from machochain.world.system import sdk_index, sdk_report
from machochain.world.system.build_catalogue import build
from machochain.world.system.catalogue import EmbeddedCatalogue
from machochain.world.system.catalogue_file import MAGIC
from machochain.world.system.fact_documents import checked, read_facts
from machochain.world.system.kept import clear_cache
from machochain.world.system.oslibs import SdkLibraries
from machochain.world.system.sdk import Sdk
from machochain.world.system.shared_cache import SharedCache
from tests.factory.macho import Export, dylib, reexport
from tests.fuzz.mutators import blind, bounded, text, values
from tests.fuzz.places import scratch
from tests.fuzz.trees import LINK, lay_out, pack, unpack
from tests.tbd import stubs
from tests.world import caches
from tests.world.sdk_tree import FRAMEWORK, NAME, sdk, stub

RELEASES = (Version.of(11), Version.of(15, 4), Version.of(26))
NAMES = (
    "/usr/lib/libSystem.B.dylib",
    "/usr/lib/libz.dylib",
    "/usr/lib/libz.1.dylib",
    NAME,
    f"/{FRAMEWORK}/Demo",
    "/usr/lib/LIBZ.1.dylib",
    "/System/Volumes/Preboot/Cryptexes/OS/usr/lib/libz.1.dylib",
    "/usr/lib/libdemo.1.dylib",
    "/opt/x",
    "",
)
SYMBOLS = ("_printf", "_inner", "_inflate", "_demo", "_OBJC_METACLASS_$_Demo", "")


def folders() -> list[bytes]:
    """SDKs with stubs of every version, with Mach-O stubs, with links as links and as text."""
    settings = {"Version": "14.2", "CanonicalName": "macosx14.2", "DisplayName": "macOS 14.2"}
    system = stub("/usr/lib/libSystem.B.dylib", "_printf", reexports=("/usr/lib/system/libinner.dylib",))
    inner = stub("/usr/lib/system/libinner.dylib", "_inner")
    common = {
        "SDKSettings.json": json.dumps(settings).encode(),
        "usr/lib/libSystem.B.tbd": f"{system}{inner}...\n".encode(),
        "usr/lib/libz.1.tbd": f"{stub('/usr/lib/libz.1.dylib', '_inflate')}...\n".encode(),
        f"{FRAMEWORK}/Versions/C/Demo.tbd": f"{stub(NAME, '_demo')}...\n".encode(),
    }
    linked = {
        f"usr/lib/libz.tbd{LINK}": b"libz.1.tbd", f"{FRAMEWORK}/Demo.tbd{LINK}": b"Versions/Current/Demo.tbd",
        f"{FRAMEWORK}/Versions/Current{LINK}": b"C",
    }  # fmt: skip
    worded = {name.removesuffix(LINK): content for name, content in linked.items()}
    binary = dylib(
        "/usr/lib/libold.dylib",
        reexport("/usr/lib/libz.1.dylib"),
        exports=[Export("_old"), Export("$ld$hide$os10.5$_old")],
    )
    every = {f"usr/lib/{version}.tbd": content for version, content in stubs.ALL.items()}
    plist = b"<?xml version='1.0'?><plist version='1.0'><dict><key>Version</key><string>10.9</string></dict></plist>"
    return [
        pack({**common, **linked}), pack({**common, **worded, "usr/lib/libold.dylib": binary}),
        pack({"SDKSettings.plist": plist, **every}),
    ]  # fmt: skip


def read_folder(data: bytes) -> None:
    """Ask everything of an SDK folder; twice, as the second time its kept index may answer."""
    root = scratch() / "MacOSX14.2.sdk"
    lay_out(unpack(data), root)
    with cache_at(scratch() / "cache"):
        clear_cache()
        first, second = (_told(HostPath(str(root))) for _ in range(2))
    assert first == second, "a kept index changes the answer"


def _told(root: HostPath) -> list[str]:
    try:
        found = Sdk(root)
    except MachochainError as error:
        return [str(error)]
    system = SdkLibraries([found], small())
    asked: list[Callable[[], object]] = [
        found.libraries, found.aliases, lambda: found.quality(small()).sentences(), lambda: found.providers(SYMBOLS),
        lambda: sdk_report.index_sdk(found, small()), lambda: sdk_report.quality(found.quality(small())),
        lambda: sdk_report.diff(found, found),
    ]  # fmt: skip
    for name in (*found.libraries()[:5], *NAMES):
        asked += _questions(system, name)
        asked += [
            partial(found.stub, name),
            partial(found.exports, name, "arm64"),
            partial(found.hint, name),
            partial(sdk_report.show, name, RELEASES, [found], small()),
            partial(sdk_report.symbols, name, [found], small()),
        ]
    return [answer(each) for each in asked]


def _questions(system: SdkLibraries | EmbeddedCatalogue, name: str) -> Iterator[Callable[[], object]]:
    for macos in RELEASES:
        yield partial(system.find, name, macos)
        for symbol in SYMBOLS:
            yield partial(system.lookup, name, symbol, macos, "arm64")


def answer(question: Callable[[], object]) -> str:
    """Return what comes out, in words, an error of our own included."""
    try:
        return repr(question())
    except MachochainError as error:
        return f"{type(error).__name__}: {error}"


@contextmanager
def cache_at(folder: Path) -> Iterator[None]:
    with mock.patch.dict(os.environ, {"XDG_CACHE_HOME": str(folder)}):
        yield


@cache
def _indexed() -> HostPath:
    """An SDK whose files have one time, so that its index is the same in each run."""
    root = sdk(scratch() / "Kept.sdk", links="text")
    for path in root.rglob("*"):
        os.utime(path, (1_700_000_000, 1_700_000_000))
    return HostPath(str(root))


def kept() -> list[bytes]:
    """What is kept of an SDK."""
    with cache_at(scratch() / "kept"):
        clear_cache()
        sdk_index.index(_indexed())
        return [path.read_bytes() for path in (scratch() / "kept").rglob("*.json")]


def read_kept(data: bytes) -> None:
    """Whatever a kept index holds, the answer is that of the files, and what is kept afterwards is right."""
    expected = sdk_index.index(_indexed(), cache=False)
    with cache_at(scratch() / "kept"):
        (file,) = (scratch() / "kept").rglob("*.json")
        file.write_bytes(data)
        assert sdk_index.index(_indexed()) == expected, "a damaged index was believed"
        assert sdk_index.index(_indexed()) == expected


@cache
def documents() -> list[bytes]:
    """Documents of facts of both kinds."""
    found = Sdk(HostPath(str(sdk(scratch() / "Facts.sdk"))), cache=False)
    elsewhere = {
        "schema": "machochain.os-facts/1",
        "introduced": [["/usr/lib/libz.1.dylib", "10.4", "x"], ["/usr/lib/libnew.dylib", "13.0", "y"]],
        "removed": [["/usr/lib/libgone.dylib", "12.0", "z"]],
        "legacy": [["/usr/lib/libold.dylib", "10.4", "z"]],
        "observed": [["/usr/lib/libz.1.dylib", "11.0", "15.0"]],
        "observed_symbols": [["/usr/lib/libz.1.dylib", "_inflateEnd", "11.0", "15.0"]],
    }
    facts = sdk_report.index_sdk(found, EmbeddedCatalogue(), origin="made")
    return [json.dumps(facts).encode(), json.dumps(elsewhere).encode()]


@cache
def _small_file() -> Path:
    file = scratch() / "small.catalogue"
    file.write_bytes(build(json.loads(each) for each in documents()))
    return file


@cache
def small() -> EmbeddedCatalogue:
    """A catalogue of few libraries: the embedded one would take most of the time."""
    return EmbeddedCatalogue(_small_file())


def read_document(data: bytes) -> None:
    """Build a catalogue from a document of facts, and ask it."""
    file = scratch() / "facts.json"
    file.write_bytes(data)
    try:
        built = build([*small().documents(), read_facts(file)])
    except InputError:
        return
    read_catalogue(built, whole=True)


@cache
def shared_caches() -> list[bytes]:
    """Whole caches in one file, of the oldest header, of one that is not split, and of the newest."""
    found = []
    for header in (0x68, 0x140, 0x228):
        path = caches.make(evolve(caches.USUAL, header=header, split=False), scratch() / "caches")
        found.append(path.read_bytes())
    return found


def mutate_shared_cache(data: bytes, chance: random.Random) -> bytes:
    """Change a field of the header, or any byte."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 8))):
        if chance.random() < 0.5:
            at = chance.randrange(0, min(0x230, len(changed) - 8), 4)
            value = chance.choice((0, 1, 0x18, 0xFFFF, 0xFFFFFFFF, len(data), len(data) - 1, chance.randrange(1 << 32)))
            changed[at : at + 4] = value.to_bytes(4, "little")
        else:
            changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed[: chance.randrange(len(changed))]) if chance.random() < 0.05 else bytes(changed)


def read_shared_cache(data: bytes) -> None:
    """Take the facts out of a cache and build a catalogue of them."""
    file = scratch() / "dyld_shared_cache_arm64e"
    file.write_bytes(data)
    try:
        with SharedCache(HostPath(str(file))) as cache:
            document = sdk_report.index_cache(cache, version=Version.of(26))
    except InputError:
        return
    try:
        checked(document, str(file))
    except InputError:
        return  # names that no table of facts can hold
    build([document])


def catalogues() -> list[bytes]:
    return [_small_file().read_bytes()]


def mutate_catalogue(data: bytes, chance: random.Random) -> bytes:
    """Change the header or a table within its compression, else bytes."""
    start = len(MAGIC) + 4
    length = int.from_bytes(data[len(MAGIC) : start], "little")
    if chance.random() < 0.3 or data[: len(MAGIC)] != MAGIC:
        return blind(data, chance)
    try:
        header = zlib.decompress(data[start : start + length])
        places = json.loads(header)["sections"]
        body = data[start + length :]
        parts = {name: body[place : place + size] for name, (place, size) in places.items()}
        name = chance.choice((*parts, "header"))
        if name == "header":
            return _assembled(values(header, chance), body)
        plain = zlib.decompress(parts[name])
        if name == "symbols":
            return bounded(data.replace(parts[name], zlib.compress(text(plain, chance), 9)))
        parts[name] = zlib.compress(_fields(plain, chance) if chance.random() < 0.5 else text(plain, chance), 9)
    except (zlib.error, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return blind(data, chance)
    body, at = b"", {}
    for key, part in parts.items():
        at[key] = [len(body), len(part)]
        body += part
    return _assembled(json.dumps({**json.loads(header), "sections": at}).encode(), body)


def _fields(table: bytes, chance: random.Random) -> bytes:
    """Change one field of one row."""
    rows = [row.split(b"\t") for row in table.split(b"\n")]
    row = chance.choice(rows)
    at = chance.randrange(len(row))
    row[at] = (
        values(row[at], chance)
        if row[at][:1] in (b"{", b"[")
        else chance.choice((b"", b"-1", b"x", b"0:9999999", b"ffffffff", b"{}", b"1:-1"))
    )
    return b"\n".join(b"\t".join(fields) for fields in rows)


def _assembled(header: bytes, body: bytes) -> bytes:
    head = zlib.compress(header, 9)
    return MAGIC + len(head).to_bytes(4, "little") + head + body


def read_catalogue(data: bytes, *, whole: bool = False) -> None:
    """Ask everything of a catalogue; a ``whole`` one must answer."""
    file = scratch() / "x.catalogue"
    file.write_bytes(data)
    try:
        found = EmbeddedCatalogue(file)
    except InputError:
        assert not whole
        return
    asked: list[Callable[[], object]] = [
        found.libraries,
        lambda: found.providers(SYMBOLS),
        lambda: build(found.documents()),
        lambda: sdk_report.catalogue_summary(found),
    ]
    names = list(NAMES)
    with suppress(InputError):
        names += found.libraries()[:5]
    for name in names:
        asked += _questions(found, name)
        asked += [
            partial(found.canonical, name),
            partial(found.hint, name),
            partial(found.library, name),
            partial(found.symbols, name),
            partial(found.sdks_of, name),
            partial(found.closure, name, RELEASES[1]),
            partial(found.reexports, name, RELEASES[0]),
            partial(sdk_report.show, name, RELEASES, [], found),
        ]
    answers = [answer(each) for each in asked]
    assert not whole or not any(each.startswith(("InputError", "UsageError")) for each in answers)
