"""What older Go releases do, against what is stated here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from machochain.golang.contexts import context
from machochain.model.go import GoLink
from machochain.model.launch import Program
from machochain.model.paths import TargetPath
from tests.golang.places import context_of_path
from tests.golang.test_toolchain import WHERE_GO, archive_at, look, same_as_go_version, where
from tests.toolchain import Toolchain, build_cgo, build_pure, install_release

pytestmark = [pytest.mark.old_toolchain, pytest.mark.toolchain]

RELEASES = ("1.21.13", "1.23.9", "1.24.11", "1.26.6")


@pytest.fixture(scope="session", params=RELEASES)
def older(request: pytest.FixtureRequest, toolchain: Toolchain) -> Toolchain:
    return install_release(toolchain, request.param)


def release_of(chain: Toolchain) -> str:
    return f"go{chain.goroot.parent.name.removeprefix('go-')}"


@pytest.mark.parametrize("arch", ["arm64", "amd64"])
def test_a_program_without_cgo(older: Toolchain, go_module: Path, tmp_path: Path, arch: str) -> None:
    release = release_of(older)
    image, binary = look(build_pure(older, go_module, tmp_path / "tiny", arch=arch))
    same_as_go_version(older, tmp_path / "tiny", binary)
    assert (binary.version, binary.cgo, binary.link) == (release, False, GoLink.INTERNAL)
    # Position-independent executables became the default on amd64 with 1.22, LC_UUID with 1.24.
    assert binary.mode == ("exe" if arch == "amd64" and release == "go1.21.13" else "pie")
    assert (image.uuid is not None) is (release >= "go1.24")


def test_a_package_archive(older: Toolchain, go_module: Path, tmp_path: Path) -> None:
    package = build_cgo(older, go_module, tmp_path / "greet.a", package="./greet", flags=())
    archive = archive_at(package)
    assert archive is not None
    assert (archive.kind, archive.version) == ("package", release_of(older))
    assert archive.c_members[:1] == ("_x001.o",)
    assert "-lgreet.1" in archive.ld_flags
    assert all(each.facts == () for each in archive.objects)


def test_go_run_starts_from_the_cache_where_the_context_says_so(older: Toolchain, tmp_path: Path) -> None:
    (tmp_path / "go.mod").write_text(f"module example.org/m{tmp_path.name.encode().hex()}\n\ngo 1.20\n")
    (tmp_path / "main.go").write_text(f"{WHERE_GO}\nvar _ = {str(tmp_path)!r}\n".replace("'", '"'))
    program = Program(name="main", executable=TargetPath(str(tmp_path / "main")))
    ran = [where(older.go(tmp_path, "run", "main.go", arch=None).stdout)[0] for _ in range(2)]
    assert context_of_path(ran[0]) == "go-run"
    cached = context("go-run-cached", program).releases.holds(release_of(older))
    assert context_of_path(ran[1]) == ("go-run-cached" if cached else "go-run")
    assert re.search(r"/main$", ran[1])
