"""What checks of sources share: how a finding about a source position is made, and merged over targets."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from machochain.findings.rule import Rule
from machochain.model.paths import printable
from machochain.model.remedy import Remedy
from machochain.model.result import Confidence, Finding, Severity
from machochain.model.value import evolve

if TYPE_CHECKING:
    from machochain.source.values import PackageFacts, Search, SourcePosition, SourceReport


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


def lost_in_vendor(report: SourceReport, search: Search) -> bool:
    """Whether what a vendored package surely needs is looked for in its own part of ``vendor`` and is not there.

    A name that is tried only beside the file that includes it may be a library's that has to be installed.
    """
    from machochain.source.values import Kind, PathState, SearchOutcome  # noqa: PLC0415  # only for sources

    facts = report.packages[search.target].get(search.package)
    if facts is None or not facts.vendored or not search.certain or search.outcome is SearchOutcome.FOUND:
        return False
    inside = [t for t in search.tried if t.path.startswith(f"{facts.directory}/")]
    if search.kind is not Kind.HEADER:
        return bool(inside) and search.outcome is SearchOutcome.MISSING
    beside = posixpath.dirname(search.place.file)
    return any(
        "/" in search.name or t.state is PathState.NO_DIRECTORY or posixpath.dirname(t.path) != beside for t in inside
    )


def vendoring(report: SourceReport, *, own: bool = False) -> str:
    """Return the command that vendors: a workspace has one of its own.

    What a module loses that is worked on, it loses where others require it: ``go work vendor`` copies no module of
    the workspace (Go 1.27, ``cmd/go/internal/modcmd/vendor.go``: ``MainModules.Contains``).
    """
    return "go work vendor" if report.module.workspace and not own else "go mod vendor"


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
