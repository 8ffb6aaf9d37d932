"""What real toolchains make, against what is stated here. Nothing is recorded: every expectation is written out."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from machochain.golang.archive import read_archive
from machochain.golang.buildinfo import format_build_info
from machochain.golang.contexts import context
from machochain.golang.flags import refused_ldflags
from machochain.golang.predict import Found, predict_link, search_paths
from machochain.model.go import GoArchive, GoBinary, GoLink, ImportDynamic, ImportStatic
from machochain.model.image import Image
from machochain.model.launch import Program, shown
from machochain.model.paths import TargetPath
from tests.golang.looking import binary_of, members_of, opened, reading
from tests.golang.places import context_of_path
from tests.golang.test_flags import ALLOWED, REFUSED
from tests.toolchain import Toolchain, build_cgo, build_pure, greet_library, lipo

pytestmark = pytest.mark.toolchain

LIBSYSTEM = "/usr/lib/libSystem.B.dylib"
LIBRESOLV = "/usr/lib/libresolv.9.dylib"
GREET = "@rpath/libgreet.1.dylib"
FRAMEWORKS = {
    "/System/Library/Frameworks/CoreFoundation.framework/Versions/A/CoreFoundation",
    "/System/Library/Frameworks/Security.framework/Versions/A/Security",
}


def look(path: Path, index: int = 0) -> tuple[Image, GoBinary]:
    data = path.read_bytes()
    binary = binary_of(data, index)
    assert binary is not None
    return opened(data, index)[0], binary


def names(image: Image) -> list[str]:
    return [each.name for each in image.loads]


def same_as_go_version(chain: Toolchain, path: Path, binary: GoBinary) -> None:
    printed = chain.go(path.parent, "version", "-m", str(path), arch=None).stdout
    assert binary.build is not None
    assert format_build_info(binary.build, str(path)) == printed


def archive_at(path: Path) -> GoArchive | None:
    return read_archive((name, reading(body)) for name, body in members_of(path.read_bytes()))


@pytest.mark.parametrize("arch", ["arm64", "amd64"])
@pytest.mark.parametrize("flags", [(), ("-ldflags=-s -w",), ("-trimpath", "-ldflags=-X 'main.a=b c'")])
def test_a_program_without_cgo(
    toolchain: Toolchain, go_module: Path, tmp_path: Path, arch: str, flags: tuple[str, ...]
) -> None:
    image, binary = look(build_pure(toolchain, go_module, tmp_path / "tiny", arch=arch, flags=flags))
    same_as_go_version(toolchain, tmp_path / "tiny", binary)
    assert names(image) == [LIBSYSTEM]
    assert image.run_paths == ()
    assert (binary.cgo, binary.link, binary.mode) == (False, GoLink.INTERNAL, "pie")
    assert binary.hidden == (("-ldflags",) if "-trimpath" in flags else ())
    assert binary.facts == ()
    assert binary.build is not None
    assert binary.build.path == "example.org/hello/cmd/tiny"
    assert binary.build.setting("GOARCH") == arch


def test_net_http_brings_the_systems_resolver_and_certificates(
    toolchain: Toolchain, go_module: Path, tmp_path: Path
) -> None:
    image, binary = look(build_pure(toolchain, go_module, tmp_path / "pure", program="pure"))
    same_as_go_version(toolchain, tmp_path / "pure", binary)
    assert set(names(image)) == {LIBSYSTEM, LIBRESOLV} | FRAMEWORKS
    assert (binary.cgo, binary.link) == (False, GoLink.INTERNAL)


@pytest.mark.parametrize(
    "rpaths",
    [
        (),
        ("@loader_path/../lib",),
        ("@executable_path/../lib",),
        ("/usr/local/lib",),
        ("@loader_path/../lib", "/opt/homebrew/lib"),
    ],
)
def test_a_cgo_program_has_the_run_paths_of_its_flags(
    toolchain: Toolchain, go_module: Path, tmp_path: Path, rpaths: tuple[str, ...]
) -> None:
    image, binary = look(build_cgo(toolchain, go_module, tmp_path / "hello", rpaths=rpaths))
    same_as_go_version(toolchain, tmp_path / "hello", binary)
    assert [each.path for each in image.run_paths] == list(rpaths)
    assert set(names(image)) == {LIBSYSTEM, GREET}
    assert (binary.cgo, binary.link, binary.mode) == (True, GoLink.EXTERNAL, "pie")
    assert binary.c_functions == ("greet_add",)


def test_the_run_path_flag_of_gos_linker_does_not_split_at_colons(
    toolchain: Toolchain, go_module: Path, tmp_path: Path
) -> None:
    flags = ("-ldflags=-s -w -r /usr/local/lib:@loader_path",)
    image, _ = look(build_cgo(toolchain, go_module, tmp_path / "hello", flags=flags))
    assert [each.path for each in image.run_paths] == ["/usr/local/lib:@loader_path"]


@pytest.mark.parametrize("install_name", ["libgreet.1.dylib", "/opt/homebrew/opt/greet/lib/libgreet.1.dylib"])
def test_a_cgo_program_loads_by_the_install_name_of_what_it_was_linked_with(
    toolchain: Toolchain, go_module: Path, tmp_path: Path, install_name: str
) -> None:
    image, _ = look(build_cgo(toolchain, go_module, tmp_path / "hello", install_name=install_name))
    assert set(names(image)) == {LIBSYSTEM, install_name}


def test_a_weakly_linked_library(toolchain: Toolchain, go_module: Path, tmp_path: Path) -> None:
    folder = greet_library(toolchain, go_module, install_name=GREET).parent
    toolchain.go(
        go_module, "build", "-o", str(tmp_path / "hello"), "-ldflags=-s -w", "./cmd/hello", cgo=True,
        extra={"CGO_LDFLAGS": f"-L{folder} -weak-lgreet.1"},
    )  # fmt: skip
    image, _ = look(tmp_path / "hello")
    assert {each.name: each.weak for each in image.loads} == {LIBSYSTEM: False, GREET: True}


def test_symbols_name_exports_until_they_are_stripped(toolchain: Toolchain, go_module: Path, tmp_path: Path) -> None:
    _, whole = look(build_cgo(toolchain, go_module, tmp_path / "whole", flags=("-ldflags=-w",)))
    assert whole.exports == ("goCallback",)
    flags = ("-trimpath", "-ldflags=-s -w")
    _, stripped = look(build_cgo(toolchain, go_module, tmp_path / "stripped", flags=flags))
    assert (stripped.exports, stripped.c_functions, stripped.cgo) == ((), ("greet_add",), True)
    assert "CGO_LDFLAGS" in stripped.hidden
    assert stripped.build is not None
    assert stripped.build.setting("CGO_LDFLAGS") is None
    same_as_go_version(toolchain, tmp_path / "stripped", stripped)


def test_a_test_binary(toolchain: Toolchain, go_module: Path, tmp_path: Path) -> None:
    image, binary = look(
        build_cgo(toolchain, go_module, tmp_path / "greet.test", command=("test", "-c"), package="./greet")
    )
    same_as_go_version(toolchain, tmp_path / "greet.test", binary)
    assert binary.build is not None
    assert binary.build.path == "example.org/hello/greet.test"
    # The testing package imports os, and os the resolver.
    assert set(names(image)) == {LIBSYSTEM, LIBRESOLV, GREET}
    assert binary.cgo is True


def test_a_c_shared_library(toolchain: Toolchain, go_module: Path, tmp_path: Path) -> None:
    path = build_cgo(
        toolchain,
        go_module,
        tmp_path / "libhello.dylib",
        package="./cmd/library",
        flags=("-buildmode=c-shared", "-ldflags=-s -w -extldflags=-Wl,-install_name,@rpath/libhello.dylib"),
    )
    image, binary = look(path)
    same_as_go_version(toolchain, path, binary)
    assert image.install_name == "@rpath/libhello.dylib"
    assert (binary.cgo, binary.link, binary.mode) == (True, GoLink.EXTERNAL, "c-shared")


def test_a_c_archive(toolchain: Toolchain, go_module: Path, tmp_path: Path) -> None:
    path = build_cgo(
        toolchain, go_module, tmp_path / "libhello.a", package="./cmd/library", flags=("-buildmode=c-archive",)
    )
    archive = archive_at(path)
    assert archive is not None
    assert (archive.kind, archive.objects) == ("c-archive", ())
    assert archive.c_members[0] == "000000.o"
    members = dict(members_of(path.read_bytes()))
    binary = binary_of(members["go.o"])
    assert binary is not None
    assert binary.build is not None
    # go version cannot read an object file; the settings are those of the build all the same.
    assert binary.build.setting("-buildmode") == "c-archive"
    assert (binary.version, binary.mode, binary.link) == (binary.build.release, "c-archive", None)
    assert set(binary.exports) == {"goCallback", "LibraryAdd"}


@pytest.mark.parametrize("fat64", [False, True])
def test_both_slices_of_a_universal_file_are_read(
    toolchain: Toolchain, go_module: Path, tmp_path: Path, fat64: bool
) -> None:
    thin = [build_pure(toolchain, go_module, tmp_path / arch, arch=arch) for arch in ("arm64", "amd64")]
    both = lipo(tmp_path / "both", *thin, fat64=fat64)
    found = [look(both, index)[1].build for index in range(2)]
    assert [each and each.setting("GOARCH") for each in found] == ["amd64", "arm64"]
    if not fat64:
        same_as_go_version(toolchain, both, look(both, 0)[1])


def test_packages_of_the_standard_library(toolchain: Toolchain, go_module: Path) -> None:
    def exported(package: str) -> GoArchive:
        command = ("list", "-export", "-f", "{{.Export}}", package)
        path = Path(toolchain.go(go_module, *command, cgo=True).stdout.strip())
        found = archive_at(path)
        assert found is not None
        assert all(each.facts == () for each in found.objects)
        assert found.objects[0].goos == "darwin"
        return found

    runtime_cgo = exported("runtime/cgo")
    assert runtime_cgo.uses_cgo
    assert runtime_cgo.c_members[0] == "_x001.o"
    assert {each.loads for each in runtime_cgo.directives if isinstance(each, ImportDynamic)} == {None, LIBSYSTEM}
    assert ImportStatic("x_cgo_init") in runtime_cgo.directives
    system = exported("syscall")
    assert not system.uses_cgo
    assert {each.loads for each in system.directives if isinstance(each, ImportDynamic)} == {LIBSYSTEM}


def finding(path: str, directories: Sequence[str], kind: str) -> Found | None:
    for candidate in search_paths(kind, path, directories):
        file = Path(candidate)
        if file.suffix == ".dylib" and file.exists():
            return candidate, opened(file.read_bytes())[0].install_name
    return None


@pytest.mark.parametrize("rpath", ["/opt/greet/lib", "@loader_path/../lib"])
def test_the_link_of_a_program_is_predicted_from_its_package(
    toolchain: Toolchain, go_module: Path, tmp_path: Path, rpath: str
) -> None:
    package = build_cgo(toolchain, go_module, tmp_path / "greet.a", rpaths=(rpath,), package="./greet", flags=())
    program, _ = look(build_cgo(toolchain, go_module, tmp_path / "hello", rpaths=(rpath,)))
    archive = archive_at(package)
    assert archive is not None
    # cmd/go does not trust the second run path: no dylib is recorded and the flags have to do.
    assert archive.imports_unknown is rpath.startswith("@")
    link = predict_link(archive.directives, lambda kind, name, where: finding(name, where, kind))
    assert link.from_imports is not archive.imports_unknown
    assert {each.name for each in link.loads} | {LIBSYSTEM} == set(names(program))
    assert list(link.run_paths) == [each.path for each in program.run_paths]
    assert link.unresolved == ()


def test_cmd_go_refuses_the_flags_that_are_said_to_be_refused(toolchain: Toolchain, tmp_path: Path) -> None:
    (tmp_path / "go.mod").write_text("module example.org/flags\n\ngo 1.21\n")
    tried = {}
    for index, words in enumerate((*ALLOWED, *REFUSED)):
        if words.startswith("@"):
            continue  # a response file is refused before the flags are looked at
        folder = tmp_path / f"p{index}"
        folder.mkdir()
        (folder / "p.go").write_text(f'package p\n\n// #cgo LDFLAGS: {words}\nimport "C"\n')
        done = toolchain.go(tmp_path, "build", "-n", f"./p{index}", cgo=True, check=False)
        message = re.search(r"invalid flag in #cgo LDFLAGS: .*", done.stderr)
        tried[words] = message.group() if message else None
    stated = {words: next((each.message for each in refused_ldflags(words.split())), None) for words in tried}
    assert stated == tried


WHERE_GO = """package main

import (
\t"encoding/json"
\t"fmt"
\t"os"
)

func main() {
\texecutable, _ := os.Executable()
\tcwd, _ := os.Getwd()
\tout, _ := json.Marshal([]string{executable, cwd, os.Getenv("PWD"), os.Getenv("DYLD_LIBRARY_PATH")})
\tfmt.Println("WHERE" + string(out))
}
"""
WHERE_TEST_GO = """package where

import "testing"

func TestWhere(t *testing.T) { report() }
"""


def where(output: str) -> list[str]:
    found: list[str] = json.loads(output.partition("WHERE")[2].splitlines()[0])
    return found


def like(template: str) -> str:
    """The pattern real paths of a template have: build directories and hashes are numbered anew each time."""
    pattern = re.escape(shown(template))
    pattern = pattern.replace(re.escape("$WORK"), r".*/go-build\d+").replace("b001", r"b\d{3}")
    return pattern.replace(re.escape("$GOCACHE/xx/<hash>"), r".*/gocache/[0-9a-f]{2}/[0-9a-f]{64}")


def test_go_run_and_go_test_start_programs_where_the_contexts_say(toolchain: Toolchain, tmp_path: Path) -> None:
    module, elsewhere = tmp_path / "module", tmp_path / "elsewhere"
    for folder in (module / "cmd" / "hello", module / "where", elsewhere):
        folder.mkdir(parents=True)
    # The path of the module makes the program new to the build cache.
    (module / "go.mod").write_text(f"module example.org/m{tmp_path.name.encode().hex()}\n\ngo 1.24\n")
    (module / "cmd" / "hello" / "main.go").write_text(
        f"{WHERE_GO}\n// {tmp_path}\nvar _ = {json.dumps(str(tmp_path))}\n"
    )
    library = WHERE_GO.replace("package main", "package where").replace("func main()", "func report()")
    (module / "where" / "where.go").write_text(library)
    (module / "where" / "where_test.go").write_text(WHERE_TEST_GO)
    program = Program(
        name="hello",
        executable=TargetPath(str(module / "hello")),
        cwd=TargetPath(str(module)),
        package_directory=TargetPath(str(module / "where")),
        package_name="where",
    )
    extra = {"DYLD_LIBRARY_PATH": "/x", "PWD": str(module)}
    commands = {
        "go-run": ("run", "./cmd/hello"),
        "go-run-cached": ("run", "./cmd/hello"),
        "go-test": ("test", "-v", "-count=1", "./where"),
    }
    for name, command in commands.items():
        stated = context(name, program)
        executable, cwd, pwd, dyld = where(toolchain.go(module, *command, arch=None, extra=extra).stdout)
        assert re.fullmatch(like(stated.executable), executable), name
        assert cwd == stated.cwd
        # No program of macOS stands between here: go itself passes DYLD_ variables on.
        assert {"PWD": pwd, "DYLD_LIBRARY_PATH": dyld} == stated.environment(extra)[0]
        assert context_of_path(executable) == name

    toolchain.go(module, "test", "-c", "./where", arch=None)
    stated = context("go-test-c", program)
    assert Path(stated.executable).exists()
