"""What vendoring loses held against a real ``go mod vendor``."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from machochain.golang.settings import Settings
from machochain.source.loading import Loader, find_modules
from machochain.source.vendoring import is_copied
from tests.source.modules import cgo, look, write
from tests.toolchain import install

pytestmark = pytest.mark.toolchain

DEP = {
    "go.mod": "module example.org/dep\n\ngo 1.21\n",
    "dep.go": cgo(
        "#cgo CFLAGS: -Iinclude", '#include "inc.h"', '#include "keep/k.h"', '#include "link.h"', package="dep"
    ),
    "dep_test.go": "package dep\n", "vendor_keep.go": 'package dep\n\nimport _ "example.org/dep/keep"\n',
    "ignored.go": "//go:build ignore\n\npackage main\n", "x.txt": "", "x.dylib": "", "liby.a": "", ".hidden.h": "",
    "_under.h": "", "include/inc.h": "", "csrc/x.c": "", "lib/libz.a": "", "keep/k.h": "",
    "keep/dummy.go": "package keep\n",
    "tagged/t.h": "", "tagged/t.go": "//go:build never\n\npackage tagged\n",
    "tag.go": '//go:build never\n\npackage dep\n\nimport _ "example.org/dep/tagged"\n',
    "LICENSE": "", "emb/e.h": "", "emb.go": 'package dep\n\nimport "embed"\n\n//go:embed emb/*.h\nvar _ embed.FS\n',
    "other/go.mod": "module example.org/other\n", "other/o.h": "",
}  # fmt: skip
MAIN = {
    "go.mod": "module example.org/m\n\ngo 1.21\n\nrequire example.org/dep v0.0.0\n\n"
    "replace example.org/dep => ../dep\n",
    "main.go": 'package main\n\nimport _ "example.org/dep"\n\nfunc main() {}\n',
}


def test_files_that_are_copied_are_those_go_copies(tmp_path: Path) -> None:
    chain = install()
    dep, module = write(tmp_path / "dep", DEP), write(tmp_path / "module", MAIN)
    (dep / "link.h").symlink_to("include/inc.h")
    env = {
        **os.environ,
        "GOFLAGS": "-mod=mod",
        "GOTOOLCHAIN": "local",
        "GOPROXY": "off",
        "GOCACHE": str(tmp_path / "c"),
    }
    subprocess.run([str(chain.go_binary), "mod", "vendor"], cwd=module, env=env, check=True, capture_output=True)
    vendored = module / "vendor" / "example.org" / "dep"
    theirs = {str(p.relative_to(vendored)) for p in vendored.rglob("*") if p.is_file()}

    report = look(tmp_path, MAIN, env={"GOFLAGS": "-mod=mod"})
    packages = {p.directory: p for p in report.packages["darwin/arm64"].values()}
    modules = find_modules(str(module), Settings({"GOFLAGS": "-mod=mod"}))
    imported = Loader(modules, Settings({}), None).imported_under_any_tags(packages.values())  # type: ignore[arg-type]
    every = {str(p.relative_to(dep)) for p in dep.rglob("*") if p.is_file()}
    mine = {name for name in every if is_copied(str(dep / name), packages, imported)}

    assert mine == theirs - {"LICENSE"} | ({"LICENSE"} & mine)
    assert sorted(x.file for x in report.lost if x.module == "example.org/dep") == ["include/inc.h", "link.h"]
