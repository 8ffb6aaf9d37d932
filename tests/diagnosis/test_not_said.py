"""What an answer must not say: claims that tempt, and that the text does not bear. All names are invented."""

from __future__ import annotations

import pytest

from machochain.diagnosis import diagnose
from machochain.model.cause import Cause
from machochain.model.diagnosis import Diagnosis
from machochain.model.result import Confidence

A = "<1B0E5C11-2222-3A01-AC01-000000000001>"
NEW = "dlopen(/w/tin.so, 0x0002): "


def said(found: Diagnosis) -> str:
    """Return every word a reader sees as advice or as a claim; what does not help is no claim."""
    words: list[str] = []
    for each in found.answers:
        words += [each.headline, *each.because, *each.remedy, *each.process.notes, *each.next]
        words += [a.why for a in each.attempts]
        words += [h.text for h in each.helps]
        words += [f"{name}={value}" for name, value in each.facts if name != "prefix"]
    return "\n".join(words)


CLAIMS = {
    "a variable from a process that merely lacks the processor": (
        (
            f"ImportError: {NEW}tried: '/w/tin.so' (mach-o file, but is an incompatible architecture (have 'x86_64',"
            " need 'arm64e' or 'arm64'))"
        ),
        ("DYLD_LIBRARY_PATH", "DYLD_FALLBACK"),
    ),
    "a package named after a folder of the build machine": (
        (
            "dyld: Library not loaded: /usr/local/clang4/lib/libtin.dylib\n  Referenced from: /usr/local/bin/tin\n"
            "  Reason: image not found"
        ),
        ("brew install clang4", "brew install tin"),
    ),
    "a folder out of a shortened path": (
        (
            f"dyld[3]: Library not loaded: @rpath/libtin.dylib\n  Referenced from: {A} .../bin/tin\n"
            "  Reason: tried: '.../lib/libtin.dylib' (duplicate LC_RPATH '@loader_path/...')"
        ),
        ("FOLDER=...", "-add_rpath ...", "SDK"),
    ),
    "quarantine where the kernel refused a page": (
        (
            "Exception Type: EXC_BAD_ACCESS (SIGKILL (Code Signature Invalid))\n"
            "Termination Reason: Namespace CODESIGNING, Code 2 Invalid Page\n"
            "VM Region Info: 0x104000000 is in 0x104000000-0x104100000; mapped file /Applications/Tin.app/Tin"
        ),
        ("quarantine", "memory", "Team ID", "allow-jit"),
    ),
    "a mode bit where the processor is wrong": (
        "zsh: bad CPU type in executable: ./tin",
        ("chmod", "broken download"),
    ),
    "errno 86 where another number stands": (
        "Error: spawn Unknown system error -8\n    at ChildProcess.spawn (node:internal/child_process:413:11)",
        ("86", "Rosetta", "rosetta"),
    ),
    "a newer macOS where an image asks itself": (
        (
            "dyld: Symbol not found: __tlv_bootstrap\n"
            "  Referenced from: /w/./tin (which was built for Mac OS X 10.15)\n"
            "  Expected in: /w/./tin\n in /w/./tin"
        ),
        ("newer than the running", "update macOS"),
    ),
    "a fallback variable from the real path below /private": (
        (
            f"dyld[3]: Library not loaded: /var/w/libtin.dylib\n  Referenced from: {A} /var/w/tin\n  Reason: tried:"
            " '/var/w/libtin.dylib' (code signature in <1B0E5C11-2222-3A01-AC01-000000000002>"
            " '/private/var/w/libtin.dylib'"
            " not valid for use in process: mapping process and mapped file (non-platform) have different Team IDs),"
            " '/private/var/w/libtin.dylib' (no such file)"
        ),
        ("LIBRARY_PATH", "FALLBACK"),
    ),
    "macOS 12 from a hexadecimal mode": (
        f"{NEW}missing compatible arch in /w/tin.so",
        ("macOS 12", "12 or later"),
    ),
    "the tail of a tuple in a path": (
        (
            "{load_failed, \"Failed to load NIF library: 'dlopen(/w/tin.so, 0x0002): tried: \\'/w/tin.so\\'"
            " (mach-o file,"
            " but is an incompatible architecture (have \\'x86_64\\', need \\'arm64\\'))'\"}}"
        ),
        ("}}", "\\'"),
    ),
    "a prefix of the log in a path, or a variable": (
        (
            "T2 stderr java.lang.UnsatisfiedLinkError: /w/tin.dylib: dlopen(/w/tin.dylib, 1): no suitable image found."
            "  Did find:\nT2 stderr \t/w/tin.dylib: mach-o, but wrong architecture\n"
            "T2 stderr \t/w/tin.dylib: mach-o, but wrong architecture"
        ),
        ("T2", "stderr", "DYLD_"),
    ),
    "a written line break in a symbol": (
        (
            "{:load_failed, 'Failed to load NIF library: \\'dlopen(/w/tin.so, 2): Symbol not found: _tin\\n"
            "  Referenced from: /w/tin.so\\n  Expected in: flat namespace\\n in /w/tin.so\\''}"
        ),
        ("\\n", "_tin\\"),
    ),
    "the sentence behind a flag": (
        "invalid flag in #cgo LDFLAGS: -Wl,-tin (see https://golang.org/s/invalidflag)",
        ("-tin (see", "flag=-Wl,-tin (see"),
    ),
    "the words around a framework as its name": (
        "error: ld: framework not found for '-framework Tin'",
        ("=for", "framework for", "'-framework"),
    ),
    "a library of the SDK to install": (
        "ld: library 'resolv' not found",
        ("install resolv", "brew install"),
    ),
    "an empty variable from paths the crash reporter removed": (
        (
            f"Library not loaded: @rpath/libtin.dylib\nReferenced from: {A} /Applications/Tin.app/Contents/MacOS/Tin\n"
            "Reason: tried: '' (no such file), '' (no such file)"
        ),
        ("DYLD_",),
    ),
    "libraries of GNU's linker for a Mac": (
        "/usr/bin/ld: cannot find -ltin\ncollect2: error: ld returned 1 exit status",
        ("brew", "xcrun", "-L"),
    ),
}


@pytest.mark.parametrize("claim", CLAIMS)
def test_an_answer_does_not_make(claim: str) -> None:
    text, forbidden = CLAIMS[claim]
    found = diagnose(text)
    assert found.answers, text
    words = said(found)
    assert not [f for f in forbidden if f in words], words


def test_a_line_that_names_a_flag_is_no_line_of_the_source() -> None:
    text = "invalid flag in #cgo LDFLAGS: -Wl,-tin (see https://golang.org/s/invalidflag)"
    assert "flag_source" not in dict(diagnose(text).answers[0].facts)
    assert "flag_source" in dict(diagnose(f"{text}\n// #cgo darwin LDFLAGS: -Wl,-tin -L.\n").answers[0].facts)


@pytest.mark.parametrize(
    ("file", "cause"),
    [
        ("/opt/homebrew/lib/libtin.dylib", Cause.PROCESS_ARCHITECTURE),
        ("/private/var/folders/x/T/go-link-1/go.o", Cause.PROCESS_ARCHITECTURE),
        ("/w/deps/arm64/libtin.dylib", Cause.OBJECT_ARCHITECTURE),
    ],
)
def test_a_file_for_apple_silicon_in_a_link_for_intel_says_nothing_of_the_compiler_unless_by_its_place(
    file: str, cause: Cause
) -> None:
    (found,) = diagnose(
        f"ld: warning: ignoring file '{file}': found architecture 'arm64', required architecture 'x86_64'"
    ).answers
    assert found.cause is cause


def test_a_file_without_a_signature_is_not_one_with_the_wrong_identity() -> None:
    (found,) = diagnose('"message": "The binary is not signed.",').answers
    assert found.cause is Cause.SIGNATURE_MISSING


def test_xcodes_way_to_write_the_linkers_remarks_is_read() -> None:
    (found,) = diagnose(
        "Directory not found for option '-L/usr/local/Cellar/tin/1/lib'\n"
        "Ignoring file /usr/local/lib/libtin.dylib, building for macOS-arm64 but attempting to link with file built for"
        " macOS-x86_64\n\nUndefined symbol: _tin\n"
    ).answers
    assert found.cause is Cause.OBJECT_ARCHITECTURE


def test_a_load_command_an_old_dyld_does_not_know_is_no_damage_to_the_file() -> None:
    (found,) = diagnose(
        "[81] Error loading Python lib '/w/libtin.dylib': dlopen: dlopen(/w/libtin.dylib, 10): no suitable image found."
        "  Did find:\n\t/w/libtin.dylib: cannot load 'libtin.dylib' (load command 0x80000034 is unknown)\n"
        "\t/w/libtin.dylib: cannot load 'libtin.dylib' (load command 0x80000034 is unknown)"
    ).answers
    assert found.cause is Cause.NEWER_MACOS


def test_an_image_that_asks_itself_for_a_function_of_the_system_lacks_libsystem() -> None:
    (found,) = diagnose(CLAIMS["a newer macOS where an image asks itself"][0]).answers
    assert found.cause is Cause.NO_LIBSYSTEM


def test_symbols_of_libsystem_that_zig_does_not_find_are_no_library_left_out() -> None:
    (found,) = diagnose(
        "error(link): undefined reference to symbol '_isatty'\nerror(link):   first referenced in '/w/tin.o'\n"
        "error(link): undefined reference to symbol '_dup2'\nerror(link):   first referenced in '/w/tin.o'"
    ).answers
    assert found.cause is Cause.TAPI_VERSION
    assert Cause.SDK_MISSING in found.alternatives


def test_one_symbol_is_named_and_several_are_counted() -> None:
    head = "Undefined symbols for architecture arm64:\n"
    one = diagnose(head + '  "_tin", referenced from:\n      _main in a.o').answers[0]
    two = diagnose(
        head + '  "_tin", referenced from:\n      _main in a.o\n  "_pan", referenced from:\n      _x in a.o'
    ).answers[0]
    assert one.headline == "The linker does not find the symbol _tin."
    assert two.headline == "The linker does not find 2 symbols (_tin, …)."


def test_a_remark_of_go_about_the_build_stands_back_behind_the_file_that_is_not_there() -> None:
    (found,) = diagnose(
        "clang: error: no such file or directory: '/opt/tin/libtin.a'\nFAIL\texample.com/tin [build failed]"
    ).answers
    assert found.cause is Cause.MISSING_INPUT
    assert dict(found.facts)["file"] == "/opt/tin/libtin.a"


@pytest.mark.parametrize(
    "text",
    [
        "/usr/bin/ld: cannot find -ltin",
        "gcc: error: unrecognized command line option '-framework'",
        "x: libtin.so.1: cannot open shared object file: No such file or directory",
    ],
)
def test_words_of_linux_are_of_another_system(text: str) -> None:
    (found,) = diagnose(text).answers
    assert found.cause is Cause.OTHER_SYSTEM


def test_a_plug_in_of_qt_that_was_found_is_not_missing_in_the_bundle() -> None:
    (found,) = diagnose(
        'qt.qpa.plugin: Could not load the Qt platform plugin "cocoa" in "" even though it was found.\n'
        "This application failed to start because no Qt platform plugin could be initialized."
    ).answers
    assert found.cause is Cause.DUPLICATE_RUNTIME
    assert Cause.RUN_PATH in found.alternatives


def test_a_program_still_in_its_build_folder_is_no_package_left_behind_by_an_upgrade() -> None:
    (found,) = diagnose(
        "dyld: Library not loaded: /opt/local/lib/libtin.13.dylib\n"
        "  Referenced from: /opt/local/var/macports/build/_w_tin/tin/work/build/test/./pan\n  Reason: image not found"
    ).answers
    assert found.cause is Cause.RUN_PATH


def test_an_environment_without_the_library_is_not_said_to_have_another_version() -> None:
    (found,) = diagnose(
        "ImportError: dlopen(/w/miniconda3/envs/t/lib/python3.10/site-packages/tin/_t.so, 0x0002): Library not loaded:"
        " @rpath/libtin.1.1.dylib\n  Referenced from: /w/miniconda3/envs/t/lib/libpan.5.dylib\n"
        "  Reason: tried: '/w/miniconda3/envs/t/lib/libtin.1.1.dylib' (no such file)"
    ).answers
    assert "now has another version" not in " ".join(found.because)
    assert Cause.UNDECLARED_DEPENDENCY in found.alternatives


TOO_NEW = (
    f"dyld[3]: Symbol not found: _tin\n  Referenced from: {A} /w/tin (built for macOS 14.0 which is newer than running"
    f" OS)\n  Expected in: {A} /usr/lib/libc++.1.dylib"
)


@pytest.mark.parametrize(
    ("text", "release"),
    [
        (TOO_NEW, None),
        (f"This needs macOS 12.3 or later.\n{TOO_NEW}", None),
        (f"It works on macOS 14.2, and fails here:\n{TOO_NEW}", None),
        (f"On macOS 12.6 and on macOS 13.1:\n{TOO_NEW}", None),
        (f"ProductVersion: 12.6.1\nProductVersion: 13.0.1\n{TOO_NEW}", None),
        (f"OS: macOS 13.5.2\n{TOO_NEW}", "13.5.2"),
        (f"ProductVersion: 13.5.2\nneeds macOS 14.1\n{TOO_NEW}", "13.5.2"),
    ],
)
def test_a_release_is_that_of_the_mac_only_if_the_text_says_so(text: str, release: str | None) -> None:
    found = diagnose(text)
    assert found.answers[0].fact("os") == release
    assert dict(found.context).get("os") == release


@pytest.mark.parametrize(
    ("asker", "said"),
    [
        ("/usr/local/Cellar/pan/9.4/bin/pan", "brew reinstall pan "),
        ("/opt/homebrew/Cellar/pan/9.4/bin/pan", "brew reinstall pan "),
        ("/usr/local/bin/pan", " /usr/local/opt/tin/lib/libtin.dylib "),
        ("/w/bin/pan", " /REAL/PATH/libtin.dylib "),
    ],
)
def test_a_prefix_the_text_does_not_have_is_not_written(asker: str, said: str) -> None:
    text = f"dyld: Library not loaded: @@HOMEBREW_PREFIX@@/opt/tin/lib/libtin.dylib\n  Referenced from: {asker}\n"
    (found,) = diagnose(text + "  Reason: image not found\n").answers
    assert found.cause is Cause.PACKAGER_BUG
    assert any(said in step for step in found.remedy)
    assert "/opt/homebrew" not in " ".join(found.remedy) or asker.startswith("/opt/homebrew")


def test_a_run_path_that_a_linker_refuses_is_not_said_of_dyld_and_the_file_is_named() -> None:
    (found,) = diagnose("ld: duplicate LC_RPATH '/w/pan/lib' in '/w/tin/lib/libtin.dylib'").answers
    assert found.form == "ld.dup-rpath.input"
    assert found.fact("file") == "/w/tin/lib/libtin.dylib"
    assert not any("dyld" in words or "FILE" in words for words in (found.headline, *found.because, *found.remedy))


def test_the_letter_of_an_option_is_no_part_of_the_folder() -> None:
    (found,) = diagnose("ld: warning: directory not found for option '-L/w/tin/lib'").answers
    assert found.fact("path") == "/w/tin/lib"


def test_what_one_assessment_accepts_is_not_surely_without_a_notarisation() -> None:
    accepted = "Tin.dmg: accepted\nsource=Notarized Developer ID\n\n"
    rejected = "Tin.dmg: rejected\nsource=Unnotarized Developer ID\n"
    (alone,) = diagnose(rejected).answers
    (beside,) = diagnose(accepted + rejected).answers
    (other,) = diagnose(accepted.replace("Tin", "Pan") + rejected).answers
    assert [a.confidence for a in (alone, beside, other)] == [
        Confidence.CERTAIN, Confidence.LIKELY, Confidence.CERTAIN,
    ]  # fmt: skip
    assert beside.alternatives == (Cause.POLICY,)


def test_a_disk_image_is_not_asked_for_the_properties_of_an_app() -> None:
    (found,) = diagnose("Tin.dmg: rejected (the code is valid but does not seem to be an app)").answers
    assert not any("Info.plist" in step for step in found.remedy)
    (tool,) = diagnose("/w/tin: rejected (the code is valid but does not seem to be an app)").answers
    assert tool.cause is Cause.BUNDLE_LAYOUT


def test_a_text_no_form_fits_is_not_likened_to_what_a_text_states() -> None:
    near = diagnose("When it is not found this sets DYLD_FALLBACK_LIBRARY_PATH so that the library is loaded").unread
    assert near is not None
    assert near.producer != "facts"


def test_the_trap_by_which_dyld_ended_a_program_is_no_crash_of_its_own() -> None:
    text = (
        "dyld: lazy symbol binding failed: Symbol not found: _tin\n  Referenced from: /w/libpan.dylib\n"
        "  Expected in: flat namespace\n\nzsh: trace trap  pan\n"
    )
    (found,) = diagnose(text).answers
    assert found.cause is Cause.FLAT_SYMBOL


def test_a_link_without_libsystem_may_lack_a_flag_and_not_the_sdk() -> None:
    (found,) = diagnose("ld: dynamic executables or dylibs must link with libSystem.dylib").answers
    assert found.confidence is Confidence.LIKELY
    assert found.alternatives == (Cause.BUILD_FLAGS,)
    assert any("-lSystem" in step for step in found.remedy)


@pytest.mark.parametrize("folder", ["/w/Debug/libtin.dylib", "/w/Tin.app/libtin.dylib"])
def test_a_process_that_validates_libraries_is_not_said_to_ignore_variables(folder: str) -> None:
    refused = (
        "code signature in <2B520410-B8D4-36F8-9345-000000000001> '/w/Tin.app/libtin.dylib' not valid for use in"
        " process: mapping process and mapped file (non-platform) have different Team IDs"
    )
    tried = f"tried: '{folder}' (no such file), " if folder.startswith("/w/Debug") else "tried: "
    (found,) = diagnose(
        f"dlopen(/w/Tin.app/libtin.dylib, 0x0009): {tried}'/w/Tin.app/libtin.dylib' ({refused})"
    ).answers
    assert found.cause is Cause.LIBRARY_VALIDATION
    assert not found.process.hardened
    assert not any("DYLD_* is ignored" in note for note in found.process.notes)
    assert not any("ignores them" in words for words in found.avoid)


def test_a_library_in_no_folder_of_homebrew_is_not_said_to_be_homebrew_s() -> None:
    line = "ld: warning: dylib ({}/libtin.dylib) was built for newer macOS version (14.0) than being linked (11.0)"
    (own,) = diagnose(line.format("/usr/local/tin/lib")).answers
    (brewed,) = diagnose(line.format("/opt/homebrew/opt/tin/lib")).answers
    assert "Homebrew" not in own.because[0]
    assert "Homebrew" in brewed.because[0]


def test_what_codesign_says_is_said_of_the_part_it_names_and_not_of_what_holds_it() -> None:
    said_of = "In subcomponent: /w/Tin.app/Contents/Frameworks/Pan.framework/pan.sh\n"
    for words in ("code object is not signed at all", "bundle format is ambiguous (could be app or framework)"):
        for text in (f"/w/Tin.app: {words}\n{said_of}", f"{words}\n{said_of}"):
            (found,) = diagnose(text).answers
            assert "pan.sh" in found.headline
            assert "Tin.app has" not in found.headline


def test_a_cause_that_has_rivals_is_not_certain() -> None:
    (found,) = diagnose("lib/libtin.dylib not found:\n  Needed by: /w/pan.so").answers
    assert found.alternatives
    assert found.confidence is Confidence.LIKELY


@pytest.mark.parametrize(
    ("name", "formula"),
    [("ssl", "openssl@3"), ("boost_filesystem", "boost"), ("tin", "FORMULA"), ("jpegli", "FORMULA")],
)
def test_a_formula_is_named_where_it_is_known_to_have_the_library(name: str, formula: str) -> None:
    (found,) = diagnose(f"ld: library not found for -l{name}").answers
    assert any(f"brew install {formula} " in step for step in found.remedy)


@pytest.mark.parametrize("name", ["crt0.o", "crt1.10.6.o", "stdc++", "rt", "System", "gcc_s.10.4"])
def test_no_package_is_to_be_installed_for_a_part_of_the_system_or_the_compiler(name: str) -> None:
    (found,) = diagnose(f"ld: library not found for -l{name}").answers
    assert not any("brew install" in step for step in found.remedy)


def test_the_old_linker_is_not_asked_for_where_it_speaks_itself() -> None:
    (found,) = diagnose(
        "ld: Assertion failed: (a == b), function pan, file /SourceCache/ld64/ld64-224.1/src/ld/ld.hpp, line 689."
    ).answers
    assert found.fact("line") == 689
    assert not any("ld_classic" in step for step in found.remedy)


def test_all_symbols_are_read_past_the_linkers_own_guesses() -> None:
    (found,) = diagnose(
        'Undefined symbols for architecture arm64:\n  "_tin", referenced from:\n      _a in b.o\n'
        '     (maybe you meant: __cgo_1_tin)\n  "_pan", referenced from:\n      _a in b.o\n'
    ).answers
    assert found.fact("symbols") == ("_tin", "_pan")


def test_a_revoked_signature_is_not_to_be_signed_anew() -> None:
    (found,) = diagnose("/w/Tin.app: CSSMERR_TP_CERT_REVOKED").answers
    assert found.cause is Cause.CERTIFICATE
    assert "revoked" in found.headline
    assert not any("codesign -f" in step or "xattr" in step for step in found.remedy)
    (expired,) = diagnose("/w/Tin.app: CSSMERR_TP_CERT_EXPIRED").answers
    assert "revoked" not in f"{expired.headline} {expired.because}"


def test_classes_of_objective_c_are_read_with_paths_that_have_blanks() -> None:
    (found,) = diagnose(
        "objc[7]: Class Tin is implemented in both /w/Pan 12.0.vst3/Contents/MacOS/Pan (0x118cb2f00) and"
        " /w/Pot Lib.framework/Versions/A/Pot (0x11bebb480). One of the two will be used. Which one is undefined."
    ).answers
    assert (found.fact("path1"), found.fact("path2")) == (
        "/w/Pan 12.0.vst3/Contents/MacOS/Pan",
        "/w/Pot Lib.framework/Versions/A/Pot",
    )
    assert found.fact("pid") == 7


NOT_IN_ONE = "and can't be in the same fat output file"


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        (
            f"fatal error: /X/lipo: ./a/t.a and ./b/t.a have the same architectures (x86_64) {NOT_IN_ONE}",
            "file1",
            "./a/t.a",
        ),
        (
            "codesign -vvvv tin.app: code has no resources but signature indicates they must be present",
            "file",
            "tin.app",
        ),
    ],
)
def test_the_tool_and_the_command_are_no_part_of_the_file(text: str, name: str, value: str) -> None:
    (found,) = diagnose(text).answers
    assert found.fact(name) == value


def test_a_command_is_not_the_file_to_sign() -> None:
    (found,) = diagnose("zsh: killed     tin version").answers
    assert any('codesign -f -s - "$(command -v tin)"' in step for step in found.remedy)
    (path,) = diagnose("zsh: killed     ./w/tin version").answers
    assert any("codesign -f -s - ./w/tin" in step for step in path.remedy)


def test_the_old_linker_is_no_help_where_it_was_asked_for() -> None:
    text = "ld: Assertion failed: (a != b), function pan, file OutputFile.cpp, line 5"
    (plain,) = diagnose(text).answers
    (asked,) = diagnose(f"cc -Wl,-ld_classic tin.o\n{text}").answers
    assert any("link with -Wl,-ld_classic" in step for step in plain.remedy)
    assert not any("link with -Wl,-ld_classic" in step for step in asked.remedy)


def test_values_on_the_next_line_are_read_there() -> None:
    text = "kernel: Security policy would not allow process: 377,\n  /Applications/Tin Night.app/Contents/MacOS/tin\n"
    (answer,) = diagnose(text).answers
    assert answer.fact("file") == "/Applications/Tin Night.app/Contents/MacOS/tin"
    (answer,) = diagnose("/w/libTin.tbd:4:18: error: unknown enumerated scalar\n").answers
    assert answer.fact("file") == "/w/libTin.tbd"
    lazy = "dyld: lazy symbol binding failed: can't resolve symbol _t in /w/tin because dependent dylib "
    (answer,) = diagnose(f"{lazy}@rpath/libpan.dylib could not be loaded").answers
    assert answer.fact("lazy") is True
