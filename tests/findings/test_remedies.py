"""Remedies are commands that fit the cause, and would work as they stand."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from machochain.findings import Checker, Facts, index_by_name
from machochain.findings.go_words import uuid_remedy
from machochain.findings.names import library_base
from machochain.findings.places import foreign, leaked_run_path, place_of
from machochain.findings.remedies import change, run_path_to
from machochain.model.paths import TargetPath
from machochain.model.remedy import StepKind
from machochain.model.shell import quoted
from machochain.model.signature import Signature, SignatureKind
from tests.factory import Section, load
from tests.findings.cases import BREW, FOO, USES_FOO
from tests.findings.golang_cases import go_exe
from tests.findings.scenes import LIB, RPATH, TOOL, Scene, exe, lib, plugin, with_lib

SIGN = f"codesign -f -s - {TOOL}"
GO = [Section("__DATA", "__go_buildinfo", bytes(32))]


def the(scene: Scene, rule: str) -> tuple[str, ...]:
    (finding,) = scene.found(rule)
    return finding.remedy


def fix(rule: str) -> str:
    """The way that exists on every system."""
    return f"or machochain fix {TOOL} -o fixed/ --only {rule}"


def test_without_run_path_one_is_added_that_leads_to_the_library() -> None:
    assert the(with_lib(exe(FOO)), "MC101") == (
        f"install_name_tool -add_rpath @loader_path/../lib {TOOL} && {SIGN}",
        "or link with -Wl,-rpath,@loader_path/../lib",
        fix("MC101"),
    )


def test_a_go_program_is_told_its_own_flag() -> None:
    ways = the(with_lib(exe(FOO, sections=GO)), "MC101")

    assert ways[2:] == (
        'or CGO_LDFLAGS="$CGO_LDFLAGS -Wl,-rpath,@loader_path/../lib" go build',
        'or go build -ldflags="-extldflags=-Wl,-rpath,@loader_path/../lib"',
        "not in #cgo LDFLAGS: cmd/go refuses run paths that begin with @ there",
        fix("MC101"),
    )


def test_a_go_program_without_uuid_is_told_which_go_writes_one() -> None:
    first, second, *rest = the(Scene({TOOL: exe(uuid=None, sdk="26.0", sections=GO)}), "MC301")
    assert first == "build with Go 1.24 or newer, and without -buildid= in -ldflags"
    assert second == "or go build -ldflags=-linkmode=external"
    assert rest == ["or add an LC_UUID, which a linker writes by default", fix("MC301")]
    assert the(Scene({TOOL: exe(uuid=None, sdk="26.0")}), "MC301") == (
        "link again without -Wl,-no_uuid",
        "or add an LC_UUID, which a linker writes by default",
        fix("MC301"),
    )


@pytest.mark.parametrize("name", ["plain", "two words", "it's", "a\nb\x1b[1m\\n'", "\udcff\udc80f", "é\u2028"])
def test_a_quoted_name_is_the_same_name_in_a_shell(name: str) -> None:
    word = quoted(name)
    assert word.isprintable()
    shown = subprocess.run(["bash", "-c", f"printf %s {word}"], capture_output=True, check=True).stdout  # our own text
    assert shown == name.encode("utf-8", "surrogateescape")


@pytest.mark.parametrize(("macos", "rule"), [("26", "MC101"), ("13.3", "MC904")])
def test_a_library_that_lies_without_its_folder_is_named_anew(macos: str, rule: str) -> None:
    ways = the(with_lib(exe("@rpath/sub/libfoo.dylib"), macos=macos), rule)
    assert ways == (
        f"install_name_tool -change @rpath/sub/libfoo.dylib @loader_path/../lib/libfoo.dylib {TOOL} && {SIGN}",
        fix(rule),
    )


@pytest.mark.parametrize(
    ("name", "place", "remedy"),
    [
        ("/old/libfoo.dylib", "/v/libfoo.dylib", "-change /old/libfoo.dylib /v/libfoo.dylib"),
        ("@rpath/libfoo.dylib", "/v/libfoo.dylib", "-add_rpath /v"),
        ("@rpath/sub/libfoo.dylib", "/v/libfoo.dylib", "-change @rpath/sub/libfoo.dylib /v/libfoo.dylib"),
        ("@rpath/F.framework/Versions/A/F", "/v/F.framework/Versions/A/F", "-add_rpath /v"),
    ],
)
def test_what_a_variable_finds_is_found_without_it_by_the_remedy(name: str, place: str, remedy: str) -> None:
    environment = {"DYLD_LIBRARY_PATH": "/v", "DYLD_FRAMEWORK_PATH": "/v"}
    ways = the(Scene({TOOL: exe(name), place: lib(name)}, options={"environment": environment}), "MC111")
    assert ways[0] == f"install_name_tool {remedy} {TOOL} && {SIGN}"


def test_a_signature_that_cannot_be_read_is_none() -> None:
    (result,) = Scene({TOOL: exe()}).results()

    broken = Checker().check(result, Facts(signatures={0: Signature()}))
    sound = Checker().check(result, Facts(signatures={0: Signature(SignatureKind.AD_HOC)}))

    assert [(f.rule, f.evidence["signature"]) for f in broken] == [("MC501", "unreadable")]
    assert sound == ()


def test_the_remedy_is_true() -> None:
    broken = with_lib(exe("@rpath/sub/libfoo.dylib"), lib("@rpath/sub/libfoo.dylib"))
    tree = {TOOL: exe("@rpath/sub/libfoo.dylib"), "/app/far/sub/libfoo.dylib": lib("@rpath/sub/libfoo.dylib")}
    checker = Checker(index_by_name([TargetPath("/app/far/sub/libfoo.dylib")]))
    (finding,) = [f for f in Scene(tree).results(checker)[0].findings if f.rule == "MC101"]
    run_path = finding.remedy[0].split()[2]

    fixed = Scene({**tree, TOOL: exe("@rpath/sub/libfoo.dylib", rpaths=[run_path])}).results()[0]

    assert broken.results()[0].launches is False
    assert run_path == "@loader_path/../far"
    assert fixed.launches is True


def test_a_path_of_a_package_manager_is_bundled() -> None:
    scene = Scene({TOOL: exe(BREW)})

    assert the(scene, "MC101") == (
        "put a copy of libfoo.dylib into /app/bin, or link it statically",
        f"install_name_tool -change {BREW} @loader_path/libfoo.dylib {TOOL} && {SIGN}",
    )
    assert scene.found("MC101")[0].evidence["cause"] == "homebrew-arm"


def test_a_copy_in_the_tree_is_pointed_at() -> None:
    ways = the(with_lib(exe(BREW)), "MC101")

    assert ways == (f"install_name_tool -change {BREW} @loader_path/../lib/libfoo.dylib {TOOL} && {SIGN}", fix("MC101"))


def test_a_leaked_run_path_is_deleted() -> None:
    path = "/opt/homebrew/Cellar/gcc@13/13.4.0/lib/gcc/13"
    scene = with_lib(exe(FOO, rpaths=[path, RPATH]))

    assert the(scene, "MC402") == (f"install_name_tool -delete_rpath {path} {TOOL} && {SIGN}", fix("MC402"))
    assert not scene.found("MC121")


def test_a_file_name_cannot_break_out_of_a_command() -> None:
    scene = Scene({"/app/a; rm -rf '$HOME'\n": exe(FOO)}, at="/app/a; rm -rf '$HOME'\n")
    (finding,) = scene.found("MC101")

    assert "\n" not in "".join(finding.remedy)
    assert "\n" not in finding.message
    assert r"$'/app/a; rm -rf \x27$HOME\x27\x0a'" in finding.remedy[0]


def test_the_run_paths_that_were_tried_are_evidence() -> None:
    (finding,) = Scene({TOOL: USES_FOO}).found("MC101")

    assert finding.evidence["run_paths"] == [[TOOL, RPATH]]
    assert finding.evidence["cause"] == "run-paths-miss"
    assert finding.evidence["tried"][0] == ["/app/bin/../lib/libfoo.dylib", "no such file"]


def test_a_library_of_a_newer_macos_is_named_so() -> None:
    (finding,) = Scene({TOOL: exe("/usr/lib/libgone.dylib")}).found("MC101")

    assert finding.evidence["cause"] == "other-release"
    assert "macOS 26.0 does not have it, other releases do" in finding.message


def test_a_weak_load_is_never_worse_than_a_warning() -> None:
    for name in (
        FOO,
        BREW,
        "libfoo.dylib",
        "@bogus/libfoo.dylib",
        "/usr/lib/libmisspelt.dylib",
        "/usr/lib/libgone.dylib",
    ):
        for macos in ("11", "12.5", "13.3", "14", "26"):
            scene = Scene({TOOL: exe(load(name, weak=True), sdk="13.0"), LIB: lib(arch="x86_64")}, macos=macos)
            assert [f.rule for f in scene.findings() if f.severity.value == "error"] == []


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/opt/homebrew/lib", "homebrew-arm"),
        ("/usr/local/Cellar/gcc/13/lib", "homebrew-intel"),
        ("/usr/local/opt/openssl@3/lib/libssl.3.dylib", "homebrew-intel"),
        ("/usr/local/lib/libfoo.dylib", "usr-local"),
        ("/opt/local/lib", "macports"),
        ("/sw/lib", "fink"),
        ("/nix/store/abc-zlib/lib", "nix"),
        ("/Users/me/miniconda3/envs/x/lib", "conda"),
        ("/Users/me/proj/.venv/lib", "venv"),
        ("/Users/runner/work/x", "github-runner"),
        ("/Users/me/x", "users"),
        ("/home/ci/x", "home"),
        ("/private/var/folders/ab/T/go-build123/b001/exe", "go-build"),
        ("$WORK/b001", "go-build"),
        ("/Users/me/go/pkg/mod/github.com/a/b@v1.2.3/lib", "go-module-cache"),
        ("/private/tmp/x", "temporary"),
        ("/var/folders/ab/T", "temporary"),
        ("/Applications/Xcode_15.app/Contents/Developer/x", "xcode"),
        ("/Library/Developer/CommandLineTools/usr/lib", "xcode"),
        ("/Volumes/Build/x", "volume"),
        ("/Users/Shared/x", None),
        ("/usr/lib/swift", None),
        ("/System/Library/Frameworks/A.framework/A", None),
        ("/Library/Frameworks/Python.framework/Versions/3.12/Python", None),
        ("/Applications/Foo.app/Contents/Frameworks", None),
        ("/opt/homebrewish/lib", None),
        ("/swift/lib", None),
        ("/DLC/numpy/.dylibs/libfoo.dylib", None),
        ("@rpath/opt/homebrew", None),
    ],
)
def test_places(path: str, kind: str | None) -> None:
    place = place_of(path)

    assert (place.kind if place is not None else None) == kind


def test_a_package_managers_own_file_may_name_its_neighbours() -> None:
    assert foreign("/opt/homebrew/opt/a/lib/a.dylib", "/opt/homebrew/bin/tool") is None
    assert foreign("/opt/homebrew/opt/a/lib/a.dylib", "/usr/local/bin/tool") is not None
    assert foreign("/Users/me/lib/a.dylib", "/Users/me/bin/tool") is not None


@pytest.mark.parametrize(
    ("library", "tail", "image", "expected"),
    [
        ("/a/lib/x.dylib", "x.dylib", "/a/bin/t", "@loader_path/../lib"),
        ("/a/bin/x.dylib", "x.dylib", "/a/bin/t", "@loader_path"),
        ("/a/F/X.framework/Versions/A/X", "X.framework/Versions/A/X", "/a/bin/t", "@loader_path/../F"),
        ("/x.dylib", "x.dylib", "/t", "@loader_path"),
    ],
)
def test_run_path_to_a_library(library: str, tail: str, image: str, expected: str) -> None:
    assert run_path_to(library, tail, image) == expected


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("libssl.1.1.dylib", "libssl"),
        ("libssl.dylib", "libssl"),
        ("libx264.164.dylib", "libx264"),
        ("libvtkCommonCore-9.5.1.dylib", "libvtkCommonCore"),
        ("libc++.1.dylib", "libc++"),
        ("libc++abi.1.dylib", "libc++abi"),
        ("libpcre2-8.0.dylib", "libpcre2-8"),
        ("libpcre2-16.0.dylib", "libpcre2-16"),
    ],
)
def test_library_base(name: str, base: str) -> None:
    assert library_base(name) == base


def test_library_base_of_a_name_made_to_take_forever() -> None:
    assert library_base("lib" + ".1" * 120 + "x.dylib").endswith(".1x")


BUILD = "/Users/runner/work/x/lib"


def test_a_leaked_run_path_that_a_library_is_found_by_alone_is_replaced_and_not_deleted() -> None:
    """Deleting it would lose the library on the only machine that has it."""
    found = the(Scene({TOOL: exe(FOO, rpaths=[BUILD]), f"{BUILD}/libfoo.dylib": lib()}), "MC402")
    missing = the(Scene({TOOL: exe(FOO, rpaths=[BUILD])}), "MC402")

    for ways in (found, missing):
        assert ways == (
            "put libfoo.dylib and its like into /app/bin, or link them statically",
            f"install_name_tool -rpath {BUILD} @loader_path {TOOL} && {SIGN}",
        )


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/b/abs_123/lib", "other"),
        ("/AppleInternal/lib", "other"),
        ("/usr/x86_64-apple-darwin/lib", "other"),
        ("/opt/vendor/lib", "opt"),
        ("/opt/homebrew/lib", "homebrew-arm"),
        ("/usr/lib/swift", None),
        ("/usr/local/vendor/lib", "usr-local"),
        ("/Library/Frameworks/Vendor.framework", None),
        ("/Applications/Vendor.app/Contents/Frameworks", None),
        ("/app/lib", None),  # where the image itself is installed
        ("@loader_path/../lib", None),
    ],
)
def test_a_run_path_that_no_user_has_is_a_leak_whatever_its_name(path: str, kind: str | None) -> None:
    place = leaked_run_path(path, TOOL)

    assert (place.kind if place is not None else None) == kind


@pytest.mark.parametrize(
    ("release", "advice"),
    [
        ("go1.22.3", "build with Go 1.24 or newer"),
        ("go1.26.5", "build without -buildid= in -ldflags"),
        (None, "build with Go 1.24 or newer, and without -buildid= in -ldflags"),
    ],
)
def test_a_go_that_writes_uuids_is_not_told_to_be_newer(release: str | None, advice: str) -> None:
    assert uuid_remedy(release)[0].argument == advice


def test_no_command_changes_a_path_to_itself() -> None:
    assert change("/a/libx.dylib", "/a/libx.dylib", TOOL) == ()


def test_what_a_go_program_was_linked_with_is_kept_when_it_is_linked_again() -> None:
    settings = 'path\tp\nbuild\tCGO_ENABLED=1\nbuild\tCGO_LDFLAGS="-L/opt/x/lib -lfoo"\n'
    ways = the(with_lib(go_exe(FOO, settings=settings)), "MC101")

    assert 'or CGO_LDFLAGS="-L/opt/x/lib -lfoo -Wl,-rpath,@loader_path/../lib" go build' in ways


def test_a_file_of_nearly_the_wanted_name_is_named() -> None:
    tree = {TOOL: exe("@rpath/libicui18n.77.dylib", rpaths=[RPATH]), "/app/lib/libicui18n.77.1.dylib": lib()}
    checker = Checker(index_by_name([TargetPath(p) for p in tree]))
    (finding,) = [f for f in Scene(tree).results(checker)[0].findings if f.rule == "MC101"]

    assert "/app/lib/libicui18n.77.1.dylib has nearly that name" in finding.message
    assert "libicui18n.77.1.dylib" in finding.remedy[0]


def test_a_script_that_may_make_a_missing_library_is_named() -> None:
    folder = "/usr/local/lib/node_modules/icu"
    tree = {
        f"{folder}/lib/addon.node": plugin("@loader_path/libicu.dylib"),
        f"{folder}/package.json": b'{"scripts": {"postinstall": "node links.js"}}',
    }
    (finding,) = Scene(tree, at=f"{folder}/lib/addon.node").found("MC101")
    plain = Scene({**tree, f"{folder}/package.json": b"{"}, at=f"{folder}/lib/addon.node").found("MC101")[0]

    assert "its postinstall script (node links.js) may make it while it is installed" in finding.message
    assert "postinstall" not in plain.message


PROSE = ["$(touch it)", "`touch it`", "a;touch it;", "a\ntouch it", "it's;touch it"]


@pytest.mark.parametrize("name", PROSE)
def test_pasting_any_step_of_any_finding_runs_nothing_that_a_name_holds(name: str, tmp_path: Path) -> None:
    program = f"/app/{name}/tool"
    tree = {
        program: exe(
            f"@rpath/{name}.dylib", f"/opt/homebrew/{name}", f"{name}", f"@bogus/{name}", load(f"/x/{name}", weak=True),
            rpaths=[f"/Users/runner/{name}", f"$ORIGIN/{name}", f"/a:{name}", f"rel/{name}"], sdk="13.0", signed=False,
        ),
    }  # fmt: skip
    steps = [s for f in Scene(tree, at=program).findings() for s in f.steps]
    assert len(steps) > 8

    for text in {t for s in steps for t in (s.text, s.line, s.pasted)}:
        tools = {"PATH": str(tmp_path / "none")}
        subprocess.run(["/bin/bash", "-c", text], cwd=tmp_path, env=tools, capture_output=True, check=False)
    touched = [["/bin/bash", "-c", f"PATH=/bin:/usr/bin; {s.text}"] for s in steps if s.kind is StepKind.TEXT]
    for command in touched:
        subprocess.run(command, cwd=tmp_path, capture_output=True, check=False, stdin=subprocess.DEVNULL)

    assert list(tmp_path.iterdir()) == []


def test_a_library_of_an_ad_hoc_program_with_library_validation_needs_both_to_be_signed() -> None:
    """No identity makes the library fit: an ad-hoc program has no team that it could be of."""
    steps = the(with_lib(exe(FOO, rpaths=[RPATH], cs_flags=0x10002)), "MC521")
    assert any("signed ad hoc" in step and "IDENTITY too" in step for step in steps)


def test_a_program_for_another_device_is_what_has_to_be_built_anew() -> None:
    steps = the(Scene({TOOL: exe(platform=3)}), "MC104")
    assert steps == ("build the program for macOS: -target arm64-apple-macos12",)
