"""MC721 and MC735: a program that exists, held against its sources."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from machochain.findings.registry import of_source, register
from machochain.findings.remedies import advice, command
from machochain.findings.rule import Rule
from machochain.findings.sourced import listed, merged, source_finding
from machochain.model.paths import leaf, printable
from machochain.model.remedy import Remedy
from machochain.model.result import Confidence, Finding, Severity
from machochain.model.shell import file_word, go_word, quoted

if TYPE_CHECKING:
    from machochain.model.go import GoBuildInfo
    from machochain.source.built import BuiltFile, BuiltProgram, BuiltSlice, HeldSlice
    from machochain.source.values import SourceReport

NOT_IN_SOURCE: Final = register(
    Rule(
        "MC721",
        "run-path-not-in-source",
        "A run path of the program comes from a variable or option of its build, not from the sources",
        Severity.WARNING,
        "An LC_RPATH of the program is one that `CGO_LDFLAGS` or `-ldflags` gave, as Go recorded them, and no `#cgo` "
        "line and no package of pkg-config gives it.",
        "`go run`, `go test`, an IDE and every other shell build without it: the program works where it was built and "
        "in no other way.",
        (
            "Put `#cgo LDFLAGS: -Wl,-rpath,DIR` into the package that links the library.",
            "Or keep the variable for every build on this machine: `go env -w CGO_LDFLAGS=…`.",
        ),
        milder="confidence likely if not every package was seen",
        references=("Go 1.27, cmd/go/internal/load/pkg.go (setBuildInfo)",),
    )
)
STALE: Final = register(
    Rule(
        "MC735",
        "stale-output",
        "The program was linked before a library changed, and go build will not link it again",
        Severity.WARNING,
        "A library that goes into the program is newer than it, or the flags lead to a library of another install name "
        "now.",
        "While the output file is there, `go build`, `go install` and `go test -c` keep it: its build ID knows of Go "
        "files only. It may ask for a library that is gone, or hold an old copy of a static one.",
        ("Remove the output before `go build`, or build with `-a`.",),
        references=("golang/go#29843", "Go 1.27, cmd/go/internal/work/buildid.go (useCache)"),
    )
)
_LIMIT: Final = 3


@of_source
def check(report: SourceReport) -> Iterator[Finding]:
    """Yield what is to be said about a program that was named; without one the rules were not asked."""
    program = report.binary
    if program is None:
        for rule in (NOT_IN_SOURCE, STALE):
            report.skipped[rule.id] = "no --binary was named"
        return
    yield from merged(_all(report, program))


def _all(report: SourceReport, program: BuiltProgram) -> Iterator[Finding]:
    for piece in program.slices:
        held = program.held.get(piece.target)
        if held is None:
            for rule in (NOT_IN_SOURCE, STALE):
                report.skipped[rule.id] = f"{piece.target}: {program.skipped.get(piece.target, 'not read')}"
            continue
        if piece.hidden:
            # The flags are not there to be compared; that none gave a run path is not known either.
            report.skipped[NOT_IN_SOURCE.id] = f"{piece.target}: -trimpath keeps {', '.join(piece.hidden)} out"
        else:
            yield from _run_paths(report, program, piece, held)
        if held.unseen:
            comes = "comes" if len(held.unseen) == 1 else "come"
            report.skipped[STALE.id] = f"{piece.target}: where {listed(held.unseen)} {comes} from is not known"
        yield from _stale(report, program, piece, held)


# -- MC721 --


def _run_paths(report: SourceReport, program: BuiltProgram, piece: BuiltSlice, held: HeldSlice) -> Iterator[Finding]:
    from machochain.source.built import RunPathOrigin  # noqa: PLC0415  # only where sources are looked at

    for path, origin in held.origins:
        if origin not in (RunPathOrigin.ENVIRONMENT, RunPathOrigin.FLAGS):
            continue
        name = "CGO_LDFLAGS" if origin is RunPathOrigin.ENVIRONMENT else "-ldflags"
        unsure = f" (as far as is known: {held.unsure[0]})" if held.unsure else ""
        yield source_finding(
            NOT_IN_SOURCE, report, package=held.package, subject=path, target=piece.target,
            confidence=Confidence.LIKELY if held.unsure else Confidence.CERTAIN,
            message=(
                f"run path {printable(path)} of {printable(leaf(program.file))} comes from the {name} of its build, no "
                f"#cgo line gives it{unsure}: go run, go test, an IDE and other shells do not have it"
            ),
            remedies=tuple(_keep(path, piece.build)),
            evidence={"binary": program.file, "origin": origin.value, "given_by": name},
        )  # fmt: skip


def _keep(path: str, build: GoBuildInfo | None) -> Iterator[Remedy]:
    flag = f"-Wl,-rpath,{path}"
    if path.startswith("@"):
        # cmd/go takes no word with @ behind -Wl,-rpath, in sources (security.go).
        yield advice("cmd/go refuses run paths that begin with @ in #cgo lines: every build has to be given it")
    else:
        yield advice(f"write {quoted(f'#cgo LDFLAGS: {go_word(flag)}')} in the package that links the library")
    recorded = (build.setting("CGO_LDFLAGS") if build is not None else None) or ""
    words = recorded if flag in recorded else f"{recorded} {go_word(flag)}".strip()
    yield command(f"go env -w {quoted(f'CGO_LDFLAGS={words}')}", also=True)


# -- MC735 --


def _stale(report: SourceReport, program: BuiltProgram, piece: BuiltSlice, held: HeldSlice) -> Iterator[Finding]:
    newer: list[str] = []
    told: set[str] = set()
    for each in held.files:
        path = each.search.winner or ""
        if path in told:
            continue
        told.add(path)
        old = _replaced(each, piece)
        if old is not None:
            now = each.search.facts.install_name
            yield _finding(
                report, program, piece, held, path,
                f"{printable(leaf(program.file))} asks for {printable(old)}, and -l{printable(each.search.name)} is "
                + (f"{printable(now)} now" if now is not None else f"the static {printable(path)} now"),
                {"library": path, "linked": old, "now": now},
            )  # fmt: skip
        elif program.modified is not None and each.modified is not None and each.modified > program.modified:
            newer.append(path)
    if newer:
        yield _finding(
            report, program, piece, held, newer[0],
            f"{printable(leaf(program.file))} is older than {listed(newer)}, which it was linked with",
            {"newer": newer},
        )  # fmt: skip


def _replaced(each: BuiltFile, piece: BuiltSlice) -> str | None:
    """Return what the program asks for in place of the library the flags lead to now; None if it is that one."""
    now = each.search.facts.install_name
    if now is not None and now in piece.loads:
        return None
    if now is None and not each.search.facts.static:
        return None
    stem = each.search.name
    return next((path for path in piece.loads if _stem(path) == stem), None)


def _stem(path: str) -> str:
    """Return the X of ``libX.1.2.dylib``; ``-lX`` asks for it."""
    name = leaf(path).removeprefix("lib")
    for ending in (".dylib", ".so"):
        name = name.removesuffix(ending)
    while name.rpartition(".")[2].isdigit() and "." in name:
        name = name.rpartition(".")[0]
    return name


def _finding(  # each is the caller's to say
    report: SourceReport,
    program: BuiltProgram,
    piece: BuiltSlice,
    held: HeldSlice,
    subject: str,
    message: str,
    evidence: dict[str, object],
) -> Finding:
    return source_finding(
        STALE, report, package=held.package, subject=subject, target=piece.target, confidence=Confidence.LIKELY,
        message=f"{message}: go build does not link it again while it is there",
        remedies=(command(_build(report, program, piece, held)), command(f"rm {file_word(program.file)}", also=True)),
        evidence={"binary": program.file, **evidence},
    )  # fmt: skip


def _build(report: SourceReport, program: BuiltProgram, piece: BuiltSlice, held: HeldSlice) -> str:
    """Return the command that links the program anew, with the flags it was built with."""
    words = []
    build = piece.build
    if build is not None:
        for name in ("CGO_CFLAGS", "CGO_CPPFLAGS", "CGO_CXXFLAGS", "CGO_LDFLAGS"):
            value = build.setting(name)
            words += [f"{name}={quoted(value)}"] if value else []
    words += ["go", "test -c" if held.test else "build", "-a"]
    if build is not None:
        for name in ("-tags", "-ldflags"):
            value = build.setting(name)
            words += [quoted(f"{name}={value}")] if value else []
    words += ["-o", file_word(program.file)]
    facts = report.packages[piece.target].get(held.package)
    return " ".join([*words, file_word(facts.directory) if facts is not None else quoted(held.package)])
