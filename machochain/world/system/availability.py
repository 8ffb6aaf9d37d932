"""What facts prove: whether a release has a library, a link, a symbol, from what is known of each.

An SDK proves presence at its own version. Absence follows only from an SDK that is complete where the library lies, and
only before its first appearance: what left the SDK may still be in the OS.
"""

from __future__ import annotations

from collections.abc import Iterable

from machochain.model.filesystem import Presence, SymbolAnswer, SystemAnswer
from machochain.model.ospaths import is_private_framework
from machochain.model.paths import TargetPath
from machochain.model.version import Version
from machochain.world.system.facts import Group, Row, Source


def _spoken(items: Iterable[str]) -> str:
    names = list(items)
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def judge_library(
    name: str, row: Row, having: tuple[Source, ...], lacking: tuple[Source, ...], macos: Version
) -> SystemAnswer:
    """Say whether a release has a library.

    Args:
        name: Its canonical install name.
        row: What the catalogue holds of it.
        having: The SDKs that have it, oldest first.
        lacking: The SDKs that would list it and do not, oldest first.
        macos: The release.
    """
    for version, who in row.removed:
        if macos >= version:
            return SystemAnswer(Presence.ABSENT, why=f"removed in macOS {version} ({who})")
    dates = _credible(row, having, lacking)
    proof = _proof(row, having, dates, macos)
    if proof is None:
        return _before(row, having, lacking, dates, macos)
    last, why = proof
    later = any(s.high > last for s in having) or (row.observed is not None and row.observed[1] > last)
    if later:
        return SystemAnswer(Presence.PRESENT, TargetPath(name), why)
    gone = next((s for s in lacking if last < s.low <= macos), None)
    if gone is not None:
        return SystemAnswer(Presence.UNSEEN, why=f"{why}, but not in the SDK {gone.id}; the OS may still have it")
    if is_private_framework(name) and last.major < macos.major:
        return SystemAnswer(Presence.UNSEEN, why=f"{why}; private libraries come and go without notice")
    return SystemAnswer(Presence.PRESENT, TargetPath(name), why)


def _credible(row: Row, having: tuple[Source, ...], lacking: tuple[Source, ...]) -> tuple[tuple[Version, str], ...]:
    """Return the dates of introduction no SDK contradicts.

    Those who list them list the API's: the library may be older, or the API may have lain in another one before.
    """
    first = having[0].high if having else None
    return tuple(
        (date, who)
        for date, who in row.introduced
        if (first is None or date <= first)
        and not any(s.low >= date and (first is None or s.high < first) for s in lacking)
    )


def _proof(
    row: Row, having: tuple[Source, ...], dates: tuple[tuple[Version, str], ...], macos: Version
) -> tuple[Version, str] | None:
    """Return the newest evidence of presence at or before the release, in words; None if there is none."""
    proofs = [(s.high, f"in the SDK {s.id}") for s in having if s.high <= macos]
    if row.observed is not None:
        proofs += [(v, f"linked by binaries built with the SDK {v}") for v in row.observed if v <= macos]
    if dates and dates[-1][0] <= macos:
        version = dates[-1][0]
        proofs.append((version, f"part of macOS since {version} ({_spoken(who for _, who in dates)})"))
    proofs += [(v, f"an old name that still loads ({who})") for v, who in row.legacy if v <= macos]
    return max(proofs, key=lambda item: item[0], default=None)


def _before(
    row: Row,
    having: tuple[Source, ...],
    lacking: tuple[Source, ...],
    dates: tuple[tuple[Version, str], ...],
    macos: Version,
) -> SystemAnswer:
    """Answer for a release older than every evidence of presence."""
    first = having[0] if having else None
    absent = [s for s in lacking if s.low >= macos and (first is None or s.high < first.high)]
    if absent and (first is not None or dates or row.observed):
        known = f"first in the SDK {first.id}" if first else "known from later releases only"
        return SystemAnswer(Presence.ABSENT, why=f"not in the SDK {absent[-1].id}, {known}")
    if dates and macos < dates[0][0]:
        said = _spoken(f"{v} ({who})" for v, who in dates)
        return SystemAnswer(Presence.ABSENT, why=f"introduced in macOS {said}")
    if dates:
        said = _spoken(f"{v} ({who})" for v, who in dates)
        return SystemAnswer(Presence.UNSEEN, why=f"introduced in macOS {said}: the sources differ")
    older = [s for s in lacking if s.high <= macos]
    start = f"not in the SDK {older[-1].id}, " if older else ""
    if first is not None:
        return SystemAnswer(Presence.UNSEEN, why=f"{start}first seen in the SDK {first.id}")
    if row.observed is not None:
        return SystemAnswer(Presence.UNSEEN, why=f"{start}first seen in binaries built with the SDK {row.observed[0]}")
    return SystemAnswer(Presence.UNSEEN, why=f"{start}nothing vouches for it on macOS {macos}")


def judge_link(
    path: str, target: str, having: tuple[Source, ...], lacking: tuple[Source, ...], macos: Version
) -> SystemAnswer | None:
    """Return why a link to a present library may not be there; None if it is."""
    if not any(s.high <= macos for s in having):
        if any(s.low >= macos for s in lacking) and having:
            return SystemAnswer(Presence.ABSENT, why=f"{path} is first a link in the SDK {having[0].id}")
        return SystemAnswer(Presence.UNSEEN, why=f"{path} is first a link to {target} in the SDK {having[0].id}")
    last = max(s.high for s in having)
    gone = next((s for s in lacking if last < s.low <= macos), None)
    if gone is not None:
        return SystemAnswer(
            Presence.UNSEEN, why=f"the SDK {gone.id} no longer has the link {path}; the OS may still have it"
        )
    return None


def judge_symbol(
    name: str, group: Group, having: tuple[Source, ...], lacking: tuple[Source, ...], macos: Version
) -> SymbolAnswer:
    """Say whether one library itself has a symbol on a release.

    Args:
        name: The library's canonical install name.
        group: What the catalogue holds of the symbol.
        having: The SDKs whose stub exports it, oldest first.
        lacking: The SDKs whose stub of the library does not, oldest first.
        macos: The release.
    """
    proofs = [(s.high, f"exported by {name} in the SDK {s.id}") for s in having]
    if group.observed is not None:
        proofs += [(v, f"imported from {name} by binaries built with the SDK {v}") for v in group.observed]
    proofs.sort(key=lambda item: item[0])
    first = proofs[0][0] if proofs else None
    before = [p for p in proofs if p[0] <= macos]
    if before:
        last, why = before[-1]
        gone = next((s for s in lacking if last < s.low <= macos), None)
        if gone is None or proofs[-1][0] > gone.high:
            return SymbolAnswer(Presence.PRESENT, TargetPath(name), present_in=first, why=why)
        return SymbolAnswer(Presence.UNSEEN, present_in=first, why=f"{why}, but no longer in the SDK {gone.id}")
    without = [s.low for s in lacking if first is None or s.high < first]
    if group.hidden is not None:
        without.append(group.hidden)
    bound = max(without, default=None)
    if bound is not None and macos <= bound:
        later = f", first known in {first}" if first is not None else ""
        return SymbolAnswer(
            Presence.ABSENT, absent_in=bound, present_in=first, why=f"{name} lacks it in {bound}{later}"
        )
    if first is not None:
        start = f"{name} lacks it in {bound}, " if bound is not None else f"{name}: "
        return SymbolAnswer(Presence.UNSEEN, absent_in=bound, present_in=first, why=f"{start}first known in {first}")
    reach = f"its symbols are known up to the SDK {bound}" if bound is not None else "none of its symbols is known"
    return SymbolAnswer(Presence.UNSEEN, absent_in=bound, why=f"{name}: {reach}")
