"""MC711 to MC720: what compiler and linker find, where, and what they pass over."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from machochain.findings.registry import of_source, register
from machochain.findings.remedies import advice, command
from machochain.findings.rule import Rule
from machochain.findings.sourced import cgo_packages, formula, lost_in_vendor, merged, source_finding, where
from machochain.model.paths import printable
from machochain.model.remedy import Remedy
from machochain.model.result import Confidence, Finding, Severity
from machochain.model.shell import quoted

if TYPE_CHECKING:
    from machochain.source.values import (
        FlagWord,
        LinkedLibrary,
        PackageFacts,
        Search,
        SourcePosition,
        SourceReport,
        TriedPath,
    )

DIRECTORY: Final = register(
    Rule(
        "MC711",
        "directory-missing",
        "A directory that is to be searched does not exist",
        Severity.WARNING,
        "A `-I`, `-L` or `-F` flag names a directory that is surely not there.",
        "The linker warns `search path … not found`; what was meant to come from there comes from elsewhere or not at "
        "all.",
        ("Correct the flag, or install what brings the directory.",),
        milder="info if everything is found all the same",
        references=("ld64, Options.cpp",),
    )
)
HEADER: Final = register(
    Rule(
        "MC712",
        "header-missing",
        "A header is included and is nowhere",
        Severity.ERROR,
        "The include is not guarded by any condition that might be false, and every directory of the search was seen.",
        "The compiler stops with `fatal error: … file not found`.",
        ("Install what brings the header, or add its directory with `-I`.",),
        references=("clang 19, lib/Lex/HeaderSearch.cpp",),
    )
)
LIBRARY: Final = register(
    Rule(
        "MC713",
        "library-missing",
        "A library, framework or package of pkg-config is nowhere",
        Severity.ERROR,
        "Every directory of the search was seen, and none has it.",
        "The link stops with `library … not found`, or pkg-config with `was not found in the search path`.",
        ("Install the library, or add its directory with `-L`.",),
        references=("ld(1), -search_paths_first",),
    )
)
SHADOWED: Final = register(
    Rule(
        "MC714",
        "shadowed-file",
        "Two different files have one name, and the first directory wins",
        Severity.WARNING,
        "A later directory of the search has a file of the same name that differs.",
        "Which one is taken depends on the order of flags, which other packages and the environment have a part in.",
        ("Name the directory you mean first, or take the other one away.",),
        references=("Go 1.27, cmd/go/internal/work/exec.go (CFlags)",),
    )
)
ARCH: Final = register(
    Rule(
        "MC715",
        "wrong-arch",
        "The library that is found has no code for the target",
        Severity.ERROR,
        "Apple's linker says `ignoring file` and misses the symbols; lld links it without a word, and dyld refuses it.",
        "The program does not link, or does not start.",
        ("Name the directory of the library for this architecture first.",),
        references=("Snaipe/Criterion#455",),
    )
)
STATIC: Final = register(
    Rule(
        "MC716",
        "static-beats-dynamic",
        "A static library is taken although a dylib lies in a later directory",
        Severity.INFO,
        "The first directory that has the library in any form wins.",
        "The program holds the library and does not load it: no update of the dylib will reach it.",
        ("Nothing, if that is what you want; else change the order of `-L`.",),
        references=("ld(1), -search_paths_first",),
    )
)
PREFIX: Final = register(
    Rule(
        "MC717",
        "one-arch-prefix",
        "A directory of one machine or one processor is written into the sources",
        Severity.WARNING,
        "`/opt/homebrew` holds arm64 code, `/usr/local/opt` and `/usr/local/Cellar` x86_64 code; `/opt/local`, "
        "`/Users` and `/nix/store` are there on some machines only.",
        "The module builds on one kind of Mac.",
        (
            "Write one line for each processor: `#cgo darwin,arm64 LDFLAGS: -L/opt/homebrew/lib`.",
            "Or use `#cgo pkg-config:`.",
        ),
        references=("alexbrainman/odbc#168",),
    )
)
DEFAULT: Final = register(
    Rule(
        "MC718",
        "default-search-only",
        "A library is linked though nothing says where it is",
        Severity.WARNING,
        "No `-L`, `-F` or pkg-config line of any package exists for it, and it is no part of macOS.",
        "It is found only in /usr/local/lib, which is Homebrew's place on Intel Macs and nobody's on arm64, or by "
        "variables of one shell.",
        ("Add `#cgo pkg-config: NAME`, or `-L` lines for each processor.",),
        references=("alexbrainman/odbc#153",),
    )
)
WRITABLE: Final = register(
    Rule(
        "MC719",
        "writable-directory",
        "A flag leads into a directory that everybody may write to",
        Severity.WARNING,
        "The word as written names `/tmp`, `/private/tmp` or `/var/tmp`.",
        "Whoever may write there chooses what is compiled, linked or loaded.",
        ("Use a directory below ${SRCDIR}, or one that an installer owns.",),
        references=("CWE-427",),
    )
)
RELATIVE: Final = register(
    Rule(
        "MC720",
        "relative-input",
        "A relative path that Go does not make absolute",
        Severity.WARNING,
        "go/build joins only `-I` and `-L` to the package's directory; `-F`, `-isystem` and names of files stay as "
        "they are, and the compiler runs in a directory of its own.",
        "The file is not found, or another one is.",
        ("Begin the path with `${SRCDIR}/`.",),
        references=("Go 1.27, go/build/build.go (makePathsAbsolute)",),
    )
)


@of_source
def check(report: SourceReport) -> Iterator[Finding]:
    """Yield what was found where it should not be, or not found."""
    yield from merged(_all(report))


def _all(report: SourceReport) -> Iterator[Finding]:
    for search in report.searches:
        yield from _of_search(report, search)
    for target, facts in cgo_packages(report):
        yield from _of_words(report, target, facts)
    yield from _default_only(report)
    yield from _directories(report)


def _of_search(report: SourceReport, search: Search) -> Iterator[Finding]:
    from machochain.source.values import Kind, SearchOutcome  # noqa: PLC0415

    if search.outcome is SearchOutcome.MISSING and search.certain and not lost_in_vendor(report, search):
        if search.kind is Kind.HEADER:
            yield _missing_header(report, search)
        else:
            yield _missing_library(report, search)
    if search.outcome is not SearchOutcome.FOUND or search.winner is None:
        return
    if search.kind is Kind.HEADER:
        yield from _shadowed_header(report, search)
        return
    yield from _library(report, search)


def _missing_header(report: SourceReport, search: Search) -> Finding:
    remedies: list[Remedy] = []
    brew = formula(search.name)
    if brew is not None:
        remedies.append(command(f"brew install {brew}"))
    remedies.append(advice("add its directory: #cgo CFLAGS: -I…", also=bool(remedies)))
    return source_finding(
        HEADER, report, package=search.package, subject=search.name, target=search.target, place=search.place,
        message=f"{where(search.place, report)}: no directory has {printable(search.name)}", remedies=remedies,
        evidence={"tried": [t.path for t in search.tried]},
    )  # fmt: skip


def _missing_library(report: SourceReport, search: Search) -> Finding:
    from machochain.source.values import Kind  # noqa: PLC0415

    flag = {Kind.LIBRARY: "-l", Kind.FRAMEWORK: "-framework ", Kind.PKG_CONFIG: "pkg-config: "}.get(search.kind, "")
    name = f"{flag}{search.name}"
    remedies: list[Remedy] = []
    brew = formula(search.name)
    lacking = ""
    if search.word is not None and search.word.origin.value == "go":
        remedies.append(advice("the SDK is not searched: name one with --sdk, SDKROOT or -isysroot"))
    elif search.by_system:
        lacking = ", though it is part of macOS: the SDK lacks it, or is not searched"
        remedies.append(advice("build with a whole SDK, of a release that has it: SDKROOT or -isysroot names it"))
    elif brew is not None:
        remedies.append(command(f"brew install {brew}"))
    place = search.place if search.place.file else None
    who = where(search.place, report) if search.place.file else printable(search.package)
    return source_finding(
        LIBRARY, report, package=search.package, subject=name, target=search.target, place=place,
        message=f"{who}: no directory has {printable(name)}{lacking}", remedies=remedies,
        evidence={"tried": [t.path for t in search.tried]},
    )  # fmt: skip


def _shadowed_header(report: SourceReport, search: Search) -> Iterator[Finding]:
    from machochain.source.values import PathState  # noqa: PLC0415

    winner = next((t for t in search.tried if t.state is PathState.WINNER), None)
    if not search.shadowed or winner is None:
        return
    other = search.shadowed[0][0]
    origin = next((t.origin for t in search.tried if t.path == other), "")
    yield source_finding(
        SHADOWED, report, package=search.package, subject=search.name, target=search.target, place=search.place,
        message=(
            f"{printable(search.name)} comes from {printable(winner.path)} ({printable(winner.origin)}); "
            f"{printable(other)} ({printable(origin)}) differs and is shadowed"
        ),
        evidence={"winner": winner.path, "loser": other},
    )  # fmt: skip


def _library(report: SourceReport, search: Search) -> Iterator[Finding]:
    assert search.winner is not None
    goarch = search.target.partition("/")[2]
    fitting = {"arm64": ("arm64", "arm64e"), "amd64": ("x86_64", "x86_64h")}.get(goarch, ())
    place = search.place if search.place.file else None
    if search.facts.archs and not any(a in fitting for a in search.facts.archs):
        yield source_finding(
            ARCH, report, package=search.package, subject=search.name, target=search.target, place=place,
            message=(
                f"{printable(search.winner)} is for {', '.join(search.facts.archs)}, not for {goarch}: Apple's linker "
                "ignores it, lld links it and dyld refuses it"
            ),
            evidence={"winner": search.winner, "archs": list(search.facts.archs)},
        )  # fmt: skip
    for path, facts in search.shadowed:
        if _of_another(report, search, path):
            continue
        if search.facts.static and facts.install_name is not None:
            yield source_finding(
                STATIC, report, package=search.package, subject=search.name, target=search.target, place=place,
                confidence=_sureness(search, path),
                message=(
                    f"{printable(search.winner)} is linked in, so the program will not load "
                    f"{printable(facts.install_name)} ({printable(path)})"
                ),
                evidence={"winner": search.winner, "loser": path},
            )  # fmt: skip
        elif (
            not search.facts.static
            and facts.install_name is not None
            and (facts.install_name, facts.version) != (search.facts.install_name, search.facts.version)
            and not search.by_system
        ):
            yield source_finding(
                SHADOWED, report, package=search.package, subject=search.name, target=search.target, place=place,
                confidence=_sureness(search, path),
                message=(
                    f"-l{printable(search.name)} of {printable(search.package)} takes {printable(search.winner)} "
                    f"{_whose(search, search.winner, search.facts)}; {printable(path)} "
                    f"{_whose(search, path, facts)} is shadowed"
                ),
                evidence={"winner": search.winner, "loser": path},
            )  # fmt: skip
        else:
            continue
        return


def _tried(search: Search, path: str) -> TriedPath | None:
    return next((t for t in search.tried if t.path == path), None)


def _of_another(report: SourceReport, search: Search, loser: str) -> bool:
    """Whether a package gets the library of its own directory, and the one that loses is told of its own package."""
    winner, other = _tried(search, search.winner or ""), _tried(search, loser)
    if winner is None or other is None or not other.package or winner.package != search.package:
        return False
    return other.package != search.package and any(
        s.package == other.package and (s.target, s.kind, s.name) == (search.target, search.kind, search.name)
        for s in report.searches
    )


def _sureness(search: Search, loser: str) -> Confidence:
    """Only inside one package the order of directories is certain; which package comes first is not."""
    winner, other = _tried(search, search.winner or ""), _tried(search, loser)
    apart = winner is not None and other is not None and winner.package != other.package
    return Confidence.LIKELY if apart and other is not None and other.package else Confidence.CERTAIN


def _whose(search: Search, path: str, facts: LinkedLibrary) -> str:
    """Return who names the directory of a library, and what the library is."""
    tried = _tried(search, path)
    known = [tried.origin] if tried is not None else []
    known += [facts.install_name] if facts.install_name and facts.install_name != path else []
    known += [f"version {facts.version}"] if facts.version else []
    return f"({printable(', '.join(known))})"


_ONE_ARCH: Final = (
    (re.compile(r"/opt/homebrew(?:/|$)"), "arm64", "/opt/homebrew is Homebrew's place on arm64 only"),
    (
        re.compile(r"/usr/local/(?:opt|Cellar|Homebrew)(?:/|$)"),
        "amd64",
        "/usr/local/{opt,Cellar,Homebrew} are Homebrew's places on Intel only",
    ),
)
_MACHINE: Final = re.compile(r"/(?:opt/local|Users|home|nix/store|sw)(?:/|$)")
_TEMPORARY: Final = re.compile(r"/(?:private/)?(?:var/)?tmp(?:/|$)")
_DIRECTORY_FLAG: Final = re.compile(r"-(?:[ILF]|isystem|Wl,-rpath,|Wl,-rpath=|Wl,)(?=/)|(?=/)")


def _written_path(word: FlagWord) -> str | None:
    """Return the absolute path a word names as written; None if it names none."""
    match = _DIRECTORY_FLAG.match(word.written)
    return word.written[match.end() :] if match is not None and word.written[match.end() :].startswith("/") else None


def _of_words(report: SourceReport, target: str, facts: PackageFacts) -> Iterator[Finding]:
    goarch = target.partition("/")[2]
    for verb in ("CFLAGS", "CPPFLAGS", "CXXFLAGS", "LDFLAGS"):
        words = facts.words.get(verb, ())
        for at, word in enumerate(words):
            path = _written_path(word)
            if path is not None:
                yield from _of_path(report, target, goarch, facts, word, path)
            yield from _relative(report, target, facts, words[at - 1].text if at else "", word, verb)


_OWN_RUN_PATH: Final = (
    advice("Give the build a run path that starts at the program; cmd/go refuses @ in #cgo lines and takes it from:"),
    command("CGO_LDFLAGS='-O2 -g -Wl,-rpath,@loader_path/../lib' go build"),
)


def _of_path(
    report: SourceReport, target: str, goarch: str, facts: PackageFacts, word: FlagWord, path: str
) -> Iterator[Finding]:
    if _TEMPORARY.match(path):
        yield source_finding(
            WRITABLE, report, package=facts.path, subject=word.written, target=target, place=word.place,
            message=f"{where(word.place, report)}: anyone may write into the directory of {printable(word.written)}",
        )  # fmt: skip
    why = next((text for pattern, arch, text in _ONE_ARCH if pattern.match(path) and arch != goarch), None)
    if why is None and _MACHINE.match(path):
        why = "the directory is there on some machines only"
    if why is not None:
        condition = f" under {word.condition}" if word.condition else ""
        yield source_finding(
            PREFIX, report, package=facts.path, subject=word.written, target=target, place=word.place,
            message=f"{where(word.place, report)}: {printable(word.written)}{printable(condition)} also counts for "
            f"{goarch}: {why}" if "only" in why and "machines" not in why
            else f"{where(word.place, report)}: {printable(word.written)}: {why}",
            remedies=_OWN_RUN_PATH if "-rpath" in word.text else (),
        )  # fmt: skip


def _relative(
    report: SourceReport, target: str, facts: PackageFacts, before: str, word: FlagWord, verb: str
) -> Iterator[Finding]:
    text = word.text
    named = None
    if text.startswith("-F") and len(text) > 2 and text[2] not in "/=":
        named = text[2:]
    elif (before in ("-F", "-isystem", "-include") and not text.startswith(("/", "-"))) or (
        verb == "LDFLAGS" and re.fullmatch(r"(?!/|-)[^@]*\.(?:a|o|dylib|so|tbd)", text) and not before.startswith("-")
    ):
        named = text
    if named is None:
        return
    better = word.written.replace(named, "${SRCDIR}/" + named, 1)
    yield source_finding(
        RELATIVE, report, package=facts.path, subject=word.written, target=target, place=word.place,
        message=f"{where(word.place, report)}: Go does not make {printable(word.written)} absolute",
        remedies=(advice(f"write {quoted(better)}"),),
    )  # fmt: skip


def _says_where(packages: Iterable[PackageFacts]) -> bool:
    """Whether any package names a directory of libraries, or asks pkg-config for one."""
    return any(
        facts.words.get("pkg-config")
        or any(
            w.text.startswith(("-L", "-F")) and w.origin.value != "environment" for w in facts.words.get("LDFLAGS", ())
        )
        for facts in packages
    )


def _default_only(report: SourceReport) -> Iterator[Finding]:
    from machochain.source.values import FlagOrigin, Kind, SearchOutcome  # noqa: PLC0415

    said = {target: _says_where(packages.values()) for target, packages in report.packages.items()}
    unplaced: dict[tuple[str, str, SourcePosition], list[str]] = {}
    for search in report.searches:
        if search.kind is not Kind.LIBRARY or search.by_system or search.word is None:
            continue
        if search.word.origin is not FlagOrigin.DIRECTIVE:
            continue
        if said[search.target]:
            continue
        if (
            search.outcome is SearchOutcome.FOUND
            and search.winner is not None
            and not search.winner.startswith("/usr/local/")
        ):
            continue
        names = unplaced.setdefault((search.target, search.package, search.place), [])
        if f"-l{search.name}" not in names:
            names.append(f"-l{search.name}")
    for (target, package, place), names in unplaced.items():
        yield source_finding(
            DEFAULT, report, package=package, subject=" ".join(names), target=target, place=place,
            confidence=Confidence.LIKELY,
            message=f"{where(place, report)}: nothing says where {printable(', '.join(names))} "
            f"{'is' if len(names) == 1 else 'are'}",
        )  # fmt: skip


def _directories(report: SourceReport) -> Iterator[Finding]:
    from machochain.source.values import Kind, PathState, SearchOutcome  # noqa: PLC0415

    gone: dict[tuple[str, str, str], bool] = {}
    for search in report.searches:
        # A header nobody found may be the SDK's, if none was seen: that says nothing of the directory.
        lacking = search.outcome is SearchOutcome.MISSING or (
            search.outcome is SearchOutcome.UNKNOWN and search.kind is not Kind.HEADER
        )
        for tried in search.tried:
            if tried.state is PathState.NO_DIRECTORY:
                key = search.target, search.package, tried.path
                gone[key] = gone.get(key, False) or (lacking and search.certain)
    for (target, package, path), lacking in gone.items():
        facts = report.packages[target].get(package)
        word = _naming(facts, path) if facts is not None else None
        if word is None or facts is None or (facts.vendored and lacking and path.startswith(f"{facts.directory}/")):
            # What vendoring lost is told as such.
            continue
        severity = Severity.WARNING if lacking else Severity.INFO
        yield source_finding(
            DIRECTORY, report, package=package, subject=word.written, target=target, place=word.place,
            severity=severity,
            message=f"{where(word.place, report)}: {printable(path)} does not exist",
        )  # fmt: skip


def _naming(facts: PackageFacts, path: str) -> FlagWord | None:
    """Return the word of a package that names a directory, joined to its flag or behind it."""
    for verb in ("LDFLAGS", "CPPFLAGS", "CFLAGS", "CXXFLAGS"):
        before = ""
        for word in facts.words.get(verb, ()):
            flags = ("-L", "-F") if verb == "LDFLAGS" else ("-I", "-F", "-isystem", "-iquote", "-idirafter")
            if word.text in [f"{flag}{path}" for flag in flags] or (before in flags and word.text == path):
                return word
            before = word.text
    return None
