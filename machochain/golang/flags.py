"""Words of LDFLAGS: what they make the linker do, and which of them cmd/go refuses.

The words are those of a compiler driver: ``-Wl,a,b`` and ``-Xlinker a`` hand words to the linker unread. What remains
is read as ld(1) reads it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Final

from attrs import frozen


class LinkMode(Enum):
    """How a library is linked, by the prefix of its flag (``-weak-lz``, ``-weak_framework``, ``-weak_library``)."""

    PLAIN = ""
    WEAK = "weak"
    REEXPORT = "reexport"
    UPWARD = "upward"
    NEEDED = "needed"
    DELAYED = "delay"
    HIDDEN = "hidden"
    FORCED = "force"


@frozen
class SearchDirectory:
    """``-L`` or ``-F``: one more directory to look in. ``word`` is its 0-based position among the words, as below."""

    path: str
    frameworks: bool
    word: int


@frozen
class Library:
    """``-lNAME`` and its variants: libNAME in the search directories."""

    name: str
    mode: LinkMode
    word: int


@frozen
class Framework:
    """``-framework NAME`` and its variants."""

    name: str
    mode: LinkMode
    word: int


@frozen
class InputFile:
    """A library, archive, stub or object named by its path."""

    path: str
    mode: LinkMode
    word: int


@frozen
class RunPathFlag:
    """``-rpath PATH``: one LC_RPATH.

    ``with_equals`` says that it was spelled ``-rpath=PATH``, which only GNU-style linkers understand.
    """

    path: str
    word: int
    with_equals: bool = False


@frozen
class SystemRoot:
    """``-syslibroot``, ``-isysroot`` or ``--sysroot``: where the SDK lies."""

    path: str
    word: int


@frozen
class InstallNameFlag:
    """``-install_name PATH``: the LC_ID_DYLIB of the output."""

    path: str
    word: int


@frozen
class OtherFlag:
    """Anything else, with the arguments that belong to it."""

    words: tuple[str, ...]
    word: int


LinkInput = SearchDirectory | Library | Framework | InputFile | RunPathFlag | SystemRoot | InstallNameFlag | OtherFlag

_MODES: Final = {each.value: each for each in LinkMode if each.value}
_LIBRARY: Final = re.compile(r"-(?:(weak|reexport|upward|needed|delay|hidden|lazy)-)?l(.*)", re.DOTALL)
_NAMED: Final = re.compile(r"-(?:(weak|reexport|upward|needed|delay|lazy)_)?(framework|library)")
_NOT_LIBRARIES: Final = frozenset({"-ld_classic", "-ld_new"})
_LOADED: Final = {"-force_load": LinkMode.FORCED, "-load_hidden": LinkMode.HIDDEN}
_ROOTS: Final = frozenset({"-syslibroot", "-isysroot", "--sysroot"})
_INSTALL_NAMES: Final = frozenset({"-install_name", "-dylib_install_name", "-dylinker_install_name"})
_ARGUMENTS: Final = {
    **dict.fromkeys(
        (
            "-arch", "-target", "-o", "-e", "-u", "-U", "-current_version", "-compatibility_version",
            "-undefined", "-macosx_version_min", "-macos_version_min", "-exported_symbols_list", "-exported_symbol",
            "-unexported_symbols_list", "-unexported_symbol", "-order_file", "-headerpad", "-map", "-stack_size",
            "-image_base", "-pagezero_size", "-umbrella", "-sub_library", "-sub_umbrella", "-allowable_client",
            "-client_name", "-bundle_loader", "-lto_library", "-object_path_lto", "-init", "-dylib_file",
            "-alias_list", "-filelist", "-Xclang", "-mllvm", "-exported-symbols-list",
        ),
        1,
    ),
    **dict.fromkeys(("-alias", "-segaddr", "-move_to_rw_segment"), 2),
    **dict.fromkeys(("-sectcreate", "-segcreate", "-segprot", "-platform_version"), 3),
}  # fmt: skip
"""Flags of ld and clang that are followed by arguments, which must not be taken for files."""


def parse_ldflags(words: Sequence[str]) -> tuple[LinkInput, ...]:
    """Say what each word makes the linker do, in order.

    A flag whose argument is missing at the end is an :class:`OtherFlag`.
    """
    return tuple(_inputs(list(_linker_words(words))))


def _linker_words(words: Sequence[str]) -> Iterator[tuple[str, int]]:
    skip = -1
    for index, word in enumerate(words):
        if index == skip:
            continue
        if word.startswith("-Wl,"):
            yield from ((each, index) for each in word[4:].split(","))
        elif word == "-Xlinker" and index + 1 < len(words):
            skip = index + 1
            yield words[skip], index
        else:
            yield word, index


def _inputs(words: list[tuple[str, int]]) -> Iterator[LinkInput]:
    at = 0
    while at < len(words):
        word, index = words[at]
        following = words[at + 1][0] if at + 1 < len(words) else None
        at += 1
        library, named = _LIBRARY.fullmatch(word), _NAMED.fullmatch(word)
        if word in ("-L", "-F", "-l", "-rpath") or named or word in _ROOTS | _INSTALL_NAMES or word in _LOADED:
            if following is None:
                yield OtherFlag((word,), index)
                return
            at += 1
            yield _with_argument(word, following, index, named)
        elif word in _ARGUMENTS:
            taken = min(_ARGUMENTS[word], len(words) - at)
            yield OtherFlag((word, *(each for each, _ in words[at : at + taken])), index)
            at += taken
        elif word.startswith(("-L", "-F")):
            yield SearchDirectory(word[2:], word[1] == "F", index)
        elif word.startswith("-rpath="):
            yield RunPathFlag(word[7:], index, with_equals=True)
        elif word.startswith(("--sysroot=", "-syslibroot=")):
            yield SystemRoot(word.partition("=")[2], index)
        elif library and word not in _NOT_LIBRARIES:
            yield Library(library.group(2), _MODES.get(library.group(1) or "", LinkMode.PLAIN), index)
        elif word.startswith("-") or not word:
            yield OtherFlag((word,), index)
        else:
            yield InputFile(word, LinkMode.PLAIN, index)


def _with_argument(word: str, argument: str, index: int, named: re.Match[str] | None) -> LinkInput:
    if named:
        mode = _MODES.get(named.group(1) or "", LinkMode.PLAIN)
        if named.group(2) == "library":
            return InputFile(argument, mode, index)
        # "NAME,SUFFIX" asks for a variant of the framework's binary.
        return Framework(argument.partition(",")[0], mode, index)
    if word in ("-L", "-F"):
        return SearchDirectory(argument, word == "-F", index)
    if word == "-l":
        return Library(argument, LinkMode.PLAIN, index)
    if word == "-rpath":
        return RunPathFlag(argument, index)
    if word in _ROOTS:
        return SystemRoot(argument, index)
    if word in _INSTALL_NAMES:
        return InstallNameFlag(argument, index)
    return InputFile(argument, _LOADED[word], index)


_VALUE: Final = "[^@-].*"
_LIST_FREE: Final = "[^,@-][^,]*"

_ALLOWED_WORDS: Final = re.compile(
    "|".join(
        (
            f"-[FLl]{_VALUE}",
            f"-[Og](?:{_VALUE})?",
            "-(?:pic|PIC|pie|PIE|pthread|rdynamic|shared|v|flat_namespace|headerpad_max_install_names)",
            "-f(?:no-)?(?:pic|PIC|pie|PIE|openmp(?:-simd)?)",
            f"-(?:fsanitize|-?stdlib)={_VALUE}",
            "--?static[-a-z0-9+]*",
            f"-m(?:abi|arch|cpu|fpu|simd|tls-dialect|tune|float-abi)={_VALUE}",
            "-mcmodel=[0-9a-z-]+",
            "-m(?:soft|single|double)-float",
            "-m(?:no-)?(?:relax|strict-align|lsx|lasx|frecipe|div32|lam-bh|lamcas|ld-seq-sa)",
            "-m(?:threads|windows|macosx-.+|(?:ios-simulator|iphoneos)-version-min=.+)",
            # files: the name must not look like a flag or a response file
            r"(?:[a-zA-Z0-9_/]|\./).*\.(?:a|o|obj|dll|dylib|so|tbd)",
        )
    )
)
_ALLOWED_LINKER_WORDS: Final = re.compile(
    "-Wl,(?:"
    + "|".join(
        (
            "-berok|-d[ny]|-E|-s|-O[0-9]+|-B(?:dynamic|static|symbolic-functions)",
            "-headerpad_max_install_names|-search_paths_first",
            "--?static",
            "--(?:dis|en)able-new-dtags|--(?:start|end)-group|--(?:push|pop)-state|--no-undefined",
            "--(?:no-)?(?:allow-multiple-definition|allow-shlib-undefined|as-needed|export-dynamic|warn-[^,]+)",
            "--hash-style=(?:sysv|gnu|both)",
            "--?subsystem,(?:native|windows|console|posix|xbox)",
            "--?unresolved-symbols=[^,]+",
            "-e[=,][a-zA-Z0-9]+",
            f"-framework,{_LIST_FREE}",
            f"-(?:rpath(?:-link)?|syslibroot|undefined)[=,]{_LIST_FREE}",
            f"-sectcreate(?:,{_LIST_FREE}){{3}}",
            f"--?wrap[=,]{_LIST_FREE}",
            "-R,?[^@,-][^,@]*",
            "--just-symbols[=,][^,@-][^,@]*",
        )
    )
    + ")"
)
_ALLOWED_Z: Final = re.compile("-Wl(?:,-z,(?:relro|now|(?:no)?execstack))+")
_ALLOWED_PAIRS: Final = frozenset(
    {"-arch", "-F", "-l", "-L", "-framework", "-isysroot", "--sysroot", "-target"}
    | {f"-Wl,{flag}" for flag in ("-framework", "-rpath", "-R", "--just-symbols", "-undefined")}
)


@frozen
class Refusal:
    """Words cmd/go refuses in ``#cgo LDFLAGS`` (``$CGO_LDFLAGS`` is never checked).

    Attributes:
        words: The flag, with the word behind it where that one is the reason.
        word: Position of the flag, 0-based.
        message: What cmd/go prints behind the place of the directive.
    """

    words: tuple[str, ...]
    word: int
    message: str


def refused_ldflags(
    words: Sequence[str], *, allow: str | None = None, disallow: str | None = None
) -> tuple[Refusal, ...]:
    """Return what ``#cgo LDFLAGS`` may not hold, in order; cmd/go stops at the first.

    Args:
        words: The words of one directive.
        allow: Value of ``$CGO_LDFLAGS_ALLOW``: words it matches as a whole are never refused.
        disallow: Value of ``$CGO_LDFLAGS_DISALLOW``: words it matches as a whole always are.

    The rules are those of Go 1.27 (``cmd/go/internal/work/security.go`` checkLinkerFlags). Both patterns are taken
    as Python's: Go's syntax differs in rare forms only.
    """
    refusals: list[Refusal] = []
    at = 0
    while at < len(words):
        word = words[at]
        if disallow and re.fullmatch(disallow, word):
            taken, refused = 1, True
        elif (allow and re.fullmatch(allow, word)) or _allowed(word):
            taken, refused = 1, False
        elif word.startswith("-L") and (len(word) > 2 or at + 1 < len(words)):
            # go/build puts the package's directory before a relative path first (go/build.go makePathsAbsolute).
            taken, refused = 1 if len(word) > 2 else 2, False
        elif word in _ALLOWED_PAIRS:
            following = words[at + 1] if at + 1 < len(words) else None
            taken, refused = 2, following is None or not _allowed_behind(word, following)
        else:
            taken, refused = 1, True
        if refused:
            shown = tuple(words[at : at + taken])
            tail = " without argument" if taken > len(shown) else ""
            text = f"invalid flag in #cgo LDFLAGS: {' '.join(shown)}{tail} (see https://go.dev/s/invalidflag)"
            refusals.append(Refusal(shown, at, text))
        at += taken
    return tuple(refusals)


def _allowed(word: str) -> bool:
    if word == "-lto_library":
        return False  # the next word would be a library the linker itself loads and runs
    if word.startswith("-Wl,--push-state,"):
        return all(_allowed(f"-Wl,{each}") for each in word[4:].split(","))
    return any(each.fullmatch(word) for each in (_ALLOWED_WORDS, _ALLOWED_LINKER_WORDS, _ALLOWED_Z))


def _allowed_behind(flag: str, word: str) -> bool:
    if _is_safe(word):
        return True
    return flag.startswith("-Wl,") and word.startswith("-Wl,") and "," not in word[4:] and _is_safe(word[4:])


def _is_safe(word: str) -> bool:
    """Whether cmd/go takes the word for an argument that is no flag (``load.SafeArg``)."""
    return bool(word) and (word[0] in "._/" or word[0] >= "\x80" or (word[0].isascii() and word[0].isalnum()))
