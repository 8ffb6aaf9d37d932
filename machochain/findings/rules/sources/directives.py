"""MC701 to MC706: what is wrong with ``#cgo`` lines and the files of a cgo package, before anything is searched."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from machochain.findings.registry import of_source, register
from machochain.findings.remedies import advice, command
from machochain.findings.rule import Rule
from machochain.findings.sourced import cgo_packages, listed, merged, source_finding, where
from machochain.model.paths import leaf, printable
from machochain.model.remedy import Remedy
from machochain.model.result import Finding, Severity
from machochain.model.shell import quoted

if TYPE_CHECKING:
    from machochain.source.values import PackageFacts, SourceReport

DETACHED: Final = register(
    Rule(
        "MC701",
        "detached-directive",
        "A #cgo line stands where cgo does not read it",
        Severity.WARNING,
        'Only the comment directly above `import "C"` counts: a blank line between them, a block of several imports '
        "with the comment above the block, or a comment on the same line makes cgo pass over it.",
        "The flags are not given to the compiler or linker, and nothing says so.",
        ('Put the comment directly above `import "C"`.',),
        references=("Go 1.27, go/build/build.go (saveCgo), go/parser",),
    )
)
INVALID: Final = register(
    Rule(
        "MC702",
        "invalid-directive",
        "Go refuses a #cgo line or a build constraint",
        Severity.ERROR,
        "The line cannot be read: an unknown verb, no colon, an open quote, a character that is not allowed. Or the "
        "constraints leave no Go file of a package that is imported.",
        "`go build` stops with the words that are shown.",
        ("Correct the line. `#cgo` lines know no shell: no `$(…)`, no continuation by a backslash.",),
        references=("Go 1.27, go/build/build.go (saveCgo, expandSrcDir)",),
    )
)
BLANKS: Final = register(
    Rule(
        "MC703",
        "condition-with-blanks",
        "A condition of a #cgo line is torn apart by blanks",
        Severity.WARNING,
        "Blanks between conditions mean OR, so `darwin && amd64` is darwin OR `&&` OR amd64.",
        "The flags are given on systems they were not meant for.",
        ("Write `darwin,amd64` or `darwin&&amd64`, without blanks.",),
        references=("Go 1.27, go/build/build.go (matchAuto)",),
    )
)
REFUSED: Final = register(
    Rule(
        "MC704",
        "refused-flag",
        "cmd/go refuses a flag of a #cgo line",
        Severity.ERROR,
        "The flag is not on the list of flags that sources may give to the compiler or linker.",
        "`go build` stops. Flags of environment variables are never checked.",
        (
            "Use the spelling that is accepted.",
            "Or allow the flag with `CGO_LDFLAGS_ALLOW` wherever the module is built.",
        ),
        references=("Go 1.27, cmd/go/internal/work/security.go", "golang/go#40559"),
    )
)
TEST: Final = register(
    Rule(
        "MC705",
        "cgo-in-test",
        'A test file imports "C"',
        Severity.ERROR,
        "cgo does not work in files that end in `_test.go`.",
        "`go test` and, from Go 1.27 on, `go run` of a program that imports the package stop.",
        ("Move the call of C into a file that is no test.",),
        references=("Go 1.27, go/build/build.go",),
    )
)
IGNORED: Final = register(
    Rule(
        "MC706",
        "ignored-source",
        "A source file of another language is not compiled",
        Severity.WARNING,
        "cgo compiles .c .cc .cpp .cxx .m .s .S files of the package's own directory; .mm, .C and .c++ are passed "
        "over.",
        "The package builds, and the program fails with an undefined symbol.",
        ("Rename .mm to .m and compile with `-x objective-c++`, or use .cpp.",),
        references=("Go 1.27, go/build/build.go (fileListForExt)",),
    )
)
_UNCONSTRAINED: Final = (
    "put a Go file without a constraint into the package, or the import into a file with the same one"
)
_IGNORED: Final = (".mm", ".C", ".c++")


@of_source
def check(report: SourceReport) -> Iterator[Finding]:
    """Yield what is wrong in the text of the sources."""
    yield from merged(_all(report))


def _all(report: SourceReport) -> Iterator[Finding]:
    for target, packages in report.packages.items():
        for facts in packages.values():
            yield from _of_package(report, target, facts)
    for target, facts in cgo_packages(report):
        yield from _conditions(report, target, facts)
        yield from _refused(report, target, facts)


def _of_package(report: SourceReport, target: str, facts: PackageFacts) -> Iterator[Finding]:
    from machochain.source.values import SourcePosition  # noqa: PLC0415  # only where sources are looked at

    for place in facts.detached:
        yield source_finding(
            DETACHED, report, package=facts.path, subject=where(place, report), target=target, place=place,
            message=f"{where(place, report)}: cgo does not read this #cgo line",
        )  # fmt: skip
    for problem in facts.problems:
        importer = next((p.path for p in report.packages[target].values() if facts.path in p.imports), None)
        if not problem.file and facts.own and not facts.cgo and (facts.asked or importer is None):
            continue
        whose = f"{printable(importer)} imports {printable(facts.path)}: " if importer and not problem.file else ""
        test = problem.file in facts.cgo_tests and "use of cgo in test" in problem.text
        place = SourcePosition(f"{facts.directory}/{problem.file}" if problem.file else facts.directory, problem.line)
        yield source_finding(
            TEST if test else INVALID, report, package=facts.path, subject=problem.file or facts.path, target=target,
            place=place, message=whose + printable(_shown(problem.text, report)),
            remedies=(advice(_UNCONSTRAINED),) if whose else (),
        )  # fmt: skip
    if facts.cgo and facts.directory:
        yield from _ignored(report, target, facts)


def _shown(text: str, report: SourceReport) -> str:
    """Return Go's text with files relative to the module; cmd/go has words of its own for one of go/build's."""
    text = text.replace("no buildable Go source files in", "build constraints exclude all Go files in", 1)
    return text.replace(f"{report.module.directory.rstrip('/')}/", "")


def _ignored(report: SourceReport, target: str, facts: PackageFacts) -> Iterator[Finding]:
    from machochain.source.disk import regular_names  # noqa: PLC0415
    from machochain.source.values import SourcePosition  # noqa: PLC0415

    try:
        names = [n for n in regular_names(facts.directory) if n.endswith(_IGNORED) and n[0] not in "_."]
    except OSError:
        return
    for name in sorted(names):
        yield source_finding(
            IGNORED, report, package=facts.path, subject=name, target=target,
            place=SourcePosition(f"{facts.directory}/{name}"),
            message=f"{printable(name)} of {printable(facts.path)} is not compiled: cgo does not know its ending",
        )  # fmt: skip


def _conditions(report: SourceReport, target: str, facts: PackageFacts) -> Iterator[Finding]:
    from machochain.source.values import SourcePosition  # noqa: PLC0415

    for line in facts.lines:
        torn = [c for c in line.conditions if c.strip("&|") != c and any(s in c for s in ("&&", "||"))]
        torn = [c for c in torn if c.startswith(("&", "|")) or c.endswith(("&", "|"))]
        if not torn:
            continue
        text = " ".join(line.conditions)
        place = SourcePosition(f"{facts.directory}/{line.file}", line.line)
        kind = "&&" if "&&" in text else "||"
        joined = text.replace(" ", "")
        means = " OR ".join(c for c in line.conditions)
        yield source_finding(
            BLANKS, report, package=facts.path, subject=text, target=target, place=place,
            message=f"{where(place, report)}: {printable(text)} means {printable(means)}",
            remedies=(advice(f"write {quoted(joined)} without blanks around {kind}"),),
        )  # fmt: skip


_SPELLINGS: Final = (
    ("-mmacos-version-min", "-mmacosx-version-min", "write -mmacosx-version-min, which is accepted"),
    ("-framework", "", "write -framework NAME as two words"),
    ("../", "", "name the file by ${SRCDIR}/../…"),
    ("-Wl,-rpath,@", "", "give an absolute run path, or ${SRCDIR}; one with @ only by CGO_LDFLAGS of the environment"),
    ("-Wl,-rpath", "", "give an absolute run path, or ${SRCDIR}; one with @ only by CGO_LDFLAGS of the environment"),
    ("-weak_framework", "", "cmd/go takes no weak linking from sources; CGO_LDFLAGS of the environment does"),
)


def _refused(report: SourceReport, target: str, facts: PackageFacts) -> Iterator[Finding]:
    from machochain.golang.security import smallest_allowance  # noqa: PLC0415

    for verb, refusal, place in facts.refused:
        remedies: list[Remedy] = []
        first = refusal.words[0]
        hint = next((text for start, _, text in _SPELLINGS if first.startswith(start)), None)
        if hint is not None:
            remedies.append(advice(hint))
        if verb != "pkg-config":
            allowed = smallest_allowance(refusal.words)
            remedies.append(command(f"export CGO_{verb}_ALLOW={quoted(allowed)}", also=bool(remedies)))
        yield source_finding(
            REFUSED, report, package=facts.path, subject=" ".join(refusal.words), target=target, place=place,
            message=f"{where(place, report)}: {printable(refusal.message)}", remedies=remedies,
            evidence={"verb": verb},
        )  # fmt: skip


def names_of(paths: tuple[str, ...]) -> str:
    """Name the leaves of some paths."""
    return listed([leaf(path) for path in paths])
