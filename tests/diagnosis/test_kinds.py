"""Kinds of pastes that were read wrongly once (`kinds.txt`), each with the classes that are right, or none."""

from __future__ import annotations

from pathlib import Path

import pytest

from machochain.diagnosis import diagnose


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
