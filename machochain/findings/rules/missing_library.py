"""MC101: a library cannot be found."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from machochain.dyld.facts import might_be_in_shared_cache
from machochain.findings.draft import Case, Draft, load_draft, repeated
from machochain.findings.outcomes import Fate
from machochain.findings.places import place_of
from machochain.findings.registry import of_process, of_walk, register
from machochain.findings.remedies import add_run_path, advice, beside, bundle, change, command, reach
from machochain.findings.rule import Rule
from machochain.findings.sources import GET_LOADER, LOAD_DEPENDENTS, RESIGN
from machochain.model.filesystem import Presence
from machochain.model.paths import TargetPath, directory, leaf, printable
from machochain.model.remedy import FILE, Remedy
from machochain.model.result import Load, Severity
from machochain.model.shell import file_word, quoted

RULE: Final = register(
    Rule(
        "MC101",
        "missing-library",
        "A library cannot be found",
        Severity.ERROR,
        "A load command names a library, and none of the paths dyld tries leads to a file or to a library of the OS.",
        "dyld ends the process before `main` runs (`Library not loaded: …`); for a plugin, `dlopen` fails.",
        (
            (
                "`@rpath/…` and no run path: `install_name_tool -add_rpath @loader_path/../lib FILE`, or link with "
                "`-Wl,-rpath,@loader_path/../lib`."
            ),
            (
                'Go programs: `CGO_LDFLAGS="-Wl,-rpath,@loader_path/../lib" go build …`; in `#cgo LDFLAGS` cmd/go '
                "refuses run paths that start with `@`."
            ),
            (
                "A path of Homebrew or another package manager: put a copy of the library beside the program and run "
                "`install_name_tool -change OLD @rpath/LEAF FILE`, or link the library statically."
            ),
            (
                "A bare or relative name: give the library an id, `install_name_tool -id @rpath/LEAF LIBRARY`, "
                "and link again."
            ),
            "A library of a newer macOS: link it weakly, or raise the minimum version of the program.",
            RESIGN,
        ),
        references=(GET_LOADER, LOAD_DEPENDENTS, "golang/go#36572", "golang/go#40559", "golang/go#29061"),
    )
)

_Cause = tuple[str, str, tuple[Remedy, ...]]
"""A word for the cause, a clause that tells it, and what to do."""


@of_walk
def check(case: Case) -> Iterator[Draft]:
    """Yield the loads for which nothing lies at any path, but for those of what only the OS has."""
    for failure in case.failures[Fate.MISSING]:
        if not might_be_in_shared_cache(failure.load.dylib.name):
            there = case.elsewhere(failure.load)
            yield _draft(case, failure.load, _cause(case, failure.load, there), there)


@of_process
def check_system(case: Case) -> Iterator[Draft]:
    """Yield the loads of what only the OS has, and has not on this release."""
    for failure in case.failures[Fate.MISSING]:
        if might_be_in_shared_cache(failure.load.dylib.name):
            yield _draft(case, failure.load, _system_cause(case, failure.load), case.elsewhere(failure.load))


def _draft(case: Case, load: Load, told: _Cause, there: TargetPath | None) -> Draft:
    cause, because, remedy = told
    message = f"{case.who(load)} loads {printable(load.dylib.name)}, which cannot be found: {because}"
    near = case.near_miss(load) if there is None else None
    if near is not None:
        message += f"; {printable(near)} has nearly that name"
        remedy = (
            advice(f"link with the version that is shipped, {quoted(leaf(near))}, or ship the one it asks for"),
            *remedy,
        )
    maker = made_at_install(case, load)
    if maker is not None:
        message += f"; {printable(maker)} may make it while it is installed"
    return load_draft(
        RULE.id, Severity.ERROR, case, load, message, remedy, cause=cause, run_paths=_owners(case, load)
    )  # fmt: skip


def made_at_install(case: Case, load: Load) -> str | None:
    """Return the script of an npm package that runs when it is installed: it may make links that no archive holds."""
    read, folder = case.facts.read, directory(case.requester(load).path)
    while read is not None and folder and "/node_modules/" in f"{folder}/":
        data = read(f"{folder}/package.json")
        if data is not None:
            scripts = _scripts(data)
            name = next((n for n in ("preinstall", "install", "postinstall") if n in scripts), None)
            return f"its {name} script ({scripts[name]})" if name is not None else None
        folder = directory(folder)
    return None


@lru_cache(16)  # one file answers for all that an add-on misses
def _scripts(package: bytes) -> dict[str, str]:
    try:
        found = json.loads(package)
    except (ValueError, RecursionError):
        return {}
    scripts = found.get("scripts") if isinstance(found, dict) else None
    return {k: v for k, v in scripts.items() if isinstance(v, str)} if isinstance(scripts, dict) else {}


def _owners(case: Case, load: Load) -> list[list[str]]:
    """Return the run paths that were tried with the images they belong to, each once, in order."""
    pairs: dict[tuple[str, str], None] = {}
    for attempt in repeated(load.tried):
        candidate = attempt.candidate
        if candidate.image is not None and candidate.run_path is not None:
            owner = case.result.images[candidate.image]
            if owner.image is not None:
                pairs[owner.path, owner.image.run_paths[candidate.run_path].path] = None
    return [list(pair) for pair in pairs]


def _cause(case: Case, load: Load, there: TargetPath | None) -> _Cause:
    name = load.dylib.name
    image = case.requester(load).path
    if name.startswith("@rpath/"):
        return _run_path_cause(case, load, there)
    known = f", though {printable(there)} exists" if there is not None else ""
    by_place = change(name, beside(there, image), image) if there is not None else None
    if name.startswith("@"):
        base = "program" if name.startswith("@executable_path") else "image that asks"
        place = load.tried[0].candidate.path if load.tried else name
        steps = by_place or (advice(f"put the library at {FILE}", file=place),)
        return "not-where-named", f"no such file beside the {base}{known}", steps
    if not name.startswith("/"):
        rename = (
            command(f"install_name_tool -id {quoted('@rpath/' + leaf(name))} {file_word(leaf(name))}"),
            advice("and link again"),
        )
        why = "the name has no directory of its own and is looked for in the working directory"
        return "relative-path", why + known, by_place or rename
    place_found = place_of(name)
    if place_found is not None:
        return place_found.kind, f"the path leads into {place_found.words}{known}", by_place or bundle(name, image)
    return "absolute-path", f"no such file{known}", by_place or bundle(name, image)


def _run_path_cause(case: Case, load: Load, there: str | None) -> _Cause:
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
            advice(f"put {quoted(leaf(tail))} where dyld looks first: {FILE}", file=place),
            advice(f"give {quoted(leaf(image.path))} a run path that leads to it", also=True),
        )
    return "run-paths-miss", "no run path leads to it" + where, remedy


def _system_cause(case: Case, load: Load) -> _Cause:
    macos = case.result.macos
    remedy = (
        advice("link the library weakly: -weak-lNAME, -weak_framework NAME, and check before use"),
        advice("raise the minimum macOS", also=True),
    )
    if case.facts.find_system is not None:
        for answer in case.facts.find_system(load.dylib.name):
            if answer.presence is Presence.PRESENT:
                return "other-release", f"macOS {macos} does not have it, other releases do", remedy
    return "not-in-os", f"macOS {macos} does not have it", remedy
