"""A Mac's own words held against the prediction for a binary: same attempts, same order, and if not, why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from machochain.dyld.profile import NEWEST, OLDEST
from machochain.model.diagnosis import Answer, PlaceKind
from machochain.model.evidence import Evidence, PathSearch
from machochain.model.paths import leaf
from machochain.model.result import Load, Result
from machochain.model.value import frozen
from machochain.model.version import Version


@frozen
class Step:
    """One path of a search: where, and what came of it (None where the text does not tell)."""

    path: str
    reason: str | None


@frozen
class Comparison:
    """One observed search or symbol against the prediction.

    Attributes:
        subject: The library, symbol or validity error it is about.
        agrees: Whether prediction and observation are the same; None if the text tells too little.
        observed: What the Mac tried, in order.
        predicted: What the model tries, in order.
        at: Index of the first difference; None if there is none or nothing is comparable.
        difference: The first difference in one sentence; None if there is none.
        hypotheses: What explains it, the likeliest first.
    """

    subject: str
    agrees: bool | None
    observed: tuple[Step, ...] = ()
    predicted: tuple[Step, ...] = ()
    at: int | None = None
    difference: str | None = None
    hypotheses: tuple[str, ...] = ()


def release_of(evidence: Sequence[Evidence]) -> Version:
    """Return the release a text comes from: as stated, else the oldest its wording allows, else the newest known."""
    for each in evidence:
        if each.macos is not None and each.macos >= OLDEST:
            return each.macos
    for each in evidence:
        if each.macos_range is not None:
            low, high = each.macos_range.low, each.macos_range.high
            if high is not None and high < OLDEST:
                continue
            if low is not None and low >= OLDEST:
                return min(low, NEWEST)
    return NEWEST


def compare(diagnoses: Iterable[Answer], result: Result) -> Iterator[Comparison]:
    """Compare what was read with the prediction for one process."""
    for diagnosis in diagnoses:
        evidence = diagnosis.evidence
        for search in evidence.searches:
            yield _compare_search(search, result)
        if evidence.symbol is not None:
            yield _compare_symbol(diagnosis, result)
        elif evidence.library is not None and evidence.build_rule is None:
            yield _compare_library(diagnosis, result)
        elif evidence.reason is not None and evidence.build_rule is None:
            yield _compare_message(evidence, result)


def _load_of(name: str, asker: str | None, result: Result) -> Load | None:
    """Return the load command that asked for a library, the one of the image that was named if it can be told."""
    loads = [x for x in result.loads if x.dylib.name == name]
    if asker is not None:
        for load in loads:
            if leaf(result.images[load.source].path) == leaf(asker):
                return load
    return loads[0] if loads else None


def _compare_library(diagnosis: Answer, result: Result) -> Comparison:
    evidence = diagnosis.evidence
    assert evidence.library is not None
    load = _load_of(evidence.library, evidence.referenced_from, result)
    observed = tuple(Step(t.path, t.reason) for t in evidence.attempts)
    other = _uuid_hypothesis(evidence, result)
    if load is None:
        asks = "nothing in it asks for this library"
        return Comparison(
            evidence.library, False, observed, (), None, asks, (*other, "another version of the program printed this")
        )
    predicted = tuple(Step(a.candidate.path, a.reason + a.suffix) for a in load.tried)
    if load.found is not None:
        predicted += (Step(load.found.path, "found"),)
    if not observed:
        same = load.to is None and (evidence.reason is None or load.reason == evidence.reason)
        if same:
            return Comparison(evidence.library, True, (), predicted, hypotheses=other)
        words = f"the model says: {load.reason or 'found'}"
        return Comparison(
            evidence.library, False, (), predicted, None, words,
            (*other, *_hypotheses(diagnosis, load, result, observed, predicted, 0)),
        )  # fmt: skip
    at = _first_difference(observed, predicted, cut=evidence.truncated)
    if at is None:
        return Comparison(evidence.library, True, observed, predicted, hypotheses=other)
    return Comparison(
        evidence.library, False, observed, predicted, at, _difference(observed, predicted, at),
        (*other, *_hypotheses(diagnosis, load, result, observed, predicted, at)),
    )  # fmt: skip


def _first_difference(observed: Sequence[Step], predicted: Sequence[Step], *, cut: bool) -> int | None:
    for index, (mine, theirs) in enumerate(zip(predicted, observed, strict=False)):
        if not _same_path(theirs.path, mine.path):
            return index
        if theirs.reason is not None and mine.reason is not None and theirs.reason != mine.reason:
            return index
    if len(observed) == len(predicted) or (cut and len(observed) < len(predicted)):
        return None
    return min(len(observed), len(predicted))


def _same_path(observed: str, predicted: str) -> bool:
    """Compare paths; a ``*`` in a crash report stands for components that were taken out."""
    if "*" not in observed:
        return observed == predicted
    start, _, end = observed.partition("*")
    return predicted.startswith(start) and predicted.endswith(end.rpartition("*")[2])


def _difference(observed: Sequence[Step], predicted: Sequence[Step], at: int) -> str:
    if at >= len(observed):
        return f"the Mac stopped here, the model goes on with {predicted[at].path}"
    if at >= len(predicted):
        return f"the model stops here, the Mac went on with {observed[at].path}"
    mine, theirs = predicted[at], observed[at]
    if _same_path(theirs.path, mine.path):
        return f"at {theirs.path} the Mac found: {theirs.reason}; the model: {mine.reason}"
    return f"the Mac tried {theirs.path}, the model {mine.path}"


def _uuid_hypothesis(evidence: Evidence, result: Result) -> tuple[str, ...]:
    if evidence.uuid is None or evidence.referenced_from is None:
        return ()
    for image in result.images:
        if leaf(image.path) == leaf(evidence.referenced_from) and image.image is not None:
            mine = image.image.uuid_text
            if mine != evidence.uuid:
                return (f"another build: the Mac's {leaf(image.path)} has UUID {evidence.uuid}, this one {mine}",)
            return ()
    if any(i.image is not None and i.image.uuid_text == evidence.uuid for i in result.images):
        return ()
    return (f"another program: {leaf(evidence.referenced_from)} with UUID {evidence.uuid} is not in this process",)


def _hypotheses(
    diagnosis: Answer, load: Load, result: Result, observed: Sequence[Step], predicted: Sequence[Step], at: int
) -> Iterator[str]:
    """Yield what may explain a first difference."""
    facts = diagnosis.process
    evidence = diagnosis.evidence
    if facts.library_path:
        yield f"DYLD_LIBRARY_PATH was set there: --env DYLD_LIBRARY_PATH={':'.join(facts.library_path)}"
    if facts.fallback_path:
        yield f"a fallback path was set there: --env DYLD_FALLBACK_LIBRARY_PATH={':'.join(facts.fallback_path)}"
    if facts.hardened and not result.hardened:
        yield "the process was hardened there: --hardened"
    span = evidence.macos_range
    outside = span is not None and (
        (span.low is not None and result.macos < span.low) or (span.high is not None and result.macos > span.high)
    )
    if span is not None and outside:
        yield f"another macOS: the wording is of {span.low or '…'} to {span.high or '…'}, the model is {result.macos}"
    if diagnosis.place.kind in (PlaceKind.GO_TEST, PlaceKind.GO_RUN, PlaceKind.GO_RUN_CACHED):
        yield f"it ran under {diagnosis.place.kind.value}: another executable directory and working directory"
    if facts.cwd is not None:
        yield f"the working directory was {facts.cwd}: --cwd {facts.cwd}"
    image = result.images[load.source].image
    mine = {r.path for i in result.images if i.image is not None for r in i.image.run_paths}
    unknown = [r for r in facts.run_paths if r not in mine and not r.startswith("@")]
    if image is not None and unknown and load.dylib.name.startswith("@rpath/"):
        yield f"the run paths differ: the Mac used {', '.join(unknown)}"
    if mine and (evidence.reason or "").startswith("no LC_RPATH's found"):
        yield f"the run paths differ: the Mac found none, here are {', '.join(sorted(mine))}"
    if at < len(predicted) and at < len(observed) and observed[at].path == predicted[at].path:
        yield "the files differ: put the Mac's where it has them (--root, --map)"
    elif at < len(predicted) and predicted[at].reason == "found":
        yield f"{predicted[at].path} exists in the model but not on that Mac"


def _compare_symbol(diagnosis: Answer, result: Result) -> Comparison:
    evidence = diagnosis.evidence
    assert evidence.symbol is not None
    found = [m for m in result.missing_symbols if m.symbol == evidence.symbol]
    other = _uuid_hypothesis(evidence, result)
    if any(m.unknown is None for m in found):
        return Comparison(evidence.symbol, True, hypotheses=other)
    if found:
        return Comparison(evidence.symbol, None, difference=found[0].unknown, hypotheses=other)
    words = "the model finds this symbol, or nothing asks for it"
    return Comparison(
        evidence.symbol, False, difference=words, hypotheses=(*other, "another copy of the library was loaded there")
    )


def _compare_message(evidence: Evidence, result: Result) -> Comparison:
    subject = evidence.reason or ""
    same = result.message is not None and subject.split("\n")[0] in result.message
    words = None if same else f"the model says: {_says(result)}"
    return Comparison(subject, same, difference=words, hypotheses=_uuid_hypothesis(evidence, result))


def _says(result: Result) -> str:
    """Return what the model says of a process in a few words."""
    if result.message is not None:
        return result.message
    if result.execution is not None and result.execution.starts is False:
        return f"the kernel stops it: {result.execution.why}"
    return {True: "it launches", False: "it does not launch", None: "it is not known"}[result.launches]


def _compare_search(search: PathSearch, result: Result) -> Comparison:
    """Compare one search of a DYLD_PRINT_SEARCHING log."""
    observed = tuple(Step(s.path, None) for s in search.steps if s.what == "possible" and s.path is not None)
    load = _load_of(search.library, None, result)
    if load is None:
        return Comparison(search.library, None, observed, difference="no load command asks for it: a dlopen, perhaps")
    predicted = tuple(Step(a.candidate.path, a.reason) for a in load.tried)
    if load.found is not None:
        predicted += (Step(load.found.path, "found"),)
    at = _first_difference(observed, predicted, cut=not (search.missing or search.found))
    if at is None and (search.found is None or load.to is not None):
        return Comparison(search.library, True, observed, predicted)
    if at is None:
        return Comparison(search.library, False, observed, predicted, None, f"the Mac found {search.found}")
    return Comparison(search.library, False, observed, predicted, at, _difference(observed, predicted, at))
