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
