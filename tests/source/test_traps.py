"""Cases in which two mechanisms meet: each is told once, and nothing is told that nobody knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from machochain.model.result import Confidence
from machochain.report.source import chain_of
from machochain.report.style import Style
from machochain.source.values import SearchOutcome
from tests.source.modules import GO_MOD, cgo, dylib, look, only, rules, search

MAIN = "\nfunc main() {}\n"
DEP = "\nrequire example.org/dep v1.0.0\n\nreplace example.org/dep => ../dep\n"
INCLUDES = cgo("#cgo CFLAGS: -I${SRCDIR}/include", '#include "inc.h"', package="dep")
IMPORT = 'package main\n\nimport _ "example.org/dep"\n' + MAIN


def test_a_header_in_a_directory_of_its_own_is_one_story(tmp_path: Path) -> None:
    files = {"go.mod": GO_MOD + DEP, "main.go": IMPORT}
    dep = {"../dep/go.mod": "module example.org/dep\n", "../dep/d.go": INCLUDES, "../dep/include/inc.h": ""}
    before = only(look(tmp_path / "a", {**files, **dep}), "MC731")
    assert before.evidence["outside_cache_key"]
    assert "the build cache does not notice when that changes" in before.message
    assert before.remedy[0].startswith("embed them into a blank variable: '//go:embed include/*.h'")

    vendor = {
        "vendor/modules.txt": "# example.org/dep v1.0.0 => ../dep\n## explicit\nexample.org/dep\n",
        "vendor/example.org/dep/d.go": INCLUDES,
    }
    after = look(tmp_path / "b", {**files, **dep, **vendor})
    assert rules(after) == ["MC732"]
    assert "only as long as the build cache is warm" in only(after, "MC732").message

    other = look(tmp_path / "c", {**files, **dep, **vendor}, env={"GOFLAGS": "-mod=mod"})
    assert "MC732" not in rules(other), "vendor is not used"
    assert "MC731" in rules(other)


def test_a_vendored_package_that_needs_an_installed_header_has_lost_nothing(tmp_path: Path) -> None:
    files = {
        "go.mod": GO_MOD + DEP, "main.go": IMPORT,
        "vendor/modules.txt": "# example.org/dep v1.0.0\n## explicit\nexample.org/dep\n",
        "vendor/example.org/dep/d.go": cgo('#include "zmq.h"', package="dep"),
    }  # fmt: skip
    assert rules(look(tmp_path, files)) == ["MC712"]


def test_a_dummy_file_under_a_constraint_breaks_who_imports_it_without_one(tmp_path: Path) -> None:
    files = {
        "a.go": 'package m\n\nimport _ "example.org/m/include"\n', "include/i.h": "",
        "include/dummy.go": "//go:build linux\n\npackage include\n",
    }  # fmt: skip
    finding = only(look(tmp_path / "a", files), "MC702")
    assert finding.message == (
        "example.org/m imports example.org/m/include: build constraints exclude all Go files in include"
    )
    files["a.go"] = f"//go:build linux\n\n{files['a.go']}"
    assert rules(look(tmp_path / "b", {**files, "b.go": "package m\n"})) == []


def test_a_link_is_in_neither_vendor_nor_a_zip(tmp_path: Path) -> None:
    module = tmp_path / "module"
    module.mkdir()
    (module / "link.h").symlink_to("real.txt")
    report = look(tmp_path, {"x.go": cgo('#include "link.h"'), "real.txt": ""})

    assert "does not copy link.h" in only(report, "MC731").message
    assert only(report, "MC733").evidence["why"] == "link"


def test_files_below_a_nested_go_mod_are_another_module_s(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "x.go": cgo("#cgo LDFLAGS: -L${SRCDIR}/lib -lfoo"), "lib/go.mod": "module example.org/m/lib\n",
        "lib/libfoo.a": b"!<arch>\n",
    }  # fmt: skip
    report = look(tmp_path, files)

    lost = only(report, "MC731")
    assert "a go.mod makes them another module" in lost.message
    assert not any("-mod=mod" in step or "embed" in step for step in lost.remedy)
    assert only(report, "MC733").evidence["why"] == "outside"


def test_a_directory_of_one_package_serves_the_library_of_another(tmp_path: Path) -> None:
    files = {
        "main.go": 'package main\n\nimport (\n\t_ "example.org/m/a"\n\t_ "example.org/m/b"\n)\n' + MAIN,
        "a/a.go": cgo("#cgo LDFLAGS: -L/opt/a/lib -lfoo", package="a"),
        "b/b.go": cgo("#cgo LDFLAGS: -L/opt/b/lib -lfoo", package="b"),
    }
    mac = {f"opt/{n}/lib/libfoo.dylib": dylib(f"/opt/{n}/lib/libfoo.dylib") for n in "ab"}
    report = look(tmp_path, files, mac=mac)

    finding = only(report, "MC714")
    assert finding.image == "example.org/m/b"
    assert finding.confidence is Confidence.LIKELY, "which package comes first nobody knows without go list"
    assert "a.go:3 of example.org/m/a" in finding.message
    text = chain_of(report, "-lfoo", Style())
    assert text is not None
    assert "not certain" in text


def test_a_directory_that_the_sdk_has_is_replaced_by_the_sdk_s(tmp_path: Path) -> None:
    files = {"x.go": cgo("#cgo LDFLAGS: -L/usr/lib -lz", package="main", after=MAIN)}
    mac = {"usr/lib/libz.dylib": dylib("/usr/lib/wrong.dylib")}
    report = look(tmp_path / "a", files, mac=mac)
    assert (search(report, "z").winner, rules(report)) == (f"{tmp_path}/a/SDK/usr/lib/libz.tbd", [])

    unnamed = look(tmp_path / "b", files, mac=mac, sdk=False)
    assert search(unnamed, "z").winner == "/usr/lib/libz.dylib"
    assert search(unnamed, "z").by_system, "every SDK has /usr/lib"


def test_a_directory_that_the_sdk_has_not_is_taken_as_it_is(tmp_path: Path) -> None:
    files = {"x.go": cgo("#cgo LDFLAGS: -L/opt/foo/lib -lz", package="main", after=MAIN)}
    report = look(tmp_path, files, mac={"opt/foo/lib/libz.dylib": dylib("/opt/foo/lib/libz.dylib")})

    assert search(report, "z").winner == "/opt/foo/lib/libz.dylib"


def test_a_macro_that_names_a_header_is_not_known_unless_it_is_defined_for_sure(tmp_path: Path) -> None:
    report = look(tmp_path / "a", {"x.go": cgo("#include MACRO")})
    found = search(report, "MACRO")
    assert (found.computed, found.outcome, found.certain) == (True, SearchOutcome.UNKNOWN, True)
    assert rules(report) == []
    assert "MACRO" in report.skipped["MC712"]

    defined = look(tmp_path / "b", {"x.go": cgo('#define MACRO "a.h"', "#include MACRO"), "a.h": ""})
    assert search(defined, "a.h").winner == f"{tmp_path}/b/module/a.h"
    flag = look(tmp_path / "c", {"x.go": cgo("#include MACRO")}, env={"CGO_CPPFLAGS": "-DMACRO=<gone.h>"})
    assert only(flag, "MC712").subject == "gone.h"


def test_a_workspace_has_a_command_of_its_own_to_vendor(tmp_path: Path) -> None:
    lossy = {"x.go": cgo("#cgo CFLAGS: -Iinc", '#include "i.h"'), "inc/i.h": ""}
    own = only(look(tmp_path / "a", {"../go.work": "go 1.22\n\nuse ./module\n", **lossy}), "MC731")
    required = {
        "../go.work": "go 1.22\n\nuse ./module\n", "x.go": 'package m\n\nimport _ "example.org/d"\n',
        "go.mod": GO_MOD + "require example.org/d v1.0.0\n\nreplace example.org/d => ../d\n",
        "../d/go.mod": "module example.org/d\n", **{f"../d/{name}": text for name, text in lossy.items()},
    }  # fmt: skip
    other = only(look(tmp_path / "b", required), "MC731")

    assert other.message.startswith("go work vendor does not copy inc/")
    assert other.remedy[-1] == "or build with -mod=readonly"
    assert own.message.startswith("go mod vendor does not copy inc/"), "go work vendor copies none of its modules"
    assert own.remedy[-1] == "or build with -mod=mod"


@pytest.mark.parametrize(("level", "words"), [("v1", 0), ("v2", 1), ("v3", 2)])
def test_levels_of_the_processor_switch_lines_on(tmp_path: Path, level: str, words: int) -> None:
    lines = ("#cgo amd64.v2 LDFLAGS: -lz", "#cgo amd64.v3 LDFLAGS: -lc++")
    report = look(tmp_path, {"x.go": cgo(*lines)}, goarch=["arm64", "amd64"], env={"GOAMD64": level})
    counts = {t: len(ps["example.org/m"].words.get("LDFLAGS", ())) for t, ps in report.packages.items()}

    assert counts == {"darwin/arm64": 0, "darwin/amd64": words}


def test_an_empty_variable_does_not_clear_a_kept_one(tmp_path: Path) -> None:
    kept = tmp_path / "env"
    kept.write_text("CGO_LDFLAGS=-Wl,-rpath,/opt/kept\nGOFLAGS=-tags=extra\n")
    files = {"x.go": cgo("#cgo extra LDFLAGS: -lz", package="main", after=MAIN)}
    report = look(tmp_path, files, env={"CGO_LDFLAGS": "", "GOFLAGS": ""}, goenv=kept)

    assert {r.path for r in report.links[0].run_paths} == {"/opt/kept"}
    assert search(report, "z").outcome is SearchOutcome.FOUND
