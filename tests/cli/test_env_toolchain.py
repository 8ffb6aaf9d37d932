"""Programs built with what ``machochain env`` writes, by real compilers."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from machochain.macho.reader import read_source
from machochain.model.reading import BytesSource
from tests.cli.running import run
from tests.toolchain import install

pytestmark = pytest.mark.toolchain

MAIN = """package main

// static int f(void) { return 42; }
import "C"

func main() { println(int(C.f())) }
"""


@pytest.mark.parametrize(("goarch", "minimum"), [("arm64", "12.3"), ("amd64", "13.1")])
@pytest.mark.parametrize("wrapped", [False, True])
def test_go_and_zig_build_for_the_macos_that_was_declared(
    tmp_path: Path, goarch: str, minimum: str, *, wrapped: bool
) -> None:
    chain = install()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "zig").symlink_to(chain.zig)
    (tmp_path / "go.mod").write_text("module example.org/m\n\ngo 1.22\n")
    (tmp_path / "main.go").write_text(MAIN)
    declared = ("--toolchain", "zig", "--goarch", goarch, "--minimum", minimum)
    (tmp_path / "env.sh").write_text(run("env", *declared).stdout)
    wrapper = tmp_path / "bin" / "zig-cc"
    wrapper.write_text(run("env", *declared, "--format", "cc-wrapper").stdout)
    wrapper.chmod(0o755)
    environment = chain.environment(None, cgo=True)
    environment["PATH"] = f"{tmp_path}/bin:{environment['PATH']}"
    command = f". ./env.sh; {f'CC={wrapper}; ' if wrapped else ''}'{chain.go_binary}' build -ldflags='-s -w' -o app ."
    done = subprocess.run(
        ["sh", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (piece,) = read_source(BytesSource((tmp_path / "app").read_bytes())).slices
    assert piece.image is not None
    assert [str(v.minos) for v in piece.image.builds] == [minimum]
