"""What real linkers sign is signed again to the byte, and edits are those of LLVM's tool where it has room."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from machochain.macho.constants import LC_CODE_SIGNATURE
from machochain.macho.reader import read_bytes
from machochain.repair import superblob as sb
from machochain.repair.edits import AddRunPath, ChangeInstallName, ChangeLoad, ChangeRunPath, DeleteRunPath, Edit
from machochain.repair.file import repair_file
from machochain.repair.layout import number, read_layout
from machochain.repair.obstacle import ObstacleKind, RepairError
from machochain.repair.signing import remove_signature, sign, signature_of
from machochain.repair.universal import read_pieces
from tests.factory.macho import fat
from tests.llvm import llvm
from tests.toolchain import GREET_C, TINY_MAIN_GO, Toolchain, c_dylib, c_executable

pytestmark = pytest.mark.toolchain

LLD_STUB = """--- !tapi-tbd
tbd-version: 4
targets: [ arm64-macos, x86_64-macos ]
install-name: '/usr/lib/libSystem.B.dylib'
exports:
  - targets: [ arm64-macos, x86_64-macos ]
    symbols: [ dyld_stub_binder ]
...
"""


def stripped_and_signed(data: bytes) -> bytes:
    layout = read_layout(data)
    signature = signature_of(data, layout)
    assert signature is not None
    assert layout.signature is not None
    index = next(i for i, c in enumerate(layout.commands) if number(c) == LC_CODE_SIGNATURE)
    stripped = remove_signature(data)
    assert read_layout(stripped).signature is None
    return sign(stripped, sb.identity_of(signature, layout.signature[1]), index=index)


def greet(toolchain: Toolchain, folder: Path, *flags: str, arch: str = "arm64") -> bytes:
    out = folder / f"libgreet-{arch}.dylib"
    c_dylib(toolchain, out, GREET_C, install_name="@rpath/libgreet.1.dylib", arch=arch, flags=flags)
    return out.read_bytes()


def test_zigs_programs_and_libraries_are_signed_again_to_the_byte(toolchain: Toolchain, tmp_path: Path) -> None:
    program = tmp_path / "main"
    c_executable(toolchain, program, "int main(void) { return 0; }\n")
    for data in (program.read_bytes(), greet(toolchain, tmp_path)):
        assert stripped_and_signed(data) == data


def test_gos_programs_are_signed_again_to_the_byte(toolchain: Toolchain, tmp_path: Path) -> None:
    (tmp_path / "go.mod").write_text("module example.org/tiny\n")
    (tmp_path / "main.go").write_text(TINY_MAIN_GO)
    toolchain.go(tmp_path, "build", "-o", "main")
    data = (tmp_path / "main").read_bytes()
    assert stripped_and_signed(data) == data


def lld(folder: Path, toolchain: Toolchain, *flags: str) -> bytes:
    """Link one object with LLVM's linker: a program of its own way to sign."""
    linker = shutil.which("ld64.lld-19")
    if linker is None:
        pytest.skip("ld64.lld-19 is not installed")
    (folder / "a.c").write_text("int greet(void) { return 42; }\n")
    toolchain.cc("arm64", "-c", "-o", "a.o", "a.c", cwd=folder)
    (folder / "libSystem.tbd").write_text(LLD_STUB)
    out = folder / "liba.dylib"
    command = [
        linker, "-arch", "arm64", "-platform_version", "macos", "12.0", "13.0", "-adhoc_codesign", "-dylib",
        "-install_name", "@rpath/liba.dylib", "-rpath", "/one", "-o", str(out), "a.o", "libSystem.tbd", *flags,
    ]  # fmt: skip
    subprocess.run(command, cwd=folder, check=True)
    return out.read_bytes()


def test_llds_libraries_are_signed_again_to_the_byte(toolchain: Toolchain, tmp_path: Path) -> None:
    data = lld(tmp_path, toolchain)
    assert stripped_and_signed(data) == data


EDITS: Sequence[tuple[list[Edit], list[str]]] = [
    ([AddRunPath("/p")], ["-add_rpath", "/p"]),
    ([DeleteRunPath("/one")], ["-delete_rpath", "/one"]),
    ([ChangeRunPath("/one", "/uno")], ["-rpath", "/one", "/uno"]),
    ([ChangeInstallName("/x/libb.dylib")], ["-id", "/x/libb.dylib"]),
    (
        [ChangeLoad("/usr/lib/libSystem.B.dylib", "/usr/lib/libS.dylib")],
        ["-change", "/usr/lib/libSystem.B.dylib", "/usr/lib/libS.dylib"],
    ),
]
# What the tool derives from the layout, which it makes anew.
_LAYOUT = frozenset({0x2, 0xB, 0x1D, 0x22, 0x26, 0x29, 0x80000022, 0x80000033, 0x80000034})


def of_llvm(data: bytes, folder: Path, arguments: list[str]) -> bytes:
    tool = llvm("llvm-install-name-tool")
    if tool is None:
        pytest.skip("llvm-install-name-tool is not installed")
    path = folder / "edited"
    path.write_bytes(data)
    subprocess.run([tool, *arguments, str(path)], check=True)
    return path.read_bytes()


def comparable(data: bytes) -> list[bytes]:
    """The load commands, those that say where things lie reduced to their numbers and sizes."""
    layout = read_layout(data)
    return [
        c[:8] if number(c) in _LAYOUT or (number(c) == 0x19 and c[8:24].rstrip(b"\0") == b"__LINKEDIT") else c
        for c in layout.commands
    ]


@pytest.mark.parametrize(("edits", "arguments"), EDITS, ids=[a[0] for _, a in EDITS])
@pytest.mark.parametrize("universal", [False, True])
def test_an_edit_gives_the_load_commands_llvms_tool_gives(
    edits: list[Edit], arguments: list[str], universal: bool, toolchain: Toolchain, tmp_path: Path
) -> None:
    data = lld(tmp_path, toolchain, "-headerpad", "0x400")
    if universal:
        other = greet(toolchain, tmp_path, "-Wl,-rpath,/one", "-Wl,-headerpad,0x400", arch="amd64")
        data = fat([other, data])
        if any(isinstance(e, ChangeInstallName | ChangeLoad) for e in edits):
            edits = [e for e in edits if not isinstance(e, ChangeLoad)] or edits
    archs = [p.arch for p in read_pieces(data).slices]
    ours = repair_file(data, dict.fromkeys(archs, edits), "liba.dylib").data
    theirs = of_llvm(data, tmp_path, arguments)
    for mine, other_piece in zip(read_pieces(ours).slices, read_pieces(theirs).slices, strict=True):
        if mine.arch == "arm64":
            assert comparable(mine.data) == comparable(other_piece.data)
        else:  # the tool lays zig's segments out anew
            kinds = [(number(c), len(c)) for c in read_layout(mine.data).commands]
            assert kinds == [(number(c), len(c)) for c in read_layout(other_piece.data).commands]


def test_without_room_nothing_comes_out_where_llvms_tool_writes_over_the_code(
    toolchain: Toolchain, tmp_path: Path
) -> None:
    data = lld(tmp_path, toolchain)
    room = read_layout(data).room
    long = "/" + "x" * (room + 100)
    with pytest.raises(RepairError) as caught:
        repair_file(data, {"arm64": [AddRunPath(long)]}, "liba.dylib")
    size = -(-(12 + len(long) + 1) // 8) * 8
    assert (caught.value.obstacle.kind, caught.value.obstacle.amount) == (ObstacleKind.NO_ROOM, size - room)


def test_the_edited_file_is_what_other_readers_read(toolchain: Toolchain, tmp_path: Path) -> None:
    import lief

    data = lld(tmp_path, toolchain, "-headerpad", "0x400")
    new = repair_file(data, {"arm64": [AddRunPath("@loader_path/zz"), DeleteRunPath("/one")]}, "liba.dylib").data
    image = read_bytes(new).slices[0].image
    assert image is not None
    assert [r.path for r in image.run_paths] == ["@loader_path/zz"]
    parsed = lief.MachO.parse(list(new))
    assert parsed is not None
    binary = parsed.at(0)
    assert binary is not None
    assert [str(r.path) for r in binary.rpaths] == ["@loader_path/zz"]
    layout = read_layout(data)
    assert layout.signature is not None
    limit = layout.signature[0]
    assert new[layout.low : limit] == data[layout.low : limit]
    assert struct.unpack_from("<I", new, 16) == struct.unpack_from("<I", data, 16)
