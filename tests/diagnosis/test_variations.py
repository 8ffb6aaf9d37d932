"""A message is read the same however it came into the paste; a cut one concludes less, never other things."""

import html
import json
import re
import textwrap
from collections.abc import Callable

import pytest

from machochain.diagnosis import diagnose

ARCH = "mach-o file, but is an incompatible architecture (have 'x86_64', need 'arm64')"
TEAM = "not valid for use in process: mapping process and mapped file (non-platform) have different Team IDs"
TIN = "/opt/venv/lib/python3.11/site-packages/tin/_tin.so"
SPARKLE = "/Applications/Zinc.app/Contents/Frameworks/Sparkle.framework/Versions/B/Sparkle"
UUID = "1B0E5C11-2222-3A01-AC01-00000000000"
MESSAGES = {
    "launch": f"""dyld[71]: Library not loaded: /opt/homebrew/opt/tin/lib/libtin.1.dylib
  Referenced from: <{UUID}1> /opt/homebrew/Cellar/zinc/1.0/bin/zinc
  Reason: tried: '/opt/homebrew/opt/tin/lib/libtin.1.dylib' (no such file), '/usr/lib/libtin.1.dylib' (no such file)""",
    "old": """dyld: Library not loaded: @rpath/libtin.dylib
  Referenced from: /a/b/zinc
  Reason: image not found""",
    "symbol": """Symbol not found: _tin_init
  Referenced from: /a/b/zinc.so
  Expected in: /a/lib/libtin.1.dylib
 in /a/b/zinc.so""",
    "undefined": """Undefined symbols for architecture arm64:
  "_tin", referenced from:
      _main in main-1a2b.o
ld: symbol(s) not found for architecture arm64
clang: error: linker command failed with exit code 1 (use -v to see invocation)""",
    "import": f"""Traceback (most recent call last):
  File "/a/x.py", line 1, in <module>
    import tin
ImportError: dlopen({TIN}, 0x0002): tried: '{TIN}' ({ARCH}), '/usr/lib/_tin.so' (no such file)""",
    "team": f"""dyld[12]: Library not loaded: @rpath/Sparkle.framework/Versions/B/Sparkle
  Referenced from: <{UUID}1> /Applications/Zinc.app/Contents/MacOS/Zinc
  Reason: tried: '{SPARKLE}' (code signature in <{UUID}2> '{SPARKLE}' {TEAM}), '/usr/lib/Sparkle' (no such file)""",
    "flat": f"ImportError: dlopen({TIN}, 0x0002): symbol not found in flat namespace '_tin_create'",
    "unsigned": """/Applications/Zinc.app: code object is not signed at all
In subcomponent: /Applications/Zinc.app/Contents/Frameworks/libtin.dylib""",
    "ruby": """ruby: dlopen(/usr/local/lib/ruby/tin.bundle, 9): no suitable image found.  Did find: (LoadError)
\t/usr/local/lib/ruby/tin.bundle: mach-o, but wrong architecture - /usr/local/lib/ruby/tin.bundle""",
    "linker": """ld: library not found for -ltin
clang: error: linker command failed with exit code 1 (use -v to see invocation)""",
    "newer": f"""dyld[55]: Symbol not found: __ZNKSt3__115basic_stringbufIcE3strEv
  Referenced from: <{UUID}1> /a/bin/zinc (built for macOS 14.0 which is newer than running OS)
  Expected in:     <{UUID}3> /usr/lib/libc++.1.dylib""",
}


def words(width: int) -> Callable[[str], str]:
    def wrapped(text: str) -> str:
        lines = (textwrap.wrap(x, width, break_long_words=False, break_on_hyphens=False) for x in text.split("\n"))
        return "\n".join("\n".join(each) for each in lines)

    return wrapped


def columns(width: int) -> Callable[[str], str]:
    return lambda text: "\n".join(x[i : i + width] for x in text.split("\n") for i in range(0, len(x), width))


FORMS: dict[str, Callable[[str], str]] = {
    "100 columns": columns(100),
    "120 columns": columns(120),
    "broken between words": words(100),
    "in one line": lambda m: " ".join(x.strip() for x in m.split("\n")),
    "CRLF": lambda m: m.replace("\n", "\r\n"),
    "HTML": html.escape,
    "JSON": lambda m: json.dumps({"error": m}),
    "a literal of Python": lambda m: "error: " + repr(m),
    "bytes of Python": lambda m: "b" + repr(m),
    "blank lines between": lambda m: m.replace("\n", "\n\n"),
    "fenced": lambda m: f"I get this:\n```console\n$ ./zinc\n{m}\n```\nany idea?",
    "inside a sentence": lambda m: f"When starting, {m}. What now?",
    "between backticks": lambda m: f"Error is `{m}` on my mac",
    "bold": lambda m: f"**{m}**",
    "in brackets": lambda m: f"Error: ({m})",
    "no-break spaces": lambda m: m.replace(" ", "\u00a0"),
    "a mark of order": lambda m: "\ufeff" + m,
    "coloured": lambda m: "\x1b[31m" + m.replace("\n", "\x1b[0m\n\x1b[31m") + "\x1b[0m",
    "YAML": lambda m: "error: |\n" + "\n".join("    " + x for x in m.split("\n")),
    "marked down": lambda m: m.replace("_", "\\_").replace("<", "\\<"),
    "twice": lambda m: f"{m}\n{m}",
    "a prompt": lambda m: f"\u279c  ~ zinc\n{m}\n[1]    123 abort      zinc",
    "typographic": lambda m: re.sub(r"'([^'\n]*)'", "\u2018\\1\u2019", m),
    "another language": lambda m: f"Fehler beim Start: {m}\nWas tun?",
}
TOLD = {"lib", "asker", "sym", "expected", "loader", "name", "file", "sub"}


def read(text: str) -> tuple[str, dict[str, object]]:
    answer = diagnose(text + "\n").main
    assert answer is not None
    return answer.cause.value, {n: v for n, v in answer.facts if n in TOLD}


# What keeps less than the message itself says, and why.
LESS = {("unsigned", "in one line"), ("undefined", "HTML")}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("message", MESSAGES)
def test_form_of_a_paste_changes_nothing(message: str, form: str) -> None:
    cause, facts = read(MESSAGES[message])
    got, told = read(FORMS[form](MESSAGES[message]))
    if (message, form) not in LESS:
        assert got == cause
    assert {n: v for n, v in told.items() if n in facts and v != facts[n]} == {}


@pytest.mark.parametrize("message", MESSAGES)
def test_cut_message_concludes_nothing_else(message: str) -> None:
    whole = MESSAGES[message]
    answer = diagnose(whole + "\n").main
    assert answer is not None
    allowed = {
        answer.cause.value,
        *(each.value for each in answer.alternatives),
        "unknown",
        "inner-message",
        "follow-up",
    }
    if message == "team":  # without its reason the message says only that the library is missing
        allowed |= {"run-path", "not-packaged"}
    if message == "newer":  # before it says for which release the image was built
        allowed |= {"abi-mismatch"}
    odd: dict[int, str] = {}
    for size in range(20, len(whole)):
        cut = diagnose(whole[:size] + "\n").main
        if cut is not None and cut.cause.value not in allowed:
            odd[size] = cut.cause.value
    assert odd == {}
