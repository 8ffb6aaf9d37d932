"""Kinds of pastes that were read wrongly once (`kinds.txt`), each with the classes that are right, or none."""

from __future__ import annotations

from pathlib import Path

import pytest

from machochain.diagnosis import diagnose
from machochain.model.cause import Cause


def _kinds() -> dict[str, tuple[frozenset[str], str]]:
    found: dict[str, tuple[frozenset[str], str]] = {}
    for block in Path(__file__).with_name("kinds.txt").read_text("utf-8").split("\n=== ")[1:]:
        head, _, text = block.partition("\n")
        name, _, right = head.partition(" | ")
        assert name not in found
        found[name] = (frozenset(part.strip() for part in right.split(",")), text)
    return found


KINDS = _kinds()


@pytest.mark.parametrize(("right", "text"), KINDS.values(), ids=KINDS)
def test_the_class_is_one_the_text_bears(right: frozenset[str], text: str) -> None:
    answers = diagnose(text).answers
    assert (answers[0].cause.value if answers else "unread") in right


@pytest.mark.parametrize(
    ("text", "file"),
    [
        ("After the update I see in the log of the build tool tin: invalid or unsupported format for signature", None),
        ("We get the error `Tin.app: code has no resources but signature indicates they must be present`", "Tin.app"),
        ("and it rejects the file: tin: invalid or unsupported format for signature", "tin"),
        ("/w/My Own Tin.app: code object is not signed at all", "/w/My Own Tin.app"),
        ("signing the thing gave /w/My Tin.app: code object is not signed at all", "/w/My Tin.app"),
        ("dist/mac/My Tin.app: code object is not signed at all", "dist/mac/My Tin.app"),
    ],
)
def test_the_sentence_before_a_file_is_no_part_of_its_name(text: str, file: str | None) -> None:
    (found,) = diagnose(text).answers
    assert found.fact("file") == file


def test_what_a_runtime_writes_behind_dyld_s_words_is_no_part_of_the_reason() -> None:
    text = "UnsatisfiedLinkError dlopen(libtin.dylib, 9): image not found  pan.Native.load (Native.java:7)"
    (found,) = diagnose(text).answers
    assert found.fact("reason") == "image not found"


def test_a_line_below_a_list_of_candidates_is_no_candidate() -> None:
    text = (
        "  - ERROR: tin: Failed to load parser: uv_dlopen: dlopen(/w/tin.so, 1): no suitable image found.  Did find:\n"
        "    /w/tin.so: mach-o, but wrong architecture\n"
        "  - ERROR: pan: Failed to load parser: uv_dlopen: dlopen(/w/pan.so, 1): no suitable image found.  Did find:\n"
        "    /w/pan.so: mach-o, but wrong architecture\n"
    )
    assert [a.fact("tried") for a in diagnose(text).answers] == [("/w/tin.so",), ("/w/pan.so",)]


def test_the_end_of_a_sentence_is_no_part_of_a_value() -> None:
    (found,) = diagnose("We always get `ld: unknown option: -tin_pan`.").answers
    assert found.fact("option") == "-tin_pan"


def test_a_path_in_json_may_hold_commas_and_null_is_no_value() -> None:
    text = '{\n "severity": "error",\n "code": null,\n "path": "Tin.zip/a, b.so",\n'
    text += ' "message": "The binary is not signed.",'
    (found,) = diagnose(text).answers
    assert (found.fact("path"), found.fact("code")) == ("Tin.zip/a, b.so", None)


def test_what_a_runner_puts_before_each_line_is_no_path_and_tells_of_no_variable() -> None:
    text = (
        "[junit4:junit4]    > Throwable #1: java.lang.UnsatisfiedLinkError: /w/T/libtin.dylib: dlopen(/w/T/libtin.dylib, 1):"
        " no suitable image found.  Did find:\n"
        "[junit4:junit4]    > \t/w/T/libtin.dylib: code signature in (/w/T/libtin.dylib) not valid for use in process using"
        " Library Validation: library load disallowed by system policy\n"
        "[junit4:junit4]    > \tat java.lang.ClassLoader$NativeLibrary.load(Native Method)\n"
    )
    (found,) = diagnose(text).answers
    assert found.cause is Cause.QUARANTINE
    assert [t.path for t in found.evidence.attempts] == ["/w/T/libtin.dylib"]
    assert not any("java" in (t.reason or "") for t in found.evidence.attempts)
    assert not any("DYLD_" in a.why for a in found.attempts)
    assert not any("junit4" in step for step in found.remedy)


@pytest.mark.parametrize("path", ["[tin] > libpan.dylib", "w libpan.dylib", "/a\t/libpan.dylib", "[x]/libpan.dylib"])
def test_only_a_clean_absolute_path_tells_of_a_variable(path: str) -> None:
    text = (
        "dyld[3]: Library not loaded: /w/libpan.dylib\n  Referenced from: <1B0E5C11-2222-3A01-AC01-000000000001> /w/tin\n"
        f"  Reason: tried: '{path}' (no such file), '/w/libpan.dylib' (no such file)"
    )
    (found,) = diagnose(text).answers
    assert not found.process.library_path
    assert not any("DYLD_" in a.why for a in found.attempts)


def test_what_does_not_help_is_said_once() -> None:
    text = (
        "dyld[3]: Library not loaded: @rpath/libpan.dylib\n  Referenced from: <1B0E5C11-2222-3A01-AC01-000000000001> /w/tin"
        "\n  Reason: no LC_RPATH's found"
    )
    (found,) = diagnose(text).answers
    assert sum("LD_LIBRARY_PATH" in each and "DYLD" not in each for each in found.avoid) == 1
