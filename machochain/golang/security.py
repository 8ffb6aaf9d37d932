r"""Which flags cmd/go takes from ``#cgo`` lines and from pkg-config.

Go 1.27, ``cmd/go/internal/work/security.go`` (``checkFlags``) and ``cmd/go/internal/load`` (``SafeArg``). Go asks each
pattern for its leftmost match and wants that to be the whole word, so alternatives are tried one by one here as well:
``x.obj`` is refused, because ``x.o`` matches first. Variables of the environment are never checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

from machochain.model.value import frozen

_VALUE: Final = r"[^@\-].*"
_ONE: Final = r"[^,@\-][^,]*"
"""A part of a ``-Wl,`` word: it holds no comma, which would begin another."""
_NAME: Final = "[A-Za-z_][A-Za-z0-9_]*"

_BOTH: Final = (
    "-O", f"-O{_VALUE}", f"-F{_VALUE}", rf"-g(?:{_VALUE})?", "-v", "-pthread", r"-mmacosx-.+",
    r"-mios-simulator-version-min=.+", r"-miphoneos-version-min=.+", "-mthreads", "-mwindows",
    f"-m(?:abi|arch|cpu|fpu|simd|tls-dialect|tune)={_VALUE}", "-mcmodel=[0-9a-z-]+", f"-mfloat-abi={_VALUE}",
    "-m(?:soft|single|double)-float", "-m(?:no-)?(?:relax|strict-align)",
    "-m(?:no-)?(?:lsx|lasx|frecipe|div32|lam-bh|lamcas|ld-seq-sa)", "-f(?:no-)?(?:pic|PIC|pie|PIE)",
    "-f(?:no-)?openmp(?:-simd)?", f"-?-stdlib={_VALUE}",
)  # fmt: skip
_TOGGLES: Final = (
    "asynchronous-unwind-tables", "blocks", "common", "constant-cfstrings", "eliminate-unused-debug-types",
    "exceptions", "fast-math", "inline-functions", "fat-lto-objects", "keep-inline-dllexport", "lto", "modules",
    "objc-arc", "objc-nonfragile-abi", "objc-legacy-dispatch", "omit-frame-pointer", "permissive", "plt", "rtti",
    "split-stack", "stack-.+", "strict-aliasing", "use-linker-plugin", "visibility-inlines-hidden",
)  # fmt: skip
_COMPILER: Final = (
    *_BOTH,
    *(f"-f(?:no-)?{name}" for name in _TOGGLES),
    rf"-D{_NAME}(?:=[^@\-]*)?", f"-U{_NAME}", f"-I{_VALUE}", "-W", "-W[^@,]+", "-Wa,-mbig-obj",
    rf"-Wp,-D{_NAME}(?:=[^@,\-]*)?", f"-Wp,-U{_NAME}", "-ansi", "-fno-builtin-[a-zA-Z0-9_]*",
    "-fdebug-prefix-map=[^@]+=[^@]+", "-fdiagnostics-show-note-include-stack", "-ffile-prefix-map=[^@]+=[^@]+",
    "-fno-canonical-system-headers", f"-finput-charset={_VALUE}", "-fmacro-backtrace-limit=.+", "-fmessage-length=.+",
    "-funsigned-char", "-fsanitize=.+", "-fsanitize-undefined-strip-path-components=-?[0-9]+", "-ftemplate-depth-.+",
    "-ftls-model=(?:global-dynamic|local-dynamic|initial-exec|local-exec)", "-fvisibility=.+", "-m32", "-m64",
    "-m(?:no-)?v?aes", "-marm", "-mfpmath=[0-9a-z,+]*", "-m(?:no-)?avx[0-9a-z.]*", "-m(?:no-)?ms-bitfields",
    "-m(?:no-)?stack-.+", "-mlarge-data-threshold=[0-9]+", "-m(?:tv|watch)os-(?:simulator-)?version-min=.+",
    "-mnop-fun-dllimport", "-m(?:no-)?sse[0-9.]*", "-m(?:no-)?ssse3", "-mthumb(?:-interwork)?",
    "-no-canonical-prefixes", "--param=ssp-buffer-size=[0-9]*", "-pedantic(?:-errors)?", "-pipe", "--static",
    f"-?-std={_VALUE}", f"--sysroot={_VALUE}", "-w", f"-x{_VALUE}",
)  # fmt: skip
_LINKER: Final = (
    *_BOTH,
    f"-[lL]{_VALUE}", f"-fsanitize={_VALUE}", "-flat_namespace", "-headerpad_max_install_names",
    "-(?:pic|PIC|pie|PIE)", "-rdynamic", "-shared", "-?-static[-a-z0-9+]*",
    *(
        f"-Wl,{each}"
        for each in (
            "--(?:no-)?(?:allow-multiple-definition|allow-shlib-undefined|as-needed|export-dynamic)", "-Bdynamic",
            "-berok", "-Bstatic", "-Bsymbolic-functions", "-O[0-9]+", "-d[ny]", "--disable-new-dtags",
            "-e[=,][a-zA-Z0-9]+", "--enable-new-dtags", "--end-group", "-E", f"-framework,{_ONE}",
            "--hash-style=(?:sysv|gnu|both)", "-headerpad_max_install_names", "--no-undefined", "--pop-state",
            "--push-state", r"-R,?[^@\-,][^,@]*\Z", r"--just-symbols[=,][^,@\-][^,@]*",
            f"-rpath(?:-link)?[=,]{_ONE}", "-s", "-search_paths_first", rf"-sectcreate(?:,{_ONE}){{3}}",
            "--start-group", "-?-static", "-?-subsystem,(?:native|windows|console|posix|xbox)",
            f"-syslibroot[=,]{_ONE}", f"-undefined[=,]{_ONE}", "-?-unresolved-symbols=[^,]+",
            "--(?:no-)?warn-[^,]+", f"-?-wrap[=,]{_ONE}",
        )
    ),
    "-Wl(?:,-z,(?:relro|now|(?:no)?execstack))+",
    r"[a-zA-Z0-9_/].*\.(?:a|o|obj|dll|dylib|so|tbd)", r"\./.*\.(?:a|o|obj|dll|dylib|so|tbd)",
)  # fmt: skip
_NUMBERS: Final = r"\d+\.\d+\.\d+"
_PKG_CONFIG: Final = (
    f"--(?:atleast-pkgconfig|atleast|exact|max)-version={_NUMBERS}",
    rf"--define-variable={_NAME}=[^@\-]*", f"--fragment-filter={_NAME}", "--maximum-traverse-depth=[0-9]+",
    "--personality=(?:triplet|filename)", f"--prefix-variable={_NAME}", f"--variable={_NAME}", f"--with-path={_VALUE}",
    *(
        f"--{name}"
        for name in (
            "cflags-only-I", "cflags", "define-prefix", "digraph", "dont-define-prefix", "dont-relocate-paths",
            "dump-personality", "env-only", "errors-to-stdout", "exists", "ignore-conflicts", "internal-cflags",
            "keep-system-cflags", "keep-system-libs", "libs-only-l", "libs-only-L", "libs", "list-all",
            "list-package-names", "modversion", "msvc-syntax", "no-cache", "no-provides", "no-uninstalled", "path",
            "print-errors", "print-provides", "print-requires-private", "print-requires", "print-variables", "pure",
            "shared", "short-errors", "silence-errors", "simulate", "static", "uninstalled", "validate",
        )
    ),
)  # fmt: skip
_COMPILER_PAIRS: Final = frozenset(
    {"-arch", "-D", "-U", "-I", "-F", "-framework", "-include", "-isysroot", "-isystem", "--sysroot", "-target", "-x"}
)
_LINKER_PAIRS: Final = frozenset(
    {"-arch", "-F", "-l", "-L", "-framework", "-isysroot", "--sysroot", "-target"}
    | {f"-Wl,{flag}" for flag in ("-framework", "-rpath", "-R", "--just-symbols", "-undefined")}
)
_NEVER: Final = frozenset({"-lto_library"})
"""On macOS the linker would load and run the next word."""


@frozen
class Refusal:
    """Words cmd/go refuses.

    Attributes:
        words: The flag, with the word behind it where that one is the reason.
        word: Position of the flag, 0-based.
        message: What cmd/go prints behind the place of the directive.
    """

    words: tuple[str, ...]
    word: int
    message: str


@lru_cache(maxsize=3)
def _patterns(verb: str) -> tuple[re.Pattern[str], ...]:
    texts = {"LDFLAGS": _LINKER, "pkg-config": _PKG_CONFIG}.get(verb, _COMPILER)
    return tuple(map(re.compile, texts))


def matches(pattern: str, word: str) -> bool:
    """Whether the leftmost match of a pattern is the whole word, as ``CGO_LDFLAGS_ALLOW`` is asked.

    Raises:
        re.error: It is no pattern of Python; Go's syntax differs in rare forms only.
    """
    found = re.search(pattern, word)
    # Go's FindString is "" where nothing matches, which equals an empty word.
    return (found.group() if found is not None else "") == word


@lru_cache(maxsize=65536)
def allowed(verb: str, word: str) -> bool:
    """Whether a single word is on the list of a verb: that of the linker for ``LDFLAGS``, else of the compiler."""
    if verb == "LDFLAGS" and (word in _NEVER or not word):
        return False
    if not word:
        return True  # no pattern finds anything in it, and nothing is what it is
    for each in _patterns("LDFLAGS" if verb == "LDFLAGS" else "pkg-config" if verb == "pkg-config" else "CFLAGS"):
        found = each.match(word)
        if found is not None and found.end() == len(word):
            return True
    if word.startswith("-Wl,--push-state,"):
        return all(allowed(verb, f"-Wl,{part}") for part in word.split(",")[1:])
    return False


def check_flags(
    verb: str,
    source: str,
    words: Sequence[str],
    *,
    allow: str | None = None,
    disallow: str | None = None,
) -> tuple[Refusal, ...]:
    """Return what is refused, in order; cmd/go stops at the first.

    Args:
        verb: ``CFLAGS``, ``CPPFLAGS``, ``CXXFLAGS``, ``FFLAGS``, ``LDFLAGS`` or ``pkg-config``.
        source: Where the words come from, for the message: ``#cgo LDFLAGS``.
        words: As cmd/go has them, ``-I`` and ``-L`` already absolute.
        allow: Value of ``$CGO_verb_ALLOW``.
        disallow: Value of ``$CGO_verb_DISALLOW``.
    """
    pairs = {"LDFLAGS": _LINKER_PAIRS, "pkg-config": frozenset[str]()}.get(verb, _COMPILER_PAIRS)
    refusals: list[Refusal] = []
    at = 0
    while at < len(words):
        word = words[at]
        taken, refused = 1, True
        if disallow and matches(disallow, word):
            pass
        elif (allow and matches(allow, word)) or allowed(verb, word):
            refused = False
        elif word in pairs and word not in _NEVER:
            following = words[at + 1] if at + 1 < len(words) else None
            taken, refused = 2, following is None or not _allowed_behind(word, following)
        if refused:
            shown = tuple(words[at : at + taken])
            tail = " without argument" if taken > len(shown) else ""
            text = f"invalid flag in {source}: {' '.join(shown)}{tail} (see https://go.dev/s/invalidflag)"
            refusals.append(Refusal(shown, at, text))
        at += taken
    return tuple(refusals)


def _allowed_behind(flag: str, word: str) -> bool:
    if is_argument(word):
        return True
    if flag.startswith("-Wl,") and word.startswith("-Wl,") and is_argument(word[4:]) and "," not in word[4:]:
        return True
    return flag == "-I" and word.startswith(("=", "$SYSROOT")) and is_argument(word[1:])


def is_argument(word: str) -> bool:
    """Whether cmd/go takes the word for an argument that is no flag (``load.SafeArg``)."""
    return bool(word) and (word[0] in "._/" or word[0] >= "\x80" or (word[0].isascii() and word[0].isalnum()))


def smallest_allowance(words: Iterable[str]) -> str:
    """Return a value of ``CGO_verb_ALLOW`` that lets these words pass; the longest first, as the leftmost counts."""
    ordered = sorted(dict.fromkeys(words), key=len, reverse=True)
    return "|".join(re.escape(word).replace("\\-", "-").replace("\\,", ",") for word in ordered)
