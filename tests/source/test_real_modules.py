"""What trying public modules has shown: things people write that were told wrongly, each as a module of our own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from machochain.golang.flags import Library, parse_ldflags
from machochain.model.result import Severity
from machochain.source.values import PathState, SearchOutcome
from tests.source.modules import GO_MOD, cgo, dylib, look, only, rules, search

MAIN = 'package main\n\nimport _ "example.org/m/internal/x"\n\nfunc main() {}\n'


def test_a_header_written_with_a_dot_is_the_file_itself(tmp_path: Path) -> None:
    files = {"x.go": cgo('#include "./x.h"', '#include "./include/../y.h"'), "x.h": "", "y.h": "", "include/z.h": ""}
    report = look(tmp_path, files)
    assert search(report, "./x.h").winner == f"{tmp_path}/module/x.h"
    assert rules(report) == [], "x.h and y.h are copied by go mod vendor, and are part of the cache key"


def test_the_cxx_library_of_gcc_means_that_of_macos(tmp_path: Path) -> None:
    report = look(tmp_path, {"x.go": cgo("#cgo LDFLAGS: -lstdc++"), "y.cpp": ""})
    assert rules(report) == []
    found = search(report, "c++")
    assert (found.by_system, found.word and found.word.text) == (True, "-lstdc++")
    assert [i.name for i in parse_ldflags(["-l", "stdc++", "-lz"]) if isinstance(i, Library)] == ["c++", "z"]
    assert [i.name for i in parse_ldflags(["-nostdlib", "-lstdc++"]) if isinstance(i, Library)] == ["stdc++"]


def test_names_that_differ_in_case_are_one_name_on_a_mac(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "x.go": cgo("#cgo LDFLAGS: -framework security -L${SRCDIR}/Lib -lfoo", '#include "X.h"', '#include "Inc/Y.H"'),
        "x.h": "", "inc/y.h": "", "lib/libFoo.dylib": dylib("@rpath/libFoo.dylib"),
    }  # fmt: skip
    report = look(tmp_path / "a", files)
    assert not {"MC711", "MC712", "MC713"} & set(rules(report))
    assert search(report, "Inc/Y.H").winner == f"{tmp_path}/a/module/inc/y.h"
    assert str(search(report, "security").winner).endswith("Security.framework/Security.tbd")
    strict = look(tmp_path / "b", files, case_sensitive=True)
    assert {"MC712", "MC713"} <= set(rules(strict))


@pytest.mark.skipif(sys.platform == "darwin", reason="there the machine's own directories are a Mac's")
def test_directories_of_another_system_say_nothing_of_a_mac(tmp_path: Path) -> None:
    line = "#cgo LDFLAGS: -L/usr/local/lib -L/usr/lib/x86_64-linux-gnu -lc_nonshared -lnowhere"
    report = look(tmp_path, {"x.go": cgo(line)}, seen=False, env={"SDKROOT": str(tmp_path / "SDK")})
    assert search(report, "nowhere").outcome is SearchOutcome.UNKNOWN
    assert search(report, "c_nonshared").winner is None
    assert "MC713" not in rules(report)


def test_directories_pkg_config_may_name_are_not_taken_for_all(tmp_path: Path) -> None:
    files = {"x.go": cgo("#cgo pkg-config: sdl", "#cgo LDFLAGS: -lsdl_image")}
    report = look(tmp_path, files, env={"SDKROOT": str(tmp_path / "SDK")})
    assert search(report, "sdl_image").outcome is SearchOutcome.UNKNOWN
    assert "MC713" not in rules(report)


def test_libraries_nothing_says_where_they_are_are_told_line_by_line(tmp_path: Path) -> None:
    report = look(tmp_path, {"x.go": cgo("#cgo LDFLAGS: -lrocks -lz -lsnappy")}, seen=False, sdk=False)
    assert only(report, "MC718").message == "x.go:3: nothing says where -lrocks, -lsnappy are"


def test_a_framework_the_sdk_lacks_is_not_to_be_installed(tmp_path: Path) -> None:
    report = look(tmp_path, {"x.go": cgo("#cgo LDFLAGS: -framework WebKit")}, env={"SDKROOT": str(tmp_path / "SDK")})
    finding = only(report, "MC713")
    assert "though it is part of macOS" in finding.message
    assert "brew" not in str(finding.remedy)


def test_a_header_directory_that_is_not_there_is_told(tmp_path: Path) -> None:
    line = "#cgo CFLAGS: -Ibuild/include -I gone"
    silent = look(tmp_path / "a", {"x.go": cgo(line, '#include "x.h"'), "x.h": ""})
    assert "MC711" not in rules(silent), "nothing was looked for there"
    fine = look(tmp_path / "b", {"x.go": cgo(line, "#cgo CFLAGS: -Iinc", "#include <x.h>"), "inc/x.h": ""})
    assert [(f.subject, f.severity) for f in fine.findings if f.rule == "MC711"] == [
        ("-Ibuild/include", Severity.INFO), ("gone", Severity.INFO),
    ]  # fmt: skip
    missing = look(tmp_path / "c", {"x.go": cgo(line, "#include <x.h>")})
    assert {f.severity for f in missing.findings if f.rule == "MC711"} == {Severity.WARNING}
    assert PathState.NO_DIRECTORY in {t.state for t in search(missing, "x.h").tried}


def test_what_nobody_can_import_is_never_vendored(tmp_path: Path) -> None:
    package = cgo('#include "inc/x.h"', package="x")
    inside = {"internal/x/x.go": package, "internal/x/inc/x.h": ""}
    assert "MC731" not in rules(look(tmp_path / "a", {"main.go": MAIN, **inside}))
    assert "MC731" not in rules(
        look(tmp_path / "b", {"main.go": cgo('#include "inc/x.h"', package="main"), "inc/x.h": ""})
    )
    outside = look(tmp_path / "c", {"y.go": MAIN.replace("main\n", "y\n", 1), **inside})
    assert only(outside, "MC731").image == "example.org/m/internal/x", "another package brings it out"
    replaced = {
        "go.mod": GO_MOD + "require example.org/d v1.0.0\nreplace example.org/d => ./d\n",
        "main.go": 'package main\n\nimport _ "example.org/d/x"\n', "d/go.mod": "module example.org/d\n",
        "d/x/x.go": package, "d/x/inc/x.h": "",
    }  # fmt: skip
    assert only(look(tmp_path / "d", replaced), "MC731").evidence["module"] == "example.org/d"


def test_files_of_another_module_are_named_from_their_package(tmp_path: Path) -> None:
    files = {
        "go.mod": GO_MOD + "require example.org/d v1.0.0\nreplace example.org/d => ../d\n",
        "main.go": 'package main\n\nimport _ "example.org/d/x"\n', "../d/go.mod": "module example.org/d\n",
        "../d/x/x.go": cgo('#include "../inc/x.h"', package="x"), "../d/inc/x.h": "",
    }  # fmt: skip
    assert only(look(tmp_path, files), "MC734").message.endswith("go unnoticed: ../inc/x.h")


def test_what_one_package_loses_is_one_finding(tmp_path: Path) -> None:
    files = {
        "x.go": cgo('#include "c/a/a.h"', '#include "c/b/b.h"', '#include "c/a/e.h"'),
        "c/a/a.h": "",
        "c/b/b.h": "",
    }
    finding = only(look(tmp_path, {**files, "c/a/e.h": ""}), "MC731")
    assert finding.message == (
        "go mod vendor does not copy c/ (2 directories) of example.org/m: a.h, b.h, e.h are needed by "
        "example.org/m, and the build cache does not notice when that changes"
    )


@pytest.mark.skipif(sys.platform == "darwin", reason="there the machine's own directories are a Mac's")
def test_an_sdk_that_is_not_at_hand_lacks_nothing(tmp_path: Path) -> None:
    lines = cgo("#cgo LDFLAGS: -framework Webkit -L/tmp -lpact -lz", "#include <a.h>")
    report = look(tmp_path, {"x.go": lines}, seen=False, sdk=False, env={"SDKROOT": "/nix/store/x/MacOSX14.sdk"})
    assert [search(report, n).outcome for n in ("Webkit", "pact", "a.h")] == [SearchOutcome.UNKNOWN] * 3
    assert search(report, "z").outcome is SearchOutcome.FOUND
    assert rules(report) == ["MC719"]
