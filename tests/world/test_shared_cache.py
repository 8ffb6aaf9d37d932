"""Shared caches of every format are read whole or refused in words; facts of one answer like an SDK's."""

from __future__ import annotations

import json
import struct
import time
from pathlib import Path

import pytest
from attrs import evolve

from machochain.model.errors import InputError
from machochain.model.filesystem import Presence
from machochain.model.paths import HostPath
from machochain.model.version import Version
from machochain.world.system.build_catalogue import build
from machochain.world.system.catalogue import EmbeddedCatalogue
from machochain.world.system.opening import open_system, read_document
from machochain.world.system.sdk_report import index_cache
from machochain.world.system.shared_cache import SharedCache
from tests.cli.running import run
from tests.world.caches import ALIASES, DYLIBS, HEADERS, USUAL, Dylib, Recipe, make, older, uleb

ALL = {d.path: sorted(d.exports) for d in DYLIBS}


def opened(path: Path) -> SharedCache:
    return SharedCache(HostPath(str(path)))


def exports(path: Path) -> dict[str, list[str]]:
    with opened(path) as cache:
        return {
            name: sorted(cache.exports(name, cache.image(name))) for name in cache.images if name not in cache.aliases
        }


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("arch", ["arm64e", "x86_64h"])
def test_every_version_of_the_format_is_read(tmp_path: Path, header: int, arch: str) -> None:
    path = make(evolve(older(header), arch=arch), tmp_path)

    assert exports(path) == ALL
    with opened(path) as cache:
        assert (cache.arch, cache.aliases, cache.newer) == (arch, ALIASES, False)
        assert cache.version == Version.of(26, 1)


def test_a_header_with_fields_to_come_is_read_as_far_as_it_is_known(tmp_path: Path) -> None:
    path = make(evolve(USUAL, header=0x240), tmp_path)
    assert exports(path) == ALL
    with opened(path) as cache:
        assert cache.newer


@pytest.mark.parametrize(
    ("recipe", "why"),
    [
        (evolve(USUAL, magic=b"dyld_v2  arm64e\0"), "not a dyld shared cache of the format dyld_v1"),
        (evolve(USUAL, platform=2), "platform IOS, not of macOS"),
        (evolve(USUAL, platform=10), "platform DRIVERKIT, not of macOS"),
        (evolve(USUAL, bits=1 << 9), "a simulator, not of macOS"),
        (evolve(USUAL, suffixes=("/../x",)), "suffix"),
        (evolve(USUAL, suffixes=("..x",)), "suffix"),
        (evolve(USUAL, suffixes=("x",)), "suffix"),
        (Recipe(()), "0 images"),
    ],
)
def test_what_is_no_cache_of_macos_is_refused(tmp_path: Path, recipe: Recipe, why: str) -> None:
    folder = tmp_path / "a" / "b"
    if recipe.suffixes == ("/../x",):
        (folder / "dyld_shared_cache_arm64e").mkdir(parents=True)
        (folder / "dyld_shared_cache_arm64e").rmdir()
        path = make(evolve(recipe, suffixes=(".01",)), folder)
        data = path.read_bytes()
        path.write_bytes(data.replace(b".01".ljust(32, b"\0"), b"/../x".ljust(32, b"\0")))
    else:
        path = make(recipe, folder)
    with pytest.raises(InputError, match=why):
        opened(path)


@pytest.mark.parametrize("suffix", [".01", ".02.dylddata", ".03.dyldlinkedit"])
def test_a_missing_piece_is_named_and_never_read_as_no_exports(tmp_path: Path, suffix: str) -> None:
    path = make(USUAL, tmp_path)
    piece = path.with_name(path.name + suffix)
    piece.unlink()
    with pytest.raises(InputError, match="copy all files of the cache") as caught:
        opened(path)
    assert str(piece) in str(caught.value)


def test_a_piece_of_another_build_is_told(tmp_path: Path) -> None:
    path = make(USUAL, tmp_path)
    piece = path.with_name(path.name + ".01")
    data = bytearray(piece.read_bytes())
    data[0x58] ^= 1
    piece.write_bytes(data)
    with pytest.raises(InputError, match="another build"):
        opened(path)


def test_a_piece_given_as_the_cache_names_the_main_file(tmp_path: Path) -> None:
    path = make(USUAL, tmp_path)
    with pytest.raises(InputError, match="give the main file") as caught:
        opened(path.with_name(path.name + ".03.dyldlinkedit"))
    assert str(path) in str(caught.value)


def test_a_development_cache_has_pieces_without_that_suffix(tmp_path: Path) -> None:
    path = make(USUAL, tmp_path)
    path.rename(path.with_name(path.name + ".development"))
    assert exports(path.with_name(path.name + ".development")) == ALL


def test_the_release_is_libdylds_where_the_header_does_not_say(tmp_path: Path) -> None:
    libdyld = Dylib("/usr/lib/system/libdyld.dylib", minos=0xB0300)
    path = make(Recipe((libdyld,), header=0x140, os_version=0), tmp_path)
    with opened(path) as cache:
        assert cache.version == Version.of(11, 3)
    with opened(make(Recipe((DYLIBS[0],), header=0x140, os_version=0), tmp_path / "none")) as cache:
        with pytest.raises(InputError, match="nothing tells which macOS"):
            index_cache(cache)
        assert index_cache(cache, version=Version.of(11, 2))["sdk"] == "11.2"


LOOP = b"\0\x01a\0" + uleb(4, 3) + b"\0\x01b\0" + uleb(0, 3)


@pytest.mark.parametrize(
    ("trie", "why"),
    [
        (b"\0\x01a\0" + uleb(0, 3), "nodeOffset"),
        (b"\x02\0\0\x01a\0" + uleb(200, 3), "out of range"),
        (b"\x7f\0\0\0", "terminalSize"),
        (b"\0\x01abc", "child node"),
    ],
)
def test_a_broken_trie_is_an_error_and_no_shorter_list(tmp_path: Path, trie: bytes, why: str) -> None:
    path = make(Recipe((Dylib("/usr/lib/a.dylib", exports_trie=trie),)), tmp_path)
    with opened(path) as cache, pytest.raises(InputError, match=why):
        cache.exports("/usr/lib/a.dylib", cache.image("/usr/lib/a.dylib"))


def test_shared_subtrees_and_long_chains_end_soon(tmp_path: Path) -> None:
    shared, chain = bytearray(), bytearray()
    for level in range(60):  # both edges of each node lead to the next: 2 to the 60 paths
        following = (level + 1) * 12
        shared += b"\0\x02a\0" + uleb(following, 3) + b"b\0" + uleb(following, 3)
    shared += b"\x01\0\0"
    for level in range(20_000):
        chain += b"\x02\0\0\x01aaaaaaaaaaaaaaaa\0" + uleb((level + 1) * 24, 3)
    chain += b"\x02\0\0\0"
    for number, hostile in enumerate((shared, chain)):
        path = make(Recipe((Dylib("/usr/lib/a.dylib", exports_trie=bytes(hostile)),)), tmp_path / str(number))
        with opened(path) as cache, pytest.raises(InputError, match="damaged"):
            cache.exports("/usr/lib/a.dylib", cache.image("/usr/lib/a.dylib"))


@pytest.mark.parametrize(
    ("at", "value", "why"),
    [
        (0x10, 2000, "no version of the format"),
        (0x10, 8, "no version of the format"),
        (0x14, 21, "mappings"),
        (0x1C4, 0xFFFFFFFF, "images"),
        (0x1C0, 0xFFFFFFF0, "images"),
        (0x18C, 5000, "claims 5000 files"),
        (0x188, 0xFFFFFFF0, "cut"),
    ],
)
def test_counts_and_places_that_lie_are_refused(tmp_path: Path, at: int, value: int, why: str) -> None:
    path = make(USUAL, tmp_path)
    data = bytearray(path.read_bytes())
    data[at : at + 4] = struct.pack("<I", value)
    path.write_bytes(data)
    with pytest.raises(InputError, match=why):
        opened(path)


def test_mappings_beyond_the_file_and_over_each_other_are_refused(tmp_path: Path) -> None:
    path = make(USUAL, tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-16])
    with pytest.raises(InputError, match="cut"):
        opened(path)
    piece = path.with_name(path.name + ".01")
    path.write_bytes(whole)
    data = bytearray(piece.read_bytes())
    data[0x228:0x230] = whole[0x228:0x230]
    piece.write_bytes(data)
    with pytest.raises(InputError, match="overlap"):
        opened(path)


@pytest.mark.parametrize("cut", range(0, 900, 37))
def test_a_cut_file_is_an_error_of_ours(tmp_path: Path, cut: int) -> None:
    path = make(USUAL, tmp_path)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(InputError):
        opened(path)


def test_every_single_changed_byte_gives_facts_or_an_error_of_ours(tmp_path: Path) -> None:
    path = make(Recipe(DYLIBS[:3], aliases={"/usr/lib/x.dylib": "/usr/lib/libSystem.B.dylib"}), tmp_path)
    data = path.read_bytes()
    for at in [*range(0, 0x228, 3), *range(0x228, len(data), 7)]:
        changed = bytearray(data)
        changed[at] ^= 0xFF
        path.write_bytes(changed)
        try:
            with opened(path) as cache:
                index_cache(cache)
        except InputError:
            pass


# -- as an SDK --------------------------------------------------------------------------------------------------------


def test_facts_hold_names_versions_exports_and_links(tmp_path: Path) -> None:
    inner = "/System/Cryptexes/OS/System/Library/Frameworks/W.framework/Versions/A/W"
    named = Dylib(inner, ("_w",), install_name="/System/Library/Frameworks/W.framework/Versions/A/W")
    dyld = Dylib("/usr/lib/dyld", file_type=7)
    with opened(make(evolve(USUAL, dylibs=(*DYLIBS, named, dyld)), tmp_path)) as cache:
        document = index_cache(cache)
    assert document == json.loads(json.dumps(document))
    items = {item["install_name"]: item for item in document["libraries"]}
    assert {name: items[name]["symbols"] for name in ALL} == ALL
    assert items["/usr/lib/libSystem.B.dylib"]["reexports"] == ["/usr/lib/system/libsystem_c.dylib"]
    assert (items["/usr/lib/libz.1.dylib"]["current"], items["/usr/lib/libz.1.dylib"]["targets"]) == (
        "1.2.3", ["arm64e-macos"],
    )  # fmt: skip
    assert named.install_name in items
    assert "/usr/lib/dyld" not in items
    assert document["aliases"] == {**ALIASES, inner: named.install_name}
    assert (document["sdk"], document["complete"]) == ("26.1", [])


def test_a_cache_proves_its_symbols_and_leaves_other_libraries_open(tmp_path: Path) -> None:
    document = read_document(HostPath(str(make(USUAL, tmp_path))))
    file = tmp_path / "catalogue.bin"
    file.write_bytes(build([document]))
    facts = EmbeddedCatalogue(file)

    def symbol(name: str) -> Presence:
        return facts.lookup("/usr/lib/libSystem.B.dylib", name, Version.of(26, 1), "arm64").presence

    assert (symbol("_printf"), symbol("_nothing")) == (Presence.PRESENT, Presence.ABSENT)
    assert facts.find("/usr/lib/libz.dylib", Version.of(26, 2)).path == "/usr/lib/libz.1.dylib"
    assert facts.find("/usr/lib/libabsent.dylib", Version.of(26, 1)).presence is Presence.UNSEEN


def test_two_architectures_of_one_release_keep_their_symbols_apart(tmp_path: Path) -> None:
    arm = make(Recipe((Dylib("/usr/lib/a.dylib", ("_both", "_arm")),)), tmp_path / "arm")
    intel = make(Recipe((Dylib("/usr/lib/a.dylib", ("_both", "_intel")),), arch="x86_64"), tmp_path / "intel")
    file = tmp_path / "catalogue.bin"
    file.write_bytes(build([read_document(HostPath(str(path))) for path in (arm, intel)]))
    facts = EmbeddedCatalogue(file)
    found = {
        (name, arch): facts.lookup("/usr/lib/a.dylib", name, Version.of(26, 1), arch).presence is Presence.PRESENT
        for name in ("_both", "_arm", "_intel")
        for arch in ("arm64", "x86_64")
    }
    assert [key for key, there in found.items() if not there] == [("_arm", "x86_64"), ("_intel", "arm64")]


@pytest.mark.slow
def test_the_commands_take_a_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    first, second = make(USUAL, tmp_path / "one"), make(evolve(USUAL, dylibs=DYLIBS[:4]), tmp_path / "two")
    facts = tmp_path / "facts.json"
    assert run("sdk", "index", str(first), "-o", str(facts)).returncode == 0
    assert json.loads(facts.read_text())["sdk"] == "26.1"
    compared = run("sdk", "diff", str(facts), str(second))
    assert compared.returncode == 1
    assert "- /usr/lib/libnothing.dylib" in compared.stdout
    assert run("sdk", "diff", str(facts), str(first)).stdout == "no difference\n"
    for given in (first, facts):
        system = open_system([HostPath(str(given))])
        name = "/System/Library/Frameworks/X.framework/X"
        assert system.find(name, Version.of(26, 1)).presence is Presence.PRESENT
    refused = run("sdk", "index", f"{first}.01")
    assert refused.returncode == 2
    assert str(first) in refused.stderr


@pytest.mark.fuzz
def test_two_million_exports_take_seconds(tmp_path: Path) -> None:
    names = [f"_symbol_of_some_length_{i:05}" for i in range(800)]
    many = [Dylib(f"/usr/lib/lib{i}.dylib", [f"{n}{i}" for n in names]) for i in range(2500)]
    path = make(Recipe(many), tmp_path)
    start = time.perf_counter()
    assert sum(map(len, exports(path).values())) == 2_000_000
    print(f"{time.perf_counter() - start:.1f} s")
