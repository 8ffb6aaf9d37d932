"""Which rules about sources could not be asked in full, as something they look at was not seen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from machochain.findings.sourced import listed

if TYPE_CHECKING:
    from machochain.source.values import Search, SourceReport


def unasked(report: SourceReport) -> dict[str, str]:
    """Return (rule, why) of what was skipped, in whole or for what the reason names: no finding is no pass there."""
    return dict(_unasked(report))


def _unasked(report: SourceReport) -> Iterator[tuple[str, str]]:
    from machochain.source.values import Kind, PathState, SearchOutcome  # noqa: PLC0415

    unknown = [s for s in report.searches if s.outcome is SearchOutcome.UNKNOWN and s.certain]
    headers = [s for s in unknown if s.kind is Kind.HEADER and not s.computed]
    macros = [s for s in unknown if s.computed]
    others = [s for s in unknown if s.kind is not Kind.HEADER]
    unseen = {t.path for s in report.searches for t in s.tried if t.state is PathState.UNSEEN}
    doubtful = [s for s in report.searches if s.doubtful]
    blank = [
        s
        for s in report.searches
        if s.kind in (Kind.LIBRARY, Kind.FRAMEWORK, Kind.FILE)
        and s.outcome is SearchOutcome.FOUND
        and not s.by_system
        and not s.facts.archs
    ]
    if unseen:
        yield "MC711", f"whether {listed(sorted(unseen))} {'exists' if len(unseen) == 1 else 'exist'} is not known"
    whys = [_unseen(headers)] * bool(headers)
    whys += [f"which header the macro {_names(macros)} names is not known"] * bool(macros)
    if whys:
        yield "MC712", "; ".join(whys)
    if others:
        yield "MC713", _unseen(others)
    open_ = [*doubtful, *(s for s in unknown if not s.computed)]
    if open_:
        why = f"a directory nobody saw may have {_names(open_)}"
        yield "MC714", why
        yield "MC716", why
    if blank or others:
        yield "MC715", f"the architectures of {_names([*blank, *others])} are not known"
    if not report.repository:
        yield "MC733", "there is no git repository whose index could be read: which files it has is not known"
    packages = sorted({p for ps in report.packages.values() for f in ps.values() for p in f.unknown_imports})
    if packages:
        for rule in ("MC722", "MC731", "MC732", "MC734"):
            yield rule, f"the directories of {listed(packages)} are not known"


def _unseen(searches: Sequence[Search]) -> str:
    comes = "comes" if len({(s.kind, s.name) for s in searches}) == 1 else "come"
    return f"where {_names(searches)} {comes} from is not known: not every directory was seen"


def _names(searches: Iterable[Search]) -> str:
    flags = {"library": "-l", "framework": "-framework "}
    return listed(list(dict.fromkeys(f"{flags.get(s.kind.value, '')}{s.name}" for s in searches)))
