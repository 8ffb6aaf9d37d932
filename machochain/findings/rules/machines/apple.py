"""MC741 to MC749: Apple's tools on a recorded Mac."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from machochain.findings.machined import machine_finding, machine_rule
from machochain.findings.registry import register
from machochain.findings.remedies import advice, command
from machochain.findings.rule import Rule
from machochain.machine.snapshot import MOST_NAMES
from machochain.model.paths import printable
from machochain.model.result import Confidence, Finding, Severity

if TYPE_CHECKING:
    from machochain.machine.doctor import MachineCase

_SINCE: Final = "A recorded Mac of any release"
_SELECT: Final = command("xcode-select --install")

DEVELOPER_DIR: Final = register(
    Rule(
        "MC741", "developer-dir", "The active developer directory is not there", Severity.ERROR,
        "`xcode-select -p` names a directory that does not exist, as after an upgrade or a removed Xcode.",
        "clang, ld and git stop with `invalid active developer path`; nothing with cgo builds.",
        ("`xcode-select --install`", "Or `sudo xcode-select -s /Applications/Xcode.app`."),
        since=_SINCE, references=("xcode-select(1)",),
    )
)  # fmt: skip
OVERRIDE: Final = register(
    Rule(
        "MC742", "developer-dir-override", "DEVELOPER_DIR overrides the selected Xcode", Severity.WARNING,
        "The variable names another directory than `xcode-select -p`, or one that is not there.",
        "Shells with and without it build with different compilers and SDKs.",
        ("`unset DEVELOPER_DIR`, or set it everywhere.",), milder="error if the directory is not there",
        since=_SINCE, references=("xcrun(1)",),
    )
)  # fmt: skip
SDK: Final = register(
    Rule(
        "MC743", "sdk-missing", "No SDK of macOS is found", Severity.ERROR,
        "`xcrun --show-sdk-path` finds none, or names one that does not exist.",
        "No header and no library of macOS is found, not even -lresolv.",
        ("Install the Command Line Tools again: `xcode-select --install`.", "Or set SDKROOT."),
        since=_SINCE, references=("golang/go#75568", "actions/runner-images#11021"),
    )
)  # fmt: skip
TWO: Final = register(
    Rule(
        "MC744", "two-sdks", "Two ways to ask for the SDK give two SDKs", Severity.WARNING,
        "`xcrun --show-sdk-path` and `xcrun --sdk macosx --show-sdk-path` answer from different developer directories.",
        "Tools that ask one way compile with another SDK than tools that ask the other way.",
        ("Select an Xcode that matches the macOS, or set SDKROOT.",),
        since=_SINCE, references=("hiking90/ongeul#26",),
    )
)  # fmt: skip
OLD: Final = register(
    Rule(
        "MC745", "tools-too-old", "Xcode or the Command Line Tools are older than this macOS wants", Severity.WARNING,
        "The major version is below the one Homebrew asks for on this release.",
        "SDKs lack frameworks or stubs that the linker cannot read.",
        ("`softwareupdate --list`, and install what it names.",),
        since=_SINCE, references=("Homebrew, os/mac/xcode.rb",),
    )
)  # fmt: skip
LICENCE: Final = register(
    Rule(
        "MC746", "xcode-licence", "Xcode's licence has not been accepted", Severity.ERROR,
        "A command printed that the licence has to be accepted.",
        "clang and ld stop.",
        ("`sudo xcodebuild -license accept`",),
        since=_SINCE, references=("xcodebuild(1)",),
    )
)  # fmt: skip
LINKER: Final = register(
    Rule(
        "MC747", "linker-older-than-sdk", "The linker is older than the SDK it has to read", Severity.WARNING,
        "The linker's version is from before the text format of the SDK's stubs, or another tool said so.",
        "Links stop with `unsupported tapi file type`.",
        ("Use the linker of the Xcode that the SDK belongs to.",),
        since=_SINCE, references=("google/pprof#566",),
    )
)  # fmt: skip
NO_SDK: Final = register(
    Rule(
        "MC748", "compiler-without-sdk", "The compiler is another clang and knows no SDK", Severity.WARNING,
        "CC is a clang that does not go through xcrun, and neither SDKROOT nor -isysroot names an SDK.",
        "Headers and libraries of macOS are not found, or come from an SDK it was built with.",
        ('`export SDKROOT="$(xcrun --show-sdk-path)"`',),
        since=_SINCE, references=("Homebrew/homebrew-core#197277",),
    )
)  # fmt: skip
IMPLICIT: Final = register(
    Rule(
        "MC749", "implicit-usr-local", "A library comes from /usr/local though nobody asks for it there",
        Severity.WARNING,
        "/usr/bin/clang without a named SDK searches /usr/local before the SDK, and what the module links lies there.",
        "On arm64 that is a leftover of an Intel Homebrew; on Intel it is Homebrew's, before macOS' own.",
        ('Name the SDK: `export SDKROOT="$(xcrun --show-sdk-path)"`, or give `-L` first.',),
        since=_SINCE, references=("xcrun(1)", "Homebrew/brew#16796"),
    )
)  # fmt: skip
_LEAST: Final = {27: 27, 26: 26, 15: 16, 14: 15, 13: 14, 12: 14, 11: 13}
"""Major version of Xcode that Homebrew asks for, by macOS (2026-11)."""


@machine_rule(DEVELOPER_DIR, "developer_dir")
def _developer_dir(case: MachineCase) -> Iterator[Finding]:
    facts = case.facts
    chosen = facts.environment.get("DEVELOPER_DIR", "").rstrip("/")
    if chosen and facts.developer_dir_there is False and facts.developer_dir == chosen:
        return  # xcode-select says what the variable says: MC742 tells it, with the remedy that helps
    if facts.developer_dir_error or facts.developer_dir_there is False or facts.developer_dir == "":
        why = facts.developer_dir_error or (
            f"{facts.developer_dir} does not exist" if facts.developer_dir else "no developer directory is selected"
        )
        yield machine_finding(
            DEVELOPER_DIR,
            case,
            printable(why),
            developer_dir=facts.developer_dir,
            remedies=(_SELECT, command("sudo xcode-select -s /Library/Developer/CommandLineTools")),
        )


@machine_rule(OVERRIDE, "developer_dir")
def _override(case: MachineCase) -> Iterator[Finding]:
    given = case.facts.environment.get("DEVELOPER_DIR")
    if not given:
        return
    record = case.snapshot.files.get(given)
    if record is not None and record.kind == "absent":
        yield machine_finding(
            OVERRIDE, case, f"DEVELOPER_DIR is {printable(given)}, which does not exist", subject=given,
            severity=Severity.ERROR, remedies=(command("unset DEVELOPER_DIR"),),
        )  # fmt: skip
        return
    if given.rstrip("/") not in ((case.facts.developer_dir or "").rstrip("/"), _of_app(case.facts.developer_dir or "")):
        selected = printable(case.facts.developer_dir or "")
        yield machine_finding(
            OVERRIDE, case, f"DEVELOPER_DIR is {printable(given)}, xcode-select says {selected}", subject=given
        )


def _of_app(path: str) -> str:
    return path.removesuffix("/Contents/Developer")


@machine_rule(SDK, "sdk")
def _sdk(case: MachineCase) -> Iterator[Finding]:
    facts = case.facts
    if facts.sdk_error and facts.sdk_error == facts.developer_dir_error:
        case.skipped[SDK.id] = "without a developer directory no SDK was looked for (MC741)"
    elif facts.sdk_error or facts.sdk_there is False:
        why = facts.sdk_error or f"{facts.sdk} does not exist"
        yield machine_finding(SDK, case, printable(why), remedies=(_SELECT,), sdk=facts.sdk)


@machine_rule(TWO, "sdk", "sdk_macosx")
def _two(case: MachineCase) -> Iterator[Finding]:
    one, other = case.facts.sdk or "", case.facts.sdk_macosx or ""
    if one and other and _root(one) != _root(other):
        yield machine_finding(TWO, case, f"xcrun names {printable(one)}, with --sdk macosx {printable(other)}")


def _root(path: str) -> str:
    return path.partition(".app/")[0] if ".app/" in path else path.partition("/SDKs/")[0]


@machine_rule(OLD, "macos")
def _old(case: MachineCase) -> Iterator[Finding]:
    facts = case.facts
    assert facts.macos is not None
    least = _LEAST.get(facts.macos.major)
    have = facts.xcode if facts.developer_dir and ".app" in facts.developer_dir else facts.clt or facts.xcode
    if have is None:
        case.skipped[OLD.id] = "not recorded: xcode, clt"
    elif least is not None and have.major < least:
        yield machine_finding(
            OLD, case, f"macOS {facts.macos} wants tools of version {least}, here is {have}",
            confidence=Confidence.LIKELY,
        )  # fmt: skip


@machine_rule(LICENCE, "licence")
def _licence(case: MachineCase) -> Iterator[Finding]:
    if case.facts.licence:
        yield machine_finding(
            LICENCE, case, "Xcode's licence has not been accepted",
            remedies=(command("sudo xcodebuild -license accept"),),
        )  # fmt: skip


@machine_rule(LINKER, "ld")
def _linker(case: MachineCase) -> Iterator[Finding]:
    sdk = case.facts.sdk_version
    major = int((case.facts.ld or "0").partition(".")[0])
    if sdk is None:
        case.skipped[LINKER.id] = "not recorded: sdk_version"
    elif sdk.major >= 11 and major < 530:
        # Stubs of format 4 came with Xcode 11, whose linker is ld64-530 (TAPI 1100).
        yield machine_finding(
            LINKER, case, f"the linker is version {case.facts.ld}, older than the stubs of SDK {sdk}",
            confidence=Confidence.LIKELY,
        )  # fmt: skip


@machine_rule(NO_SDK, "mode")
def _no_sdk(case: MachineCase) -> Iterator[Finding]:
    mode = case.facts.mode
    if mode is not None and mode.value == "clang" and case.cgo is not False:
        yield machine_finding(
            NO_SDK, case, f"{printable(case.facts.cc or 'the compiler')} is not Apple's, and no SDK is named",
            remedies=(command('export SDKROOT="$(xcrun --show-sdk-path)"'),),
        )  # fmt: skip


@machine_rule(IMPLICIT, "mode", "source")
def _implicit(case: MachineCase) -> Iterator[Finding]:
    mode = case.facts.mode
    listing = case.snapshot.listings.get("/usr/local/lib")
    there = case.snapshot.files.get("/usr/local/lib")
    if listing is None and there is not None and there.kind == "absent":
        listing = ()
    if listing is None or len(listing) >= MOST_NAMES:
        case.skipped[IMPLICIT.id] = "not recorded: names in /usr/local/lib, or not all of them"
        return
    assert case.source is not None
    names = {entry[0] for entry in listing}
    for search in case.source.searches:
        if mode is None or mode.value != "shim" or search.kind.value != "library":
            continue
        here = next((n for s in (".tbd", ".dylib", ".so", ".a") if (n := f"lib{search.name}{s}") in names), None)
        if here is not None and (search.by_system or case.facts.brew_prefix == "/opt/homebrew"):
            yield machine_finding(
                IMPLICIT, case, f"-l{printable(search.name)} may come from /usr/local/lib/{here}",
                subject=search.name, remedies=(advice("name the SDK by SDKROOT, or give -L first"),),
            )  # fmt: skip
            return
