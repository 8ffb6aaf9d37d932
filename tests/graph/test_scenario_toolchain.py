"""The matrix and the predictions on darwin binaries that Go and zig make here; every expectation is written out."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

import machochain
from machochain.golang.contexts import GO_CONTEXTS
from machochain.graph.scenario.values import Matrix, Reason, Verdict
from machochain.model.prediction import Prediction
from machochain.model.result import Result
from machochain.world.placement import World
from tests.graph.test_scenario import ABSENT, FOUND, MISSING, ONLY_IN_PLACE, UNKNOWN, row, words
from tests.toolchain import Toolchain, build_cgo, build_pure, greet_library, lipo

pytestmark = pytest.mark.toolchain

GREET: Final = "@rpath/libgreet.1.dylib"
LIBSYSTEM: Final = "/usr/lib/libSystem.B.dylib"
EVERYWHERE: Final = dict.fromkeys(GO_CONTEXTS, FOUND)
NOWHERE: Final = dict.fromkeys(GO_CONTEXTS, MISSING)


class Mac:
    """A folder that is ``/`` of a Mac: programs in /src/bin, the library in /src/lib and /opt/greet/lib."""

    def __init__(self, root: Path, dylib: Path) -> None:
        self.root = root
        for place in ("src/lib", "opt/greet/lib", "src/greet", "src/bin"):
            (root / place).mkdir(parents=True)
        shutil.copy(dylib, root / "src/lib/libgreet.1.dylib")
        shutil.copy(dylib, root / "opt/greet/lib/libgreet.1.dylib")

    @property
    def program(self) -> Path:
        return self.root / "src" / "bin" / "hello"

    @property
    def world(self) -> World:
        return World(root=self.root)


@pytest.fixture
def mac(toolchain: Toolchain, go_module: Path, tmp_path: Path) -> Mac:
    return Mac(tmp_path / "mac", greet_library(toolchain, go_module, install_name=GREET))


def matrix(mac: Mac, program: Path, *contexts: str, cwd: str = "/src", **environment: str) -> Matrix:
    (found,) = machochain.scenarios(
        program,
        contexts=contexts or ("go",),
        package_directory="/src/greet",
        target=machochain.Target(cwd=cwd, environment=environment),
        world=mac.world,
    )
    return found


def same_flags(found: dict[str, str | None]) -> dict[str, str | None]:
    """Take the columns of a build with the flags that were recorded, where they are told from a plain build's."""
    return {name: found.get(f"{name}+flags", word) for name, word in found.items() if not name.endswith("+flags")}


@pytest.mark.parametrize(
    ("rpaths", "expected", "reasons"),
    [
        ((), NOWHERE, (Reason.NO_RUN_PATH,)),
        (("@loader_path/../lib",), ONLY_IN_PLACE, (Reason.EXECUTABLE_RELATIVE,)),
        (("@executable_path/../lib",), ONLY_IN_PLACE, (Reason.EXECUTABLE_RELATIVE,)),
        (("/opt/greet/lib",), EVERYWHERE, ()),
        (("/gone/lib", "/opt/greet/lib"), EVERYWHERE, ()),
    ],
)
def test_five_forms_of_run_path(
    toolchain: Toolchain, go_module: Path, mac: Mac, rpaths: Sequence[str], expected: dict[str, str],
    reasons: tuple[Reason, ...],
) -> None:  # fmt: skip
    build_cgo(toolchain, go_module, mac.program, rpaths=rpaths)
    found = matrix(mac, mac.program)

    told = words(found, GREET)
    assert same_flags(told) == expected
    # Without the sources nobody knows that a plain build has the run paths, too.
    plain = {name: word for name, word in told.items() if f"{name}+flags" in told}
    assert set(plain.values()) <= {MISSING}
    assert bool(plain) is bool(rpaths)
    assert set(reasons) <= set(row(found, GREET).reasons)
    assert {r.verdict for r in found.rows if r.system} == {Verdict.STABLE}
    assert found.go is not None
    assert found.go.cgo is True
    assert found.program.name == "hello"
    launches = {c.context.id: c.result.launches for c in found.columns}
    assert all(launches[name] is (word == FOUND) for name, word in told.items() if word in {FOUND, MISSING})


def test_an_intel_slice_answers_like_the_other(toolchain: Toolchain, go_module: Path, mac: Mac, tmp_path: Path) -> None:
    thin = [
        build_cgo(toolchain, go_module, tmp_path / arch, rpaths=("@loader_path/../lib",), arch=arch)
        for arch in ("arm64", "amd64")
    ]
    lipo(mac.program, *thin)
    both = [greet_library(toolchain, go_module, install_name=GREET, arch=arch) for arch in ("arm64", "amd64")]
    lipo(mac.root / "src/lib/libgreet.1.dylib", *both)
    found = machochain.scenarios(mac.program, contexts="go", world=mac.world)

    assert sorted(m.arch for m in found) == ["arm64", "x86_64"]
    assert [{n: w for n, w in words(m, GREET).items() if w == FOUND} for m in found] == [{"in-place": FOUND}] * 2


def test_a_library_with_a_leaf_name_depends_on_the_working_directory(
    toolchain: Toolchain, go_module: Path, mac: Mac
) -> None:
    build_cgo(toolchain, go_module, mac.program, install_name="libgreet.1.dylib")
    found = matrix(mac, mac.program, cwd="/src/lib")

    assert words(found, "libgreet.1.dylib") == EVERYWHERE | {"go-test": MISSING}
    assert row(found, "libgreet.1.dylib").reasons == (Reason.CWD_RELATIVE,)


def test_a_weak_library(toolchain: Toolchain, go_module: Path, mac: Mac) -> None:
    folder = greet_library(toolchain, go_module, install_name=GREET).parent
    toolchain.go(
        go_module, "build", "-o", str(mac.program), "-ldflags=-s -w", "./cmd/hello", cgo=True,
        extra={"CGO_LDFLAGS": f"-L{folder} -weak-lgreet.1 -Wl,-rpath,@loader_path/../lib"},
    )  # fmt: skip
    found = matrix(mac, mac.program)

    told = words(found, GREET)
    assert told == dict.fromkeys(told, ABSENT) | {"in-place": FOUND, "go-install+flags": UNKNOWN}
    assert found.launches is None  # where go install puts it with those flags is not known


def test_a_missing_library_with_an_absolute_name(toolchain: Toolchain, go_module: Path, mac: Mac) -> None:
    name = "/opt/homebrew/opt/greet/lib/libgreet.1.dylib"
    build_cgo(toolchain, go_module, mac.program, install_name=name)
    found = matrix(mac, mac.program)

    assert words(found, name) == NOWHERE
    assert row(found, name).reasons == (Reason.ABSOLUTE_PREFIX,)
    with_variable = matrix(mac, mac.program, DYLD_LIBRARY_PATH="/src/lib")
    officials = ("go-official", "go-run-cached-official", "go-test-official")
    assert words(with_variable, name) == EVERYWHERE | dict.fromkeys(officials, MISSING)
    assert row(with_variable, name).reasons == (Reason.ENVIRONMENT,)


def test_a_test_binary(toolchain: Toolchain, go_module: Path, mac: Mac) -> None:
    binary = mac.root / "src" / "bin" / "greet.test"
    build_cgo(toolchain, go_module, binary, rpaths=("@loader_path/../lib",), command=("test", "-c"), package="./greet")
    found = matrix(mac, binary, "in-place", "go-test", "go-test-c")

    assert found.program.name == "greet"
    assert words(found, GREET) == {"in-place": FOUND, "go-test": MISSING, "go-test-c": MISSING}
    (built,) = [c for c in found.columns if c.context.id == "go-test-c"]
    assert built.result.images[0].path == "/src/greet.test"


def test_a_program_without_cgo_is_the_same_everywhere(toolchain: Toolchain, go_module: Path, mac: Mac) -> None:
    build_pure(toolchain, go_module, mac.program, program="pure")
    found = matrix(mac, mac.program, "all")

    assert {r.verdict for r in found.rows} == {Verdict.STABLE}
    assert found.launches is True
    assert found.advice == ()


# -- predictions --


def resolve(mac: Mac, path: Path, *, sdk: Path | None = None) -> tuple[Result, Prediction]:
    report = machochain.resolve(path, world=World(root=mac.root, sdks=[sdk] if sdk is not None else []))
    assert not report.errors
    (result,) = report.results
    assert result.prediction is not None
    return result, result.prediction


def loads(result: Result) -> dict[str, str | None]:
    return {x.dylib.name: None if x.to is None else result.images[x.to].path for x in result.loads if x.source == 0}


@pytest.mark.parametrize(
    ("rpath", "place"), [("/opt/greet/lib", "/opt/greet/lib"), ("@loader_path/../lib", "/src/bin/../lib")]
)
def test_a_package_says_what_its_program_will_load(
    toolchain: Toolchain, go_module: Path, mac: Mac, rpath: str, place: str
) -> None:
    archive = mac.root / "src" / "bin" / "greet.a"
    build_cgo(toolchain, go_module, archive, rpaths=(rpath,), package="./greet", flags=())
    build_cgo(toolchain, go_module, mac.program, rpaths=(rpath,))
    # Where no install name is recorded, the flags' folders have to be on the modelled Mac.
    folder = greet_library(toolchain, go_module, install_name=GREET).parent
    report = machochain.resolve(archive, world=World(root=mac.root, maps={str(folder): folder}))
    (result,) = report.results
    (linked,) = machochain.resolve(mac.program, world=mac.world).results

    assert result.prediction is not None
    assert result.prediction.from_imports is rpath.startswith("/")
    assert {x.dylib.name for x in result.loads if x.source == 0} == {GREET, LIBSYSTEM}
    found = next(x.found for x in result.loads if x.dylib.name == GREET)
    assert found is not None
    assert found.path == f"{place}/libgreet.1.dylib"
    # The program, once it is linked, loads the same files.
    assert sorted(i.path for i in result.images[1:]) == sorted(i.path for i in linked.images[1:])
    # What is linked into the program beside it nobody knows: no archive launches.
    assert result.launches is None
    assert linked.launches is True


def test_a_c_archive_has_lost_its_flags_and_is_told_them(toolchain: Toolchain, go_module: Path, mac: Mac) -> None:
    archive = mac.root / "src" / "bin" / "libhello.a"
    build_cgo(toolchain, go_module, archive, package="./cmd/library", flags=("-buildmode=c-archive",))
    result, prediction = resolve(mac, archive)

    assert (prediction.kind, prediction.go_version) == ("c-archive", "go1.27.3")
    # What is left of -lgreet.1 is the symbol; the rest is in libSystem.
    assert prediction.unprovided == ("_greet_add",)
    assert prediction.flags == ()
    assert result.launches is None
    newest = {name for name, minos in prediction.members if str(minos) == "13.0"}
    assert newest == {"go.o"}


NET_GO: Final = """package main

import "C"
import "net"
import "net/http"

//export Fetch
func Fetch() C.int { _, err := http.Get("https://example.org/"); if err != nil { return 1 }; return 0 }

//export Name
func Name() C.int { _, err := net.LookupCNAME("example.org"); if err != nil { return 1 }; return 0 }

func main() {}
"""


@pytest.mark.parametrize("with_sdk", [False, True])
def test_a_c_archive_over_net_http_needs_the_resolver_and_the_keychain(
    toolchain: Toolchain, tmp_path: Path, mac: Mac, with_sdk: bool
) -> None:
    module = tmp_path / "net"
    module.mkdir()
    (module / "go.mod").write_text("module example.org/net\n\ngo 1.21\n")
    (module / "main.go").write_text(NET_GO)
    archive = mac.root / "src" / "libnet.a"
    toolchain.go(module, "build", "-buildmode=c-archive", "-o", str(archive), ".", cgo=True)
    result, prediction = resolve(mac, archive, sdk=toolchain.stubs if with_sdk else None)

    # Only what is not dead code is asked for: http.Get alone would do without libresolv.
    assert prediction.flags == ("-lresolv", "-framework CoreFoundation", "-framework Security")
    assert prediction.unprovided == ()
    assert result.launches is None


@pytest.mark.parametrize("named", [False, True])
def test_a_c_shared_library_is_told_that_its_id_is_relative(
    toolchain: Toolchain, go_module: Path, mac: Mac, named: bool
) -> None:
    extra = " -extldflags=-Wl,-install_name,@rpath/libhello.dylib" if named else ""
    # The -o argument as it is written becomes the id.
    relative = build_cgo(
        toolchain, go_module, Path("libhello.dylib"), package="./cmd/library", rpaths=("/opt/greet/lib",),
        flags=("-buildmode=c-shared", f"-ldflags=-s -w{extra}"),
    )  # fmt: skip
    library = mac.root / "src" / "bin" / "libhello.dylib"
    shutil.move(go_module / relative, library)
    (result,) = machochain.resolve(library, world=mac.world).results

    assert [(f.rule, f.subject) for f in result.findings if f.rule == "MC602"] == (
        [] if named else [("MC602", "libhello.dylib")]
    )
    assert result.launches is True


@pytest.mark.parametrize(
    ("package", "cgo", "expected"),
    [
        ("runtime/cgo", True, {LIBSYSTEM}),
        ("syscall", False, {LIBSYSTEM}),
        ("internal/syscall/unix", False, {LIBSYSTEM, "/usr/lib/libresolv.9.dylib"}),
        (
            "crypto/x509/internal/macos",
            False,
            {
                LIBSYSTEM,
                "/System/Library/Frameworks/CoreFoundation.framework/Versions/A/CoreFoundation",
                "/System/Library/Frameworks/Security.framework/Versions/A/Security",
            },
        ),
    ],
)
def test_packages_of_the_standard_library(
    toolchain: Toolchain, go_module: Path, mac: Mac, package: str, cgo: bool, expected: set[str]
) -> None:
    listed = toolchain.go(go_module, "list", "-export", "-f", "{{.Export}}", package, cgo=cgo)
    archive = mac.root / "src" / "export.a"
    shutil.copy(listed.stdout.strip(), archive)
    result, prediction = resolve(mac, archive)

    assert set(loads(result)) == expected
    assert result.launches is None
    assert prediction.facts == ()


def test_go_findings_on_real_programs(toolchain: Toolchain, go_module: Path, mac: Mac) -> None:
    def rules(program: Path) -> set[str]:
        (result,) = machochain.resolve(program, world=mac.world).results
        return {f.rule for f in result.findings if f.rule.startswith("MC6")}

    build_cgo(toolchain, go_module, mac.program, rpaths=("/opt/greet/lib",))
    assert rules(mac.program) == {"MC606"}
    flags = ("-trimpath", "-ldflags=-s -w")
    build_cgo(toolchain, go_module, mac.program, rpaths=("/opt/greet/lib",), flags=flags)
    assert rules(mac.program) == {"MC606", "MC607"}
    build_pure(toolchain, go_module, mac.program)
    assert rules(mac.program) == set()
