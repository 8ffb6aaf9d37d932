"""Which reports an audit writes, in what form and where to: several at once, and what GitHub Actions asks for."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from machochain.model.audit import AuditReport
from machochain.model.errors import UsageError
from machochain.model.value import frozen
from machochain.report.context import RenderContext
from machochain.report.guard import guarded
from machochain.report.registry import no_such_format


@frozen
class Destination:
    """One report to write: its format, and the file; None for standard output."""

    format: str
    path: str | None


def parse_formats(
    texts: Sequence[str], *, output: str | None = None, as_json: bool = False, formats: Sequence[str]
) -> tuple[Destination, ...]:
    """Read the values of ``--format``, with ``-o`` and ``--json``: where to write what.

    ``-o FILE`` is the place of the one format that names none.

    Raises:
        UsageError: A format nobody knows; two for standard output, or for one file; ``-o`` without a format for it.
    """
    found = [_parse(text, formats) for text in texts]
    if as_json and not any(d.format == "json" for d in found):
        found.append(Destination("json", None))
    if not found:
        found.append(Destination(formats[0], None))
    open_ended = [d for d in found if d.path is None]
    if len(open_ended) > 1:
        names = " and ".join(d.format for d in open_ended)
        raise UsageError(f"{names} cannot all go to standard output: write --format {open_ended[-1].format}:FILE")
    if output is not None and output != "-":
        if not open_ended:
            raise UsageError("-o FILE is for a --format that names no file, and each does")
        found = [Destination(d.format, output if d.path is None else d.path) for d in found]
    files = [os.path.normpath(d.path) for d in found if d.path is not None]
    for file in files:
        if files.count(file) > 1:
            raise UsageError(f"two reports cannot be written to one file: {file}")
    return tuple(found)


def _parse(text: str, formats: Sequence[str]) -> Destination:
    name, colon, path = text.partition(":")
    if name not in formats:
        raise no_such_format(name, formats)
    if colon and not path:
        raise UsageError(f"--format {text}: a file name belongs behind the colon")
    return Destination(name, path if colon and path != "-" else None)


def render_context(
    environment: Mapping[str, str], cwd: str, *, source_root: str | None = None, anchor: str | None = None
) -> RenderContext:
    """Return what renderers need: options first, then what the pipeline says (GITHUB_WORKSPACE, SOURCE_DATE_EPOCH).

    Raises:
        UsageError: SOURCE_DATE_EPOCH is no number.
    """
    root = source_root
    workspace = environment.get("GITHUB_WORKSPACE", "").rstrip("/")
    if root is None and workspace and f"{cwd}/".startswith(f"{workspace}/"):
        root = workspace
    return RenderContext(cwd, os.path.join(cwd, root or ""), anchor, _epoch(environment))  # noqa: PTH118


def _epoch(environment: Mapping[str, str]) -> int | None:
    text = environment.get("SOURCE_DATE_EPOCH")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 11):
        raise UsageError(f"SOURCE_DATE_EPOCH is no number of seconds: {text!r}")
    return int(text)


def wants_annotations(environment: Mapping[str, str], flag: bool | None = None) -> bool:
    """Say whether to annotate: as ``--github/--no-github`` says, else if this runs in GitHub Actions."""
    return environment.get("GITHUB_ACTIONS") == "true" if flag is None else flag


def annotate(report: AuditReport, environment: Mapping[str, str], context: RenderContext) -> str:
    """Add the step summary to the file GITHUB_STEP_SUMMARY names, and return the annotations.

    They belong on standard error, where the runner reads workflow commands too, so that a report on standard output
    stays what it is.

    Raises:
        UsageError: The file cannot be written.
    """
    summary = environment.get("GITHUB_STEP_SUMMARY")
    if summary:
        from machochain.report.github import render_step_summary

        try:
            with Path(summary).open("a", encoding="utf-8") as file:
                file.write(guarded(render_step_summary(report), "markdown") + "\n")
        except OSError as error:
            raise UsageError(f"{summary}: cannot be written: {error.strerror}") from error
    from machochain.report.github import write

    return write(report, context)
