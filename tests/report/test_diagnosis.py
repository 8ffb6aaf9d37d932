"""A diagnosis fits on one screen, and JSON has the same facts."""

from __future__ import annotations

import json

from machochain.diagnosis import explain_evidence, read
from machochain.report.diagnosis import as_document, render_text
from tests.dyld.printed import observations, printed

DIAGNOSES = [explain_evidence(read(printed(record))[0]) for record in observations()]


def test_a_diagnosis_is_one_screen() -> None:
    for diagnosis in DIAGNOSES:
        lines = render_text([diagnosis]).splitlines()
        assert len(lines) <= 32, diagnosis.headline
        for line in lines:  # only what must be copied whole may be wider
            assert len(line) <= 80 or line.startswith("    ") or max(map(len, line.split())) > 30, line


def test_text_names_library_asker_cause_and_remedy() -> None:
    for diagnosis in DIAGNOSES:
        text = render_text([diagnosis])
        for part in (diagnosis.evidence.library, diagnosis.evidence.referenced_from, diagnosis.cause.value):
            assert part is None or part in text
        assert all(step in text for step in diagnosis.remedy)


def test_nothing_found_is_said() -> None:
    assert "No message of dyld" in render_text([])


def test_control_characters_do_not_reach_the_terminal() -> None:
    found = read(
        "dyld: Library not loaded: /a\x07\x08b.dylib\n  Referenced from: /b\x9b2J\n  Reason: image not found\n"
    )
    text = render_text([explain_evidence(e) for e in found])
    assert "\x07" not in text
    assert "\x9b" not in text


def test_the_document_has_every_fact_and_is_json() -> None:
    document = json.loads(json.dumps(as_document(DIAGNOSES)))
    assert document["schema"] == "machochain.diagnose/1"
    for entry, diagnosis in zip(document["diagnoses"], DIAGNOSES, strict=True):
        assert entry["evidence"]["library"] == diagnosis.evidence.library
        assert [(a["path"], a["reason"]) for a in entry["attempts"]] == [
            (t.path, t.reason) for t in diagnosis.evidence.attempts
        ]
        assert entry["remedy"] == list(diagnosis.remedy)
        assert entry["cause"] == diagnosis.cause.value
