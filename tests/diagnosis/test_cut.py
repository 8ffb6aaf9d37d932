"""A text that breaks off is said to be cut; one that ends with a sentence is not."""

from __future__ import annotations

import pytest

from machochain import diagnose

NOTARY = '{\n  "issues": [\n    {\n      "path": "tin.zip/tin",\n      "message": "The binary is not signed.",\n'
LINE = "dyld: warning, LC_RPATH @executable_path/F in /w/tin being ignored in restricted program because of {}"
RPATH = LINE.format("@executable_path (sign it)")


@pytest.mark.parametrize(
    "text",
    [
        f'{NOTARY}      "docUrl": "https://example.com/a',
        f"{RPATH}\n{RPATH[:80]}",
        "```\nzsh: killed     ./tin\nthen it says: taskgated-help",
        (
            "error: /w/install_name_tool: changing install names or rpaths can't be redone for: /w/tin.o "
            "(for architecture arm64) because larger updated load commands do not fit (the program must"
        ),
    ],
)
def test_a_text_that_breaks_off_is_cut(text: str) -> None:
    assert any(a.fact("cut") for a in diagnose(text).answers)


@pytest.mark.parametrize(
    "text",
    [
        f'{NOTARY}      "docUrl": "https://example.com/a"\n    }}\n  ]\n}}',
        f"{RPATH}\n{RPATH}",
        "```\nzsh: killed     ./tin\n```\nIt ends here.",
        "zsh: killed     ./tin\nwhat may that be",
    ],
)
def test_a_text_that_ends_is_not_cut(text: str) -> None:
    answers = diagnose(text).answers
    assert answers
    assert not any(a.fact("cut") for a in answers)
