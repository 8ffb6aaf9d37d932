"""What a text states beside its messages, and by which names its values are known."""

from __future__ import annotations

import pytest

from machochain.diagnosis import diagnose
from machochain.model.cause import Cause

DAMAGED = '"Tin Pan.app" is damaged and can\'t be opened. You should move it to the Trash.'


@pytest.mark.parametrize(
    ("words", "os", "build"),
    [
        ("macOS Sequoia Version 15.0 (24A335)", "15.0", "24A335"),
        ("10.12.6 (16G2136) crashing too.", "10.12.6", "16G2136"),
        ("OS Version:          iPhone OS 10.3.3 (14G60)", None, "14G60"),
    ],
)
def test_a_release_with_its_build_is_the_one_the_build_belongs_to(
    words: str, os: str | None, build: str | None
) -> None:
    (found,) = diagnose(f"{words}\n{DAMAGED}\n").answers
    assert (found.fact("os"), found.fact("build")) == (os, build)


def test_of_two_builds_none_is_that_of_the_message() -> None:
    (found,) = diagnose(f"fine on 10.12.6 (16G2136), broken on 10.13.1 (17B48)\n{DAMAGED}\n").answers
    assert found.fact("build") is None


def test_the_app_of_a_window_is_the_file_unless_another_message_names_one() -> None:
    (found,) = diagnose(DAMAGED).answers
    assert found.fact("file") == found.fact("app") == "Tin Pan.app"
    both = diagnose(f"/Applications/Tin Pan.app: rejected\n{DAMAGED}\n").answers
    assert {a.fact("file") for a in both} <= {"/Applications/Tin Pan.app", None}


@pytest.mark.parametrize(
    "line",
    [
        "ld: warning: ignoring file t, file was built for x86_64 which is not the architecture being linked (i386): t",
        '  "_tin", referenced from:\n      _pan in pan.o\nld: symbol(s) not found for architecture i386',
        "ld: library not found for -ltin\nld: symbol(s) not found for inferred architecture i386",
    ],
)
def test_the_processor_a_link_is_for_is_known_wherever_the_linker_says_it(line: str) -> None:
    assert diagnose(line).answers[0].fact("arch") == "i386"


def test_a_folder_of_others_in_usr_lib_is_none_of_macos() -> None:
    text = "dlopen(/w/tin.bundle, 9): Symbol not found: _pan_new\n  Referenced from: /w/tin.bundle\n  Expected in: "
    (other,) = diagnose(f"{text}/usr/lib/pan/lib/native/libpan.dylib\n").answers
    (own,) = diagnose(f"{text}/usr/lib/system/libpan.dylib\n").answers
    assert (other.cause, own.cause) == (Cause.ABI_MISMATCH, Cause.NEWER_MACOS)


def test_the_last_message_of_a_text_that_breaks_off_is_cut() -> None:
    head = "Tin: error loading '/w/libtin.dylib': 'dlopen(/w/libtin.dylib, 9): image not found'.\n"
    whole = diagnose(head).answers
    cut = diagnose(f"{head}Tin: error loading '/w/libtin.dylib.so': 'dlopen(/w/libtin.dyl").answers
    assert (whole[0].fact("cut"), cut[0].fact("cut")) == (None, True)


def test_what_a_program_says_went_wrong_is_no_file() -> None:
    (found,) = diagnose(
        "error: Failed to load plugin: code has no resources but signature indicates they must be present"
    ).answers
    assert found.fact("file") is None


def test_a_home_stays_one_in_a_command() -> None:
    (found,) = diagnose("~/.local/bin/tin: invalid or unsupported format for signature").answers
    assert any("~/.local/bin/tin" in h and "'~" not in h for h in found.remedy)


@pytest.mark.parametrize(
    "text",
    [
        "Cannot sign 'C:/a b/quick build (me)/Tin Pan.dylib' because it is not a valid Mach-O binary.",
        "ignoring file 'C:/a b/quick build (me)/Tin Pan.dylib': found architecture 'i386', required architecture 'i'",
    ],
)
def test_a_name_between_quotes_is_whole(text: str) -> None:
    assert diagnose(text).answers[0].fact("file") == "C:/a b/quick build (me)/Tin Pan.dylib"


def test_a_refused_file_is_known_where_the_head_of_the_message_is_not_there() -> None:
    said = "not valid for use in process: mapping process and mapped file (non-platform) have different Team IDs"
    file = "(code signature in <1B0E5C11-2222-3A01-AC01-000000000001> '/w/tin.scx' " + said + ")"
    (found,) = diagnose(f"`w/tin.scx' {file}, '/w/tin.scx' {file}'`").answers
    assert found.fact("file") == "/w/tin.scx"


def test_the_file_that_a_function_of_a_shell_could_not_start_stands_behind_the_words() -> None:
    (found,) = diagnose("$ tin _tin_scripts:1: exec format error: /w/tin/pan-scripts\n").answers
    assert found.fact("file") == "/w/tin/pan-scripts"


def test_broken_lines_are_joined_and_said_so() -> None:
    text = (
        "codesign_allocate: can't allocate code signature data for:\n/private/tmp/T.kext/Tin (for architecture x86_64) "
        "because\nfile does not have a __LINKEDIT segment\n"
    )
    lipo = "/usr/bin/x86_64-apple-darwin12.3-lipo: can't figure out the architecture type\nof: /tmp/tin.o\n"
    assert diagnose(text).answers[0].fact("file") == "/private/tmp/T.kext/Tin"
    (found,) = diagnose(lipo).answers
    assert found.fact("file") == "/tmp/tin.o"
    assert "broken lines were joined" in found.notes


def test_a_placeholder_of_a_packager_is_not_filled_in_by_a_guess() -> None:
    head = "dyld: Library not loaded: @@HOMEBREW_CELLAR@@/tin/1.0/lib/libtin.dylib\n"
    (found,) = diagnose(f"{head}  Referenced from: /usr/local/opt/tin/bin/tin\n  Reason: image not found\n").answers
    assert found.cause is Cause.PACKAGER_BUG
    assert any("brew reinstall tin" in step for step in found.remedy)


def test_a_name_that_is_both_added_and_missing_was_spelled_otherwise_by_a_copy() -> None:
    text = (
        "/Applications/Tin.app: a sealed resource is missing or invalid\n"
        "file added: /Applications/Tin.app/Contents/Resources/Bo\u0308se.txt\n"
        "(skip...)\n"
        "file missing: /Applications/Tin.app/Contents/Resources/B\u00f6se.txt\n"
    )
    (found,) = diagnose(text).answers
    assert (found.cause, found.fact("renamed")) == (Cause.SIGNATURE_BROKEN, True)


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("MacOS error: -67062", "oscode", "-67062"),
        ("MacOS error: -67061", "oscode", "-67061"),
        ("Sandbox: tin(7) deny(1) file-read-data /w/pan.dylib", "file", "/w/pan.dylib"),
        (
            "failed to execute /w/tin: dtrace cannot control executables signed with restricted entitlements",
            "file",
            "/w/tin",
        ),
        ("For x86_64:\n    3 symbols not found in any library kext.", "arch", "x86_64"),
    ],
)
def test_values_are_known_whole_and_by_their_general_names(text: str, name: str, value: str) -> None:
    assert diagnose(text).answers[0].fact(name) == value


def test_a_program_killed_on_an_old_release_has_no_fault_of_apple_silicon() -> None:
    (old,) = diagnose("OSX 10.12.5 (16F73)\n> go run main.go\nsignal: killed\n").answers
    assert old.cause is not Cause.SIGNATURE_BROKEN
    assert not any("Apple silicon: the file" in b for b in old.because)


def test_a_symbol_of_an_interpreter_is_not_looked_for_in_macos() -> None:
    (found,) = diagnose("dyld[7]: symbol not found in flat namespace '_PyExc_TypeError'\n").answers
    assert not any("framework" in step for step in found.remedy)


def test_what_the_linker_puts_behind_every_message_is_no_part_of_a_name() -> None:
    head = "ld: cannot link directly with dylib/framework, your binary is not an allowed client of"
    (found,) = diagnose(f"{head} /L/usr/lib/libtin.tbd for architecture x86_64").answers
    assert (found.fact("name"), found.fact("arch")) == ("/L/usr/lib/libtin.tbd", "x86_64")


def test_a_script_whose_interpreter_may_not_start_is_the_file() -> None:
    (found,) = diagnose("-bash: ./tin: /usr/bin/env: bad interpreter: Operation not permitted").answers
    assert found.fact("file") == "./tin"


def test_a_header_is_known_without_the_place_that_asks_for_it() -> None:
    (found,) = diagnose("fatal error: 'tin/pan.h' file not found").answers
    assert found.fact("file") == "tin/pan.h"
