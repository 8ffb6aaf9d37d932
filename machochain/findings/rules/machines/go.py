"""MC751 to MC764: Go, its settings, compiler, pkg-config and Homebrew on a recorded Mac."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from machochain.findings.machined import machine_finding, machine_rule
from machochain.findings.registry import register
from machochain.findings.remedies import advice, command
from machochain.findings.rule import Rule
from machochain.findings.sourced import listed
from machochain.golang.modules import minor_of
from machochain.model.errors import UsageError
from machochain.model.paths import printable
from machochain.model.result import Confidence, Finding, Severity
from machochain.model.version import Version

if TYPE_CHECKING:
    from machochain.machine.doctor import MachineCase

_SINCE: Final = "A recorded Mac of any release"
_FLOORS: Final = ((27, "13.0"), (25, "12.0"), (23, "11.0"))
_KEYED_OUT: Final = ("MACOSX_DEPLOYMENT_TARGET", "SDKROOT", "CPATH", "LIBRARY_PATH", "C_INCLUDE_PATH")
_HIDDEN: Final = ("CGO_", "CC", "CXX", "GOFLAGS", "PKG_CONFIG")


def _rule(
    number: str,
    name: str,
    title: str,
    severity: Severity,
    meaning: str,
    why: str,
    *fix: str,
    refs: tuple[str, ...] = (),
) -> Rule:
    return register(
        Rule(number, name, title, severity, meaning, why, fix, since=_SINCE, references=refs or ("Go 1.27, cmd/go",))
    )


ARCH: Final = _rule(
    "MC751", "go-of-other-arch", "The go command is for another processor", Severity.WARNING,
    "Go runs under Rosetta, or its GOHOSTARCH is not the Mac's.",
    "It builds for amd64 unless told otherwise, and looks for libraries of the other Homebrew.",
    "Install the go of this processor.",
)  # fmt: skip
BREW: Final = _rule(
    "MC752", "brew-of-other-arch", "Homebrew holds libraries of another processor than Go builds for", Severity.ERROR,
    "/opt/homebrew holds arm64, /usr/local x86_64 code; GOARCH asks for the other.",
    "The linker passes over the libraries, or dyld refuses them.",
    "Build for the processor of the Homebrew that is installed, or install the other one.",
    refs=("Homebrew/brew#14226",),
)  # fmt: skip
DYLD: Final = _rule(
    "MC753", "dyld-variables-lost", "DYLD_ variables do not reach what go starts", Severity.ERROR,
    "The go command is hardened and has no entitlement for them, and such a variable is set.",
    "go run and go test start programs without the variable.",
    "Use a run path, or `go run -exec 'env DYLD_LIBRARY_PATH=…' .`.", refs=("golang/go#36572",),
)  # fmt: skip
OFF: Final = _rule(
    "MC754", "cgo-off", "cgo is off, and the module needs it", Severity.ERROR,
    "CGO_ENABLED is 0, by a setting or because no compiler is found.",
    "Files with cgo are passed over: packages vanish, or stubs take their place.",
    "`CGO_ENABLED=1`, and a compiler.", refs=("Go 1.27, cmd/go/internal/cfg",),
)  # fmt: skip
COMPILER: Final = _rule(
    "MC755", "no-compiler", "The C compiler is not found", Severity.ERROR,
    "$CC, or clang, is not in PATH.", "cgo stops.", "Install the Command Line Tools, or correct CC.",
)  # fmt: skip
TARGET: Final = _rule(
    "MC756", "deployment-target", "The oldest macOS of a release is not stated, or cannot be right", Severity.WARNING,
    "No deployment target is set, so the build machine's macOS or SDK becomes the program's; or it is above this "
    "macOS, or below what Go supports.",
    "Users of older Macs cannot start the program.",
    '`CGO_CPPFLAGS=-mmacosx-version-min=V CGO_LDFLAGS="-O2 -g -mmacosx-version-min=V"`: CGO_CFLAGS would drop -O2.',
    refs=("mimi-project/mimi#276",),
)  # fmt: skip
UNKEYED: Final = _rule(
    "MC757", "unkeyed-variable", "A variable changes what is built, and Go's cache does not know of it", Severity.INFO,
    "The cache key holds the compiler and CGO_ flags, not these variables.",
    "After a change of it old objects are taken.", "Use a GOCACHE of its own for each setting, or `-a`.",
    refs=("Go 1.27, cmd/go/internal/work/exec.go",),
)  # fmt: skip
ARGUMENTS: Final = _rule(
    "MC758", "pkg-config-arguments", "Arguments in PKG_CONFIG are lost", Severity.ERROR,
    "Go takes only the first word.", "`--static` and the like do nothing, silently.",
    "Name a script that calls pkg-config with the arguments.", refs=("Go 1.27, cmd/go/internal/work/exec.go",),
)  # fmt: skip
HOST: Final = _rule(
    "MC759", "pkg-config-host", "pkg-config looks among libraries of the host", Severity.WARNING,
    "A cross build with PKG_CONFIG_LIBDIR unset: PKG_CONFIG_PATH only adds to the host's directories.",
    "Flags of host libraries get into the target's build.",
    "Set PKG_CONFIG_LIBDIR and unset PKG_CONFIG_PATH.", refs=("tpoechtrager/osxcross#69",),
)  # fmt: skip
KEPT: Final = _rule(
    "MC760", "kept-setting", "go env -w keeps a setting that changes builds", Severity.INFO,
    "The file of `go env -w` holds flags, a compiler or allow lists.",
    "Builds depend on a file nobody looks at; an empty variable does not clear it.",
    "`go env -u NAME`", refs=("Go 1.27, cmd/go/internal/envcmd",),
)  # fmt: skip
GO: Final = _rule(
    "MC761", "go-too-old", "Go is too old for this macOS or for the module", Severity.ERROR,
    "Go before 1.24 writes no LC_UUID, which macOS 26 asks for; or go.mod asks for a newer Go and GOTOOLCHAIN is "
    "local.",
    "Programs do not start, or go stops.", "Install a newer Go.", refs=("golang/go#68678",),
)  # fmt: skip
DEFAULTS: Final = _rule(
    "MC762", "default-flags-lost", "Setting CGO_CFLAGS drops Go's own -O2", Severity.WARNING,
    "CGO_CFLAGS or CGO_CXXFLAGS is set without an -O flag.", "C code is not optimised.",
    "Add `-O2 -g`, or use CGO_CPPFLAGS.", refs=("Go 1.27, cmd/go/internal/work/exec.go",),
)  # fmt: skip
SHELL: Final = _rule(
    "MC763", "shell-differs", "The program was built with other flags than this shell has", Severity.INFO,
    "CGO_ variables recorded in the program are not those of the Mac.",
    "A build here makes another program.", "Set the same variables.",
)  # fmt: skip
UNREADABLE: Final = _rule(
    "MC764", "unreadable-variable", "Go cannot split the value of a variable", Severity.ERROR,
    "A quote is not closed.", "Every go command that builds stops.", "Close the quote.",
    refs=("Go 1.27, cmd/internal/quoted",),
)  # fmt: skip
UNSEEN: Final = _rule(
    "MC792", "fact-unseen", "Something that was recorded cannot be read", Severity.INFO,
    "The output of a command has a form nobody expected.", "Rules that need it are skipped.",
    "Record again with a newer machochain, or report the output.",
)  # fmt: skip


@machine_rule(ARCH, "arch", "go_env")
def _arch(case: MachineCase) -> Iterator[Finding]:
    facts = case.facts
    host = (facts.go_env or {}).get("GOHOSTARCH", "")
    mac = {"arm64": "arm64", "x86_64": "amd64"}.get(facts.arch or "", "")
    if facts.translated or (host and mac and host != mac):
        how = "under Rosetta" if facts.translated else f"on {printable(facts.arch or '')}"
        yield machine_finding(ARCH, case, f"go is for {printable(host or 'amd64')} and runs {how}", subject=host)


@machine_rule(BREW, "brew_prefix", "go_env", "cgo")
def _brew(case: MachineCase) -> Iterator[Finding]:
    prefix, goarch = case.facts.brew_prefix, case.facts.goarch
    holds = {"/opt/homebrew": "arm64", "/usr/local": "amd64"}.get(prefix or "")
    if holds is None or holds == goarch or not case.cgo or case.source is None:
        return
    uses = [
        s for s in case.source.searches
        if s.kind.value in ("library", "pkg-config") and not s.by_system
        and any(t.path.startswith(f"{prefix}/") for t in s.tried)
    ]  # fmt: skip
    if uses:
        yield machine_finding(
            BREW, case,
            f"Homebrew in {prefix} holds {holds} code, Go builds for {printable(goarch or '?')}: "
            f"{listed([s.name for s in uses])}",
            subject=prefix or "",
        )  # fmt: skip


@machine_rule(DYLD, "go_hardened")
def _dyld(case: MachineCase) -> Iterator[Finding]:
    names = [n for n in case.facts.environment if n.startswith("DYLD_")]
    if not names and not case.facts.dyld_seen:
        case.skipped[DYLD.id] = "not recorded: whether DYLD_ variables are set (a shell of macOS never sees them)"
    elif names and case.facts.go_hardened:
        yield machine_finding(
            DYLD, case, f"{listed(names)} does not reach what go starts: go is hardened",
            remedies=(advice("use a run path, or go run -exec with env"),), variables=names,
        )  # fmt: skip


@machine_rule(OFF, "go_env", "cgo")
def _off(case: MachineCase) -> Iterator[Finding]:
    enabled = (case.facts.go_env or {}).get("CGO_ENABLED")
    if enabled == "0" and case.cgo and case.source is not None:
        names = {p.path for ps in case.source.packages.values() for p in ps.values() if p.cgo or p.lines}
        yield machine_finding(
            OFF, case, f"CGO_ENABLED is 0, but {listed(sorted(names))} needs cgo",
            remedies=(command("go env -u CGO_ENABLED"), command("export CGO_ENABLED=1", also=True)),
            packages=sorted(names),
        )  # fmt: skip


@machine_rule(COMPILER, "cc")
def _compiler(case: MachineCase) -> Iterator[Finding]:
    if case.facts.cc == "" and case.cgo is not False:
        name = case.facts.settings.get("CC").value.split()[:1] or ["clang"]
        yield machine_finding(
            COMPILER,
            case,
            f'cgo: C compiler "{printable(name[0])}" not found',
            remedies=(command("xcode-select --install"),),
        )


@machine_rule(TARGET, "macos")
def _target(case: MachineCase) -> Iterator[Finding]:
    facts = case.facts
    flags = " ".join(facts.settings.get(n).value for n in ("CGO_CFLAGS", "CGO_CPPFLAGS", "CGO_LDFLAGS"))
    given = facts.environment.get("MACOSX_DEPLOYMENT_TARGET", "")
    assert facts.macos is not None
    if not given:
        if case.release and case.cgo is not False and "version-min" not in flags:
            yield machine_finding(
                TARGET, case, "no deployment target is set: the program will need this Mac's macOS or SDK"
            )
        return
    try:
        wanted = Version.parse(given)
    except UsageError:
        yield machine_finding(
            TARGET, case, f"MACOSX_DEPLOYMENT_TARGET is no version: {printable(given)}", subject=given
        )
        return
    floor = next((v for since, v in _FLOORS if (facts.go_minor or 0) >= since), None)
    if wanted > facts.macos:
        yield machine_finding(
            TARGET, case, f"MACOSX_DEPLOYMENT_TARGET {given} is above this macOS {facts.macos}", subject=given
        )
    elif floor is not None and wanted < Version.parse(floor):
        yield machine_finding(
            TARGET, case, f"MACOSX_DEPLOYMENT_TARGET {given} is below {floor}, which {facts.go} needs", subject=given
        )


@machine_rule(UNKEYED, "environment")
def _unkeyed(case: MachineCase) -> Iterator[Finding]:
    names = [n for n in _KEYED_OUT if case.facts.environment.get(n)]
    if names and case.cgo is not False:
        yield machine_finding(UNKEYED, case, f"Go's build cache does not know of {listed(names)}", variables=names)


@machine_rule(ARGUMENTS, "environment")
def _arguments(case: MachineCase) -> Iterator[Finding]:
    setting = case.facts.settings.get("PKG_CONFIG")
    if len(setting.value.split()) > 1:
        first = printable(setting.value.split()[0])
        yield machine_finding(
            ARGUMENTS, case, f"PKG_CONFIG is {printable(setting.value)}: Go takes {first} only", subject=setting.value
        )


@machine_rule(HOST, "environment")
def _host(case: MachineCase) -> Iterator[Finding]:
    facts = case.facts
    cross = facts.mode is not None and facts.mode.value == "cross"
    asked = case.source is None or any(s.kind.value == "pkg-config" for s in case.source.searches)
    if cross and asked and not facts.environment.get("PKG_CONFIG_LIBDIR"):
        yield machine_finding(HOST, case, "a cross build with PKG_CONFIG_LIBDIR unset finds libraries of the host")


@machine_rule(KEPT, "kept")
def _kept(case: MachineCase) -> Iterator[Finding]:
    for name, value in (case.facts.kept or {}).items():
        if not name.startswith(_HIDDEN) or not value:
            continue
        cleared = name in case.facts.environment and not case.facts.environment[name]
        message = f"go env -w keeps {printable(name)}={printable(value)}"
        message += ": the empty variable does not clear it" if cleared else ""
        yield machine_finding(
            KEPT, case, message, subject=name, severity=Severity.WARNING if cleared else Severity.INFO,
            remedies=(command(f"go env -u {name}"),),
        )  # fmt: skip


@machine_rule(GO, "go", "macos")
def _go(case: MachineCase) -> Iterator[Finding]:
    facts = case.facts
    minor = facts.go_minor
    assert facts.macos is not None
    if minor is not None and minor < 24 and facts.macos.major >= 26:
        yield machine_finding(
            GO, case, f"{facts.go} writes no LC_UUID, which macOS {facts.macos} asks for", subject=facts.go or ""
        )
    line = case.source.module.go if case.source is not None else ""
    wanted = minor_of(line)
    local = (facts.go_env or {}).get("GOTOOLCHAIN", facts.environment.get("GOTOOLCHAIN", "")) == "local"
    if minor is not None and wanted is not None and wanted > minor:
        yield machine_finding(
            GO, case, f"go.mod asks for go {line}, here is {facts.go}", subject=line,
            severity=Severity.ERROR if local else Severity.WARNING,
        )  # fmt: skip


@machine_rule(DEFAULTS, "environment")
def _defaults(case: MachineCase) -> Iterator[Finding]:
    for name in ("CGO_CFLAGS", "CGO_CXXFLAGS"):
        setting = case.facts.settings.get(name)
        if setting.origin.value != "default" and not any(w.startswith("-O") for w in setting.value.split()):
            yield machine_finding(
                DEFAULTS,
                case,
                f"{name} is {printable(setting.value)}, without -O2: C code is not optimised",
                subject=name,
            )


@machine_rule(SHELL, "environment", "binary")
def _shell(case: MachineCase) -> Iterator[Finding]:
    assert case.binary is not None
    for name in ("CGO_CFLAGS", "CGO_CPPFLAGS", "CGO_CXXFLAGS", "CGO_LDFLAGS"):
        if name not in case.binary.settings:
            continue
        setting = case.facts.settings.get(name)
        here = "" if setting.origin.value == "default" else setting.value
        if here != case.binary.settings[name]:
            then = printable(case.binary.settings[name]) or "(nothing)"
            yield machine_finding(
                SHELL, case,
                f"{printable(case.binary.name)} was built with {name}={then}, here it is "
                f"{printable(here) or '(nothing)'}",
                subject=name, confidence=Confidence.LIKELY,
            )  # fmt: skip


@machine_rule(UNREADABLE, "environment")
def _unreadable(case: MachineCase) -> Iterator[Finding]:
    for name in ("CGO_CFLAGS", "CGO_CPPFLAGS", "CGO_CXXFLAGS", "CGO_FFLAGS", "CGO_LDFLAGS", "CC", "CXX", "GOFLAGS"):
        try:
            case.facts.settings.words(name)
        except UsageError as error:
            yield machine_finding(UNREADABLE, case, printable(str(error)), subject=name)


@machine_rule(UNSEEN)
def _unseen(case: MachineCase) -> Iterator[Finding]:
    for problem in case.facts.problems:
        yield machine_finding(UNSEEN, case, printable(problem), subject=problem.partition(":")[0])
