"""The page: complete without scripts, and no name in it is ever markup."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest
from attrs import evolve

from machochain.model.audit import AuditReport
from machochain.model.result import Outcome, Severity
from machochain.report.html import render_fragment, render_html
from machochain.report.merged import merge
from machochain.report.picture import MAX_WITH_SYSTEM, Picture, picture
from tests.report.audits import V12, V26, audit, finding, full, hello, hostile, process

VOID = {"meta", "input", "br", "link", "img"}


class Reader(HTMLParser):
    """Collects elements and attributes, and checks that tags nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.seen if name == tag]


def drawn(results: tuple[object, ...]) -> Picture:
    report = audit(results=results)  # type: ignore[arg-type]
    return picture(merge(report), report)


def test_the_verdict_findings_and_remedies_stand_in_the_page_without_a_script() -> None:
    text = render_html(full())
    head, _, _ = text.partition("<script>")
    Reader(text)
    assert '<span class="verdict bad">failed</span>' in head
    assert "tool loads @rpath/libx.dylib, which cannot be found (fails on macOS 26, launches on older ones)" in head
    assert "install_name_tool -add_rpath @loader_path/../lib bin/tool" in head
    assert "known | harmless (machochain.toml: ignore[0] MC402, until 2027-01-31)" in head
    assert "not a zip file" in head


def test_the_graph_is_drawn_with_a_box_for_each_image_and_a_line_for_each_load() -> None:
    reader = Reader(render_html(hello()))
    boxes = [a for a in reader.all("a") if "data-id" in a]
    assert len(boxes) == 6
    ids = {a["id"] for a in reader.all("details") if "id" in a}
    assert sum(str(box["href"])[1:] in ids for box in boxes) == 5
    lines = [a for a in reader.all("path") if str(a.get("class")).startswith("edge")]
    known = {box["data-id"] for box in boxes}
    assert lines
    assert all(line["data-from"] in known and line["data-to"] in known for line in lines)


def test_no_name_becomes_markup_script_or_address() -> None:
    text = render_html(hostile())
    reader = Reader(text)
    assert len(reader.all("script")) == 1
    assert not reader.all("img")
    for _, attrs in reader.seen:
        assert not any(name.startswith("on") for name in attrs)
        assert str(attrs.get("href", "#")).startswith("#")
        assert "src" not in attrs
    assert "\x1b" not in text
    assert "\u202e" not in text
    text.encode()


def test_the_policy_of_the_page_names_exactly_its_own_script_and_style() -> None:
    text = render_html(hello())
    (policy,) = [a["content"] for a in Reader(text).all("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    for element, directive in (("script", "script-src"), ("style", "style-src")):
        (content,) = re.findall(f"<{element}>(.*?)</{element}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}';" in f"{policy};"
    assert " style=" not in text, "the policy would drop it"
    assert "unsafe" not in policy


def test_libraries_of_the_os_are_drawn_while_there_is_room() -> None:
    few = drawn((process([("/usr/lib/libSystem.B.dylib", Outcome.LOADED)]),))
    assert [n.label for n in few.nodes] == ["tool", "libSystem.B.dylib"]
    many = [(f"/usr/lib/lib{n}.dylib", Outcome.LOADED) for n in range(MAX_WITH_SYSTEM)]
    crowd = drawn((process(many),))
    assert [n.label for n in crowd.nodes] == ["tool"]
    assert crowd.notes == ("40 libraries of macOS are listed below, but not drawn.",)


def test_of_too_many_images_the_telling_ones_are_kept_and_the_page_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("machochain.report.picture.MAX_NODES", 10)
    libraries = [(f"/opt/lib{n}.dylib", Outcome.LOADED) for n in range(60)]
    bad = finding()
    bad = evolve(bad, finding=evolve(bad.finding, image="/opt/lib57.dylib"))
    report = audit(bad, results=(process(libraries),))
    found = picture(merge(report), report)
    labels = {n.label for n in found.nodes}
    assert len(labels) == 10
    assert {"lib57.dylib", "tool"} <= labels
    assert found.notes == ("The 10 most telling of 61 files are drawn; all are listed below.",)
    assert "/opt/lib59.dylib" in render_html(report)


def test_a_library_that_is_missing_on_some_releases_only_says_on_which() -> None:
    ok, broken = ([("@rpath/x.dylib", outcome)] for outcome in (Outcome.LOADED, Outcome.MISSING))
    text = render_html(audit(results=(process(ok, macos=V12), process(broken, macos=V26))))
    assert "missing on macOS 26" in text
    assert 'class="node missing"' in text


def test_a_finding_marks_the_box_of_its_image() -> None:
    one = finding(severity=Severity.WARNING)
    report = audit(one, results=(process([]),))
    assert "warning" in picture(merge(report), report).nodes[0].kinds
    assert picture(merge(audit(results=(process([]),))), audit()).nodes[0].kinds == ("root",)


def large() -> AuditReport:
    """Seventy plug-ins in two folders, each with a library that one folder has and the other lacks."""
    served, lacking = [("/opt/app/lib/libx.dylib", Outcome.LOADED)], [("@rpath/gone.dylib", Outcome.MISSING)]
    results = [
        process(loads, path=f"/opt/app/{name}{n}.so", given=f"dist/app/{name}{n}.so")
        for name, loads in (("good/p", served), ("bad/q", lacking))
        for n in range(35)
    ]
    return audit(results=tuple(results))


def test_many_files_are_drawn_by_folder_and_every_folder_leads_to_its_files() -> None:
    text = render_html(large())
    reader = Reader(text)
    ids = [str(attrs["id"]) for _, attrs in reader.seen if attrs.get("id")]
    assert len(ids) == len(set(ids))
    overview = text[text.index('<div id="overview"') : text.index('<details id="files">')]
    assert [label for label in ("bad (35)", "good (35)", "lib (1)", "1 missing") if label in overview] == [
        "bad (35)", "good (35)", "lib (1)", "1 missing",
    ]  # fmt: skip
    boxes = [a for a in reader.all("a") if str(a.get("data-id")).startswith("folder-")]
    assert {str(box["href"])[1:] for box in boxes} <= set(ids)
    assert overview.count('class="edge') == 2
    files = [a for a in reader.all("a") if a.get("data-folder")]
    assert len(files) == 71


def test_what_fares_alike_in_a_folder_shares_a_row_and_what_fails_comes_first() -> None:
    text = render_html(large())
    table = text[text.index("<table>") : text.index("</table>")]
    assert table.count("<tr>") == 3
    assert table.index("35 files in <code>bad</code>") < table.index("35 files in <code>good</code>")
    assert "<code>bad/q34.so</code>" in table
    few = render_html(hello())
    assert "files in" not in few[few.index("<table>") : few.index("</table>")]


def test_a_program_can_be_chosen_that_which_fails_first() -> None:
    text = render_html(large())
    select = text[text.index('<select id="program">') : text.index("</select>")]
    assert select.index('<optgroup label="do not start">') < select.index('<optgroup label="start">')
    assert select.count("<option ") == 71
    assert '<select id="program">' not in render_html(hello())


def test_of_many_findings_of_one_rule_the_first_stand_in_the_open() -> None:
    text = render_html(audit(*(finding(subject=f"@rpath/lib{n}.dylib") for n in range(30))))
    Reader(text)
    assert "<summary>and 22 more</summary>" in text
    assert all(f"tool loads @rpath/lib{n}.dylib" in text for n in range(30))


def test_an_empty_audit_is_a_page_too() -> None:
    text = render_html(audit())
    Reader(text)
    assert "None that counts." in text
    assert "Nothing was loaded that could be drawn." in text


def test_the_fragment_is_the_page_without_what_a_host_page_brings_itself() -> None:
    fragment, page = render_fragment(hostile()), render_html(hostile())
    assert fragment in page
    brought = {"html", "head", "body", "main", "meta", "title", "style", "script", "footer"}
    assert not {tag for tag, _ in Reader(fragment).seen if tag in brought - {"title"}}
    around = page.replace(fragment, "")
    assert brought <= {tag for tag, _ in Reader(around).seen}
