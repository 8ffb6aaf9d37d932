"""Two audits compared, of what was and of what is: whether a repair helped, and whether it harmed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from machochain.model.audit import AuditFinding, AuditReport
from machochain.model.result import Outcome, Result, Severity
from machochain.model.value import frozen

_RANKS: Final = {Outcome.LOADED: 2, Outcome.ALREADY_LOADED: 2, Outcome.UNKNOWN: 1}
"""How good an outcome is; a missing library is the worst, also where it may be missing."""
_LAUNCHES: Final = {True: 2, None: 1, False: 0}


@frozen
class Harm:
    """Something that worked before the repair and does not after it.

    Attributes:
        process: Path of the process's main executable, or of the library.
        arch: Its architecture.
        macos: The release.
        image: Path of the image that asks; empty if it is the process as a whole that does not launch any more.
        name: The load path.
        before: What was found.
        after: What is found now; empty for nothing.
    """

    process: str
    arch: str
    macos: str
    image: str = ""
    name: str = ""
    before: str = ""
    after: str = ""


@frozen
class Proof:
    """What a second audit shows.

    Attributes:
        gone: Findings that are no more.
        stays: Findings that still are.
        new: Findings that were not before.
        harms: What worked before and does not now.
    """

    gone: tuple[AuditFinding, ...]
    stays: tuple[AuditFinding, ...]
    new: tuple[AuditFinding, ...]
    harms: tuple[Harm, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing is worse than before."""
        return not self.harms and all(f.severity is Severity.INFO for f in self.new)


def prove(before: AuditReport, after: AuditReport, moved: Mapping[str, str] | None = None) -> Proof:
    """Compare the audits of an input before and after its repair, on the same modelled Mac.

    Args:
        before: Of the input.
        after: Of the repaired copy.
        moved: Libraries that lie elsewhere now, old path to new path on the modelled Mac.
    """
    old = {f.fingerprint: f for f in before.active}
    new = {f.fingerprint: f for f in after.active}
    return Proof(
        tuple(f for key, f in old.items() if key not in new),
        tuple(f for key, f in new.items() if key in old),
        tuple(f for key, f in new.items() if key not in old),
        tuple(_harms(before, after, moved or {})),
    )


def _key(result: Result) -> tuple[str, str, str]:
    return result.path, result.arch, str(result.macos)


def _harms(before: AuditReport, after: AuditReport, moved: Mapping[str, str]) -> Iterator[Harm]:
    """Yield each edge of the load graph that leads elsewhere, and each process that launched and may not now."""
    now = {_key(result): result for result in after.results}
    # A library that no program found is audited by itself; once a program loads it, it is part of that process.
    within = {(str(image.path), r.arch, str(r.macos)): r for r in after.results for image in r.images[1:]}
    for was in before.results:
        key = _key(was)
        result = now.get(key, within.get(key))
        if result is None or (key in now and _LAUNCHES[result.launches] < _LAUNCHES[was.launches]):
            yield Harm(*key)
        if result is None:
            continue
        edges = _edges(result)
        for (image, ordinal), edge in _edges(was).items():
            wanted = moved.get(edge.path, edge.path)
            found = edges.get((moved.get(image, image), ordinal))
            if found is not None and (found.rank < edge.rank or edge.loses(found) or (wanted and found.path != wanted)):
                yield Harm(*key, image=image, name=edge.name, before=edge.path, after=found.path)


@frozen
class _Edge:
    name: str
    path: str
    rank: int
    tried: frozenset[str]

    def loses(self, now: _Edge) -> bool:
        """Whether what nobody can find here is looked for in fewer places now, one of which may be where it lies."""
        return self.rank == _RANKS[Outcome.UNKNOWN] and now.rank == self.rank and not self.tried <= now.tried


def _edges(result: Result) -> dict[tuple[str, int], _Edge]:
    """Return what each load of each image came to, by the image's path and the load's ordinal."""
    return {
        (result.images[load.source].path, load.dylib.ordinal): _Edge(
            load.dylib.name,
            result.images[load.to].path if load.to is not None else "",
            _RANKS.get(load.outcome, 0),
            frozenset(attempt.candidate.path for attempt in load.tried),
        )
        for load in result.loads
        if not load.inserted
    }
