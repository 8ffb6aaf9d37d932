"""The reader of package directories held against ``go list`` of a real Go."""

from __future__ import annotations

import json
import os
import random
import subprocess
from functools import partial
from pathlib import Path

import pytest

from machochain.golang.constraint import BuildContext, release_tags
from machochain.golang.package import Heads, read_package
from tests.toolchain import Toolchain, install

pytestmark = pytest.mark.toolchain

LINES = [
    "#cgo LDFLAGS: -la", "#cgo darwin LDFLAGS: -lb -Lrel", "#cgo darwin && amd64 LDFLAGS: -lc",
    "#cgo linux,amd64 CFLAGS: -I x", "#cgo !arm64 CFLAGS: -DX='1 2'",
    "#cgo (linux||darwin)&&!amd64 LDFLAGS: -framework Security", "#cgo pkg-config: foo",
    "#cgo LDFLAGS: ${SRCDIR}/x.a", "#cgo noescape f", "# cgo LDFLAGS: -lno", "#cgo\tCPPFLAGS : -DY",
    "#include <stdio.h>", "#cgo FFLAGS: -O2", "#cgo CXXFLAGS: -std=c++17", "#cgo darwin||linux LDFLAGS: -lz",
    "#cgo ldflags: -la", "#cgo LDFLAGS: -la \\", "#cgo LDFLAGS: $(pwd)", "#cgo LDFLAGS -la",
    "#cgo go1.20 LDFLAGS: -lnew", "#cgo unix LDFLAGS: -lu", "text",
]  # fmt: skip
NAMES = ["a.go", "b_darwin.go", "c_linux_amd64.go", "d_arm64.go", "e_test.go", "darwin.go", "f_darwin.x.go", "_g.go"]
HEADS = [
    "", "//go:build darwin\n\n", "//go:build !cgo\n\n", "// +build linux\n\n", "// +build linux\n",
    "//go:build a &&\n\n", "/* x */\n//go:build linux || arm64\n\n",
]  # fmt: skip
OTHERS = ["x.c", "x.cc", "x_linux.c", "x.m", "x.mm", "x.h", "x.S", "y.s", "x.syso", "x.f90", "x.swig"]
LISTS = {
    "GoFiles": "go_files", "CgoFiles": "cgo_files", "IgnoredGoFiles": "ignored_go_files", "CFiles": "c_files",
    "CXXFiles": "cxx_files", "MFiles": "m_files", "HFiles": "h_files", "FFiles": "f_files", "SFiles": "s_files",
    "SwigFiles": "swig_files", "SysoFiles": "syso_files", "TestGoFiles": "test_go_files",
    "InvalidGoFiles": "invalid_go_files",
    "IgnoredOtherFiles": "ignored_other_files",
}  # fmt: skip
VERBS = {"CgoCFLAGS": "CFLAGS", "CgoCPPFLAGS": "CPPFLAGS", "CgoCXXFLAGS": "CXXFLAGS", "CgoFFLAGS": "FFLAGS",
         "CgoLDFLAGS": "LDFLAGS", "CgoPkgConfig": "pkg-config"}  # fmt: skip


def _bytes(directory: str, name: str) -> bytes:
    return Path(directory, name).read_bytes()


def comment(chance: random.Random) -> str:
    lines = chance.sample(LINES, chance.randint(1, 5))
    form = chance.randint(0, 3)
    if form == 0:
        text = "".join(f"// {line}\n" for line in lines)
    elif form == 1:
        text = "/*\n" + "\n".join(lines) + "\n*/\n"
    elif form == 2:
        text = "".join(f"//{line}\n" for line in lines)
    else:
        text = "/* " + lines[0] + " */\n// " + lines[-1] + "\n"
    return text + ("\n" if chance.random() < 0.15 else "")


def go_file(chance: random.Random) -> str:
    text = chance.choice(HEADS) + "package x\n\n"
    for _ in range(chance.randint(0, 3)):
        form = chance.randint(0, 4)
        if form == 0:
            text += 'import "fmt"\n\n'
        elif form == 1:
            text += comment(chance) + 'import "C"\n\n'
        elif form == 2:
            text += comment(chance) + 'import (\n\t"C"\n)\n\n'
        elif form == 3:
            text += comment(chance) + 'import (\n\t"os"\n' + comment(chance) + '\t"C"\n)\n\n'
        else:
            text += 'import "C" // #cgo LDFLAGS: -lside\n\n'
    return text


@pytest.fixture(scope="module")
def chain() -> Toolchain:
    return install()


@pytest.mark.parametrize("goarch", ["arm64", "amd64"])
def test_lists_flags_and_errors_of_generated_directories_are_those_of_go_list(
    chain: Toolchain, tmp_path: Path, goarch: str
) -> None:
    chance = random.Random(7)
    (tmp_path / "go.mod").write_text("module example.org/m\n\ngo 1.21\n")
    for number in range(150):
        folder = tmp_path / f"p{number}"
        folder.mkdir()
        for name in chance.sample(NAMES, chance.randint(1, 4)):
            (folder / name).write_text(go_file(chance))
        for name in chance.sample(OTHERS, chance.randint(0, 4)):
            (folder / name).write_text(chance.choice(["", "//go:build linux\n\n", "int x;\n"]))
    environment = {
        **os.environ, "GOOS": "darwin", "GOARCH": goarch, "CGO_ENABLED": "1", "GOFLAGS": "-mod=mod", "GOPROXY": "off",
        "GOTOOLCHAIN": "local", "GOCACHE": str(tmp_path / "cache"),
    }  # fmt: skip
    done = subprocess.run(
        [str(chain.go_binary), "list", "-e", "-json", *(f"./p{n}" for n in range(150))],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    decoder, at, listed = json.JSONDecoder(), 0, {}
    while done.stdout[at:].strip():
        while done.stdout[at].isspace():
            at += 1
        value, at = decoder.raw_decode(done.stdout, at)
        listed[value["Dir"]] = value
    context = BuildContext("darwin", goarch, True, release_tags(27))
    differences: list[tuple[object, ...]] = []
    errors = 0
    for directory, value in sorted(listed.items()):
        names = [f.name for f in Path(directory).iterdir()]
        package = read_package(directory, names, Heads(partial(_bytes, directory)), context)
        if package.empty:
            # Of a directory without a Go file that counts go list shows only some lists.
            continue
        mine = {key: getattr(package, name) for key, name in LISTS.items()}
        mine |= {key: list(package.flags(verb)) for key, verb in VERBS.items()}
        theirs = {key: value.get(key) or [] for key in mine}
        if mine != theirs:
            differences.append((directory, {k: (mine[k], theirs[k]) for k in mine if mine[k] != theirs[k]}))
        told = (value.get("Error") or {}).get("Err", "")
        if package.problems and package.problems[0].file:
            errors += 1
            if package.problems[0].text.replace(f"{tmp_path}/", "") not in told.replace(f"{tmp_path}/", ""):
                differences.append((directory, package.problems[0].text, told))
    assert len(listed) > 100
    assert errors > 10
    assert not differences, differences[:3]
