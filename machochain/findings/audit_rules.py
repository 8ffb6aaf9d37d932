"""The rules that only an audit has: what a policy asks for, what bundles and wheels promise, what signatures say."""

from __future__ import annotations

from typing import Final

from machochain.findings.rule import Rule
from machochain.model.result import Severity

_WARNING: Final = Severity.WARNING
_ERROR: Final = Severity.ERROR

_RESIGN: Final = "Sign again after every change: `codesign -f -s - FILE` (or with your identity)."
_LIBRARY_VALIDATION: Final = (
    "Apple, Disable Library Validation Entitlement, com.apple.security.cs.disable-library-validation"
)

AUDIT_RULES: Final = (
    Rule(
        "MC231",
        "minos-above-ceiling",
        "A file needs a newer macOS than the policy allows",
        _ERROR,
        "The minimum macOS version of a slice is above `minos.max` of the policy.",
        "Users of the macOS you promise to support may see `Symbol not found`, or a program that is not even started.",
        (
            "Build with `MACOSX_DEPLOYMENT_TARGET` (or `-mmacosx-version-min`) of the promised version.",
            "Go: the toolchain sets the minimum; with cgo also `CGO_CFLAGS=-mmacosx-version-min=…`.",
        ),
        references=("Mudlet/Mudlet#10095", "matthew-brett/delocate#56"),
    ),
    Rule(
        "MC232",
        "minos-below-floor",
        "A file is built for an older macOS than the policy allows",
        _WARNING,
        "The minimum macOS version of a slice is below `minos.min` of the policy, or none is recorded.",
        "dyld and the system frameworks keep old behaviour for such files.",
        ("Build with a deployment target at or above the floor.",),
    ),
    Rule(
        "MC233",
        "sdk-out-of-range",
        "A file is built with an SDK the policy does not allow",
        _WARNING,
        "The SDK version a slice records is below `sdk.min` or above `sdk.max` of the policy, or none is recorded.",
        "The recorded SDK decides what dyld refuses and which behaviour the frameworks show.",
        ("Build with an SDK of that range: `xcrun --sdk macosx --show-sdk-version`.",),
        references=("dyld-1378, mach_o/Policy.cpp",),
    ),
    Rule(
        "MC234",
        "bundle-minimum-too-low",
        "A bundle promises an older macOS than a file in it supports",
        _WARNING,
        "LSMinimumSystemVersion (or LSMinimumSystemVersionByArchitecture) in Info.plist is below the minimum macOS "
        "version of a Mach-O file inside the bundle.",
        "The Finder starts the program on a macOS on which a part of it may not load.",
        (
            "Raise LSMinimumSystemVersion, or build the file with a lower deployment target.",
            "Bundled libraries of a package manager carry the minimum of the machine they were built for.",
        ),
        references=("Mudlet/Mudlet#10095",),
    ),
    Rule(
        "MC235",
        "wheel-minimum-too-low",
        "A wheel's platform tag promises an older macOS than a file in it supports",
        _WARNING,
        "The macOS version in the wheel's platform tag is below the minimum macOS version of a Mach-O file inside.",
        "pip installs the wheel on a macOS on which importing it may fail.",
        (
            "Set `MACOSX_DEPLOYMENT_TARGET` to the tag's version for everything in the wheel, dependencies included.",
            "Or raise the tag: `delocate-wheel --require-target-macos-version VERSION`, `wheel tags --platform-tag …`.",
        ),
        references=("matthew-brett/delocate#56", "pypa/cibuildwheel#1766"),
    ),
    Rule(
        "MC410",
        "forbidden-library",
        "A library is linked that the policy does not allow",
        _ERROR,
        "A load command matches `forbid-libraries`; or `allow-libraries` is given, and the library neither belongs to "
        "the OS, nor lies inside the input, nor matches one of the allowed patterns.",
        "What you ship depends on something you decided not to depend on.",
        (
            "Ship the library inside the input, link it statically, or do not link it.",
            "If it may be linked, add it to `allow-libraries`, or suppress the finding with a reason.",
        ),
    ),
    Rule(
        "MC411",
        "forbidden-run-path",
        "A run path is set that the policy does not allow",
        _ERROR,
        "An LC_RPATH matches `forbid-run-paths`; or `allow-run-paths` is given and none of its patterns matches.",
        "Libraries may be taken from a place you decided not to trust.",
        ("`install_name_tool -delete_rpath RUN_PATH FILE`", _RESIGN),
    ),
    Rule(
        "MC412",
        "required-library-absent",
        "A library that the policy requires is not loaded",
        _ERROR,
        "No library of the process matches a pattern of `required-libraries`.",
        "The build lost something you want to be in it: a feature, a hardening library, the bundled copy of a library.",
        ("Link the library: `-lNAME`; linkers drop unused ones with `-dead_strip_dylibs`.",),
    ),
    Rule(
        "MC510",
        "missing-architecture",
        "A file lacks an architecture the policy asks for",
        _ERROR,
        "A Mach-O file has no slice for one of the architectures in `archs` of the policy.",
        "On Macs of that architecture the file does not load (or, for x86_64 alone, needs Rosetta).",
        ("Build for each architecture and join the files: `lipo -create -output FILE ARM64 X86_64`.", _RESIGN),
    ),
    Rule(
        "MC511",
        "wheel-tag-architecture",
        "A wheel's platform tag names an architecture that a file in it lacks",
        _WARNING,
        "The platform tag says arm64, x86_64 or universal2, but an extension module or library in the wheel has no "
        "slice for it.",
        "pip installs the wheel on Macs on which importing it fails.",
        ("Build the missing slice, or tag the wheel for what it has: `wheel tags --platform-tag …`.",),
        milder="info for a library that is no module: something may open it on one architecture only",
    ),
    Rule(
        "MC512",
        "bundle-lacks-architecture",
        "A file of a bundle lacks an architecture of the bundle's program",
        _WARNING,
        "The program of the bundle has a slice for an architecture, a library or plug-in in the same bundle has not, "
        "and nothing the program loads at launch needs it.",
        "On Macs of that architecture the program starts, and fails when it opens the library with `dlopen`.",
        ("Build the library for the same architectures: `lipo -archs FILE` tells what it has.",),
    ),
    Rule(
        "MC513",
        "bundle-executable-missing",
        "A bundle's executable is not there",
        _ERROR,
        "CFBundleExecutable in Info.plist names a file that does not exist in the bundle.",
        "The Finder cannot open the application; a framework or plug-in cannot be loaded as a bundle.",
        ("Correct CFBundleExecutable in Info.plist, or put the file there.",),
        milder="warning for bundles other than applications",
    ),
    Rule(
        "MC520",
        "broken-signature",
        "A code signature does not fit the file",
        _ERROR,
        "A page of the file has another hash than the signature records, or the signature cannot be read: the file was "
        "changed (install_name_tool of an old Xcode, strip, lipo, a patch) and not signed again.",
        "On Apple silicon the kernel kills the process that touches such a page (`Killed: 9`, `Code Signature "
        "Invalid`); on Intel Macs programs with the hardened runtime fare the same.",
        (_RESIGN, "Sign last: after every install_name_tool, strip and lipo."),
        milder="warning for Intel code without hardened runtime",
        references=("xnu, osfmk/vm/vm_fault.c, vm_fault_cs_check_violation()", "golang/go#42684"),
    ),
    Rule(
        "MC521",
        "different-team",
        "Library validation refuses a library",
        _ERROR,
        "The program is signed with the hardened runtime or library validation, has no "
        "`com.apple.security.cs.disable-library-validation`, and loads a library that is neither Apple's nor signed "
        "by the same team.",
        "The kernel refuses to map the library: `code signature not valid for use in process … have different Team "
        "IDs`. A strong load ends the process.",
        (
            "Sign the library with the identity of the program: `codesign -f -s IDENTITY LIBRARY`.",
            "Or sign the program with the entitlement `com.apple.security.cs.disable-library-validation`.",
        ),
        milder="warning where the load is weak, or the program is signed ad hoc",
        references=(_LIBRARY_VALIDATION, "xnu, bsd/kern/kern_cs.c, cs_require_lv()"),
    ),
    Rule(
        "MC522",
        "ignored-environment",
        "A hardened program ignores the DYLD_ variables it is given",
        _WARNING,
        "The process is given DYLD_ variables, but it has the hardened runtime without the entitlement "
        "`com.apple.security.cs.allow-dyld-environment-variables`.",
        "dyld takes no notice of the variables: libraries they should supply come from elsewhere or are missing.",
        (
            "Add a run path instead: `install_name_tool -add_rpath DIRECTORY FILE`.",
            "Or sign with the entitlement `com.apple.security.cs.allow-dyld-environment-variables`.",
        ),
        references=("dyld-1378, dyld/DyldProcessConfig.cpp, Security::pruneEnvVars()",),
    ),
)
"""Merged into the catalogue by id."""
