"""The audit: every rule over every process of every input, a range of releases, judged by a policy.

Each input is a task of its own, on a modelled Mac of its own, so that results depend neither on the number of workers
nor on what else is audited.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from datetime import date
from pathlib import Path

from machochain._version import __version__
from machochain.auditing.part import AuditPart
from machochain.auditing.pool import audit_parts
from machochain.graph.diff import Diff, diff_audits
from machochain.graph.resolve import Target
from machochain.judging import grouping
from machochain.judging.baseline import Baseline, read_baseline, suppress
from machochain.judging.policy import Policy
from machochain.judging.policy_file import builtin_policy, read_policy
from machochain.model.audit import AuditReport, PolicySummary
from machochain.model.errors import UsageError
from machochain.model.value import evolve
from machochain.session import StrPath
from machochain.world.handed import Source, Sources, handed_over
from machochain.world.placement import World

__all__ = ["AuditPart", "audit", "audit_parts", "diff", "finish_audit", "policy_of"]


def audit(  # noqa: PLR0913  # each is the caller's to say
    paths: Sources,
    *,
    policy: Policy | StrPath | None = None,
    profile: str | None = None,
    target: Target | None = None,
    world: World | None = None,
    baseline: Baseline | StrPath | None = None,
    executor: Executor | None = None,
    jobs: int = 1,
    together: bool = False,
    materials: bool = False,
    today: date | None = None,
) -> AuditReport:
    """Hold inputs against all rules and a policy.

    Args:
        paths: Mach-O files, folders, archives, addresses that fsspec knows (``https://…``), and what is only
            in memory, as for `machochain.resolve`.
        policy: What is asked of them, or the file it is written in; by default the built-in profile.
        profile: The built-in rules to start from: ``release`` (the default), ``wheel``, ``app`` or ``dev``.
        target: The process. Its releases count if there are any; with ``macos=()``, and by default, those of the
            policy count, and without them each process is looked at on its own minimum and every generation after it.
        world: The modelled Mac's files.
        baseline: Findings that are put up with, or the file they are written in.
        executor: Where to work: any `concurrent.futures.Executor`; each input is one task.
        jobs: Without an executor: how many processes to work in.
        together: Whether the inputs are laid side by side on one Mac, as packages that are installed together are.
        materials: Whether to keep what bills of materials tell: digests of files, licences, modules.
        today: The day that decides whether suppressions have expired; by default this machine's.

    Raises:
        UsageError: The request, the policy or the baseline makes no sense.
    """
    chosen = handed_over(paths)
    asked = policy_of(policy, profile)
    if materials:
        world = evolve(world or World(), materials=True)
    known = baseline if baseline is None or isinstance(baseline, Baseline) else read_baseline(Path(baseline))
    parts = list(
        audit_parts(chosen, asked, target=target, world=world, executor=executor, jobs=jobs, together=together)
    )
    return finish_audit(parts, asked, target=target, baseline=known, today=today)


def policy_of(policy: Policy | StrPath | None, profile: str | None = None) -> Policy:
    """Return a policy, read from its file if it is a path.

    Raises:
        UsageError: No such profile or file, or a profile beside a policy that has one already.
    """
    if policy is None:
        return builtin_policy(profile or "release")
    if not isinstance(policy, Policy):
        return read_policy(Path(policy), profile)
    if profile is not None and profile != policy.profile:
        raise UsageError(f"the policy starts from the profile {policy.profile}, not from {profile}")
    return policy


def finish_audit(
    parts: Sequence[AuditPart],
    policy: Policy,
    *,
    target: Target | None = None,
    baseline: Baseline | None = None,
    today: date | None = None,
    skipped: Sequence[str] = (),
) -> AuditReport:
    """Join what the inputs give and mark what is suppressed.

    Args:
        parts: One for each input that was looked at.
        policy: The policy they were judged by.
        target: The process that was modelled.
        baseline: Findings that are put up with.
        today: The day that decides whether suppressions have expired; by default this machine's.
        skipped: Inputs that were not looked at.
    """
    found = sorted((f for part in parts for f in part.findings), key=grouping.order)
    day = today or date.today()  # noqa: DTZ011  # a day in the calendar of whoever wrote the date
    marked, stale = suppress(found, policy, baseline, day)
    return AuditReport(
        results=tuple(r for part in parts for r in part.results),
        findings=marked,
        inputs=tuple(part.input for part in parts if _worth_telling(part)),
        policy=PolicySummary(
            policy.profile,
            target.macos if target is not None and target.macos else policy.macos,
            policy.fail_on,
            policy.sources,
            baseline.file if baseline is not None else None,
        ),
        binaries=tuple(b for part in parts for b in part.binaries),
        errors=tuple(e for part in parts for e in part.errors),
        stale=stale,
        skipped=tuple(skipped),
        passed_over=tuple(each for part in parts for each in part.passed_over),
        tool=__version__,
        materials=tuple(part.materials for part in parts if part.materials is not None),
        page=_page,
    )


def _page(report: AuditReport) -> str:
    from machochain.report.guard import guarded  # noqa: PLC0415  # only notebooks ask for it
    from machochain.report.html import render_html  # noqa: PLC0415

    return guarded(render_html(report), "html")


def _worth_telling(part: AuditPart) -> bool:
    """Whether an input is one that the user named, or has something in it."""
    return part.input.within is None or bool(part.input.members or part.errors)


def diff(
    old: Source,
    new: Source,
    *,
    policy: Policy | StrPath | None = None,
    profile: str | None = None,
    target: Target | None = None,
    world: World | None = None,
    today: date | None = None,
) -> Diff:
    """Say what changed in the load chain between two builds or releases.

    Args:
        old: A file, folder, archive or address.
        new: Another, of the same thing.
        policy: What is asked of both, as in `audit`.
        profile: The built-in rules to start from, as in `audit`.
        target: The process, as in `audit`.
        world: The modelled Mac's files.
        today: The day that decides whether suppressions have expired; by default this machine's.

    Raises:
        UsageError: The request or the policy makes no sense.
    """
    asked = policy_of(policy, profile)
    before, after = (audit([p], policy=asked, target=target, world=world, today=today) for p in (old, new))
    return diff_audits(before, after)
