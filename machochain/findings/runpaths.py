"""MC120 to MC125: run paths that reach nothing, or not what was meant."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping

from machochain.dyld.atpaths import starts_with_variable
from machochain.findings.draft import Case, Draft
from machochain.findings.places import foreign
from machochain.findings.remedies import drop_run_path, replace_run_path, sign
from machochain.model.filesystem import NodeKind, Presence
from machochain.model.image import RunPath
from machochain.model.paths import directory, leaf, printable
from machochain.model.result import LoadedImage, Outcome, Severity
from machochain.model.shell import quoted
from machochain.world.placement import OS_PREFIXES

Reach = MutableMapping[tuple[str, str], bool]
"""What is known already: whether a file lies at (directory, tail)."""


def static_run_paths(image: LoadedImage) -> Iterator[Draft]:
    """Yield what the text of each run path alone shows; the same in every process."""
    if image.image is None:
        return
    for run_path in image.image.run_paths:
        draft = _misspelt(image, run_path)
        if draft is not None:
            yield draft


def is_misspelt(text: str) -> bool:
    """Whether a run path cannot mean what its author meant; nothing more need be said about it then."""
    return "$ORIGIN" in text or "${ORIGIN}" in text or ":" in text or not (text.startswith("/") or _expands(text))


def _expands(text: str) -> bool:
    return starts_with_variable(text, "@loader_path") or starts_with_variable(text, "@executable_path")


def _misspelt(image: LoadedImage, run_path: RunPath) -> Draft | None:
    text = run_path.path
    shown, name = printable(text), printable(leaf(image.path))
    if not is_misspelt(text):
        return None
    if "$ORIGIN" in text or "${ORIGIN}" in text:
        rule, message = "MC123", f"run path {shown} of {name} uses $ORIGIN, which dyld does not expand"
        fixed = text.replace("${ORIGIN}", "@loader_path").replace("$ORIGIN", "@loader_path")
        remedy = replace_run_path(text, fixed, image.path)
    elif ":" in text:
        rule, message = "MC124", f"run path {shown} of {name} holds a colon: dyld takes it for one directory"
        parts = " ".join(f"-add_rpath {quoted(p)}" for p in text.split(":") if p)
        path = quoted(image.path)
        remedy = (f"install_name_tool -delete_rpath {quoted(text)} {parts} {path} && {sign(image.path)}",)
    elif text.startswith("@"):
        variable = printable(text.partition("/")[0])
        rule, message = "MC125", f"run path {shown} of {name}: dyld does not expand {variable} in a run path"
        remedy = drop_run_path(text, image.path)
    else:
        rule, message = "MC122", f"run path {shown} of {name} is relative to the working directory"
        remedy = replace_run_path(text, f"@loader_path/{text.removeprefix('./')}", image.path)
    return Draft(rule, Severity.WARNING, image.path, run_path.command_index, text, message, {}, remedy)


def idle_run_paths(case: Case, reach: Reach) -> Iterator[Draft]:
    """MC120 and MC121: run paths behind which this process finds nothing.

    A run path counts as used if any library the process asks for by ``@rpath`` lies behind it, also where another
    run path was faster. Nothing is said where nobody looked, nor about directories of the OS, nor where MC402 speaks,
    nor of a library that asks for nothing by ``@rpath`` while the program that loads it is not known. Nor is a
    directory idle while a library is missing: it may be the one that belongs there.
    """
    look = case.facts.look
    if look is None:
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
            if place is None or place.startswith(OS_PREFIXES) or foreign(text, image.path) is not None:
                continue
            state = judged.get(place)
            if state is None:
                state = judged[place] = _state(place, tails, case, reach)
            if state == "used" or (state == "idle" and (lost or (main is None and not tails))):
                continue
            rule = "MC121" if state == "dead" else "MC120"
            gone = "does not exist" if state == "dead" else "holds no library this process asks for"
            message = f"run path {printable(text)} of {printable(leaf(image.path))}: {printable(place)} {gone}"
            yield Draft(
                rule, Severity.INFO, image.path, run_path.command_index, text, message,
                {"directory": place}, drop_run_path(text, image.path),
            )  # fmt: skip


def _expand(text: str, image: LoadedImage, main: LoadedImage | None) -> str | None:
    """Return the directory a run path stands for; None if only a process nobody named could tell."""
    if text.startswith("/"):
        return text.rstrip("/") or "/"
    if text.startswith("@loader_path"):
        return (directory(image.path) + text[12:]).rstrip("/") or "/"
    return (directory(main.path) + text[16:]).rstrip("/") or "/" if main is not None else None


def _state(place: str, tails: tuple[str, ...], case: Case, reach: Reach) -> str:
    """Say whether a directory is ``used``, ``idle`` or ``dead``; what nobody can see counts as used."""
    look = case.facts.look
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
