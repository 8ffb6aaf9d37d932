from __future__ import annotations

import pytest

from machochain.golang.contexts import ALL_CONTEXTS, GO_CONTEXTS, context, contexts, escapes, parse_context
from machochain.model.errors import UsageError
from machochain.model.launch import GOCACHE, PACKAGE, WORK, GoReleases, Program, closed_root, shown
from machochain.model.paths import TargetPath
from tests.golang.places import context_of_path

HELLO = Program(
    name="hello",
    executable=TargetPath("/src/app/hello"),
    cwd=TargetPath("/src/app"),
    package_directory=TargetPath("/src/app/greet"),
    package_name="greet",
)
DYLD = {"DYLD_LIBRARY_PATH": "/opt/lib", "HOME": "/Users/me"}


@pytest.mark.parametrize(
    ("name", "executable", "cwd"),
    [
        ("in-place", "/src/app/hello", "/src/app"),
        ("go-run", "$WORK/b001/exe/hello", "/src/app"),
        ("go-run-cached", "$GOCACHE/xx/<hash>-d/hello", "/src/app"),
        ("go-test", "$WORK/b001/greet.test", "/src/app/greet"),
        ("go-test-c", "/src/app/greet.test", "/src/app"),
        ("go-official", "$WORK/b001/exe/hello", "/src/app"),
        ("install:/usr/local", "/usr/local/bin/hello", None),
        ("install:/", "/bin/hello", None),
        ("app-bundle", "/Applications/hello.app/Contents/MacOS/hello", "/"),
        ("hardened", "/src/app/hello", "/src/app"),
        ("sip-shell", "/src/app/hello", "/src/app"),
    ],
)
def test_where_each_context_starts_the_program(name: str, executable: str, cwd: str | None) -> None:
    found = context(name, HELLO)
    assert (found.id, shown(found.executable), found.cwd) == (name, executable, cwd)


@pytest.mark.parametrize("name", ["install:", "install:usr", "go-fly", ""])
def test_there_are_no_other_contexts(name: str) -> None:
    with pytest.raises(UsageError):
        context(name, HELLO)


def test_the_groups_hold_what_they_promise() -> None:
    assert [each.id for each in contexts(["go"], HELLO)] == list(GO_CONTEXTS)
    assert [each.id for each in contexts(["all", "go-run"], HELLO)] == list(ALL_CONTEXTS)


def test_variables_of_dyld_are_lost_on_the_way_through_protected_programs() -> None:
    for name, lost in (("in-place", False), ("go-run", False), ("go-official", True), ("sip-shell", True)):
        env, names = context(name, HELLO).environment(DYLD)
        assert ("DYLD_LIBRARY_PATH" not in env) is lost
        assert names == (("DYLD_LIBRARY_PATH",) if lost else ())
        assert env["HOME"] == "/Users/me"


def test_tests_see_their_package_directory() -> None:
    env, _ = context("go-test", HELLO).environment({"PWD": "/src/app"})
    assert env == {"PWD": "/src/app/greet"}
    unknown = context("go-test", Program("hello", TargetPath("/src/hello"), TargetPath("/src")))
    assert unknown.cwd == PACKAGE.path
    assert "not known" in unknown.note
    assert shown(unknown.executable) == "$WORK/b001/hello.test"


def test_only_in_place_contexts_keep_the_neighbours() -> None:
    assert {each.id for each in contexts(["all"], HELLO) if not each.moved} == {"in-place", "hardened", "sip-shell"}


@pytest.mark.parametrize(
    ("release", "holds"), [("go1.23.9", False), ("go1.24rc1", True), ("1.27", True), (None, None), ("devel", None)]
)
def test_the_cached_executable_exists_since_go_1_24(release: str | None, holds: bool | None) -> None:
    assert context("go-run-cached", HELLO).releases.holds(release) is holds
    assert context("go-run", HELLO).releases.holds(release) is True
    assert GoReleases(newest=23).holds("go1.23") is True


def test_closed_roots_hold_nothing_but_what_go_writes() -> None:
    assert closed_root(f"{WORK.path}/lib/libgreet.dylib") is WORK
    assert closed_root(WORK.path) is WORK
    assert closed_root(f"{GOCACHE.path}/00/lib") is GOCACHE
    assert closed_root(f"{WORK.path}1/lib") is None
    assert closed_root("/usr/lib") is None
    assert context("go-test", HELLO).roots == (WORK,)
    assert context("in-place", HELLO).roots == ()


@pytest.mark.parametrize(
    ("name", "run_path", "leads_out"),
    [
        ("go-run", "@executable_path/../lib", False),
        ("go-run", "@executable_path", False),
        ("go-run", "@executable_path/../../../lib", True),
        ("go-test", "@executable_path/../lib", False),
        ("go-test", "@executable_path/../../lib", True),
        ("go-run-cached", "@executable_path/../../lib", False),
        ("go-run-cached", "@executable_path/../../../lib", True),
        ("in-place", "@executable_path/../lib", True),
        ("go-run", "/usr/local/lib", None),
        ("go-run", "@executable_pathology", None),
    ],
)
def test_whether_a_run_path_leads_out_needs_no_file_system(name: str, run_path: str, leads_out: bool | None) -> None:
    assert escapes(run_path, context(name, HELLO).executable) is leads_out


def test_a_context_of_ones_own() -> None:
    own = parse_context("ci:exe=/ci/out,x/hello,cwd=/ci,env=DYLD_LIBRARY_PATH=/a=b,env=X=,hardened=yes", HELLO)
    assert (own.id, own.executable, own.cwd, own.hardened) == ("ci", "/ci/out,x/hello", "/ci", True)
    assert own.sets == (("DYLD_LIBRARY_PATH", "/a=b"), ("X", ""))
    assert own.moved
    assert own.environment({})[0] == {"DYLD_LIBRARY_PATH": "/a=b", "X": ""}
    (partial,) = contexts(["here:cwd=/tmp"], HELLO)
    assert (partial.executable, partial.cwd, partial.moved, partial.hardened) == ("/src/app/hello", "/tmp", False, None)


@pytest.mark.parametrize(
    "text", ["x", "x:", "x:exe=", "x:exe=relative", "x:cwd=.", "x:env=K", "x:env==v", "x:hardened=maybe", ":exe=/a"]
)
def test_badly_written_contexts_are_usage_errors(text: str) -> None:
    with pytest.raises(UsageError):
        parse_context(text, HELLO)
    with pytest.raises(UsageError):
        contexts([text], HELLO)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/private/var/folders/ab/cd/T/go-build123/b001/exe/hello", "go-run"),
        ("/private/var/folders/ab/cd/T/go-build759910136/b237/main.test", "go-test"),
        (f"/Users/me/Library/Caches/go-build/0a/{'f' * 64}-d/hello", "go-run-cached"),
        ("/private/var/folders/ab/cd/T/go-build123/b001/hello", None),
        ("/private/var/folders/ab/cd/T/go-build123/b001/exe/hello/more", None),
        ("/usr/local/bin/hello", None),
    ],
)
def test_paths_in_reports_tell_their_context(path: str, found: str | None) -> None:
    assert context_of_path(path) == found


def test_the_built_in_contexts_recognise_themselves() -> None:
    for name in ("go-run", "go-run-cached", "go-test"):
        assert context_of_path(context(name, HELLO).executable) == name
