"""Installer packages and other XAR archives: what they hold, where it goes, and what is told."""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
from pathlib import Path

import pytest

from machochain.model.artifact import ArtifactKind, Limits, UnopenedReason
from machochain.model.errors import InputError
from machochain.model.filesystem import NodeKind, Presence
from machochain.model.paths import TargetPath
from machochain.world.archives.certificate import common_name
from machochain.world.archives.errors import OverLimitError
from machochain.world.archives.opening import is_artifact, open_artifact
from machochain.world.archives.places import place_artifact
from machochain.world.placement import World, open_world
from tests.factory.macho import bundle, load
from tests.world.archives.looking import content, entry, names_on_disk
from tests.world.archives.packages import Xar, binary, certificate, component, info, newc, odc, pbzx, product, xar
from tests.world.archives.packing import LIBRARY, TEXT, Content, Link, tar_bytes, zip_bytes

APP: list[tuple[str, Content]] = [
    ("./Foo.app", None), ("./Foo.app/Contents", None), ("./Foo.app/Contents/MacOS", None),
    ("./Foo.app/Contents/MacOS/Foo", LIBRARY), ("./Foo.app/Contents/Info.plist", b"<plist/>"),
    ("./Foo.app/Contents/Current", Link("MacOS")), ("./Foo.app/Contents/._MacOS", b"attributes"),
]  # fmt: skip


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_a_component_package_lies_where_it_says(tmp_path: Path) -> None:
    path = write(tmp_path / "Foo 1.2.pkg", xar(component(APP, location="/Applications")))
    assert is_artifact(path) == "xar"
    with open_artifact(path) as artifact:
        assert (artifact.kind, artifact.default_place, artifact.version) == (ArtifactKind.PKG, "/", "1.2")
        assert content(artifact, "Applications/Foo.app/Contents/MacOS/Foo") == LIBRARY
        assert (Path(artifact.folder) / "Applications/Foo.app/Contents/Current").is_symlink()
        assert "AppleDouble" in str(entry(artifact, "Applications/Foo.app/Contents/._MacOS").note)
        assert artifact.installer is not None
        (only,) = artifact.installer.components
        assert (only.name, only.identifier, only.location) == ("Foo 1.2.pkg", "com.example.tool", "/Applications")
        assert artifact.problems == ()
        view = open_world(place_artifact(World(), artifact))
        node = view.look(TargetPath("/Applications/Foo.app/Contents/Current/Foo"))
        assert (node.presence, node.kind) == (Presence.PRESENT, NodeKind.FILE)


PLAIN = odc([(".", None), ("./bin/tool", LIBRARY), ("./text", TEXT)])
PAYLOADS = {
    "gzip": gzip.compress(PLAIN, mtime=0),
    "bzip2": bz2.compress(PLAIN),
    "xz": lzma.compress(PLAIN),
    "stored": PLAIN,
    "pbzx": pbzx(PLAIN, 4096),
    "pbzx with stored chunks": pbzx(PLAIN, 1 << 12, stored=(0, 2)),
    "two gzip members": gzip.compress(PLAIN[:100]) + gzip.compress(PLAIN[100:]),
    "newc": gzip.compress(newc([("bin/tool", LIBRARY), ("text", TEXT)])),
    "crc": gzip.compress(newc([("bin/tool", LIBRARY), ("text", TEXT)], crc=True)),
    "binary": binary([("bin/tool", LIBRARY), ("text", TEXT)]),
    "binary of the other order": binary([("bin/tool", LIBRARY), ("text", TEXT)], ">"),
}


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("encoding", ["application/octet-stream", "application/x-gzip", "application/x-bzip2"])
def test_a_payload_is_known_by_its_content(tmp_path: Path, payload: str, encoding: str) -> None:
    files: dict[str, Content | Xar] = {
        "PackageInfo": info(location="/usr/local"), "Payload": Xar(PAYLOADS[payload], encoding),
    }  # fmt: skip
    with open_artifact(write(tmp_path / "x.pkg", xar(files))) as artifact:
        assert content(artifact, "usr/local/bin/tool") == LIBRARY
        assert names_on_disk(artifact) == {"usr/local/bin/tool", "usr/local/text"}
        assert (artifact.problems, artifact.unopened) == ((), ())


@pytest.mark.parametrize(
    ("payload", "word"),
    [(b"AA01" + bytes(600), "Apple Archive"), (b"pbze" + bytes(600), "LZFSE"), (b"what" * 200, "nobody knows")],
)
def test_a_payload_that_is_not_read_is_told(tmp_path: Path, payload: bytes, word: str) -> None:
    path = write(tmp_path / "x.pkg", xar({"PackageInfo": info(), "Payload": payload}))
    with open_artifact(path) as artifact:
        (unopened,) = artifact.unopened
        assert (unopened.reason, unopened.location.path) == (UnopenedReason.NOT_READ, "Payload")
        assert word in unopened.text
        assert not artifact.complete


def test_a_product_places_each_component_and_says_what_it_asks_for(tmp_path: Path) -> None:
    distribution = """<?xml version="1.0"?><installer-gui-script minSpecVersion="1">
      <options hostArchitectures="arm64,x86_64"/><volume-check><allowed-os-versions><os-version min="11.0"/>
      </allowed-os-versions></volume-check><installation-check script="check()"/>
      <choice id="tool" customLocation="/opt/tool"><pkg-ref id="com.example.tool"/></choice>
      <choice id="app"><pkg-ref id="com.example.app"/></choice>
      <pkg-ref id="com.example.tool">#the%20tool.pkg</pkg-ref><pkg-ref id="com.example.app">#app.pkg</pkg-ref>
      <pkg-ref id="com.example.more">https://example.com/more.pkg</pkg-ref></installer-gui-script>"""
    relocate = '<relocate><bundle id="com.example.foo"/></relocate>'
    data = product(
        distribution,
        {
            "the tool.pkg": component(
                [("./bin/tool", LIBRARY)],
                scripts={"postinstall": b"#!/bin/sh\nln -sf /opt/tool/bin/tool /usr/local/bin/tool\ncodesign -s - x\n"},
            ),
            "app.pkg": component(APP, location="/Applications", identifier="com.example.app", inside=relocate),
            "only scripts.pkg": {"PackageInfo": info("com.example.scripts"), "Scripts": gzip.compress(odc([]))},
        },
    )
    with open_artifact(write(tmp_path / "product.pkg", data)) as artifact:
        assert content(artifact, "opt/tool/bin/tool") == LIBRARY
        assert content(artifact, "Applications/Foo.app/Contents/MacOS/Foo") == LIBRARY
        said = artifact.installer
        assert said is not None
        assert (said.minimum, said.architectures, said.asks_script) == ("11.0", ("arm64", "x86_64"), True)
        assert {(each.name, each.location, each.payload, each.relocatable) for each in said.components} == {
            ("the tool.pkg", "/opt/tool", True, ()),
            ("app.pkg", "/Applications", True, ("com.example.foo",)),
            ("only scripts.pkg", "/", False, ()),
        }
        (script,) = said.scripts
        assert (script.component, script.name, script.mentions) == ("the tool.pkg", "postinstall", ("codesign", "ln"))
        (elsewhere,) = artifact.unopened
        assert "from elsewhere" in elsewhere.text


def test_a_package_for_the_home_folder_lies_there(tmp_path: Path) -> None:
    domains = '<domains enable_currentUserHome="true" enable_localSystem="false"/>'
    distribution = f"<installer-gui-script>{domains}</installer-gui-script>"
    data = product(distribution, {"x.pkg": component([("./libx.dylib", LIBRARY)], location="/Library/Tool")})
    with open_artifact(write(tmp_path / "x.pkg", data)) as artifact:
        assert content(artifact, "Users/user/Library/Tool/libx.dylib") == LIBRARY


def test_programs_beside_scripts_and_plug_ins_of_the_installer_are_looked_at(tmp_path: Path) -> None:
    files = product(
        "<installer-gui-script/>",
        {"x.pkg": component([], scripts={"helper": LIBRARY}), "Plugins": {"Pane.bundle/Contents/MacOS/Pane": LIBRARY}},
    )
    with open_artifact(write(tmp_path / "x.pkg", files)) as artifact:
        assert {each.name for each in artifact.entries if each.macho} == {
            "private/tmp/x.pkg.Scripts/helper", "private/tmp/x.pkg/Plugins/Pane.bundle/Contents/MacOS/Pane",
        }  # fmt: skip


def test_links_of_a_payload_may_be_absolute(tmp_path: Path) -> None:
    payload: list[tuple[str, Content]] = [
        ("./usr/local/bin/tool", Link("/Applications/Foo.app/Contents/MacOS/Foo")),
        ("./usr/local/bin/python", Link("/usr/bin/python3")),
        ("./usr/local/lib", Link("../../../../etc")), *((f"./Applications{n[1:]}", c) for n, c in APP),
    ]  # fmt: skip
    with open_artifact(write(tmp_path / "x.pkg", xar(component(payload)))) as artifact:
        top = Path(artifact.folder)
        assert (top / "usr/local/bin/tool").read_bytes() == LIBRARY
        assert (top / "usr/local/bin/tool").resolve().is_relative_to(top)
        assert entry(artifact, "usr/local/lib").lost == "usr/local/lib"
        view = open_world(place_artifact(World(), artifact))
        program = view.look(TargetPath("/Applications/Foo.app/Contents/MacOS/Foo"))
        tool = view.look(TargetPath("/usr/local/bin/tool"))
        assert program.identity == tool.identity
        for name in ("other", "python"):
            assert view.look(TargetPath(f"/usr/local/bin/{name}")).presence is Presence.UNSEEN


def test_hard_links_of_a_payload_are_the_file_they_name(tmp_path: Path) -> None:
    payload = newc([("libx.dylib", Link("libx.1.dylib", hard=True)), ("libx.1.dylib", LIBRARY), ("other", LIBRARY)])
    with open_artifact(write(tmp_path / "x.pkg", xar({"PackageInfo": info(), "Payload": payload}))) as artifact:
        assert content(artifact, "libx.dylib") == content(artifact, "libx.1.dylib") == LIBRARY
        first, second = (Path(entry(artifact, name).host or "") for name in ("libx.dylib", "libx.1.dylib"))
        assert first.samefile(second)
        assert not first.samefile(Path(entry(artifact, "other").host or ""))


def test_a_xip_is_what_it_holds(tmp_path: Path) -> None:
    path = write(tmp_path / "Foo.xip", xar({"Content": pbzx(odc(APP)), "Metadata": b"<plist/>"}))
    with open_artifact(path) as artifact:
        assert (artifact.kind, artifact.default_place, artifact.name) == (ArtifactKind.APP, "/Applications", "Foo")
        assert content(artifact, "Foo.app/Contents/MacOS/Foo") == LIBRARY


@pytest.mark.parametrize("style", [0, 1, 3, 4])
def test_any_other_xar_is_an_archive(tmp_path: Path, style: int) -> None:
    files: dict[str, Content | Xar] = {
        "lib/libx.dylib": Xar(LIBRARY, "application/x-lzma", "sha256"), "lib/link": Link("libx.dylib"),
        "in.zip": zip_bytes([("y", LIBRARY)]), "empty": b"", "odd": Xar(LIBRARY, "application/x-odd"), "d": None,
    }  # fmt: skip
    with open_artifact(write(tmp_path / "x.xar", xar(files, style=style))) as artifact:
        assert artifact.kind is ArtifactKind.ARCHIVE
        assert content(artifact, "lib/libx.dylib") == LIBRARY
        assert [inner.location.path for inner in artifact.nested] == ["in.zip"]
        assert [(each.location.path, each.reason) for each in artifact.unopened] == [("odd", UnopenedReason.NOT_READ)]
        assert artifact.problems == ()


def test_who_signed_is_told_and_not_judged(tmp_path: Path) -> None:
    signed = certificate("Developer ID Installer: Example (ABCDE12345)")
    with open_artifact(write(tmp_path / "x.pkg", xar(component(APP), certificate=signed))) as artifact:
        assert artifact.installer is not None
        assert artifact.installer.signers == ("Developer ID Installer: Example (ABCDE12345)",)
    assert common_name(b"") is common_name(signed[:40]) is common_name(bytes(100)) is None


def test_a_name_given_twice_is_the_first(tmp_path: Path) -> None:
    toc = (
        "<xar><toc><file id='1'><name>libx</name><name>Nudge</name><type>file</type><data><offset>0</offset>"
        f"<length>{len(LIBRARY)}</length><size>{len(LIBRARY)}</size></data></file></toc></xar>"
    )
    data = xar({"libx": LIBRARY}, style=0, toc=toc)
    with open_artifact(write(tmp_path / "x.xar", data)) as artifact:
        assert content(artifact, "libx") == LIBRARY


DOUBLED = "<type link='1'>hardlink</type>"
HOSTILE = {
    "name with a slash": "<file id='1'><name>a/../../x</name><type>file</type></file>",
    "name up": "<file id='1'><name>..</name><type>directory</type><file id='2'><name>x</name></file></file>",
    "no name": "<file id='1'><type>file</type></file>",
    "base64 name that leads out": "<file id='1'><name enctype='base64'>Li4veA==</name><type>file</type></file>",
}


@pytest.mark.parametrize("case", HOSTILE)
def test_names_no_file_may_have_are_refused(tmp_path: Path, case: str) -> None:
    good = "<file id='9'><name>good</name><type>file</type></file>"
    path = write(tmp_path / "x.xar", xar({}, style=0, toc=f"<xar><toc>{HOSTILE[case]}{good}</toc></xar>"))
    with open_artifact(path) as artifact:
        assert names_on_disk(artifact) == {"good"}
        assert len(artifact.problems) == 1


@pytest.mark.parametrize(
    "numbers", [("", "", ""), ("-1", "1", "1"), ("9" * 30, "1", "1"), ("0", "1" + "0" * 15, "5"), ("x", "y", "z")]
)
def test_numbers_that_make_no_sense_end_nothing(tmp_path: Path, numbers: tuple[str, str, str]) -> None:
    offset, length, size = numbers
    toc = (
        f"<xar><toc><file id='1'><name>a</name><type>file</type><data><offset>{offset}</offset>"
        f"<length>{length}</length><size>{size}</size></data></file><file id='2'><name>b</name><type>file</type>"
        "</file></toc></xar>"
    )
    with open_artifact(write(tmp_path / "x.xar", xar({}, style=0, toc=toc))) as artifact:
        assert {each.name for each in artifact.entries} == {"a", "b"}


def test_hard_links_in_a_circle_end(tmp_path: Path) -> None:
    toc = (
        "<xar><toc><file id='1'><name>a</name><type link='2'>hardlink</type></file>"
        "<file id='2'><name>b</name><type link='1'>hardlink</type><type link='original'>hardlink</type></file>"
        "<file id='3'><name>c</name><type link='3'>hardlink</type></file></toc></xar>"
    )
    with open_artifact(write(tmp_path / "x.xar", xar({}, style=0, toc=toc))) as artifact:
        assert names_on_disk(artifact) == set()
        assert len(artifact.problems) == 3


@pytest.mark.parametrize(
    ("toc", "word"),
    [
        ("<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><xar><toc>&a;</toc></xar>", "document type"),
        ("<xar>" + "<a>" * 100 + "</a>" * 100 + "</xar>", "deeper"),
        ("<xar><toc>", "no XML"),
        ("<xar/>", "lists nothing"),
        ("", "no XML"),
    ],
)  # fmt: skip
def test_a_table_that_is_none_is_an_error(tmp_path: Path, toc: str, word: str) -> None:
    path = write(tmp_path / "x.xar", xar({}, style=0, toc=toc or " "))
    with pytest.raises(InputError, match=word), open_artifact(path):
        pass


def test_wrong_hashes_are_told(tmp_path: Path) -> None:
    with open_artifact(write(tmp_path / "x.pkg", xar(component(APP), damage=True))) as artifact:
        assert ["table" in problem.reason for problem in artifact.problems] == [True]
    data = xar({"libx": LIBRARY + b"marker"}).replace(b"marker", b"Marker")
    with open_artifact(write(tmp_path / "x.xar", data)) as artifact:
        assert [(problem.part, "hash" in problem.reason) for problem in artifact.problems] == [("libx", True)]


@pytest.mark.parametrize("cut", [10, 27, 60, 500])
def test_a_cut_package_is_an_error(tmp_path: Path, cut: int) -> None:
    path = write(tmp_path / "x.pkg", xar(component(APP))[:cut])
    with pytest.raises(InputError, match=r"cut|makes no sense|hash"), open_artifact(path) as artifact:
        raise artifact.problems[0]


def test_a_table_that_claims_gigabytes_is_refused(tmp_path: Path) -> None:
    data = bytearray(xar(component(APP)))
    struct.pack_into(">Q", data, 16, 1 << 40)
    with pytest.raises(InputError, match="table is longer"), open_artifact(write(tmp_path / "x.pkg", bytes(data))):
        pass


def test_a_chunk_that_gives_more_than_it_says_is_damage(tmp_path: Path) -> None:
    bad = b"pbzx" + struct.pack(">Q", 1 << 24)
    packed = lzma.compress(bytes(1 << 20))
    payload = bad + struct.pack(">2Q", 100, len(packed)) + packed
    with open_artifact(write(tmp_path / "x.pkg", xar({"PackageInfo": info(), "Payload": payload}))) as artifact:
        assert not artifact.complete
        assert artifact.problems[0].part == "Payload"
    huge = bad + struct.pack(">2Q", 1 << 40, len(packed)) + packed
    with open_artifact(write(tmp_path / "y.pkg", xar({"PackageInfo": info(), "Payload": huge}))) as artifact:
        assert "holds a chunk" in artifact.problems[0].reason


def test_a_payload_that_is_a_bomb_ends_at_the_limits(tmp_path: Path) -> None:
    payload = gzip.compress(odc([("./bomb", LIBRARY + bytes(12 << 20))]))
    path = write(tmp_path / "x.pkg", xar({"PackageInfo": info(), "Payload": payload}))
    for limits, name in (
        (Limits(total_bytes=5 << 20), "total_bytes"),
        (Limits(ratio=50, ratio_floor=1 << 20), "ratio"),
    ):
        with pytest.raises(OverLimitError, match=f"limit {name}"), open_artifact(path, limits):
            pass


def test_cpio_alone_and_in_other_archives_is_opened(tmp_path: Path) -> None:
    entries: list[tuple[str, Content]] = [("bin/tool", LIBRARY), ("link", Link("bin"))]
    forms = {"odc": odc(entries), "newc": newc(entries), "binary": binary(entries)}
    assert is_artifact(write(tmp_path / "Content", pbzx(forms["odc"]))) == "cpio.pbzx"
    with open_artifact(tmp_path / "Content") as artifact:
        assert content(artifact, "bin/tool") == LIBRARY
    packed = {f"{name}.gz": gzip.compress(data) for name, data in forms.items()}
    for name, data in {**forms, **packed}.items():
        path = write(tmp_path / name, data)
        assert is_artifact(path) == ("cpio.gz" if name in packed else "cpio")
        with open_artifact(path) as artifact:
            assert content(artifact, "bin/tool") == LIBRARY
    with open_artifact(write(tmp_path / "x.tar", tar_bytes([("x.pkg", xar(component(APP)))]))) as artifact:
        assert [inner.kind for inner in artifact.nested] == [ArtifactKind.PKG]


@pytest.mark.parametrize("cut", [100, 5000])
def test_of_a_cut_cpio_what_came_before_is_kept(tmp_path: Path, cut: int) -> None:
    data = odc([("a", b"x" * 10), ("libx", LIBRARY + bytes(9000)), ("c", b"")])
    with open_artifact(write(tmp_path / "x.cpio", data[:cut])) as artifact:
        assert not artifact.complete
        assert "cut or damaged" in artifact.problems[-1].reason
        assert "a" in names_on_disk(artifact)


def test_a_plug_in_of_a_package_is_resolved_in_place(tmp_path: Path) -> None:
    plug = bundle(load("@loader_path/../Frameworks/libx.dylib"))
    place = "./Library/Audio/Plug-Ins/Components/P.component/Contents"
    payload: list[tuple[str, Content]] = [(f"{place}/MacOS/P", plug), (f"{place}/Frameworks/libx.dylib", LIBRARY)]
    with open_artifact(write(tmp_path / "x.pkg", xar(component(payload)))) as artifact:
        view = open_world(place_artifact(World(), artifact))
        found = view.look(TargetPath("/Library/Audio/Plug-Ins/Components/P.component/Contents/Frameworks/libx.dylib"))
        assert found.presence is Presence.PRESENT


def test_a_xip_whose_content_is_damaged_is_an_error_of_ours(tmp_path: Path) -> None:
    for content_ in (b"pbzx" + struct.pack(">3Q", 1 << 24, 9999, 5) + b"abcde", lzma.compress(PLAIN)[:40], b"pbzx"):
        path = write(tmp_path / "x.xip", xar({"Content": content_, "Metadata": b"x"}))
        with pytest.raises(InputError, match="cut or damaged"), open_artifact(path):
            pass
