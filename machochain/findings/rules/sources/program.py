"""MC722 to MC734: what programs and tests will be like, what vendoring loses, what the build cache does not see."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from machochain.findings.registry import of_source, register
from machochain.findings.remedies import advice, command
from machochain.findings.rule import Rule
from machochain.findings.sourced import listed, lost_in_vendor, merged, source_finding, vendoring, where
from machochain.model.paths import leaf, printable
from machochain.model.remedy import Remedy
from machochain.model.result import Finding, Severity
from machochain.model.shell import quoted

if TYPE_CHECKING:
    from machochain.source.values import Link, LostFile, PackageFacts, SourceReport

ONE_PACKAGE: Final = register(
    Rule(
        "MC722",
        "run-path-of-one-package",
        "A test binary lacks a run path that only another package gives",
        Severity.WARNING,
        "A run path or `-L` stands in one package, the library that needs it is linked by another that does not import "
        "it.",
        "The program works; tests of the other package end with `no LC_RPATH's found` or do not link.",
        ("Give the run path in the package that links the library.",),
        references=("Go 1.27, cmd/go/internal/work/exec.go; measured",),
    )
)
CFLAGS_ONLY: Final = register(
    Rule(
        "MC724",
        "target-in-cflags-only",
        "The deployment target is given to the compiler but not to the linker",
        Severity.WARNING,
        "`-mmacosx-version-min` stands in CFLAGS and not in LDFLAGS of a package, or in some packages only.",
        "Objects and program say different versions; objects of `runtime/cgo` never get `#cgo` flags of others.",
        ("Set `CGO_CPPFLAGS` and `CGO_LDFLAGS` where you build: they reach every package.",),
        references=("mimi-project/mimi#276", "Go 1.27, cmd/go/internal/work/exec.go"),
    )
)
REPEATED: Final = register(
    Rule(
        "MC725",
        "repeated-run-path",
        "A run path of CGO_LDFLAGS is given to the linker several times",
        Severity.INFO,
        "`$CGO_LDFLAGS` is repeated for each cgo package, `runtime/cgo` among them.",
        "Old linkers write it as often, and macOS refuses duplicates in files of its newest SDKs.",
        ("Give it once by `-ldflags=-extldflags=-Wl,-rpath,PATH`.",),
        references=("facebook/zstd#4369",),
    )
)
VENDOR: Final = register(
    Rule(
        "MC731",
        "vendor-loses-file",
        "go mod vendor does not copy a file that is needed",
        Severity.ERROR,
        "Only files of directories with an imported package are copied, and what `//go:embed` names.",
        "Whoever vendors the module cannot build it, unless a warm build cache hides that.",
        (
            "Embed the files into a blank variable: `//go:embed include/*.h` above `var _ embed.FS`.",
            "Or put a Go file into the directory and import it blank, from a file with the same constraint.",
            "Or build with `-mod=mod`.",
        ),
        milder="warning if the file is needed perhaps, or a flag names it",
        references=("golang/go#26366", "Go 1.27, cmd/go/internal/modcmd/vendor.go"),
    )
)
INCOMPLETE: Final = register(
    Rule(
        "MC732",
        "vendor-incomplete",
        "The vendor directory lacks a file that is needed",
        Severity.ERROR,
        "`vendor` is used, and a header or library that a vendored package surely needs is not in it.",
        "The module builds from a warm build cache only: here, but not in CI.",
        ("Build with `-mod=mod`, or copy the files by hand after `go mod vendor`.",),
        references=("golang/go#26366",),
    )
)
OUTSIDE: Final = register(
    Rule(
        "MC734",
        "outside-cache-key",
        "Go does not notice changes of files that are compiled in",
        Severity.INFO,
        "Headers and libraries outside the package's own directory are no part of its cache key.",
        "After a change `go build` takes the old object.",
        ("Embed them, or build with `-a` after changing them.",),
        references=("golang/go#24355", "Go 1.27, cmd/go/internal/work/exec.go (buildActionID)"),
    )
)
UNSEEN: Final = register(
    Rule(
        "MC791",
        "package-unseen",
        "The directory of an imported package is not known",
        Severity.INFO,
        "Neither the module, its vendor directory nor the module cache has it.",
        "Whether it uses cgo, and with which flags, is not known.",
        ('Name the module cache: `--modcache "$(go env GOMODCACHE)"`.', "Or give `--go-list FILE`."),
        references=("Go 1.27, cmd/go/internal/modload",),
    )
)


@of_source
def check(report: SourceReport) -> Iterator[Finding]:
    """Yield what is to be said about programs, vendoring and caches."""
    yield from merged(_all(report))


def _all(report: SourceReport) -> Iterator[Finding]:
    for link in report.links:
        yield from _repeated(report, link)
        if link.test:
            yield from _lacking(report, link)
    for target, packages in report.packages.items():
        for facts in packages.values():
            yield from _target(report, target, facts)
            yield from _incomplete(report, target, facts)
    yield from _lost(report)
    for package, files in report.outside.items():
        names = listed([_shown(report, package, f) for f in files])
        count = "1 file" if len(files) == 1 else f"{len(files)} files"
        yield source_finding(
            OUTSIDE, report, package=package, subject=package,
            message=f"{printable(package)} is built from {count} whose changes go unnoticed: {names}",
            evidence={"files": list(files)},
        )  # fmt: skip
    yield from _unseen(report)


def _shown(report: SourceReport, package: str, path: str) -> str:
    """Name a file from its module's root, or from the directory of its package where that is another module's."""
    own = f"{report.module.directory.rstrip('/')}/"
    if path.startswith(own):
        return path[len(own) :]
    facts = next((p[package] for p in report.packages.values() if package in p), None)
    return posixpath.relpath(path, facts.directory) if facts is not None and facts.directory else path


def _repeated(report: SourceReport, link: Link) -> Iterator[Finding]:
    counts: dict[str, int] = {}
    for each in link.run_paths:
        if each.origin.value == "environment":
            counts[each.path] = counts.get(each.path, 0) + 1
    for path, count in counts.items():
        if count > 1:
            yield source_finding(
                REPEATED, report, package=link.program, subject=path, target=link.target,
                message=f"the link of {printable(link.program)} gets the run path {printable(path)} {count} times",
                evidence={"count": count},
            )  # fmt: skip


def _lacking(report: SourceReport, link: Link) -> Iterator[Finding]:
    """Yield libraries by ``@rpath`` that a test asks for without a run path that a program gives them."""
    from machochain.source.values import FlagOrigin  # noqa: PLC0415

    mine = {r.path for r in link.run_paths}
    wanted = [name for name, _ in link.loads if name.startswith("@rpath/")]
    if not wanted or mine:
        return
    for other in report.links:
        if other.test or other.target != link.target or link.program == other.program:
            continue
        shared = [name for name in wanted if any(name == n for n, _ in other.loads)]
        giving = [r for r in other.run_paths if r.origin is FlagOrigin.DIRECTIVE]
        if shared and giving:
            yield source_finding(
                ONE_PACKAGE, report, package=link.program, subject=giving[0].path, target=link.target,
                place=giving[0].place,
                message=(
                    f"tests of {printable(link.program)} load {printable(shared[0])} without a run path: only "
                    f"{printable(giving[0].package)} gives one ({where(giving[0].place, report)})"
                ),
                remedies=(advice("put the run path into the #cgo LDFLAGS of the package that links the library"),),
            )  # fmt: skip
            return


def _target(report: SourceReport, target: str, facts: PackageFacts) -> Iterator[Finding]:
    if not facts.cgo:
        return
    given = [
        w
        for verb in ("CPPFLAGS", "CFLAGS", "CXXFLAGS")
        for w in facts.words.get(verb, ())
        if w.text.startswith("-mmacosx-version-min")
    ]
    linked = any("-mmacosx-version-min" in w.text for w in facts.words.get("LDFLAGS", ()))
    if given and not linked:
        word = given[0]
        yield source_finding(
            CFLAGS_ONLY, report, package=facts.path, subject=word.written, target=target, place=word.place,
            message=f"{where(word.place, report)}: the linker does not get {printable(word.written)}",
        )  # fmt: skip


def _worked_on(report: SourceReport, package: str) -> bool:
    return any(packages[package].own for packages in report.packages.values() if package in packages)


def _lost(report: SourceReport) -> Iterator[Finding]:
    from machochain.source.values import Need  # noqa: PLC0415

    groups: dict[tuple[str, str], list[LostFile]] = {}
    for each in report.lost:
        groups.setdefault((each.module, each.package), []).append(each)
    for (module, package), lost in groups.items():
        sure = [f for f in lost if f.need is Need.SURE]
        perhaps = [f for f in lost if f.need is not Need.SURE]
        told = sure or perhaps
        folders = list(dict.fromkeys(posixpath.dirname(f.file) for f in told))
        top = posixpath.commonpath(folders) if all(folders) else ""
        names = listed([leaf(f.file) for f in told])
        spread = f" ({len(folders)} directories)" if len(folders) > 1 else ""
        needed = f"{'is' if len(told) == 1 else 'are'} {'needed' if sure else 'perhaps needed'}"
        more = f", and perhaps {len(perhaps)} more" if sure and perhaps else ""
        alone = not top and len(told) == 1
        what = f"{printable(top)}/{spread}" if top else printable(told[0].file) if alone else f"files{spread}"
        nested = "; a go.mod makes them another module" if all(f.nested for f in told) else ""
        blind = any(path.endswith(f"/{f.file}") for path in report.outside.get(package, ()) for f in told)
        unnoticed = ", and the build cache does not notice when that changes" if blind else ""
        yield source_finding(
            VENDOR, report, package=package, subject=f"{top}/" if top else told[0].file, place=told[0].place,
            severity=Severity.ERROR if sure else Severity.WARNING, remedies=tuple(_kept(report, module, package, told)),
            message=(
                f"{vendoring(report, own=_worked_on(report, package))} does not copy {what} of {printable(module)}: "
                f"{'it' if alone else names} {needed} by "
                f"{printable(package)}{more}{unnoticed}{nested}"
            ),
            evidence={
                "files": [f.file for f in told], "module": module, "outside_cache_key": blind,
                **({"perhaps": [f.file for f in perhaps]} if sure and perhaps else {}),
            },
        )  # fmt: skip


def _kept(report: SourceReport, module: str, package: str, lost: Iterable[LostFile]) -> Iterator[Remedy]:
    """Yield how lost files are kept, the best way first."""
    lost = tuple(lost)
    if all(f.nested for f in lost):
        # The module's zip lacks them, too: building without vendor helps nobody.
        yield advice("remove the go.mod above the files, or import a package of the module it begins")
        return
    own = package.removeprefix(module).strip("/")
    inside = [posixpath.relpath(f.file, own) for f in lost]
    patterns = {f"{posixpath.dirname(f)}/*{posixpath.splitext(f)[1]}" for f in inside if "/" in f and f[:3] != "../"}
    if patterns:
        shown = quoted(f"//go:embed {' '.join(sorted(patterns))}")
        yield advice(f"embed them into a blank variable: {shown} above 'var _ embed.FS'")
    folders = sorted({posixpath.dirname(f.file) for f in lost} - {own})
    if folders:
        yield advice(
            f"put a Go file into {quoted(folders[0] or '.')} and import it blank, from a file with the same constraint",
            also=bool(patterns),
        )
    elif not patterns:
        yield advice("put the file itself in the place of the link")
        return
    workspace = report.module.workspace and not _worked_on(report, package)
    yield advice(f"build with -mod={'readonly' if workspace else 'mod'}", also=True)


def _incomplete(report: SourceReport, target: str, facts: PackageFacts) -> Iterator[Finding]:
    from machochain.source.values import Kind  # noqa: PLC0415

    if not facts.vendored:
        return
    for search in report.searches:
        if search.package != facts.path or search.target != target or not lost_in_vendor(report, search):
            continue
        flag = "-l" if search.kind is Kind.LIBRARY else ""
        yield source_finding(
            INCOMPLETE, report, package=facts.path, subject=search.name, target=target, place=search.place,
            message=(
                f"{where(search.place, report)}: {printable(flag + search.name)} is not in vendor, where "
                f"{vendoring(report)} did not copy it: it builds only as long as the build cache is warm"
            ),
            remedies=(command(f"go build -mod={'readonly' if report.module.workspace else 'mod'} ./..."),),
            evidence={"tried": [t.path for t in search.tried], "cache": "a warm build cache hides it"},
        )  # fmt: skip


def _unseen(report: SourceReport) -> Iterator[Finding]:
    for target, packages in report.packages.items():
        unknown: dict[str, str] = {}
        for facts in packages.values():
            for path in facts.unknown_imports:
                unknown.setdefault(path, facts.path)
        if unknown:
            first = next(iter(unknown))
            more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
            yield source_finding(
                UNSEEN, report, package=unknown[first], subject=first, target=target,
                message=f"the directory of {printable(first)}{more} is not known",
                evidence={"packages": list(unknown)},
            )  # fmt: skip
