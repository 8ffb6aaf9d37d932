"""Each rule of a recorded Mac: true, not true, and skipped where what it needs was not recorded."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

import machochain
from machochain.findings import RULES
from machochain.machine.ci import Decision, Fallback, output_lines, parse_policy
from machochain.machine.compare import Weight, compare_machines
from machochain.machine.doctor import Buildable
from machochain.machine.facts import facts_of
from machochain.machine.snapshot import Snapshot, document
from machochain.model.errors import UsageError
from machochain.model.result import Severity
from machochain.report.doctor import Diagnosed
from machochain.report.registry import Document, render
from tests.cli.running import run
from tests.golang.test_buildinfo import image_with, inline
from tests.machine.macs import DEVELOPER, SDK, Changes, mac
from tests.source.modules import GO_MOD, cgo, write

ROOT = Path(__file__).parents[2]
GONE = "xcrun: error: invalid active developer path (/x), missing xcrun"
NO_SDK = 'xcodebuild: error: SDK "macosx" cannot be located'
OTHER_SDK = "/Applications/Xcode.app/Contents/Developer/Platforms/MacOSX.platform/Developer/SDKs/MacOSX26.1.sdk"
LICENCE = "You have not agreed to the Xcode license agreements."
PLAIN = {"go.mod": GO_MOD, "x.go": "package m\n"}
WITH_CGO = {"go.mod": GO_MOD, "x.go": cgo("#cgo LDFLAGS: -L/opt/homebrew/lib -lssl -lz", "#cgo pkg-config: foo")}
ZIG = "zig cc -target aarch64-macos"


def doctor(tmp_path: Path, snapshot: Snapshot, files: dict[str, str] | None = None, **more: object) -> Diagnosed:
    path = tmp_path / "mac.json"
    tmp_path.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document(snapshot)))
    source = write(tmp_path / "module", WITH_CGO if files is None else files) if files != {} else None
    return machochain.doctor(path, source=source, **more)  # type: ignore[arg-type]


def rules(found: Diagnosed) -> list[str]:
    return sorted({f.rule for f in found.case.findings})


def test_a_healthy_mac_has_no_findings_and_can_build(tmp_path: Path) -> None:
    found = doctor(tmp_path, mac())

    assert rules(found) == []
    assert found.case.can_build is Buildable.YES
    assert found.case.skipped == {}
    assert set(found.case.unnamed) == {"MC763"}, "no program was named"


TOLD: list[tuple[str, Changes, str]] = [
        ("MC741", {"out": {"developer_dir": "/gone\n"}, "files": {"/gone": "absent"}}, "error"),
        ("MC741", {"rc": {"sdk_path": 1}, "err": {"sdk_path": GONE}}, "error"),
        ("MC742", {"env": {"DEVELOPER_DIR": "/Applications/Xcode_15.app"}}, "warning"),
        ("MC743", {"rc": {"sdk_path": 1}, "err": {"sdk_path": NO_SDK}}, "error"),
        ("MC743", {"files": {SDK: "absent"}}, "error"),
        ("MC744", {"out": {"sdk_path_macosx": OTHER_SDK}}, "warning"),
        ("MC745", {"out": {"clt": "version: 16.4.0.0.1\n"}}, "warning"),
        ("MC746", {"rc": {"cc_version": 69}, "err": {"cc_version": LICENCE}}, "error"),
        ("MC747", {"err": {"ld_version": "@(#)PROGRAM:ld  PROJECT:ld64-409.12\n"}}, "warning"),
        ("MC748", {"out": {"which_cc": "/opt/homebrew/opt/llvm/bin/clang\n"}}, "warning"),
        ("MC749", {"listings": {"/usr/local/lib": ["libz.dylib"]}}, "warning"),
        ("MC751", {"out": {"translated": "1\n"}}, "warning"),
        ("MC751", {"go_env": {"GOHOSTARCH": "amd64"}}, "warning"),
        ("MC752", {"go_env": {"GOARCH": "amd64"}}, "error"),
        ("MC753", {"env": {"DYLD_LIBRARY_PATH": "/x"}, "err": {"go_signature": "flags=0x10000(runtime)"}}, "error"),
        ("MC754", {"go_env": {"CGO_ENABLED": "0"}}, "error"),
        ("MC755", {"rc": {"which_cc": 1}, "out": {"which_cc": ""}}, "error"),
        ("MC756", {"env": {"MACOSX_DEPLOYMENT_TARGET": "27.0"}}, "warning"),
        ("MC756", {"env": {"MACOSX_DEPLOYMENT_TARGET": "11.0"}}, "warning"),
        ("MC757", {"env": {"SDKROOT": SDK}}, "info"),
        ("MC758", {"env": {"PKG_CONFIG": "pkg-config --static"}}, "error"),
        ("MC760", {"kept": "CGO_LDFLAGS=-lx\n"}, "info"),
        ("MC760", {"kept": "CGO_LDFLAGS=-lx\n", "env": {"CGO_LDFLAGS": ""}}, "warning"),
        ("MC761", {"out": {"go_version": "go version go1.23.4 darwin/arm64\n"}}, "error"),
        ("MC762", {"env": {"CGO_CFLAGS": "-DX"}}, "warning"),
        ("MC764", {"env": {"CGO_LDFLAGS": '"-lx'}}, "error"),
        ("MC792", {"out": {"sdk_version": "no number\n"}}, "info"),
        ("MC759", {"env": {"CC": ZIG}}, "warning"),
]  # fmt: skip
QUIET: list[tuple[str, Changes]] = [
        ("MC741", {"files": {DEVELOPER: "link"}}),
        ("MC742", {"env": {"DEVELOPER_DIR": DEVELOPER}}),
        ("MC743", {"rc": {"sdk_path_macosx": 1}, "err": {"sdk_path_macosx": NO_SDK}}),
        ("MC744", {"out": {"sdk_path_macosx": f"{DEVELOPER}/SDKs/MacOSX26.1.sdk"}}),
        ("MC745", {"out": {"clt": "version: 26.0.0.0.1\n"}}),
        ("MC746", {"rc": {"cc_version": 1}, "err": {"cc_version": "clang: error: no such file"}}),
        ("MC747", {"err": {"ld_version": "@(#)PROGRAM:ld64  PROJECT:ld64-609.8\n"}}),
        ("MC748", {"out": {"which_cc": "/opt/homebrew/opt/llvm/bin/clang\n"}, "env": {"SDKROOT": SDK}}),
        ("MC749", {"listings": {"/usr/local/lib": ["libzzz.dylib", "libz.txt"]}}),
        ("MC749", {"listings": {"/x": []}, "files": {"/usr/local/lib": "absent"}}),
        ("MC749", {"listings": {"/usr/local/lib": ["libz.dylib"]}, "env": {"SDKROOT": SDK}}),
        ("MC751", {"rc": {"translated": 1}, "out": {"translated": ""}}),
        ("MC752", {"go_env": {"GOARCH": "amd64"}, "out": {"brew_prefix": "/usr/local\n"}}),
        ("MC753", {"env": {"DYLD_LIBRARY_PATH": "/x"}}),
        ("MC753", {"env": {"DYLD_LIBRARY_PATH": "/x"}, "err": {
            "go_signature": "flags=0x10000(runtime) com.apple.security.cs.allow-dyld-environment-variables"}}),
        ("MC754", {"env": {"CGO_ENABLED": "1"}}),
        ("MC755", {"out": {"which_cc": "/usr/bin/cc\n"}, "env": {"CC": "cc"}}),
        ("MC756", {"env": {"MACOSX_DEPLOYMENT_TARGET": "13.0"}}),
        ("MC757", {"env": {"SDKROOT": ""}}),
        ("MC758", {"env": {"PKG_CONFIG": "/x/pkg-config-static"}}),
        ("MC759", {"env": {"CC": ZIG, "PKG_CONFIG_LIBDIR": "/sdk/pc"}}),
        ("MC760", {"kept": "GOBIN=/x\nCGO_CFLAGS=\n"}),
        ("MC761", {"out": {"go_version": "go version go1.24.0 darwin/arm64\n"}}),
        ("MC762", {"env": {"CGO_CFLAGS": "-g -O1", "CGO_CPPFLAGS": "-DX"}}),
        ("MC764", {"env": {"CGO_LDFLAGS": '-lx"'}}),
        ("MC792", {"without": ("sdk_version",)}),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "changes", "severity"), TOLD)
def test_what_is_wrong_is_told_and_a_healthy_mac_says_nothing(
    tmp_path: Path, rule: str, changes: Changes, severity: str
) -> None:
    found = doctor(tmp_path, mac(**changes))

    (finding, *_) = [f for f in found.case.findings if f.rule == rule]
    assert finding.severity is Severity(severity)
    assert finding.remedy


@pytest.mark.parametrize(("rule", "changes"), QUIET)
def test_what_is_nearly_wrong_is_not_told_and_the_rule_was_asked(tmp_path: Path, rule: str, changes: Changes) -> None:
    case = doctor(tmp_path, mac(**changes)).case
    assert rule not in {f.rule for f in case.findings}
    assert rule not in case.skipped


SKIPPED: list[tuple[str, Changes]] = [
    ("MC741", {"without": ("developer_dir",)}),
    ("MC742", {"without": ("developer_dir",)}),
    ("MC743", {"without": ("sdk_path",)}),
    ("MC744", {"without": ("sdk_path_macosx",)}),
    ("MC745", {"without": ("clt",)}),
    ("MC745", {"without": ("sw_vers",)}),
    ("MC747", {"without": ("ld_version",)}),
    ("MC746", {"without": ("xcodebuild", "cc_version", "sdk_path", "find_clang")}),
    ("MC748", {"without": ("which_cc",), "environment": False}),
    ("MC749", {"listings": {"/x": []}}),
    ("MC751", {"without": ("uname",)}),
    ("MC752", {"without": ("brew_prefix",)}),
    ("MC753", {"dyld": False}),
    ("MC753", {"without": ("go_signature",)}),
    ("MC754", {"without": ("go_env",)}),
    ("MC755", {"without": ("which_cc",)}),
    ("MC756", {"without": ("sw_vers",)}),
    ("MC757", {"environment": False}),
    ("MC758", {"environment": False}),
    ("MC759", {"environment": False}),
    ("MC760", {"kept": None}),
    ("MC761", {"without": ("go_version",)}),
    ("MC762", {"environment": False}),
    ("MC764", {"environment": False}),
]


@pytest.mark.parametrize(("rule", "changes"), SKIPPED)
def test_a_rule_whose_facts_were_not_recorded_is_skipped_and_never_passed(
    tmp_path: Path, rule: str, changes: Changes
) -> None:
    found = doctor(tmp_path, mac(**changes))

    assert rule in found.case.skipped
    assert found.case.skipped[rule].startswith("not recorded: ")
    assert rule not in rules(found)


def test_findings_are_weighed_by_what_the_module_needs(tmp_path: Path) -> None:
    broken = mac(go_env={"CGO_ENABLED": "0"}, out={"which_cc": ""}, rc={"which_cc": 1})

    assert {"MC754", "MC755"} <= set(rules(doctor(tmp_path / "a", broken)))
    assert rules(doctor(tmp_path / "b", broken, PLAIN)) == []
    assert doctor(tmp_path / "b", broken, PLAIN).case.can_build is Buildable.YES
    assert "MC754" in doctor(tmp_path / "c", broken, {}).case.unnamed, "no module was named"


def test_a_release_wants_a_deployment_target(tmp_path: Path) -> None:
    assert rules(doctor(tmp_path / "a", mac(), release=True)) == ["MC756"]
    given = mac(env={"MACOSX_DEPLOYMENT_TARGET": "13.0"})
    assert rules(doctor(tmp_path / "b", given, release=True)) == ["MC757"]


def test_every_rule_of_a_machine_is_tried_true_nearly_true_and_with_its_facts_missing() -> None:
    wanted = {r for r in RULES if "MC741" <= r <= "MC764"} - {"MC763"}
    assert {rule for rule, _, _ in TOLD} == wanted | {"MC792"}
    assert {rule for rule, _ in QUIET} == wanted | {"MC792"}
    assert {rule for rule, _ in SKIPPED} == wanted, "MC792 tells what was recorded; nothing can be missing for it"
    assert {r for r in RULES if "MC771" <= r < "MC79"} == {"MC771", "MC772", "MC773"} == set(DECIDED) | {"MC773"}


DECIDED: dict[str, tuple[str, Changes]] = {
    "MC771": ("fallback = 'cross'", {"rc": {"which_cc": 1}, "out": {"which_cc": ""}}),
    "MC772": ("fallback = 'none'", {"rc": {"which_cc": 1}, "out": {"which_cc": ""}}),
}


@pytest.mark.parametrize("rule", DECIDED)
def test_a_decision_is_told_where_the_toolchain_is_broken_and_not_where_it_works_or_is_not_known(
    tmp_path: Path, rule: str
) -> None:
    policy, broken = DECIDED[rule]
    declared = tmp_path / "policy.toml"
    declared.write_text(f"[machochain.ci]\n{policy}\n")
    told = doctor(tmp_path / "a", mac(**broken), policy=declared)
    works = doctor(tmp_path / "b", mac(), policy=declared)
    missing = doctor(tmp_path / "c", mac(without=("which_cc",)), policy=declared)
    assert (rule in rules(told), rules(works), rules(missing)) == (True, [], [])
    assert missing.ci is not None
    assert missing.ci.decision is Decision.UNKNOWN
    assert "MC755" in missing.case.skipped


def test_flags_of_a_program_are_compared_where_they_and_a_program_are_known(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(image_with(inline(lines='path\tx\nbuild\tCGO_LDFLAGS="-L/x -lfoo"\n')))
    same = mac(env={"CGO_LDFLAGS": "-L/x -lfoo"})
    assert "MC763" in rules(doctor(tmp_path / "a", mac(), binary=program))
    assert "MC763" not in rules(doctor(tmp_path / "b", same, binary=program))
    assert doctor(tmp_path / "c", mac()).case.unnamed == {"MC763": "no program was named: --binary BIN"}
    unknown = doctor(tmp_path / "d", mac(environment=False), binary=program).case
    assert "MC763" in unknown.skipped
    assert "MC763" not in {f.rule for f in unknown.findings}


def test_a_cross_build_asks_for_libraries_of_its_own(tmp_path: Path) -> None:
    changes: Changes = {"env": {"CC": "zig cc -target aarch64-macos"}}
    files = {**PLAIN, "x.go": cgo("#cgo pkg-config: foo")}
    assert "MC759" in rules(doctor(tmp_path / "a", mac(**changes), files))
    changes["env"]["PKG_CONFIG_LIBDIR"] = "/sdk/pc"
    assert "MC759" not in rules(doctor(tmp_path / "b", mac(**changes), files))
    assert "MC759" in doctor(tmp_path / "c", mac(environment=False), files).case.skipped


# -- the decision of a pipeline --


@pytest.mark.parametrize(
    ("changes", "files", "policy", "decision", "cgo"),
    [
        ({}, PLAIN, "", Decision.PURE_GO, False),
        ({}, WITH_CGO, "", Decision.CGO, True),
        ({"rc": {"which_cc": 1}, "out": {"which_cc": ""}}, WITH_CGO, "", Decision.FAIL, None),
        ({"rc": {"which_cc": 1}, "out": {"which_cc": ""}}, WITH_CGO, "fallback = 'pure-go'", Decision.FAIL, None),
        ({"rc": {"which_cc": 1}, "out": {"which_cc": ""}}, WITH_CGO, "fallback = 'pure-go'\npure_go_ok = true",
         Decision.PURE_GO, False),
        ({"rc": {"which_cc": 1}, "out": {"which_cc": ""}}, WITH_CGO, "fallback = 'cross'", Decision.CROSS, True),
        ({"rc": {"which_cc": 1}, "out": {"which_cc": ""}}, WITH_CGO, "fallback = 'native-runner'", Decision.FAIL, None),
        ({"without": ("developer_dir",)}, WITH_CGO, "", Decision.UNKNOWN, None),
    ],
)  # fmt: skip
def test_a_pipeline_is_decided_by_what_was_declared(
    tmp_path: Path, changes: Changes, files: dict[str, str], policy: str, decision: Decision, cgo: bool | None
) -> None:
    declared = tmp_path / "policy.toml"
    declared.write_text(f"[machochain.ci]\n{policy}\n")
    found = doctor(tmp_path, mac(**changes), files, policy=declared)

    assert found.ci is not None
    assert (found.ci.decision, found.ci.cgo_enabled) == (decision, cgo)
    if decision is Decision.FAIL:
        assert "MC772" in rules(found)
    if policy.startswith("fallback = 'cross'") or "pure_go_ok" in policy:
        assert "MC771" in rules(found)
    lines = output_lines(found.ci).splitlines()
    assert lines[0] == f"decision={decision.value}"
    assert lines[2].startswith("reasons<<")
    assert lines[-1] == lines[2].removeprefix("reasons<<")


def test_the_declared_minimum_and_targets_count(tmp_path: Path) -> None:
    declared = tmp_path / "policy.toml"
    declared.write_text("[machochain.ci]\nmin_macos = '12.0'\ntargets = ['darwin/amd64']\n")
    only = {**PLAIN, "x_amd64.go": cgo("#cgo LDFLAGS: -lz")}
    found = doctor(tmp_path / "a", mac(), only, policy=declared).ci
    assert found is not None
    assert (found.decision, ("minimum macOS", "12.0") in found.inputs) == (Decision.CGO, True)
    assert found.reasons[1].startswith("set CGO_CPPFLAGS=-mmacosx-version-min=12.0 and CGO_LDFLAGS=")
    set_already = doctor(tmp_path / "b", mac(env={"MACOSX_DEPLOYMENT_TARGET": "12.0"}), only, policy=declared).ci
    assert set_already is not None
    assert len(set_already.reasons) == 1


def test_what_is_not_set_or_not_installed_is_not_called_unrecorded(tmp_path: Path) -> None:
    for name, changes in (("a", {}), ("b", {"env": {"SDKROOT": SDK}, "out": {"brew_list": "zlib 1.3.1\n"}})):
        (tmp_path / f"{name}.json").write_text(json.dumps(document(mac(**changes))))  # type: ignore[arg-type]
    done = run("diff", str(tmp_path / "a.json"), str(tmp_path / "b.json"))
    assert f"SDKROOT: (none) → {SDK}" in done.stdout
    assert "brew openssl@3: 3.5.0 → (none)" in done.stdout
    assert "not recorded" not in done.stdout


def test_a_directory_without_a_package_does_not_pass(tmp_path: Path) -> None:
    (tmp_path / "mac.json").write_text(json.dumps(document(mac())))
    (tmp_path / "empty").mkdir()
    for command in (["doctor", str(tmp_path / "mac.json"), "--source"], ["source"]):
        done = run(*command, str(tmp_path / "empty"))
        assert (done.returncode, done.stdout) == (2, "")
        assert "no Go package that is built for darwin/arm64" in done.stderr


def test_a_recorded_mac_and_something_else_are_not_compared(tmp_path: Path) -> None:
    (tmp_path / "mac.json").write_text(json.dumps(document(mac())))
    done = run("diff", str(tmp_path / "mac.json"), str(ROOT / "testdata/hello/bin/greeter"))
    assert done.returncode == 2
    assert "is a recorded Mac and" in done.stderr


def test_of_a_listing_that_was_cut_nothing_is_absent(tmp_path: Path) -> None:
    names = [f"lib{n}.dylib" for n in range(5000)]
    recorded = mac(listings={"/usr/local/lib": names, "/opt/homebrew/lib": names})
    case = doctor(tmp_path, recorded).case
    assert "MC749" in case.skipped
    assert case.source is not None
    assert {s.outcome.value for s in case.source.searches if s.name == "ssl"} == {"unknown"}


def test_a_policy_is_read_strictly() -> None:
    assert parse_policy("[machochain]\n", "p") is None
    found = parse_policy("[machochain.ci]\nfallback='cross'\ntargets=['darwin/amd64']\n", "p")
    assert found is not None
    assert (found.fallback, found.targets) == (Fallback.CROSS, ("darwin/amd64",))
    for bad in (
        "x",
        "[machochain.ci]\nfallback='maybe'",
        "[machochain.ci]\nfalback='none'",
        "[machochain.ci]\npure_go_ok=1",
        "[machochain.ci]\ntargets=['linux/amd64']",
        "[machochain.ci]\nmin_macos='soon'",
    ):
        with pytest.raises(UsageError):
            parse_policy(bad, "p")


# -- comparing --


def test_differences_are_ordered_by_what_they_change() -> None:
    old, new = facts_of(mac()), facts_of(mac(
        out={"brew_list": "openssl@3 3.6.0\n", "sdk_version": "27.0\n"}, err={"ld_version": "PROJECT:ld-1300\n"},
        env={"CGO_CFLAGS": "-O2"},
    ))  # fmt: skip
    found = compare_machines(old, new)

    assert [d.weight for d in found] == sorted((d.weight for d in found), key=list(Weight).index)
    assert {d.fact for d in found} == {"SDK version", "CGO_CFLAGS", "linker", "brew openssl@3", "brew zlib"}
    assert compare_machines(old, old) == ()


def test_two_snapshots_are_compared_by_diff(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(document(mac())))
    (tmp_path / "b.json").write_text(json.dumps(document(mac(out={"sdk_version": "27.0\n"}))))
    done = run("diff", str(tmp_path / "a.json"), str(tmp_path / "b.json"))
    assert done.returncode == 1
    assert "SDK version: 26.1 → 27.0" in done.stdout
    assert run("diff", str(tmp_path / "a.json"), str(tmp_path / "a.json")).returncode == 0
    found = json.loads(run("diff", str(tmp_path / "a.json"), str(tmp_path / "b.json"), "--json").stdout)
    jsonschema.validate(found, json.loads((ROOT / "docs/schema/snapshot-diff-1.json").read_text()))


def test_an_image_that_changed_under_its_label_is_told(tmp_path: Path) -> None:
    for name, version in (("a", "20261101.1"), ("b", "20261120.2")):
        image = {"ImageOS": "macos26", "ImageVersion": version}
        (tmp_path / f"{name}.json").write_text(json.dumps(document(mac(env=image))))
    done = run("diff", str(tmp_path / "a.json"), str(tmp_path / "b.json"))
    assert "info[MC773] macos26: ImageVersion 20261101.1 became 20261120.2" in done.stdout
    assert "MC773" not in run("diff", str(tmp_path / "a.json"), str(tmp_path / "a.json")).stdout
    (tmp_path / "c.json").write_text(json.dumps(document(mac(env={"ImageOS": "macos26"}))))
    less = run("diff", str(tmp_path / "a.json"), str(tmp_path / "c.json")).stdout
    assert "ImageVersion: 20261101.1 → (none)" in less
    assert "MC773" not in less, "of one of them the version is not known"


# -- documents and exit codes --


def test_documents_keep_to_their_schemas(tmp_path: Path) -> None:
    declared = tmp_path / "policy.toml"
    declared.write_text("[machochain.ci]\n")
    found = doctor(tmp_path, mac(go_env={"CGO_ENABLED": "0"}), policy=declared)
    for name, data in (
        ("doctor", json.loads("".join(render(found, "json", document=Document.DOCTOR)))),
        ("snapshot", document(mac())),
    ):
        schema = json.loads((ROOT / "docs" / "schema" / f"{name}-1.json").read_text())
        jsonschema.validate(data, schema, cls=jsonschema.Draft202012Validator)
    text = "".join(render(found, "text", document=Document.DOCTOR))
    assert text.splitlines()[0].startswith(
        "macOS 26.1 arm64: what is needed to build example.org/m with cgo is there: no"
    )
    assert "decision: fail" in text
    assert "not asked, no program was named: --binary BIN  (MC763)" in text
    assert f"developer directory {DEVELOPER}" in text


def test_exit_codes_and_what_github_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, declared = tmp_path / "mac.json", tmp_path / "policy.toml"
    path.write_text(json.dumps(document(mac(go_env={"CGO_ENABLED": "0"}))))
    declared.write_text("[machochain.ci]\n")
    module = str(write(tmp_path / "module", WITH_CGO))
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "out"))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))

    assert run("doctor", str(path), "--source", module).returncode == 1
    assert run("doctor", str(path), "--source", module, "--fail-on", "never").returncode == 0
    assert run("doctor", str(path), "--strict").returncode == 0, "what no module was named for is not missing"
    (tmp_path / "less.json").write_text(json.dumps(document(mac(without=("which_cc",)))))
    assert run("doctor", str(tmp_path / "less.json"), "--strict").returncode == 3, "a rule was skipped"
    assert run("doctor", str(tmp_path / "gone.json")).returncode == 2
    done = run("doctor", str(path), "--source", module, "--policy", str(declared), "--github")
    assert done.returncode == 1
    assert (tmp_path / "out").read_text().startswith("decision=fail\ncgo_enabled=\nreasons<<")
    assert (tmp_path / "summary").read_text().startswith("### machochain: fail")
    assert "::error title=MC754 cgo-off::" in done.stderr
