"""What was found out about a Go module's sources, as JSON (schema ``machochain.source/1``)."""

from __future__ import annotations

import json
from typing import Any, Final

from machochain.report.context import RenderContext
from machochain.report.resolution import finding_fields, tool
from machochain.source.built import BuiltProgram
from machochain.source.values import (
    BuildTarget,
    FlagWord,
    Link,
    PackageFacts,
    PathState,
    Search,
    SourcePosition,
    SourceReport,
)

SOURCE_SCHEMA: Final = "machochain.source/1"


def write_json(report: SourceReport, _: RenderContext) -> str:
    """Return the document (schema ``machochain.source/1``)."""
    return json.dumps(source_document(report), indent=2) + "\n"


def source_document(report: SourceReport) -> dict[str, Any]:
    """Return the document as plain values."""
    module = report.module
    return {
        "schema": SOURCE_SCHEMA,
        "tool": tool(),
        "module": {
            "path": module.path, "dir": module.directory, "go": module.go or None,
            "toolchain": module.toolchain or None, "vendored": module.vendored, "workspace": module.workspace,
        },
        "targets": [_target_fields(t) for t in report.targets],
        "packages": [
            _package_fields(target, facts) for target, ps in report.packages.items() for facts in ps.values()
        ],
        "search": [_search_fields(s) for s in report.searches],
        "link": [_link_fields(link) for link in report.links],
        "vendor": {
            "lost": [
                {"module": x.module, "file": x.file, "needed": x.need.value, "by": _by(x.package, x.place)}
                for x in report.lost
            ]
        },
        "not_in_module_zip": [
            {"module": x.module, "path": x.path, "why": x.why.name.lower(), "by": _by(x.package, x.place)}
            for x in report.uncarried
        ],
        "binary": None if report.binary is None else _binary_fields(report.binary),
        "outside_cache_key": {package: list(files) for package, files in report.outside.items()},
        "skipped": [{"rule": rule, "why": why} for rule, why in report.skipped.items()],
        "notes": list(report.notes),
        "findings": [finding_fields(f) for f in report.findings],
    }  # fmt: skip


def _binary_fields(program: BuiltProgram) -> dict[str, Any]:
    return {
        "path": program.file,
        "slices": [
            {
                "target": target,
                "package": held.package,
                "test": held.test,
                "run_paths": [{"path": path, "origin": origin.value} for path, origin in held.origins],
                "unknown_libraries": list(held.unseen),
            }
            for target, held in program.held.items()
        ],
        "skipped": [{"target": target, "why": why} for target, why in program.skipped.items()],
    }


def _target_fields(target: BuildTarget) -> dict[str, Any]:
    return {
        "target": target.name,
        "goos": target.goos,
        "goarch": target.goarch,
        "go": f"1.{target.minor}",
        "go_from": target.go,
        "tags": sorted(t for t in target.context.tags if not t.startswith("go1.")),
        "mode": target.mode.value,
        "mode_assumed": target.mode_assumed,
        "cc": list(target.cc),
        "sdk": target.sdk,
    }


def _word_fields(word: FlagWord) -> dict[str, Any]:
    return {
        "word": word.text, "origin": word.origin.value, "file": word.place.file or None,
        "line": word.place.line or None, "condition": word.condition or None,
    }  # fmt: skip


def _package_fields(target: str, facts: PackageFacts) -> dict[str, Any]:
    kind = "main" if facts.main else "library"
    return {
        "target": target,
        "path": facts.path,
        "dir": facts.directory,
        "kind": kind,
        "module": facts.module or None,
        "own": facts.own,
        "vendored": facts.vendored,
        "cgo_files": list(facts.files.get("CgoFiles", ())),
        "c_files": [f for key in ("CFiles", "CXXFiles", "MFiles", "SFiles") for f in facts.files.get(key, ())],
        "tests": facts.tests,
        "imports": list(facts.imports),
        "unknown_imports": list(facts.unknown_imports),
        "flags": {
            verb: [_word_fields(w) for w in words]
            for verb, words in facts.words.items()
            if verb != "compiler" and words
        },
        "refused": [
            {"verb": verb, "words": list(r.words), "message": r.message, "file": p.file, "line": p.line or None}
            for verb, r, p in facts.refused
        ],
        "error": facts.problems[0].text if facts.problems else None,
    }


def _by(package: str, place: SourcePosition) -> list[Any]:
    return [package, place.file or None, place.line or None]


def _search_fields(search: Search) -> dict[str, Any]:
    facts = search.facts
    return {
        "target": search.target,
        "kind": search.kind.value,
        "name": search.name,
        "wanted_by": _by(search.package, search.place),
        "certain": search.certain,
        "outcome": search.outcome.value,
        "winner": search.winner,
        "facts": {
            "arch": list(facts.archs), "install_name": facts.install_name, "version": facts.version,
            "static": facts.static,
        },
        "tried": [{"path": t.path, "reason": t.state.value, "origin": t.origin} for t in search.tried],
        "shadowed": [path for path, _ in search.shadowed]
        or [t.path for t in search.tried if t.state is PathState.SHADOWED],
        "part_of_macos": search.by_system,
    }  # fmt: skip


def _link_fields(link: Link) -> dict[str, Any]:
    result = link.result
    return {
        "target": link.target,
        "program": link.program,
        "test": link.test,
        "external": link.external,
        "words": [{**_word_fields(w), "package": w.package} for w in link.words],
        "loads": [{"name": name, "weak": weak} for name, weak in link.loads],
        "run_paths": [{"path": r.path, "origin": r.origin.value, "package": r.package} for r in link.run_paths],
        "static": list(link.static),
        "complete": link.complete,
        "unknowns": list(link.unknowns),
        "launches": None if result is None else result.launches,
        "message": None if result is None else result.message,
    }
