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
