"""From sources to what compiler and linker take, on Macs that are seen whole."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

import machochain
from machochain.model.errors import InputError, UsageError
from machochain.model.result import Severity
from machochain.report.registry import Document, render
from machochain.report.source import chain_of
from machochain.report.style import Style
from machochain.source.values import FlagOrigin, Mode, PathState, SearchOutcome
from tests.source.modules import GO_MOD, cgo, dylib, look, only, package, rules, search, write

ROOT = Path(__file__).parents[2]
MAIN = "package main\n\nfunc main() {}\n"


# -- search --


def test_a_header_of_the_sdk_is_found_and_not_walked(tmp_path: Path) -> None:
    report = look(tmp_path, {"x.go": cgo("#include <stdio.h>", "#include <stdarg.h>")})

    found = search(report, "stdio.h")
    assert (found.outcome, found.winner, found.by_system) == (
        SearchOutcome.FOUND,
        f"{tmp_path}/SDK/usr/include/stdio.h",
        True,
    )
    assert search(report, "stdarg.h").outcome is SearchOutcome.FOUND, "the compiler brings it"
    assert rules(report) == []


def test_without_an_sdk_a_header_is_unknown_and_never_missing(tmp_path: Path) -> None:
    report = look(tmp_path, {"x.go": cgo("#include <stdio.h>")}, sdk=False)

    assert search(report, "stdio.h").outcome is SearchOutcome.UNKNOWN
    assert rules(report) == []


def test_a_header_that_is_surely_included_and_nowhere_is_an_error(tmp_path: Path) -> None:
    report = look(tmp_path, {"x.go": cgo("#include <openssl/ssl.h>")})

    finding = only(report, "MC712")
    assert finding.severity is Severity.ERROR
    assert finding.evidence["line"] == 3
    assert finding.remedy[0] == "brew install openssl@3"


@pytest.mark.parametrize("guard", ["#ifdef HAVE_SSL", "#if FEATURE > 2", "#if defined(A) && defined(__APPLE__)"])
def test_a_header_behind_an_unknown_condition_is_no_finding(tmp_path: Path, guard: str) -> None:
    report = look(tmp_path, {"x.go": cgo(guard, "#include <openssl/ssl.h>", "#endif")})

    assert (search(report, "openssl/ssl.h").certain, rules(report)) == (False, [])


@pytest.mark.parametrize("guard", ["#ifdef _WIN32", "#if defined(__linux__)", "#if 0", "#ifndef __APPLE__"])
def test_a_header_of_another_system_is_not_included(tmp_path: Path, guard: str) -> None:
    report = look(tmp_path, {"x.go": cgo(guard, "#include <windows.h>", "#endif")})

    assert [s.name for s in report.searches] == []


def test_includes_are_followed_through_the_module(tmp_path: Path) -> None:
    files = {
        "x.go": cgo("#cgo CFLAGS: -I${SRCDIR}/inc -DWITH", '#include "a.h"'),
        "inc/a.h": '#ifndef A_H\n#define A_H\n#ifdef WITH\n#include "sub/b.h"\n#endif\n#endif\n',
        "inc/sub/b.h": '#include "c.h"\n#include <gone.h>\n',
        "inc/sub/c.h": "",
    }
    report = look(tmp_path, files)

    assert search(report, "c.h").winner == f"{tmp_path}/module/inc/sub/c.h"
    assert only(report, "MC712").evidence["file"].endswith("inc/sub/b.h")


def test_pkg_config_comes_before_a_module_s_own_directory_and_shadows_it(tmp_path: Path) -> None:
    files = {
        "x.go": cgo("#cgo pkg-config: foo", "#cgo CFLAGS: -I${SRCDIR}/inc", "#include <foo.h>"),
        "inc/foo.h": "int new;\n",
    }
    mac: dict[str, str | bytes] = {
        "opt/foo/lib/pkgconfig/foo.pc": "Name: foo\nVersion: 1\nCflags: -I/opt/foo/include\n"
        "Libs: -L/opt/foo/lib -lfoo\n",
        "opt/foo/include/foo.h": "int old;\n", "opt/foo/lib/libfoo.dylib": dylib("/opt/foo/lib/libfoo.1.dylib"),
    }  # fmt: skip
    report = look(tmp_path, files, mac=mac, env={"PKG_CONFIG_LIBDIR": "/opt/foo/lib/pkgconfig"})

    assert search(report, "foo.h").winner == "/opt/foo/include/foo.h"
    assert only(report, "MC714").evidence["loser"] == f"{tmp_path}/module/inc/foo.h"
    assert [link.loads[0][0] for link in report.links] == []
    words = package(report).words["pkg-config --libs"]
    assert [(w.text, w.origin) for w in words] == [
        ("-L/opt/foo/lib", FlagOrigin.PKG_CONFIG), ("-lfoo", FlagOrigin.PKG_CONFIG),
    ]  # fmt: skip


def test_a_package_of_pkg_config_that_is_nowhere_is_missing_only_where_all_was_seen(tmp_path: Path) -> None:
    files = {"x.go": cgo("#cgo pkg-config: foo")}

    assert rules(look(tmp_path / "a", files)) == [], "the built-in path is not known"
    seen = look(tmp_path / "b", files, env={"PKG_CONFIG_LIBDIR": "/opt/foo/lib/pkgconfig"})
    assert only(seen, "MC713").subject == "pkg-config: foo"


def test_a_static_library_in_an_earlier_directory_beats_a_dylib(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "x.go": cgo("#cgo LDFLAGS: -L${SRCDIR}/a -L/opt/foo/lib -lfoo"),
        "a/libfoo.a": b"!<arch>\n",
    }
    report = look(tmp_path, files, mac={"opt/foo/lib/libfoo.dylib": dylib("/opt/foo/lib/libfoo.1.dylib")})

    assert search(report, "foo").winner == f"{tmp_path}/module/a/libfoo.a"
    assert only(report, "MC716").severity is Severity.INFO


def test_in_a_directory_a_stub_comes_before_a_dylib_and_so_before_an_archive(tmp_path: Path) -> None:
    files = {"x.go": cgo("#cgo LDFLAGS: -L/opt/foo/lib -lfoo")}
    mac: dict[str, str | bytes] = {"opt/foo/lib/libfoo.so": dylib("libfoo.so"), "opt/foo/lib/libfoo.a": b"!<arch>\n"}
    assert search(look(tmp_path, files, mac=mac), "foo").winner == "/opt/foo/lib/libfoo.so"


def test_a_library_for_another_processor_is_taken_and_told(tmp_path: Path) -> None:
    files = {"x.go": cgo("#cgo LDFLAGS: -L/opt/foo/lib -lfoo")}
    mac = {"opt/foo/lib/libfoo.dylib": dylib("/opt/foo/lib/libfoo.dylib", "x86_64")}
    report = look(tmp_path, files, mac=mac, goarch=("arm64", "amd64"))

    assert only(report, "MC715").evidence["targets"] == ["darwin/arm64"]


def test_a_library_that_is_nowhere_is_an_error_and_one_of_the_sdk_is_not(tmp_path: Path) -> None:
    files = {"x.go": cgo("#cgo LDFLAGS: -L/opt/foo/lib -lgone -lz -framework Security -lc++")}
    report = look(tmp_path, files, mac={"opt/foo/lib/x": ""})

    assert only(report, "MC713").subject == "-lgone"
    assert search(report, "z").facts.install_name == "/usr/lib/libz.1.dylib"
    assert (search(report, "c++").by_system, search(report, "Security").by_system) == (True, True)


def test_on_another_machine_an_absent_prefix_is_not_evidence(tmp_path: Path) -> None:
    files = {"x.go": cgo("#cgo LDFLAGS: -L/opt/homebrew/nowhere/lib -lfoo"), "go.mod": GO_MOD}
    report = look(tmp_path, files, seen=False)

    assert search(report, "foo").outcome is SearchOutcome.UNKNOWN
    assert "MC713" not in rules(report)


def test_usr_local_is_searched_by_the_shim_and_not_with_an_sdk_named(tmp_path: Path) -> None:
    files = {"x.go": cgo("#cgo LDFLAGS: -L${SRCDIR}/lib -lfoo"), "lib/x": ""}
    mac = {"usr/local/lib/libfoo.dylib": dylib("/usr/local/lib/libfoo.dylib")}
    shim = look(tmp_path / "a", files, mac=mac)
    named = look(tmp_path / "b", files, mac=mac, env={"SDKROOT": str(tmp_path / "b" / "SDK")})

    assert (shim.targets[0].mode, search(shim, "foo").outcome) == (Mode.SHIM, SearchOutcome.FOUND)
    assert (named.targets[0].mode, search(named, "foo").outcome) == (Mode.SDK, SearchOutcome.MISSING)


# -- words --


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("#cgo darwin && amd64 LDFLAGS: -lz", "MC703"),
        ("#cgo LDFLAGS: -Wl,-rpath,@loader_path", "MC704"),
        ("#cgo ldflags: -lz", "MC702"),
        ("#cgo CFLAGS: -I/usr/local/opt/x/include", "MC717"),
        ("#cgo CFLAGS: -I/Users/me/x", "MC717"),
        ("#cgo LDFLAGS: -L/tmp/x", "MC719"),
        ("#cgo LDFLAGS: -Fframeworks", "MC720"),
        ("#cgo LDFLAGS: lib/x.a", "MC720"),
        ("#cgo CFLAGS: -mmacosx-version-min=12.0", "MC724"),
    ],
)
def test_words_of_sources_are_judged(tmp_path: Path, line: str, rule: str) -> None:
    report = look(tmp_path, {"x.go": cgo(line)})

    assert rule in rules(report)
    assert all(f.evidence.get("file", "").endswith("x.go") for f in report.findings if f.rule == rule)


@pytest.mark.parametrize(
    "line",
    [
        "#cgo darwin,amd64 LDFLAGS: -lz",
        "#cgo LDFLAGS: -Wl,-rpath,/opt/x",
        "#cgo darwin,arm64 CFLAGS: -I/opt/homebrew/include",
        "#cgo darwin,amd64 CFLAGS: -I/usr/local/opt/x/include",
        "#cgo CFLAGS: -I/usr/local/include",
        "#cgo CFLAGS: -mmacosx-version-min=12.0\n// #cgo LDFLAGS: -mmacosx-version-min=12.0",
        "#cgo LDFLAGS: -F${SRCDIR}/frameworks",
    ],
)
def test_words_that_are_right_are_no_findings(tmp_path: Path, line: str) -> None:
    assert rules(look(tmp_path, {"x.go": cgo(line)})) == []


def test_words_as_written_count_not_where_the_checkout_lies(tmp_path: Path) -> None:
    assert str(tmp_path).startswith("/tmp/")  # the point of the test
    report = look(tmp_path, {"x.go": cgo("#cgo LDFLAGS: -L${SRCDIR}/lib"), "lib/x": ""})
    assert rules(report) == []


def test_a_comment_cgo_does_not_read_is_told(tmp_path: Path) -> None:
    report = look(tmp_path, {"x.go": 'package m\n\n// #cgo LDFLAGS: -lz\n\nimport "C"\n'})
    assert only(report, "MC701").evidence["line"] == 3


def test_cgo_in_tests_and_foreign_endings_are_told(tmp_path: Path) -> None:
    report = look(tmp_path, {"x.go": cgo(), "x_test.go": cgo(), "y.mm": ""})
    assert rules(report) == ["MC705", "MC706"]


def test_a_flag_that_is_allowed_by_a_variable_is_not_refused(tmp_path: Path) -> None:
    files = {"x.go": cgo("#cgo LDFLAGS: -Wl,-rpath,@loader_path")}
    allowed = {"CGO_LDFLAGS_ALLOW": "-Wl,-rpath,@.*"}
    leftmost = {"CGO_LDFLAGS_ALLOW": "-Wl,-rpath|-Wl,-rpath,.*"}

    assert "MC704" not in rules(look(tmp_path / "a", files, env=allowed))
    assert "MC704" in rules(look(tmp_path / "b", files, env=leftmost)), "Go takes the leftmost alternative"


# -- modules --


def test_packages_of_vendor_replace_and_cache_are_found_and_others_are_unknown(tmp_path: Path) -> None:
    cache = write(tmp_path / "cache", {"github.com/!big/c@v1.2.0/c.go": cgo("#cgo LDFLAGS: -lz", package="c")})
    files = {
        "go.mod": GO_MOD
        + "require (\n\tgithub.com/Big/c v1.2.0\n\texample.org/r v0.0.0\n\texample.org/gone v1.0.0\n)\n"
        "replace example.org/r => ../r\n",
        "x.go": 'package m\n\nimport (\n\t_ "github.com/Big/c"\n\t_ "example.org/r"\n\t_ "example.org/gone/p"\n)\n',
    }
    write(tmp_path / "r", {"go.mod": "module example.org/r\n", "r.go": cgo(package="r")})
    report = look(tmp_path, files, modcache=cache)

    assert [p for p, facts in report.packages["darwin/arm64"].items() if facts.cgo] == [
        "example.org/r",
        "github.com/Big/c",
    ]
    assert only(report, "MC791").evidence["packages"] == ["example.org/gone/p"]


def test_what_vendoring_loses_is_told_if_it_is_needed(tmp_path: Path) -> None:
    files = {
        "x.go": cgo("#cgo CFLAGS: -Iinclude", '#include "inc.h"', "#ifdef PERHAPS", '#include "other/o.h"', "#endif"),
        "include/inc.h": "", "include/unused.h": "", "include/other/o.h": "", "beside.h": "",
    }  # fmt: skip
    report = look(tmp_path, files)

    assert [(x.file, x.need.value) for x in report.lost] == [
        ("include/inc.h", "sure"),
        ("include/other/o.h", "perhaps"),
    ]
    finding = only(report, "MC731")
    assert (finding.severity, finding.evidence["files"], finding.evidence["perhaps"]) == (
        Severity.ERROR, ["include/inc.h"], ["include/other/o.h"],
    )  # fmt: skip
    unsure = look(tmp_path / "b", {"x.go": cgo("#ifdef PERHAPS", '#include "other/o.h"', "#endif"), "other/o.h": ""})
    assert only(unsure, "MC731").severity is Severity.WARNING
    assert only(report, "MC734").evidence["files"] == [f"{tmp_path}/module/include/inc.h"]


def test_a_file_of_any_constraint_that_imports_a_directory_has_it_vendored(tmp_path: Path) -> None:
    files = {
        "x.go": cgo("#cgo CFLAGS: -Iinclude", '#include "inc.h"'),
        "vendoring.go": '//go:build required\n\npackage m\n\nimport _ "example.org/m/include"\n',
        "include/inc.h": "", "include/dummy.go": "//go:build required\n\npackage include\n",
    }  # fmt: skip
    assert look(tmp_path / "a", files).lost == []
    ignored = {**files, "vendoring.go": files["vendoring.go"].replace("required", "ignore")}
    assert [x.file for x in look(tmp_path / "b", ignored).lost] == ["include/inc.h"]


def test_a_path_with_two_slashes_in_front_is_an_ordinary_path(tmp_path: Path) -> None:
    module = write(tmp_path, {"go.mod": GO_MOD, "x.go": cgo("#cgo CFLAGS: -Iinc", '#include "a.h"'), "inc/a.h": ""})
    found = machochain.examine(f"/{module}", goarch=["arm64"])
    assert found.module.directory == str(module)
    assert [x.file for x in found.lost] == ["inc/a.h"]


def test_embedded_files_are_vendored_and_cached(tmp_path: Path) -> None:
    files = {
        "x.go": cgo("#cgo CFLAGS: -Iinclude", '#include "inc.h"'), "include/inc.h": "",
        "e.go": 'package m\n\nimport "embed"\n\n//go:embed include/*.h\nvar _ embed.FS\n',
    }  # fmt: skip
    report = look(tmp_path, files)

    assert (report.lost, rules(report)) == ([], [])


def test_a_header_that_vendoring_lost_is_missing_from_vendor(tmp_path: Path) -> None:
    files = {
        "go.mod": GO_MOD + "require example.org/dep v1.0.0\n",
        "x.go": 'package m\n\nimport _ "example.org/dep"\n',
        "vendor/modules.txt": "# example.org/dep v1.0.0\n## explicit\nexample.org/dep\n",
        "vendor/example.org/dep/d.go": cgo('#include "csrc/x.h"', package="dep"),
    }
    report = look(tmp_path, files)
    assert report.module.vendored
    assert only(report, "MC732").subject == "csrc/x.h"
    assert not look(tmp_path / "b", files, env={"GOFLAGS": "-mod=mod"}).module.vendored


# -- programs --

LINKED = "#cgo LDFLAGS: -L/opt/foo/lib -lfoo"
FOO = {
    "opt/foo/lib/libfoo.dylib": dylib("@rpath/libfoo.1.dylib"),
    "opt/foo/lib/libfoo.1.dylib": dylib("@rpath/libfoo.1.dylib"),
}


def test_a_program_is_predicted_and_never_said_to_launch(tmp_path: Path) -> None:
    files = {"x.go": cgo(LINKED, "#cgo LDFLAGS: -Wl,-rpath,/opt/foo/lib", package="main", after="func main() {}\n")}
    (link,) = look(tmp_path, files, mac=FOO).links

    assert (link.external, link.loads[0]) == (True, ("@rpath/libfoo.1.dylib", False))
    assert [r.path for r in link.run_paths] == ["/opt/foo/lib"]
    assert link.result is not None
    assert (link.result.launches, link.result.message) == (None, None)


def test_a_program_without_a_run_path_will_not_launch(tmp_path: Path) -> None:
    (link,) = look(tmp_path, {"x.go": cgo(LINKED, package="main")}, mac=FOO).links
    assert link.result is not None
    assert link.result.launches is False
    assert "no LC_RPATH's found" in (link.result.message or "")


def test_tests_have_the_run_paths_of_their_own_package_only(tmp_path: Path) -> None:
    files = {
        "main.go": 'package main\n\n// #cgo LDFLAGS: -Wl,-rpath,/opt/foo/lib\nimport "C"\nimport _ "example.org/m/q"\n'
        "func main() {}\n",
        "q/q.go": cgo(LINKED, package="q"), "q/q_test.go": "package q\n",
    }  # fmt: skip
    report = look(tmp_path, files, mac=FOO)

    assert {link.test: link.result and link.result.launches for link in report.links} == {False: None, True: False}
    assert only(report, "MC722").image == "example.org/m/q"


def test_a_run_path_of_the_environment_is_given_once_for_each_cgo_package(tmp_path: Path) -> None:
    files = {"x.go": cgo(package="main")}
    report = look(tmp_path, files, env={"CGO_LDFLAGS": "-Wl,-rpath,/opt/x"})
    assert only(report, "MC725").evidence["count"] == 2, "runtime/cgo counts"


def test_a_program_without_cgo_loads_what_the_standard_library_needs(tmp_path: Path) -> None:
    (link,) = look(tmp_path, {"x.go": 'package main\n\nimport _ "net/http"\n\nfunc main() {}\n'}, sdk=False).links
    assert not link.external
    assert [name.rsplit("/", 1)[1] for name, _ in link.loads] == [
        "libresolv.9.dylib", "CoreFoundation", "Security", "libSystem.B.dylib",
    ]  # fmt: skip


# -- settings and outputs --


def test_the_release_and_the_tags_come_from_go_mod_and_options(tmp_path: Path) -> None:
    files = {"go.mod": GO_MOD + "toolchain go1.24.3\n", "x.go": cgo("#cgo own LDFLAGS: -lz")}
    assert [t.minor for t in look(tmp_path / "a", files).targets] == [24]
    assert package(look(tmp_path / "b", files)).words.get("LDFLAGS") is None
    assert package(look(tmp_path / "c", files, tags=["own"])).words["LDFLAGS"][0].text == "-lz"
    assert package(look(tmp_path / "d", files, env={"GOFLAGS": "-tags=own"})).words["LDFLAGS"][0].text == "-lz"


def test_go_list_gives_packages_and_flags(tmp_path: Path) -> None:
    listed = tmp_path / "list.json"
    listed.write_text(
        json.dumps({"ImportPath": "example.org/m", "Dir": "/Users/x/m", "Name": "main", "CgoFiles": ["x.go"],
                    "CgoLDFLAGS": ["-lz"], "Imports": ["C", "os"], "Module": {"Path": "example.org/m", "Main": True}})
        + json.dumps({"ImportPath": "os", "Standard": True, "DepOnly": True})
    )  # fmt: skip
    report = look(tmp_path, {"x.go": MAIN}, go_list=listed)
    assert package(report).words["LDFLAGS"][0].text == "-lz"
    listed.write_text("{")
    with pytest.raises(InputError, match="not the output of go list"):
        look(tmp_path / "b", {"x.go": MAIN}, go_list=listed)


def test_documents_keep_to_their_schema_and_sarif_stands_at_the_line(tmp_path: Path) -> None:
    files = {"x.go": cgo(LINKED, "#include <gone.h>", package="main"), "x_test.go": "package main\n"}
    report = look(tmp_path, files, mac=FOO, goarch=("arm64", "amd64"))
    document = json.loads("".join(render(report, "json", document=Document.SOURCE)))
    schema = json.loads((ROOT / "docs" / "schema" / "source-1.json").read_text())
    jsonschema.validate(document, schema, cls=jsonschema.Draft202012Validator)
    log = json.loads("".join(render(report, "sarif", document=Document.SOURCE)))
    places = [r["locations"][0]["physicalLocation"] for r in log["runs"][0]["results"] if r["ruleId"] == "MC712"]
    assert [p["region"]["startLine"] for p in places] == [4]
    assert "digraph source" in "".join(render(report, "dot", document=Document.SOURCE))


def test_one_chain_is_told_step_by_step(tmp_path: Path) -> None:
    report = look(tmp_path, {"x.go": cgo(LINKED, "#include <stdio.h>")}, mac=FOO)
    text = chain_of(report, "-lfoo", Style(unicode=False))
    assert text is not None
    assert "1 x /opt/foo/lib/libfoo.tbd: no such file" in text
    assert "2 + /opt/foo/lib/libfoo.dylib: taken" in text
    assert "install name @rpath/libfoo.1.dylib" in text
    assert chain_of(report, "nothing.h", Style()) is None
    assert "SDK/usr/include/stdio.h: taken" in (chain_of(report, "stdio.h", Style()) or "")


def test_bad_requests_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such directory"):
        machochain.examine(tmp_path / "gone")
    with pytest.raises(UsageError, match="no such directory"):
        look(tmp_path / "a", {"x.go": MAIN}, patterns=["./gone"])


def test_paths_are_told_in_the_order_they_are_tried(tmp_path: Path) -> None:
    found = search(
        look(tmp_path, {"x.go": cgo("#cgo CFLAGS: -Iinc -isystem /opt/sys", "#include <a.h>"), "inc/b.h": ""},
             mac={"opt/sys/b.h": ""}), "a.h",
    )  # fmt: skip
    assert [t.path.replace(str(tmp_path), "") for t in found.tried] == [
        "/module/a.h", "/module/inc/a.h", "/usr/local/include/a.h", "/opt/sys/a.h", "/SDK/usr/local/include/a.h",
        "/SDK/usr/include/a.h",
    ]  # fmt: skip
    assert {t.state for t in found.tried} == {PathState.ABSENT}
