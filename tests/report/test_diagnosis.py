"""A diagnosis fits on one screen, and JSON has the same facts."""

from __future__ import annotations

import json

from machochain.diagnosis import diagnose
from machochain.model.diagnosis import Diagnosis
from machochain.report.diagnosis import as_document, render_text
from tests.dyld.printed import observations, printed

DIAGNOSES = [diagnose(printed(record)) for record in observations()]


def test_a_diagnosis_is_one_screen() -> None:
    for diagnosis in DIAGNOSES:
        lines = render_text(diagnosis).splitlines()
        assert diagnosis.main is not None
        assert len(lines) <= 40, diagnosis.main.headline
        for line in lines:  # only what must be copied whole may be wider
            assert len(line) <= 80 or line.startswith("    ") or max(map(len, line.split())) > 30, line


def test_text_names_library_asker_cause_and_remedy() -> None:
    for diagnosis in DIAGNOSES:
        text = render_text(diagnosis)
        answer = diagnosis.main
        assert answer is not None
        for part in (answer.evidence.library, answer.evidence.referenced_from, answer.cause.value):
            assert part is None or part in text
        assert all(step in text for step in answer.remedy)


def test_nothing_found_is_said() -> None:
    assert "No message of dyld" in render_text(Diagnosis())


def test_control_characters_do_not_reach_the_terminal() -> None:
    found = diagnose(
        "dyld: Library not loaded: /a\x07\x08b.dylib\n  Referenced from: /b\x9b2J\n  Reason: image not found\n"
    )
    text = render_text(found)
    assert "\x07" not in text
    assert "\x9b" not in text


def test_the_document_has_every_fact_and_is_json() -> None:
    for diagnosis in DIAGNOSES:
        document = json.loads(json.dumps(as_document(diagnosis)))
        assert document["schema"] == "machochain.diagnose/1"
        (entry,), answer = document["diagnoses"], diagnosis.main
        assert answer is not None
        assert entry["evidence"]["library"] == answer.evidence.library
        assert [(a["path"], a["reason"]) for a in entry["attempts"]] == [
            (t.path, t.reason) for t in answer.evidence.attempts
        ]
        assert entry["remedy"] == list(answer.remedy)
        assert entry["cause"] == answer.cause.value
        assert entry["form"] == answer.form
        assert entry["or"] == [a.value for a in answer.alternatives]
        assert entry["evidence"]["urls"] == list(answer.urls)
        assert entry["next"] == list(answer.next)
