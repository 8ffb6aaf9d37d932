"""What reads the lines below a form: symbols with their users, files and what is wrong with them, a notary's issues."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final
from unicodedata import normalize

from machochain.diagnosis.names import MARKS, without_sentence

Facts = dict[str, str | tuple[str, ...]]
Joiner = Callable[[str, int, "re.Match[str]"], tuple[Facts, int]]
MAX_LINES: Final = 200
MAX_LINE: Final = 4096

_SYMBOL: Final = re.compile(r'[ \t]{1,40}"?(?P<sym>[^\n]{1,2048}?)"?, referenced from:[ \t]{0,20}$')
_USER: Final = re.compile(r"[ \t]{2,60}(?P<user>[^\n]{1,2048}?) in (?P<file>[^\n]{1,1024})$")
_BESIDE: Final = re.compile(
    r"[ \t]{1,60}(?:implicit entry/start for main executable|\(maybe you meant: |\(found |<initial-undefines>"
    r"|-[^\n]{1,80} command line option|NOTE: )"
)
"""Lines among the symbols that name neither one nor who uses it."""
_SEALED: Final = re.compile(r"[ \t]{0,40}file (?P<what>added|modified|missing): (?P<path>[^\n]{1,4096})$")
_LEFT_OUT: Final = re.compile(r"[ \t]{0,40}[(\[<]?(?:skip\w{0,4}|snip\w{0,4})?[ .\u2026]{1,8}[)\]>]?[ \t]{0,8}")
"""What a writer puts in the place of lines."""
_SUB: Final = re.compile(r"[ \t]{0,40}In subcomponent: (?P<sub>[^\n]{1,4096})$")
_IN_ARCH: Final = re.compile(r"[ \t]{0,40}In architecture: (?P<arch>[\w.-]{1,40})[ \t]{0,8}$")
_MINOS: Final = re.compile(
    r"[ \t]{0,40}(?P<file>[^\n]{1,4096}?) has a minimum target of (?P<new>[\d.]{1,20})[ \t]{0,8}$"
)
_KEY: Final = re.compile(
    r'[ \t]{0,40}"(?P<key>severity|code|path|message|docUrl|architecture)"\s{0,4}:\s{0,4}'
    r'(?:"(?P<text>[^"\n]{0,4096})|(?P<bare>[^"\n,]{0,40}))'
)


def lines_from(text: str, at: int) -> list[tuple[str, int]]:
    """Return the lines behind an offset, each with where it ends; at most `MAX_LINES`."""
    found: list[tuple[str, int]] = []
    at = text.find("\n", at, at + MAX_LINE) + 1
    while 0 < at < len(text) and len(found) < MAX_LINES:
        end = text.find("\n", at, at + MAX_LINE)
        if end < 0:
            end = min(len(text), at + MAX_LINE)
        found.append((text[at:end], end))
        at = end + 1
    return found


def _symbols(text: str, at: int, _: re.Match[str]) -> tuple[Facts, int]:
    symbols: list[str] = []
    users: list[str] = []
    files: list[str] = []
    end = at
    for line, stop in lines_from(text, at):
        if match := _SYMBOL.match(line):
            symbols.append(match["sym"])
        elif _BESIDE.match(line) or line.strip() in {"...", "\u2026"}:
            pass
        elif match := _USER.match(line):
            users.append(match["user"])
            files.append(match["file"].strip())
        else:
            break
        end = stop
    facts: Facts = {}
    if symbols and not users and end >= len(text.rstrip()):
        facts["cut"] = "yes"  # a symbol without its users, and nothing behind it
    if symbols:
        facts["symbols"] = tuple(dict.fromkeys(symbols))
        facts["sym"] = facts["symbols"] if len(facts["symbols"]) > 1 else symbols[0]
    if users:
        facts["users"] = tuple(dict.fromkeys(users))
        facts["files"] = tuple(dict.fromkeys(files))
    return facts, end


def _sealed(text: str, at: int, _: re.Match[str]) -> tuple[Facts, int]:
    paths: list[str] = []
    kinds: dict[str, set[str]] = {}
    facts: Facts = {}
    end = at
    for line, stop in lines_from(text, at):
        if match := _SEALED.match(line):
            paths.append(match["path"].strip())
            kinds.setdefault(normalize("NFC", paths[-1]), set()).add(match["what"])
            facts.setdefault("change", match["what"])
        elif match := _SUB.match(line):
            facts["sub"] = match["sub"].strip()
        elif match := _IN_ARCH.match(line):
            facts["arch"] = match["arch"]
        elif not (paths and _LEFT_OUT.fullmatch(line)):
            break
        end = stop
    if paths:
        facts["resources"] = tuple(paths)
    if any({"added", "missing"} <= each for each in kinds.values()):
        facts["renamed"] = "yes"
    return facts, end


def _minos(text: str, at: int, _: re.Match[str]) -> tuple[Facts, int]:
    files: list[str] = []
    versions: list[str] = []
    end = at
    for line, stop in lines_from(text, at):
        match = _MINOS.match(line)
        if match is None:
            break
        files.append(without_sentence(MARKS.sub("", match["file"].strip())))
        versions.append(match["new"])
        end = stop
    if not files:
        return {}, end
    highest = max(versions, key=lambda v: tuple(int(x) for x in v.split(".") if x.isdigit()))
    return {"paths": tuple(files), "highest": highest, "new": tuple(dict.fromkeys(versions))}, end


def _issues(text: str, at: int, match: re.Match[str]) -> tuple[Facts, int]:
    """The other keys of the object a message stands in: above it and below."""
    facts: Facts = {}
    above = text[max(0, text.rfind("{", max(0, match.start() - 2000), match.start())) : match.start()].split("\n")
    for line in above[-12:]:
        if found := _KEY.match(line):
            facts[_ISSUE_NAMES.get(found["key"], found["key"])] = found["text"] or found["bare"] or ""
    end = at
    for line, stop in lines_from(text, at)[:6]:
        found = _KEY.match(line)
        if found is None:
            break
        facts.setdefault(_ISSUE_NAMES.get(found["key"], found["key"]), found["text"] or found["bare"] or "")
        end = stop
    facts.pop("message", None)
    return {k: v for k, v in facts.items() if v and v != "null"}, end


_ISSUE_NAMES: Final = {"architecture": "arch", "docUrl": "doc_url"}
JOINERS: Final[dict[str, Joiner]] = {"symbols": _symbols, "sealed": _sealed, "minos": _minos, "issues": _issues}
