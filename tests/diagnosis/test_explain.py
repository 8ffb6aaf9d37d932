"""Why dyld looked where it looked, what that gives away, and what helps."""

from __future__ import annotations

import pytest

from machochain.diagnosis import explain_evidence, read
from machochain.diagnosis.attempts import framework_partial
from machochain.diagnosis.places import bundle_of, formula_of, place_of
from machochain.model.cause import Cause
from machochain.model.diagnosis import Answer, PlaceKind
from machochain.model.search import SearchRule

K = "/System/Volumes/Preboot/Cryptexes/OS"
UUID = "D62710E5-38A2-394B-B5F9-7FC1C47FC916"
NONE = "no such file"


def diagnose(library: str, *paths: str, asker: str = "/b/main", uuid: bool = True, reason: str = NONE) -> Answer:
    tried = ", ".join(f"'{p}' ({reason})" for p in paths)
    mark = f"<{UUID}> " if uuid else ""
    text = f"dyld[3]: Library not loaded: {library}\n  Referenced from: {mark}{asker}\n  Reason: tried: {tried}"
    (found,) = read(text)
    return explain_evidence(found)


def rules(diagnosis: Answer) -> list[str]:
    return [a.rule.name if a.rule else "?" for a in diagnosis.attempts]


def test_an_absolute_path_is_tried_on_disk_in_the_cryptex_and_again() -> None:
    d = diagnose("/l/a.dylib", "/l/a.dylib", K + "/l/a.dylib", "/l/a.dylib")
    assert rules(d) == ["RAW_PATH_ON_DISK", "CRYPTEX_PREFIX", "RAW_PATH"]
    assert [a.again for a in d.attempts] == [False, False, True]
    assert d.process.old_sdk is False


def test_fallbacks_mean_an_sdk_before_14_and_a_process_that_is_not_restricted() -> None:
    d = diagnose(
        "/l/a.dylib", "/l/a.dylib", K + "/l/a.dylib", "/l/a.dylib", "/usr/local/lib/a.dylib", "/usr/lib/a.dylib"
    )
    assert rules(d)[-2:] == ["STANDARD_FALLBACK", "STANDARD_FALLBACK"]
    assert (d.process.old_sdk, d.process.hardened) == (True, False)


def test_a_shortened_fallback_does_not_prove_a_restricted_process() -> None:
    d = diagnose("@executable_path/a.dylib", "/b/a.dylib", "/usr/lib/a.dylib")
    assert rules(d) == ["EXECUTABLE_PATH", "STANDARD_FALLBACK"]
    assert d.process.hardened is None
    assert not d.process.notes
    assert not any("hardened and ignores" in a for a in d.avoid)


def test_the_resolved_path_tells_which_version_is_installed() -> None:
    opt, cellar = "/opt/homebrew/opt/x/lib/libx.1.dylib", "/opt/homebrew/Cellar/x/2.0/lib/libx.1.dylib"
    d = diagnose(opt, opt, K + opt, opt, cellar, K + cellar, cellar, asker="/opt/homebrew/Cellar/y/1.0/bin/y")
    assert d.process.real_path == cellar
    assert d.cause is Cause.STALE_DEPENDENT
    assert any("2.0" in b for b in d.because)
    assert d.remedy[0].startswith("brew update && brew reinstall y")
    assert any("Cellar" in a for a in d.avoid)


def test_a_relative_path_shows_the_working_directory() -> None:
    d = diagnose(
        "libp.dylib",
        "libp.dylib",
        K + "libp.dylib",
        "libp.dylib",
        "/w/d/libp.dylib",
        K + "/w/d/libp.dylib",
        "/w/d/libp.dylib",
    )
    assert d.process.cwd == "/w/d"
    assert d.cause is Cause.RELATIVE_PATH


def test_a_library_is_no_option_of_the_command_that_renames_it() -> None:
    d = diagnose("-x.dylib", "-x.dylib")
    assert d.cause is Cause.RELATIVE_PATH
    assert any(step.endswith("-id @rpath/-x.dylib ./-x.dylib") for step in d.remedy)


def test_run_paths_are_worked_out_and_mains_second_pass_is_told() -> None:
    d = diagnose(
        "@rpath/a.dylib",
        "/r/a.dylib",
        K + "/r/a.dylib",
        "/b/../q/a.dylib",
        "/r/a.dylib",
        K + "/r/a.dylib",
        "/b/../q/a.dylib",
    )
    assert d.process.run_paths == ("/r", "@loader_path/../q")
    assert [a.again for a in d.attempts] == [False] * 3 + [True] * 3
    assert set(rules(d)) == {"RPATH", "CRYPTEX_PREFIX"}


def test_a_run_path_that_is_no_path_is_shown_as_it_is() -> None:
    d = diagnose("@rpath/a.dylib", "$ORIGIN/a.dylib", "$ORIGIN/a.dylib")
    assert d.process.run_paths == ("$ORIGIN",)


def test_the_unexpanded_path_in_the_cryptex_is_macos_13_0() -> None:
    d = diagnose("@rpath/a.dylib", "/r/a.dylib", K + "/r/a.dylib", K + "@rpath/a.dylib", "/r/a.dylib", K + "/r/a.dylib")
    assert d.evidence.macos_range is not None
    assert str(d.evidence.macos_range.high) == "13.2"


def test_folders_before_the_load_path_are_dyld_library_path() -> None:
    d = diagnose("/l/a.dylib", "/env/a.dylib", "/a.dylib", "/l/a.dylib", K + "/l/a.dylib", "/l/a.dylib")
    assert d.process.library_path == ("/env", "")
    assert rules(d)[:2] == ["PATH_DIR_OVERRIDE"] * 2
    assert d.process.hardened is False


def test_other_folders_behind_it_are_dyld_fallback_library_path() -> None:
    d = diagnose("/l/a.dylib", "/l/a.dylib", "/t/deps/a.dylib", "/h/lib/a.dylib", uuid=False)
    assert d.process.fallback_path == ("/t/deps", "/h/lib")
    assert d.attempts[-1].rule is SearchRule.CUSTOM_FALLBACK


def test_frameworks_fall_back_to_framework_folders() -> None:
    name = "Foo.framework/Versions/A/Foo"
    d = diagnose(
        f"/l/{name}", f"/l/{name}", f"/Library/Frameworks/{name}", f"/System/Library/Frameworks/{name}", uuid=False
    )
    assert rules(d)[1:] == ["STANDARD_FALLBACK"] * 2


@pytest.mark.parametrize(
    ("path", "partial"),
    [
        ("/p/foo.framework/foo", "foo.framework/foo"),
        ("/p/foo.framework/Versions/A/foo", "foo.framework/Versions/A/foo"),
        ("/p/foo.framework/Frameworks/bar.framework/bar", "bar.framework/bar"),
        ("/p/foo.framework/Libraries/bar.dylib", None),
        ("/p/foo.framework/bar", None),
    ],
)
def test_framework_paths(path: str, partial: str | None) -> None:
    assert framework_partial(path) == partial


@pytest.mark.parametrize(
    ("path", "kind", "name"),
    [
        ("/private/var/folders/x/T/go-build759910136/b001/main.test", PlaceKind.GO_TEST, "main.test"),
        ("/var/folders/x/T/go-build774492263/b001/exe/db2conn", PlaceKind.GO_RUN, "db2conn"),
        (f"/Users/u/Library/Caches/go-build/ab/{'0f' * 32}-d/tool", PlaceKind.GO_RUN_CACHED, "tool"),
        ("/opt/homebrew/Cellar/node/26.5.0/bin/node", PlaceKind.HOMEBREW, "node"),
        ("/usr/local/opt/gnutls/lib/libgnutls.30.dylib", PlaceKind.HOMEBREW, "gnutls"),
        ("/Users/u/miniforge3/lib/libxml2.2.dylib", PlaceKind.CONDA, ""),
        ("/Users/u/opt/anaconda3/envs/e/bin/x", PlaceKind.CONDA, "e"),
        ("/Users/u/p/.venv/bin/python", PlaceKind.VENV, ".venv"),
        ("/Users/u/p/.venv/lib/python3.12/site-packages/a/b.so", PlaceKind.PYTHON_PACKAGE, "a"),
        ("/Applications/A B.app/Contents/MacOS/A B", PlaceKind.APP_BUNDLE, "A B.app"),
        ("/nix/store/x786h56j2x0nzp95nx8jf55f2iai8jh0-lldb-5.0.2/bin/lldb", PlaceKind.NIX, "lldb-5.0.2"),
        ("/Applications/Xcode.app/Contents/Developer/usr/bin/git", PlaceKind.XCODE, ""),
        ("/usr/bin/ld", PlaceKind.SYSTEM, ""),
        ("/home/x", PlaceKind.OTHER, ""),
        (None, PlaceKind.OTHER, ""),
    ],
)
def test_places_are_told_by_their_path(path: str | None, kind: PlaceKind, name: str) -> None:
    place = place_of(path)
    assert (place.kind, place.name) == (kind, name)


def test_formulas_and_bundles() -> None:
    assert formula_of("/opt/homebrew/opt/xz/lib/liblzma.5.dylib") == "xz"
    assert formula_of("/usr/lib/opt/x/y") == ""
    assert bundle_of("/A/b.app/Contents/MacOS/b") == "/A/b.app"
    assert bundle_of("/A/b") == ""


def test_names_are_quoted_in_commands_and_cannot_move_the_cursor() -> None:
    d = diagnose("x y;rm.dylib", "x y;rm.dylib", asker="/b/$(evil)\x1b[2J'")
    text = "\n".join(d.remedy)
    assert "\x1b" not in text + d.headline
    assert "'x y;rm.dylib'" in text


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("mach-o file, but is an incompatible architecture (have 'x86_64', need 'arm64')", Cause.WRONG_ARCHITECTURE),
        ("code signature in <x> '/l' not valid for use in process: different Team IDs", Cause.LIBRARY_VALIDATION),
        ("duplicate LC_RPATH '/r'", Cause.DUPLICATE_RUN_PATH),
        ("missing LC_UUID load command", Cause.NO_UUID),
        ("slice is not valid mach-o file", Cause.MALFORMED),
        ("blocked by sandbox", Cause.SANDBOX),
    ],
)
def test_a_reason_dyld_states_settles_the_cause(reason: str, cause: Cause) -> None:
    assert diagnose("/l/a.dylib", "/l/a.dylib", reason=reason).cause is cause


def test_a_list_that_was_cut_between_the_fallback_folders_shows_no_run_path() -> None:
    whole = "Reason: tried: '/usr/local/lib/libx.dylib' (no such file), '/usr/lib/libx.dylib' (no such file)"
    (found,) = read(f"dyld[3]: Library not loaded: @rpath/libx.dylib\n  Referenced from: /b/main\n  {whole[:-22]}")
    assert found.truncated
    d = explain_evidence(found)
    assert rules(d) == ["STANDARD_FALLBACK"]
    assert d.process.run_paths == ()


@pytest.mark.parametrize(
    ("path", "formula"),
    [
        ("/opt/homebrew/opt/xz/lib/liblzma.5.dylib", "xz"),
        ("/usr/local/opt/xz/lib/liblzma.5.dylib", "xz"),
        ("/usr/local/Homebrew/opt/xz/lib/liblzma.5.dylib", ""),
        ("/opt/homebrew/Cellar/xz/5.4/lib/liblzma.5.dylib", "xz"),
        ("/opt/homebrew/lib/liblzma.5.dylib", ""),
        ("/opt/homebrew/*/liblzma.5.dylib", ""),
        ("/opt/homebrew/opt/*/liblzma.5.dylib", ""),
    ],
)
def test_a_formula_is_named_only_where_the_path_names_it(path: str, formula: str) -> None:
    assert formula_of(path) == formula


def test_a_path_a_crash_report_hides_parts_of_is_in_no_command() -> None:
    path = "/opt/homebrew/*/libzstd.1.dylib"
    text = (
        f"Termination Reason: Namespace DYLD, Code 1 Library missing\nLibrary not loaded: {path}\n"
        f"Referenced from: <{UUID}> /Applications/A.app/Contents/MacOS/A\n"
        f"Reason: tried: '{path}' ({NONE}), '{K}{path}' ({NONE}), '{path}' ({NONE})\n"
        "(terminated at launch; ignore backtrace)\n"
    )
    (found,) = read(text)
    steps = explain_evidence(found).remedy
    assert not [step for step in steps if "*" in step or "brew install" in step]
    assert any("-change OLD_PATH @rpath/libzstd.1.dylib" in step and "otool -L" in step for step in steps)


def test_an_inserted_library_is_nobodys_load_command() -> None:
    (found,) = read(
        f"dyld[1]: terminating because inserted dylib '/no/l.dylib' could not be loaded: tried: '/no/l.dylib' ({NONE})"
    )
    d = explain_evidence(found)
    assert d.cause is Cause.INSERTED
    assert d.headline == "l.dylib is missing: DYLD_INSERT_LIBRARIES of the process names it."
    assert not [step for step in d.remedy if "install_name_tool" in step]


def test_a_process_that_needs_arm64_is_of_macos_13_or_later() -> None:
    reason = "mach-o file, but is an incompatible architecture (have 'x86_64', need 'arm64')"
    (found,) = read(f"dlopen(/m/x.node, 0x0001): tried: '/m/x.node' ({reason})")
    assert found.macos_range is not None
    assert str(found.macos_range.low) == "13.0"
    assert found.macos_range.high is None
