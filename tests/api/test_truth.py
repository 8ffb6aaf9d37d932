"""What the calls answer when there is little to say, and how they refuse what makes no sense."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

import machochain
from machochain import InputError, Target, UsageError, Version, World

HELLO = Path(__file__).parents[2] / "testdata" / "hello"
GREETER, BROKEN = HELLO / "bin" / "greeter", HELLO / "bin" / "greeter-broken"


def test_of_what_nobody_looked_at_nothing_is_said_to_launch(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no program")
    assert machochain.resolve([]).launches is None
    assert machochain.resolve(tmp_path).launches is None
    unreadable = machochain.resolve([tmp_path / "text"])
    assert unreadable.errors
    assert unreadable.launches is None
    assert machochain.resolve([GREETER, tmp_path / "text"]).launches is None
    assert machochain.resolve([BROKEN, tmp_path / "text"]).launches is False
    assert machochain.resolve(GREETER).launches is True
    assert machochain.resolve(GREETER).slice("x86_64").launches is None


@pytest.mark.parametrize(
    "nonsense",
    [
        lambda: Target(arch="arm46"),
        lambda: Target(arch=64),  # type: ignore[arg-type]
        lambda: Target(macos=15.4),  # type: ignore[arg-type]
        lambda: Target(macos=None),  # type: ignore[arg-type]
        lambda: Target(macos=[True]),
        lambda: Target(macos="26..12"),
        lambda: Target(cwd="relative"),
        lambda: Target(cwd=None),  # type: ignore[arg-type]
        lambda: Target(environment=["A=b"]),  # type: ignore[arg-type]
        lambda: Target(environment={"A": 1}),  # type: ignore[dict-item]
        lambda: Target(main=b"/bin/tool"),  # type: ignore[arg-type]
        lambda: World(root=b"/"),  # type: ignore[arg-type]
        lambda: World(unseen=3),  # type: ignore[arg-type]
        lambda: World(maps="/opt"),  # type: ignore[arg-type]
        lambda: World(maps=[("/opt",)]),  # type: ignore[list-item]
        lambda: World(at=7),  # type: ignore[arg-type]
        lambda: machochain.resolve(None),  # type: ignore[arg-type]
        lambda: machochain.resolve(3),  # type: ignore[arg-type]
        lambda: machochain.resolve([None]),  # type: ignore[list-item]
        lambda: machochain.audit({"a": "text"}),
        lambda: machochain.inspect({}),
        lambda: machochain.render(machochain.resolve(GREETER), "junit"),
        lambda: machochain.render(3),
        lambda: machochain.scenarios([GREETER, BROKEN]),  # type: ignore[arg-type]
    ],
)
def test_what_makes_no_sense_is_refused_in_words(nonsense: Callable[[], object]) -> None:
    with pytest.raises(UsageError):
        nonsense()


@pytest.mark.parametrize("path", ["no/such", "a\0b", ""])
def test_a_name_that_leads_to_no_file_is_an_input_error(path: str) -> None:
    with pytest.raises(InputError):
        machochain.resolve(path)
    assert machochain.resolve([GREETER, path]).errors
    assert machochain.inspect(path)[0].error is not None
    assert machochain.audit(path).errors


def test_a_name_that_was_nearly_right_is_guessed() -> None:
    with pytest.raises(UsageError, match="did you mean arm64"):
        Target(arch="arm46")


def test_one_text_is_one_value_not_its_letters() -> None:
    assert World(unseen="/opt").unseen == ("/opt",)
    assert World(closed="/opt").closed == ("/opt",)
    assert World(sdks=Path("/sdk")).sdks == ("/sdk",)
    assert World(maps={"/opt": "here"}).maps == (("/opt", "here"),)


def test_releases_are_taken_as_people_write_them() -> None:
    assert Target(macos="15.4").macos == (Version.parse("15.4"),)
    assert Target(macos=15).macos == (Version.parse("15"),)
    every = Target(macos="12..26").macos
    assert (every[0], every[-1].major, len(every) > 6) == (Version.parse("12"), 26, True)
    assert Target(macos=["12..26", "12"]).macos == every
    assert Target(arch="amd64").arch == "x86_64"
    assert Target(arch="aarch64").arch == "arm64"


def values() -> list[Any]:
    return [
        machochain.resolve(HELLO),
        machochain.audit(HELLO),
        machochain.diff(GREETER, BROKEN),
        *machochain.scenarios(GREETER),
        *machochain.inspect(GREETER),
        *machochain.explain(GREETER, "libgreet.1.dylib"),
        machochain.diagnose("dyld[1]: Library not loaded: @rpath/x.dylib\n  Reason: no LC_RPATH's found\n"),
        Target(environment={"A": "b"}),
        World(maps={"/a": "b"}),
    ]


@pytest.mark.parametrize("value", values(), ids=lambda value: type(value).__name__)
def test_values_are_frozen_all_the_way_down(value: Any) -> None:
    assert hash(value) == hash(pickle.loads(pickle.dumps(value)))
    with pytest.raises(AttributeError):
        setattr(value, attrs.fields(type(value))[0].name, None)
    for path, part in parts(value, type(value).__name__):
        assert not isinstance(part, (list, dict, set)) or type(part).__name__.startswith("Frozen"), path


def parts(value: Any, path: str) -> list[tuple[str, Any]]:
    if attrs.has(type(value)):
        return [found for f in attrs.fields(type(value)) for found in parts(getattr(value, f.name), f"{path}.{f.name}")]
    if isinstance(value, (tuple, list)):
        return [(path, value), *(found for each in value for found in parts(each, f"{path}[]"))]
    if isinstance(value, dict):
        return [(path, value), *(found for each in value.values() for found in parts(each, f"{path}[]"))]
    return [(path, value)]


def test_the_evidence_of_a_finding_reads_like_a_dictionary_and_cannot_be_written() -> None:
    (finding, *_) = machochain.resolve(BROKEN).results[0].findings
    assert json.loads(json.dumps(finding.evidence)) == finding.evidence
    assert dict(finding.evidence) == finding.evidence
    for write in (
        lambda e: e.__setitem__("macos", ""),
        lambda e: e.update(macos=""),
        lambda e: e.pop("macos"),
        lambda e: e.clear(),
        lambda e: e.setdefault("x", 1),
        lambda e: e.__ior__({"x": 1}),
    ):
        with pytest.raises(TypeError, match="cannot be changed"):
            write(finding.evidence)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("value", values(), ids=lambda value: type(value).__name__)
def test_what_a_prompt_shows_of_a_value_is_short(value: Any) -> None:
    assert 10 < len(repr(value)) < 400
    assert "packed=" not in repr(value)


def test_versions_are_shown_as_one_writes_them() -> None:
    assert repr(Version.parse("15.4")) == "Version.parse('15.4')"


def test_a_report_is_a_sequence_of_its_results() -> None:
    report = machochain.resolve([GREETER, BROKEN])
    assert [r.path for r in report] == [r.path for r in report.results]
    assert len(report) == 2
    assert report[1] is report.results[1]
    assert repr(report) == "<Report of 2: 1 does not launch, 1 launches, 0 errors>"


def test_a_notebook_shows_a_table_in_which_every_name_is_harmless() -> None:
    report = machochain.resolve({"bin/<script>alert(1)</script>&": BROKEN.read_bytes()})
    shown = report._repr_html_()
    assert shown.startswith("<table>")
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
    audited = machochain.audit(BROKEN)._repr_html_()
    assert "MC101" in audited
    assert "failed" in audited


def test_a_report_is_rendered_as_the_command_line_would() -> None:
    report = machochain.audit(BROKEN)
    assert json.loads(machochain.render(report, "sarif"))["version"] == "2.1.0"
    assert "MC101" in machochain.render(report)
    assert json.loads(machochain.render(machochain.resolve(BROKEN), "json"))["schema"] == "machochain.resolve/1"
    assert "\x1b[" in machochain.render(report, colour=True)


def test_node_link_json_is_what_networkx_reads() -> None:
    import networkx as nx

    report = machochain.resolve(HELLO)
    read = nx.node_link_graph(json.loads(machochain.render(report, "node-link")))
    assert set(read.nodes) == set(report.graph.nodes)
    assert read.number_of_edges() == report.graph.number_of_edges()


def test_a_pasted_message_is_diagnosed() -> None:
    message = machochain.resolve(BROKEN).results[0].message
    (found,) = machochain.diagnose(f"dyld[1]: {message}\n").answers
    assert found.evidence.library == "@rpath/libgreet.1.dylib"
    assert "libgreet" in machochain.render(machochain.diagnose(f"dyld[1]: {message}\n"))
    assert machochain.diagnose("nothing of dyld's").answers == ()
