"""What the model says a Mac would print is read back to the same facts."""

from __future__ import annotations

import pytest

from machochain.diagnosis import diagnose
from machochain.kernel import failure, words
from machochain.model.cause import Cause
from machochain.model.execution import ExitReason

ERRNOS = {
    8: {Cause.FOREIGN_FILE},
    12: {Cause.MALFORMED},
    13: {Cause.NOT_EXECUTABLE},
    22: {Cause.MALFORMED},
    80: {Cause.MALFORMED},
    85: {Cause.MALFORMED},
    86: {Cause.ROSETTA_MISSING},
    88: {Cause.MALFORMED},
}
REASONS = [value for value in vars(failure).values() if isinstance(value, ExitReason)]


@pytest.mark.parametrize("errno", ERRNOS)
@pytest.mark.parametrize("name", ["./tin", "/opt/My Tools/tin"])
def test_what_a_shell_says_of_a_refused_program_names_it(errno: int, name: str) -> None:
    answer = diagnose(words.refused_text(errno, name) + "\n").main
    assert answer is not None
    assert answer.fact("file") == name
    assert answer.cause in ERRNOS[errno]


@pytest.mark.parametrize("errno", ERRNOS)
def test_what_posix_spawn_hands_over_keeps_its_number(errno: int) -> None:
    answer = diagnose(words.spawn_text(errno)).main
    assert answer is not None
    assert answer.fact("errno") == errno
    assert answer.cause in ERRNOS[errno]


def test_a_killed_program_is_named() -> None:
    answer = diagnose(f"$ ./tin\n{words.killed_text('./tin')}\n").main
    assert answer is not None
    assert answer.fact("command") == "./tin"
    assert answer.cause is Cause.SIGNATURE_BROKEN
    assert Cause.OUT_OF_MEMORY not in answer.alternatives[:1]


@pytest.mark.parametrize("reason", REASONS, ids=lambda r: f"{r.namespace.name}-{r.code}")
def test_a_reason_of_the_kernel_is_read_out_of_a_crash_report(reason: ExitReason) -> None:
    text = (
        "Process:               tin [515]\nPath:                  /opt/tin/tin\n"
        f"Termination Reason:    Namespace {reason.namespace.name}, Code {reason.code} {reason.name}\n"
    )
    answer = diagnose(text).main
    assert answer is not None
    assert answer.is_failure
    assert answer.evidence.termination is not None
    assert (answer.evidence.termination.namespace, answer.evidence.termination.code) == (
        reason.namespace.name,
        reason.code,
    )
    assert answer.evidence.process == "/opt/tin/tin"
