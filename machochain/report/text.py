"""Plain text for people: the verdict first, then the tree, dyld's words, the paths it tried, the way out."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from machochain.dyld.profile import NEWEST, is_unread
from machochain.graph.answers import Report
from machochain.graph.loadgraph import LoadGraph
from machochain.model.errors import InputError
from machochain.model.execution import ExecOutcome, ExecVerdict, Launcher
from machochain.model.paths import leaf, printable, printable_lines
from machochain.model.result import Finding, Load, LoadedImage, Origin, Outcome, Result, Severity
from machochain.model.search import Attempt, Candidate, SearchRule
from machochain.model.version import Version
from machochain.report.context import RenderContext
from machochain.report.coverage import coverage_words, passed_over_lines
from machochain.report.style import Style

MAX_LISTED = 12
"""Processes that are fine and get a line of their own before the rest is counted."""
_SEVERITY_STYLE = {Severity.ERROR: "bad", Severity.WARNING: "doubt", Severity.INFO: "dim"}


def verdict(result: Result, style: Style) -> str:
    """Return the verdict in words."""
    mark = ("✔ ", "✘ ", "? ") if style.unicode else ("", "", "")
    library = result.file_type != "MH_EXECUTE"
    if result.launches:
        translated = result.execution is not None and result.execution.translated
        words = "launches with Rosetta" if translated else "launches"
        return style.paint(mark[0] + ("loads" if library else words), "good")
    if result.launches is None:
        return style.paint(mark[2] + "unknown", "doubt")
    execution = result.execution
    if execution is not None and execution.starts is False:
        return style.paint(mark[1] + kernel_words(execution), "bad")
    return style.paint(mark[1] + ("does not load" if library else "does not launch"), "bad")


def kernel_words(found: ExecVerdict) -> str:
    """Return what the kernel does and why: ``killed by the kernel: arm64 code without a signature``."""
    if found.outcome is ExecOutcome.UNKNOWN:
        return f"not known: {printable(found.why)}"
    verb = "refused" if found.outcome is ExecOutcome.REFUSED else "killed"
    since = f" (macOS {_release(found.since)} and newer)" if found.since is not None else ""
    until = f" (before macOS {_release(found.until)})" if found.until is not None else ""
    return f"{verb} by the kernel: {printable(found.why)}{since}{until}"


def _release(version: Version) -> str:
    return str(version).removesuffix(".0")


def launcher_words(found: ExecVerdict) -> str:
    """Return what the one who starts the program is told."""
    return (found.spawn_text if found.launcher is Launcher.SPAWN else found.shell_text) or ""


def render_resolution(results: Sequence[Result], errors: Iterable[InputError], style: Style) -> str:
    """Return the text of ``resolve``."""
    lines: list[str] = []
    groups = _by_process(results)
    brief = len(groups) > 1 and not style.verbose
    folded = 0
    for group in groups:
        good = all(r.launches for r in group)
        if brief and good:
            folded += 1
            if folded > MAX_LISTED:
                continue
        if lines and not (brief and good):
            lines.append("")
        lines += _process(group, style, short=brief and good)
    if folded > MAX_LISTED:
        lines.append(style.paint(f"and {folded - MAX_LISTED} more that are fine (-v lists them)", "dim"))
    findings = [f for result in results for f in result.findings]
    lines += _findings(findings, style)
    for error in errors:
        lines.append(style.paint(f"cannot read {printable(str(error))}", "bad"))
    if len(results) > 1:
        lines += ["", _summary(results, style)]
    return "\n".join(lines) + "\n"


def _by_process(results: Sequence[Result]) -> list[list[Result]]:
    """Group the results that differ only in the modelled release; an input that was named twice is two processes."""
    groups: dict[tuple[str, str, int], list[Result]] = {}
    named: Counter[tuple[str, str, Version]] = Counter()
    for result in results:
        again = (result.input, result.arch, result.macos)
        groups.setdefault((result.input, result.arch, named[again]), []).append(result)
        named[again] += 1
    return list(groups.values())


def _process(group: Sequence[Result], style: Style, *, short: bool) -> Iterator[str]:
    """Yield one process: on one release its tree and dyld's words, on several where it launches and where not."""
    if len(group) == 1:
        yield _headline(group[0], style)
        yield from _stand_in(group, style)
        if not short:
            yield from _refused(group[0], style)
            yield from _tree(group[0], style)
            yield from _predicted(group[0])
            yield from _why(group[0], style)
        return
    first = group[0]
    yield "  ".join([style.paint(printable(first.input), "bold"), first.arch])
    rising = sorted(group, key=lambda r: r.macos)
    yield from _wrapped(reach(rising), "  ", style)
    yield from _stand_in(rising, style)
    spans: list[list[Result]] = []
    for result in rising:
        if spans and _same_answer(spans[-1][-1], result):
            spans[-1].append(result)
        else:
            spans.append([result])
    for span in spans:
        low, high = span[0].macos, span[-1].macos
        releases = f"macOS {low}" if low == high else f"macOS {low} to {high}"
        yield f"  {releases:<22}{verdict(span[0], style)}"
        execution = span[0].execution
        if execution is not None and execution.starts is False:
            if launcher_words(execution):
                yield "      " + printable(launcher_words(execution))
        elif span[0].message is not None:
            yield from ("      " + line for line in printable_lines(span[0].message))
        elif span[0].launches is None:
            for each in span[0].unknowns:
                yield from _wrapped(printable(each.text), "      - ", style)


def _stand_in(group: Sequence[Result], style: Style) -> Iterator[str]:
    """Say where the rules of an older release were taken, because nobody has read those of a newer one."""
    unread = next((r.macos for r in group if is_unread(r.macos)), None)
    if unread is not None:
        words = f"for macOS {unread.major}, whose dyld nobody has read, the rules of macOS {NEWEST} stand in"
        yield "  " + style.paint(words, "dim")


def reach(rising: Sequence[Result]) -> str:
    """Say in one sentence from which release on a process launches, and how sure that is.

    Args:
        rising: Results of one process, oldest release first.
    """
    verb = "launches" if rising[0].file_type == "MH_EXECUTE" else "loads"
    bare = verb.removesuffix("es") if verb == "launches" else verb.removesuffix("s")
    low, high = rising[0].macos, rising[-1].macos
    verdicts = [r.launches for r in rising]
    if len(set(verdicts)) == 1:
        words = {True: f"{verb} on all", False: f"{verb} on none", None: f"not known whether it {verb} on any"}
        return f"{words[verdicts[0]]} of the releases looked at, macOS {low} to {high}"
    # What counts is the newest run of each kind: [… False …] [… None …] True … True
    sure = len(verdicts)
    while sure and verdicts[sure - 1]:
        sure -= 1
    perhaps = sure
    while perhaps and verdicts[perhaps - 1] is not False:
        perhaps -= 1
    if perhaps == len(verdicts):
        good = [str(r.macos) for r in rising if r.launches]
        if good:
            return f"{verb} on macOS {', '.join(good)} only; does not {bare} on macOS {high}"
        open_ones = [str(r.macos) for r in rising if r.launches is None]
        return (
            f"does not {bare} on any of the releases looked at but macOS {', '.join(open_ones)}, where it is not known"
        )
    before = f"; does not {bare} on macOS {rising[perhaps - 1].macos}" if perhaps else ""
    if sure == len(verdicts):
        return f"not known whether it {verb} on macOS {rising[perhaps].macos} and newer{before}"
    open_ones = [str(r.macos) for r in rising[perhaps:sure] if r.launches is None]
    doubt = f"; not known for macOS {', '.join(open_ones)}" if open_ones else ""
    return f"{verb} from macOS {rising[sure].macos} on{doubt}{before}"


def _same_answer(one: Result, other: Result) -> bool:
    return (one.launches, one.message, one.unknowns, _kernel(one)) == (
        other.launches,
        other.message,
        other.unknowns,
        _kernel(other),
    )


def _refused(result: Result, style: Style) -> Iterator[str]:
    """Yield what the launcher is told where the kernel refuses, what to do, and the heading of the tree below."""
    found = result.execution
    if found is None or found.starts is not False:
        return
    if launcher_words(found):
        yield "  " + printable(launcher_words(found))
    cause = next((f for f in result.findings if f.severity is Severity.ERROR and f.remedy), None)
    if cause is not None:
        yield "  fix: " + printable(cause.remedy[0])
    yield ""
    yield "  " + style.paint("dyld would load", "dim")


def _kernel(result: Result) -> tuple[object, ...]:
    found = result.execution
    return () if found is None else (found.outcome, found.rule, found.why)


def _headline(result: Result, style: Style) -> str:
    words = [style.paint(printable(result.input), "bold"), result.arch, f"macOS {result.macos}"]
    if result.hardened:
        words.append("hardened")
    if result.prediction is not None:
        words.append("predicted")
    return "  ".join([*words, verdict(result, style)])


def _summary(results: Sequence[Result], style: Style) -> str:
    good = sum(r.launches is True for r in results)
    bad = sum(r.launches is False for r in results)
    doubt = len(results) - good - bad
    parts = [f"{len(results)} processes"]
    parts += [style.paint(f"{good} ok", "good")] if good else []
    parts += [style.paint(f"{bad} fail", "bad")] if bad else []
    parts += [style.paint(f"{doubt} unknown", "doubt")] if doubt else []
    return parts[0] + ": " + ", ".join(parts[1:])


def _tree(result: Result, style: Style) -> Iterator[str]:
    """Yield the load tree; OS libraries of one image are folded into one line unless asked for.

    What the program loads at run time (a plug-in that was resolved for it) is a tree of its own below.
    """
    graph = LoadGraph(result)
    branch, last, down, nothing = style.guides
    shown = {0}

    def children(image: LoadedImage) -> list[Load | int]:
        loads = graph.loads_of(image.id)
        if style.verbose:
            return list(loads)
        visible: list[Load | int] = [x for x in loads if not _is_system(result, x)]
        hidden = len(loads) - len(visible)
        return [*visible, hidden] if hidden else visible

    stack: list[tuple[str, Load | int, bool]] = []

    def push(image: LoadedImage, indent: str) -> None:
        below = children(image)
        stack.extend((indent, item, i == 0) for i, item in enumerate(reversed(below)))

    asked_for = {load.to for load in result.loads}
    for root in result.images:
        if root.id and (root.id in asked_for or root.origin is not Origin.DISK):
            continue
        note = "  " + style.paint(f"[loaded by {printable(leaf(result.images[0].path))} when it runs]", "dim")
        yield "  " + printable(leaf(root.path)) + (note if root.id else "")
        shown.add(root.id)
        push(root, "  ")
        while stack:
            indent, item, is_last = stack.pop()
            guide = last if is_last else branch
            if isinstance(item, int):
                yield f"{indent}{guide}" + style.paint(f"{item} from the OS", "dim")
                continue
            image = result.images[item.to] if item.to is not None else None
            first = image is None or image.id not in shown
            yield f"{indent}{guide}{_edge(item, image, result, style, first=first)}"
            if image is not None and first:
                shown.add(image.id)
                if image.origin is Origin.DISK:
                    push(image, indent + (nothing if is_last else down))


def _predicted(result: Result) -> Iterator[str]:
    """Yield what a program to be linked from an archive rests on."""
    prediction = result.prediction
    if prediction is None:
        return
    yield ""
    if prediction.kind == "package":
        how = "the install names cmd/go recorded" if prediction.from_imports else "the link flags in it"
        yield f"  predicted from the package by {how}"
    else:
        yield "  predicted from the archive by its undefined symbols"
    if prediction.flags:
        yield f"  link with: {' '.join(prediction.flags)}"
    if prediction.static:
        yield f"  goes into the program: {', '.join(printable(path) for path in prediction.static)}"


def _is_system(result: Result, load: Load) -> bool:
    return load.to is not None and result.images[load.to].origin is Origin.OS


def _edge(load: Load, image: LoadedImage | None, result: Result, style: Style, *, first: bool) -> str:
    name = printable(load.dylib.name)
    kinds = [*load.dylib.kinds, *(["inserted"] if load.inserted else [])]
    text = name + (f" ({', '.join(kinds)})" if kinds else "")
    if image is None:
        word, kind = {
            Outcome.WEAK_MISSING: ("absent, which a weak load allows", "dim"),
            Outcome.UNKNOWN: ("UNKNOWN", "doubt"),
        }.get(load.outcome, ("MISSING", "bad"))
        return f"{text}  {style.paint(word, kind)}"
    if image.path != load.dylib.name:
        text += f" {style.arrow} {printable(_near(image.path, result))}"
    how = how_found(load, result)
    if not first:
        how = f"{how}, shown above" if how else "shown above"
    return text + (f"  {style.paint(f'[{how}]', 'dim')}" if how else "")


def _near(path: str, result: Result) -> str:
    """Return a path as seen from the executable's directory where that is shorter."""
    base = result.images[0].path.rpartition("/")[0]
    parent = base.rpartition("/")[0]
    if base and path.startswith(base + "/"):
        return "./" + path[len(base) + 1 :]
    if parent and path.startswith(parent + "/"):
        return "../" + path[len(parent) + 1 :]
    return path


def how_found(load: Load, result: Result) -> str:
    """Say in a few words how a library was found, and whose run path did it."""
    if load.found is None:
        return "loaded already" if load.outcome is Outcome.ALREADY_LOADED else ""
    words = rule_words(load.found, result)
    return words if load.outcome is Outcome.LOADED or words else "loaded already"


def rule_words(candidate: Candidate, result: Result) -> str:
    """Say which rule gave a path, and the owner of the run path."""
    if candidate.run_path is not None and candidate.image is not None:
        owner = result.images[candidate.image]
        assert owner.image is not None
        text = printable(owner.image.run_paths[candidate.run_path].path)
        return f"run path '{text}' of {printable(leaf(owner.path))}"
    if candidate.rule in (SearchRule.RAW_PATH, SearchRule.RAW_PATH_ON_DISK):
        return ""
    if candidate.rule is SearchRule.LOADER_PATH:
        return "@loader_path"
    if candidate.rule is SearchRule.EXECUTABLE_PATH:
        return "@executable_path"
    return str(candidate.rule.value)


def _why(result: Result, style: Style) -> Iterator[str]:
    """Yield dyld's own words, then what is unknown."""
    if result.message is not None:
        yield ""
        yield "  dyld will say:"
        yield from ("    " + line for line in printable_lines(result.message))
    if result.launches is None:
        yield ""
        yield "  not known:"
        for each in result.unknowns:
            yield from _wrapped(printable(each.text), "    - ", style)


def _findings(findings: Sequence[Finding], style: Style) -> Iterator[str]:
    """Yield findings with their remedies, alike ones once; notes only when asked for."""
    floor = Severity.INFO.rank if style.verbose else Severity.WARNING.rank
    seen: dict[tuple[str, str, str], list[Finding]] = {}
    for finding in findings:
        if finding.severity.rank >= floor:
            seen.setdefault((finding.rule, finding.image, finding.message), []).append(finding)
    groups = sorted(seen.values(), key=lambda group: -group[0].severity.rank)
    for group in groups:
        first = group[0]
        label, tone = f"{first.severity.value}[{first.rule}]", _SEVERITY_STYLE[first.severity]
        yield ""
        times = f" ({len(group)} times)" if len(group) > 1 else ""
        yield from style.wrap(label, tone, f"{printable(first.message)}{times}", url=first.url)
        if first.remedies:
            yield "  fix:"
            yield from ("    " + printable(step.pasted) for step in first.steps)
    hidden = sum(f.severity.rank < floor for f in findings)
    if hidden:
        yield ""
        yield style.paint(f"{hidden} {'note' if hidden == 1 else 'notes'} not shown (-v shows them)", "dim")


def _wrapped(text: str, first: str, style: Style, *, more: str | None = None) -> list[str]:
    following = " " * len(first) if more is None else more
    return textwrap.wrap(
        text, style.width, initial_indent=first, subsequent_indent=following, break_long_words=False,
        break_on_hyphens=False,
    ) or [first]  # fmt: skip


def render_attempts(tried: Iterable[Attempt], found: Candidate | None, result: Result, style: Style) -> list[str]:
    """Return the numbered paths dyld considers, with the rule of each and what it finds."""
    lines = []
    number = 0
    for number, attempt in enumerate(tried, 1):
        reason = "nobody looked there" if attempt.unseen else (attempt.reason or "an empty file") + attempt.suffix
        lines.append(f"  {number:>3}. {printable(attempt.candidate.path)}")
        lines.append("       " + style.paint(_attempt_words(attempt.candidate, result, printable(reason)), "dim"))
    if found is not None:
        lines.append(f"  {number + 1:>3}. {style.paint(printable(found.path), 'good')}")
        lines.append("       " + style.paint(_attempt_words(found, result, "found"), "dim"))
    return lines


def _attempt_words(candidate: Candidate, result: Result, what: str) -> str:
    rule = rule_words(candidate, result) or candidate.rule.value
    return f"{what} · {rule}" if what else rule


def write(report: Report, context: RenderContext) -> str:
    """Return the text of ``resolve``; nothing if there is nothing to tell of."""
    style, coverage = context.style, report.coverage
    text = render_resolution(report.results, (), style) if report.results else ""
    lines = [style.paint(told, "doubt") for told in passed_over_lines(coverage, everything=style.verbose > 0)]
    if len(report.results) > 1 or lines:
        lines.append(coverage_words(coverage))
    return text + "".join(f"{line}\n" for line in lines)
