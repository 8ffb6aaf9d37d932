r"""The directories a compiler and a linker search, in order, and who put each of them there.

Order inside one compiler call (``cmd/go/internal/work/exec.go``, measured with Go 1.27): ``-I`` of the package,
``$CGO_CPPFLAGS``, ``#cgo CPPFLAGS``, ``pkg-config --cflags``, ``-I $WORK/bNNN/``, ``$CGO_CFLAGS``, ``#cgo CFLAGS``. Of
the directories clang searches: ``-I`` in order, ``CPATH``, ``-isystem``, the SDK's, the compiler's, frameworks
(measured with clang 19 for arm64-apple-macos13). ``/usr/bin/clang`` goes through xcrun, which adds /usr/local unless
an SDK is named (``man xcrun``). The linker gets all ``-L`` before all ``-l``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from machochain.golang.settings import Settings, shell_words
from machochain.golang.words import split_variable
from machochain.model.errors import UsageError
from machochain.model.value import frozen
from machochain.source.values import BuildTarget, FlagOrigin, FlagWord, Mode, PackageFacts

_APPLE_CLANG: Final = frozenset(
    {"clang", "cc", "gcc", "c++", "clang++", "g++"}
    | {f"/usr/bin/{n}" for n in ("clang", "cc", "gcc", "c++", "clang++")}
)
_SDK_FLAGS: Final = ("-isysroot", "--sysroot", "-syslibroot")


@frozen
class Directory:
    """One directory that is searched.

    Attributes:
        path: Where; None if nobody knows (an SDK that was not named).
        origin: Who put it there, in words for people.
        frameworks: Whether frameworks are looked for in it.
        word: The word that names it; None if no word does.
        system: Whether it is macOS' own: what it holds is not walked.
        implicit: Whether nobody asked for it.
    """

    path: str | None
    origin: str
    frameworks: bool = False
    word: FlagWord | None = None
    system: bool = False
    implicit: bool = False


def environment_words(settings: Settings, name: str) -> tuple[FlagWord, ...]:
    """Return the words of a variable; none of a value that cannot be split, or is Go's default."""
    if settings.get(name).origin.value == "default":
        return ()
    try:
        return tuple(FlagWord(text, FlagOrigin.ENVIRONMENT, written=text) for text in settings.words(name))
    except UsageError:
        return ()


def compiler_words(
    package: PackageFacts, settings: Settings, cflags: Sequence[FlagWord], verb: str = "CFLAGS"
) -> tuple[FlagWord, ...]:
    """Return the words of one compiler call of a package, in order."""
    return (
        FlagWord(f"-I{package.directory}", FlagOrigin.GO, package=package.path),
        *environment_words(settings, "CGO_CPPFLAGS"),
        *package.words.get("CPPFLAGS", ()),
        *cflags,
        *environment_words(settings, f"CGO_{verb}"),
        *package.words.get(verb, ()),
    )


def mode_of(settings: Settings, words: Sequence[str] = ()) -> tuple[Mode, bool]:
    """Return how the compiler finds its directories, and whether that is only assumed."""
    try:
        compiler = settings.compiler()
    except UsageError:
        compiler = ("clang",)
    given = [*compiler[1:], *words]
    program = compiler[0].rsplit("/", 1)[-1]
    if program.startswith(("zig", "o64-", "oa64-", "xcrun-cross")) or "-apple-darwin" in program or program == "zcc":
        return Mode.CROSS, False
    if any("-target" in w or w.startswith("--target") for w in given):
        return Mode.CROSS, False
    named = bool(settings.variable("SDKROOT")) or any(w.startswith(_SDK_FLAGS) or "-syslibroot" in w for w in given)
    if compiler[0] in _APPLE_CLANG:
        return (Mode.SDK if named else Mode.SHIM), not settings.process.get("CC")
    return (Mode.SDK if named else Mode.CLANG), False


def sdk_of(settings: Settings, words: Sequence[str], sdks: Sequence[str]) -> str | None:
    """Return the SDK: by a flag, by SDKROOT, else the one the user named."""
    for at, word in enumerate(words):
        if word in ("-isysroot", "--sysroot", "-Wl,-syslibroot") and at + 1 < len(words):
            return words[at + 1].removeprefix("-Wl,")
        if word.startswith(("--sysroot=", "-isysroot/", "-Wl,-syslibroot,")):
            return word.partition("=")[2] or word.rpartition(",")[2].removeprefix("-isysroot")
    return settings.variable("SDKROOT") or (sdks[0] if sdks else None)


def header_directories(words: Sequence[FlagWord], target: BuildTarget, settings: Settings) -> tuple[Directory, ...]:
    """Return where headers are looked for, behind the including file's own directory."""
    return tuple(_header_directories(words, target, settings))


def _header_directories(words: Sequence[FlagWord], target: BuildTarget, settings: Settings) -> Iterator[Directory]:  # noqa: C901  # the order of its steps is the rule
    listed = list(_paths(words, ("-I", "-isystem", "-F", "-iquote", "-idirafter", "-iframework")))
    for flag, path, word in listed:
        if flag in ("-iquote", "-I"):
            yield Directory(path, said_by(word), word=word)
    for path in _variable(settings, "CPATH"):
        yield Directory(path, "$CPATH")
    if target.mode is Mode.SHIM:
        yield Directory("/usr/local/include", "xcrun, as no SDK is named", implicit=True)
    for flag, path, word in listed:
        if flag == "-isystem":
            yield Directory(path, said_by(word), word=word)
    for name in ("C_INCLUDE_PATH",):
        for path in _variable(settings, name):
            yield Directory(path, f"${name}")
    sdk = target.sdk.rstrip("/") if target.sdk else None
    yield Directory(sdk and f"{sdk}/usr/local/include", "SDK", system=True, implicit=True)
    yield Directory(sdk and f"{sdk}/usr/include", "SDK", system=True, implicit=True)
    for flag, path, word in listed:
        if flag == "-idirafter":
            yield Directory(path, said_by(word), word=word)
    for flag, path, word in listed:
        if flag in ("-F", "-iframework"):
            yield Directory(path, said_by(word), frameworks=True, word=word)
    yield Directory(sdk and f"{sdk}/System/Library/Frameworks", "SDK", frameworks=True, system=True, implicit=True)


def library_directories(words: Sequence[FlagWord], target: BuildTarget, settings: Settings) -> tuple[Directory, ...]:
    """Return where libraries are looked for."""
    return tuple(_library_directories(words, target, settings))


def _library_directories(words: Sequence[FlagWord], target: BuildTarget, settings: Settings) -> Iterator[Directory]:
    seen: set[str] = set()
    for _, path, word in _paths(words, ("-L",)):
        if path not in seen:
            seen.add(path)
            yield Directory(path, said_by(word), word=word)
    for path in _variable(settings, "LIBRARY_PATH"):
        yield Directory(path, "$LIBRARY_PATH")
    if target.mode is Mode.SHIM:
        yield Directory("/usr/local/lib", "xcrun, as no SDK is named", implicit=True)
    sdk = target.sdk.rstrip("/") if target.sdk else None
    yield Directory(sdk and f"{sdk}/usr/lib", "SDK", system=True, implicit=True)
    yield Directory(sdk and f"{sdk}/usr/local/lib", "SDK", system=True, implicit=True)


def framework_directories(words: Sequence[FlagWord], target: BuildTarget) -> tuple[Directory, ...]:
    """Return where frameworks are looked for by the linker."""
    sdk = target.sdk.rstrip("/") if target.sdk else None
    return (
        *(Directory(path, said_by(word), frameworks=True, word=word) for _, path, word in _paths(words, ("-F",))),
        Directory(sdk and f"{sdk}/System/Library/Frameworks", "SDK", frameworks=True, system=True, implicit=True),
    )


def _paths(words: Sequence[FlagWord], flags: tuple[str, ...]) -> Iterator[tuple[str, str, FlagWord]]:
    """Yield (flag, directory, word) for flags that name directories, joined or apart."""
    at = 0
    while at < len(words):
        word = words[at]
        at += 1
        if word.text in flags:
            if at < len(words):
                yield word.text, words[at].text, word
                at += 1
            continue
        for flag in flags:
            if word.text.startswith(flag) and len(flag) == 2:
                yield flag, word.text[2:], word
                break


def said_by(word: FlagWord) -> str:
    """Return whose word it is, for people."""
    if word.origin is FlagOrigin.ENVIRONMENT:
        return "environment"
    if word.origin is FlagOrigin.GO:
        return "cmd/go"
    if word.origin is FlagOrigin.PKG_CONFIG:
        return f"pkg-config {word.written}" if word.written else "pkg-config"
    where = f"{word.place.file.rsplit('/', 1)[-1]}:{word.place.line}" if word.place.line else "#cgo"
    return f"{where} of {word.package}"


def _variable(settings: Settings, name: str) -> tuple[str, ...]:
    return tuple(path for path in settings.variable(name).split(":") if path)


def pkg_config_directories(settings: Settings, built_in: Sequence[str] | None) -> tuple[tuple[str, ...], bool]:
    """Return where ``.pc`` files are looked for, and whether that is all: the built-in path may not be known."""
    first = _variable(settings, "PKG_CONFIG_PATH")
    if settings.variable("PKG_CONFIG_LIBDIR"):
        return (*first, *_variable(settings, "PKG_CONFIG_LIBDIR")), True
    if built_in is not None:
        return (*first, *built_in), True
    return first, False


def extra_words(text: str) -> tuple[str, ...]:
    """Split flags that a person gave on one line."""
    try:
        return split_variable(text)
    except UsageError:
        return shell_words(text)
