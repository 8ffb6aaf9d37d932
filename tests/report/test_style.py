"""Labels are coloured and linked without counting as columns, and no address ends its sequence."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest
from attrs import evolve

from machochain.report.audit_text import render_audit
from machochain.report.style import Style, file_url
from tests.report.audits import EVIL, audit, finding, hostile

LINK = re.compile("\x1b\\]8;;([^\x1b]*)\x1b\\\\(.*?)\x1b\\]8;;\x1b\\\\")


def seen(text: str) -> str:
    """Return what a terminal shows."""
    return re.sub("\x1b\\[\\d*m", "", LINK.sub(r"\2", text))


@pytest.mark.parametrize(
    "url",
    [
        "https://x\x1b\\",
        "https://x y",
        "javascript:alert(1)",
        "https://ä",
        "https://x\n",
        "",
        None,
        "https://\x07",
        "docs/../x",
    ],
)
def test_what_is_no_plain_address_is_no_link(url: str | None) -> None:
    assert Style(links=True).link("text", url) == "text"


def test_a_link_is_only_made_where_there_are_links() -> None:
    assert Style().link("text", "https://x.org/") == "text"
    assert Style(links=True).link("text", "https://x.org/") == "\x1b]8;;https://x.org/\x1b\\text\x1b]8;;\x1b\\"


@pytest.mark.parametrize("width", [40, 80])
def test_colours_and_links_take_no_columns(width: int) -> None:
    words = "word " * 40
    plain = Style(width=width).wrap("error[MC101]", "bad", words)
    rich = Style(width=width, colour=True, links=True).wrap(
        "error[MC101]", "bad", words, url="https://x.org/MC101.html"
    )
    assert [seen(line) for line in rich] == plain
    assert max(map(len, plain)) <= width
    assert "\x1b]8;;https://x.org/MC101.html" in rich[0]


def test_a_rule_leads_to_its_page_and_a_place_to_its_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    one = finding()
    known = evolve(one, finding=evolve(one.finding, url="https://docs.example.org/rules/MC101.html"))
    text = render_audit(audit(known), Style(links=True))
    links = {words: url for url, words in LINK.findall(text)}
    assert links["error[MC101]"] == "https://docs.example.org/rules/MC101.html"
    parts = urlparse(links["dist/app/bin/tool"])
    assert (parts.scheme, unquote(parts.path)) == ("file", f"{tmp_path}/dist/app/bin/tool")
    assert seen(text) == render_audit(audit(known), Style())


def test_a_checkout_has_the_pages_itself() -> None:
    (url,) = [url for url, words in LINK.findall(render_audit(audit(finding()), Style(links=True))) if "MC101" in words]
    assert Path(unquote(urlparse(url).path)).is_file()


def test_no_name_ends_a_link_or_begins_one() -> None:
    text = render_audit(hostile(), Style(verbose=1, links=True))
    assert "\x1b" not in seen(text)
    for url, words in LINK.findall(text):
        assert re.fullmatch("[!-~]+", url)
        assert words.isprintable()
    assert re.fullmatch("[!-~]+", file_url(EVIL))
