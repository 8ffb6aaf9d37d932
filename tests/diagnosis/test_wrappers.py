"""What logs, runners and writers put before lines: the cause stays, and no value has a part of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from machochain.diagnosis import diagnose
from tests.diagnosis.test_kinds import KINDS

Lines = list[str]


def before(prefix: str) -> Callable[[Lines], Lines]:
    return lambda lines: [prefix.format(number) + line for number, line in enumerate(lines, 1)]


WRAPPERS: dict[str, Callable[[Lines], Lines]] = {
    "pytest": before("E   "),
    "npm": before("npm ERR! "),
    "gradle": before("> Task :run "),
    "docker compose": before("web-1  | "),
    "docker build": before("#12 {}.451 "),
    "a runner": before("2024-01-01T00:00:{:02d}.0000000Z "),
    "journald": before("Jan 02 10:20:{:02d} mini tinlog[4711]: "),
    "a logger of Java": before("10:20:{:02d}.123 [main] ERROR c.e.Log - "),
    "a logger of Python": before("2024-01-01 10:20:{:02d},123 - log - ERROR - "),
    "a quote": before("> "),
    "a difference": before("+ "),
    "an indent": before("    "),
    "numbers of lines": before("{:3d} | "),
    "a frame": before(" │ │ "),
    "a runner of tests": before("[junit4:junit4]    > "),
    "a server of builds": before("[10:20:{:02d}]W:\t\t [Step 1/2] "),
    "a runner of packages": before("@log/log: "),
    "foreman": before("10:20:{:02d} web.1  | "),
    "a node of containers": before("2024-01-01T00:00:{:02d}.123456789Z stderr F "),
    "stars": before("* "),
    "a mark": before("❌ "),
    "a test of Go": before("    log_test.go:12: "),
    "colours": lambda lines: [f"\x1b[31m{line}\x1b[0m" for line in lines],
    "a fence": lambda lines: ["```", *lines, "```"],
    "a letter": lambda lines: ["When I start it I get this:", "", *lines, "", "Any idea? It worked before."],
    "a prompt": lambda lines: ["u@mac log % ./log --run", *lines, "u@mac log %"],
    "an object": lambda lines: [json.dumps({"msg": "\n".join(lines)})],
}
SILENT = frozenset({"unread", "inner-message", "follow-up", "information"})
"""What may be said of a text whose wrapper hides the message: nothing wrong, and that not often."""
NUMBERS = frozenset({"era", "elided", "prefix", "cut", "reason", "command", "process"})
"""Values that are worded, or that a prompt or a list rightly changes."""


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_what_stands_before_lines_changes_no_cause_and_is_in_no_value(wrapper: str) -> None:
    hidden = 0
    for name, (right, text) in KINDS.items():
        if name == "the short answer of the notary service in JSON" and wrapper != "a fence":
            continue  # an object of its own
        found = diagnose("\n".join(WRAPPERS[wrapper](text.rstrip("\n").split("\n")))).answers
        said = found[0].cause.value if found else "unread"
        assert said in right | SILENT, name
        hidden += said not in right
        whole = re.sub(r"\s+", " ", text + json.dumps([fact for a in diagnose(text).answers for fact in a.facts]))
        for key, value in (fact for answer in found for fact in answer.facts):
            for one in value if isinstance(value, tuple) else (value,):
                if isinstance(one, str) and key not in NUMBERS:
                    assert re.sub(r"\s+", " ", one) in whole, (name, key)
        assert not any("Perhaps DYLD" in note for answer in found for note in answer.process.notes), name
    assert hidden <= len(KINDS) // 10
