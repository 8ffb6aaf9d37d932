"""Every format of every document: the command line, help, tests and fuzzers go by this list.

To add a format: a module here with ``write(value, context)``, a row below, a line in docs/pipelines.md, a test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from machochain.model.errors import UsageError
from machochain.model.value import frozen

if TYPE_CHECKING:
    from machochain.report.context import RenderContext


class Document(Enum):
    """What can be written. The values are the types of what is written; of several values that of each."""

    RESOLUTION = "Report"
    EXPLANATIONS = "Explanation"
    INSPECTIONS = "Inspection"
    SCENARIOS = "Matrix"
    DIAGNOSES = "Diagnosis"
    AUDIT = "AuditReport"
    DIFF = "Diff"
    RULE = "Rule"
    REPAIR = "Repair"
    SOURCE = "SourceReport"
    DOCTOR = "Diagnosed"


@frozen
class Format:
    """One form of one document.

    Attributes:
        document: What is written.
        name: What ``--format`` calls it.
        home: ``module:function`` below `machochain.report`; the function takes the value and a `RenderContext` and
            returns the text, whole or in parts.
        purpose: Who reads it.
        materials: Whether it tells digests and what packages say of themselves, for which an audit has to be asked.
    """

    document: Document
    name: str
    home: str
    purpose: str
    materials: bool = False


_PEOPLE: Final = "people at a terminal"
_SCRIPTS: Final = "scripts; the schema is in [schema/](schema/audit-1.json)"
_BILL: Final = "a bill of materials (1.6) whose dependencies are the loads dyld follows"
_STREAMS: Final = "scripts that do not wait: the same documents, one a line, each as soon as its input is finished"
_STATEMENT: Final = "whoever has to know what was examined, with which answer, and what was not, in the manner of VEX"

FORMATS: Final = (
    Format(Document.RESOLUTION, "text", "text:write", _PEOPLE),
    Format(Document.RESOLUTION, "json", "resolution:write", _SCRIPTS),
    Format(Document.RESOLUTION, "dot", "graphs:write_dot", "Graphviz"),
    Format(Document.RESOLUTION, "mermaid", "graphs:write_mermaid", "Markdown pages"),
    Format(Document.RESOLUTION, "graphml", "graphs:write_graphml", "yEd, Gephi and other editors of graphs"),
    Format(Document.RESOLUTION, "node-link", "graphs:write_node_link", "networkx and D3"),
    Format(Document.RESOLUTION, "jsonl", "lines:write_resolutions", _STREAMS),
    Format(Document.EXPLANATIONS, "text", "explanation:write", _PEOPLE),
    Format(Document.EXPLANATIONS, "json", "explanation:write_json", _SCRIPTS),
    Format(Document.INSPECTIONS, "text", "inspection:write", _PEOPLE),
    Format(Document.INSPECTIONS, "json", "inspection:write_json", _SCRIPTS),
    Format(Document.INSPECTIONS, "jsonl", "lines:write_inspections", _STREAMS),
    Format(Document.SCENARIOS, "text", "scenario:write", _PEOPLE),
    Format(Document.SCENARIOS, "json", "scenario:write_json", _SCRIPTS),
    Format(Document.SCENARIOS, "markdown", "scenario:write_markdown", "issues and merge requests"),
    Format(Document.DIAGNOSES, "text", "diagnosis:write", _PEOPLE),
    Format(Document.DIAGNOSES, "json", "diagnosis:write_json", _SCRIPTS),
    Format(Document.AUDIT, "text", "audit_text:write", _PEOPLE),
    Format(Document.AUDIT, "json", "audit_json:write", _SCRIPTS),
    Format(Document.AUDIT, "jsonl", "lines:write_audits", _STREAMS),
    Format(Document.AUDIT, "sarif", "sarif:write", "GitHub code scanning and other SARIF readers"),
    Format(Document.AUDIT, "junit", "junit:write", "GitLab, Jenkins, and whatever else shows tests"),
    Format(Document.AUDIT, "github", "github:write", "annotations in GitHub Actions; on by itself there"),
    Format(Document.AUDIT, "markdown", "markdown:write", "comments on merge requests, issues"),
    Format(Document.AUDIT, "cyclonedx", "cyclonedx:write", _BILL, materials=True),
    Format(Document.AUDIT, "spdx", "spdx:write", "a bill of materials (2.3) for whoever takes SPDX", materials=True),
    Format(Document.AUDIT, "statement", "statement:write", _STATEMENT, materials=True),
    Format(Document.AUDIT, "html", "html:write", "one page that needs nothing else: verdict, findings, the load graph"),
    Format(Document.DIFF, "text", "diff:write", _PEOPLE),
    Format(Document.DIFF, "json", "diff:write_json", _SCRIPTS),
    Format(Document.DIFF, "markdown", "diff:write_markdown", "release notes, merge requests"),
    Format(Document.REPAIR, "text", "repair:write", _PEOPLE),
    Format(Document.REPAIR, "json", "repair:write_json", _SCRIPTS),
    Format(Document.SOURCE, "text", "source:write", _PEOPLE),
    Format(Document.SOURCE, "json", "source_json:write_json", _SCRIPTS),
    Format(Document.SOURCE, "sarif", "source:write_sarif", "GitHub code scanning: results stand at the source's line"),
    Format(Document.SOURCE, "dot", "source:write_dot", "Graphviz: who asks for what, and which file serves it"),
    Format(Document.DOCTOR, "text", "doctor:write", _PEOPLE),
    Format(Document.DOCTOR, "json", "doctor:write_json", _SCRIPTS),
    Format(Document.RULE, "text", "audit_text:write_rule", _PEOPLE),
    Format(Document.RULE, "json", "audit_text:write_rule_json", _SCRIPTS),
)


def formats(document: Document) -> tuple[str, ...]:
    """Return the names of a document's formats, the default first."""
    return tuple(each.name for each in FORMATS if each.document is document)


def wants_materials(document: Document, names: Iterable[str]) -> bool:
    """Whether one of some formats tells what an audit has to be asked for (`AuditReport.materials`)."""
    chosen = set(names)
    return any(each.materials for each in FORMATS if each.document is document and each.name in chosen)


def document_of(value: object) -> Document:
    """Say which document a value is: a report, or several explanations, inspections, or matrices, or a diagnosis.

    Raises:
        UsageError: It is none; of nothing nobody can tell what it is.
    """
    sample = value
    if isinstance(value, Iterable) and type(value).__name__ not in _REPORTS:
        sample = next(iter(value), None)
    try:
        return Document(type(sample).__name__)
    except ValueError:
        raise UsageError(f"nothing that can be rendered: {type(value).__name__}") from None


_REPORTS: Final = frozenset(document.value for document in Document)


def render(
    value: object, form: str, context: RenderContext | None = None, *, document: Document | None = None
) -> str | Iterable[str]:
    """Write a value in one of the formats of its document.

    Args:
        value: What was found out.
        form: The name of the format.
        context: Where it will be read.
        document: What it is; by default its type says so, but nothing says it of an empty list.

    Returns:
        The text, or its parts one after the other where it may be too large to be held as a whole.

    Raises:
        UsageError: No such format.
    """
    known = document or document_of(value)
    found = next((each for each in FORMATS if each.document is known and each.name == form), None)
    if found is None:
        raise no_such_format(form, formats(known))
    module, _, function = found.home.partition(":")
    write: Callable[[Any, RenderContext], str | Iterable[str]]
    write = getattr(import_module(f"machochain.report.{module}"), function)
    if context is None:
        from machochain.report.context import RenderContext  # noqa: PLC0415  # nobody else needs one before

        context = RenderContext()
    return write(value, context)


def no_such_format(form: str, known: Iterable[str]) -> UsageError:
    """Return the error that names what was probably meant."""
    from difflib import get_close_matches  # noqa: PLC0415  # most runs make no mistake

    names = list(known)
    close = get_close_matches(form, names, 1)
    hint = f"; did you mean {close[0]}?" if close else f"; there are {', '.join(names)}"
    return UsageError(f"no such format: {form!r}{hint}")
