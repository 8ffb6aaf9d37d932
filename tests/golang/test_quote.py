from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machochain.golang.quote import quote, quoted_prefix, unquote


@pytest.mark.parametrize(
    ("quoted", "plain"),
    [
        (r'"a\tb\n\"\\"', 'a\tb\n"\\'),
        (r'"\x41\101\u00e9\U0001F600"', "AA\u00e9\U0001f600"),
        (r'"\xff"', "\udcff"),
        ("`raw \\n`", "raw \\n"),
        ('""', ""),
    ],
)
def test_unquote_reads_both_kinds_of_go_string(quoted: str, plain: str) -> None:
    assert unquote(quoted) == plain
    assert quoted_prefix(quoted + "=rest") == quoted


@pytest.mark.parametrize("broken", ["", '"', '"a', r'"\q"', r'"\x4"', r'"\ud800"', '"a\nb"', '"a"b', r'"\400"', "a"])
def test_unquote_refuses_what_go_refuses(broken: str) -> None:
    assert unquote(broken) is None


@pytest.mark.parametrize(
    ("plain", "quoted"),
    [("a b", '"a b"'), ('"\\', r'"\"\\"'), ("\x01\x7f", r'"\x01\x7f"'), ("\xa0", r'"\u00a0"'), ("\udcfe", r'"\xfe"')],
)
def test_quote_writes_as_go_does(plain: str, quoted: str) -> None:
    assert quote(plain) == quoted


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_what_is_quoted_comes_back(plain: str) -> None:
    assert unquote(quote(plain)) == plain
