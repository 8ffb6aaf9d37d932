"""The load graph in a page: the folders first where there are many files, and the files when somebody asks for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from machochain.model.audit import AuditReport
from machochain.model.paths import leaf
from machochain.report.html_text import h
from machochain.report.merged import Merged, MergedImage
from machochain.report.picture import Picture, render_svg

_MOST_NAMED: Final = 400
"""Programs that can be chosen from the list; the filter finds the rest."""
_ANSWERS: Final[Mapping[bool | None, str]] = {False: "do not start", None: "not known", True: "start"}


def graph(drawn: Picture, merged: Merged, report: AuditReport) -> Iterator[str]:
    """Yield the section of the load graph."""
    yield '<h2 id="graph">Load graph</h2>'
    if not drawn.nodes:
        yield '<p class="soft">Nothing was loaded that could be drawn.</p>'
        return
    if drawn.overview is not None:
        yield '<p class="soft">Folders, and how many files lie in each. Choose one, or a program, to see its files.</p>'
        svg = render_svg(drawn.overview, "Folders and the loads between them", "tip-folders")
        yield f'<div id="overview" tabindex="0" role="region" aria-label="Folders">{svg}</div>'
        yield from _programs(drawn, merged, report)
        yield f'<details id="files"><summary>All {len(drawn.nodes)} files and what they load</summary>'
    yield from _files(drawn)
    if drawn.overview is not None:
        yield "</details>"
    yield f'<div class="legend">{"".join(_legend(drawn))}</div>'


def _files(drawn: Picture) -> Iterator[str]:
    yield '<div class="tools">'
    yield '<input class="scripted" id="filter" type="search" placeholder="Filter by name" aria-label="Filter by name">'
    yield '<span class="scripted soft" id="tally" role="status"></span>'
    yield '<span class="scripted"><button type="button" id="zoom-out" aria-label="Smaller">−</button>'  # noqa: RUF001
    yield '<button type="button" id="zoom-in" aria-label="Larger">+</button>'
    yield '<button type="button" id="zoom-fit">Fit</button></span>'
    if drawn.implied:
        yield f'<label><input type="checkbox" id="all-loads"> all loads (+{drawn.implied} that others imply)</label>'
    yield "</div>"
    for note in drawn.notes:
        yield f'<p class="soft">{h(note)}</p>'
    if drawn.overview is not None:
        yield '<p class="scripted" id="focus" role="status"></p>'
    yield f'<div id="canvas" tabindex="0" role="region" aria-label="Load graph">{render_svg(drawn)}</div>'
    yield '<div id="chosen" role="status"></div>'


def _programs(drawn: Picture, merged: Merged, report: AuditReport) -> Iterator[str]:
    """Yield the list of what was started, what fails first; programs alone, unless there are only libraries."""
    roots = [merged.images[key] for key in sorted(drawn.keys) if merged.images[key].root]
    chosen = [image for image in roots if image.file_type == "MH_EXECUTE"] or roots
    answers = _answers(report)
    groups: dict[bool | None, list[MergedImage]] = {}
    for image in chosen:
        groups.setdefault(answers.get(image.path, True), []).append(image)
    yield '<p class="scripted"><label for="program">Show one with all that it loads:</label>'
    yield '<select id="program"><option value="">(choose)</option>'
    for answer, words in _ANSWERS.items():
        if answer in groups:
            yield f'<optgroup label="{words}">'
            for image in groups[answer][:_MOST_NAMED]:
                yield f'<option value="image-{image.key}">{h(leaf(image.path))}</option>'
            yield "</optgroup>"
    yield "</select></p>"


def _answers(report: AuditReport) -> Mapping[str, bool | None]:
    """Return by path whether what was started does so everywhere: the worst of all its processes."""
    found: dict[str, bool | None] = {}
    for result in report.results:
        known = found.get(result.path, True)
        worse = result.launches is False or (result.launches is None and known is not False)
        found[result.path] = result.launches if worse else known
    return found


def _legend(drawn: Picture) -> Iterator[str]:
    kinds = {kind for node in drawn.nodes for kind in node.kinds} | {k for line in drawn.lines for k in line.kinds}
    for kind, words in (
        ("root", "starts a process"),
        ("os", "part of macOS"),
        ("missing", "missing"),
        ("absent", "absent, which a weak load allows"),
        ("unknown", "not known"),
        ("weak", "weak load"),
        ("reexport", "re-export"),
    ):
        if kind in kinds:
            yield f'<span><span class="swatch {kind}"></span>{words}</span>'
    yield "<span>An arrow leads from the image that asks to what it loads.</span>"
