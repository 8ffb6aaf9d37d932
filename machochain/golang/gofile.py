r"""The head of a Go file: constraints, package clause, imports and the comments above them.

Go 1.27: ``go/build`` (``read.go``, ``parseFileHeader``), ``go/parser`` (which comment belongs to an import), ``go/ast``
(``CommentGroup.Text``). Nothing behind the imports is looked at, except for ``//go:embed`` lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from machochain.golang.constraint import is_go_build, plus_build
from machochain.golang.quote import unquote
from machochain.golang.words import GO_SPACE, fields
from machochain.model.value import frozen


@frozen
class Comment:
    """One comment.

    Attributes:
        text: With its markers, without carriage returns.
        line: Where it begins, 1-based.
        end: The line it ends on.
    """

    text: str
    line: int
    end: int


@frozen
class Import:
    """One import.

    Attributes:
        path: What is imported.
        line: Where, 1-based.
        column: Where in it, in bytes, 1-based.
        doc: The comments that count for it; cgo reads those of ``"C"``.
    """

    path: str
    line: int
    column: int
    doc: tuple[Comment, ...] = ()


@frozen
class GoFile:
    """The head of a Go file.

    Attributes:
        package: The package's name; ``""`` if the file has no package clause.
        imports: In file order.
        go_build: The ``//go:build`` line; None if there is none.
        plus_build: The ``// +build`` lines that count, what follows ``+build`` each.
        groups: All comment groups of the head.
        embeds: Patterns of ``//go:embed`` lines with their lines.
        error: Why the file cannot be read, as Go says it without the file's name; None if it can.
        syntax: Whether the error is one of Go's parser, so that the file counts all the same.
    """

    package: str = ""
    imports: tuple[Import, ...] = ()
    go_build: str | None = None
    plus_build: tuple[str, ...] = ()
    groups: tuple[tuple[Comment, ...], ...] = ()
    embeds: tuple[tuple[str, int], ...] = ()
    error: str | None = None
    syntax: bool = False


_BOM: Final = b"\xef\xbb\xbf"
_TOKEN: Final = re.compile(
    r"""[ \t\r\f]*(?:
        (?P<newline>\n)
      | (?P<line>//[^\n]*)
      | (?P<block>/\*.*?\*/)
      | (?P<string>"(?:[^"\\\n]|\\.)*"|`[^`]*`)
      | (?P<word>[^\W\d]\w*)
      | (?P<sign>[();.])
      | (?P<other>.)
    )""",
    re.VERBOSE | re.DOTALL,
)
_LINE_DIRECTIVE: Final = re.compile(r"//line (?:[^\n]*):([1-9]\d*)\s*")
_ILLEGAL: Final = frozenset("!\"#$%&'()*,:;<=>?[\\]^{|}`\ufffd")
_EMBED: Final = re.compile(r"^[ \t]*//go:embed[ \t]+([^\n]*)", re.MULTILINE)
_EMBED_WORD: Final = re.compile(r'[ \t]*("(?:[^"\\]|\\.)*"|`[^`]*`|[^ \t"`\r]+)')


def read_go_file(data: bytes) -> GoFile:
    """Read the head of a Go file."""
    if data.startswith(_BOM):
        data = data[3:]
    text = data.decode("utf-8", "surrogateescape")
    return _Head(text).read()


class _Head:
    """Tokens of the head, with comments sorted as ``go/parser`` sorts them."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.line = 1
        self.shift = 0
        self.kind = ""
        self.value = ""
        self.start = 1
        self.lead: tuple[Comment, ...] = ()
        self.groups: list[tuple[Comment, ...]] = []
        self.failed: str | None = None
        self.open_statement = False

    def read(self) -> GoFile:
        package, imports = "", []
        self.next()
        if (self.kind, self.value) == ("word", "package"):
            self.next()
            package = self.value if self.kind == "word" else ""
            self.next()
            imports = list(self._imports())
        else:
            found = {"": "'EOF'"}.get(self.kind, self.value or self.kind)
            if self.kind == "word":
                found = self.value
            self.failed = f"{self.start}:{self.column}: expected 'package', found {found}"
        head = self.text[: self.at]
        if "\0" in head:
            return GoFile(error="unexpected NUL in input")
        constraint, plus, error = _constraints(head)
        if error is not None:
            return GoFile(error=error)
        bad = next((i for i in imports if not _valid_import(i.path)), None)
        if bad is not None:
            wrong = f"{bad.line}:{bad.column}: invalid import path: {bad.path}"
            return GoFile(package, (), constraint, plus, tuple(self.groups), error=wrong, syntax=True)
        embeds = tuple(_embeds(self.text)) if any(i.path == "embed" for i in imports) else ()
        return GoFile(
            package, tuple(imports), constraint, plus, tuple(self.groups), embeds, self.failed,
            self.failed is not None,
        )  # fmt: skip

    def _imports(self) -> Iterator[Import]:
        while True:
            while (self.kind, self.value) == ("sign", ";"):
                self.next()
            if (self.kind, self.value) != ("word", "import"):
                return
            doc = self.lead
            self.next()
            if (self.kind, self.value) != ("sign", "("):
                spec = self._spec(())
                if spec is None:
                    return
                yield Import(spec.path, spec.line, spec.column, doc)
                continue
            self.next()
            specs: list[Import] = []
            while (self.kind, self.value) != ("sign", ")"):
                if (self.kind, self.value) == ("sign", ";"):
                    self.next()
                    continue
                spec = self._spec(self.lead)
                if spec is None:
                    return
                specs.append(spec)
            self.next()
            if len(specs) == 1 and not specs[0].doc:
                yield Import(specs[0].path, specs[0].line, specs[0].column, doc)
            else:
                yield from specs

    def _spec(self, doc: tuple[Comment, ...]) -> Import | None:
        line, column = self.start, self.column
        if self.kind == "word" or (self.kind, self.value) == ("sign", "."):
            self.next()
        path = unquote(self.value) if self.kind == "string" else None
        if path is None:
            found = "'EOF'" if not self.kind else self.value
            self.failed = (
                self.failed or f"{self.start}:{self.column}: missing import path; require quoted string, found {found}"
            )
            return None
        found_at = Import(path, line, column, doc)
        self.next()
        return found_at

    @property
    def column(self) -> int:
        """Where the token begins in its line, in bytes, 1-based."""
        start = self.at - len(self.value)
        line = self.text.rfind("\n", 0, start) + 1
        return len(self.text[line:start].encode("utf-8", "surrogateescape")) + 1

    def _token(self) -> None:
        while True:
            match = _TOKEN.match(self.text, self.at)
            if match is None:
                self.kind, self.value, self.start = "", "", self.line + self.shift
                self.at = len(self.text)
                return
            self.kind = match.lastgroup or ""
            self.value = match.group(self.kind)
            self.at = match.end()
            self.start = self.line + self.shift
            if self.kind == "newline":
                self.line += 1
                continue
            if self.kind == "other" and self.value == "/" and self.text.startswith("/*", match.end() - 1):
                self.failed = self.failed or f"{self.start}:{self.column}: comment not terminated"
                self.at = len(self.text)
                self.kind = ""
                return
            self.line += self.value.count("\n")
            return

    def next(self) -> None:
        """Go to the next token that is no comment, and settle which comments lead it (``parser.next``)."""
        previous_end = self.line + self.shift if self.kind else 0
        self._token()
        self.lead = ()
        if self.kind not in ("line", "block"):
            return
        if self.start == previous_end:
            self._group(0)
        group: tuple[Comment, ...] = ()
        while self.kind in ("line", "block"):
            group = self._group(1)
        if group and group[-1].end + 1 == self.start:
            self.lead = group

    def _group(self, gap: int) -> tuple[Comment, ...]:
        found: list[Comment] = []
        end = self.start
        while self.kind in ("line", "block") and self.start <= end + gap:
            text = self.value.replace("\r", "")
            end = self.start + text.count("\n")
            found.append(Comment(text, self.start, end))
            directive = _LINE_DIRECTIVE.fullmatch(text) if text.startswith("//line ") else None
            if directive is not None:
                # The line behind it has the number it says.
                self.shift = int(directive.group(1)) - self.line - 1
            self._token()
        group = tuple(found)
        self.groups.append(group)
        return group


def _valid_import(path: str) -> bool:
    return bool(path) and not any(c in _ILLEGAL or c.isspace() or not c.isprintable() for c in path)


def comment_lines(group: tuple[Comment, ...]) -> Iterator[tuple[str, int]]:
    """Yield the text of a group line by line, with line numbers (``CommentGroup.Text`` without its blank lines)."""
    for comment in group:
        text = comment.text
        if text.startswith("//"):
            text = text[2:]
            if text.startswith(" "):
                text = text[1:]
            elif _is_directive(text):
                continue
            yield text.rstrip(" \t\n\r"), comment.line
        else:
            for number, line in enumerate(text[2:-2].split("\n")):
                yield line.rstrip(" \t\n\r"), comment.line + number


_DIRECTIVE: Final = re.compile(r"[a-z0-9]+:[a-z0-9]")


def _is_directive(text: str) -> bool:
    return text.startswith(("line ", "extern ", "export ")) or _DIRECTIVE.match(text) is not None


def _constraints(head: str) -> tuple[str | None, tuple[str, ...], str | None]:
    """Return the ``//go:build`` line, the ``+build`` lines that count, and what is wrong (``parseFileHeader``)."""
    go_build: str | None = None
    end = at = 0
    ended = in_comment = False
    while at < len(head):
        newline = head.find("\n", at)
        stop = len(head) if newline < 0 else newline + 1
        line = head[at:stop].strip(GO_SPACE)
        at = stop
        if not line and not ended:
            end = at
            continue
        if not line.startswith("//"):
            ended = True
        if not in_comment and is_go_build(line):
            if go_build is not None:
                return None, (), "multiple //go:build comments"
            go_build = line
        while line:
            if in_comment:
                close = line.find("*/")
                if close < 0:
                    break
                in_comment = False
                line = line[close + 2 :].strip(GO_SPACE)
            elif line.startswith("//"):
                break
            elif line.startswith("/*"):
                in_comment = True
                line = line[2:].strip(GO_SPACE)
            else:
                at = len(head)
                break
    plus = tuple(terms for line in head[:end].split("\n") if (terms := plus_build(line.strip(GO_SPACE))) is not None)
    return go_build, plus, None


def read_constraints(data: bytes) -> tuple[str | None, tuple[str, ...], str | None]:
    """Return the constraints at the head of a file that is not Go's: only its leading comments count."""
    text = data.removeprefix(_BOM).decode("utf-8", "surrogateescape")
    return _constraints(text[: _comment_end(text)])


_LEADING: Final = re.compile(r"(?:[ \f\t\r\n;]|//[^\n]*(?:\n|\Z)|/\*.*?\*/)*", re.DOTALL)


def _comment_end(text: str) -> int:
    match = _LEADING.match(text)
    return match.end() if match is not None else 0


def _embeds(text: str) -> Iterator[tuple[str, int]]:
    for match in _EMBED.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        for word in _EMBED_WORD.finditer(match.group(1)):
            raw = word.group(1)
            pattern = unquote(raw) if raw[0] in '"`' else raw
            if pattern:
                yield pattern, line


def has_directive(group: tuple[Comment, ...]) -> int | None:
    """Return the line of the first ``#cgo`` line with a verb in a group; None if there is none."""
    for text, line in comment_lines(group):
        stripped = text.strip(GO_SPACE)
        if stripped.startswith(("#cgo ", "#cgo\t")) and ":" in stripped and fields(stripped[4:].partition(":")[0]):
            return line
    return None
