"""MC401 to MC403: paths that exist on the build machine, or where a package manager happens to be."""

from __future__ import annotations

from collections.abc import Iterator

from machochain.findings.draft import Case, Draft, load_draft
from machochain.findings.places import foreign
from machochain.findings.remedies import beside, bundle, change, drop_run_path, sign
from machochain.findings.runpaths import is_misspelt
from machochain.model.image import FileType
from machochain.model.paths import leaf, printable
from machochain.model.result import LoadedImage, Outcome, Severity
from machochain.model.shell import quoted


def foreign_loads(case: Case) -> Iterator[Draft]:
    """MC401: loads by a path of one machine. What is missing here already is MC101's."""
    for load in (*case.survey.failed, *case.survey.outside):
        name = load.dylib.name
        if not name.startswith("/") or load.inserted or load.outcome is Outcome.MISSING:
            continue
        image = case.requester(load)
        place = foreign(name, image.path)
        if place is None:
            continue
        weak = load.outcome is Outcome.WEAK_MISSING
        message = f"{printable(leaf(image.path))} loads {printable(name)}, a path in {place.words}"
        there = case.elsewhere(load)
        remedy = bundle(name, image.path)
        if there is not None and there != name:
            remedy = change(name, beside(there, image.path), image.path)
        severity = Severity.INFO if weak else Severity.WARNING
        yield load_draft("MC401", severity, case, load, message, remedy, place=place.kind)


def foreign_run_paths(image: LoadedImage) -> Iterator[Draft]:
    """MC402: run paths of one machine."""
    if image.image is None:
        return
    for run_path in image.image.run_paths:
        text = run_path.path
        place = None if is_misspelt(text) else foreign(text, image.path)
        if place is None:
            continue
        message = f"run path {printable(text)} of {printable(leaf(image.path))} leads into {place.words}"
        severity = Severity.INFO if place.kind == "usr-local" else Severity.WARNING
        yield Draft(
            "MC402", severity, image.path, run_path.command_index, text, message,
            {"place": place.kind}, drop_run_path(text, image.path),
        )  # fmt: skip


def foreign_install_name(image: LoadedImage) -> Iterator[Draft]:
    """MC403: an id that names one machine, and not where the library lies."""
    header = image.image
    name = image.install_name
    if header is None or header.file_type != FileType.MH_DYLIB or name is None or name == image.path:
        return
    place = foreign(name, image.path)
    if place is not None and place.kind != "usr-local":
        new = f"@rpath/{leaf(name)}"
        message = f"the id of {printable(leaf(image.path))} is {printable(name)}, a path in {place.words}"
        path = quoted(image.path)
        yield Draft(
            "MC403", Severity.INFO, image.path, None, name, message,
            {"place": place.kind},
            (f"install_name_tool -id {quoted(new)} {path} && {sign(image.path)}",),
        )  # fmt: skip
