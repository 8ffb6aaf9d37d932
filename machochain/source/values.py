"""What is told about the sources of a Go module: packages, flags, searches, links, losses."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from machochain.golang.constraint import BuildContext
from machochain.golang.package import DirectiveLine, SourceProblem
from machochain.golang.security import Refusal
from machochain.golang.settings import Settings
from machochain.model.result import Finding, Result
from machochain.model.value import Factory, define, field, frozen

if TYPE_CHECKING:
    from machochain.source.built import BuiltProgram
    from machochain.source.carried import UncarriedFile


class Mode(Enum):
    """How the compiler driver comes to its directories."""

    SHIM = "shim"
    """``/usr/bin/clang`` by way of xcrun, with no SDK named: it searches /usr/local as well."""
    SDK = "sdk"
    """The same with SDKROOT, ``-isysroot`` or ``--sysroot``."""
    CLANG = "clang"
    """Another clang, which knows no SDK of its own."""
    CROSS = "cross"
    """zig, osxcross, or clang and lld on another system."""


class FlagOrigin(Enum):
    """Where a word of a command line comes from."""

    ENVIRONMENT = "environment"
    DIRECTIVE = "directive"
    PKG_CONFIG = "pkg-config"
    GO = "go"


class Kind(Enum):
    """What is looked for."""

    HEADER = "header"
    LIBRARY = "library"
    FRAMEWORK = "framework"
    FILE = "file"
    PKG_CONFIG = "pkg-config"


class SearchOutcome(Enum):
    """What a search came to."""

    FOUND = "found"
    MISSING = "missing"
    UNKNOWN = "unknown"


class PathState(Enum):
    """What lies at a path that was tried."""

    WINNER = "taken"
    SHADOWED = "also there, shadowed"
    ABSENT = "no such file"
    NO_DIRECTORY = "no such directory"
    UNSEEN = "nobody looked there"
    IN_SDK = "part of macOS"


@frozen
class BuildTarget:
    """For what the module is built.

    Attributes:
        goos: Always ``darwin`` but for tests.
        goarch: ``arm64`` or ``amd64``.
        minor: N of Go 1.N.
        go: Where N comes from: ``toolchain line``, ``go line``, ``option`` or ``newest``.
        mode: How directories are found.
        mode_assumed: Whether nothing tells the mode.
        cc: The compiler and its arguments.
        sdk: Directory of the SDK; None if it is not known.
        context: What holds in conditions.
    """

    goos: str
    goarch: str
    minor: int
    go: str
    mode: Mode
    mode_assumed: bool
    cc: tuple[str, ...]
    sdk: str | None
    context: BuildContext

    @property
    def name(self) -> str:
        """``darwin/arm64``."""
        return f"{self.goos}/{self.goarch}"


@frozen
class SourcePosition:
    """A position in a source file.

    Attributes:
        file: Absolute path on this machine; ``""`` for the environment.
        line: 1-based; 0 for the whole file.
    """

    file: str = ""
    line: int = 0


NOWHERE = SourcePosition()


@frozen
class FlagWord:
    """One word of a command line.

    Attributes:
        text: The word.
        origin: Where it comes from.
        place: The position of its directive.
        condition: What stands before its verb.
        written: As it stands in the source.
        package: Import path of the package whose flags it is among.
    """

    text: str
    origin: FlagOrigin
    place: SourcePosition = NOWHERE
    condition: str = ""
    written: str = ""
    package: str = ""


@define
class PackageFacts:
    """One package for one target.

    Attributes:
        path: Import path.
        directory: Absolute path on this machine; ``""`` if it is not known.
        name: The package's name.
        module: Path of its module.
        own: Whether it belongs to a module that is worked on.
        asked: Whether the pattern names it.
        vendored: Whether it lies below ``vendor``.
        imports: Import paths of what it is built from.
        test_imports: What its tests import besides.
        unknown_imports: Imports whose directory is not known.
        files: Lists of files by the names of ``go list``.
        words: What ``#cgo`` lines, the environment and pkg-config give, by verb, in the order of the compiler.
        lines: All ``#cgo`` lines.
        refused: What cmd/go refuses, with the verb.
        problems: Go's own errors.
        detached: Places of ``#cgo`` lines that do not count.
        cgo_tests: Test files that import ``"C"``.
        embeds: Patterns of ``//go:embed``.
    """

    path: str
    directory: str
    name: str = ""
    module: str = ""
    own: bool = False
    asked: bool = False
    vendored: bool = False
    imports: tuple[str, ...] = ()
    test_imports: tuple[str, ...] = ()
    unknown_imports: tuple[str, ...] = ()
    files: dict[str, tuple[str, ...]] = Factory(dict)
    words: dict[str, tuple[FlagWord, ...]] = Factory(dict)
    lines: tuple[DirectiveLine, ...] = ()
    refused: tuple[tuple[str, Refusal, SourcePosition], ...] = ()
    problems: tuple[SourceProblem, ...] = ()
    detached: tuple[SourcePosition, ...] = ()
    cgo_tests: tuple[str, ...] = ()
    embeds: tuple[str, ...] = ()

    @property
    def cgo(self) -> bool:
        """Whether cgo works on it."""
        return bool(self.files.get("CgoFiles"))

    @property
    def main(self) -> bool:
        """Whether it is a program."""
        return self.name == "main"

    @property
    def tests(self) -> bool:
        """Whether it has tests."""
        return bool(self.files.get("TestGoFiles") or self.files.get("XTestGoFiles"))


@frozen
class TriedPath:
    """One path of a search.

    Attributes:
        path: The path, or the directory if that is missing as a whole.
        state: What lies there.
        origin: Whose directory it is: a word with its package, ``SDK``, ``xcrun``, a variable.
        package: Import path of the package whose word names the directory; ``""`` if none does.
    """

    path: str
    state: PathState
    origin: str
    package: str = ""


@frozen
class LinkedLibrary:
    """What is known of a library.

    Attributes:
        archs: Names of its slices; empty if they are not known.
        install_name: Its id; None for a static library.
        version: Its current version.
        static: Whether it is an archive.
    """

    archs: tuple[str, ...] = ()
    install_name: str | None = None
    version: str | None = None
    static: bool = False


@frozen
class Search:
    """One search for a header, library, framework or package of pkg-config.

    Attributes:
        target: ``darwin/arm64``.
        kind: What is looked for.
        name: Its name, as it is asked for.
        package: Import path of the package that asks.
        place: Where.
        certain: Whether it is asked for in every case.
        outcome: What it came to.
        winner: The file that is taken; None if none is, or the SDK has it and is not at hand.
        tried: Paths in order.
        facts: Of a library.
        shadowed: Later hits with their facts.
        by_system: Whether it is part of macOS, even if the SDK that is searched lacks it.
        word: The word that asks, for a library.
        computed: Whether the name is a macro whose value is not known.
    """

    target: str
    kind: Kind
    name: str
    package: str
    place: SourcePosition
    certain: bool
    outcome: SearchOutcome
    winner: str | None = None
    tried: tuple[TriedPath, ...] = ()
    facts: LinkedLibrary = LinkedLibrary()
    shadowed: tuple[tuple[str, LinkedLibrary], ...] = ()
    by_system: bool = False
    word: FlagWord | None = None
    computed: bool = False

    @property
    def doubtful(self) -> bool:
        """Whether a path that nobody saw comes before the one that was taken."""
        for each in self.tried:
            if each.state in (PathState.WINNER, PathState.IN_SDK):
                return False
            if each.state is PathState.UNSEEN:
                return True
        return False


@frozen
class FutureRunPath:
    """One LC_RPATH to come.

    Attributes:
        path: Its text.
        origin: Where it comes from.
        package: The package whose flags have it.
        place: Where.
    """

    path: str
    origin: FlagOrigin
    package: str
    place: SourcePosition = NOWHERE


@define
class Link:
    """What the link of a program or test binary comes to.

    Attributes:
        target: ``darwin/arm64``.
        program: Import path of the package.
        test: Whether it is the package's test binary.
        external: Whether the host's linker links it.
        words: The words, by package, the program's own first.
        loads: (install name, weak) in link order.
        run_paths: LC_RPATHs in order, each as often as it is given.
        searches: What its ``-l``, ``-framework`` and files came to.
        static: Static libraries that go in.
        complete: Whether everything it takes is known.
        unknowns: Why it is not.
        result: What dyld will do with it; None if it was not looked at.
    """

    target: str
    program: str
    test: bool
    external: bool
    words: tuple[FlagWord, ...] = ()
    loads: tuple[tuple[str, bool], ...] = ()
    run_paths: tuple[FutureRunPath, ...] = ()
    searches: tuple[Search, ...] = ()
    static: tuple[str, ...] = ()
    complete: bool = True
    unknowns: tuple[str, ...] = ()
    result: Result | None = None


class Need(Enum):
    """How much a file is needed."""

    SURE = "sure"
    PERHAPS = "perhaps"
    UNREFERENCED = "unreferenced"


@frozen
class LostFile:
    """A file that ``go mod vendor`` does not copy.

    Attributes:
        module: Path of its module.
        file: Path relative to the module's directory.
        need: How much it is needed.
        by: What needs it: a package and a place.
        package: That package; ``""`` for none.
        place: That place.
        nested: Whether a go.mod above it makes it part of another module.
    """

    module: str
    file: str
    need: Need
    package: str = ""
    place: SourcePosition = NOWHERE
    nested: bool = False


@frozen
class ModuleFacts:
    """The module that is looked at.

    Attributes:
        path: Its path; ``""`` if there is no go.mod.
        directory: Where it lies.
        go: The ``go`` line.
        toolchain: The ``toolchain`` line.
        vendored: Whether builds use ``vendor``.
        workspace: The go.work file; None for none.
    """

    path: str
    directory: str
    go: str = ""
    toolchain: str = ""
    vendored: bool = False
    workspace: str | None = None


@define
class SourceReport:
    """Everything that was found out.

    Attributes:
        module: The module.
        settings: Go's settings.
        targets: For what.
        packages: By target name, by import path.
        searches: All searches, in the order of packages.
        links: All programs and test binaries.
        lost: What vendoring loses.
        uncarried: What users of the module do not get.
        repository: Whether git's list of the module's files was read.
        binary: A program that was built from it; None if none was named.
        outside: (package, files) that the build cache does not know of, though they go into it.
        skipped: Ids of rules that had too little to look at, with the reason.
        findings: What is worth telling.
        notes: What is not known, for people.
    """

    module: ModuleFacts
    settings: Settings
    targets: tuple[BuildTarget, ...]
    packages: dict[str, dict[str, PackageFacts]] = Factory(dict)
    searches: list[Search] = Factory(list)
    links: list[Link] = Factory(list)
    lost: list[LostFile] = Factory(list)
    uncarried: list[UncarriedFile] = Factory(list)
    repository: bool = False
    binary: BuiltProgram | None = None
    outside: dict[str, tuple[str, ...]] = Factory(dict)
    skipped: dict[str, str] = Factory(dict)
    findings: tuple[Finding, ...] = ()
    notes: list[str] = Factory(list)
    evidence: dict[str, Any] = field(factory=dict)
