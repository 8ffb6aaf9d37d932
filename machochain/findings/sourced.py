"""What checks of sources share: how a finding about a source position is made, and merged over targets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from attrs import evolve

from machochain.findings.rule import Rule
from machochain.model.paths import printable
from machochain.model.remedy import Remedy
from machochain.model.result import Confidence, Finding, Severity

if TYPE_CHECKING:
    from machochain.source.values import PackageFacts, SourcePosition, SourceReport


def source_finding(  # noqa: PLR0913  # each is the caller's to say
    rule: Rule,
    report: SourceReport,
    *,
    package: str,
    subject: str,
    message: str,
    target: str = "",
    place: SourcePosition | None = None,
    severity: Severity | None = None,
    confidence: Confidence = Confidence.CERTAIN,
    remedies: Iterable[Remedy] = (),
    evidence: dict[str, Any] | None = None,
) -> Finding:
    """Return a finding about a position of a source file."""
    facts = dict(evidence or {})
    if place is not None and place.file:
        facts["file"] = place.file
        if place.line:
            facts["line"] = place.line
    if target:
        facts["targets"] = [target]
    given = tuple(remedies)
    return Finding(
        rule.id, rule.name, severity or rule.severity, confidence, report.module.directory, "", package, None, subject,
        message, facts, given or rule.advice,
    )  # fmt: skip


def merged(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Yield findings that differ by their target only as one."""
    found: dict[tuple[Any, ...], Finding] = {}
    for each in findings:
        key = (
            each.rule, each.image, each.subject, each.message, each.severity, each.evidence.get("file"),
            each.evidence.get("line"),
        )  # fmt: skip
        known = found.get(key)
        if known is None:
            found[key] = each
            continue
        targets = [*known.evidence.get("targets", ()), *each.evidence.get("targets", ())]
        found[key] = evolve(known, evidence={**known.evidence, "targets": list(dict.fromkeys(targets))})
    yield from found.values()


def where(place: SourcePosition, report: SourceReport) -> str:
    """Return ``file.go:12`` for people, relative to the module."""
    root = f"{report.module.directory.rstrip('/')}/"
    name = place.file.removeprefix(root)
    return printable(f"{name}:{place.line}" if place.line else name)


def cgo_packages(report: SourceReport) -> Iterator[tuple[str, PackageFacts]]:
    """Yield (target, package) of every package that cgo works on, or would if Go took it."""
    for target, packages in report.packages.items():
        for facts in packages.values():
            if facts.cgo or facts.lines:
                yield target, facts


PACKAGES = (
    (r"openssl/.*|ssl|crypto", "openssl@3"),
    (r"zmq\.h|zmq", "zeromq"),
    (r"SDL2?/.*|SDL\.h|SDL2", "sdl2"),
    (r"opencv2/.*|opencv_.*", "opencv"),
    (r"git2(?:/.*|\.h)?", "libgit2"),
    (r"librdkafka/.*|rdkafka(?:\+\+)?", "librdkafka"),
    (r"sql(?:ext|types|ucode)?\.h|odbc", "unixodbc"),
    (r"GLFW/.*|glfw3?", "glfw"),
    (r"portaudio\.h|portaudio", "portaudio"),
    (r"libusb(?:-1\.0)?(?:/.*|\.h)?|usb-1\.0", "libusb"),
    (r"gpgme\.h|gpgme", "gpgme"),
    (r"vips/.*|vips", "vips"),
    (r"gtk/.*|gtk-[34].*", "gtk+3"),
)
"""Names that a formula of Homebrew brings; others are not guessed."""


def formula(name: str) -> str | None:
    """Return the formula of Homebrew that brings a header or library; None if nobody has looked it up."""
    return next((brew for pattern, brew in PACKAGES if re.fullmatch(pattern, name)), None)


def listed(texts: Sequence[str]) -> str:
    """Name the first of some things and count the rest."""
    shown = ", ".join(printable(text) for text in texts[:3])
    return shown + (f" and {len(texts) - 3} more" if len(texts) > 3 else "")
