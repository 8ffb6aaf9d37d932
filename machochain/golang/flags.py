"""Words of LDFLAGS: what they make the linker do, and which of them cmd/go refuses.

The words are those of a compiler driver: ``-Wl,a,b`` and ``-Xlinker a`` hand words to the linker unread. What remains
is read as ld(1) reads it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Final

from machochain.golang.security import Refusal, check_flags
from machochain.model.value import frozen


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
_NO_STANDARD_LIBRARY: Final = frozenset({"-nostdlib", "-nodefaultlibs", "-nostdlib++"})
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

    A flag whose argument is missing at the end is an :class:`OtherFlag`. clang takes ``-lstdc++`` for the target's C++
    library, which is libc++ on macOS (llvm-project, ``clang/lib/Driver/Driver.cpp``, ``TranslateInputArgs``).
    """
    translated = not _NO_STANDARD_LIBRARY.intersection(words)
    return tuple(_inputs(list(_linker_words(_translated(words) if translated else words))))


def _translated(words: Sequence[str]) -> Sequence[str]:
    return ["-lc++" if w == "-lstdc++" else "c++" if w == "stdc++" and b == "-l" else w
            for b, w in zip(("", *words), words, strict=False)]  # fmt: skip


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


def refused_ldflags(
    words: Sequence[str], *, allow: str | None = None, disallow: str | None = None
) -> tuple[Refusal, ...]:
    """Return what ``#cgo LDFLAGS`` may not hold, in order; cmd/go stops at the first.

    Args:
        words: The words of one directive, as written: go/build puts the package's directory before a relative path
            of ``-L`` before they are checked.
        allow: Value of ``$CGO_LDFLAGS_ALLOW``.
        disallow: Value of ``$CGO_LDFLAGS_DISALLOW``.
    """
    found = check_flags("LDFLAGS", "#cgo LDFLAGS", tuple(_rooted(words)), allow=allow, disallow=disallow)
    return tuple(
        Refusal(shown, each.word, each.message.replace(" ".join(each.words), " ".join(shown), 1))
        for each in found
        for shown in (tuple(words[each.word : each.word + len(each.words)]),)
    )


def _rooted(words: Sequence[str]) -> Iterator[str]:
    is_path = False
    for word in words:
        if is_path:
            yield word if word.startswith("/") else f"/{word}"
        elif word.startswith("-L") and len(word) > 2 and word[2] != "/":
            yield f"-L/{word[2:]}"
        else:
            yield word
        is_path = word == "-L" and not is_path
