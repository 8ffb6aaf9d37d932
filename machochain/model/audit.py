"""What an audit yields: findings grouped by cause, judged by a policy, some of them suppressed with a reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from enum import Enum

from machochain.model.coverage import Coverage, PassedOver, coverage_of
from machochain.model.errors import InputError
from machochain.model.image import Image
from machochain.model.materials import Materials
from machochain.model.notebook import framed, table
from machochain.model.paths import TargetPath
from machochain.model.result import Finding, Result, Severity
from machochain.model.signature import Signature
from machochain.model.value import field, frozen
from machochain.model.version import Version


class SuppressionSource(Enum):
    """Where it is written that a finding does not count."""

    POLICY = "policy"
    BASELINE = "baseline"


@frozen
class Suppression:
    """Why a finding does not count.

    Attributes:
        source: Where that is written.
        file: The file it is written in.
        entry: The entry, as one can find it there: ``ignore[0] MC402 lib/*.so``, or a fingerprint.
        reason: Why; from the file.
        expires: The last day it holds; None for ever.
    """

    source: SuppressionSource
    file: str
    entry: str
    reason: str
    expires: date | None = None


@frozen
class StaleSuppression:
    """A suppression that suppresses nothing (any more).

    Attributes:
        suppression: The entry.
        why: ``expired on 2026-01-31`` or ``matches nothing``.
    """

    suppression: Suppression
    why: str


@frozen
class AuditFinding:
    """One cause: the findings of all processes, slices and releases that one repair would end.

    Attributes:
        finding: The worst of them, the one on the newest release among equals; its severity is what the policy makes
            of it.
        reported: The severity before the policy had its say.
        origin: The input it was found in, as the user named it.
        path: The image's path relative to that input, ``/`` between names: the file's own name if the input is the
            file; the path on the modelled Mac if the image lies outside of the input. Inside archives the entry's name.
        archs: Architectures of the processes with it, sorted.
        macos: Releases with it, rising.
        clean: Releases looked at without it, rising.
        when: Both in words: ``fails on macOS 26, launches on older ones``; empty if it is the same on all.
        processes: Names of the main executables or libraries in whose processes it was seen, sorted.
        count: In how many processes (input, slice and release) it was seen.
        fingerprint: 32 hexadecimal digits, the same from build to build: of rule, subject, path and architectures.
        suppressed: Why it does not count; None if it does.
    """

    finding: Finding
    reported: Severity
    origin: str
    path: str
    archs: tuple[str, ...]
    macos: tuple[Version, ...]
    clean: tuple[Version, ...]
    when: str
    processes: tuple[str, ...]
    count: int
    fingerprint: str
    suppressed: Suppression | None = None

    @property
    def severity(self) -> Severity:
        """What the policy makes of it."""
        return self.finding.severity

    def __repr__(self) -> str:
        return f"<AuditFinding {self.finding.rule} {self.severity.value} in {self.path!r}: {self.finding.subject!r}>"


@frozen
class AuditInput:
    """One input.

    Attributes:
        path: As the user named it.
        kind: ``file``, ``folder``, ``app``, ``framework``, ``xcframework``, ``bundle``, or for archives the value of
            ``ArtifactKind``: ``wheel``, ``app``, ``npm``, ``conda``, ``bottle``, ``archive``.
        place: Where it lies on the modelled Mac; None if it could not be read.
        name: What a package calls itself; else the file's name (of archives without endings).
        version: The version a package states, or None.
        platforms: The platforms a package states: wheel tags and the like.
        archive: Whether it was unpacked.
        members: Paths in the input of the files that dyld has to do with.
        top: Directory that all these paths begin with and that carries the release's name, for which reason it is no
            part of fingerprints; empty if there is none.
        within: The folder that was named, if this is an archive that was found in it.
    """

    path: str
    kind: str
    place: TargetPath | None
    name: str
    version: str | None = None
    platforms: tuple[str, ...] = ()
    archive: bool = False
    members: tuple[str, ...] = ()
    top: str = ""
    within: str | None = None

    def stable(self, path: str) -> str:
        """Return a path in the input as it is called in every release."""
        return path.removeprefix(f"{self.top}/") if self.top else path


@frozen
class AuditBinary:
    """One slice of one Mach-O file of an input, whether a process reached it or not.

    Attributes:
        origin: The input, as the user named it.
        path: Where it is in the input, as in ``AuditFinding``.
        place: Where it lies on the modelled Mac, links resolved.
        image: Its header.
        signature: What its signature says, without the page hashes; None if it has none that can be read.
        slices: Architectures of the file.
    """

    origin: str
    path: str
    place: TargetPath
    image: Image
    signature: Signature | None
    slices: tuple[str, ...]

    @property
    def arch(self) -> str:
        """Name of the slice's architecture."""
        return self.image.arch.name


@frozen
class PolicySummary:
    """The policy in short.

    Attributes:
        profile: Name of the built-in profile it starts from.
        macos: The releases that were asked for; empty if each input's own minimum decided.
        fail_on: The severity from which on the audit fails; None for never.
        sources: The files it came from.
        baseline: The baseline that was used, or None.
    """

    profile: str
    macos: tuple[Version, ...]
    fail_on: Severity | None
    sources: tuple[str, ...] = ()
    baseline: str | None = None


@frozen
class AuditReport:
    """What an audit found.

    Attributes:
        results: Every process, with its own findings, in the order of the inputs.
        findings: Grouped by cause; worst first, then by rule, input, path and subject. Suppressed ones are among them.
        inputs: In the order given.
        policy: The policy in short.
        binaries: Every slice of every Mach-O file in the inputs that dyld has to do with, by input and path.
        errors: Inputs, or files inside them, that could not be read.
        stale: Suppressions that suppress nothing.
        skipped: Inputs that were not looked at because the audit was interrupted.
        passed_over: What in the inputs was not looked at: archives that were not opened, code for other systems.
        tool: Version of this program.
        materials: What each input is made of, if that was asked for.
        page: Makes the HTML page of it, for notebooks; None where nobody brought one.
    """

    results: tuple[Result, ...] = field(repr=False)
    findings: tuple[AuditFinding, ...]
    inputs: tuple[AuditInput, ...]
    policy: PolicySummary
    binaries: tuple[AuditBinary, ...] = field(default=(), repr=False)
    errors: tuple[InputError, ...] = field(default=(), eq=False)
    stale: tuple[StaleSuppression, ...] = ()
    skipped: tuple[str, ...] = ()
    passed_over: tuple[PassedOver, ...] = ()
    tool: str = ""
    materials: tuple[Materials, ...] = field(default=(), repr=False)
    page: Callable[[AuditReport], str] | None = field(default=None, eq=False, repr=False)

    @property
    def active(self) -> tuple[AuditFinding, ...]:
        """The findings that count."""
        return tuple(f for f in self.findings if f.suppressed is None)

    @property
    def suppressed(self) -> tuple[AuditFinding, ...]:
        """The findings that do not."""
        return tuple(f for f in self.findings if f.suppressed is not None)

    @property
    def counts(self) -> Mapping[Severity, int]:
        """How many findings count, by severity, worst first; all three are there."""
        return {s: sum(f.severity is s for f in self.active) for s in sorted(Severity, key=lambda s: -s.rank)}

    @property
    def failing(self) -> tuple[AuditFinding, ...]:
        """The findings for which the audit fails."""
        floor = self.policy.fail_on
        return () if floor is None else tuple(f for f in self.active if f.severity.rank >= floor.rank)

    @property
    def unexamined(self) -> tuple[str, ...]:
        """The inputs in which there is nothing that was looked at; those that could not be read are errors instead."""
        holding = {given.within for given in self.inputs if given.members}
        return tuple(
            given.path
            for given in self.inputs
            if given.within is None and not given.members and given.kind != "unreadable" and given.path not in holding
            and not any(error.path == given.path for error in self.errors)
        )  # fmt: skip

    @property
    def coverage(self) -> Coverage:
        """How much was looked at."""
        files = (((binary.origin, binary.path), binary.image.is_main_executable) for binary in self.binaries)
        return coverage_of(self.results, self.passed_over, files)

    @property
    def passed(self) -> bool:
        """Whether nothing that counts reaches the threshold, and something was looked at in every input."""
        return bool(self.inputs) and not (self.failing or self.errors or self.skipped or self.unexamined)

    @property
    def incomplete(self) -> bool:
        """Whether evidence is missing: whether some process launches is unknown, or not all was looked at."""
        missing = self.errors or self.skipped or self.unexamined or self.passed_over or not self.inputs
        return bool(missing) or any(r.launches is None for r in self.results)

    def __repr__(self) -> str:
        counts = f"{len(self.active)} findings, {len(self.errors)} errors, {len(self.results)} processes"
        return f"<AuditReport {self._verdict}: {counts}>"

    @property
    def _verdict(self) -> str:
        if self.failing:
            return "failed"
        known = "passed as far as known" if self.incomplete else "passed"
        return known if self.passed else "not complete"

    def _repr_html_(self) -> str:
        """Return what notebooks show: a table, and behind it the whole page."""
        rows = [(f.severity.value, f.finding.rule, f.path, f.finding.message, f.when) for f in self.active]
        rows += [("not read", "", e.path or "", e.reason, "") for e in self.errors]
        head = table(("severity", "rule", "file", "what is so", "when"), rows)
        inputs = "input" if len(self.inputs) == 1 else "inputs"
        verdict = f"<p><b>{self._verdict}</b>: {len(self.results)} processes of {len(self.inputs)} {inputs}</p>"
        return verdict + head + (framed(self.page(self)) if self.page is not None else "")
