"""``source --binary``: where run paths of a program come from, and whether it was linked before a library changed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import machochain
from machochain.model.errors import InputError, UsageError
from machochain.model.result import Confidence, Finding, Severity
from machochain.source.values import SourceReport
from machochain.world.placement import World
from tests.factory import MachO, Section
from tests.golang.test_buildinfo import inline
from tests.source.modules import GO_MOD, SDK, cgo, dylib, only, rules, write

ROOT = Path(__file__).parents[2]
MAIN = "\nfunc main() {}\n"
LINK = "#cgo LDFLAGS: -L/opt/foo/lib -lfoo"
RPATH = "#cgo LDFLAGS: -Wl,-rpath,/opt/foo/lib"
FOO = "/opt/foo/lib/libfoo.1.dylib"
ENV = 'build\tCGO_LDFLAGS="-Wl,-rpath,/opt/foo/lib"\n'


def build(*settings: str, path: str = "example.org/m", module: str = "example.org/m") -> str:
    return f"path\t{path}\nmod\t{module}\t(devel)\t\nbuild\tCGO_ENABLED=1\n" + "".join(settings)


def program(
    info: str | None, *, loads: tuple[str, ...] = (FOO,), rpaths: tuple[str, ...] = (), arch: str = "arm64"
) -> bytes:
    sections = [Section("__DATA", "__go_buildinfo", inline(b"go1.27.3", info), align=4)] if info is not None else []
    return MachO(loads=list(loads), rpaths=rpaths, signed=True, sections=sections, arch=arch).bytes()


def held(
    tmp_path: Path,
    binary: bytes,
    *,
    lines: tuple[str, ...] = (LINK,),
    mac: dict[str, str | bytes] | None = None,
    files: dict[str, str | bytes] | None = None,
    newer: bool = False,
    **more: Any,
) -> SourceReport:
    module = write(
        tmp_path / "module",
        {"go.mod": GO_MOD, "x.go": cgo(*lines, package="main", after=MAIN), "bin/m": binary, **(files or {})},
    )
    libraries = {"opt/foo/lib/libfoo.dylib": dylib(FOO)} if mac is None else mac
    root = write(tmp_path / "mac", {"etc/hosts": "", **libraries})
    os.utime(module / "bin" / "m", ns=(10**18, 10**18))
    for file in libraries:
        at = 10**18 + (1 if newer else -1)
        os.utime(root / file, ns=(at, at))
    sdk = write(tmp_path / "SDK", SDK)
    return machochain.examine(
        module, goarch=more.pop("goarch", ["arm64"]), binary=module / "bin" / "m",
        world=World(root=more.pop("root", root), sdks=[sdk]), **more,
    )  # fmt: skip


def of(report: SourceReport, rule: str) -> list[Finding]:
    return [f for f in report.findings if f.rule == rule]


# -- MC721 --


def test_a_run_path_of_the_environment_is_told_with_what_gave_it(tmp_path: Path) -> None:
    report = held(tmp_path, program(build(ENV), rpaths=("/opt/foo/lib",)))

    finding = only(report, "MC721")
    assert (finding.severity, finding.confidence) == (Severity.WARNING, Confidence.CERTAIN)
    assert (finding.subject, finding.evidence["given_by"]) == ("/opt/foo/lib", "CGO_LDFLAGS")
    assert finding.remedy[0].startswith("write '#cgo LDFLAGS: -Wl,-rpath,/opt/foo/lib' in the package")
    assert finding.remedy[-1] == "or go env -w CGO_LDFLAGS=-Wl,-rpath,/opt/foo/lib"


@pytest.mark.parametrize(
    "flags", ["-ldflags=\"-extldflags '-Wl,-rpath,/opt/foo/lib'\"", "-ldflags=-extldflags=-Wl,-rpath,/opt/foo/lib"]
)
def test_a_run_path_of_the_command_line_is_told(tmp_path: Path, flags: str) -> None:
    report = held(tmp_path, program(build(f"build\t{flags}\n"), rpaths=("/opt/foo/lib",)))

    assert only(report, "MC721").evidence["origin"] == "flags"


def test_a_run_path_that_a_directive_gives_too_is_no_finding(tmp_path: Path) -> None:
    report = held(tmp_path, program(build(ENV), rpaths=("/opt/foo/lib",)), lines=(LINK, RPATH))

    assert "MC721" not in rules(report)
    assert "MC721" not in report.skipped


def test_a_run_path_that_pkg_config_gives_too_is_no_finding(tmp_path: Path) -> None:
    pc = "Name: foo\nVersion: 1\nLibs: -L/opt/foo/lib -lfoo -Wl,-rpath,/opt/foo/lib\n"
    mac: dict[str, str | bytes] = {"opt/pc/foo.pc": pc, "opt/foo/lib/libfoo.dylib": dylib(FOO)}
    report = held(
        tmp_path, program(build(ENV), rpaths=("/opt/foo/lib",)), lines=("#cgo pkg-config: foo",), mac=mac,
        target=machochain.Target(environment={"PKG_CONFIG_LIBDIR": "/opt/pc"}),
    )  # fmt: skip

    assert "MC721" not in rules(report)


def test_a_run_path_that_nothing_recorded_is_no_finding_of_this_rule(tmp_path: Path) -> None:
    report = held(tmp_path, program(build(), rpaths=("/added/later",)))

    assert "MC721" not in rules(report)
    assert report.binary is not None
    assert [o.value for _, o in report.binary.held["darwin/arm64"].origins] == ["unknown"]


def test_a_flag_that_left_no_run_path_in_the_program_is_no_finding(tmp_path: Path) -> None:
    assert "MC721" not in rules(held(tmp_path, program(build(ENV))))


def test_a_run_path_with_an_at_sign_cannot_be_written_into_sources(tmp_path: Path) -> None:
    at = 'build\tCGO_LDFLAGS="-L/x -Wl,-rpath,@executable_path/../lib"\n'
    finding = only(held(tmp_path, program(build(at), rpaths=("@executable_path/../lib",))), "MC721")

    assert "cmd/go refuses run paths that begin with @" in finding.remedy[0]
    assert "go env -w 'CGO_LDFLAGS=-L/x -Wl,-rpath,@executable_path/../lib'" in finding.remedy[-1]


def test_packages_nobody_saw_make_the_finding_likely_and_say_so(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {"y.go": 'package main\n\nimport _ "example.com/unseen"\n'}
    report = held(tmp_path, program(build(ENV), rpaths=("/opt/foo/lib",)), files=files)

    finding = only(report, "MC721")
    assert finding.confidence is Confidence.LIKELY
    assert "package example.com/unseen" in finding.message


def test_without_a_program_neither_rule_is_asked(tmp_path: Path) -> None:
    module = write(tmp_path, {"go.mod": GO_MOD, "x.go": cgo(LINK)})
    report = machochain.examine(module, world=World())

    assert {rule: report.skipped[rule] for rule in ("MC721", "MC735")} == dict.fromkeys(
        ("MC721", "MC735"), "no --binary was named"
    )


def test_flags_that_trimpath_hides_are_not_passed(tmp_path: Path) -> None:
    report = held(tmp_path, program(build("build\t-trimpath=true\n"), rpaths=("/opt/foo/lib",)))

    assert "MC721" not in rules(report)
    assert "-trimpath keeps" in report.skipped["MC721"]


@pytest.mark.parametrize(
    ("binary", "why"),
    [
        (program(build(ENV, path="example.org/m/cmd/gone"), rpaths=("/opt/foo/lib",)), "is not among those"),
        (program(build(ENV), rpaths=("/opt/foo/lib",), arch="x86_64"), "were not read for darwin/amd64"),
    ],
)
def test_a_slice_that_cannot_be_compared_is_not_passed(tmp_path: Path, binary: bytes, why: str) -> None:
    report = held(tmp_path, binary, newer=True)

    assert not {"MC721", "MC735"} & set(rules(report))
    assert why in report.skipped["MC721"]
    assert why in report.skipped["MC735"]


def test_a_program_of_another_module_or_not_of_go_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is of example.org/other; the sources are of example.org/m"):
        held(tmp_path, program(build(path="example.org/other", module="example.org/other")))
    with pytest.raises(UsageError, match="no program made by Go"):
        held(tmp_path, program(None))


def test_a_folder_or_a_file_that_is_not_there_is_no_program(tmp_path: Path) -> None:
    write(tmp_path, {"go.mod": GO_MOD, "x.go": cgo(LINK), "empty/x": ""})
    for name in (".", "empty"):
        with pytest.raises(UsageError, match="one program, please"):
            machochain.examine(tmp_path, binary=tmp_path / name)
    with pytest.raises(InputError, match=r"gone: cannot be read: No such file or directory"):
        machochain.examine(tmp_path, binary=tmp_path / "gone")


def test_a_test_binary_is_held_against_its_own_package(tmp_path: Path) -> None:
    info = build(ENV, path="example.org/m/q.test")
    files: dict[str, str | bytes] = {
        "q/q.go": cgo(LINK, package="q"), "q/q_test.go": "package q\n",
    }  # fmt: skip
    report = held(tmp_path, program(info, rpaths=("/opt/foo/lib",)), lines=(RPATH,), files=files)

    assert only(report, "MC721").image == "example.org/m/q", "the program's own package gives it, the test's does not"


def test_tags_the_program_was_built_with_count(tmp_path: Path) -> None:
    info = build(ENV, "build\t-tags=extra\n")
    files: dict[str, str | bytes] = {"t.go": "//go:build extra\n\n" + cgo(RPATH, package="main")}

    assert "MC721" not in rules(held(tmp_path / "a", program(info, rpaths=("/opt/foo/lib",)), files=files))
    other = program(build(ENV), rpaths=("/opt/foo/lib",))
    assert "MC721" in rules(held(tmp_path / "b", other, files=files))


# -- MC735 --


def test_a_library_that_is_newer_than_the_program_is_told(tmp_path: Path) -> None:
    finding = only(held(tmp_path, program(build(ENV)), newer=True), "MC735")

    assert (finding.severity, finding.confidence) == (Severity.WARNING, Confidence.LIKELY)
    assert finding.evidence["newer"] == ["/opt/foo/lib/libfoo.dylib"]
    assert finding.remedy[0].startswith("CGO_LDFLAGS=-Wl,-rpath,/opt/foo/lib go build -a -o ")
    assert finding.remedy[1].endswith("/bin/m")


def test_a_library_that_is_older_is_no_finding(tmp_path: Path) -> None:
    report = held(tmp_path, program(build()))

    assert "MC735" not in rules(report)
    assert "MC735" not in report.skipped


def test_another_install_name_of_the_same_library_is_told_whatever_the_times(tmp_path: Path) -> None:
    mac: dict[str, str | bytes] = {"opt/foo/lib/libfoo.dylib": dylib("/opt/foo/lib/libfoo.2.dylib")}
    finding = only(held(tmp_path, program(build()), mac=mac), "MC735")

    assert (finding.evidence["linked"], finding.evidence["now"]) == (FOO, "/opt/foo/lib/libfoo.2.dylib")


def test_a_static_library_in_place_of_the_dylib_is_told(tmp_path: Path) -> None:
    finding = only(held(tmp_path, program(build()), mac={"opt/foo/lib/libfoo.a": b"!<arch>\n"}), "MC735")

    assert (finding.evidence["linked"], finding.evidence["now"]) == (FOO, None)


def test_a_static_library_that_is_newer_is_told(tmp_path: Path) -> None:
    binary = program(build(), loads=("/usr/lib/libSystem.B.dylib",))
    mac: dict[str, str | bytes] = {"opt/foo/lib/libfoo.a": b"!<arch>\n"}

    assert "MC735" in rules(held(tmp_path / "a", binary, mac=mac, newer=True))
    assert "MC735" not in rules(held(tmp_path / "b", binary, mac=mac))


def test_the_directory_of_the_recorded_variable_counts(tmp_path: Path) -> None:
    info = build('build\tCGO_LDFLAGS="-L/opt/foo/lib -lfoo"\n')
    mac: dict[str, str | bytes] = {"opt/foo/lib/libfoo.dylib": dylib("/opt/foo/lib/libfoo.2.dylib")}
    report = held(tmp_path, program(info), lines=("int f(void);",), mac=mac)

    assert only(report, "MC735").evidence["linked"] == FOO
    assert "-lfoo" not in [f"-l{s.name}" for s in report.searches], "this shell's own build takes no such library"


def test_libraries_nobody_saw_leave_the_rule_open(tmp_path: Path) -> None:
    report = held(tmp_path, program(build()), root=None, mac={})

    assert "MC735" not in rules(report)
    assert "-lfoo" in report.skipped["MC735"]


# -- documents --


def test_the_document_and_the_text_name_the_origin_of_each_run_path(tmp_path: Path) -> None:
    report = held(tmp_path, program(build(ENV), rpaths=("/opt/foo/lib", "@loader_path")), lines=(LINK,))
    document = json.loads(machochain.render(report, "json"))

    jsonschema.validate(document, json.loads((ROOT / "docs/schema/source-1.json").read_text()))
    assert document["binary"]["slices"][0]["run_paths"] == [
        {"path": "/opt/foo/lib", "origin": "environment"}, {"path": "@loader_path", "origin": "unknown"},
    ]  # fmt: skip
    text = machochain.render(report)
    assert "run path /opt/foo/lib  [CGO_LDFLAGS of its build]" in text
    assert "run path @loader_path  [nothing that was read gives it]" in text
