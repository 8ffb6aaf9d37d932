r"""Build constraints: ``//go:build`` and ``// +build`` lines, file name suffixes, tags.

Go 1.27, ``go/build/constraint/expr.go`` and ``go/build/build.go`` (``matchTag``, ``goodOSArchFile``, ``matchAuto``);
lists of ``internal/syslist``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final

from machochain.golang.words import GO_SPACE, fields
from machochain.model.value import frozen

KNOWN_OS: Final = frozenset(
    {
        "aix", "android", "darwin", "dragonfly", "freebsd", "hurd", "illumos", "ios", "js", "linux", "nacl", "netbsd",
        "openbsd", "plan9", "solaris", "wasip1", "windows", "zos",
    }
)  # fmt: skip
UNIX_OS: Final = KNOWN_OS - {"js", "nacl", "plan9", "wasip1", "windows", "zos"}
KNOWN_ARCH: Final = frozenset(
    {
        "386", "amd64", "amd64p32", "arm", "armbe", "arm64", "arm64be", "loong64", "mips", "mipsle", "mips64",
        "mips64le", "mips64p32", "mips64p32le", "ppc", "ppc64", "ppc64le", "riscv", "riscv64", "s390", "s390x",
        "sparc", "sparc64", "wasm",
    }
)  # fmt: skip
_LARGEST: Final = 1000
_LARGEST_OLD: Final = 100

Expression = Callable[[Callable[[str], bool]], bool]
"""Says whether a constraint holds, given which tags do."""


class ConstraintError(ValueError):
    """An expression that cannot be parsed; the text is Go's."""


@frozen
class BuildContext:
    """For what a package is built.

    Attributes:
        goos: ``darwin``, ``linux``, ….
        goarch: ``arm64``, ``amd64``, ….
        cgo: Whether cgo is on.
        tags: What else holds: ``go1.1`` to that of the release, ``-tags``, ``goexperiment.x``, ``arm64.v8.0``, ….
    """

    goos: str
    goarch: str
    cgo: bool = True
    tags: frozenset[str] = frozenset()

    def holds(self, tag: str) -> bool:
        """Say whether a tag is true (``matchTag``)."""
        if tag == "cgo" and self.cgo:
            return True
        if tag in (self.goos, self.goarch, "gc"):
            return True
        if (self.goos, tag) in (("android", "linux"), ("illumos", "solaris"), ("ios", "darwin")):
            return True
        if tag == "unix" and self.goos in UNIX_OS:
            return True
        return ("goexperiment.boringcrypto" if tag == "boringcrypto" else tag) in self.tags

    def takes(self, name: str) -> bool:
        """Say whether a file's name fits (``goodOSArchFile``)."""
        stem = name.partition(".")[0]
        at = stem.find("_")
        if at < 0:
            return True
        parts = stem[at:].split("_")
        if parts[-1] == "test":
            parts.pop()
        if len(parts) >= 2 and parts[-2] in KNOWN_OS and parts[-1] in KNOWN_ARCH:
            return self.holds(parts[-1]) and self.holds(parts[-2])
        if parts and (parts[-1] in KNOWN_OS or parts[-1] in KNOWN_ARCH):
            return self.holds(parts[-1])
        return True

    def any_of(self, conditions: tuple[str, ...]) -> bool:
        """Say whether one of the words before a verb of a ``#cgo`` line holds."""
        return any(condition(word)(self.holds) for word in conditions)


def release_tags(minor: int) -> frozenset[str]:
    """Return ``go1.1`` to ``go1.N``."""
    return frozenset(f"go1.{n}" for n in range(1, minor + 1))


def _never(_: Callable[[str], bool]) -> bool:
    return False


@lru_cache(maxsize=4096)
def condition(word: str) -> Expression:
    """Read one word of a ``#cgo`` line (``matchAuto``): an expression if it looks like one, else an old term."""
    try:
        if any(c in "&|()" for c in word):
            return parse_expression(word)
        return parse_plus(word)
    except ConstraintError:
        return _never


def is_go_build(line: str) -> bool:
    """Whether a line, without blanks around it, is a ``//go:build`` line."""
    return line.startswith("//go:build") and (line == "//go:build" or line[10] in GO_SPACE)


def plus_build(line: str) -> str | None:
    """Return the terms of a ``// +build`` line; None if it is none."""
    if not line.startswith("//"):
        return None
    text = line[2:].strip(GO_SPACE)
    if not text.startswith("+build"):
        return None
    rest = text[6:]
    trimmed = rest.strip(GO_SPACE)
    return None if rest and len(rest) == len(trimmed) else trimmed


def _tag_char(char: str) -> bool:
    # unicode.IsLetter, unicode.IsDigit (Nd).
    return char in "_." or char.isalpha() or char.isdecimal()


class _Parser:
    """``exprParser``."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.word = ""
        self.is_tag = False
        self.size = 0

    def parse(self) -> Expression:
        found = self.either()
        if self.word:
            raise ConstraintError(f"unexpected token {self.word}")
        return found

    def either(self) -> Expression:
        terms = [self.both()]
        while self.word == "||":
            terms.append(self.both())
        return terms[0] if len(terms) == 1 else lambda holds: any(t(holds) for t in terms)

    def both(self) -> Expression:
        terms = [self.negated()]
        while self.word == "&&":
            terms.append(self.negated())
        return terms[0] if len(terms) == 1 else lambda holds: all(t(holds) for t in terms)

    def negated(self) -> Expression:
        self.size += 1
        if self.size > _LARGEST:
            raise ConstraintError("build expression too large")
        self.next()
        if self.word != "!":
            return self.atom()
        self.next()
        if self.word == "!":
            raise ConstraintError("double negation not allowed")
        inner = self.atom()
        return lambda holds: not inner(holds)

    def atom(self) -> Expression:
        if self.word == "(" and not self.is_tag:
            try:
                found = self.either()
            except ConstraintError as error:
                if str(error) == "unexpected end of expression":
                    raise ConstraintError("missing close paren") from None
                raise
            if self.word != ")":
                raise ConstraintError("missing close paren")
            self.next()
            return found
        if not self.is_tag:
            raise ConstraintError(f"unexpected token {self.word}" if self.word else "unexpected end of expression")
        tag = self.word
        self.next()
        return lambda holds: holds(tag)

    def next(self) -> None:
        text = self.text
        self.is_tag = False
        while self.at < len(text) and text[self.at] in " \t":
            self.at += 1
        if self.at >= len(text):
            self.word = ""
            return
        char = text[self.at]
        start = self.at
        if char in "()!":
            self.at += 1
        elif char in "&|":
            if text[start + 1 : start + 2] != char:
                raise ConstraintError(f"invalid syntax at {char}")
            self.at += 2
        else:
            while self.at < len(text) and _tag_char(text[self.at]):
                self.at += 1
            if self.at == start:
                raise ConstraintError(f"invalid syntax at {char}")
            self.is_tag = True
        self.word = text[start : self.at]


@lru_cache(maxsize=4096)
def parse_expression(text: str) -> Expression:
    """Parse what follows ``//go:build``.

    Raises:
        ConstraintError: It cannot be parsed; the text is Go's.
    """
    return _Parser(text).parse()


@lru_cache(maxsize=4096)
def parse_plus(text: str) -> Expression:
    """Parse what follows ``// +build``.

    Raises:
        ConstraintError: There are more than a hundred operators.
    """
    clauses: list[list[tuple[str, bool]]] = []
    size = -1
    for clause in fields(text):
        literals = []
        for each in clause.split(","):
            size += 1
            if each.startswith("!!") or each == "!":
                literals.append(("ignore", False))
                continue
            tag = each.removeprefix("!")
            valid = bool(tag) and all(map(_tag_char, tag))
            literals.append((tag if valid else "ignore", each.startswith("!")))
        clauses.append(literals)
    if size > _LARGEST_OLD:
        raise ConstraintError("expression too complex for // +build lines")
    if not clauses:
        clauses = [[("ignore", False)]]
    return lambda holds: any(all(holds(tag) is not negative for tag, negative in c) for c in clauses)
