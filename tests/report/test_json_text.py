"""A document that is written in parts is the document."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from machochain.report.audit_json import audit_document, write
from machochain.report.context import RenderContext
from machochain.report.json_text import json_parts
from tests.report.audits import hello

scalars = st.none() | st.booleans() | st.integers() | st.text()
values = st.recursive(scalars, lambda x: st.lists(x) | st.dictionaries(st.text(), x), max_leaves=20)


@given(st.dictionaries(st.text(), values, min_size=1), st.lists(values))
def test_parts_make_the_text_of_the_whole(document: dict[str, Any], items: list[Any]) -> None:
    document["streamed"] = items
    whole = json.dumps(document, indent=2) + "\n"
    assert "".join(json_parts({**document, "streamed": iter(items)})) == whole
    assert "".join(json_parts(document)) == whole


def test_an_item_is_asked_for_when_its_turn_comes() -> None:
    asked = []

    def items() -> Any:
        for number in range(3):
            asked.append(number)
            yield number

    parts = json_parts({"a": 1, "b": items()})
    assert (next(parts), asked) == ('{\n  "a": ', [])
    while 1 not in asked:
        next(parts)
    assert asked == [0, 1]


def test_an_audit_is_written_finding_by_finding() -> None:
    report = hello()
    parts = list(write(report, RenderContext()))
    assert "".join(parts) == json.dumps(audit_document(report), indent=2) + "\n"
    assert len(parts) > len(report.findings) + len(report.results) + len(report.binaries)
