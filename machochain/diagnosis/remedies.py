"""What helped people with each class of cause, as commands they can copy; and what they tried in vain."""

from __future__ import annotations

import re
from typing import Final

from machochain.diagnosis.anew import anew_of
from machochain.diagnosis.attempts import framework_partial
from machochain.diagnosis.derive import is_found_cut, of_macos
from machochain.diagnosis.elision import is_elided
from machochain.diagnosis.eras import of_ios
from machochain.diagnosis.names import LIBRARIES, bare_name
from machochain.diagnosis.places import bundle_of, formula_of, place_of
from machochain.diagnosis.stopgap import is_prefix, stop_gap
from machochain.model.cause import Cause
from machochain.model.diagnosis import PlaceKind, ProcessFacts
from machochain.model.evidence import Evidence, EvidenceKind, Request
from machochain.model.paths import directory, leaf, printable
from machochain.model.shell import file_word, quoted

_BIN: Final = '"$BIN"'
_RESIGN: Final = f"codesign -f -s - {_BIN}   # an edit breaks the signature"
_LINK: Final = (
    "link with -Wl,-rpath,FOLDER_OF_THE_LIBRARY",
    "(CGO_LDFLAGS for Go, link-arg for cargo, CMAKE_INSTALL_RPATH), or afterwards",
)
_ADD: Final = f"install_name_tool -add_rpath FOLDER_OF_THE_LIBRARY {_BIN}"

_NO_CELLAR: Final = "a link from the old name to the newer file (in the Cellar): the ABI changed"
_NO_LD: Final = "LD_LIBRARY_PATH, or an environment variable LC_RPATH: macOS knows neither"
_NO_DYLD_HARDENED: Final = "DYLD_* variables: the process is hardened and ignores them"
_NO_DYLD: Final = "DYLD_LIBRARY_PATH for good: SIP and hardened programs take it away"


def _of_go(cause: Cause, e: Evidence) -> tuple[str, ...]:
    """Return what helps a program that cmd/go made for one run: never an edit of a file that is temporary."""
    verb, library = _go_verb(e), e.library or ""
    if not verb:
        return ()
    if cause is Cause.NOT_PACKAGED:
        rename = quoted("@rpath/" + leaf(library))
        return (
            f"in the library: install_name_tool -id {rename} {file_word(leaf(library))}", "then link anew:",
            *_build_anew(verb),
        )  # fmt: skip
    if cause not in {Cause.BUILD_MACHINE_PATH, Cause.STALE_DEPENDENT, Cause.UNDECLARED_DEPENDENCY}:
        return ()
    install = f"install what brings {printable(leaf(library))}"
    if formula_of(library):
        install = f"brew install {quoted(formula_of(library))}"
    if place_of(e.referenced_from).kind is PlaceKind.GO_RUN_CACHED:
        return (
            "go run -a …   # Go's cache kept a program that was linked with a library that is gone",
            f"if the library is not installed at all: {install}",
        )
    return (install,)


def remedies(cause: Cause, evidence: Evidence, facts: ProcessFacts) -> tuple[str, ...]:
    """Return the steps for a class; commands name the image that asks as ``$BIN``, which the first step sets."""
    steps = _of_go(cause, evidence) or _steps(cause, evidence, facts)
    if any(_BIN in step for step in steps):
        asker = evidence.referenced_from or evidence.process or _dlopened(evidence)
        return (f"BIN={_whole(asker, 'THE_BINARY_THAT_ASKS')}", *steps)
    return steps


def _steps(cause: Cause, e: Evidence, facts: ProcessFacts) -> tuple[str, ...]:  # noqa: C901, PLR0911, PLR0912  # the order of its steps is the rule
    library = e.library or ""
    name = printable(leaf(library)) or "the library"
    formula = formula_of(library) or (formula_of(e.attempts[0].path) if library.startswith("@") and e.attempts else "")
    install = f"brew install {quoted(formula)}" if formula else f"install the package that brings {name}"
    # A crash report may have put a star in the place of a part of the path.
    old = "OLD_PATH" if is_elided(library) else quoted(library)
    own = framework_partial(library) or leaf(library)
    change = f"install_name_tool -change {old} {quoted('@rpath/' + own)} {_BIN}"
    change += f"   # OLD_PATH in full: otool -L {_BIN}" if old == "OLD_PATH" else ""
    bad = _whole(refused_file(e), "FILE")
    match cause:
        case Cause.STALE_DEPENDENT:
            return _reinstall(e, formula)
        case Cause.UNDECLARED_DEPENDENCY:
            return _undeclared(e, formula, install)
        case Cause.TOOLCHAIN_RUNTIME if formula:
            return (install, "to ship: put the library beside the binary, change the load path, and sign again")
        case Cause.BUILD_MACHINE_PATH if (app := bundle_of(library)) and leaf(app) == leaf(
            bundle_of(e.referenced_from)
        ):
            return (
                f"move the app to where it was built for: {quoted(app)}",
                "for the maker: load paths with @loader_path or @rpath",
            )
        case Cause.BUILD_MACHINE_PATH:
            return (
                *((stop_gap(e, install),) if _is_library(library) or not is_prefix(library) else ()),
                "to ship: link the library statically, or put it beside the binary, then",
                change,
                _ADD,
                _RESIGN,
            )
        case Cause.OTHER_PREFIX:
            return (
                "use a build for this processor (Homebrew: arm64 in /opt/homebrew, Intel in /usr/local)",
                f"stop-gap: arch -x86_64 /usr/local/bin/brew install {quoted(formula or 'FORMULA')}",
            )
        case Cause.RUN_PATH:
            return _run_path(e)
        case Cause.NOT_PACKAGED if (node := place_of(e.referenced_from)).kind is PlaceKind.NODE_MODULE and node.name:
            return _node_package(node.name, name)
        case Cause.NOT_PACKAGED:
            return (
                f"copy {name} to where the load path leads{_where(e)}",
                "let packaging do it: macdeployqt, dylibbundler, delocate, Embed Frameworks",
                "as a user: install the program or package again, whole",
            )
        case Cause.RELATIVE_PATH:
            return _relative(e, own, change, hardened=bool(facts.hardened))
        case Cause.RESTRICTED_PATH if e.dlopen_path is not None and e.dlopen_path == e.library:
            return (f"give dlopen an absolute path instead of {printable(library)}",)
        case Cause.RESTRICTED_PATH:
            return (f"install_name_tool -change {quoted(library)} {quoted('/FOLDER/' + leaf(library))} {_BIN}", _RESIGN)
        case Cause.PACKAGER_BUG if "@@" in library:
            return _unfilled(e, library)
        case Cause.WRONG_ARCHITECTURE if is_found_cut(e):
            return (f"see what the file is, and for which processor: file {_whole(e.library, 'FILE')}",)
        case Cause.COMPILER_RUNTIME:
            return ("as a user: take another build of what asks; to ship: link with gfortran or gcc, or -lgcc",)
        case Cause.WRONG_ARCHITECTURE:
            return _for_processor(e, name)
        case Cause.NEWER_MACOS:
            return _newer(e)
        case Cause.SYSTEM_LIBRARY_GONE:
            return _gone(e, library)
        case Cause.SWIFT_RUNTIME:
            return _swift(e)
        case Cause.TOOLCHAIN_MISSING:
            return (
                "install the Command Line Tools anew: xcode-select --install",
                "or point to a whole Xcode: sudo xcode-select -s /Applications/Xcode.app",
            )
        case Cause.FLAT_SYMBOL:
            return (
                *(("as a user: install it anew, built for this very program or interpreter",) if e.dlopen_path else ()),
                "as its maker: link the library that has the symbol; without",
                "-undefined dynamic_lookup ld names what is missing",
                f"nm -gU LIBRARY | grep {quoted(e.symbol or 'SYMBOL')}   # who has it",
            )
        case Cause.ABI_MISMATCH if "cxx11" in (e.symbol or ""):
            return ("compile and link both with one compiler: clang (-stdlib=libc++), or g++ and its libstdc++",)
        case Cause.ABI_MISMATCH:
            return (
                "install versions of both that belong together, or rebuild the one that asks",
                f"look for a stray copy: otool -L {_BIN}; ls /usr/local/lib",
            )
        case Cause.OLD_LIBRARY if formula:
            return (f"brew upgrade {quoted(formula)}   # brew install, if it is not installed",)
        case Cause.OLD_LIBRARY if library.startswith("@"):
            return (
                f"for the maker: ship the {name} the program was linked with, or a newer one",
                "as a user: take another release of the program",
            )
        case Cause.OLD_LIBRARY:
            return (f"let what asks find the {name} it was built with, or a newer one",)
        case Cause.LIBRARY_VALIDATION | Cause.SIGNATURE_MISSING | Cause.SIGNATURE_BROKEN:
            return _signed(cause, e, bad)
        case Cause.QUARANTINE:
            return (f"xattr -d com.apple.quarantine {bad}", "for the maker: sign and notarise")
        case Cause.PROCESS_ARCHITECTURE:
            return (
                "on Apple silicon: take an arm64 build of the program, or of the runtime that starts it",
                "a shell under Rosetta starts Intel programs: arch -arm64 zsh",
                "on an Intel Mac: install the file anew, for x86_64",
            )
        case Cause.SANDBOX:
            return ("let the sandbox profile of the process read the file",)
        case Cause.NO_UUID:
            return (
                "link the file again so that it has one: without -no_uuid; Go has written it since 1.24",
                "or with an older Go: go build -ldflags=-linkmode=external",
            )
        case Cause.DUPLICATE_RUN_PATH:
            owner = _whole((e.referenced_from if e.kind is EvidenceKind.VALIDITY else refused_file(e)), "FILE")
            twice = _whole(_duplicate(e), "RUN_PATH")
            return (
                f"install_name_tool -delete_rpath {twice} {owner}   # once per copy too many",
                f"codesign -f -s - {owner}   # an edit breaks the signature",
                "take the second -rpath out of the flags (LDFLAGS twice, dylibbundler -p)",
            )
        case Cause.MALFORMED:
            return (f"fetch or build it again; see what it is: file {bad}",)
        case Cause.INSERTED:
            return (
                "unset DYLD_INSERT_LIBRARIES, or take the library out of it",
                "see who sets it: env | grep DYLD_, launchctl getenv DYLD_INSERT_LIBRARIES, the tool that starts it",
            )
        case Cause.PROBE | Cause.OWN_NAME | Cause.OTHER_SYSTEM:
            return _asked_for(cause, library, install)
        case _:
            return ()


_PARTS_OF_LIBSYSTEM: Final = frozenset({"c", "m", "dl", "pthread", "system", "util", "rt"})


_OF_DOTNET: Final = re.compile(r"(?:lib)?System\.[A-Z]")


def _asked_for(cause: Cause, library: str, install: str) -> tuple[str, ...]:
    """Return what helps where a program asked for a file by name that is not there."""
    file = leaf(library)
    where = (f"see whether and where it is: find / -name {quoted(file)} 2>/dev/null",) if file else ()
    if cause is Cause.OTHER_SYSTEM:
        return ("the program, or the package that asks, is for Linux; on a Mac it has to ask for another library",)
    if bare_name(library) in _PARTS_OF_LIBSYSTEM:
        return ("it is a part of macOS: let the program ask for /usr/lib/libSystem.B.dylib",)
    if _OF_DOTNET.match(file):
        return ("it is a part of .NET: run the program with the .NET it was made for, installed whole",)
    if file and cause is Cause.OWN_NAME and "/" in library:
        return (*where, "build or install it where it is asked for; or name the place where it is")
    if "/Cellar/" in library:  # asked for where the program itself lies: the package is there
        install = f"install the package that brings {printable(file)}"
    return (f"{install}, if it is not there; else give the program the full path", *where)


def _reinstall(e: Evidence, formula: str) -> tuple[str, ...]:
    place = place_of(e.referenced_from)
    mine = formula_of(e.referenced_from or "")
    anew = anew_of(e.referenced_from or "")
    if place.kind is PlaceKind.CONDA and "venv" not in anew:
        first = "conda update --all   # or reinstall the package that asks"
    elif not mine and anew:
        first = f"build or install anew what asks, not the library: {anew}"
    elif formula and mine:
        first = f"brew update && brew reinstall {quoted(mine)}   # the package that asks, not the library"
    elif formula:
        first = "brew update && brew upgrade, then brew reinstall the package that asks"
    else:
        first = "reinstall the package that asks (not the library), with its package manager"
    return (first, "if you ship it: rebuild it against the new version")


def _for_processor(e: Evidence, name: str) -> tuple[str, ...]:
    bad = refused_file(e)
    if of_macos(bad):
        return ("take a build of the program for this processor and this macOS: the file is a part of macOS",)
    place = place_of(bad)
    if place.kind is PlaceKind.TEMPORARY and not anew_of(bad):
        return (
            "the program unpacked the file itself (Java: out of a jar): take a newer release, for this processor",
            "or start it with a runtime (Java, .NET, …) of the processor the file is for",
        )
    formula = formula_of(bad)
    if formula and bad.startswith("/opt/homebrew/"):
        return (
            "Homebrew in /opt/homebrew is for arm64: take an arm64 build of the program, or of its runtime",
            f"or the library for Intel: arch -x86_64 /usr/local/bin/brew install {quoted(formula)}",
        )
    anew = f"brew reinstall {quoted(formula)}, with the Homebrew of that processor" if formula else anew_of(bad)
    embedded = ("where Electron or NW.js loads it: npx @electron/rebuild, or nw-gyp rebuild, with the --arch of that",)
    return (
        f"install {name} anew for the processor the process runs on: {anew or 'with what installed it'}",
        *(embedded if place.kind is PlaceKind.NODE_MODULE else ()),
        "for the maker: a universal file: lipo -create ONE OTHER -output BOTH",
        *(("stop-gap: run the whole program as Intel, arch -x86_64",) if _intel_file(e) else ()),
    )


def _signed(cause: Cause, e: Evidence, bad: str) -> tuple[str, ...]:
    if cause is not Cause.LIBRARY_VALIDATION:
        team = ("a process that validates its libraries wants its own Team ID too",)
        return (
            f"codesign -f -s - {bad}   # as the last step, from the inside out",
            "edits (install_name_tool, strip, lipo) come before signing",
            *(team if _says(e, "Validation") else ()),
        )
    if _says(e, "process is a platform binary"):
        return ("no signature of others helps: use a program that is not Apple's own",)
    if e.request is Request.INSERTED:
        return ("insert into a copy of the program that does not validate: Apple's own take only Apple's files",)
    return (
        "sign every file with the identity of the process, from the inside out",
        "to load others' libraries: entitlement com.apple.security.cs.disable-library-validation",
        _all_ad_hoc(e),
    )


def _all_ad_hoc(e: Evidence) -> str:
    """Say how one user signs the program and what it loads alike: one file alone does not help."""
    app = bundle_of(e.referenced_from or e.process) or bundle_of(refused_file(e))
    words = "for private use: the program and all it loads ad hoc, without --options runtime"
    return f"{words}: codesign -f --deep -s - {quoted(app)}" if app and not is_elided(app) else words


def _relative(e: Evidence, own: str, change: str, *, hardened: bool) -> tuple[str, ...]:
    rename = f"in the library: install_name_tool -id {quoted('@rpath/' + own)} {file_word(own)}"
    if go := _go_verb(e):
        return (rename, "then link anew:", *_build_anew(go))
    variable = "DYLD_FRAMEWORK_PATH" if "/" in own else "DYLD_LIBRARY_PATH"
    trial = () if hardened else (f"to try: {variable}=FOLDER {_started(e)}",)
    return (rename, f"in the binary: {change}", _ADD, _RESIGN, *trial)


def _started(e: Evidence) -> str:
    """Return what is started where an image asks: the image, unless it is no program."""
    return "PROGRAM" if (e.referenced_from or "").endswith(LIBRARIES) else _BIN


def _swift(e: Evidence) -> tuple[str, ...]:
    by_run_path = (e.library or "").startswith("@rpath/")
    of_xcode = "/Xcode" in (e.expected_in or "")
    if (e.symbol or "").startswith("__T"):  # of Swift before 5, which no macOS has
        both = of_xcode or "/Xcode" in (e.referenced_from or "")
        return (
            "as a user: take a newer release of the program; to ship: build it with the Swift it is run with",
            *(("a run path leads into Xcode, whose Swift is another: take it out",) if both else ()),
        )
    return (
        *(("link with -Wl,-rpath,/usr/lib/swift, and ship the library for older macOS",) if by_run_path else ()),
        "as a user: update macOS; 10.14.4 and later bring Swift's runtime, newer parts come with newer releases",
        *(("or update Xcode, whose own Swift library was found",) if of_xcode else ()),
    )


def _undeclared(e: Evidence, formula: str, install: str) -> tuple[str, ...]:
    mine = formula_of(e.referenced_from or "")
    if (e.library or "").startswith(("/opt/X11/", "/usr/X11")):
        return ("install XQuartz: brew install --cask xquartz, or from xquartz.org",)
    if formula and mine:
        # An old formula may be gone from Homebrew; what asks for it is linked with another once it is installed anew.
        again = f"brew update && brew reinstall {quoted(mine)}   # it then loads what Homebrew has now"
        return (again, f"or, as long as Homebrew has it: {install}")
    return (install, "if you ship it: declare the dependency in the package")


def _node_package(package: str, library: str) -> tuple[str, ...]:
    """What brings the other part of an npm package, which npm leaves out as optional or made for another machine."""
    return (
        f"npm install --include=optional {quoted(package)}   # not on a Mac: --os=darwin --cpu=arm64 (or x64)",
        f"in an application: ship the package that holds {library}, unpacked (electron-builder: asarUnpack)",
    )


def _gone(e: Evidence, library: str) -> tuple[str, ...]:
    inner = library.startswith("/usr/lib/system/")
    whole = ("to ship: link /usr/lib/libSystem.B.dylib, not its private parts",) if inner else ()
    nix = place_of(e.referenced_from).kind is PlaceKind.NIX
    return ("take a newer nixpkgs" if nix else "update the package that asks", *whole)


_ARTIFACTS: Final = "/.julia/artifacts/"


def _run_path(e: Evidence) -> tuple[str, ...]:
    if go := _go_verb(e):
        return _build_anew(go)
    asker = e.referenced_from or ""
    kinds = {PlaceKind.PYTHON_PACKAGE, PlaceKind.NODE_MODULE, PlaceKind.RUBY_GEM, PlaceKind.CONDA, PlaceKind.HOMEBREW}
    if bundle_of(asker) or _ARTIFACTS in asker or place_of(asker).kind in kinds:
        maker = f"for the maker: {_LINK[0]}"
        return ("as a user: install the program or package again, whole", maker, *_LINK[1:], _ADD, _RESIGN)
    return (*_LINK, _ADD, _RESIGN)


def _go_verb(e: Evidence) -> str:
    """Return ``test`` or ``run`` for a program that cmd/go made for one run; ``""`` for any other."""
    place = place_of(e.referenced_from).kind
    if place is PlaceKind.GO_TEST:
        return "test"
    return "run" if place in {PlaceKind.GO_RUN, PlaceKind.GO_RUN_CACHED} else ""


def _build_anew(verb: str) -> tuple[str, ...]:
    """Return how to link a program of ``go run`` or ``go test`` anew: the file itself is gone or about to be."""
    fresh = "go test -count=1" if verb == "test" else "go run -a"
    return (
        f"CGO_LDFLAGS='-Wl,-rpath,/ABSOLUTE/FOLDER/OF/THE/LIBRARY' {fresh} …",
        "absolute, because the program runs from a temporary folder",
    )


def _go_needs(e: Evidence) -> tuple[str, ...]:
    if e.symbol == "_SecTrustCopyCertificateChain":
        return ("the symbol is what Go 1.25 and later need of macOS 12: build with an older Go",)
    return ()


def _newer(e: Evidence) -> tuple[str, ...]:
    if of_ios(e):
        return ("build it for the oldest iOS the app takes, the dependencies too", "as a user: update iOS")
    return (
        "to ship: a lower MACOSX_DEPLOYMENT_TARGET, for the dependencies too; state the oldest macOS",
        "as a user: take a build for this macOS, or update macOS",
        *_go_needs(e),
    )


def _where(e: Evidence) -> str:
    asked = e.dlopen_path if e.referenced_from is None else None
    first = asked if asked and asked.startswith("/") else e.attempts[0].path if e.attempts else ""
    return f": {printable(directory(first))}" if first and not is_elided(first) else ""


def _whole(path: str | None, otherwise: str) -> str:
    """Return a path as a word of a command; one that was shortened is left for the reader to fill in."""
    if not path or is_elided(path):
        return otherwise
    return "~/" + quoted(path[2:]) if path.startswith("~/") else quoted(path)  # a quoted ~ is no home


def _dlopened(e: Evidence) -> str | None:
    """Return the file that was opened, where it asks for another."""
    return e.dlopen_path if e.symbol or e.dlopen_path != e.library else None


def refused_file(e: Evidence) -> str:
    """Return the file dyld found and refused, else the library as asked for."""
    for tried in e.attempts:
        if tried.reason and not tried.reason.startswith(("no such file", "not a file")):
            return tried.path
    return e.library or e.referenced_from or e.process or "FILE"


def _unfilled(e: Evidence, library: str) -> tuple[str, ...]:
    """Return what helps against a placeholder; a prefix is filled in only where the path of what asks has it."""
    asker = e.referenced_from or ""
    formula = formula_of(asker)
    if "@@HOMEBREW_" in library and formula:
        again = "installs the bottle anew and fills the paths in"
        return (
            f"brew reinstall {quoted(formula)}   # {again}",
            "if the placeholder stays: xcode-select --install   # install_name_tool does the filling in",
        )
    prefix = next((p for p in ("/opt/homebrew", "/usr/local") if asker.startswith(f"{p}/")), "")
    real = library.replace("@@HOMEBREW_PREFIX@@", prefix).replace("@@HOMEBREW_CELLAR@@", f"{prefix}/Cellar")
    if not prefix or "@@" in real:
        real = "/REAL/PATH/" + leaf(library)
    return (f"install_name_tool -change {quoted(library)} {quoted(real)} {_BIN}", _RESIGN)


def _is_library(path: str) -> bool:
    """Whether a path has the name of a library, which some package may bring."""
    return leaf(path).endswith(LIBRARIES) or ".dylib." in path or framework_partial(path) is not None


def _says(e: Evidence, words: str) -> bool:
    """Whether dyld uses some words of a file."""
    return any(words in text for text in (e.reason or "", *(t.reason or "" for t in e.attempts)))


def _intel_file(e: Evidence) -> bool:
    """Whether the file that was found is one for Intel: only then an Intel process can load it."""
    words = " ".join(t.reason or "" for t in e.attempts)
    return "have 'x86_64'" in words or "have (x86_64)" in words


def _duplicate(e: Evidence) -> str:
    for text in (e.reason or "", *(t.reason or "" for t in e.attempts)):
        if "duplicate LC_RPATH '" in text:
            return text.partition("duplicate LC_RPATH '")[2].rpartition("'")[0]
    return "PATH"


_SIGNING: Final = frozenset({Cause.LIBRARY_VALIDATION, Cause.SIGNATURE_BROKEN, Cause.SIGNATURE_MISSING})
_PATH_CAUSES: Final = frozenset(
    {
        Cause.RUN_PATH,
        Cause.RELATIVE_PATH,
        Cause.RESTRICTED_PATH,
        Cause.BUILD_MACHINE_PATH,
        Cause.NOT_PACKAGED,
        Cause.PROBE,
    }
)


def warnings(cause: Cause, evidence: Evidence, facts: ProcessFacts) -> tuple[str, ...]:
    """Return what people try for a class and should not."""
    words = []
    of_keg = cause is Cause.OLD_LIBRARY and bool(formula_of(evidence.library or ""))
    if cause in {Cause.STALE_DEPENDENT, Cause.UNDECLARED_DEPENDENCY} or of_keg:
        words.append(_NO_CELLAR)
    if cause in _PATH_CAUSES:
        words += [_NO_DYLD_HARDENED if facts.hardened else _NO_DYLD, _NO_LD]
    elif facts.hardened:
        words.append(_NO_DYLD_HARDENED)
    if cause in _SIGNING:
        words.append("editing after signing: install_name_tool, strip and lipo come before codesign")
        if bundle_of(evidence.referenced_from):
            words.append("codesign --deep for shipping: sign from the inside out")
    return tuple(words)
