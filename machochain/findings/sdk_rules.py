"""The rules about SDKs and symbols (MC204 to MC223, MC905)."""

from __future__ import annotations

from typing import Final

from machochain.findings.rule import Rule
from machochain.model.result import Severity

_INFO: Final = Severity.INFO
_WARNING: Final = Severity.WARNING
_ERROR: Final = Severity.ERROR

_RESOLVE: Final = "dyld-1378, dyld/Loader.cpp, resolveSymbol()"
_RAISE: Final = "Raise the minimum version: `MACOSX_DEPLOYMENT_TARGET`, `-mmacosx-version-min`."
_GUARD: Final = (
    "Compile with `-Werror=unguarded-availability-new`, and guard each use with `__builtin_available` or `@available`."
)

SDK_RULES: Final = (
    Rule(
        "MC204",
        "library-newer-than-minos",
        "A system library is newer than the oldest macOS the image supports",
        _WARNING,
        "The image loads a library of the OS strongly; an SDK of a release it says it supports does not have it.",
        "On those releases dyld ends the process (`Library not loaded: …`). Where the modelled release itself lacks "
        "the "
        "library, MC101 says so.",
        ("Link it weakly (`-weak_framework NAME`, `-weak-lNAME`) and check before use.", _RAISE),
        references=("WerWolv/ImHex#614", "dyld-1378, dyld/JustInTimeLoader.cpp, loadDependents()"),
    ),
    Rule(
        "MC205",
        "missing-symbol",
        "A symbol is missing",
        _ERROR,
        "The image binds a symbol at launch to a library that does not have it, neither itself nor through what it "
        "re-exports.",
        "dyld ends the process before `main` runs (`Symbol not found: …`); for a plugin, `dlopen` fails.",
        (
            "Ship the version of the library the image was linked with, or link the image again.",
            "A symbol of a weakly linked library that is absent: link the whole library with `-weak-lNAME`.",
        ),
        references=(_RESOLVE,),
    ),
    Rule(
        "MC206",
        "symbol-newer-than-minos",
        "A symbol of the OS is newer than the oldest macOS the image supports",
        _ERROR,
        "The image binds strongly to a symbol of a system library that SDKs of older releases do not have: of the "
        "modelled release, or of one the image says it supports.",
        "On those releases dyld ends the process (`Symbol not found: …`): at launch with chained fixups, with bind "
        "opcodes "
        "for functions at the first call.",
        (_RAISE, _GUARD),
        milder="warning where the modelled release has the symbol and only older ones lack it",
        references=(_RESOLVE, "MCMrARM/mcpelauncher-manifest#20", "libimobiledevice/libimobiledevice#1322"),
    ),
    Rule(
        "MC207",
        "missing-flat-symbol",
        "No image of the process has a symbol that is looked up in all",
        _ERROR,
        "The symbol was linked with `-undefined dynamic_lookup` or in a flat namespace, and none of the images that "
        "are "
        "loaded at launch exports it.",
        "dyld ends the process (`symbol not found in flat namespace …`).",
        ("Link with the library that defines it.", "A plugin: open it in the program it was made for."),
        references=(_RESOLVE,),
    ),
    Rule(
        "MC208",
        "missing-lazy-symbol",
        "A function that is bound at its first call is missing",
        _WARNING,
        "The image has bind opcodes, and a symbol of its lazy binds is nowhere to be found.",
        "The process launches, and ends when the function is called (`Symbol not found: …`, `missing symbol called`). "
        "`dlopen` with `RTLD_NOW`, which Python and others use, fails at once.",
        ("Ship the version of the library the image was linked with, or link the image again.",),
        references=(_RESOLVE, "dyld-1378, dyld/DyldAPIs.cpp, dlopen_from(): allowLazyBinds"),
    ),
    Rule(
        "MC209",
        "missing-weak-definition",
        "No image of the process has a C++ definition that is shared",
        _ERROR,
        "A symbol is looked up among the weak definitions of all images (chained fixups), and none has it.",
        "dyld ends the process (`weak-def symbol not found`, since macOS 15 `Expected as weak-def export from some "
        "loaded "
        "dylib`). With bind opcodes such symbols are passed over.",
        ("Link with the library that defines it; do not strip exported weak definitions.",),
        references=(_RESOLVE,),
    ),
    Rule(
        "MC210",
        "private-framework",
        "A private framework is loaded",
        _WARNING,
        "A load path leads into `/System/Library/PrivateFrameworks`.",
        "Such frameworks change and go without notice, and the App Store refuses programs that use them.",
        ("Use a public framework, or open it with `dlopen` and do without it where it is not there.",),
        milder="info for a weak load",
        references=("insidegui/AssetCatalogTinkerer#22",),
    ),
    Rule(
        "MC211",
        "part-of-umbrella",
        "A part of an umbrella framework is loaded directly",
        _WARNING,
        "The library belongs to an umbrella (`/usr/lib/system/…` to libSystem, sub-frameworks to their parent), or "
        "names "
        "the clients that may link with it, and this image is none of them.",
        "dyld does not mind, but Apple's linker refuses to link so, and where the part lies may change.",
        ("Link with the umbrella.",),
        milder="info for a weak load",
        references=("ld64, src/ld/InputFiles.cpp, checkDylibClientRestrictions()", "EOSIO/eos#352"),
    ),
    Rule(
        "MC212",
        "gone-from-sdk",
        "A system library is no longer in the SDK",
        _WARNING,
        "The library was in older SDKs, and is not in the one the image says it was built with, or a later one.",
        "What left the SDK may still be in the OS, for programs linked long ago; nothing says for how long.",
        ("Do without the library, or ship a copy.",),
        milder="info for a weak load",
    ),
    Rule(
        "MC213",
        "gone-from-macos",
        "A system library goes with a later macOS",
        _WARNING,
        "The modelled release has the library, a later one is known not to.",
        "From that release on dyld ends the process (`Library not loaded: …`).",
        ("Do without the library, or ship a copy.",),
        milder="info for a weak load",
    ),
    Rule(
        "MC214",
        "unversioned-openssl",
        "The libcrypto or libssl of the system that ends processes",
        _ERROR,
        "The image loads `/usr/lib/libcrypto.dylib` or `/usr/lib/libssl.dylib` by the name without a version.",
        "Since macOS 10.15 the library's initialiser ends the process: `Invalid dylib load. Clients should not load "
        "the "
        "unversioned libcrypto dylib as it does not have a stable ABI.`",
        ("Link with a copy of OpenSSL that is shipped, by its full path or `@rpath`.",),
        milder="warning for a weak load",
        references=("civetweb/civetweb#1147", "crystal-lang/crystal#12214", "saltstack/salt#64042"),
    ),
    Rule(
        "MC215",
        "system-openssl",
        "OpenSSL or LibreSSL of the system",
        _WARNING,
        "The image loads a versioned libcrypto or libssl from `/usr/lib`.",
        "SDKs have had no stub of them since macOS 10.12; each macOS may drop the version.",
        ("Ship a copy of OpenSSL, or use Security.framework and CommonCrypto.",),
        milder="info for a weak load",
        references=("petertodd/python-bitcoinlib#240",),
    ),
    Rule(
        "MC216",
        "moved-install-name",
        "A library of the OS is loaded by an old name",
        _INFO,
        "The library moved; linkers still record the old name for old deployment targets, and macOS keeps it.",
        "It works. Whoever looks for the library in a current SDK does not find it under this name.",
        ("Nothing; or link again with a newer deployment target.",),
        references=("ld64, src/ld/parsers/generic_dylib_file.cpp: $ld$previous, $ld$install_name",),
    ),
    Rule(
        "MC217",
        "swift-back-deployment",
        "A Swift library is newer than the oldest macOS the image supports",
        _WARNING,
        "The image loads a library of the Swift run-time from the OS; releases it says it supports lack the library, "
        "and "
        "no copy lies in its other run paths.",
        "On those releases dyld ends the process (`Library not loaded: @rpath/libswift_Concurrency.dylib`).",
        (
            "Ship a copy (`xcrun swift-stdlib-tool --copy`) in a folder behind `/usr/lib/swift` in the run paths.",
            _RAISE,
        ),
        references=("majd/ipatool#50", "tailscale/tailscale#14356"),
    ),
    Rule(
        "MC218",
        "sdk-stamp-doubtful",
        "The sdk field says less than the image shows",
        _INFO,
        "The version of libSystem that the linker recorded is newer than that of SDKs newer than the sdk field.",
        "dyld goes by the field. Who wants to know which headers were used should not.",
        ("Nothing.",),
    ),
    Rule(
        "MC219",
        "compatibility-version",
        "A library is older than the one that was linked with",
        _WARNING,
        "The compatibility version that a load command records is higher than that of the library which is found.",
        "macOS 12 and newer never look. macOS 11 ends the process if the library was built for macOS before 10.14 "
        "(MC109).",
        ("Ship the library the image was linked with, or link again.",),
        milder="info unless macOS 11 would refuse it and the program supports that",
        references=("dyld-852.2, dyld3/MachOFile.cpp, enforceCompatVersion()",),
    ),
    Rule(
        "MC220",
        "no-platform",
        "An image names no platform",
        _INFO,
        "There is neither LC_BUILD_VERSION nor LC_VERSION_MIN_MACOSX.",
        "dyld takes an arm64 image for one of macOS 11.0 and an Intel one for one of 10.5; with what it was built, "
        "and for "
        "what, nobody can tell.",
        ("Link with a current linker: `-platform_version macos MINOS SDK`.",),
        references=("dyld-1378, mach_o/UnsafeHeader.cpp, platformAndVersions()",),
    ),
    Rule(
        "MC221",
        "sysroot-of-another-release",
        "The SDK that was named is not of the release the image was built with",
        _INFO,
        "None of the `--sdk` folders has the major version of the image's sdk field.",
        "Libraries and symbols that are newer than the SDK count as unknown, not as missing.",
        ("Name an SDK of that release.",),
    ),
    Rule(
        "MC222",
        "poor-sysroot",
        "The SDK that was named is incomplete",
        _INFO,
        "Re-exports were stripped from its stubs, stubs cannot be read, or public libraries its macOS has are not in "
        "it.",
        "What it lacks counts as unknown, not as missing.",
        ("Name a whole SDK: one that was copied with its symbolic links.",),
    ),
    Rule(
        "MC223",
        "flat-namespace",
        "An image has a flat namespace",
        _WARNING,
        "The image lacks MH_TWOLEVEL, or carries MH_FORCE_FLAT.",
        "Symbols bound without naming a library come from the first image that happens to have one of that name: one "
        "that is loaded for another reason can take the place of the one that was meant.",
        ("Link without `-flat_namespace` and `-force_flat_namespace`.",),
        milder="info where each bind names its library all the same",
        references=(_RESOLVE, "dyld-852.2, src/ImageLoaderMachOCompressed.cpp, resolve()"),
    ),
    Rule(
        "MC905",
        "unknown-symbols",
        "Symbols that could not be checked",
        _INFO,
        "The image binds to symbols of a library of the OS, and no SDK known here says whether this release has them; "
        "or "
        "one of the OS's own libraries, which are not modelled, may define them.",
        "Whether the process launches is unknown.",
        ("Name an SDK of that release: `--sdk DIR`.",),
    ),
)
