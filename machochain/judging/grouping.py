"""One cause, one finding: over releases, slices and the processes an image is in."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from typing import Final

from machochain.findings.draft import Draft
from machochain.findings.finished import chosen, drafts_of
from machochain.judging.policy import Policy
from machochain.model.audit import AuditFinding
from machochain.model.location import Location
from machochain.model.paths import TargetPath
from machochain.model.remedy import RemedyKind
from machochain.model.result import Confidence, Finding, Result, Severity
from machochain.model.value import define, evolve, field
from machochain.model.version import Version

_SAME_CAUSE: Final = {"MC904": "MC101"}
"""A rule whose finding is another's on releases where dyld words it differently."""

_OF_ABSENT: Final = frozenset({"MC205", "MC208"})
"""Rules about missing symbols, which name no library where that is absent."""

Locate = Callable[[str], str]
"""From a path on the modelled Mac to the path inside the input; a path that lies outside stays as it is."""

_Key = tuple[str, str, str]


@define
class _Group:
    worst: Finding | Draft
    source: Sequence[Finding] = ()
    worst_macos: Version | None = None
    archs: dict[str, None] = field(factory=dict)
    seen: dict[Version, None] = field(factory=dict)
    ended: dict[Version, None] = field(factory=dict)
    processes: dict[str, None] = field(factory=dict)
    images: dict[tuple[str, str], None] = field(factory=dict)
    count: int = 0


def group(
    results: Sequence[Result],
    evident: Iterable[Finding],
    policy: Policy,
    origin: str,
    locate: Locate,
    top: str = "",
    locations: Callable[[str], Location] | None = None,
) -> tuple[AuditFinding, ...]:
    """Return the findings of one input, grouped and judged, sorted; those whose rule is off are left out.

    Args:
        results: Every process of the input, with its findings.
        evident: Findings about the files themselves.
        policy: What severities to give.
        origin: The input, as the user named it.
        locate: Where in the input an image lies.
        top: First directory of every path that changes from release to release and is no part of fingerprints.
        locations: Where a file of the input is for whoever ships it, by its path inside.
    """
    groups: dict[_Key, _Group] = {}
    releases = sorted({result.macos for result in results})
    for result in results:
        for finding in _without_consequences(result.findings):
            _add(groups, finding, locate, result)
    for finding in evident:
        _add(groups, finding, locate, None)
    scope = _scope(results)
    found = []
    for (_, path, subject), members in groups.items():
        judged = policy.of(path).judge(members.worst.rule, members.worst.severity)
        if judged is None:
            continue
        macos = tuple(sorted(members.seen)) or tuple(releases)
        runs = [run for process in members.processes for run in scope[process].items()]
        clean = tuple(sorted({release for release, _ in runs} - set(macos)))
        fine = {release for release, _ in runs} - {release for release, launches in runs if not launches}
        unknown = {release for release, launches in runs if launches is None}
        found.append(
            AuditFinding(
                finding=_at_home(evolve(chosen(members.worst, members.source), severity=judged), path, locations),
                reported=members.worst.severity,
                origin=origin,
                path=path,
                archs=tuple(sorted(members.archs)),
                macos=macos,
                clean=clean,
                when=words_for(macos, clean, tuple(sorted(members.ended)), fine, unknown),
                processes=tuple(sorted(members.processes)),
                count=members.count,
                fingerprint=fingerprint(members.worst.rule, subject, path, members.archs, top),
            )
        )
    return tuple(sorted(found, key=order))


def _without_consequences(findings: Sequence[Finding]) -> Iterator[Finding | Draft]:
    """Yield findings but for symbols of libraries that dyld does not miss aloud: their cause is told already."""
    drafts = drafts_of(findings)
    silent = {finding.image for finding in drafts if finding.rule in _SAME_CAUSE}
    for finding in drafts:
        absent = finding.rule in _OF_ABSENT and finding.evidence.get("library") is None
        if not (absent and finding.image in silent):
            yield finding


def order(found: AuditFinding) -> tuple[int, str, str, str, str]:
    """Return the sort key of grouped findings: worst first, then rule, input, path and subject."""
    return -found.severity.rank, found.finding.rule, found.origin, found.path, found.finding.subject


def fingerprint(rule: str, subject: str, path: str, archs: Iterable[str], top: str = "") -> str:
    """Return 32 hexadecimal digits that stay the same from build to build.

    Args:
        rule: Id.
        subject: What it is about; a path inside the input counts as such.
        path: The image's path inside the input.
        archs: Architectures.
        top: First directory of both paths that does not count.
    """
    parts = [rule, _without(subject, top), _without(path, top), *sorted(archs)]
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:32]


def _at_home(finding: Finding, path: str, locations: Callable[[str], Location] | None) -> Finding:
    """Return a finding whose remedies name the file as it lies on this machine; what lies outside is found already."""
    if locations is None or path == finding.image:
        return finding
    return evolve(finding, location=evolve(locations(path), place=TargetPath(finding.image)))


def _without(path: str, top: str) -> str:
    return path.removeprefix(f"{top}/") if top else path


def _add(groups: dict[_Key, _Group], finding: Finding | Draft, locate: Locate, result: Result | None) -> None:
    rule = _SAME_CAUSE.get(finding.rule, finding.rule)
    key = rule, locate(finding.image), locate(finding.subject)
    source, macos = (result.findings, result.macos) if result is not None else ((), None)
    members = groups.get(key)
    if members is None:
        members = groups[key] = _Group(finding, source, macos)
    elif _rank(finding, macos) > _rank(members.worst, members.worst_macos):
        members.worst, members.source, members.worst_macos = finding, source, macos
    members.count += 1
    arch = result.arch if result is not None else finding.arch if isinstance(finding, Finding) else ""
    if arch:
        members.archs[arch] = None
    if result is None:
        return
    members.seen[result.macos] = None
    members.processes[result.input] = None
    if finding.severity is Severity.ERROR and result.launches is False:
        members.ended[result.macos] = None


def _rank(finding: Finding | Draft, macos: Version | None) -> tuple[int, bool, bool, bool, Version]:
    """Worst first; the rule that names the cause before its other names; what is certain; the newest release.

    Among the same it is the one whose remedy takes nothing away: another process may need what this one does not.
    """
    certain = finding.confidence is Confidence.CERTAIN
    keeps = all(remedy.kind is not RemedyKind.DELETE_RUN_PATH for remedy in finding.remedies)
    return finding.severity.rank, finding.rule not in _SAME_CAUSE, certain, keeps, macos or Version.of(0)


def _scope(results: Iterable[Result]) -> dict[str, dict[Version, bool | None]]:
    """Return on which releases each process was looked at, and whether all its slices launch there."""
    found: dict[str, dict[Version, bool | None]] = {}
    for result in results:
        releases = found.setdefault(result.input, {})
        verdicts = (releases.get(result.macos, True), result.launches)
        releases[result.macos] = False if False in verdicts else None if None in verdicts else True
    return found


def words_for(
    macos: Sequence[Version],
    clean: Sequence[Version],
    ended: Sequence[Version],
    fine: Container[Version] = (),
    unknown: Container[Version] = (),
) -> str:
    """Say on which releases something is so: ``fails on macOS 26, launches on older ones``; empty if on all the same.

    Args:
        macos: Releases with the finding, rising.
        clean: Releases without it, rising.
        ended: Those of ``macos`` on which it ends the launch, rising.
        fine: Releases on which the processes launch.
        unknown: Releases of which nobody can tell whether they do.
    """
    every = sorted({*macos, *clean})
    if ended and len(ended) < len(every):
        others = [v for v in every if v not in ended]
        launches = all(v in fine for v in others)
        if not launches and not clean:
            return ""
        verb = "launches" if launches else "unknown" if any(v in unknown for v in others) else "not"
        where = "older ones" if others[-1] < ended[0] else "newer ones" if others[0] > ended[-1] else "others"
        return f"fails on macOS {_spans(ended, every)}, {verb} on {where}"
    return f"on macOS {_spans(macos, every)} only" if clean else ""


def _spans(chosen: Sequence[Version], every: Sequence[Version]) -> str:
    """Return ``12 to 13.3, 26``: runs of releases that follow one another among all that were looked at."""
    runs: list[list[Version]] = []
    for version in chosen:
        before = every.index(version) - 1
        if runs and before >= 0 and runs[-1][-1] == every[before]:
            runs[-1].append(version)
        else:
            runs.append([version])
    return ", ".join(_short(r[0]) if len(r) == 1 else f"{_short(r[0])} to {_short(r[-1])}" for r in runs)


def _short(version: Version) -> str:
    return str(version).removesuffix(".0") if not version.patch else str(version)
