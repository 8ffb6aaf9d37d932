"""Which class of cause a failure belongs to, and what the text rests it on.

Classes and their order follow what reporters of several hundred failures found to be the cause. A class that the text
proves (a reason dyld states) is certain; one that is merely usual for such paths is likely, with its rivals named.
"""

from __future__ import annotations

import re
from typing import Final

from attrs import frozen

from machochain.diagnosis.attempts import framework_partial
from machochain.diagnosis.places import bundle_of, place_of
from machochain.model.evidence import Cause, Era, Evidence, EvidenceKind, PlaceKind, ProcessFacts, Request
from machochain.model.paths import directory, leaf
from machochain.model.result import Confidence

_SYSTEM: Final = ("/usr/lib/", "/System/Library/", "/System/iOSSupport/")
_BREW: Final = ("/opt/homebrew/", "/usr/local/opt/", "/usr/local/Cellar/")
_PACKAGED: Final = (*_BREW, "/usr/local/lib/", "/opt/local/", "/opt/conda/")
_SWIFT: Final = re.compile(
    r"libswift(?:_Concurrency|_StringProcessing|_RegexParser|_Differentiation|_Builtin_float|Core|CoreFoundation|"
    r"CoreGraphics|Darwin|Dispatch|Foundation|IOKit|ObjectiveC|Observation|os|Synchronization|System|XPC|Compatibility\w*)"
    r"\.dylib$"
)
_SANITIZER: Final = re.compile(r"libclang_rt\.\w+_osx_dynamic\.dylib$")
_TOOLS: Final = re.compile(
    r"/usr/bin/(?:ld|clang|swift|git|make|as|ar|nm|strip|libtool|lipo)$|/Library/Developer/CommandLineTools/"
    r"|/Xcode[^/]*\.app/Contents/Developer/(?:usr|Toolchains)/"
)
_VERSIONED: Final = re.compile(r"[.-]\d+(?:\.\d+)*(?:\.dylib|\.so)?$|\.\d+\.dylib$|\.so\.\d+|-?\d+(?:\.\d+)+\.dylib$")
_APPLE_SYMBOL: Final = re.compile(
    r"_(?:k?Sec[A-Z]|k?CF[A-Z]|NS[A-Z]|k?CG[A-Z]|k?CT[A-Z]|k?SC[A-Z]|k?IO[A-Z]|k?AX[A-Z]|objc_|os_(?:log|unfair|sync)|dispatch_|"
    r"xpc_|DNSService|MTL[A-Z]|OBJC_CLASS_\$_NS)"
)
_COMPILER_HELPER: Final = re.compile(
    r"___(?:add|sub|mul|div|neg|eq|ne|lt|le|gt|ge|unord|extend|trunc|fix|float|pow)\w*[tx]f\d?\w*$"
)
_BUILD_TREES: Final = frozenset({PlaceKind.CARGO_TARGET, PlaceKind.GO_RUN, PlaceKind.GO_TEST, PlaceKind.GO_RUN_CACHED})
_LOCAL_BUILDS: Final = re.compile(r"/\.(?:rvm|rbenv|pyenv|asdf|nvm|nodenv|jenv|sdkman)/")


@frozen
class Verdict:
    """A class, how sure it is, what it rests on, and what else it may be."""

    cause: Cause
    confidence: Confidence
    because: tuple[str, ...]
    alternatives: tuple[Cause, ...] = ()


def classify(evidence: Evidence, facts: ProcessFacts) -> Verdict:
    """Return the cause class of one piece of evidence."""
    kind = evidence.kind
    if kind is EvidenceKind.BUILD:
        return _certain(Cause.BUILD, "The message comes from the build, not from dyld.")
    if not kind.is_failure:
        return _certain(Cause.UNKNOWN, "A log: nothing in it says that anything failed.")
    if kind is EvidenceKind.SYMBOL_MISSING:
        return _symbol(evidence)
    if kind is EvidenceKind.ARCHITECTURE:
        return _certain(Cause.WRONG_ARCHITECTURE, "dyld found the file and says that it is for another processor.")
    if kind is EvidenceKind.SIGNATURE:
        return _certain(Cause.SIGNATURE, "dyld found the file and the kernel refused its code signature.")
    if kind is EvidenceKind.COMPATIBILITY:
        return _certain(Cause.OLD_LIBRARY, "dyld says that the library it found is older than the one linked against.")
    if kind is EvidenceKind.TERMINATION:
        return _termination(evidence)
    if evidence.request is Request.INSERTED and kind is EvidenceKind.LIBRARY_MISSING:
        return _certain(Cause.INSERTED, "No load command asks for it: DYLD_INSERT_LIBRARIES names it.")
    library = evidence.library or ""
    if "@@" in library:
        return _certain(Cause.PLACEHOLDER, "The load path still has a packager's placeholder (@@…@@) in it.")
    if kind is EvidenceKind.RESTRICTED:
        return _certain(Cause.RESTRICTED_PATH, "dyld says that a restricted process may not use this path.")
    if kind in {EvidenceKind.VALIDITY, EvidenceKind.BAD_FILE}:
        return _refused(evidence)
    return _missing(evidence, facts, library)


def _certain(cause: Cause, *because: str) -> Verdict:
    return Verdict(cause, Confidence.CERTAIN, because)


def _likely(cause: Cause, because: str, *alternatives: Cause) -> Verdict:
    return Verdict(cause, Confidence.LIKELY, (because,), alternatives)


def _termination(evidence: Evidence) -> Verdict:
    termination = evidence.termination
    if termination is not None and termination.namespace == "CODESIGNING":
        return _certain(Cause.SIGNATURE, "The crash report names code signing as the reason.")
    return _certain(Cause.UNKNOWN, "The crash report has no message of dyld.")


def _refused(evidence: Evidence) -> Verdict:
    """A file that was found and that dyld's checks refused, or a main executable they refused."""
    texts = [evidence.reason or "", *(t.reason or "" for t in evidence.attempts)]
    if any("LC_UUID" in t for t in texts):
        return _certain(Cause.NO_UUID, "dyld says that the file has no LC_UUID load command.")
    if any("duplicate LC_RPATH" in t for t in texts):
        return _certain(Cause.DUPLICATE_RUN_PATH, "dyld says that the file has one LC_RPATH twice.")
    bad = next((t for t in texts if t and not t.startswith("no such file")), "")
    return _certain(Cause.MALFORMED, f"dyld refused the file: {bad}")


def _symbol(evidence: Evidence) -> Verdict:
    symbol, expected = evidence.symbol or "", evidence.expected_in or ""
    if evidence.built_for:
        return _certain(
            Cause.NEWER_MACOS,
            f"dyld says that the image was built for {evidence.built_for}, newer than the running OS.",
        )
    if expected in {"flat namespace", "weak-def export"}:
        if _APPLE_SYMBOL.match(symbol):
            return _likely(
                Cause.NEWER_MACOS,
                "The symbol has the name of a function of macOS: this release lacks it.",
                Cause.FLAT_SYMBOL,
            )
        return _likely(
            Cause.FLAT_SYMBOL,
            "The symbol was left to be found in any library, and none that is loaded has it.",
            Cause.ABI_MISMATCH,
        )
    if expected.startswith("/usr/lib/libstdc++"):
        return _likely(
            Cause.ABI_MISMATCH,
            "The libstdc++ of macOS is frozen at an old version; newer GNU C++ symbols are not in it.",
            Cause.NEWER_MACOS,
        )
    if expected.startswith(_SYSTEM):
        if _COMPILER_HELPER.match(symbol):
            return _likely(
                Cause.ABI_MISMATCH,
                "The symbol is a helper of GCC's runtime, which macOS never had: two toolchains are mixed.",
                Cause.NEWER_MACOS,
            )
        return _likely(
            Cause.NEWER_MACOS,
            "The symbol was expected in a library of macOS itself: this release does not have it yet.",
            Cause.ABI_MISMATCH,
        )
    if not expected or expected == "unknown":
        return _likely(Cause.RUN_PATH, "The library it was expected in was not loaded at all.", Cause.ABI_MISMATCH)
    return _likely(
        Cause.ABI_MISMATCH, f"{leaf(expected)} was found, but it is not the version that was linked against."
    )


def _missing(evidence: Evidence, facts: ProcessFacts, library: str) -> Verdict:
    asker = evidence.referenced_from
    if evidence.attempts and all(
        "errno=1" in (t.reason or "") or "sandbox" in (t.reason or "") for t in evidence.attempts
    ):
        return _certain(Cause.SANDBOX, "Every attempt was refused, not absent: a sandbox denies the file.")
    if _SANITIZER.search(library):
        return _likely(
            Cause.SANITIZER_RUNTIME,
            "The library is the run-time part of a sanitizer: the image was built for debugging.",
        )
    if _SWIFT.search(library):
        return _likely(
            Cause.SWIFT_RUNTIME,
            "The library belongs to the Swift runtime, which newer macOS brings itself.",
            Cause.RUN_PATH,
        )
    if asker and _TOOLS.search(asker):
        return _likely(
            Cause.TOOLCHAIN, "The image that asks is a tool of Xcode or of the Command Line Tools.", Cause.RUN_PATH
        )
    if evidence.request is Request.DLOPEN and asker is None:
        return _likely(
            Cause.PROBE, "The program itself asked for this file by name, and it is not there.", Cause.NOT_PACKAGED
        )
    if library.startswith("@rpath"):
        return _run_path(evidence, facts)
    if library.startswith("@"):
        return _likely(
            Cause.NOT_PACKAGED,
            "The load path is relative to the binary's own place, and the file is not there.",
            Cause.RUN_PATH,
        )
    if not library.startswith("/"):
        return _relative(library)
    return _absolute(evidence, facts, library)


def _relative(library: str) -> Verdict:
    if library.startswith("<"):
        return _likely(Cause.BUILD_MACHINE_PATH, "The path was removed by the poster.")
    what = "a bare file name" if "/" not in library else "a relative path"
    return Verdict(
        Cause.RELATIVE_PATH, Confidence.CERTAIN, (f"The load path is {what}: it depends on the working directory.",)
    )


def _run_path(evidence: Evidence, facts: ProcessFacts) -> Verdict:
    if (evidence.reason or "").startswith("no LC_RPATH's"):
        return _certain(Cause.RUN_PATH, "dyld says that no image on the way has a usable LC_RPATH.")
    asker = evidence.referenced_from or ""
    walked = [t.path for t in evidence.attempts]
    own = [
        t for t in evidence.attempts if not t.path.startswith(("/usr/local/lib/", "/usr/lib/", "/System/", "/Library/"))
    ]
    env = _environment(asker)
    if env and own and all(t.path.startswith(env) for t in own) and _VERSIONED.search(leaf(evidence.library or "")):
        return _likely(
            Cause.STALE_DEPENDENT,
            f"Every run path leads into {env}, whose package now has another version of the library.",
            Cause.RUN_PATH,
        )
    if own and all(_near(t.path, asker) for t in own):
        return _likely(
            Cause.NOT_PACKAGED,
            "Every run path leads to a folder of the same bundle or package, and the file is in none.",
            Cause.RUN_PATH,
        )
    if not walked:
        return _likely(
            Cause.RUN_PATH,
            "The load path begins with @rpath: either no LC_RPATH leads to the library, or it is not installed.",
            Cause.NOT_PACKAGED,
        )
    if not own and not facts.run_paths:
        return _likely(
            Cause.RUN_PATH, "No LC_RPATH was tried, only fallback folders: none leads anywhere.", Cause.NOT_PACKAGED
        )
    return _likely(Cause.RUN_PATH, "None of the LC_RPATHs leads to the library.", Cause.NOT_PACKAGED)


def _near(path: str, asker: str) -> bool:
    """Whether an attempt lies beside the image that asked, by way of ``..`` or inside its bundle."""
    bundle = bundle_of(asker)
    if bundle:
        return path.startswith(bundle + "/")
    return "/../" in path and path.startswith("/")


def _environment(asker: str) -> str:
    """Return the root of the conda environment an image lies in."""
    match = re.match(r"(.*/(?:ana|mini)?(?:conda|forge|mamba)\d*(?:/envs/[^/]+)?/)", asker)
    return match[1] if match else ""


def _absolute(evidence: Evidence, facts: ProcessFacts, library: str) -> Verdict:
    asker = evidence.referenced_from or ""
    if library.startswith("/usr/lib/system/"):
        return _likely(
            Cause.SYSTEM_LIBRARY_GONE, "The library is a private part of macOS that this release no longer has."
        )
    if library.startswith(_SYSTEM):
        return _likely(
            Cause.NEWER_MACOS,
            "The library belongs to macOS, and this release does not have it.",
            Cause.SYSTEM_LIBRARY_GONE,
        )
    bundle = bundle_of(asker)
    if bundle and library.startswith(bundle + "/"):
        return _likely(Cause.NOT_PACKAGED, "The load path leads into the bundle itself, and the file is not there.")
    if (
        evidence.arch
        and "Translated" in evidence.arch
        and library.startswith(("/usr/local/opt/", "/usr/local/Cellar/"))
    ):
        return _likely(
            Cause.OTHER_PREFIX,
            "An Intel process on Apple silicon looks for Homebrew where only Intel Homebrew is.",
            Cause.BUILD_MACHINE_PATH,
        )
    if library.startswith(_PACKAGED) and _same_manager(library, asker):
        return _package(evidence, facts, library)
    if facts.real_path and _came_with_manager(asker):
        return _package(evidence, facts, library)
    why = (
        "The load path is where a package manager puts the library, and the image that asks did not come from it."
        if library.startswith(_PACKAGED)
        else "The load path names a folder of the machine it was built on."
    )
    rivals = [Cause.UNDECLARED_DEPENDENCY] if library.startswith(_PACKAGED) else []
    if library.startswith(("/usr/local/opt/", "/usr/local/Cellar/")):
        rivals.append(Cause.OTHER_PREFIX)
    return _likely(Cause.BUILD_MACHINE_PATH, why, *rivals)


def _came_with_manager(asker: str) -> bool:
    place = place_of(asker).kind
    return place in {PlaceKind.HOMEBREW, PlaceKind.MACPORTS, PlaceKind.NIX}


def _same_manager(library: str, asker: str) -> bool:
    """Whether the image that asks was installed by the manager the load path belongs to, or built on this machine."""
    place = place_of(asker)
    if place.kind in {PlaceKind.PYTHON_PACKAGE, PlaceKind.NODE_MODULE, PlaceKind.RUBY_GEM} and not _LOCAL_BUILDS.search(
        asker
    ):
        return False
    if _LOCAL_BUILDS.search(asker):
        return True
    if library.startswith("/opt/local/"):
        return asker.startswith("/opt/local/")
    if library.startswith("/opt/homebrew/"):
        return asker.startswith("/opt/homebrew/")
    if library.startswith("/usr/local/"):
        return asker.startswith(
            ("/usr/local/Cellar/", "/usr/local/opt/", "/usr/local/bin/", "/usr/local/lib/", "/usr/local/sbin/")
        )
    return False


def _package(evidence: Evidence, facts: ProcessFacts, library: str) -> Verdict:
    """A package whose dependency of the same manager is gone: another version, or never installed."""
    if facts.real_path:
        version = place_of(facts.real_path).version
        there = f"version {version} is installed" if version else "the package is installed"
        return Verdict(
            Cause.STALE_DEPENDENT,
            Confidence.CERTAIN,
            (f"dyld followed the link to {directory(facts.real_path)}: {there}, and it has no {leaf(library)}.",),
        )
    complete = evidence.era in {Era.DYLD4, Era.DYLD4_EARLY, Era.DYLD4_QUOTED} and not evidence.truncated
    if complete and "/opt/" in library and evidence.attempts:
        return _likely(
            Cause.UNDECLARED_DEPENDENCY,
            f"dyld did not follow a link at {directory(directory(library))}: that package is not installed.",
            Cause.STALE_DEPENDENT,
            Cause.BUILD_MACHINE_PATH,
        )
    if _VERSIONED.search(leaf(library)) or framework_partial(library):
        return _likely(
            Cause.STALE_DEPENDENT,
            "The file name carries a version: the package was upgraded, and the image that asks was not rebuilt.",
            Cause.UNDECLARED_DEPENDENCY,
        )
    return _likely(
        Cause.UNDECLARED_DEPENDENCY,
        "Both belong to one package manager, and the library is not installed.",
        Cause.STALE_DEPENDENT,
    )
