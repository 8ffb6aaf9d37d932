"""Facts that follow from facts: what kind of path it is, whose symbol, what all attempts have in common."""

from __future__ import annotations

import re
from typing import Final

from machochain.diagnosis.attempts import framework_partial
from machochain.diagnosis.elision import is_elided
from machochain.diagnosis.places import bundle_of, place_of
from machochain.model.diagnosis import Fact, PlaceKind, ProcessFacts
from machochain.model.evidence import Era, Evidence, EvidenceKind, Request
from machochain.model.ospaths import CRYPTEX
from machochain.model.paths import directory, leaf

_BREW: Final = ("/opt/homebrew/", "/usr/local/opt/", "/usr/local/Cellar/")
_KEGS: Final = re.compile(r"(?P<prefix>/(?![^\n]*\.app/)[^\n]*?)/(?:Cellar|homebrew/opt|Homebrew/opt)/[^/]+/")
"""Homebrew in a folder of its own."""
_PACKAGED: Final = (*_BREW, "/usr/local/lib/", "/opt/local/", "/opt/conda/")
_SWIFT: Final = re.compile(r"libswift(?!Python|TensorFlow)(?:_?[A-Z]\w*|os|simd)\.dylib$")
"""The libraries of Swift's runtime and its overlays of the system's frameworks."""
_ABSENT: Final = re.compile(r"(?<!ymbol )not found|no such file|LC_RPATH|errno|tried|stat\(\) failed|not a file")
_COMPILERS: Final = re.compile(r"lib(?:i?omp5?|gomp|gfortran|quadmath|gcc_s|gcc_ext)\b")
"""Run-time libraries of compilers."""
_PYTHON: Final = re.compile(r"(?:^|/)(?:\.?Python3?|libpython[\w.]*\.dylib)$")
_INTERPRETER: Final = re.compile(r"/(?!(?:usr|opt|System|Library|nix)/)[^\n]*/bin/(?:python|pypy)[\d.]*$")
"""The Python of an environment of the user's own."""
_KEG: Final = re.compile(r"((?:/opt/homebrew|/usr/local)/opt/[^/]+)/")
_IN_PACKAGES: Final = frozenset(
    {PlaceKind.PYTHON_PACKAGE, PlaceKind.NODE_MODULE, PlaceKind.RUBY_GEM, PlaceKind.APP_BUNDLE}
)
_REFUSED: Final = re.compile(r"errno=1\b|sandbox")
_MANAGED: Final = frozenset({PlaceKind.HOMEBREW, PlaceKind.MACPORTS, PlaceKind.CONDA, PlaceKind.NIX})
_SANITIZER: Final = re.compile(r"libclang_rt\.\w+_osx_dynamic\.dylib$")
_TOOLS: Final = re.compile(
    r"/usr/bin/(?:ld|clang|swift|git|make|as|ar|nm|strip|libtool|lipo)$|/Library/Developer/CommandLineTools/"
    r"|/Xcode[^/]*\.app/Contents/Developer/(?:usr|Toolchains)/"
)
_VERSIONED: Final = re.compile(r"[.-]\d+(?:\.\d+)*(?:\.dylib|\.so)?$|\.\d+\.dylib$|\.so\.\d+|-?\d+(?:\.\d+)+\.dylib$")
_IN_VERSION: Final = re.compile(r"/\d+\.\d+(?:\.\d+)*(?:_\d+)?/")
_APPLE_SYMBOL: Final = re.compile(
    r"_(?:k?Sec[A-Z]|k?CF[A-Z]|NS[A-Z]|k?CG[A-Z]|k?CT[A-Z]|k?SC[A-Z]|k?IO[A-Z]|k?AX[A-Z]|objc_|os_(?:log|unfair|sync)|dispatch_|"
    r"xpc_|DNSService|MTL[A-Z]|OBJC_CLASS_\$_NS)"
)
_SWIFT_SYMBOL: Final = re.compile(r"_\$[sSe]|__T[0A-Z]|__?swift_")
"""Names of Swift 5, 4.2, embedded Swift, 4.0 and older ones, and of its runtime."""
_COMPILER_HELPER: Final = re.compile(
    r"___(?:add|sub|mul|div|neg|eq|ne|lt|le|gt|ge|unord|extend|trunc|fix|float|pow)\w*[tx]f\d?\w*$"
)
_LOCAL_BUILDS: Final = re.compile(
    r"/\.(?:rvm|rbenv|pyenv|asdf|nvm|nodenv|jenv|sdkman|opam|ghcup|cabal|stack|stack-work|plenv|perlbrew|phpbrew|kerl)/"
)
_BUILD_TREES: Final = re.compile(r"/var/macports/build/|/nix-build-[^/\n]+/")
"""Where package managers build what they have not installed yet."""
_COMPILED_HERE: Final = re.compile(
    r"/php/extensions/|/lib/php/|/pecl/|/perl5/|/site_perl/|/Library/Perl/|/luarocks/|/gems/(?![^/]*-darwin)[^/]+/|/erlang/|/libexec/erlang"
)
"""Modules that their installer compiles on the machine, as a rule."""
_INLINE: Final = re.compile(
    r"(?P<space>absl)\d{0,2}(?P<version>lts_\d{8})|(?P<other>cxx11|fmt2v\d{1,2}|v\d{1,2}_lts)|(?P<v>\d{1,2}v\d{1,2})"
)
_HOSTS: Final = re.compile(
    r"/bin/(?:postgres|httpd|nginx|perl[\d.]*|ruby|node|php|mysqld|python[\d.]*|lua[\w.]*)$|/(?:R|libR\.dylib|libruby[\w.-]*|Python|Ruby)$"
)
_OF_HOSTS: Final = (
    ("Python", ("_Py", "__Py")), ("perl", ("_Perl_", "_PL_")), ("Ruby", ("_rb_", "_ruby_")),
    ("Lua", ("_lua_", "_luaL_")),
    ("OCaml", ("_caml_",)),
    ("PHP", ("_zend_", "__zend_", "_php_", "_basic_globals", "_core_globals", "_executor_globals", "_compiler_globals",
             "_sapi_")),
    ("Node", ("_napi_", "_node_", "_uv_", "__ZN2v8", "__ZNK2v8", "__ZN4node")), ("Erlang", ("_enif_",)),
    ("R", ("_Rf_", "_R_Ext", "_R_NilValue", "_R_GlobalEnv")),
)  # fmt: skip
"""Programs that load modules, and how the symbols begin that they have for them."""
_ELF: Final = re.compile(r"\.so(?:\.\d{1,4}){1,3}$")
"""How libraries of Linux are called: the version stands behind the ending."""
_OF_LIBSYSTEM: Final = re.compile(r"\$(?:INODE64|UNIX2003|NOCANCEL|DARWIN_EXTSN|1050)(?:$|\$)")
"""Variants of functions that libSystem alone has."""
_PLUGIN: Final = re.compile(
    r"\.app/Contents/(?:PlugIns|Plugins)/|\.(?:plugin|component|vst3?|bundle|clap|qlgenerator|mdimporter)/Contents/MacOS/|/plugins?/"
)
_SYSTEM_LEAVES: Final = frozenset(
    {
        "libiconv.2.dylib", "libz.1.dylib", "libxml2.2.dylib", "libsqlite3.dylib", "libc++.1.dylib", "libcurl.4.dylib",
        "libncurses.5.4.dylib", "libbz2.1.0.dylib", "libexslt.0.dylib", "libxslt.1.dylib", "libedit.3.dylib",
        "libffi.dylib", "libcharset.1.dylib", "liblzma.5.dylib", "libpcap.A.dylib", "libexpat.1.dylib",
        "libsqlite3.0.dylib",
        "libJPEG.dylib", "libjpeg.8.dylib", "libTIFF.dylib", "libPng.dylib", "libGIF.dylib", "libcups.2.dylib",
        "libz.dylib",
    }
)  # fmt: skip
"""Names /usr/lib has, or had, and package managers too: dyld2 fell back to them."""
_OF_MACOS: Final = re.compile(
    r"/System/(?:Library|iOSSupport)/|/usr/lib/(?:[^/]+$|(?:system|swift|log|sasl2|pam|zsh|php|ruby|python[\d.]*|cron|dtrace"
    r"|closure|updaters|usd|xpc|groff|rpcsvc|mecab|java|locate|dyld)/)"
)
_GLIBC: Final = re.compile(
    r"(?:^|/)(?:lib(?:c|m|dl|pthread|rt|util|resolv|gcc_s|stdc\+\+)|ld-linux[\w-]*)\.so\.\d[\d.]*$"
)
_PRODUCT: Final = re.compile(
    r"/Library/(?:Application Support/)?[^/]+/|/opt/(?!homebrew/|local/|X11/)[^/]+/"
    r"|/usr/local/(?!lib/|opt/|Cellar/|bin/|share/|libexec/|sbin/|Caskroom/)[^/]+/"
)
"""Folders in which an installer puts one product, and nothing else."""
_MID_TOKEN: Final = re.compile(r".[^/]?/(@(?:executable_path|loader_path|rpath))/")
_DOTS: Final = re.compile(r"/\.\.(?=/)")


SHORTENED: Final = {
    "lib": "the load path",
    "asker": "the image that asks",
    "loader": "the file that was to be opened",
    "expected": "the library the symbol was expected in",
    "attempt": "a path that was tried",
    "rpath": "a run path",
    "reason": "a reason dyld gives",
}
"""What a reader calls the values that may be shortened."""


def elided_names(evidence: Evidence) -> tuple[str, ...]:
    """Return the values of a message that were shortened."""
    names = [
        name
        for name, value in (
            ("lib", evidence.library),
            ("asker", evidence.referenced_from),
            ("loader", evidence.dlopen_path),
            ("expected", evidence.expected_in),
        )
        if is_elided(_as_pasted(value, evidence)) and not (name == "lib" and value == evidence.dlopen_path)
    ]
    if any(is_elided(t.path) and t.path != evidence.dlopen_path for t in evidence.attempts):
        names.append("attempt")
    if any(is_elided(t.reason) for t in evidence.attempts):
        names.append("rpath" if any("LC_RPATH" in (t.reason or "") for t in evidence.attempts) else "reason")
    return tuple(names)


def _as_pasted(value: str | None, evidence: Evidence) -> str | None:
    """Return a value without the stars of the crash reporter: they are told by themselves."""
    return value.replace("/*", "") if value and evidence.redacted else value


def scheme(path: str) -> str:
    """Return how a load path begins."""
    if path.startswith("/"):
        return "absolute"
    if path.startswith("@"):
        return path.partition("/")[0]
    if path.startswith("<"):
        return "hidden"
    return "relative" if "/" in path else "bare"


def derived(evidence: Evidence, process: ProcessFacts) -> dict[str, Fact]:
    """Return what the rules of dyld's rows ask for."""
    facts: dict[str, Fact] = {}
    library = evidence.library or ""
    asker = evidence.referenced_from or ""
    reasons = [t.reason or "" for t in evidence.attempts]
    _of_paths(facts, evidence, process, library, asker)
    _of_symbol(facts, evidence, asker)
    facts["at_launch"] = evidence.request is Request.LAUNCH and not asker
    facts["unasked"] = not asker and not is_elided(library)
    facts["inserted"] = evidence.request is Request.INSERTED
    facts["restricted"] = evidence.kind is EvidenceKind.RESTRICTED
    facts["refused"] = (
        bool(reasons) and all(_REFUSED.search(r) for r in reasons) and not any("code sign" in r for r in reasons)
    )
    facts["no_run_path"] = (evidence.reason or "").startswith("no LC_RPATH's")
    facts["dlopen_alone"] = (
        evidence.request is Request.DLOPEN
        and not asker
        and evidence.kind is EvidenceKind.LIBRARY_MISSING
        and evidence.library == evidence.dlopen_path
    )
    facts["unsaid"] = is_unsaid(evidence)
    facts["strange"] = facts["unsaid"] and not evidence.truncated and not (evidence.reason or "").endswith(":")
    facts["found_cut"] = is_found_cut(evidence)
    end = evidence.termination
    facts["dyld.code"] = str(end.code) if end is not None and end.namespace == "DYLD" else ""
    facts["reasonless"] = evidence.kind is EvidenceKind.LIBRARY_MISSING and any(
        t.path and t.reason == "" for t in evidence.attempts[:-1] or evidence.attempts
    )
    bad = next((r for r in reasons if r and not r.startswith(("no such file", "not a file", "stat() failed"))), "")
    facts["why"] = tuple(r for r in reasons if r) or evidence.reason or ""
    facts["why_bad"] = bad
    facts["attempts"] = len(evidence.attempts)
    facts["whole_list"] = (
        evidence.era in {Era.DYLD4, Era.DYLD4_EARLY, Era.DYLD4_QUOTED}
        and not evidence.truncated
        and bool(evidence.attempts)
        and not any(is_elided(t.path) or not t.path for t in evidence.attempts)
    )
    if evidence.arch and "Translated" in evidence.arch:
        facts["translated"] = True
    facts["second_attempt_is_realpath"] = (
        len(evidence.attempts) > 1 and process.real_path == evidence.attempts[1].path != library
    )
    return facts


def of_macos(path: str) -> bool:
    """Whether a path is one of macOS's own libraries: others may have a folder below /usr/lib."""
    return _OF_MACOS.match(path) is not None


def is_found_cut(evidence: Evidence) -> bool:
    """Whether a text breaks off before dyld says what is wrong with the file, but says that it found one."""
    return is_unsaid(evidence) and "Did find" in (evidence.reason or "")


def is_unsaid(evidence: Evidence) -> bool:
    """Whether a text breaks off before dyld says what is wrong with the file: it may be there."""
    if evidence.kind is not EvidenceKind.LIBRARY_MISSING:
        return False
    if evidence.attempts:
        return not evidence.attempts[0].reason and evidence.truncated
    return bool(evidence.reason) and not _ABSENT.search(evidence.reason or "")


def _of_paths(facts: dict[str, Fact], evidence: Evidence, process: ProcessFacts, library: str, asker: str) -> None:
    if library:
        facts["lib.scheme"] = scheme(library)
    facts["lib.absolute"] = library.startswith("/")
    facts["lib.system"] = of_macos(library)
    facts["lib.glibc"] = _GLIBC.search(library) is not None
    facts["lib.mid_token"] = token[1] if (token := _MID_TOKEN.search(library)) else ""
    facts["lib.system_leaf"] = leaf(library) in _SYSTEM_LEAVES
    facts["lib.sanitizer"] = _SANITIZER.search(library) is not None
    facts["lib.swift"] = _SWIFT.search(library) is not None
    facts["lib.packaged"] = library.startswith(_PACKAGED) or _KEGS.match(library) is not None
    facts["lib.in_version"] = _IN_VERSION.search(library) is not None
    facts["lib.versioned"] = bool(
        facts["lib.in_version"] or _VERSIONED.search(leaf(library)) or framework_partial(library)
    )
    facts["lib.elf"] = _ELF.search(leaf(library)) is not None
    facts["lib.compiler"] = _COMPILERS.match(leaf(library)) is not None
    facts["lib.in_package"] = place_of(library).kind in _IN_PACKAGES
    facts["lib.managed"] = _LOCAL_BUILDS.search(library) is not None
    facts["lib.environment"] = _PYTHON.search(library) is not None and _INTERPRETER.search(asker) is not None
    facts["rpath.keg"] = next(
        (m[1] for t in evidence.attempts if library.startswith("@rpath/") and (m := _KEG.match(t.path))), ""
    )
    facts["asker.system"] = of_macos(asker)
    facts["asker.downloaded"] = bool(bundle_of(asker)) or "/Downloads/" in asker
    facts["place"] = place_of(asker or evidence.dlopen_path).kind.value
    facts["lib.r_version"] = bool(re.match(r"/Library/Frameworks/R\.framework/Versions/[\d.]+(?:-\w+)?/", library))
    facts["asker.same_r"] = bool(facts["lib.r_version"]) and asker.startswith(library.partition("/Resources/")[0] + "/")
    facts["asker.local_build"] = _COMPILED_HERE.search(asker) is not None
    facts["asker.in_build"] = _BUILD_TREES.search(asker) is not None
    facts["lib.keg"] = directory(directory(library))
    facts["asker.tool"] = bool(asker) and _TOOLS.search(asker) is not None
    bundle = bundle_of(asker)
    facts["lib.in_own_bundle"] = bool(bundle) and library.startswith(bundle + "/")
    facts["package"] = _of_one_manager(process, library, asker)
    real = process.real_path
    facts["real_version"] = (place_of(real).version or "another") if real else ""
    facts["real.dir"] = directory(real) if real else ""
    own = [
        t for t in evidence.attempts if not t.path.startswith(("/usr/local/lib/", "/usr/lib/", "/System/", "/Library/"))
    ]
    mine, other = leaf(bundle), leaf(bundle_of(library))
    facts["lib.same_app"] = bool(mine) and mine == other and not library.startswith(bundle + "/")
    root = _PRODUCT.match(library)
    facts["lib.same_root"] = root is not None and asker.startswith(root[0])
    facts["lib.app"] = bundle_of(library)
    at_rpath = library.startswith("@rpath")
    env = _environment(asker)
    facts["env_versioned"] = bool(
        at_rpath
        and env
        and _VERSIONED.search(leaf(library))
        and (
            all(t.path.startswith(env) for t in own)
            if evidence.attempts
            else place_of(asker).kind is not PlaceKind.PYTHON_PACKAGE
        )
        and (own or not evidence.attempts)
    )
    facts["run_paths_inside"] = bool(at_rpath and own) and all(
        _near(t.path, asker) for t in own if not t.path.startswith(CRYPTEX)
    )
    facts["lib.leaves_package"] = leaves_package(library, asker)


def leaves_package(library: str, asker: str) -> bool:
    """Whether ``@loader_path/..`` leads past the folder a wheel's copied libraries lie in.

    A repaired wheel has them in ``PACKAGE.dylibs`` or ``PACKAGE/.dylibs``: the last folder of the load path tells.
    """
    if not library.startswith(("@loader_path/", "@executable_path/")) or not asker:
        return False
    match = re.search(r"/([\w.-]*\.dylibs)/[^/]+$", library)
    if match is None:
        return False
    needed = wheel_dots(library, asker)
    return needed is not None and len(_DOTS.findall(library)) > needed


def wheel_dots(library: str, asker: str) -> int | None:
    """Return how many ``..`` a repaired wheel's load path needs to reach its copied libraries; None for any other."""
    match = re.search(r"/([\w.-]*\.dylibs)/[^/]+$", library)
    site = re.search(r"/(?:site|dist)-packages/", asker)
    if match is None or site is None:
        return None
    inside = asker[site.end() :].count("/")
    return inside if match[1] != ".dylibs" else max(inside - 1, 0)


def _of_one_manager(process: ProcessFacts, library: str, asker: str) -> bool:
    if not library.startswith("/"):
        return False
    if (library.startswith(_PACKAGED) or _KEGS.match(library)) and _same_manager(library, asker):
        return True
    return bool(process.real_path) and place_of(asker).kind in {PlaceKind.HOMEBREW, PlaceKind.MACPORTS, PlaceKind.NIX}


def _same_manager(library: str, asker: str) -> bool:
    """Whether the image that asks was installed by the manager the load path belongs to, or built on this machine."""
    place = place_of(asker)
    if place.kind in {PlaceKind.PYTHON_PACKAGE, PlaceKind.NODE_MODULE, PlaceKind.RUBY_GEM} and not _LOCAL_BUILDS.search(
        asker
    ):
        return False
    if _LOCAL_BUILDS.search(asker):
        return True
    if (keg := _KEGS.match(library)) and not library.startswith(_BREW):
        return asker.startswith(keg["prefix"] + "/")
    for prefix in ("/opt/local/", "/opt/homebrew/"):
        if library.startswith(prefix):
            return asker.startswith(prefix)
    if library.startswith("/usr/local/"):
        return asker.startswith(
            ("/usr/local/Cellar/", "/usr/local/opt/", "/usr/local/bin/", "/usr/local/lib/", "/usr/local/sbin/")
        )
    return False


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


def _of_symbol(facts: dict[str, Fact], evidence: Evidence, asker: str) -> None:
    symbol, expected = evidence.symbol or "", evidence.expected_in or ""
    if not symbol:
        return
    facts["built_for"] = evidence.built_for or ""
    facts["anywhere"] = expected in {"flat namespace", "dynamic lookup", "weak-def export"}
    facts["sym.apple"] = _APPLE_SYMBOL.match(symbol) is not None
    facts["sym.stub"] = symbol.startswith("_objc_msgSend$")
    facts["sym.libsystem"] = _OF_LIBSYSTEM.search(symbol) is not None
    facts["sym.host"] = next((host for host, start in _OF_HOSTS if symbol.startswith(start)), "")
    facts["expected.shared"] = expected.startswith("/usr/lib/") and leaf(expected) in _SYSTEM_LEAVES
    facts["sym.gcc_helper"] = _COMPILER_HELPER.match(symbol) is not None
    facts["sym.swift"] = _SWIFT_SYMBOL.match(symbol) is not None
    facts["sym.cxx"] = symbol.startswith(("__Z", "_Z"))
    if facts["sym.cxx"] and (match := _INLINE.search(symbol)):
        space, version = match["space"], match["version"]
        facts["sym.versioned"] = True
        facts["sym.version"] = f"{space} {version}" if space else next(g for g in match.groups() if g)
    facts["expected.private"] = expected.startswith("/System/Library/PrivateFrameworks/")
    facts["expected.system"] = of_macos(expected) or expected == "dyld shared cache"
    facts["expected.absolute"] = expected.startswith("/")
    facts["asker.packaged"] = place_of(asker).kind in _MANAGED or bool(_environment(asker))
    facts["expected.swift"] = _SWIFT.search(expected) is not None
    facts["expected.host"] = _HOSTS.search(expected) is not None
    facts["expected_is_asker"] = bool(asker) and asker == expected
    facts["asker.plugin"] = _PLUGIN.search(asker or evidence.dlopen_path or "") is not None
