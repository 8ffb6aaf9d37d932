"""One program in many launch contexts: what the matrix must say, stated cell by cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

import machochain
from machochain.golang.contexts import GO_CONTEXTS
from machochain.graph.scenario.run import read_go_command
from machochain.graph.scenario.values import Cell, LibraryRow, Matrix, Reason, Verdict, shown_text
from machochain.model.errors import InputError, UsageError
from machochain.model.image import FileType
from machochain.model.result import Outcome
from machochain.world.placement import World
from tests.factory import Load, MachO, Section, fat, load
from tests.golang.test_buildinfo import inline

PLACE = "/src/bin/hello"
GREET = "@rpath/libgreet.dylib"
BUILD = "path\texample.org/hello\nbuild\tCGO_ENABLED=1\n"
HARDENED = 0x10000
FOUND, MISSING, ABSENT, UNKNOWN = "found", "missing", "absent", "unknown"
ALLOW_DYLD = b"""<?xml version="1.0" encoding="UTF-8"?><plist version="1.0"><dict>
<key>com.apple.security.cs.allow-dyld-environment-variables</key><true/></dict></plist>"""


def program(*loads: Load | str, version: str | None = "go1.27.3", build: str = BUILD, **more: Any) -> bytes:
    sections = []
    if version is not None:
        sections = [Section("__DATA", "__go_buildinfo", inline(version.encode(), build), align=4)]
    return MachO(file_type=FileType.MH_EXECUTE, loads=loads, signed=True, sections=sections, **more).bytes()


def library(name: str = GREET) -> bytes:
    return MachO(install_name=name, signed=True).bytes()


LIBRARIES = {"/src/lib/libgreet.dylib": library(), "/opt/greet/lib/libgreet.dylib": library()}


def matrices(
    root: Path,
    binary: bytes,
    *contexts: str,
    tree: Mapping[str, bytes] | None = None,
    package_directory: str | None = "/src/greet",
    go: Path | None = None,
    unseen: Sequence[str] = (),
    **target: Any,
) -> tuple[Matrix, ...]:
    for place, data in {PLACE: binary, **(LIBRARIES if tree is None else tree)}.items():
        file = root / place[1:]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    return machochain.scenarios(
        root / PLACE[1:],
        contexts=contexts,
        package_directory=package_directory,
        go=go,
        target=machochain.Target(**{"cwd": "/src", **target}),
        world=World(root=root, unseen=unseen),
    )


def matrix(root: Path, binary: bytes, *contexts: str, **more: Any) -> Matrix:
    (found,) = matrices(root, binary, *contexts, **more)
    return found


def row(found: Matrix, name: str = GREET) -> LibraryRow:
    return next(r for r in found.rows if r.name == name)


def word(cell: Cell) -> str | None:
    if cell.load is None or cell.found:
        return FOUND if cell.found else None
    return {Outcome.WEAK_MISSING: ABSENT, Outcome.UNKNOWN: UNKNOWN}.get(cell.load.outcome, MISSING)


def words(found: Matrix, name: str = GREET) -> dict[str, str | None]:
    return {c.context.id: word(cell) for c, cell in zip(found.columns, row(found, name).cells, strict=True)}


ONLY_IN_PLACE = dict.fromkeys(GO_CONTEXTS, MISSING) | {"in-place": FOUND, "go-install": UNKNOWN}


@pytest.mark.parametrize("run_path", ["@loader_path/../lib", "@executable_path/../lib"])
def test_a_run_path_from_the_executable_holds_in_place_only(tmp_path: Path, run_path: str) -> None:
    found = matrix(tmp_path, program(GREET, rpaths=[run_path]), "go")

    assert words(found) == ONLY_IN_PLACE
    assert (row(found).verdict, row(found).reasons) == (Verdict.DIFFERS, (Reason.EXECUTABLE_RELATIVE,))
    assert {c.context.id for c, cell in zip(found.columns, row(found).cells, strict=True) if cell.certain_by_place} == {
        "go-run", "go-run-cached", "go-test", "go-official",
    }  # fmt: skip
    assert 'CGO_LDFLAGS="$CGO_LDFLAGS -Wl,-rpath,/src/lib" go run .   (go test ./... likewise)' in row(found).remedy
    assert found.launches is False
    assert not found.launches_nowhere


def test_an_absolute_run_path_holds_everywhere(tmp_path: Path) -> None:
    found = matrix(tmp_path, program(GREET, rpaths=["/opt/greet/lib"]), "all")

    assert set(words(found).values()) == {FOUND}
    assert (row(found).verdict, row(found).reasons, row(found).remedy) == (Verdict.STABLE, (), ())
    assert found.launches is True


def test_of_two_run_paths_the_one_that_holds_counts_and_the_files_differ(tmp_path: Path) -> None:
    found = matrix(tmp_path, program(GREET, rpaths=["@loader_path/../lib", "/opt/greet/lib"]), "in-place", "go-run")

    assert words(found) == {"in-place": FOUND, "go-run": FOUND}
    assert row(found).verdict is Verdict.DIFFERS
    assert [c.image and c.image.path for c in row(found).cells] == [
        "/src/lib/libgreet.dylib",
        "/opt/greet/lib/libgreet.dylib",
    ]


def test_no_run_path_is_broken_everywhere(tmp_path: Path) -> None:
    found = matrix(tmp_path, program(GREET), "go")

    assert set(words(found).values()) == {MISSING}
    assert (row(found).verdict, row(found).reasons) == (Verdict.BROKEN, (Reason.NO_RUN_PATH,))
    assert found.launches_nowhere


def test_a_run_path_that_nothing_lies_behind_is_broken_for_what_it_depends_on(tmp_path: Path) -> None:
    found = matrix(tmp_path, program(GREET, rpaths=["/gone/lib"]), "in-place", "go-run")

    assert (row(found).verdict, row(found).reasons) == (Verdict.BROKEN, (Reason.ABSOLUTE_PREFIX,))
    assert row(found).remedy == ("install the library at /gone/lib/libgreet.dylib",)


def test_a_leaf_name_is_looked_for_in_the_working_directory(tmp_path: Path) -> None:
    binary = program("libgreet.dylib")
    found = matrix(tmp_path, binary, "go", cwd="/src/lib")

    assert words(found, "libgreet.dylib") == dict.fromkeys(GO_CONTEXTS, FOUND) | {"go-test": MISSING}
    assert row(found, "libgreet.dylib").reasons == (Reason.CWD_RELATIVE,)
    (column,) = [c for c in found.columns if c.context.id == "go-test"]
    assert column.cwd == "/src/greet"


def test_a_weak_library_may_be_absent_where_the_program_was_moved(tmp_path: Path) -> None:
    found = matrix(tmp_path, program(load(GREET, weak=True), rpaths=["@loader_path/../lib"]), "in-place", "go-run")

    assert words(found) == {"in-place": FOUND, "go-run": ABSENT}
    assert row(found).weak
    assert row(found).verdict is Verdict.DIFFERS
    assert found.launches is True


def test_a_variable_is_lost_behind_hardened_and_protected_programs(tmp_path: Path) -> None:
    environment = {"DYLD_LIBRARY_PATH": "/src/lib"}
    binary = program("/opt/gone/libgreet.dylib")
    found = matrix(tmp_path, binary, "in-place", "go-run", "go-official", "sip-shell", environment=environment)

    name = "/opt/gone/libgreet.dylib"
    assert words(found, name) == {"in-place": FOUND, "go-run": FOUND, "go-official": MISSING, "sip-shell": MISSING}
    assert row(found, name).reasons == (Reason.ENVIRONMENT,)
    assert [c.lost for c in found.columns] == [(), (), ("DYLD_LIBRARY_PATH",), ("DYLD_LIBRARY_PATH",)]
    assert "go run -exec 'env DYLD_LIBRARY_PATH=/src/lib' .   (go test -exec likewise)" in row(found, name).remedy


def test_a_hardened_process_sees_the_variable_and_may_not_use_it(tmp_path: Path) -> None:
    environment = {"DYLD_LIBRARY_PATH": "/src/lib"}
    found = matrix(tmp_path, program("/gone/libgreet.dylib"), "in-place", "hardened", environment=environment)

    assert words(found, "/gone/libgreet.dylib") == {"in-place": FOUND, "hardened": MISSING}
    assert Reason.POLICY in row(found, "/gone/libgreet.dylib").reasons


def test_a_variable_that_decides_nothing_is_no_reason(tmp_path: Path) -> None:
    found = matrix(
        tmp_path, program(GREET, rpaths=["@loader_path/../lib"]), "in-place", "go-official",
        environment={"DYLD_LIBRARY_PATH": "/nothing"},
    )  # fmt: skip

    assert row(found).reasons == (Reason.EXECUTABLE_RELATIVE,)


def test_only_the_executable_moves(tmp_path: Path) -> None:
    tree = {"/src/bin/libgreet.dylib": library()}
    found = matrix(tmp_path, program(GREET, rpaths=["@loader_path"]), "in-place", "go-test-c", "go-test", tree=tree)

    assert words(found) == {"in-place": FOUND, "go-test-c": MISSING, "go-test": MISSING}


def test_what_lies_around_gos_directories_is_unknown(tmp_path: Path) -> None:
    found = matrix(tmp_path, program(GREET, rpaths=["@loader_path/../../../lib"]), "go-run", "go-run-cached", "go-test")

    # Out of $WORK and of $GOCACHE: whatever $TMPDIR and the cache folder hold.
    assert words(found) == {"go-run": UNKNOWN, "go-run-cached": UNKNOWN, "go-test": UNKNOWN}
    assert row(found).verdict is Verdict.UNKNOWN
    assert found.launches is None


def test_an_unseen_folder_makes_one_column_unknown_and_not_the_others(tmp_path: Path) -> None:
    found = matrix(
        tmp_path, program(GREET, rpaths=["@loader_path/../lib"]), "in-place", "go-run", "install:/usr/local",
        unseen=("/usr/local",),
    )  # fmt: skip

    assert words(found) == {"in-place": FOUND, "go-run": MISSING, "install:/usr/local": UNKNOWN}
    assert row(found).verdict is Verdict.DIFFERS


def test_an_installed_program_is_told_where_its_library_belongs(tmp_path: Path) -> None:
    found = matrix(tmp_path, program(GREET, rpaths=["@loader_path/../lib"], version=None), "in-place", "install:/pre")

    assert "installed in /pre: put the library at /pre/lib/libgreet.dylib" in row(found).remedy
    assert not any("CGO" in step for step in row(found).remedy)


def test_an_old_go_does_not_start_programs_from_its_cache(tmp_path: Path) -> None:
    found = matrix(tmp_path, program(GREET, version="go1.22.1"), "go")

    assert [s.context.id for s in found.skipped] == ["go-run-cached"]
    assert "go-run-cached" not in words(found)
    assert [a.remedy for a in found.advice] == [("go test -count=1 ./...",)]


def test_a_library_of_ones_own_may_be_stale_in_the_cache(tmp_path: Path) -> None:
    own = matrix(tmp_path, program(GREET, rpaths=["/opt/greet/lib"]), "go")
    none = matrix(tmp_path, program(), "go")
    other = matrix(tmp_path, program(GREET, version=None), "go")

    assert [a.remedy[0] for a in own.advice] == ["go run -a .", "go test -count=1 ./..."]
    assert {a.reason for a in own.advice} == {Reason.STALE_CACHE}
    assert none.advice == other.advice == ()


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("example.org/hello", "hello"),
        ("example.org/cmd/greet/v2", "greet"),
        ("example.org/v1", "v1"),
        ("example.org/greet.test", "greet"),
        ("command-line-arguments", "hello"),
    ],
)
def test_go_names_what_it_runs_after_the_package(tmp_path: Path, path: str, name: str) -> None:
    found = matrix(tmp_path, program(build=f"path\t{path}\n"), "go-run", "go-test", package_directory=None)

    assert [shown_text(c.result.images[0].path) for c in found.columns if not c.context.test] == (
        [] if path.endswith(".test") else [f"$WORK/b001/exe/{name}"]
    )
    assert shown_text(found.columns[-1].result.images[0].path) == f"$WORK/b001/{name}.test"


def test_the_default_contexts_are_those_that_fit_the_program(tmp_path: Path) -> None:
    assert tuple(words(matrix(tmp_path, program(GREET)))) == GO_CONTEXTS
    assert tuple(words(matrix(tmp_path, program(GREET, version=None)))) == (
        "in-place", "install:/usr/local", "app-bundle", "hardened", "sip-shell",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("signature", "drops"),
    [
        ({"cs_flags": HARDENED, "team_id": "EQHXZ8M8AV"}, True),
        ({"cs_flags": HARDENED, "entitlements": ALLOW_DYLD}, False),
        ({}, False),
    ],
)
def test_the_signature_of_the_go_command_decides_about_variables(
    tmp_path: Path, signature: dict[str, Any], drops: bool
) -> None:
    go = tmp_path / "go"
    go.write_bytes(MachO(file_type=FileType.MH_EXECUTE, signed=True, **signature).bytes())
    assert read_go_command(str(go)).drops_dyld is drops

    found = matrix(
        tmp_path, program("/gone/libgreet.dylib"), "in-place", "go-run", "go-test", go=go,
        environment={"DYLD_LIBRARY_PATH": "/src/lib"},
    )  # fmt: skip
    expected = MISSING if drops else FOUND
    assert words(found, "/gone/libgreet.dylib") == {"in-place": FOUND, "go-run": expected, "go-test": expected}


def test_a_go_command_for_another_system_tells_nothing(tmp_path: Path) -> None:
    (tmp_path / "go").write_bytes(b"\x7fELF" + bytes(60))
    with pytest.raises(InputError):
        read_go_command(str(tmp_path / "go"))
    (tmp_path / "go").write_bytes(library())
    with pytest.raises(InputError, match="no main executable"):
        read_go_command(str(tmp_path / "go"))


def test_a_context_of_ones_own(tmp_path: Path) -> None:
    spec = "CI:exe=/Users/runner/out/hello,cwd=/Users/runner,env=DYLD_LIBRARY_PATH=/opt/greet/lib"
    found = matrix(tmp_path, program(GREET, rpaths=["@loader_path/../lib"]), "in-place", spec)

    assert words(found) == {"in-place": FOUND, "CI": FOUND}
    assert [c.cwd for c in found.columns] == ["/src", "/Users/runner"]
    assert row(found).reasons[-1] is Reason.ENVIRONMENT


def test_each_release_is_a_column(tmp_path: Path) -> None:
    string_processing = "/usr/lib/swift/libswift_StringProcessing.dylib"
    found = matrix(tmp_path, program(string_processing), "in-place", "go-run", macos=("12", "14"))

    assert [(c.context.id, str(c.macos)) for c in found.columns] == [
        ("in-place", "12.0"), ("in-place", "14.0"), ("go-run", "12.0"), ("go-run", "14.0"),
    ]  # fmt: skip
    swift = row(found, string_processing)
    assert [c.found for c in swift.cells] == [False, True, False, True]
    assert swift.system
    assert swift.verdict in (Verdict.DIFFERS, Verdict.UNKNOWN)


def test_each_slice_has_a_matrix(tmp_path: Path) -> None:
    both = fat([program(GREET), program(GREET, arch="x86_64")])
    assert [m.arch for m in matrices(tmp_path, both, "in-place")] == ["arm64", "x86_64"]
    assert [m.arch for m in matrices(tmp_path, both, "in-place", arch="x86_64")] == ["x86_64"]


def test_a_library_is_not_started(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="MH_DYLIB is not started"):
        matrix(tmp_path, library(), "in-place")


def test_what_is_no_mach_o_file_cannot_be_looked_at(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        matrix(tmp_path, b"#!/bin/sh\n", "in-place")


def test_an_unknown_context_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no launch context 'go-walk'"):
        matrix(tmp_path, program(), "go-walk")


def test_made_up_directories_are_never_shown(tmp_path: Path) -> None:
    found = matrix(tmp_path, program(GREET, rpaths=["@loader_path/../lib"]), "go")
    shown = [shown_text(c.result.message or "") for c in found.columns]

    assert not any("go-build" in text for text in shown)
    assert any("$GOCACHE/xx/<hash>-d/" in text for text in shown)


# -- what nobody named is not known --

LEAF = "libgreet.dylib"


def test_tests_of_a_package_nobody_named_are_unknown_where_the_working_directory_counts(tmp_path: Path) -> None:
    found = matrix(tmp_path, program(LEAF), "go", cwd="/src/lib", package_directory=None)

    assert words(found, LEAF) == dict.fromkeys(GO_CONTEXTS, FOUND) | {"go-test": UNKNOWN}
    assert found.launches is None


def test_a_working_directory_nobody_named_makes_no_certainties(tmp_path: Path) -> None:
    found = matrix(tmp_path, program(LEAF), "in-place", "go-run", "go-test-c", cwd="/")

    assert set(words(found, LEAF).values()) == {UNKNOWN}
    assert {shown_text(c.cwd) for c in found.columns} == {"$PWD"}


@pytest.mark.parametrize(
    "setting",
    [
        "CGO_LDFLAGS=-L/opt/greet/lib -Wl,-rpath,/opt/greet/lib",
        "-ldflags=-s -extldflags=-Wl,-rpath,/opt/greet/lib",
        "-ldflags=-r /opt/greet/lib",
        "-ldflags=--extldflags '-O2 -Wl,-rpath,/opt/greet/lib'",
    ],
)
def test_a_run_path_that_only_flags_gave_does_not_hold_for_a_plain_build(tmp_path: Path, setting: str) -> None:
    key, _, value = setting.partition("=")
    build = BUILD + f'build\t{key}="{value}"\n'
    found = matrix(tmp_path, program(GREET, rpaths=["/opt/greet/lib"], build=build), "in-place", "go-run", "go-test")

    assert words(found) == {
        "in-place": FOUND, "go-run": MISSING, "go-run+flags": FOUND, "go-test": MISSING, "go-test+flags": FOUND,
    }  # fmt: skip
    assert Reason.LINK_FLAGS in row(found).reasons
    assert any("#cgo LDFLAGS: -Wl,-rpath,/opt/greet/lib" in step for step in row(found).remedy)


def test_a_run_path_of_the_sources_holds_whatever_flags_gave_another(tmp_path: Path) -> None:
    build = BUILD + "build\tCGO_LDFLAGS=-Wl,-rpath,/elsewhere\n"
    binary = program(GREET, rpaths=["/elsewhere", "/opt/greet/lib"], build=build)
    found = matrix(tmp_path, binary, "go-run")

    assert words(found) == {"go-run": FOUND}, "both say the same, so they are one column"


def test_remedies_keep_the_flags_the_program_was_built_with(tmp_path: Path) -> None:
    build = BUILD + 'build\tCGO_LDFLAGS="-L/src/lib -lgreet"\n'
    found = matrix(tmp_path, program(GREET, rpaths=["@loader_path/../lib"], build=build), "in-place", "go-run")

    assert (
        "CGO_LDFLAGS='-L/src/lib -lgreet -Wl,-rpath,/src/lib' go run .   (go test ./... likewise)" in row(found).remedy
    )


def test_variables_of_dyld_are_followed_through_both_kinds_of_go(tmp_path: Path) -> None:
    environment = {"DYLD_LIBRARY_PATH": "/opt/greet/lib"}
    found = matrix(tmp_path, program(GREET), "go-run", "go-run-cached", "go-test", environment=environment)

    assert words(found) == {
        "go-run": FOUND, "go-official": MISSING, "go-run-cached": FOUND, "go-run-cached-official": MISSING,
        "go-test": FOUND, "go-test-official": MISSING,
    }  # fmt: skip


def test_a_test_binary_is_not_started_by_go_run(tmp_path: Path) -> None:
    binary = program(GREET, rpaths=["/opt/greet/lib"], build="path\texample.org/greet.test\n")
    found = matrix(tmp_path, binary, "go")

    assert [c.context.id for c in found.columns] == ["in-place", "go-test", "go-test-c"]
    asked = matrix(tmp_path, binary, "go-test", "go-run", "go-install")
    assert [s.context.id for s in asked.skipped] == ["go-run", "go-install"]


def test_installed_debugged_and_ide_programs_have_places_of_their_own(tmp_path: Path) -> None:
    found = matrix(tmp_path, program(GREET, rpaths=["/opt/greet/lib"]), "go-install", "delve", "ide")

    assert [shown_text(c.result.images[0].path) for c in found.columns] == [
        "$GOBIN/hello", "/src/__debug_bin0", "$TMPDIR/GoLand/___1go_build_hello",
    ]  # fmt: skip
    assert set(words(found).values()) == {FOUND}


def test_a_load_path_that_names_its_place_needs_another_id_before_a_run_path_helps(tmp_path: Path) -> None:
    name = "@executable_path/../lib/libgreet.dylib"
    found = matrix(tmp_path, program(name), "in-place", "go-run")

    assert row(found, name).remedy[0].endswith("install_name_tool -id @rpath/libgreet.dylib /src/lib/libgreet.dylib")
