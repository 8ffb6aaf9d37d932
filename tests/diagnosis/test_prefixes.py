"""What logs, runners and tests put before each line of a message changes nothing of what is read from it."""

from collections.abc import Callable

import pytest

from machochain.diagnosis import diagnose
from tests.diagnosis.test_variations import MESSAGES as ALL

MESSAGES = {name: ALL[name] for name in ("launch", "old", "symbol", "undefined")}

PREFIXES: dict[str, Callable[[int], str]] = {
    "syslog": lambda i: f"Jan 22 16:39:{9 + i} host zinc[444]: ",
    "launchd": lambda i: f"Jan 22 16:39:{10 + i} host com.apple.xpc.launchd[1] (zinc[444]): ",
    "stamp and zone": lambda i: f"2024-01-02 10:11:1{i} +0000 ",
    "GitHub Actions": lambda i: f"2024-01-02T10:11:1{i}.1234567Z ",
    "docker build": lambda i: f"#12 {9 + i}.123 ",
    "npm": lambda _: "npm ERR! ",
    "node-gyp": lambda _: "gyp ERR! stack ",
    "pytest": lambda _: "E       ",
    "quoted": lambda _: "> ",
    "quoted twice": lambda _: "> > ",
    "indented": lambda _: "        ",
    "Maven": lambda _: "[ERROR] ",
    "ant": lambda _: "     [java] ",
    "compose": lambda _: "zinc-1  | ",
    "foreman": lambda i: f"10:11:1{i} web.1  | ",
    "Go's log": lambda i: f"2024/01/02 10:11:1{i} ",
    "go test": lambda i: f"    zinc_test.go:{9 + i}: ",
    "Python's log": lambda i: f"2024-01-02 10:11:1{i},123 - zinc - ERROR - ",
    "Python's short log": lambda _: "ERROR:zinc:",
    "cargo": lambda i: "  = note: " if i == 0 else "          ",
    "seconds": lambda i: f"[{9 + i}.123456] ",
    "lerna": lambda _: "@zinc/core: ",
    "line numbers": lambda i: f"  {9 + i}\t",
    "diff": lambda _: "+ ",
    "time and level": lambda i: f"10:11:1{i}.123 [error] ",
    "stamp and level": lambda i: f"[2024-01-02 10:11:1{i}] ERROR: ",
    "chat": lambda i: f"(16:43:5{i}) ",
    "Buildkite": lambda i: f"_bk;t=16000000{9 + i}\a",
    "unified log": lambda i: f"2024-01-02 10:11:1{i}.123456-0500 0x1761 Default 0x0 444 0 zinc: ",
}
TOLD = {"lib", "asker", "sym", "symbols", "users", "expected", "attempts", "arch"}


def read(text: str) -> tuple[object, ...]:
    answer = diagnose(text).main
    assert answer is not None
    return answer.form, answer.cause, answer.alternatives, {n: v for n, v in answer.facts if n in TOLD}


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("message", MESSAGES)
def test_prefix_changes_nothing(message: str, prefix: str) -> None:
    plain = MESSAGES[message]
    dressed = "\n".join(PREFIXES[prefix](at) + line for at, line in enumerate(plain.split("\n"))) + "\n"
    assert read(dressed) == read(plain + "\n")


def test_what_a_cut_text_leaves_open_is_not_concluded() -> None:
    answer = diagnose("ImportError: dlopen(/a/zinc.so, 2): Symbol not found: _tin\n").main
    assert answer is not None
    assert answer.cause.value == "abi-mismatch"
    assert [each.value for each in answer.alternatives] == ["flat-symbol", "newer-macos"]
