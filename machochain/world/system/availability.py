"""What facts prove: whether a release has a library, a link, a symbol, from what is known of each.

A witness says that something is there: an SDK at its own version, the stamp of a released binary, a declaration in an
SDK's headers, a Mac. What two witnesses frame is there; what one has seen last stays for the minors of that release and
no further, unless it is documented API. Absence follows from an SDK that is complete where the library lies, or from
a stub, and only before the first appearance: what left the SDK may still be in the OS. What the last SDK of a major
release lacks came to none of its later minors. Stubs beat everything else.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from machochain.model.filesystem import Presence, SymbolAnswer, SystemAnswer
from machochain.model.paths import TargetPath
from machochain.model.version import Version
from machochain.world.system.facts import FIRST_OF_ITS_OWN, Group, Row, Source

_Sources = tuple[Source, ...]
_Dates = tuple[tuple[Version, str, Version | None], ...]


class _Proofs(NamedTuple):
    """Who has seen something.

    Attributes:
        before: The newest witness at or before the release, in words; None if there is none.
        first: The oldest of all; None if there is none.
        last: The newest of all; None if there is none.
        after: Whether some witness speaks for the release itself or one after it.
    """

    before: tuple[Version, str] | None
    first: Version | None
    last: Version | None
    after: bool


def _weighed(points: Iterable[tuple[Version, Version, str]], macos: Version) -> _Proofs:
    """Weigh witnesses: the lowest and highest release each may speak for, in words."""
    known = list(points)
    return _Proofs(
        before=max(((high, why) for _, high, why in known if high <= macos), default=None, key=lambda p: p[0]),
        first=min((high for _, high, _ in known), default=None),
        last=max((high for _, high, _ in known), default=None),
        after=any(low >= macos for low, _, _ in known),
    )


def _spoken(items: Iterable[str]) -> str:
    names = list(dict.fromkeys(items))
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _too_early(version: Version, having: _Sources, lacking: _Sources) -> bool:
    """Whether an SDK at or after a version lacks what is said to have been there, before any has it."""
    first = having[0].high if having else None
    return any(s.low >= version and (first is None or s.high < first) for s in lacking)


def _same_release(one: Version, two: Version) -> bool:
    """Whether two versions are minors of one release; before macOS 11 each 10.x was one."""
    return one.major == two.major and (one.major >= FIRST_OF_ITS_OWN or one.minor == two.minor)


def judge_library(name: str, row: Row, having: _Sources, lacking: _Sources, macos: Version) -> SystemAnswer:
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
    proofs = _weighed(_library_witnesses(row, having, lacking, dates), macos)
    missed = next(((v, who) for v, who in row.missing if _missed(v, proofs, macos)), None)
    if missed is not None:
        return SystemAnswer(Presence.ABSENT, why=f"a Mac with macOS {missed[0]} did not find it ({missed[1]})")
    if proofs.before is None:
        return _before(row, having, lacking, dates, macos)
    last, why = proofs.before
    present = SystemAnswer(Presence.PRESENT, TargetPath(name), why)
    if proofs.after or (proofs.last is not None and proofs.last > last):
        return present
    gone = next((s for s in lacking if last < s.low <= macos), None)
    if gone is not None:
        return SystemAnswer(Presence.UNSEEN, why=f"{why}, but not in the SDK {gone.id}; the OS may still have it")
    # Who is removed with a later release was there until then.
    if _same_release(last, macos) or row.removed or row.stable or any(since <= macos for since, _ in row.legacy):
        return present
    if row.documented is not None and not any(s.low > last for s in lacking):
        return SystemAnswer(Presence.PRESENT, TargetPath(name), f"documented API, last {why}")
    return SystemAnswer(Presence.UNSEEN, why=f"last known {why}; nothing vouches for it on macOS {macos}")


def _library_witnesses(
    row: Row, having: _Sources, lacking: _Sources, dates: _Dates
) -> Iterable[tuple[Version, Version, str]]:
    for s in having:
        yield s.low, s.high, f"in the SDK {s.id}"
    for stamp in row.observed or ():
        if not _too_early(stamp, having, lacking):
            yield stamp, stamp, f"linked by binaries built with the SDK {stamp}"
    for release, who in row.seen:
        yield release, release, f"on a Mac with macOS {release} ({who})"
    if dates:
        since = dates[-1][0]
        said = f"part of macOS since {since} ({_spoken(who for _, who, _ in dates)})"
        yield since, since, said
        for until in {until for _, _, until in dates if until is not None and until > since}:
            yield until, until, said
    for since, who in row.legacy:
        yield since, since, f"an old name that still loads ({who})"


def _missed(release: Version, proofs: _Proofs, macos: Version) -> bool:
    """Whether what a Mac of some release did not find is not on another either."""
    if release == macos:
        return True
    if macos < release:
        return proofs.before is None and (proofs.first is None or proofs.first > release)
    return proofs.before is not None and proofs.before[0] < release and (proofs.last or release) < release


def _credible(row: Row, having: _Sources, lacking: _Sources) -> _Dates:
    """Return the dates of introduction no SDK contradicts.

    Those who list them list the API's: the library may be older, or the API may have lain in another one before.
    """
    first = having[0].high if having else None
    return tuple(
        date
        for date in row.introduced
        if (first is None or date[0] <= first) and not _too_early(date[0], having, lacking)
    )


def _before(row: Row, having: _Sources, lacking: _Sources, dates: _Dates, macos: Version) -> SystemAnswer:
    """Answer for a release older than every evidence of presence."""
    first = having[0] if having else None
    absent = [s for s in lacking if s.reach >= macos and (first is None or s.high < first.high)]
    if absent and (first is not None or dates or row.observed or row.seen):
        known = f"first in the SDK {first.id}" if first else "known from later releases only"
        return SystemAnswer(Presence.ABSENT, why=f"not in the SDK {absent[-1].id}, {known}")
    said = _spoken(f"{v} ({who})" for v, who, _ in dates) if dates else ""
    if dates and macos < dates[0][0]:
        return SystemAnswer(Presence.ABSENT, why=f"introduced in macOS {said}")
    if dates:
        return SystemAnswer(Presence.UNSEEN, why=f"introduced in macOS {said}: the sources differ")
    older = [s for s in lacking if s.high <= macos]
    start = f"not in the SDK {older[-1].id}, " if older else ""
    if first is not None:
        return SystemAnswer(Presence.UNSEEN, why=f"{start}first seen in the SDK {first.id}")
    if row.observed is not None:
        return SystemAnswer(Presence.UNSEEN, why=f"{start}first seen in binaries built with the SDK {row.observed[0]}")
    return SystemAnswer(Presence.UNSEEN, why=f"{start}nothing vouches for it on macOS {macos}")


def judge_link(path: str, target: str, having: _Sources, lacking: _Sources, macos: Version) -> SystemAnswer | None:
    """Return why a link to a present library may not be there; None if it is."""
    if not any(s.high <= macos for s in having):
        if any(s.reach >= macos for s in lacking) and having:
            return SystemAnswer(Presence.ABSENT, why=f"{path} is first a link in the SDK {having[0].id}")
        return SystemAnswer(Presence.UNSEEN, why=f"{path} is first a link to {target} in the SDK {having[0].id}")
    last = max(s.high for s in having)
    gone = next((s for s in lacking if last < s.low <= macos), None)
    if gone is not None:
        return SystemAnswer(
            Presence.UNSEEN, why=f"the SDK {gone.id} no longer has the link {path}; the OS may still have it"
        )
    return None


def lacks_certainly(group: Group, having: _Sources, macos: Version) -> bool:
    """Whether a symbol's own history rules it out, whatever is known of the library that has it later."""
    if any(s.high <= macos for s in having):
        return False
    if group.missing is not None and macos <= group.missing:
        return True
    return "c" in group.marks and group.since is not None and macos < group.since


def judge_symbol(
    name: str, group: Group, having: _Sources, lacking: _Sources, macos: Version, *, stable: bool = False
) -> SymbolAnswer:
    """Say whether one library itself has a symbol on a release.

    Args:
        name: The library's canonical install name.
        group: What the catalogue holds of the symbol.
        having: The SDKs whose stub exports it, oldest first.
        lacking: The SDKs whose stub of the library does not, oldest first.
        macos: The release.
        stable: Whether the library takes no symbol back.
    """
    proofs = _weighed(_symbol_witnesses(name, group, having, lacking), macos)
    if proofs.before is None or (group.missing is not None and proofs.before[0] < group.missing == macos):
        return _not_yet(name, group, having, lacking, macos, proofs.first)
    last, why = proofs.before
    gone = next((s for s in lacking if last < s.low <= macos), None)
    if gone is not None and not (proofs.last is not None and proofs.last > gone.high):
        return SymbolAnswer(Presence.UNSEEN, present_in=proofs.first, why=f"{why}, but no longer in the SDK {gone.id}")
    later = proofs.after or (proofs.last is not None and proofs.last > last)
    kept = stable or (group.documented and not any(s.low > last for s in lacking))
    if later or kept or _same_release(last, macos):
        return SymbolAnswer(Presence.PRESENT, TargetPath(name), present_in=proofs.first, why=why)
    return SymbolAnswer(
        Presence.UNSEEN,
        present_in=proofs.first,
        why=f"last known {why}; nothing vouches for it on macOS {macos}",
        likely=Presence.PRESENT,
    )


def _symbol_witnesses(
    name: str, group: Group, having: _Sources, lacking: _Sources
) -> Iterable[tuple[Version, Version, str]]:
    for s in having:
        yield s.low, s.high, f"exported by {name} in the SDK {s.id}"
    for stamp in group.observed or ():
        if not _too_early(stamp, having, lacking):
            yield stamp, stamp, f"imported from {name} by binaries built with the SDK {stamp}"
    # A declaration is no export: a stub at or after it that lacks the symbol wins, before and after those that have it;
    # what has no date and is in no stub may be a macro or an inline function.
    last = having[-1].high if having else None
    left = min((s.low for s in lacking if last is not None and s.low > last), default=None)
    start = group.newest if group.newest is not None else group.until
    if start is None or (group.newest is None and lacking and not having) or _too_early(start, having, lacking):
        return
    for version in dict.fromkeys((start, group.until)):
        if version is not None and version >= start and (left is None or version < left):
            yield version, version, _declared(name, group)


def _declared(name: str, group: Group) -> str:
    if group.newest is None:
        return f"declared by the headers of {name} in the SDK {group.until}"
    who = "LLVM's tables" if "l" in group.marks else "Apple's open source" if "o" in group.marks else "Apple's headers"
    return f"in {name} since macOS {group.newest} by {who}"


def _not_yet(
    name: str, group: Group, having: _Sources, lacking: _Sources, macos: Version, first: Version | None
) -> SymbolAnswer:
    """Answer for a release older than every evidence of presence."""
    known = min((v for v in (first, group.since, group.newest) if v is not None), default=None)
    if group.missing is not None and macos <= group.missing:
        why = f"a Mac with macOS {group.missing} did not find it in {name}"
        return SymbolAnswer(Presence.ABSENT, absent_in=group.missing, present_in=first or group.since, why=why)
    without = [s for s in lacking if not having or s.high < having[0].high]
    bound = max((s.low for s in without), default=None)
    reach = max((s.reach if known is None or known > s.reach else s.low for s in without), default=None)
    if group.hidden is not None:
        bound = group.hidden if bound is None else max(bound, group.hidden)
        hidden = Version.of(group.hidden.major, group.hidden.minor, 255)
        reach = hidden if reach is None else max(reach, hidden)
    if bound is not None and reach is not None and macos <= reach:
        later = f", first known in {known}" if known is not None else ""
        return SymbolAnswer(
            Presence.ABSENT, absent_in=bound, present_in=known, why=f"{name} lacks it in {bound}{later}"
        )
    if group.since is not None and macos < group.since and not _too_early(group.since, having, lacking):
        why = f"{_declared(name, group)}, not before"
        if "c" in group.marks:
            return SymbolAnswer(Presence.ABSENT, absent_in=macos, present_in=known, why=why)
        return SymbolAnswer(
            Presence.UNSEEN, absent_in=bound, present_in=known, why=f"{why}, as announced", likely=Presence.ABSENT
        )
    start = f"{name} lacks it in {bound}, " if bound is not None else f"{name}: "
    if known is not None:
        return SymbolAnswer(Presence.UNSEEN, absent_in=bound, present_in=known, why=f"{start}first known in {known}")
    reached = f"its symbols are known up to the SDK {bound}" if bound is not None else "none of its symbols is known"
    return SymbolAnswer(Presence.UNSEEN, absent_in=bound, why=f"{name}: {reached}")
