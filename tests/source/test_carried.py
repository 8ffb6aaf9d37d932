"""What whoever requires a module does not get: submodules, products of a build, files git does not know."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from machochain.model.result import Confidence, Severity
from machochain.source.carried import repository, tracked_files
from machochain.source.values import SourceReport
from tests.source.modules import GO_MOD, cgo, look, only, rules, write

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n"
INCLUDE = ("#cgo CFLAGS: -I${SRCDIR}/inc", '#include "foo.h"')


def git(directory: Path, *args: str) -> None:
    if shutil.which("git") is None:
        pytest.skip("no git on this machine")
    env = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
    subprocess.run(["git", *args], cwd=directory, env=env, check=True, capture_output=True)


def why(report: SourceReport) -> list[tuple[str, str]]:
    return [(each.path, each.why.name.lower()) for each in report.uncarried]


def test_a_header_of_a_submodule_does_not_come_with_the_module(tmp_path: Path) -> None:
    files = {
        "x.go": cgo("#cgo CFLAGS: -I${SRCDIR}/third/foo/inc", '#include "foo.h"'), "third/foo/inc/foo.h": "",
        ".gitmodules": '[submodule "foo"]\n\tpath = third/foo\n\turl = https://example.org/foo\n',
    }  # fmt: skip
    report = look(tmp_path, files)

    finding = only(report, "MC733")
    assert (finding.severity, finding.confidence) == (Severity.WARNING, Confidence.LIKELY)
    assert why(report) == [("third/foo/inc/foo.h", "submodule")]
    assert "x.go:4: third/foo/inc/foo.h does not come with example.org/m: in a git submodule" in finding.message


def test_a_submodule_that_was_not_checked_out_is_told_as_one(tmp_path: Path) -> None:
    files = {
        "x.go": cgo("#cgo LDFLAGS: -L${SRCDIR}/third/foo/lib -lfoo"),
        ".gitmodules": '[submodule "foo"]\n\tpath = "third/foo"\n',
    }
    assert why(look(tmp_path, files)) == [("third/foo/lib", "submodule")]


@pytest.mark.parametrize(
    "line", ["#cgo LDFLAGS: -L${SRCDIR}/build -lfoo", "#cgo LDFLAGS: ${SRCDIR}/build/libfoo.a",
             "#cgo pkg-config: --static ${SRCDIR}/build/foo.pc"],
)  # fmt: skip
def test_a_product_of_a_build_that_is_not_there_is_told(tmp_path: Path, line: str) -> None:
    report = look(tmp_path, {"x.go": cgo(line)})

    assert only(report, "MC733").evidence["why"] == "absent"


def test_a_directory_that_is_not_there_is_no_finding_if_all_is_found_elsewhere(tmp_path: Path) -> None:
    assert "MC733" not in rules(look(tmp_path, {"x.go": cgo("#cgo LDFLAGS: -L${SRCDIR}/build -lz")}))


def test_a_directory_outside_the_module_is_no_product_of_its_build(tmp_path: Path) -> None:
    assert "MC733" not in rules(look(tmp_path, {"x.go": cgo("#cgo LDFLAGS: -L/opt/foo/lib -lfoo")}))


def test_a_directory_beside_the_module_does_not_come_with_it(tmp_path: Path) -> None:
    files = {"x.go": cgo("#cgo CFLAGS: -I${SRCDIR}/../shared", '#include "foo.h"'), "../shared/foo.h": ""}
    report = look(tmp_path, files)

    assert why(report) == [("../shared", "outside")]


def test_a_pointer_of_git_lfs_stands_for_the_file(tmp_path: Path) -> None:
    files = {"x.go": cgo("#cgo LDFLAGS: -L${SRCDIR}/lib -lfoo"), "lib/libfoo.a": POINTER}

    assert why(look(tmp_path, files)) == [("lib/libfoo.a", "lfs")]


def test_a_file_that_git_lfs_has_fetched_is_told_by_its_attributes(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "x.go": cgo("#cgo LDFLAGS: -L${SRCDIR}/lib -lfoo"), "lib/libfoo.a": b"!<arch>\n",
        ".gitattributes": "*.a filter=lfs diff=lfs\n*.go text\n", ".gitmodules": "",
    }  # fmt: skip
    assert why(look(tmp_path, files)) == [("lib/libfoo.a", "lfs")]


@pytest.mark.parametrize("version", ["2", "3", "4"])
def test_a_file_git_does_not_know_is_told_and_one_it_knows_is_not(tmp_path: Path, version: str) -> None:
    module = write(
        tmp_path / "module",
        {"go.mod": GO_MOD, "x.go": cgo(*INCLUDE, '#include "made.h"'), "inc/foo.h": "", "inc/made.h": "",
         ".gitignore": "made.h\n", "inc/\u00e9/x.h": "", "a/very/long/name/of/a/file.txt": ""},
    )  # fmt: skip
    git(module, "init", "-q")
    git(module, "-c", f"index.version={version}", "add", ".")
    if version == "3":
        (module / "later.txt").write_text("")
        git(module, "add", "--intent-to-add", "later.txt")

    report = look(tmp_path, {})
    assert why(report) == [("inc/made.h", "untracked")]
    theirs = subprocess.run(["git", "ls-files", "-z"], cwd=module, check=True, capture_output=True).stdout
    assert tracked_files(str(module)) == frozenset(filter(None, theirs.decode().split("\0")))


def test_work_that_is_not_committed_yet_is_no_finding(tmp_path: Path) -> None:
    module = write(tmp_path / "module", {"go.mod": GO_MOD})
    git(module, "init", "-q")
    git(module, "add", ".")

    assert "MC733" not in rules(look(tmp_path, {"x.go": cgo(*INCLUDE), "inc/foo.h": ""}))


def test_without_a_repository_only_what_the_files_show_is_told(tmp_path: Path) -> None:
    report = look(tmp_path, {"x.go": cgo(*INCLUDE), "inc/foo.h": ""})

    assert "MC733" not in rules(report)
    assert "no git repository" in report.skipped["MC733"]


@pytest.mark.parametrize("index", [b"", b"DIRC", b"DIRC\0\0\0\x02\xff\xff\xff\xff", b"DIRC\0\0\0\x09\0\0\0\0"])
def test_an_index_that_cannot_be_read_tells_nothing(tmp_path: Path, index: bytes) -> None:
    write(tmp_path, {".git/index": index})

    assert tracked_files(str(tmp_path)) is None
    found = repository(str(tmp_path))
    assert found is not None
    assert found.tracked is None


def test_a_linked_working_tree_has_an_index_of_its_own(tmp_path: Path) -> None:
    first = write(tmp_path / "first", {"a.txt": ""})
    git(first, "init", "-q")
    git(first, "add", ".")
    git(first, "-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "-qm", "x")
    git(first, "worktree", "add", "-q", str(tmp_path / "second"))

    assert tracked_files(str(tmp_path / "second")) == frozenset({"a.txt"})


def test_a_vendored_package_is_not_judged_by_this_rule(tmp_path: Path) -> None:
    files = {
        "go.mod": f"{GO_MOD}\nrequire example.org/dep v1.0.0\n", "x.go": 'package m\n\nimport _ "example.org/dep"\n',
        "vendor/modules.txt": "# example.org/dep v1.0.0\n## explicit\nexample.org/dep\n",
        "vendor/example.org/dep/d.go": cgo("#cgo LDFLAGS: -L${SRCDIR}/build -lfoo", package="dep"),
    }  # fmt: skip
    assert "MC733" not in rules(look(tmp_path, files))
