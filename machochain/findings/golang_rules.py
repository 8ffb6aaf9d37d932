"""The rules about Go and cgo (MC6xx)."""

from __future__ import annotations

from typing import Final

from machochain.findings.rule import Rule
from machochain.model.result import Severity

_INFO: Final = Severity.INFO
_WARNING: Final = Severity.WARNING

_RESIGN: Final = "Sign again after every change: `codesign -f -s - FILE` (or with your identity)."
GOLANG_RULES: Final = (
    Rule(
        "MC601",
        "go-no-uuid",
        "A Go program has no UUID",
        _WARNING,
        "The program was linked by Go's own linker and has no LC_UUID: Go 1.23 and older write none, Go 1.24 to 1.26 "
        "none with `-ldflags=-buildid=`.",
        "dyld's source refuses it only once it is built with sdk 26 (MC301), which Go up to 1.26 copies from C objects "
        "of the build machine. There are reports of such programs being refused on macOS 26 with an older sdk, and "
        "macOS 15 and newer cannot remember the permission for the local network of a program without a UUID.",
        ("Build with Go 1.24 or newer, without `-buildid=`.", "Or `go build -ldflags=-linkmode=external`."),
        since="macOS 15 (local network), macOS 26 (reports)",
        references=("golang/go#68678", "golang/go#77917", "onsi/ginkgo#1612", "dyld-1378, mach_o/Policy.cpp"),
    ),
    Rule(
        "MC602",
        "go-relative-install-name",
        "The id of a Go library is a relative path",
        _WARNING,
        "The library was made with `-buildmode=c-shared`; Go gives no install name, so the linker takes the `-o` "
        "argument as it was written.",
        "Whoever links with it records that name, and dyld looks for it in the working directory of the process.",
        (
            '`go build -buildmode=c-shared -ldflags="-extldflags=-Wl,-install_name,@rpath/NAME.dylib" -o NAME.dylib`',
            "Or afterwards: `install_name_tool -id @rpath/NAME.dylib NAME.dylib`.",
            _RESIGN,
        ),
        references=("golang/go#29061", "Go 1.27, cmd/link/internal/ld/lib.go, hostlink()"),
    ),
    Rule(
        "MC603",
        "go-build-host-minos",
        "A cgo program needs the macOS of the machine it was built on",
        _WARNING,
        "The host linker wrote a minimum macOS above that of the Go release, equal to the SDK's: cmd/go passes no "
        "deployment target, so the compiler takes the build machine's.",
        "The program says it needs a macOS that it does not need; older ones may refuse it or miss symbols.",
        (
            (
                "`CGO_CFLAGS=-mmacosx-version-min=12.0 CGO_LDFLAGS=-mmacosx-version-min=12.0 go build`: both are part "
                "of the cache key."
            ),
            (
                "`MACOSX_DEPLOYMENT_TARGET` works too, but is not part of the cache key: use a GOCACHE of its own, or "
                "`go build -a`."
            ),
        ),
        references=("golang/go#36025", "golang/go#41548", "Go 1.27, cmd/go/internal/work/exec.go, buildActionID()"),
    ),
    Rule(
        "MC604",
        "go-extra-segment",
        "A segment was added behind the linker's back",
        _WARNING,
        "The image has more segments than its chained fixups count. Go runs dsymutil and copies the debug information "
        "into the finished file as one more segment, `__DWARF`.",
        "dyld's validator says `chained fixups, seg_count does not match number of segments`; Go's source names macOS "
        "27 as the first that minds it in shared libraries and plugins.",
        (
            'Leave debug information out: `go build -ldflags="-s -w"`.',
            "Or link without chained fixups: `CGO_LDFLAGS=-Wl,-no_fixup_chains` (Go 1.27 does so for plugins).",
        ),
        since="macOS 27 (by Go's source)",
        references=("golang/go#81793", "dyld-1378, mach_o/ChainedFixups.cpp, ChainedFixups::validLinkedit()"),
    ),
    Rule(
        "MC605",
        "go-foreign-runtime",
        "A Go program loads a libgo or libcgo",
        _WARNING,
        "A load command of a Go program names `libgo` or `libcgo`. The Go toolchain makes neither: `runtime/cgo` is "
        "linked into the program, and libgo is the run-time library of gccgo.",
        "The library comes from somewhere else, and nothing of Go will put it where dyld looks.",
        ("Find out which `-l` flag or library asks for it: `go build -x`, `machochain inspect`.",),
        references=("Go 1.27, runtime/cgo/cgo.go",),
    ),
    Rule(
        "MC606",
        "go-stale-executable",
        "go run may start an executable that was linked with an older library",
        _INFO,
        "The program links a library of its own, and Go 1.24 or newer keeps what `go run` has linked in its cache.",
        "The cache does not notice that a C library changed: after an upgrade `go run` starts the old executable, "
        "which asks for a library that is gone. `go build`, `go install` and `go test -c` do not link again either "
        "while their output file is there, because its build ID still fits; `go test` prints `(cached)` without "
        "starting anything.",
        (
            "`go run -a …` or `go clean -cache` links anew.",
            "`rm` the output before `go build`, or `go build -a`.",
            "`go test -count=1 …` runs the tests.",
        ),
        references=("golang/go#69290", "golang/go#24355", "Go 1.27, cmd/go/internal/run/run.go"),
    ),
    Rule(
        "MC607",
        "go-settings-hidden",
        "The flags a Go program was linked with are not recorded",
        _INFO,
        "`-trimpath` keeps `-ldflags` and the `CGO_` flags out of the build information.",
        "Nobody can tell from the file which run paths or libraries were asked for.",
        ("Record the flags beside the release, or build without `-trimpath` to compare.",),
        references=("golang/go#52372", "Go 1.27, cmd/go/internal/load/pkg.go, setBuildInfo()"),
    ),
    Rule(
        "MC608",
        "go-other-homebrew",
        "A Go program names the Homebrew of the other processor",
        _WARNING,
        "Homebrew lies in `/opt/homebrew` on Apple silicon and in `/usr/local` on Intel; a load path or run path of "
        "this slice names the other one. Often the prefix is written into a `#cgo` line.",
        "On a Mac of this slice's own processor there is nothing in that place, or a library of the wrong "
        "architecture.",
        (
            (
                "Part the directive: `#cgo darwin,arm64 LDFLAGS: -L/opt/homebrew/lib` and "
                "`#cgo darwin,amd64 LDFLAGS: -L/usr/local/lib`."
            ),
            "Or let pkg-config find it: `#cgo pkg-config: NAME`.",
        ),
        references=("alexbrainman/odbc#168",),
    ),
    Rule(
        "MC609",
        "predicted-from-archive",
        "The program does not exist yet: its loads are predicted",
        _INFO,
        "The input is a static library. What a program linked from it loads is told by the pragmas of a Go package, or "
        "by looking up undefined symbols; other packages and flags of the program may bring more.",
        "The answer is about a program that lies beside the archive and is linked from nothing else.",
        ("Resolve the linked program to be sure.",),
        references=("Go 1.27, cmd/cgo/out.go, dynimport()", "Go 1.27, cmd/link/internal/ld/go.go, ldpkg()"),
    ),
    Rule(
        "MC610",
        "link-library-not-found",
        "A library a package is linked with is not there",
        _WARNING,
        "A `-l`, `-framework` or path among the package's link flags leads to no stub, dylib or static library on the "
        "modelled Mac, and cmd/go recorded no install name.",
        "The link fails on a machine like the modelled one, and what the program would load is unknown.",
        ("Map the folder of the library: `--map /opt/x/lib=HOST_FOLDER`.", "Or name an SDK: `--sdk DIR`."),
        references=("Go 1.27, cmd/go/internal/work/exec.go, dynimport()", "golang/go#52863"),
    ),
    Rule(
        "MC611",
        "archive-link-flags",
        "A static library needs system libraries that it cannot name",
        _INFO,
        "An archive keeps no link flags. The undefined symbols of its members are exported by libraries of the OS that "
        "a linker does not add by itself.",
        "Without these flags the link fails: `Undefined symbols for architecture …`.",
        ("Link with the flags in the message.",),
        references=("golang/go#58159",),
    ),
    Rule(
        "MC612",
        "archive-undefined-symbols",
        "A static library needs symbols that nobody in it or in the OS defines",
        _WARNING,
        "Undefined symbols of the members are in no other member and in no known library of the OS.",
        "The link fails unless what else is linked defines them: for a Go c-archive the C libraries of its packages, "
        "whose `-l` flags were lost.",
        ("Link the C library as well, and give the program a run path to it.",),
        references=("golang/go#58159",),
    ),
    Rule(
        "MC613",
        "archive-member-minos",
        "Members of a static library are built for different macOS versions",
        _WARNING,
        "The minimum macOS of the archive's objects differs: Go's object has that of the Go release, C objects that of "
        "the compiler.",
        "ld warns `object file was built for newer macOS version than being linked` for a program with a deployment "
        "target below the highest; such a program may use what older releases lack.",
        (
            "Build with one deployment target: `CGO_CFLAGS=-mmacosx-version-min=…`, in a GOCACHE of its own.",
            "Or raise the deployment target of the program to the highest of the members.",
        ),
        references=("golang/go#43856", "golang/go#36025", "mattn/go-sqlite3#1055"),
    ),
    Rule(
        "MC614",
        "go-data-damaged",
        "What Go wrote into a file is damaged",
        _WARNING,
        "The build information, the pragmas or the members of an archive are not as Go writes them. The rest was read.",
        "Answers that rest on the damaged part are missing.",
        ("Build the file again; look for tools that rewrite it.",),
        references=("Go 1.27, debug/buildinfo/buildinfo.go", "Go 1.27, cmd/link/internal/ld/go.go"),
    ),
)
"""In rising order."""
