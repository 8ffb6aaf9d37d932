"""What was found out about a Go module's sources: text, SARIF at file and line, DOT of the search, one chain."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any, Final

from machochain._version import __version__
from machochain.findings import RULES
from machochain.model.paths import printable
from machochain.model.result import Finding, Severity
from machochain.report.context import RenderContext
from machochain.report.sarif import relative_uri
from machochain.report.sarif import rule_fields as sarif_rule
from machochain.report.style import Style
from machochain.source.built import BuiltProgram
from machochain.source.values import (
    BuildTarget,
    FlagOrigin,
    FlagWord,
    Kind,
    Link,
    Mode,
    PackageFacts,
    PathState,
    Search,
    SearchOutcome,
    SourcePosition,
    SourceReport,
)

_STYLES: Final = {Severity.ERROR: "bad", Severity.WARNING: "doubt", Severity.INFO: "dim"}
_FLAGS: Final = {Kind.LIBRARY: "-l", Kind.FRAMEWORK: "-framework "}
_MARKS: Final = {
    PathState.WINNER: ("✔", "+", "good"),
    PathState.IN_SDK: ("✔", "+", "good"),
    PathState.SHADOWED: ("○", "o", "doubt"),
    PathState.ABSENT: ("✘", "x", "dim"),
    PathState.NO_DIRECTORY: ("✘", "x", "dim"),
    PathState.UNSEEN: ("?", "?", "doubt"),
}
_MODES: Final = {
    Mode.SHIM: "Apple's clang by xcrun, no SDK named",
    Mode.SDK: "Apple's clang with an SDK named",
    Mode.CLANG: "another clang",
    Mode.CROSS: "a cross compiler",
}

_ORIGINS: Final = {
    "source": "#cgo or pkg-config: every build has it",
    "environment": "CGO_LDFLAGS of its build",
    "flags": "-ldflags of its build",
    "unknown": "nothing that was read gives it",
}


def shown_name(search: Search) -> str:
    """Return ``stdio.h``, ``-lssl`` or ``-framework Security``."""
    return f"{_FLAGS.get(search.kind, '')}{search.name}"


# -- text --


def write(report: SourceReport, context: RenderContext) -> str:
    """Return the text."""
    return "\n".join(_text(report, context.style)) + "\n"


def _text(report: SourceReport, style: Style) -> Iterator[str]:
    yield _headline(report, style)
    yield from _findings(report.findings, style)
    for target in report.targets:
        yield ""
        yield from _target(report, target, style)
    if report.binary is not None:
        yield from _binary(report.binary, style)
    unknown = [s for s in report.searches if s.outcome is SearchOutcome.UNKNOWN and s.certain]
    macros = list(dict.fromkeys(f"{s.name} ({_place(s.place, report)})" for s in unknown if s.computed))
    unknown = [s for s in unknown if not s.computed]
    if macros:
        more = f" and {len(macros) - 3} more" if len(macros) > 3 else ""
        text = f"not known: which header is included by the macro {', '.join(map(printable, macros[:3]))}{more}"
        yield ""
        yield from textwrap.wrap(text, style.width, subsequent_indent="  ", break_on_hyphens=False)
    if unknown:
        names = list(dict.fromkeys(shown_name(s) for s in unknown))
        more = f" and {len(names) - 4} more" if len(names) > 4 else ""
        yield ""
        text = (
            f"not known: where {', '.join(map(printable, names[:4]))}{more} "
            f"{'comes' if len(names) == 1 else 'come'} from, as not every directory was seen: --sdk DIR names an SDK, "
            "--map or --root what else lies on the Mac"
        )
        yield from textwrap.wrap(text, style.width, subsequent_indent="  ", break_on_hyphens=False)
    if style.verbose and report.skipped:
        yield ""
        yield "not asked, or not of everything:"
        for rule, why in sorted(report.skipped.items()):
            yield from textwrap.wrap(
                f"{rule}: {printable(why)}", style.width, initial_indent="  ", subsequent_indent="    ",
                break_on_hyphens=False,
            )  # fmt: skip
    for note in report.notes:
        yield from textwrap.wrap(printable(note), style.width, subsequent_indent="  ", break_on_hyphens=False)


def _headline(report: SourceReport, style: Style) -> str:
    module = report.module
    cgo = {p.path for packages in report.packages.values() for p in packages.values() if p.cgo}
    words = [style.paint(printable(module.path or module.directory), "bold")]
    words.append(f"go {module.go}" if module.go else "no go line")
    words.append(f"{len(cgo)} package{'' if len(cgo) == 1 else 's'} with cgo")
    if module.vendored:
        words.append("vendored")
    if module.workspace:
        words.append("in a workspace")
    return "  ".join(words)


def _findings(findings: Sequence[Finding], style: Style) -> Iterator[str]:
    floor = Severity.INFO.rank if style.verbose else Severity.WARNING.rank
    for finding in sorted(findings, key=lambda f: -f.severity.rank):
        if finding.severity.rank < floor:
            continue
        yield ""
        label, tone = f"{finding.severity.value}[{finding.rule}]", _STYLES[finding.severity]
        yield from style.wrap(label, tone, printable(finding.message), url=finding.url)
        if finding.remedy:
            yield "  fix:"
            yield from ("    " + printable(step) for step in finding.remedy)
    hidden = sum(f.severity.rank < floor for f in findings)
    if hidden:
        yield ""
        yield style.paint(f"{hidden} {'note' if hidden == 1 else 'notes'} not shown (-v shows them)", "dim")


def _target(report: SourceReport, target: BuildTarget, style: Style) -> Iterator[str]:
    release = f"Go 1.{target.minor} ({target.go})"
    assumed = ", assumed" if target.mode_assumed else ""
    sdk = printable(target.sdk) if target.sdk else "not known"
    yield f"{style.paint(target.name, 'bold')}  {release}  {_MODES[target.mode]}{assumed}  SDK {sdk}"
    packages = report.packages.get(target.name, {})
    for facts in packages.values():
        if facts.cgo or (style.verbose and facts.lines):
            yield from _package(report, target, facts, style)
    links = [link for link in report.links if link.target == target.name and (link.external or style.verbose)]
    bare = [link for link in links if not style.verbose and not _has_something_to_tell(link)]
    for link in links:
        if len(bare) <= _FEW or link not in bare:
            yield from _link(link, style)
    if len(bare) > _FEW:
        tests = sum(link.test for link in bare)
        programs = len(bare) - tests
        told = [f"{programs} program{'' if programs == 1 else 's'}"] * bool(programs)
        told += [f"{tests} test binar{'y' if tests == 1 else 'ies'}"] * bool(tests)
        more = "" if len(bare) == len(links) else " more"
        yield f"  {' and '.join(told)}{more}: {style.paint(_NOT_LINKED, 'doubt')} (-v names them)"


def _package(report: SourceReport, target: BuildTarget, facts: PackageFacts, style: Style) -> Iterator[str]:
    mine = [s for s in report.searches if s.package == facts.path and s.target == target.name]
    counts: dict[Kind, list[int]] = {}
    for search in mine:
        tally = counts.setdefault(search.kind, [0, 0, 0])
        tally[(SearchOutcome.FOUND, SearchOutcome.MISSING, SearchOutcome.UNKNOWN).index(search.outcome)] += 1
    flags = sum(len(facts.words.get(v, ())) for v in ("CPPFLAGS", "CFLAGS", "CXXFLAGS", "LDFLAGS", "pkg-config"))
    words = [f"{flags} flag{'' if flags == 1 else 's'}"]
    for kind, (found, missing, unknown) in counts.items():
        noun = {Kind.HEADER: "header", Kind.LIBRARY: "library", Kind.FRAMEWORK: "framework", Kind.FILE: "file"}
        name = noun.get(kind, ".pc file")
        plural = {"library": "libraries"}.get(name, f"{name}s")
        total = found + missing + unknown
        rest = [f"{missing} missing"] * bool(missing) + [f"{unknown} unknown"] * bool(unknown)
        words.append(f"{total} {name if total == 1 else plural}" + (f" ({', '.join(rest)})" if rest else ""))
    yield f"  {printable(facts.path)}: {', '.join(words)}"
    if not style.verbose:
        return
    for verb in ("CPPFLAGS", "CFLAGS", "CXXFLAGS", "LDFLAGS", "pkg-config --libs"):
        for word in facts.words.get(verb, ()):
            yield f"      {verb}: {printable(word.text)}  [{printable(_said(word))}]"
    for search in mine:
        yield from ("      " + line for line in _one_line(search, style))
        if style.verbose > 1:
            yield from ("        " + line for line in _chain(search, style))


def _said(word: FlagWord) -> str:
    from machochain.source.chain import said_by  # noqa: PLC0415  # only with -v

    return said_by(word)


def _one_line(search: Search, style: Style) -> Iterator[str]:
    state = {
        SearchOutcome.FOUND: PathState.WINNER,
        SearchOutcome.MISSING: PathState.ABSENT,
        SearchOutcome.UNKNOWN: PathState.UNSEEN,
    }[search.outcome]  # fmt: skip
    mark = _MARKS[state][0 if style.unicode else 1]
    kind = {SearchOutcome.FOUND: "good", SearchOutcome.MISSING: "bad", SearchOutcome.UNKNOWN: "doubt"}[search.outcome]
    after = f" {style.arrow} {printable(search.winner)}" if search.winner else ""
    if search.outcome is SearchOutcome.FOUND and not search.winner:
        after = f" {style.arrow} the compiler's own"
    perhaps = "" if search.certain else " (perhaps included)"
    yield f"{style.paint(mark, kind)} {printable(shown_name(search))}{perhaps}{after}"


_FEW: Final = 5
"""Programs of which nothing but that they are not linked can be told, and that are named all the same."""
_NOT_LINKED: Final = "? launch unknown until linked"


def _has_something_to_tell(link: Link) -> bool:
    """Whether the report on a program has more than its verdict."""
    outside = any(not path.startswith(("/usr/lib/", "/System/")) for path, _ in link.loads)
    failed = link.result is not None and link.result.message is not None
    return outside or bool(link.run_paths) or bool(link.static) or failed


def _link(link: Link, style: Style) -> Iterator[str]:
    name = printable(link.program) + (" (test)" if link.test else "")
    launches = link.result.launches if link.result is not None else None
    verdict = style.paint("✘ will not launch" if style.unicode else "x will not launch", "bad")
    if launches is not False:
        verdict = style.paint(_NOT_LINKED, "doubt")
    yield f"  {name}: {verdict}"
    for path, weak in link.loads:
        if style.verbose or not path.startswith(("/usr/lib/", "/System/")):
            yield f"      loads {printable(path)}{' (weak)' if weak else ''}"
    for run_path in {r.path: r for r in link.run_paths}.values():
        whose = printable(run_path.package)
        origin = "environment" if run_path.origin is FlagOrigin.ENVIRONMENT else f"{run_path.origin.value} of {whose}"
        yield f"      run path {printable(run_path.path)}  [{origin}]"
    for path in link.static:
        yield f"      holds {printable(path)}"
    if link.result is not None and link.result.message is not None:
        yield "      dyld will say:"
        yield from (f"        {printable(line)}" for line in link.result.message.split("\n"))


def _binary(program: BuiltProgram, style: Style) -> Iterator[str]:
    """Yield whose package a program is, and where each of its run paths comes from."""
    for target, held in program.held.items():
        yield ""
        kind = "the test binary of" if held.test else "built from"
        yield f"{style.paint(printable(program.file), 'bold')}  {target}  {kind} {printable(held.package)}"
        for path, origin in held.origins:
            yield f"  run path {printable(path)}  [{_ORIGINS[origin.value]}]"
        if not held.origins:
            yield "  no run path"
    for target, why in program.skipped.items():
        yield ""
        yield f"{style.paint(printable(program.file), 'bold')}  {target}  not compared: {printable(why)}"


def _chain(search: Search, style: Style) -> Iterator[str]:
    for number, tried in enumerate(search.tried, 1):
        mark, plain, kind = _MARKS[tried.state]
        sign = style.paint(mark if style.unicode else plain, kind)
        yield f"{number:3} {sign} {printable(tried.path)}: {tried.state.value}  [{printable(tried.origin)}]"


def chain_of(report: SourceReport, name: str, style: Style) -> str | None:
    """Return where one header, library, framework or package of pkg-config comes from; None if nothing asks for it."""
    wanted = name.strip()
    found = [
        s for s in report.searches
        if wanted in (s.name, shown_name(s), f"pkg-config: {s.name}", f"-framework={s.name}")
        or (s.kind is Kind.HEADER and s.name.rpartition("/")[2] == wanted)
    ]  # fmt: skip
    if not found:
        return None
    lines: list[str] = []
    told: dict[tuple[Any, ...], list[Search]] = {}
    for search in found:
        key = (search.kind, search.name, search.winner, search.tried, search.package, search.place)
        told.setdefault(key, []).append(search)
    for group in told.values():
        first = group[0]
        lines.append("")
        targets = ", ".join(s.target for s in group)
        place = f" at {_place(first.place, report)}" if first.place.file else ""
        lines.append(
            f"{style.paint(printable(shown_name(first)), 'bold')}  {targets}  for {printable(first.package)}{place}"
        )
        if not first.certain:
            lines.append("  perhaps: a condition around the include is not known")
        lines += ["  " + line for line in _chain(first, style)]
        if len({t.package for t in first.tried if t.package}) > 1:
            lines.append("  which package's directories come first is not certain without go list")
        if first.computed:
            lines.append("  the macro's value is not known")
        elif not first.tried:
            lines.append("  the compiler brings it" if first.outcome is SearchOutcome.FOUND else "  nothing was tried")
        lines += ["  " + line for line in _answer(first, style)]
    return "\n".join(lines[1:]) + "\n"


def _answer(search: Search, style: Style) -> Iterator[str]:
    if search.outcome is SearchOutcome.FOUND and search.winner:
        facts = search.facts
        known = [f"architectures {', '.join(facts.archs)}"] * bool(facts.archs)
        known += [f"install name {printable(facts.install_name)}"] if facts.install_name else []
        known += [f"version {facts.version}"] * bool(facts.version)
        known += ["static"] * facts.static
        unless = ", unless a directory nobody saw has it" if search.doubtful else ""
        detail = f" ({'; '.join(known)})" if known else ""
        yield style.paint(f"taken{unless}", "doubt" if unless else "good") + f": {printable(search.winner)}{detail}"
    elif search.outcome is SearchOutcome.MISSING:
        yield style.paint("nowhere", "bad") + ": every directory was seen"
    elif search.outcome is SearchOutcome.UNKNOWN:
        why = "a macro names it" if search.computed else "not every directory was seen"
        yield style.paint("not known", "doubt") + f": {why}"


def _place(place: SourcePosition, report: SourceReport) -> str:
    name = place.file.removeprefix(f"{report.module.directory.rstrip('/')}/")
    return printable(f"{name}:{place.line}" if place.line else name)


# -- SARIF --

_LEVELS: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}


def write_sarif(report: SourceReport, context: RenderContext) -> str:
    """Return a SARIF log whose results stand at the line of the source."""
    index = {rule: number for number, rule in enumerate(RULES)}
    results = []
    for finding in report.findings:
        file = str(finding.evidence.get("file") or f"{report.module.directory}/go.mod")
        region = {"startLine": int(finding.evidence.get("line") or 1)}
        uri = relative_uri(file, source_root=context.source_root, cwd=context.cwd)
        text = finding.message + "".join(f"\n{step}" for step in finding.remedy)
        results.append(
            {
                "ruleId": finding.rule,
                "ruleIndex": index[finding.rule],
                "level": _LEVELS[finding.severity],
                "message": {"text": printable_block(text)},
                "locations": [
                    {"physicalLocation": {"artifactLocation": {"uri": uri}, "region": region}},
                ],
            }
        )
    driver = {"name": "machochain", "semanticVersion": __version__, "rules": [sarif_rule(r) for r in RULES.values()]}
    log = {
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results, "columnKind": "utf16CodeUnits"}],
    }
    return json.dumps(log, indent=2) + "\n"


def printable_block(text: str) -> str:
    """Return several lines, each without control characters."""
    return "\n".join(printable(line) for line in text.split("\n"))


# -- DOT --


def write_dot(report: SourceReport, _: RenderContext) -> str:
    """Return the search as a graph: packages, what they ask for, and the files that serve it."""
    lines = ["digraph source {", "  rankdir=LR;", "  node [shape=box, fontname=Helvetica];"]
    seen: set[str] = set()
    for search in report.searches:
        package, name = f"p {search.package}", f"{search.kind.value} {search.name}"
        if package not in seen:
            seen.add(package)
            lines.append(f"  {_dot(package)} [label={_dot(search.package)}, style=bold];")
        if name not in seen:
            seen.add(name)
            colour = {SearchOutcome.FOUND: "black", SearchOutcome.MISSING: "red", SearchOutcome.UNKNOWN: "orange"}[
                search.outcome
            ]
            lines.append(f"  {_dot(name)} [label={_dot(shown_name(search))}, shape=ellipse, color={colour}];")
        for edge in (
            f"  {_dot(package)} -> {_dot(name)}{'' if search.certain else ' [style=dashed]'};",
            *([f"  {_dot(name)} -> {_dot(search.winner)};"] if search.winner else []),
            *(f"  {_dot(name)} -> {_dot(path)} [style=dotted, label=shadowed];" for path, _ in search.shadowed),
        ):
            if edge not in seen:
                seen.add(edge)
                lines.append(edge)
    return "\n".join([*lines, "}"]) + "\n"


def _dot(text: str) -> str:
    return '"' + printable(text).replace("\\", "\\\\").replace('"', '\\"') + '"'
