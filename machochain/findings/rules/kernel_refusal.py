"""MC801 to MC809, MC811, MC812: what the kernel refuses before dyld has its turn.

Which rule speaks is told by the kernel's cause. Causes that are older rules' speak through those: MC501 (unsigned),
MC502 (legacy architecture), MC503 (arm64e), MC520 (changed after signing).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from machochain.findings.draft import Case, Draft
from machochain.findings.registry import RULES, of_process, register
from machochain.findings.remedies import advice, sign
from machochain.findings.rule import Rule
from machochain.findings.sources import RESIGN
from machochain.model.arch import CPU_ARM64, CPU_X86_64
from machochain.model.execution import Cause, Certainty, ExecOutcome, ExecRule, ExecVerdict
from machochain.model.paths import leaf, printable
from machochain.model.remedy import FILE, Remedy
from machochain.model.result import Confidence, Severity

_PARSE: Final = "xnu, bsd/kern/mach_loader.c, parse_machfile()"
_SEGMENT: Final = "xnu, bsd/kern/mach_loader.c, load_segment()"
_SILENT: Final = (
    "A shell prints `killed`, without a crash report and without a line in the log; `posix_spawn` returns an error "
    "instead (85, 88, 12). dyld never runs."
)

NO_PROGRAM: Final = register(
    Rule(
        "MC801",
        "not-a-program",
        "The kernel starts no such file",
        Severity.ERROR,
        "The file that is to be started is empty, not Mach-O, not executable, or its slice is no main executable.",
        "`execve` fails: `exec format error`, or `permission denied` where the file's mode has no execute bit.",
        (
            "Start the main executable, not a library, bundle or object file.",
            "`chmod +x FILE` where the bit is missing.",
        ),
        references=("xnu, bsd/kern/kern_exec.c, exec_activate_image(), exec_check_permissions()",),
    )
)

NO_SLICE: Final = register(
    Rule(
        "MC802",
        "no-slice-for-this-mac",
        "The modelled Mac runs none of the program's slices",
        Severity.ERROR,
        "No slice has a grade on this processor: another processor's code, an unknown subtype, big-endian code, or a "
        "slice whose own header disagrees with the universal header.",
        "`execve` fails with EBADARCH: `bad CPU type in executable`. The kernel takes the slice with the best "
        "grade and never a second one.",
        ("Build for the Mac: `-arch arm64`, `-arch x86_64`.", "`lipo -create ARM INTEL -output FILE` joins both."),
        references=("xnu, bsd/dev/arm/kern_machdep.c, grade_binary()", "xnu, bsd/kern/mach_fat.c, fatfile_getarch()"),
    )
)

UNIVERSAL: Final = register(
    Rule(
        "MC803",
        "malformed-universal-program",
        "The kernel refuses the universal file around a program",
        Severity.ERROR,
        "The universal header has 64-bit fields, too many slices, two equal ones, slices that overlap, begin in the "
        "header or end behind the file.",
        "The kernel refuses the whole file, even if the slice this Mac needs is sound: `malformed Mach-o file`, or "
        "`exec format error` for a 64-bit header. dyld would take some of these files as libraries.",
        ("Join the slices again: `lipo -create -output FILE SLICE…`, without `-fat64`.", RESIGN),
        since="a slice behind the end of the file: macOS 12.3; the rest: all",
        references=("xnu, bsd/kern/mach_fat.c, fatfile_validate_fatarches()",),
    )
)

COMMANDS: Final = register(
    Rule(
        "MC804",
        "load-commands-refused",
        "The kernel refuses the load commands of a program",
        Severity.ERROR,
        "A load command is cut off or too short, there is a second version command, entry point or dynamic linker, "
        "none at all, or the dynamic linker is not `/usr/lib/dyld`.",
        f"{_SILENT} Libraries are not looked at by this code: what stops a program may be fine in a dylib.",
        (
            "Link the program again with a current linker.",
            "A second platform command comes from `vtool` or a zippered build: `vtool -remove-build-version PLATFORM`.",
            RESIGN,
        ),
        references=(_PARSE,),
    )
)

NOT_MOVABLE: Final = register(
    Rule(
        "MC805",
        "arm64-not-position-independent",
        "An arm64 program is static or not position-independent",
        Severity.ERROR,
        "An arm64 main executable lacks MH_PIE, or MH_DYLDLINK (a static program).",
        f"{_SILENT} Intel programs may be either.",
        ("Link with `-pie` and against libSystem; do not pass `-static`.",),
        references=(_PARSE, "briar-systems/mach#1722"),
    )
)

SEGMENTS: Final = register(
    Rule(
        "MC806",
        "segments-refused",
        "The kernel cannot map the segments of a program",
        Severity.ERROR,
        "A segment ends behind the file, does not begin on a page (16 KiB for arm64), overlaps another; the page zero "
        "is missing or shorter than 4 GiB on arm64; no segment, or two, map the header; two segments are SG_READ_ONLY.",
        _SILENT,
        (
            "Link the program again with a current linker.",
            "A slice at a 4 KiB boundary: `lipo -create -segalign arm64 4000 -output FILE SLICE…`.",
            RESIGN,
        ),
        since="two SG_READ_ONLY segments: macOS 14; the rest: all",
        references=(_SEGMENT, "xnu, bsd/kern/mach_loader.c, load_machfile()"),
    )
)

ENCRYPTED: Final = register(
    Rule(
        "MC807",
        "encrypted-program",
        "The program is encrypted",
        Severity.ERROR,
        "LC_ENCRYPTION_INFO names a range and a kind of encryption: the program comes from an App Store.",
        "Only the Mac it was bought for has the key. Elsewhere the kernel kills the process.",
        ("Take the build that was not encrypted.",),
        references=("xnu, bsd/kern/mach_loader.c, set_code_unprotect()",),
    )
)

ENTITLEMENTS: Final = register(
    Rule(
        "MC808",
        "restricted-entitlement",
        "A program claims an entitlement that nothing grants",
        Severity.ERROR,
        "The signature holds a restricted entitlement (`com.apple.developer.…`, `com.apple.private.…`, "
        "`keychain-access-groups`), and no provisioning profile can grant it: the signature is ad hoc, or none is "
        "embedded. Or two spellings of one hardened-process entitlement are there.",
        "The process is killed before its first instruction, without a crash report, though `codesign --verify`, "
        "`spctl` and notarisation are content.",
        (
            "Embed the profile (`Contents/embedded.provisionprofile`) and sign with its certificate.",
            "Or sign without the entitlement: `codesign -f -s - --entitlements PLAIN.plist FILE`.",
        ),
        milder="warning where a certificate is there and nobody can tell which profile goes with it",
        references=("Apple, TN3125: Inside Code Signing: Provisioning Profiles",),
    )
)

CONSTRAINT: Final = register(
    Rule(
        "MC809",
        "launch-constraint",
        "A program sets a launch constraint on itself",
        Severity.ERROR,
        "The signature has a self constraint, which only Apple's own programs may have.",
        "The kernel kills the process: `Namespace CODESIGNING, Code 4 Launch Constraint Violation`.",
        ("Sign without the constraint: `codesign -f -s IDENTITY FILE`.",),
        since="macOS 13",
        references=("xnu, bsd/kern/kern_exec.c, process_signature()",),
    )
)

IOS: Final = register(
    Rule(
        "MC811",
        "ios-program",
        "A program is built for iOS",
        Severity.ERROR,
        "The platform command names iOS.",
        "Started from a shell or another program it is killed: `Namespace EXEC, Code 14`. Apple silicon starts iOS "
        "apps only where the App Store installed them.",
        ("Build for macOS or Mac Catalyst: `-target arm64-apple-macos12`, `-target arm64-apple-ios15-macabi`.",),
        references=("xnu, bsd/kern/kern_exec.c, process_signature()",),
    )
)

STATIC: Final = register(
    Rule(
        "MC812",
        "static-under-rosetta",
        "Whether Rosetta runs a static Intel program is not known",
        Severity.WARNING,
        "An Intel program without dyld is to be run by Rosetta.",
        "Intel Macs run it. Rosetta's runtime is not published, and one such program ended in `rosetta error`.",
        ("Build for arm64, dynamically linked.",),
        references=("titzer/virgil#60",),
    )
)

_BY_CAUSE: Final[Mapping[Cause, str]] = MappingProxyType(
    {
        Cause.NO_PROGRAM: NO_PROGRAM.id,
        Cause.ARCHITECTURE: NO_SLICE.id,
        Cause.UNIVERSAL: UNIVERSAL.id,
        Cause.LOAD_COMMANDS: COMMANDS.id,
        Cause.NOT_MOVABLE: NOT_MOVABLE.id,
        Cause.SEGMENTS: SEGMENTS.id,
        Cause.ENCRYPTED: ENCRYPTED.id,
        Cause.BROKEN_SIGNATURE: "MC520",
        Cause.CHANGED_PAGE: "MC520",
        Cause.FOREIGN_CMS: "MC520",
        Cause.ENTITLEMENTS: ENTITLEMENTS.id,
        Cause.LAUNCH_CONSTRAINT: CONSTRAINT.id,
        Cause.PLATFORM: IOS.id,
        Cause.STATIC_ROSETTA: STATIC.id,
    }
)
"""Causes that are missing here speak through other rules: MC501, MC503, MC810."""
_SIGNATURES: Final = frozenset({Cause.BROKEN_SIGNATURE, Cause.CHANGED_PAGE, Cause.FOREIGN_CMS})


@of_process
def check(case: Case) -> Iterator[Draft]:
    """Yield why the kernel refuses the program, or why nobody can tell."""
    found = case.result.execution
    if found is None or found.cause is None or found.cause not in _BY_CAUSE or _is_legacy(case, found):
        return
    rule = RULES[_BY_CAUSE[found.cause]]
    main = case.result.images[0].path
    image = found.subject if found.outcome is ExecOutcome.INVALID_PAGE and found.subject else main
    name = printable(leaf(main))
    unknown = found.outcome is ExecOutcome.UNKNOWN
    message = f"{name} ({case.result.arch}): {found.why}" if unknown else _words(found, name, case.result.arch)
    yield Draft(
        rule.id, Severity.WARNING if unknown else Severity.ERROR, image, found.command_index,
        printable(found.subject) if found.subject else image,
        message, _evidence(found), _remedy(found, image, case.result.arch),
        Confidence.CERTAIN if found.certainty is Certainty.SOURCE and not unknown else Confidence.LIKELY,
    )  # fmt: skip


def _remedy(found: ExecVerdict, image: str, arch: str) -> tuple[Remedy, ...]:
    if found.cause in _SIGNATURES:
        return (sign(image),)
    if found.rule is ExecRule.SEGMENT_ALIGNMENT:
        join = "join the slices again at 16 KiB: lipo -create -segalign arm64 4000 -output OUT"
        return (advice(f"{join} {FILE}", file=image), sign(image))
    if found.rule is ExecRule.TWO_VERSION_COMMANDS:
        drop = "remove one of the two: vtool -remove-build-version maccatalyst -output OUT"
        return (advice(f"{drop} {FILE}", file=image), sign(image))
    if found.cause in {Cause.LOAD_COMMANDS, Cause.SEGMENTS}:
        return (advice("link again with a current linker, and change nothing afterwards"), sign(image))
    if found.cause is Cause.UNIVERSAL:
        return (advice(f"join the slices again, without -fat64: lipo -create SLICES -output {FILE}", file=image),)
    if found.rule is ExecRule.HARDENED_PROCESS:
        return (advice("keep the spelling com.apple.security.hardened-process only, and sign again"),)
    texts = {
        Cause.ARCHITECTURE: "build for this Mac too" if arch else "",
        Cause.NOT_MOVABLE: "link with -pie and against libSystem, without -static",
        Cause.ENCRYPTED: "take the build that was not encrypted",
        Cause.LAUNCH_CONSTRAINT: "sign without the launch constraint",
        Cause.PLATFORM: "build for macOS: -target arm64-apple-macos12",
        Cause.NO_PROGRAM: "start the main executable",
        Cause.STATIC_ROSETTA: "build for arm64, dynamically linked",
    }
    text = texts.get(found.cause) if found.cause is not None else None
    return (advice(text),) if text else RULES[_BY_CAUSE[Cause.ENTITLEMENTS]].advice


def _is_legacy(case: Case, found: ExecVerdict) -> bool:
    """Whether MC502 says it: code that no Mac runs."""
    header = case.result.images[0].image
    return (
        found.cause is Cause.ARCHITECTURE and header is not None and header.arch.cputype not in (CPU_ARM64, CPU_X86_64)
    )


def _words(found: ExecVerdict, name: str, arch: str) -> str:
    verb = "refuses" if found.outcome is ExecOutcome.REFUSED else "kills"
    return f"the kernel {verb} {name} ({arch}): {found.why}"


def _evidence(found: ExecVerdict) -> dict[str, object]:
    evidence: dict[str, object] = {"host": found.host.value, "outcome": found.outcome.value}
    if found.rule is not None:
        evidence["kernel_rule"] = found.rule.value
    if found.since is not None:
        evidence["since"] = str(found.since)
    if found.errno is not None:
        evidence["errno"] = found.errno
    if found.reason is not None:
        evidence["reason"] = f"{found.reason.namespace.name} {found.reason.code}"
    return evidence
