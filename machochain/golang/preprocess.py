r"""Which headers a C file includes: directives read with conditions that are true, false or unknown.

C17 6.10 and clang: what a target defines is known for some names (``known_macros``), a definition that was seen counts,
everything else is unknown. Only what no condition or a true one guards is included for sure. An include guard counts as
true. Macros with arguments, ``#include MACRO`` and headers of the SDK are not followed: names they might define stay
unknown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Final

from machochain.model.value import define, field, frozen

_SCAN: Final = re.compile(
    r"/\*.*?(?:\*/|\Z)"
    r"|//(?:[^\n\\]|\\.)*"
    r"|\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'"
    r"|^[ \t]*#(?P<body>(?:[^\n\\/]|\\.|/(?![*/])|/\*.*?\*/)*)",
    re.DOTALL | re.MULTILINE,
)
_HAS_DIRECTIVE: Final = re.compile(r"^[ \t]*#", re.MULTILINE)
_COMMENT: Final = re.compile(r"/\*.*?\*/", re.DOTALL)
_DIRECTIVE: Final = re.compile(r"\s*([a-z_]+)\s*(.*)", re.DOTALL)
_INCLUDED: Final = re.compile(r'\s*(?:<([^>\n]+)>|"([^"\n]+)")')
_DEFINED: Final = re.compile(r"([A-Za-z_$][\w$]*)(\()?\s*(.*)", re.DOTALL)
_NAME: Final = re.compile(r"[A-Za-z_$][\w$]*")
_LARGEST: Final = 16 << 20
_DEEPEST: Final = 100
_WORD: Final = re.compile(
    r"\s*(?:(\d[\w.']*)|([A-Za-z_$][\w$]*)|('(?:[^'\\]|\\.)*')|(<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%<>!~&|^?:(),]))"
)


@frozen
class Directive:
    """One preprocessing directive.

    Attributes:
        kind: ``include``, ``if``, ``define``, ….
        text: What follows.
        line: Where, 1-based.
    """

    kind: str
    text: str
    line: int


@frozen
class Include:
    """One ``#include`` that was met.

    Attributes:
        name: What is included; the text itself if it is a macro.
        quoted: Whether it stands in quotes, so that the directory of the including file is searched first.
        line: Where, 1-based.
        computed: Whether it is a macro, whose value is not known.
        certain: Whether it is included for sure.
    """

    name: str
    quoted: bool
    line: int
    computed: bool = False
    certain: bool = True


_KEPT: Final = frozenset(
    {"include", "include_next", "import", "if", "ifdef", "ifndef", "elif", "elifdef", "elifndef", "else", "endif",
     "define", "undef"}
)  # fmt: skip


def directives(text: str) -> tuple[Directive, ...]:
    """Return the directives of a C file, comments and continued lines taken out."""
    if len(text) > _LARGEST or _HAS_DIRECTIVE.search(text) is None:
        return ()
    return tuple(_directives(text.replace("\r\n", "\n")))


def _directives(text: str) -> Iterator[Directive]:
    line, last = 1, 0
    for match in _SCAN.finditer(text):
        body = match.group("body")
        if body is None:
            continue
        parsed = _DIRECTIVE.match(_COMMENT.sub(" ", body.replace("\\\n", "")))
        if parsed is None or parsed.group(1) not in _KEPT:
            continue
        line += text.count("\n", last, match.start())
        last = match.start()
        yield Directive(parsed.group(1), parsed.group(2).strip(), line)


Truth = bool | None
"""None: unknown."""


@define
class Macros:
    """What is known of macros.

    Attributes:
        values: Object-like macros with their text.
        undefined: Names that are surely not defined.
        unknown: Names that may or may not be defined, or with another value.
    """

    values: dict[str, str] = field(factory=dict)
    undefined: set[str] = field(factory=set)
    unknown: set[str] = field(factory=set)

    def defined(self, name: str) -> Truth:
        """Say whether a name is defined."""
        if name in self.unknown:
            return None
        if name in self.values:
            return True
        return False if name in self.undefined else None

    def define(self, name: str, value: str, *, certain: bool) -> None:
        """Take a definition."""
        if certain:
            self.values[name] = value
            self.unknown.discard(name)
            self.undefined.discard(name)
        else:
            self.unknown.add(name)

    def undefine(self, name: str, *, certain: bool) -> None:
        """Take an ``#undef``."""
        if certain:
            self.values.pop(name, None)
            self.unknown.discard(name)
            self.undefined.add(name)
        else:
            self.unknown.add(name)


HasInclude = Callable[[str, bool], Truth]
"""Whether ``__has_include`` of a name, quoted or not, is true."""

_MACRO_WITH_ARGUMENTS: Final = "\0"


class _UnreadableError(ValueError):
    pass


@lru_cache(maxsize=65536)
def _tokens(text: str) -> tuple[str, ...]:
    found: list[str] = []
    at = 0
    stripped = text.rstrip()
    while at < len(stripped):
        match = _WORD.match(stripped, at)
        if match is None:
            raise _UnreadableError(text)
        found.append(match.group().strip())
        at = match.end()
    return tuple(found)


_LEVELS: Final = (
    ("||",), ("&&",), ("|",), ("^",), ("&",), ("==", "!="), ("<", ">", "<=", ">="), ("<<", ">>"), ("+", "-"),
    ("*", "/", "%"),
)  # fmt: skip
_HAS: Final = re.compile(r"__has_include(?:_next)?\s*\(\s*(?:<([^>]+)>|\"([^\"]+)\")\s*\)")


class _Expression:
    def __init__(self, tokens: tuple[str, ...], macros: Macros, depth: int) -> None:
        self.tokens = tokens
        self.macros = macros
        self.at = 0
        self.depth = depth

    def value(self) -> int | None:
        found = self.ternary()
        if self.at < len(self.tokens):
            raise _UnreadableError
        return found

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self) -> str:
        token = self.peek()
        if not token:
            raise _UnreadableError
        self.at += 1
        return token

    def ternary(self) -> int | None:
        chosen = self.binary(0)
        if self.peek() != "?":
            return chosen
        self.at += 1
        yes = self.ternary()
        if self.take() != ":":
            raise _UnreadableError
        no = self.ternary()
        return (yes if yes == no else None) if chosen is None else yes if chosen else no

    def binary(self, level: int) -> int | None:
        if level == len(_LEVELS):
            return self.unary()
        left = self.binary(level + 1)
        while self.peek() in _LEVELS[level]:
            left = _apply(self.take(), left, self.binary(level + 1))
        return left

    def unary(self) -> int | None:
        word = self.take()
        if word in "!-+~":
            value = self.unary()
            if value is None:
                return None
            return {"!": int(not value), "-": -value, "+": value, "~": ~value}[word]
        if word == "(":
            value = self.ternary()
            if self.take() != ")":
                raise _UnreadableError
            return value
        if word == "defined":
            enclosed = self.peek() == "("
            if enclosed:
                self.at += 1
            name = self.take()
            if enclosed and self.take() != ")":
                raise _UnreadableError
            truth = self.macros.defined(name)
            return None if truth is None else int(truth)
        if word[0].isdigit():
            return _number(word)
        if word[0] == "'":
            return ord(word[1]) if len(word) == 3 else None
        if _NAME.fullmatch(word):
            return self.name(word)
        raise _UnreadableError

    def name(self, name: str) -> int | None:
        if self.peek() == "(":
            depth = 0
            while True:
                token = self.take()
                depth += {"(": 1, ")": -1}.get(token, 0)
                if depth == 0:
                    break
            return 0 if self.macros.defined(name) is False else None
        if name in _CONDITIONALS and name not in self.macros.unknown:
            return _CONDITIONALS[name]
        defined = self.macros.defined(name)
        if defined is None:
            return None
        if not defined:
            return 0
        text = self.macros.values[name]
        if text == _MACRO_WITH_ARGUMENTS or self.depth > 20:
            return None
        try:
            tokens = _tokens(text)
            return _Expression(tokens, self.macros, self.depth + 1).value() if tokens else None
        except _UnreadableError:
            return None


def _number(token: str) -> int | None:
    text = re.sub(r"[uUlLzZ]+$", "", token.replace("'", ""))
    try:
        return int(text, 8) if re.fullmatch(r"0[0-7]+", text) else int(text, 0)
    except ValueError:
        return None


def _apply(operator: str, left: int | None, right: int | None) -> int | None:  # noqa: PLR0911  # one answer a case
    if operator == "&&":
        if 0 in (left, right):
            return 0
        return None if left is None or right is None else 1
    if operator == "||":
        if (left is not None and left != 0) or (right is not None and right != 0):
            return 1
        return None if left is None or right is None else 0
    if left is None or right is None:
        return None
    if operator in ("/", "%"):
        if right == 0:
            return None
        quotient = abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1)
        return quotient if operator == "/" else left - right * quotient
    if operator in ("<<", ">>"):
        if not 0 <= right < 64:
            return None
        return left << right if operator == "<<" else left >> right
    return {
        "|": lambda: left | right, "^": lambda: left ^ right, "&": lambda: left & right,
        "==": lambda: int(left == right), "!=": lambda: int(left != right), "<": lambda: int(left < right),
        ">": lambda: int(left > right), "<=": lambda: int(left <= right), ">=": lambda: int(left >= right),
        "+": lambda: left + right, "-": lambda: left - right, "*": lambda: left * right,
    }[operator]()  # fmt: skip


def evaluate(text: str, macros: Macros, has_include: HasInclude) -> Truth:
    """Say whether the condition of an ``#if`` holds."""

    def asked(match: re.Match[str]) -> str:
        truth = has_include(match.group(1) or match.group(2), match.group(2) is not None)
        return "(__unknown__)" if truth is None else str(int(truth))

    try:
        value = _Expression(_tokens(_HAS.sub(asked, text) if "__has_include" in text else text), macros, 0).value()
    except (_UnreadableError, RecursionError):
        return None
    return None if value is None else bool(value)


def includes(  # noqa: C901, PLR0912  # the order of its steps is the rule
    listed: tuple[Directive, ...], macros: Macros, has_include: HasInclude, *, certain: bool = True
) -> Iterator[Include]:
    """Yield the includes of a file, in order, as they are met; the caller follows them before it asks for the next.

    Args:
        listed: The directives of the file.
        macros: What is known of macros; it changes on the way.
        has_include: What ``__has_include`` says.
        certain: Whether the file itself is included for sure.
    """
    # Of each open #if: what its branch says, and whether a branch before it held for sure or perhaps.
    stack: list[tuple[Truth, Truth]] = []
    active: Truth = True
    for at, each in enumerate(listed):
        kind = each.kind
        if kind in ("if", "ifdef", "ifndef"):
            stack.append((active, False))
            if active is False:
                continue
            truth = _condition(each, listed, at, macros, has_include)
            stack[-1] = (active, truth)
            active = _and(active, truth)
        elif kind in ("elif", "elifdef", "elifndef", "else"):
            if not stack:
                continue
            outer, before = stack[-1]
            if outer is False or before is True:
                active = False
                continue
            truth = True if kind == "else" else _condition(each, listed, at, macros, has_include)
            here = _and(_not(before), truth)
            stack[-1] = (outer, _or(before, truth))
            active = _and(outer, here)
        elif kind == "endif":
            if stack:
                active = stack.pop()[0]
        elif active is False:
            continue
        elif kind == "define":
            _define(each.text, macros, certain=certain and active is True)
        elif kind == "undef":
            name = _NAME.match(each.text)
            if name is not None:
                macros.undefine(name.group(), certain=certain and active is True)
        else:
            found = _INCLUDED.match(_expanded(each.text, macros))
            sure = certain and active is True
            if found is None:
                yield Include(each.text, quoted=False, line=each.line, computed=True, certain=sure)
            else:
                name_text = found.group(1) or found.group(2)
                yield Include(name_text, found.group(2) is not None, each.line, certain=sure)


def _expanded(text: str, macros: Macros) -> str:
    """Return what a macro surely stands for where a name is included; the text itself otherwise."""
    seen: set[str] = set()
    while macros.defined(text) is True and text not in seen:
        seen.add(text)
        text = macros.values[text]
    return text


def _define(text: str, macros: Macros, *, certain: bool) -> None:
    match = _DEFINED.match(text)
    if match is not None:
        value = _MACRO_WITH_ARGUMENTS if match.group(2) else match.group(3).strip()
        macros.define(match.group(1), value, certain=certain)


def _condition(
    each: Directive, listed: tuple[Directive, ...], at: int, macros: Macros, has_include: HasInclude
) -> Truth:
    if each.kind in ("if", "elif"):
        guard = re.fullmatch(r"!\s*defined\s*\(?\s*([A-Za-z_$][\w$]*)\s*\)?", each.text)
        if each.kind == "if" and guard is not None and _guards(guard.group(1), listed, at, macros):
            return True
        return evaluate(each.text, macros, has_include)
    match = _NAME.match(each.text)
    if match is None:
        return None
    name = match.group()
    if each.kind == "ifndef" and _guards(name, listed, at, macros):
        return True
    truth = macros.defined(name)
    return truth if each.kind in ("ifdef", "elifdef") else _not(truth)


def _guards(name: str, listed: tuple[Directive, ...], at: int, macros: Macros) -> bool:
    """Whether an ``#ifndef`` is an include guard: the first directive of its file, with the definition right behind."""
    if at or name in macros.values or at + 1 >= len(listed):
        return False
    following = listed[at + 1]
    match = _NAME.match(following.text)
    return following.kind == "define" and match is not None and match.group() == name


def _not(truth: Truth) -> Truth:
    return None if truth is None else not truth


def _and(left: Truth, right: Truth) -> Truth:
    if left is False or right is False:
        return False
    return None if left is None or right is None else True


def _or(left: Truth, right: Truth) -> Truth:
    if left is True or right is True:
        return True
    return None if left is None or right is None else False


_UNDEFINED: Final = frozenset(
    {
        "_WIN32", "_WIN64", "WIN32", "_MSC_VER", "_MSC_FULL_VER", "__MINGW32__", "__MINGW64__",
        "__CYGWIN__",
        "__WATCOMC__", "__BORLANDC__", "_WIN32_WCE", "WINCE", "UNDER_CE", "__WINDOWS__", "_WINDOWS", "WINAPI_FAMILY",
        "_WIN32_WINNT", "__linux__", "__linux", "linux", "__gnu_linux__", "__ANDROID__", "ANDROID", "__GLIBC__",
        "__UCLIBC__",
        "__FreeBSD__", "__NetBSD__", "__OpenBSD__", "__DragonFly__", "__FreeBSD_kernel__", "__bsdi__", "__sun", "sun",
        "__sun__", "__SVR4", "_AIX", "__hpux", "__sgi", "__osf__", "__QNX__", "__QNXNTO__", "__HAIKU__", "__BEOS__",
        "__EMSCRIPTEN__", "__wasm__", "__wasi__", "__native_client__", "__Fuchsia__", "__VXWORKS__", "VXWORKS",
        "__OS2__", "__DJGPP__", "__MSDOS__", "MSDOS", "__DOS__", "__amigaos__", "__CUDACC__", "__riscos__",
        "__PS3__", "__PSP__", "__vita__", "__3DS__", "__SWITCH__", "__ORBIS__",
        "__INTEL_COMPILER", "__SUNPRO_C", "__SUNPRO_CC", "__xlC__", "__IBMC__", "__TINYC__", "__ICL", "__PGI",
        "__ARMCC_VERSION", "__i386__", "__i386", "__arm__", "__powerpc__", "__ppc__", "__powerpc64__", "__mips__",
        "__sparc__", "__s390__", "__riscv", "__ia64__", "SWIG", "__CODEGEARC__",
    }
)  # fmt: skip


_CONDITIONALS: Final = {
    "TARGET_OS_MAC": 1, "TARGET_OS_OSX": 1,
    **dict.fromkeys(
        ("TARGET_OS_IPHONE", "TARGET_OS_IOS", "TARGET_OS_TV", "TARGET_OS_WATCH", "TARGET_OS_SIMULATOR",
         "TARGET_IPHONE_SIMULATOR", "TARGET_OS_VISION", "TARGET_OS_MACCATALYST", "TARGET_OS_WIN32"), 0,
    ),
}  # fmt: skip
"""Of ``<TargetConditionals.h>``: the values are the same whether it was included or not, or nearly so."""


def known_macros(goarch: str, *, language: str = "c") -> Macros:
    """Return what clang for macOS defines and surely does not define.

    Args:
        goarch: ``arm64`` or ``amd64``.
        language: ``c``, ``c++``, ``objective-c`` or ``objective-c++``.
    """
    arm = goarch == "arm64"
    values = dict.fromkeys(
        ("__APPLE__", "__MACH__", "__clang__", "__LP64__", "_LP64", "__STDC__",
         "__BLOCKS__", "__DYNAMIC__", "__LITTLE_ENDIAN__"), "1",
    )  # fmt: skip
    values |= {"__GNUC__": "4", "__GNUC_MINOR__": "2", "__APPLE_CC__": "6000", "__SIZEOF_POINTER__": "8"}
    values |= dict.fromkeys(("__arm64__", "__aarch64__", "__arm64"), "1") if arm else {}
    values |= {} if arm else dict.fromkeys(("__x86_64__", "__x86_64", "__amd64__", "__amd64", "__SSE2__"), "1")
    undefined = set(_UNDEFINED)
    undefined |= {"__x86_64__", "__x86_64", "__amd64__", "__amd64"} if arm else {"__arm64__", "__aarch64__", "__arm64"}
    if language.endswith("c++"):
        values["__cplusplus"] = "201703L"
    else:
        undefined.add("__cplusplus")
    if language.startswith("objective"):
        values["__OBJC__"] = "1"
    else:
        undefined.add("__OBJC__")
    return Macros(values, undefined, {"__cplusplus_version"})


def with_definitions(macros: Macros, words: tuple[str, ...]) -> Macros:
    """Return macros with those that ``-D`` and ``-U`` words give on top."""
    found = Macros(dict(macros.values), set(macros.undefined), set(macros.unknown))
    for at, word in enumerate(words):
        text = word[2:] or (words[at + 1] if at + 1 < len(words) else "")
        if word.startswith("-D") and text:
            name, equals, value = text.partition("=")
            found.define(name.partition("(")[0], value if equals else "1", certain=True)
        elif word.startswith("-U") and text:
            found.undefine(text, certain=True)
    return found
