"""The rules as data: what each finding means, why it matters and what to do about it.

An id never changes its meaning. Families: MC1xx load chain, MC2xx versions, SDK and symbols, MC3xx what newer macOS
refuses, MC4xx paths that leak or break elsewhere, MC5xx architecture, platform and signature, MC6xx Go and cgo,
MC9xx what could not be seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from machochain.findings.audit_rules import AUDIT_RULES
from machochain.findings.golang_rules import GOLANG_RULES
from machochain.findings.rule import Rule
from machochain.findings.sdk_rules import SDK_RULES
from machochain.model.result import Severity

FAMILIES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "MC1": "Load chain",
        "MC2": "Versions, SDK and symbols",
        "MC3": "What newer macOS refuses",
        "MC4": "Paths that leak or break elsewhere",
        "MC5": "Architecture, platform and signature",
        "MC6": "Go and cgo",
        "MC9": "What could not be seen",
    }
)
"""Heading of each family, by the first three letters of its ids."""


_INFO: Final = Severity.INFO
_WARNING: Final = Severity.WARNING
_ERROR: Final = Severity.ERROR

_GET_LOADER: Final = "dyld-1378, dyld/Loader.cpp, getLoader()"
_LOAD_DEPENDENTS: Final = "dyld-1378, dyld/JustInTimeLoader.cpp, loadDependents()"
_LOAD_COMMANDS: Final = "dyld-1378, mach_o/UnsafeHeader.cpp, UnsafeHeader::valid()"
_POLICY: Final = "dyld-1378, mach_o/Policy.cpp"
_VARIANTS: Final = "dyld-1378, dyld/DyldProcessConfig.cpp, PathOverrides::forEachPathVariant()"
_AT_PATHS: Final = "dyld-1378, dyld/Loader.cpp, forEachResolvedAtPathVar()"

_RESIGN: Final = "Sign again after every change: `codesign -f -s - FILE` (or with your identity)."

_LOAD_CHAIN: Final = (
    Rule(
        "MC101",
        "missing-library",
        "A library cannot be found",
        _ERROR,
        "A load command names a library, and none of the paths dyld tries leads to a file or to a library of the OS.",
        "dyld ends the process before `main` runs (`Library not loaded: …`); for a plugin, `dlopen` fails.",
        (
            (
                "`@rpath/…` and no run path: `install_name_tool -add_rpath @loader_path/../lib FILE`, or link with "
                "`-Wl,-rpath,@loader_path/../lib`."
            ),
            (
                'Go programs: `CGO_LDFLAGS="-Wl,-rpath,@loader_path/../lib" go build …`; in `#cgo LDFLAGS` cmd/go '
                "refuses run paths that start with `@`."
            ),
            (
                "A path of Homebrew or another package manager: put a copy of the library beside the program and run "
                "`install_name_tool -change OLD @rpath/LEAF FILE`, or link the library statically."
            ),
            (
                "A bare or relative name: give the library an id, `install_name_tool -id @rpath/LEAF LIBRARY`, "
                "and link again."
            ),
            "A library of a newer macOS: link it weakly, or raise the minimum version of the program.",
            _RESIGN,
        ),
        references=(_GET_LOADER, _LOAD_DEPENDENTS, "golang/go#36572", "golang/go#40559", "golang/go#29061"),
    ),
    Rule(
        "MC102",
        "weak-library-missing",
        "A weakly linked library is absent",
        _INFO,
        "LC_LOAD_WEAK_DYLIB (or the weak flag of a `dylib_use_command`) names a library that is not there or unfit.",
        "The process launches; everything imported from the library is NULL, and the program must check for that.",
        ("Nothing, if the program checks before it uses the library; else ship the library or link it strongly.",),
        references=(_LOAD_DEPENDENTS,),
    ),
    Rule(
        "MC103",
        "wrong-architecture",
        "A library has no slice for the process",
        _ERROR,
        "A file lies where the library should be, but it has no code for the architecture of the process.",
        "dyld passes the file over and goes on searching; if nothing else serves, the process ends.",
        (
            "Build or install the library for this architecture, or join both with `lipo -create`.",
            "Check with `lipo -archs LIBRARY`. arm64 takes arm64 and arm64e, x86_64 takes x86_64 and x86_64h.",
        ),
        milder="info where a later path supplies a file that fits",
        references=("dyld-1378, common/MachOFile.cpp, compatibleSlice()", "dyld-1378, mach_o/GradedArchitectures.cpp"),
    ),
    Rule(
        "MC104",
        "wrong-platform",
        "A library was built for another platform",
        _ERROR,
        "The file's platform command names iOS, a simulator, Catalyst or another platform the process cannot load.",
        "dyld passes the file over and goes on searching; if nothing else serves, the process ends.",
        ("Build the library for macOS (`-target arm64-apple-macos12`), or take the macOS slice of an `.xcframework`.",),
        milder="info where a later path supplies a file that fits",
        references=("dyld-1378, mach_o/UnsafeHeader.cpp, loadableIntoProcess()",),
    ),
    Rule(
        "MC105",
        "wrong-file-type",
        "A load command names something that is no dylib",
        _ERROR,
        "The file is a bundle, an executable or an object file. Load commands take MH_DYLIB only.",
        "dyld refuses it (`cannot link against bundle …`); if nothing else serves, the process ends.",
        ("Link the library with `-dynamiclib` instead of `-bundle`, or open the bundle with `dlopen`.",),
        milder="info where a later path supplies a file that fits",
        references=("dyld-1378, dyld/JustInTimeLoader.cpp, makeJustInTimeLoaderDisk()",),
    ),
    Rule(
        "MC106",
        "not-mach-o",
        "What lies at a library's path is no Mach-O file",
        _ERROR,
        "The path leads to a directory, an empty file, or a file that does not begin as a Mach-O file does.",
        "dyld passes it over and goes on searching; if nothing else serves, the process ends.",
        (
            (
                "Replace the file: often it is a linker stub (`.tbd`), a Git LFS pointer, a text instead of a "
                "symbolic link, or a download that was cut short."
            ),
        ),
        milder="info where a later path supplies a file that fits",
        references=(_GET_LOADER,),
    ),
    Rule(
        "MC107",
        "unreadable-library",
        "A library cannot be opened",
        _ERROR,
        "The file or a directory above it does not let itself be opened (no permission).",
        "dyld passes it over and goes on searching; if nothing else serves, the process ends.",
        ("Give read permission: `chmod a+r LIBRARY`, and `chmod a+x` for the directories above it.",),
        milder="info where a later path supplies a file that fits",
        references=(_GET_LOADER,),
    ),
    Rule(
        "MC108",
        "blocked-by-hardening",
        "A hardened process may not load by this path",
        _ERROR,
        "The process has the hardened runtime or is restricted otherwise; dyld then refuses paths that depend on the "
        "working directory, does not let libSystem be overridden, and in a restricted program expands no `@` paths.",
        "dyld passes the path over; if nothing else serves, the process ends.",
        (
            (
                "Use `@rpath/…` or `@loader_path/…` instead of a relative name: "
                "`install_name_tool -change NAME @rpath/LEAF FILE`."
            ),
            _RESIGN,
        ),
        milder="info where a later path supplies a file that fits",
        references=(_GET_LOADER, "dyld-1378, dyld/Loader.cpp, isFileRelativePath()"),
    ),
    Rule(
        "MC109",
        "incompatible-version",
        "A library's compatibility version is too low",
        _ERROR,
        "The load command records a compatibility version that the library found does not reach.",
        "dyld2 ends the process (`Incompatible library version`). macOS 12 and newer never look at it.",
        ("Install the version the program was linked with, or link the program again.",),
        since="macOS 11, for libraries with a minimum version before 10.14",
        references=("dyld-852.2, src/ImageLoader.cpp, recursiveLoadLibraries()",),
    ),
    Rule(
        "MC110",
        "default-fallback",
        "A library is found in a default fallback directory only",
        _WARNING,
        "No path of the load command or its run paths led anywhere; dyld's last resort did: `/usr/local/lib`, "
        "`/usr/lib`, `/Library/Frameworks` or `/System/Library/Frameworks`.",
        "It works by accident: from macOS 13 on only for images built with an sdk before macOS 14, and a hardened "
        "program gets `/usr/lib` alone.",
        (
            (
                "Name the library by the path it has, or ship it and add a run path: "
                "`install_name_tool -change NAME PATH FILE`."
            ),
        ),
        references=(_VARIANTS, "dyld-1378, dyld/Loader.h, pre2022Binary"),
    ),
    Rule(
        "MC111",
        "environment-dependent",
        "A library is found through a DYLD_ variable",
        _WARNING,
        "The library comes from `DYLD_LIBRARY_PATH`, `DYLD_FRAMEWORK_PATH`, their fallback or versioned forms, or "
        "`DYLD_IMAGE_SUFFIX`.",
        "The variables are ignored by hardened programs and are lost on the way through `/bin/sh`, `/usr/bin/env`, "
        "`make` and every other program protected by SIP, and through the hardened `go` command.",
        ("Add a run path instead: `install_name_tool -add_rpath DIRECTORY FILE`.", _RESIGN),
        milder="info where the executable's own LC_DYLD_ENVIRONMENT sets the variable",
        references=(_VARIANTS, "dyld-1378, dyld/DyldProcessConfig.cpp, Security::pruneEnvVars()", "golang/go#36572"),
    ),
    Rule(
        "MC112",
        "relative-load-path",
        "A load path depends on the working directory",
        _WARNING,
        "The load path starts with neither `/` nor `@`: dyld looks for it in the directory the process was started in.",
        "It works in one directory only, `go test` runs in the package's directory, and a hardened process refuses it.",
        (
            (
                "`install_name_tool -change NAME @rpath/LEAF FILE`, and give the library an id of its own: "
                "`install_name_tool -id @rpath/LEAF LIBRARY`."
            ),
            _RESIGN,
        ),
        milder="info where an image loaded before has the very name as its id",
        references=("dyld-1378, dyld/Loader.cpp, isFileRelativePath()", "golang/go#29061"),
    ),
    Rule(
        "MC113",
        "unknown-variable",
        "A load path starts with a variable dyld does not know",
        _ERROR,
        "dyld knows `@rpath/`, `@loader_path/` and `@executable_path/`; anything else behind `@` leads nowhere.",
        "Only a DYLD_ variable or a default fallback can serve it. Where no path is left to try, dyld may not even "
        "complain: it goes on, and the process ends at the first symbol of the library.",
        ("Correct the name: `install_name_tool -change WRONG @rpath/LEAF FILE`.", _RESIGN),
        milder="warning where a fallback serves it or dyld says nothing",
        references=(_AT_PATHS,),
    ),
    Rule(
        "MC114",
        "case-only-match",
        "A path fits only because the volume ignores case",
        _WARNING,
        "The file exists under a name that differs in upper and lower case from the one dyld asks for.",
        "It works on a volume of the usual kind and fails on a case-sensitive one.",
        ("Use one spelling: rename the file, or `install_name_tool -change NAME RIGHT_NAME FILE`.",),
    ),
    Rule(
        "MC115",
        "loaded-twice",
        "One library is loaded twice",
        _WARNING,
        "Two files with the same name from different places, or two versions of one library, are in the process.",
        "Each has its own global state; memory given out by one and freed by the other, and Objective-C classes that "
        "exist twice, lead to crashes that are hard to find. Names alone cannot prove it: a heuristic.",
        ("Let all importers name the same file: one copy, one install name, one run path.",),
        milder="info where one of the two belongs to the OS",
    ),
    Rule(
        "MC116",
        "inserted-library-missing",
        "A library of DYLD_INSERT_LIBRARIES cannot be loaded",
        _ERROR,
        "DYLD_INSERT_LIBRARIES names a library that is not there or unfit.",
        "dyld ends the process; a hardened one goes on without the library.",
        ("Correct the variable, or unset it.",),
        milder="warning in a hardened process",
        references=("dyld-1378, dyld/dyldMain.cpp, prepare()",),
    ),
    Rule(
        "MC120",
        "unused-run-path",
        "Nothing is found behind a run path",
        _INFO,
        "The directory of an LC_RPATH exists, but holds none of the libraries this process asks for by `@rpath`.",
        "It costs time at every launch. Another process may need it.",
        ("`install_name_tool -delete_rpath RUN_PATH FILE`, unless `dlopen` or another process uses it.", _RESIGN),
        references=(_AT_PATHS,),
    ),
    Rule(
        "MC121",
        "dead-run-path",
        "A run path leads to no directory",
        _INFO,
        "The directory an LC_RPATH expands to does not exist on the modelled Mac.",
        "Whoever can create that directory decides which library is loaded; else it only costs time.",
        ("`install_name_tool -delete_rpath RUN_PATH FILE`", _RESIGN),
        references=(_AT_PATHS,),
    ),
    Rule(
        "MC122",
        "relative-run-path",
        "A run path depends on the working directory",
        _WARNING,
        "The LC_RPATH starts with neither `/` nor `@loader_path` nor `@executable_path`.",
        "dyld takes it from the directory the process was started in; a hardened process refuses such paths.",
        ("`install_name_tool -rpath OLD @loader_path/OLD FILE`", _RESIGN),
        references=(_AT_PATHS,),
    ),
    Rule(
        "MC123",
        "origin-run-path",
        "A run path uses $ORIGIN",
        _WARNING,
        "`$ORIGIN` belongs to ELF. To dyld it is a directory of that name.",
        "The run path reaches nothing.",
        ("`install_name_tool -rpath '$ORIGIN/…' @loader_path/… FILE`", _RESIGN),
        references=(_AT_PATHS,),
    ),
    Rule(
        "MC124",
        "colon-run-path",
        "A run path holds several directories",
        _WARNING,
        "An LC_RPATH contains a colon. ELF splits run paths there, dyld does not.",
        "The whole text is taken for one directory, which does not exist. `go build -ldflags '-r a:b'` makes one.",
        ("`install_name_tool -delete_rpath A:B FILE`, then `-add_rpath A -add_rpath B`.", _RESIGN),
        references=(_AT_PATHS, "Go 1.27, src/cmd/link/internal/ld/macho.go"),
    ),
    Rule(
        "MC125",
        "unknown-run-path-variable",
        "A run path starts with a variable dyld does not know there",
        _WARNING,
        "Run paths may start with `@loader_path` or `@executable_path`. Anything else behind `@`, `@rpath` included, "
        "is not expanded.",
        "The run path reaches nothing.",
        ("`install_name_tool -rpath OLD NEW FILE` with the variable corrected.", _RESIGN),
        references=(_AT_PATHS,),
    ),
)

_VERSIONS: Final = (
    Rule(
        "MC201",
        "dependency-newer-than-executable",
        "A library needs a newer macOS than the program that loads it",
        _WARNING,
        "The minimum macOS version of a library that comes with the program is higher than the program's own.",
        "dyld does not compare them, but the library may use functions the older macOS lacks: the program then ends "
        "with `Symbol not found` on Macs it says it supports.",
        (
            "Build the library with the same `MACOSX_DEPLOYMENT_TARGET` as the program, or raise the program's.",
            "Libraries of Homebrew are built for the macOS of the machine they were poured on.",
        ),
        references=(
            "dyld-1378, dyld/Loader.cpp, tooNewErrorAddendum()",
            "golang/go#36025",
            "golang/go#41548",
            "mattn/go-sqlite3#1055",
        ),
    ),
    Rule(
        "MC203",
        "unknown-to-every-sdk",
        "No SDK knows this system library",
        _WARNING,
        "The load path lies where the OS keeps its libraries, but none of the SDKs known here lists it for any macOS.",
        "It is private, or its name is wrong. Private libraries change and go without notice.",
        ("Check the name; use the public library or framework instead; or link it weakly.",),
        milder="info for a weak load",
        references=("dyld-1378, dyld/Loader.cpp, mightBeInSharedCache()",),
    ),
)


def _refused(id_: str, name: str, title: str, meaning: str, fix: tuple[str, ...], since: str, *issues: str) -> Rule:
    return Rule(
        id_,
        name,
        title,
        _ERROR,
        meaning,
        "A macOS that refuses the file ends the process, or fails `dlopen`; older ones load it without a word.",
        (*fix, _RESIGN),
        since=since,
        milder="warning if only another macOS than the modelled one refuses it; info if it would be refused only "
        "after a build with a newer sdk",
        references=(_LOAD_COMMANDS, _POLICY, *issues),
    )


_NEWER_MACOS: Final = (
    _refused(
        "MC301",
        "missing-uuid",
        "An image has no LC_UUID",
        "There is no LC_UUID load command.",
        (
            "Link again without `-Wl,-no_uuid`.",
            "Go: use Go 1.24 or newer without `-buildid=`, or `-ldflags=-linkmode=external`.",
        ),
        "macOS 15.4 for libraries and bundles built with sdk 12 or newer; macOS 26 for executables built with sdk 26",
        "golang/go#68678",
    ),
    _refused(
        "MC302",
        "duplicate-run-path",
        "A run path is there twice",
        "Two LC_RPATH commands of one image hold the same text, byte for byte.",
        (
            "`install_name_tool -delete_rpath RUN_PATH FILE`; if `otool -l` then shows none, add it once.",
            "Find out who passes `-rpath` twice: CGO_LDFLAGS is repeated for each cgo package of a Go program.",
        ),
        "macOS 15.4 to 15.6 for libraries and bundles built with sdk 15.4 or newer; macOS 26 for every image built "
        "with sdk 26",
        "facebook/zstd#4369",
        "tpoechtrager/cctools-port#166",
    ),
    _refused(
        "MC303",
        "duplicate-dylib",
        "A library is linked twice",
        "Two dylib load commands of one image name the same path.",
        ("Link the library once. lld's `-reexport_library X` makes a load and a re-export of X.",),
        "macOS 15.4 to 15.6 for libraries built with sdk 15 or newer; macOS 26 for every image built with sdk 26",
    ),
    _refused(
        "MC304",
        "no-linked-library",
        "An image links with nothing",
        "There is no dylib load command at all.",
        ("Link with libSystem: `-lSystem`.",),
        "macOS 15.4 for libraries and macOS 26 for executables, built with sdk 15.4 or newer",
    ),
    _refused(
        "MC305",
        "segment-permissions",
        "A segment has permissions dyld does not accept",
        "`__TEXT` is not `r-x`, `__LINKEDIT` is not `r--`, or `__DATA` or `__DATA_CONST` is not `rw-`.",
        ("Link with a current linker, without `-segprot` and without rewriting segments afterwards.",),
        "macOS 15.4 for libraries, macOS 26 for executables; each segment has its own sdk threshold",
    ),
    _refused(
        "MC306",
        "data-const-not-read-only",
        "__DATA_CONST lacks the SG_READ_ONLY flag",
        "The segment `__DATA_CONST` is not marked read-only-after-fixups.",
        (
            (
                "Link with a current linker and a deployment target of 10.15 or newer; old ld64 (osxcross) "
                "sets the flag for such targets only."
            ),
        ),
        "macOS 15.4 for libraries, macOS 26 for executables, built with sdk 26",
        "planetscale/cli#1292",
    ),
    _refused(
        "MC307",
        "segment-layout",
        "Segments or sections lie where they should not",
        "Segments are out of order, two have one name, or a section ends beyond its segment.",
        ("Link with a current linker; do not append or move segments afterwards.",),
        "macOS 15.4 for libraries, macOS 26 for executables; thresholds by sdk",
    ),
    _refused(
        "MC308",
        "malformed-image",
        "The header or its load commands are malformed",
        "A load command, segment or table breaks the format itself, whatever the sdk.",
        ("Build the file again. If a tool edited it, that tool is at fault; if it was copied, it may be cut short.",),
        "macOS 12 if the load commands cannot be walked; else macOS 15.4 for libraries, macOS 26 for executables",
    ),
    Rule(
        "MC309",
        "malformed-universal-file",
        "The universal file around the slices is malformed",
        _ERROR,
        "A slice lies outside the file, is not aligned, overlaps another, or disagrees with the fat header.",
        "dyld refuses the whole file, even if the slice the process needs is sound.",
        ("Join the slices again: `lipo -create -output FILE SLICE…`.", _RESIGN),
        since="macOS 12",
        milder="info where a later path supplies a file that fits",
        references=("dyld-1378, mach_o/Universal.cpp, Universal::valid()",),
    ),
    _refused(
        "MC310",
        "main-executable-flags",
        "The main executable carries a flag of the shared cache",
        "MH_DYLIB_IN_CACHE is set in an executable.",
        ("Build the file again: it was extracted from a shared cache or edited.",),
        "macOS 26 for executables built with sdk 12 or newer",
    ),
)

_LEAKS: Final = (
    Rule(
        "MC401",
        "foreign-load-path",
        "A library is loaded from a build machine or a package manager",
        _WARNING,
        "An absolute load path points into Homebrew, MacPorts, Fink, Nix, conda, a virtual environment, a home or "
        "temporary directory, Go's caches, Xcode, or a mounted volume.",
        "The library is there on this Mac, but not on others: there the program does not launch. If it is missing here "
        "already, MC101 says so instead.",
        (
            "Ship a copy beside the program and `install_name_tool -change OLD @rpath/LEAF FILE`, or link statically.",
            _RESIGN,
        ),
        references=("livepeer/go-livepeer#3489", "veandco/go-sdl2#579"),
    ),
    Rule(
        "MC402",
        "foreign-run-path",
        "A run path leads to a build machine or a package manager",
        _WARNING,
        "An absolute LC_RPATH points into Homebrew, MacPorts, Fink, Nix, conda, a virtual environment, a home or "
        "temporary directory, Go's caches, Xcode, or a mounted volume.",
        "Nothing may need it, but on a Mac where that directory exists, libraries from there can take the place of the "
        "ones that were shipped. It also tells where the file was built.",
        ("`install_name_tool -delete_rpath RUN_PATH FILE`", _RESIGN),
        milder="info for /usr/local/lib",
    ),
    Rule(
        "MC403",
        "foreign-install-name",
        "A library's id names a place on a build machine",
        _INFO,
        "LC_ID_DYLIB holds an absolute path into a build machine or package manager where the library does not lie.",
        "dyld never looks there, but whoever links with this library records that path as the load path.",
        ("`install_name_tool -id @rpath/LEAF LIBRARY`", _RESIGN),
    ),
)

_MACHINE: Final = (
    Rule(
        "MC501",
        "unsigned-arm64",
        "An arm64 image is not signed",
        _ERROR,
        "The arm64 slice has no code signature, not even an ad-hoc one.",
        "The kernel of Apple silicon kills a process that runs or loads unsigned arm64 code (`Killed: 9`).",
        ("`codesign -f -s - FILE`: an ad-hoc signature is enough. `rcodesign sign FILE` does it without a Mac.",),
        references=("golang/go#42684",),
    ),
    Rule(
        "MC502",
        "legacy-architecture",
        "No Mac that is modelled runs this architecture",
        _ERROR,
        "The slice is 32-bit Intel, PowerPC or another architecture that current macOS does not run.",
        "32-bit Intel programs ended with macOS 10.14, PowerPC with 10.6.",
        ("Build for arm64 and x86_64.", "Drop the slice: `lipo -remove ARCH -output FILE FILE`."),
        since="macOS 10.15",
        milder="info where the file has a slice that runs",
    ),
    Rule(
        "MC503",
        "third-party-arm64e",
        "A main executable is arm64e",
        _WARNING,
        "The executable uses the arm64e ABI, which Apple keeps for its own programs.",
        "macOS runs third-party arm64e programs only with the boot argument `-arm64e_preview_abi`.",
        ("Build for arm64: `-arch arm64`.",),
        milder="info where the file has an arm64 slice too",
        references=("dyld-1378, mach_o/GradedArchitectures.cpp",),
    ),
    Rule(
        "MC504",
        "simulator-program",
        "A main executable is built for a simulator",
        _ERROR,
        "The executable's platform is the iOS, tvOS, watchOS or visionOS simulator.",
        "macOS starts such programs only inside a simulator, which sets DYLD_ROOT_PATH; else they end at once.",
        ("Build for macOS: `-target arm64-apple-macos12`.",),
        references=("dyld-1378, dyld/dyldMain.cpp, prepare()",),
    ),
)

_UNSEEN: Final = (
    Rule(
        "MC901",
        "unseen-path",
        "A path was not seen",
        _INFO,
        "The library would come from a path below `--unseen`, or from one this machine cannot look at; or the load "
        "commands and run paths of the process make more paths than are tried for one process.",
        "Whether the process launches is unknown.",
        ("Bring the files in with `--root` or `--map TARGET=HOST`.", "Remove load commands and run paths."),
    ),
    Rule(
        "MC902",
        "unknown-system-library",
        "It is not known whether this macOS has the library",
        _INFO,
        "The library belongs to the OS, but the facts about this release do not reach far enough to judge.",
        "Whether the process launches is unknown.",
        ("Name an SDK of that release: `--sdk DIR`.",),
    ),
    Rule(
        "MC903",
        "depends-on-process",
        "The answer depends on the process that loads the library",
        _INFO,
        "The image is a library or plugin, and the load path needs `@executable_path` or the run paths of a program "
        "nobody named.",
        "Whether the library can be found is unknown.",
        ("Name the program: `--main EXECUTABLE`.",),
        references=(_AT_PATHS,),
    ),
    Rule(
        "MC904",
        "silent-missing-library",
        "A library is missing and dyld does not say so",
        _WARNING,
        "No image in the chain has a run path, so nothing was tried for `@rpath/…`; this dyld takes that for no "
        "error and goes on.",
        "The process ends later, at the first symbol that is bound to the library; newer macOS says `no LC_RPATH's "
        "found` at launch.",
        ("`install_name_tool -add_rpath @loader_path/../lib FILE`", _RESIGN),
        since="macOS 13.3 to 13.6, for images built with sdk 14 or newer (others have fallbacks to try)",
        references=("dyld-1066.8, dyld/Loader.cpp, getLoader()", "dyld-1122.1, dyld/Loader.cpp, getLoader()"),
    ),
)

RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        r.id: r
        for r in sorted(
            (
                *_LOAD_CHAIN,
                *_VERSIONS,
                *_NEWER_MACOS,
                *_LEAKS,
                *_MACHINE,
                *_UNSEEN,
                *AUDIT_RULES,
                *GOLANG_RULES,
                *SDK_RULES,
            ),
            key=lambda r: r.id,
        )
    }
)
"""Every rule by its id, in rising order."""
