"""``scenario --source``: directories, run paths and tests come from the packages themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

import machochain
from machochain.graph.scenario.values import Cell, Matrix, shown_text
from machochain.model.errors import UsageError
from machochain.model.result import Outcome
from machochain.world.placement import World
from tests.factory import MachO, Section
from tests.golang.test_buildinfo import inline
from tests.source.modules import GO_MOD, cgo, dylib, write

GREET = "@rpath/libgreet.dylib"
BUILD = "path\texample.org/m\nmod\texample.org/m\t(devel)\t\nbuild\tCGO_ENABLED=1\n"
LINK = "#cgo LDFLAGS: -L/opt/greet/lib -lgreet"
RPATH = "#cgo LDFLAGS: -Wl,-rpath,/opt/greet/lib"
MAIN = 'package main\n\n{comment}import "C"\n\nimport _ "example.org/m/q"\n\nfunc main() {{}}\n'


def main_file(*lines: str) -> str:
    return MAIN.format(comment="".join(f"// {line}\n" for line in lines))


def scenario(
    tmp_path: Path, files: dict[str, str], *, build: str = BUILD, rpaths: tuple[str, ...] = (), **more: str
) -> Matrix:
    root = write(tmp_path / "mac", {"opt/greet/lib/libgreet.dylib": dylib(GREET)})
    module = write(root / "src", {"go.mod": GO_MOD, **files})
    section = Section("__DATA", "__go_buildinfo", inline(b"go1.27.3", build), align=4)
    binary = MachO(loads=[GREET], rpaths=rpaths, signed=True, sections=[section]).bytes()
    write(root, {"src/bin/m": binary})
    target = machochain.Target(cwd=more.pop("cwd", "/src"))
    (found,) = machochain.scenarios(
        root / "src" / "bin" / "m", source=module, target=target, world=World(root=root), contexts=["go"], **more
    )
    return found


def word(cell: Cell) -> str:
    if cell.load is None:
        return "unasked"
    return "found" if cell.found else {Outcome.UNKNOWN: "unknown"}.get(cell.load.outcome, "missing")


def words(found: Matrix) -> dict[str, str]:
    (row,) = [r for r in found.rows if r.name == GREET]
    return {c.context.id: word(cell) for c, cell in zip(found.columns, row.cells, strict=True)}


def test_a_run_path_of_the_main_package_does_not_reach_tests_of_another(tmp_path: Path) -> None:
    files = {"main.go": main_file(RPATH), "q/q.go": cgo(LINK, package="q"), "q/q_test.go": "package q\n"}
    found = scenario(tmp_path, files, rpaths=("/opt/greet/lib",))

    assert words(found)["go-run"] == "found"
    assert words(found)["go-test:./q"] == "missing"
    (column,) = [c for c in found.columns if c.context.id == "go-test:./q"]
    assert (column.cwd, column.result.images[0].path.rsplit("/", 1)[1]) == ("/src/q", "q.test")
    assert "no LC_RPATH's found" in (column.result.message or "")


def test_a_run_path_of_the_package_that_links_reaches_its_tests(tmp_path: Path) -> None:
    files = {"main.go": main_file(), "q/q.go": cgo(LINK, RPATH, package="q"), "q/q_test.go": "package q\n"}
    found = scenario(tmp_path, files, rpaths=("/opt/greet/lib",))

    assert words(found)["go-test:./q"] == "found"
    (column,) = [c for c in found.columns if c.context.id == "go-test:./q"]
    assert column.result.launches is None, "nobody has linked the test binary"


def test_a_program_without_tests_has_no_test_columns(tmp_path: Path) -> None:
    found = scenario(
        tmp_path, {"main.go": main_file(RPATH), "q/q.go": cgo(LINK, package="q")}, rpaths=("/opt/greet/lib",)
    )

    assert not [c for c in found.columns if c.context.test]
    assert [s.context.id for s in found.skipped] == ["go-test", "go-test-c"]


def test_a_run_path_that_the_sources_give_too_holds_for_plain_builds(tmp_path: Path) -> None:
    build = BUILD + 'build\tCGO_LDFLAGS="-Wl,-rpath,/opt/greet/lib"\n'
    files = {"main.go": main_file(RPATH), "q/q.go": cgo(LINK, package="q")}

    given = scenario(tmp_path / "a", files, build=build, rpaths=("/opt/greet/lib",))
    assert words(given)["go-run"] == "found"
    only = {**files, "main.go": main_file()}
    found = scenario(tmp_path / "b", only, build=build, rpaths=("/opt/greet/lib",))
    assert (words(found)["go-run"], words(found)["go-run+flags"]) == ("missing", "found")


def test_directives_count_under_the_tags_the_program_was_built_with(tmp_path: Path) -> None:
    build = BUILD + 'build\t-tags=extra\nbuild\tCGO_LDFLAGS="-Wl,-rpath,/opt/greet/lib"\n'
    tagged = "//go:build extra\n\n" + cgo(RPATH, package="main")
    files = {"main.go": main_file(), "t.go": tagged, "q/q.go": cgo(LINK, package="q")}

    assert words(scenario(tmp_path, files, build=build, rpaths=("/opt/greet/lib",)))["go-run"] == "found"


def test_sources_of_another_module_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds module example.org/m, the program is of example.org/other"):
        scenario(
            tmp_path, {"main.go": main_file()}, build=BUILD.replace("mod\texample.org/m", "mod\texample.org/other")
        )


def around(tmp_path: Path, go_mod: str, *, cwd: str = "/src/q", path: str = "example.org/m/cmd/m") -> str:
    """Return where tests of a program are said to run that is started below a go.mod."""
    build = f"path\t{path}\nmod\texample.org/m\t(devel)\t\nbuild\tCGO_ENABLED=1\n"
    section = Section("__DATA", "__go_buildinfo", inline(b"go1.27.3", build), align=4)
    binary = MachO(loads=["lib/libgreet.dylib"], signed=True, sections=[section]).bytes()
    root = write(tmp_path / "mac", {"src/go.mod": go_mod, "src/bin/m": binary, "src/cmd/m/x": "", "src/q/x": ""})
    (found,) = machochain.scenarios(
        root / "src" / "bin" / "m", target=machochain.Target(cwd=cwd), world=World(root=root), contexts=["go-test"]
    )
    return found.columns[0].cwd


def test_a_go_mod_around_the_working_directory_tells_where_tests_run(tmp_path: Path) -> None:
    assert around(tmp_path / "a", GO_MOD) == "/src/cmd/m"
    assert around(tmp_path / "b", GO_MOD, path="example.org/m") == "/src"
    assert around(tmp_path / "c", GO_MOD, path="example.org/m/q.test") == "/src/q"


@pytest.mark.parametrize(
    ("go_mod", "cwd", "path"),
    [
        (GO_MOD.replace("example.org/m", "example.org/other"), "/src/q", "example.org/m"),
        (GO_MOD, "/elsewhere", "example.org/m"),
        (GO_MOD, "/", "example.org/m"),
        (GO_MOD, "/src/q", "command-line-arguments"),
        (GO_MOD, "/src/q", "example.org/m2"),
    ],
)
def test_a_go_mod_of_another_module_or_nowhere_tells_nothing(tmp_path: Path, go_mod: str, cwd: str, path: str) -> None:
    assert shown_text(around(tmp_path, go_mod, cwd=cwd, path=path)) == "$PACKAGE"
