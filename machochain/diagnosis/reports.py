"""Crash reports: the JSON of ``.ips`` files, the text of ``.crash`` files and of translated reports.

The reporter repeats dyld's message, without the blanks in front of its lines, and replaces the middle of paths by
``*``.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from machochain.diagnosis.messages import Context, parse_message
from machochain.model.errors import UsageError
from machochain.model.evidence import Evidence, EvidenceKind, Termination
from machochain.model.paths import encodable
from machochain.model.value import evolve, frozen
from machochain.model.version import Version

_DECODER: Final = json.JSONDecoder()
_VERSION: Final = re.compile(r"(?:\s*|.*\b(?:macOS|OS X)\s+)(\d{2}(?:\.\d{1,3}){0,2})\b")
"""A release of macOS, not of iOS or another system, whose number stands behind its own name."""
_NAMESPACE: Final = re.compile(
    r"Termination Reason:\s{0,20}(?:Namespace )?(?P<space>[A-Z_]{2,40}),\s{0,4}"
    r"(?:Code (?P<code>\d+|0x[0-9A-Fa-f]+)|\[?(?P<hex>0x[0-9A-Fa-f]+)\]?)?[ \t]*(?P<words>[^\n]*)"
)
TERMINATED: Final = "(terminated at launch; ignore backtrace)"


@frozen
class Report:
    """The heading of a crash report, as far as it was seen.

    Attributes:
        start: Offset of its first line.
        process: Path, else name, of the process.
        pid: Its number.
        macos: The release.
        arch: ``ARM-64``, ``X86-64 (Translated)``…
        sip: Whether System Integrity Protection was on.
        termination: Why it was ended.
        old_style: Whether the reason is worded as up to macOS 11.
    """

    start: int
    process: str | None = None
    pid: int | None = None
    macos: Version | None = None
    arch: str | None = None
    sip: bool | None = None
    termination: Termination | None = None
    old_style: bool = False

    def apply(self, evidence: Evidence) -> Evidence:
        """Return the evidence with what the heading adds."""
        return evolve(
            evidence,
            pid=evidence.pid if evidence.pid is not None else self.pid,
            process=self.process,
            macos=self.macos or evidence.macos,
            arch=self.arch,
            sip=self.sip,
            termination=self.termination,
        )


REPORT_LITERALS: Final = (
    "Process:",
    "Path:",
    "OS Version:",
    "Code Type:",
    "System Integrity Protection:",
    "Termination Reason:",
)


def read_heading(line: str, offset: int, report: Report | None) -> Report | None:
    """Take one line of a heading into account; ``Process:`` begins a new report."""
    text = line.strip().lstrip("> ")
    key, _, value = text.partition(":")
    value = value.strip()
    if key == "Process" and value:
        match = re.match(r"(?P<name>[^\n]{1,200}?) \[(?P<pid>\d{1,10})\]$", value)
        return Report(offset, match["name"], int(match["pid"])) if match else Report(offset, value)
    if report is None:
        if key not in {"OS Version", "Termination Reason"}:
            return None
        report = Report(offset)
    if key == "Path" and value:
        return evolve(report, process=value)
    if key == "OS Version":
        return evolve(report, macos=read_version(value) or report.macos)
    if key == "Code Type":
        return evolve(report, arch=value or None)
    if key == "System Integrity Protection":
        return evolve(report, sip=value.startswith("enabled"))
    if key == "Termination Reason" and (match := _NAMESPACE.match(text)):
        number = match["code"] or match["hex"]
        termination = Termination(match["space"], int(number, 0) if number else None, match["words"].strip() or None)
        return evolve(report, termination=termination, old_style=match["hex"] is not None)
    return report


def read_version(text: str) -> Version | None:
    """Return the macOS version a text gives, alone or behind the system's name."""
    match = _VERSION.match(text)
    if match is None:
        return None
    try:
        return Version.parse(match[1])
    except UsageError:
        return None


def read_ips(text: str) -> tuple[Evidence, int] | None:
    """Read a report in JSON that begins the text: evidence and where it ends; None if the text is no such report.

    A report that was cut is read as far as its list of reasons goes.
    """
    begin = len(text) - len(text.lstrip())
    if not text.startswith("{", begin) or '"termination"' not in text:
        return None
    end = len(text)
    body: dict[str, Any] = {}
    at = begin
    try:
        while at < len(text) and text[at] == "{":
            value, at = _DECODER.raw_decode(text, at)
            body = {**body, **value}
            end = at
            at += len(text[at : at + 64]) - len(text[at : at + 64].lstrip())
    except (ValueError, RecursionError):
        body = {**body, **_salvage(text)}
        end = len(text)
    termination = body.get("termination")
    if not isinstance(termination, dict):
        return None
    return _ips_evidence(body, termination, text.count("\n", 0, end) + 1), end


def _ips_evidence(body: dict[str, Any], termination: dict[str, Any], lines: int) -> Evidence:
    report = Report(
        0,
        process=_text(body.get("procPath")) or _text(body.get("procName")) or _text(body.get("app_name")),
        pid=_number(body.get("pid")),
        macos=_os_version(body),
        arch=_text(body.get("cpuType")),
        sip=body["sip"] == "enabled" if isinstance(body.get("sip"), str) else None,
        termination=Termination(
            _text(termination.get("namespace")) or "",
            _number(termination.get("code")),
            _text(termination.get("indicator")),
        ),
    )
    lists = [found for key in ("reasons", "details") if isinstance(found := termination.get(key), list)]
    reasons = [encodable(r) for found in lists for r in found if isinstance(r, str)]
    message = "\n".join(r.strip() for r in reasons if TERMINATED not in r)
    evidence = parse_message(message, Context(pid=report.pid)) if message else None
    if evidence is None:
        evidence = Evidence(EvidenceKind.TERMINATION, reason=message or None)
    return evolve(report.apply(evidence), lines=(1, lines))


def _text(value: Any) -> str | None:
    return encodable(value) if isinstance(value, str) and value else None


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _os_version(body: dict[str, Any]) -> Version | None:
    stated = body.get("osVersion")
    train = stated.get("train") if isinstance(stated, dict) else body.get("os_version")
    return read_version(train) if isinstance(train, str) else None


def _salvage(text: str) -> dict[str, Any]:
    """Pick the fields out of a report whose JSON does not end."""
    found: dict[str, Any] = {}
    for key in ("procPath", "procName", "cpuType", "sip", "pid", "osVersion"):
        match = re.search(rf'"{key}"\s{{0,8}}:\s{{0,8}}', text)
        if match:
            found[key] = _value(text, match.end())
    termination: dict[str, Any] = {}
    where = text.find('"termination"')
    for key in ("namespace", "code", "indicator"):
        match = re.compile(rf'"{key}"\s{{0,8}}:\s{{0,8}}').search(text, where, where + 65536)
        if match:
            termination[key] = _value(text, match.end())
    match = re.compile(r'"reasons"\s{0,8}:\s{0,8}\[').search(text, where)
    if match:
        termination["reasons"] = _strings(text, match.end())
    found["termination"] = termination
    return found


def _value(text: str, at: int) -> Any:
    try:
        return _DECODER.raw_decode(text, at)[0]
    except (ValueError, RecursionError):
        return None


def _strings(text: str, at: int) -> list[str]:
    """Return the strings of a list that may end anywhere; a string without its closing quote is taken as it stands."""
    found: list[str] = []
    for _ in range(64):
        while at < len(text) and text[at] in " \t\n,":
            at += 1
        if at >= len(text) or text[at] != '"':
            break
        try:
            value, at = _DECODER.raw_decode(text, at)
        except ValueError:
            found.append(text[at + 1 :].partition("\n")[0].replace("\\/", "/"))
            break
        found.append(value)
    return found
