"""MC120 and MC121: run paths behind which this process finds nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machochain.findings.draft import Case, Draft
from machochain.findings.places import leaked_run_path
from machochain.findings.registry import of_walk, register
from machochain.findings.remedies import drop_run_path
from machochain.findings.rule import Rule
from machochain.findings.runpaths import is_misspelt
from machochain.findings.sources import AT_PATHS, RESIGN
from machochain.model.filesystem import NodeKind, Presence
from machochain.model.paths import directory, leaf, printable
from machochain.model.result import LoadedImage, Outcome, Severity
from machochain.world.placement import OS_PREFIXES

UNUSED: Final = register(
    Rule(
        "MC120",
        "unused-run-path",
        "Nothing is found behind a run path",
        Severity.INFO,
        "The directory of an LC_RPATH exists, but holds none of the libraries this process asks for by `@rpath`.",
        "It costs time at every launch. Another process may need it.",
        ("`install_name_tool -delete_rpath RUN_PATH FILE`, unless `dlopen` or another process uses it.", RESIGN),
        references=(AT_PATHS,),
    )
)

DEAD: Final = register(
    Rule(
        "MC121",
        "dead-run-path",
        "A run path leads to no directory",
        Severity.INFO,
        "The directory an LC_RPATH expands to does not exist on the modelled Mac.",
        "Whoever can create that directory decides which library is loaded; else it only costs time.",
        ("`install_name_tool -delete_rpath RUN_PATH FILE`", RESIGN),
        references=(AT_PATHS,),
    )
)


@of_walk
def check(case: Case) -> Iterator[Draft]:
    """Yield the run paths behind which there is nothing.

    A run path counts as used if any library the process asks for by ``@rpath`` lies behind it, also where another
    run path was faster. Nothing is said where nobody looked, nor about directories of the OS, nor where MC402 speaks,
    nor of a library that asks for nothing by ``@rpath`` while the program that loads it is not known. Nor is a
    directory idle while a library is missing: it may be the one that belongs there.
    """
    if case.facts.look is None:
        return
    tails = case.survey.tails
    main = case.main
    lost = any(x.outcome is Outcome.MISSING and x.dylib.name.startswith("@rpath/") for x in case.survey.failed)
    judged: dict[str, str] = {}
    for image in case.files:
        assert image.image is not None
        for run_path in image.image.run_paths:
            text = run_path.path
            place = None if is_misspelt(text) else _expand(text, image, main)
            if place is None or place.startswith(OS_PREFIXES) or leaked_run_path(text, image.path) is not None:
                continue
            state = judged.get(place)
            if state is None:
                state = judged[place] = _state(place, tails, case)
            if state == "used" or (state == "idle" and (lost or (main is None and not tails))):
                continue
            rule = DEAD if state == "dead" else UNUSED
            gone = "does not exist" if state == "dead" else "holds no library this process asks for"
            message = f"run path {printable(text)} of {printable(leaf(image.path))}: {printable(place)} {gone}"
            yield Draft(
                rule.id, Severity.INFO, image.path, run_path.command_index, text, message,
                {"directory": place}, drop_run_path(text, image.path),
            )  # fmt: skip


def _expand(text: str, image: LoadedImage, main: LoadedImage | None) -> str | None:
    """Return the directory a run path stands for; None if only a process nobody named could tell."""
    if text.startswith("/"):
        return text.rstrip("/") or "/"
    if text.startswith("@loader_path"):
        return (directory(image.path) + text[12:]).rstrip("/") or "/"
    return (directory(main.path) + text[16:]).rstrip("/") or "/" if main is not None else None


def _state(place: str, tails: tuple[str, ...], case: Case) -> str:
    """Say whether a directory is ``used``, ``idle`` or ``dead``; what nobody can see counts as used."""
    look, reach = case.facts.look, case.facts.reach
    assert look is not None
    node = look(place)
    if node.presence is Presence.UNSEEN:
        return "used"
    if node.presence is Presence.ABSENT or node.kind is not NodeKind.DIRECTORY:
        return "dead"
    for tail in tails:
        key = (place, tail)
        there = reach.get(key)
        if there is None:
            there = reach[key] = look(place + tail).presence is not Presence.ABSENT
        if there:
            return "used"
    return "idle"
