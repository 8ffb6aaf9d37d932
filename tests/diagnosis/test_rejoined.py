"""Messages that a window or a writer broke are read as if they were whole; lines of their own stay apart."""

from __future__ import annotations

import pytest

from machochain import diagnose
from machochain.diagnosis.normalise import normalise

MISSING = (
    "dyld[412]: Library not loaded: @rpath/libpan.4.dylib\n"
    "  Referenced from: <1B0E5C11-2222-3A01-AC01-000000000001> /Applications/Some Tin.app/Contents/MacOS/tin\n"
    "  Reason: tried: '/Applications/Some Tin.app/Contents/Frameworks/libpan.4.dylib' (no such file), "
    "'/usr/local/lib/libpan.4.dylib' (no such file), '/usr/lib/libpan.4.dylib' (no such file, not in dyld cache)"
)
NOTE = "lines that were broken at the width of a window were joined"


def broken(text: str, width: int) -> str:
    return "\n".join(line[i : i + width] for line in text.split("\n") for i in range(0, len(line), width))


@pytest.mark.parametrize("width", [66, 72, 80])
def test_breaks_of_a_window_are_undone(width: int) -> None:
    whole, again = diagnose(MISSING).answers, diagnose(broken(MISSING, width)).answers
    assert [(a.cause, a.fact("lib"), a.fact("asker")) for a in again] == [
        (a.cause, a.fact("lib"), a.fact("asker")) for a in whole
    ]


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(
            f"ld: warning: ignoring file /work/folder/with/a/long/name/libtin{n}.a: it is no archive" for n in "12"
        ),
        f"{'x' * 70}\n  Referenced from: /w/tin\n{'y' * 70}\n  Reason: image not found",
        f"Library not loaded: {'x' * 60}\n{'z' * 79}\n{'w' * 78}\n{'u' * 77}\n{'v' * 79}\nend",
    ],
)
def test_lines_of_one_length_are_no_broken_line(text: str) -> None:
    assert all(n.what != NOTE for n in normalise(text).notes)


def test_a_message_across_two_lines_is_read_where_nothing_else_is() -> None:
    (answer,) = diagnose(
        "lipo: can't figure out the architecture type of:\n/w/tin.out\nmake: *** [all] Error 1"
    ).answers
    assert answer.form == "lipo.type"
    assert answer.fact("file") == "/w/tin.out"


def test_what_stands_whole_is_not_joined_with_its_neighbour() -> None:
    (answer,) = diagnose("lipo: can't figure out the architecture type of: /w/tin.out\n/w/other.out").answers
    assert answer.fact("file") == "/w/tin.out"


def test_the_mark_names_the_file_where_the_window_does_not() -> None:
    text = (
        "$ xattr -l '/Applications/Tin Pot.app'\ncom.apple.quarantine: 0381;6a1333fa;Safari;\n"
        "\u5f39\u51fa\u201c\u5e94\u7528\u5df2\u635f\u574f\u201d"
    )
    (answer,) = diagnose(text).answers
    assert answer.fact("file") == "/Applications/Tin Pot.app"


def test_a_message_across_two_lines_counts_more_than_one_that_points_to_it() -> None:
    text = (
        "ld: in /w/T.framework/T(pot.o), building for iOS Simulator, but linking in object file built for iOS, file\n"
        "    '/w/T.framework/T' for architecture arm64\n"
        "clang: error: linker command failed with exit code 1 (use -v to see invocation)"
    )
    assert diagnose(text).answers[0].cause.value == "other-platform"


def test_a_script_and_its_line_are_no_part_of_the_program() -> None:
    (answer,) = diagnose("/w/Tin Pot/Tin Pot: line 22: /w/Tin Pot/.Tin/tin: Bad CPU type in executable").answers
    assert answer.fact("file") == "/w/Tin Pot/.Tin/tin"
