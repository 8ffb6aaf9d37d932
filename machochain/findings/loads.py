"""MC101 to MC116: what became of each load command."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from machochain.dyld.facts import might_be_in_shared_cache
from machochain.findings.catalogue import RULES
from machochain.findings.draft import KNOWN_VARIABLES, Case, Draft, load_draft
from machochain.findings.places import place_of
from machochain.findings.refusals import rule_of
from machochain.findings.remedies import add_run_path, beside, bundle, change, reach
from machochain.model.filesystem import Presence
from machochain.model.image import FileType
from machochain.model.paths import leaf, printable
from machochain.model.result import Confidence, Load, LoadedImage, Origin, Outcome, Severity
from machochain.model.search import Attempt, FailureKind, SearchRule
from machochain.model.shell import file_word, quoted

_ENVIRONMENT: Final = {
    SearchRule.PATH_DIR_OVERRIDE: ("DYLD_LIBRARY_PATH", "DYLD_FRAMEWORK_PATH"),
    SearchRule.VERSIONED_OVERRIDE: ("DYLD_VERSIONED_LIBRARY_PATH", "DYLD_VERSIONED_FRAMEWORK_PATH"),
    SearchRule.SUFFIX_OVERRIDE: ("DYLD_IMAGE_SUFFIX",),
    SearchRule.CUSTOM_FALLBACK: ("DYLD_FALLBACK_LIBRARY_PATH", "DYLD_FALLBACK_FRAMEWORK_PATH"),
}


def loads(case: Case) -> Iterator[Draft]:
    """Yield what is to be said about the load commands of a process."""
    for load in case.survey.failed:
        yield from _failed(case, load)
    passed: set[str] = set()
    for load in case.survey.odd:
        rule = load.found.rule if load.found is not None else None
        if rule is SearchRule.STANDARD_FALLBACK:
            yield _fallback(case, load)
        elif rule in _ENVIRONMENT:
            yield _environment(case, load)
        if load.dylib.name.startswith("@") and not load.dylib.name.startswith(KNOWN_VARIABLES):
            yield _unknown_variable(case, load)
        for attempt in load.tried:
            if attempt.candidate.path not in passed and not attempt.objection.is_miss:
                passed.add(attempt.candidate.path)
                yield _passed_over(case, load, attempt)
    for load in case.survey.outside:
        if not load.dylib.name.startswith("/") and not load.inserted:
            yield _relative(case, load)
    if any(image.case_differs for image in case.result.images):
        for load in case.result.loads:
            if load.outcome is Outcome.LOADED and load.to is not None and case.result.images[load.to].case_differs:
                yield _case_only(case, load)


def _failed(case: Case, load: Load) -> Iterator[Draft]:
    """Say why a load led to nothing; loads nobody can decide belong to MC9xx."""
    if load.outcome is Outcome.UNKNOWN:
        return
    refused = [a for a in load.tried if not a.objection.is_miss]
    if load.outcome is Outcome.WEAK_MISSING:
        yield _weak_missing(case, load, refused)
    elif load.inserted:
        yield _inserted(case, load)
    elif load.dylib.name.startswith("@") and not load.dylib.name.startswith(KNOWN_VARIABLES):
        yield _unknown_variable(case, load)
    elif load.reason is None:
        return
    elif load.failure_kind is FailureKind.TOO_OLD:
        message = f"{_who(case, load)}: {printable(load.reason)}"
        yield load_draft("MC109", Severity.ERROR, case, load, message, ("install the version it was linked with",))
    elif refused:
        yield _refused(case, load, refused)
    elif load.failure_kind in {FailureKind.UNSAFE_PATH, FailureKind.NOT_EXPANDED}:
        message = f"{_who(case, load)} loads {printable(load.dylib.name)}, a path its restrictions forbid"
        yield load_draft("MC108", Severity.ERROR, case, load, message, RULES["MC108"].fix)
    else:
        yield _missing(case, load)


def _who(case: Case, load: Load) -> str:
    return printable(leaf(case.requester(load).path))


def _missing(case: Case, load: Load) -> Draft:
    """MC101: nothing lies at any of the paths."""
    name = load.dylib.name
    cause, because, remedy = _cause(case, load)
    message = f"{_who(case, load)} loads {printable(name)}, which cannot be found: {because}"
    owners = _owners(case, load)
    return load_draft("MC101", Severity.ERROR, case, load, message, remedy, cause=cause, run_paths=owners)


def _owners(case: Case, load: Load) -> list[list[str]]:
    """Return the run paths that were tried with the images they belong to, each once, in order."""
    pairs: dict[tuple[str, str], None] = {}
    for attempt in load.tried:
        candidate = attempt.candidate
        if candidate.image is not None and candidate.run_path is not None:
            owner = case.result.images[candidate.image]
            if owner.image is not None:
                pairs[owner.path, owner.image.run_paths[candidate.run_path].path] = None
    return [list(pair) for pair in pairs]


def _cause(case: Case, load: Load) -> tuple[str, str, tuple[str, ...]]:
    """Return a word for the cause, a clause that tells it, and what to do."""
    name = load.dylib.name
    image = case.requester(load).path
    there = case.elsewhere(load)
    if name.startswith("@rpath/"):
        return _run_path_cause(case, load, there)
    if might_be_in_shared_cache(name):
        return _system_cause(case, load)
    known = f", though {printable(there)} exists" if there is not None else ""
    by_place = change(name, beside(there, image), image) if there is not None else None
    if name.startswith("@"):
        base = "program" if name.startswith("@executable_path") else "image that asks"
        place = load.tried[0].candidate.path if load.tried else name
        steps = by_place or (f"put the library at {printable(place)}",)
        return "not-where-named", f"no such file beside the {base}{known}", steps
    if not name.startswith("/"):
        rename = (f"install_name_tool -id {quoted('@rpath/' + leaf(name))} {file_word(leaf(name))}", "and link again")
        why = "the name has no directory of its own and is looked for in the working directory"
        return "relative-path", why + known, by_place or rename
    place_found = place_of(name)
    if place_found is not None:
        return place_found.kind, f"the path leads into {place_found.words}{known}", by_place or bundle(name, image)
    return "absolute-path", f"no such file{known}", by_place or bundle(name, image)


def _run_path_cause(case: Case, load: Load, there: str | None) -> tuple[str, str, tuple[str, ...]]:
    image = case.requester(load)
    tail = load.dylib.name.removeprefix("@rpath/")
    if there is not None:
        remedy = reach(load.dylib.name, there, image.path, image.image)
    else:
        remedy = add_run_path("@loader_path/../lib", image.path, image.image)
    where = f", though {printable(there)} exists" if there is not None else ""
    if not any(a.candidate.run_path is not None for a in load.tried):
        has = any(i.image is not None and i.image.run_paths for i in case.files)
        words = "no run path of the images that lead to it can be used" if has else "no image has an LC_RPATH"
        return "no-run-path", words + where, remedy
    if there is None:
        # There are run paths: what is missing is the file, not another run path.
        place = next(a.candidate.path for a in load.tried if a.candidate.run_path is not None)
        remedy = (
            f"put {printable(leaf(tail))} where dyld looks first: {printable(place)}",
            f"or give it a run path that leads there: {add_run_path('FOLDER', image.path, image.image)[0]}",
        )
    return "run-paths-miss", "no run path leads to it" + where, remedy


def _system_cause(case: Case, load: Load) -> tuple[str, str, tuple[str, ...]]:
    macos = case.result.macos
    remedy = ("link the library weakly (-weak-l, -weak_framework) and check before use", "or raise the minimum macOS")
    if case.facts.find_system is not None:
        for answer in case.facts.find_system(load.dylib.name):
            if answer.presence is Presence.PRESENT:
                return "other-release", f"macOS {macos} does not have it, other releases do", remedy
    return "not-in-os", f"macOS {macos} does not have it", remedy


def _refused(case: Case, load: Load, refused: list[Attempt]) -> Draft:
    """MC103 to MC108 and MC3xx: files are there, but dyld takes none of them."""
    first = refused[0]
    rule = rule_of(first.objection)
    path = printable(first.candidate.path)
    message = (
        f"{_who(case, load)} loads {printable(load.dylib.name)}, but dyld refuses {path}: "
        f"{printable(first.reason) or 'the file is empty'}"
    )
    return load_draft(rule, Severity.ERROR, case, load, message, RULES[rule].fix, file=first.candidate.path)


def _passed_over(case: Case, load: Load, attempt: Attempt) -> Draft:
    """The same, where a later path served."""
    assert load.to is not None
    rule = rule_of(attempt.objection)
    message = (
        f"dyld passes over {printable(attempt.candidate.path)} for {printable(load.dylib.name)} "
        f"({printable(attempt.reason) or 'the file is empty'}) and takes {printable(case.result.images[load.to].path)}"
    )
    return load_draft(rule, Severity.INFO, case, load, message, RULES[rule].fix, file=attempt.candidate.path)


def _weak_missing(case: Case, load: Load, refused: list[Attempt]) -> Draft:
    why = "is absent"
    if refused:
        why = f"is refused ({printable(refused[0].reason) or 'the file is empty'})"
    message = f"{_who(case, load)} links weakly with {printable(load.dylib.name)}, which {why}: its symbols are NULL"
    return load_draft("MC102", Severity.INFO, case, load, message)


def _inserted(case: Case, load: Load) -> Draft:
    hardened = bool(case.result.hardened)
    fate = "a hardened process goes on without it" if hardened else "the process ends"
    message = f"DYLD_INSERT_LIBRARIES names {printable(load.dylib.name)}, which cannot be loaded: {fate}"
    severity = Severity.WARNING if hardened else Severity.ERROR
    return load_draft("MC116", severity, case, load, message, ("correct or unset DYLD_INSERT_LIBRARIES",))


def _fallback(case: Case, load: Load) -> Draft:
    assert load.found is not None
    image = case.requester(load)
    found = printable(load.found.path)
    message = (
        f"{_who(case, load)} loads {printable(load.dylib.name)}, which only dyld's default fallback finds, as {found}"
    )
    return load_draft(
        "MC110", Severity.WARNING, case, load, message,
        change(load.dylib.name, load.found.path, image.path), found=load.found.path,
    )  # fmt: skip


def _environment(case: Case, load: Load) -> Draft:
    assert load.found is not None
    image = case.requester(load)
    names = _ENVIRONMENT[load.found.rule]
    own = case.main.image.dyld_environment if case.main is not None and case.main.image is not None else ()
    embedded = any(text.startswith(names) for text in own)
    by = "LC_DYLD_ENVIRONMENT of the executable" if embedded else " or ".join(names)
    message = f"{_who(case, load)} gets {printable(load.dylib.name)} from {printable(load.found.path)} because of {by}"
    # A run path serves only who asks for @rpath, and dyld puts the whole of what follows behind it.
    tail = load.dylib.name.removeprefix("@rpath")
    if tail != load.dylib.name and load.found.path.endswith(tail):
        remedy = add_run_path(load.found.path.removesuffix(tail) or "/", image.path, image.image)
    else:
        remedy = change(load.dylib.name, load.found.path, image.path)
    severity = Severity.INFO if embedded else Severity.WARNING
    return load_draft("MC111", severity, case, load, message, () if embedded else remedy, found=load.found.path)


def _relative(case: Case, load: Load) -> Draft:
    """MC112, for a library that was found."""
    assert load.to is not None
    target = case.result.images[load.to]
    by_name = load.outcome is Outcome.ALREADY_LOADED and target.install_name == load.dylib.name
    image = case.requester(load)
    served = "an image loaded before has it as its id" if by_name else "it is looked for in the working directory"
    message = f"{_who(case, load)} loads {printable(load.dylib.name)}, a relative path: {served}"
    new = beside(target.path, image.path)
    severity = Severity.INFO if by_name else Severity.WARNING
    return load_draft("MC112", severity, case, load, message, change(load.dylib.name, new, image.path))


def _unknown_variable(case: Case, load: Load) -> Draft:
    image = case.requester(load)
    name = load.dylib.name
    # Where nothing is left to try, dyld4 says nothing: the process goes on to the first symbol of the library.
    fails = load.outcome is Outcome.MISSING and load.reason is not None
    severity = Severity.ERROR if fails else Severity.WARNING
    message = f"{_who(case, load)} loads {printable(name)}: dyld knows no variable {printable(name.partition('/')[0])}"
    return load_draft(
        "MC113", severity, case, load, message, change(name, f"@rpath/{leaf(name)}", image.path)
    )  # fmt: skip


def _case_only(case: Case, load: Load) -> Draft:
    assert load.to is not None
    target = case.result.images[load.to]
    asked = load.found.path if load.found is not None else load.dylib.name
    message = (
        f"{_who(case, load)} asks for {printable(asked)}, which differs from {printable(target.path)} in case: "
        "a case-sensitive volume does not have it"
    )
    head, _, tail = load.dylib.name.rpartition("/")
    new = f"{head}/{leaf(target.path)}" if head and tail.casefold() == leaf(target.path).casefold() else target.path
    remedy = (
        (f"spell the files and folders on the way as the program asks for them: {printable(asked)}",)
        if new == load.dylib.name or load.dylib.name.startswith("@")
        else change(load.dylib.name, new, case.requester(load).path)
    )
    return load_draft("MC114", Severity.WARNING, case, load, message, remedy, found=target.path)


_VERSION: Final = re.compile(r"(?:[.-]\d+)+$")


@lru_cache(maxsize=4096)
def library_base(name: str) -> str:
    """Return a library's file name without its version and suffix: ``libssl.1.1.dylib`` and ``libssl.3.dylib`` agree.

    A number that is part of the name itself (``libx264``, ``libpng16``) stays.
    """
    stem = name.removesuffix(".dylib")
    return _VERSION.sub("", stem) or stem


def twice(case: Case) -> Iterator[Draft]:
    """MC115: two dylibs of one name, or two versions of one library, in the process."""
    groups: defaultdict[str, list[LoadedImage]] = defaultdict(list)
    for image in case.result.images:
        if image.path.endswith(".dylib"):
            groups[library_base(leaf(image.path))].append(image)
    for base, group in groups.items():
        files = [i for i in group if i.origin is Origin.DISK and _is_dylib(i)]
        if len(group) < 2 or not files:
            continue
        last = files[-1]
        others = [i for i in group if i is not last]
        severity = Severity.WARNING if len(files) > 1 else Severity.INFO
        other = next((i for i in others if i in files), others[0])
        kind = "two versions" if leaf(other.path) != leaf(last.path) else "two copies"
        message = f"{kind} of {printable(base)} are loaded: {printable(other.path)} and {printable(last.path)}"
        yield Draft(
            "MC115", severity, last.path, None, base, message,
            {"paths": [i.path for i in group]}, (f"let all importers of {printable(base)} name one file",),
            Confidence.LIKELY,
        )  # fmt: skip


def _is_dylib(image: LoadedImage) -> bool:
    return image.image is not None and image.image.file_type == FileType.MH_DYLIB
