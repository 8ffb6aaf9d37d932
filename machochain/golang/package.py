r"""One package directory as ``go/build`` reads it: which files count, and what their ``#cgo`` lines say.

Go 1.27, ``go/build/build.go`` (``Import``, ``saveCgo``). Lists, flags and texts of errors are Go's.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from machochain.golang.constraint import BuildContext, ConstraintError, parse_expression, parse_plus
from machochain.golang.gofile import Comment, GoFile, comment_lines, has_directive, read_constraints, read_go_file
from machochain.golang.words import GO_SPACE, fields, split_directive
from machochain.model.value import define, field, frozen

VERBS: Final = ("CFLAGS", "CPPFLAGS", "CXXFLAGS", "FFLAGS", "LDFLAGS", "pkg-config")
_LISTS: Final = {
    ".c": "c_files", ".cc": "cxx_files", ".cpp": "cxx_files", ".cxx": "cxx_files", ".m": "m_files",
    ".h": "h_files", ".hh": "h_files", ".hpp": "h_files", ".hxx": "h_files",
    ".f": "f_files", ".F": "f_files", ".for": "f_files", ".f90": "f_files",
    ".s": "s_files", ".S": "s_files", ".sx": "s_files",
    ".swig": "swig_files", ".swigcxx": "swigcxx_files", ".syso": "syso_files",
}  # fmt: skip
_SAFE: Final = re.compile(r"[-+.,/0-9=A-Z_a-z:$@%! ~^\x80-\U0010ffff]+")


@frozen
class CgoWord:
    """One word of a ``#cgo`` line.

    Attributes:
        verb: ``CFLAGS``, ``LDFLAGS``, ``pkg-config``, ….
        text: As the compiler gets it: ``${SRCDIR}`` expanded, ``-I`` and ``-L`` absolute.
        written: As it stands in the source.
        file: Name of the file.
        line: Where, 1-based.
        condition: What stands before the verb; ``""`` for nothing.
    """

    verb: str
    text: str
    written: str
    file: str
    line: int
    condition: str = ""


@frozen
class DirectiveLine:
    """One ``#cgo`` line, whether it holds or not.

    Attributes:
        file: Name of the file.
        line: Where, 1-based.
        conditions: The words before the verb.
        verb: The verb.
        words: What stands behind the colon, as written; None if it cannot be split.
    """

    file: str
    line: int
    conditions: tuple[str, ...]
    verb: str
    words: tuple[str, ...] | None


@frozen
class SourceProblem:
    """Go's own error about a file.

    Attributes:
        text: Go's words, with the file's path as Go has it.
        file: Name of the file; ``""`` for the directory.
        line: Where, 1-based; 0 if that is not known.
    """

    text: str
    file: str = ""
    line: int = 0


@define
class GoPackage:
    """A directory, read for one target. Lists are in the order of ``go list``.

    Attributes:
        directory: Absolute path.
        name: The package's name; ``""`` if no file tells.
        imports: Import paths of the package's own files with the first (file, line) of each.
        test_imports: Likewise of its tests.
        xtest_imports: Likewise of tests in a package of their own.
        words: Words of all ``#cgo`` lines that hold, in order.
        lines: All ``#cgo`` lines of files that count.
        detached: (file, line) of ``#cgo`` lines in comments that do not count.
        embeds: Patterns of ``//go:embed`` lines of the package's own files.
        problems: Go's errors; ``go list`` shows the first.
        cgo_tests: Test files that import ``"C"``.
    """

    directory: str
    name: str = ""
    go_files: list[str] = field(factory=list)
    cgo_files: list[str] = field(factory=list)
    ignored_go_files: list[str] = field(factory=list)
    ignored_other_files: list[str] = field(factory=list)
    test_go_files: list[str] = field(factory=list)
    xtest_go_files: list[str] = field(factory=list)
    invalid_go_files: list[str] = field(factory=list)
    c_files: list[str] = field(factory=list)
    cxx_files: list[str] = field(factory=list)
    m_files: list[str] = field(factory=list)
    h_files: list[str] = field(factory=list)
    f_files: list[str] = field(factory=list)
    s_files: list[str] = field(factory=list)
    swig_files: list[str] = field(factory=list)
    swigcxx_files: list[str] = field(factory=list)
    syso_files: list[str] = field(factory=list)
    imports: dict[str, tuple[str, int]] = field(factory=dict)
    test_imports: dict[str, tuple[str, int]] = field(factory=dict)
    xtest_imports: dict[str, tuple[str, int]] = field(factory=dict)
    words: list[CgoWord] = field(factory=list)
    lines: list[DirectiveLine] = field(factory=list)
    detached: list[tuple[str, int]] = field(factory=list)
    embeds: list[str] = field(factory=list)
    problems: list[SourceProblem] = field(factory=list)
    cgo_tests: list[str] = field(factory=list)

    def flags(self, verb: str) -> tuple[str, ...]:
        """Return the words of one verb, as the compiler gets them."""
        return tuple(w.text for w in self.words if w.verb == verb)

    @property
    def empty(self) -> bool:
        """Whether no Go file of it counts."""
        return not (self.go_files or self.cgo_files or self.test_go_files or self.xtest_go_files)


Read = Callable[[str], bytes]
"""Gives the bytes of a file of the directory by its name. Raises OSError."""


class Heads:
    """Heads of files that have been read, so that a second target need not read them again."""

    def __init__(self, read: Read) -> None:
        """Take how to read a file of one directory."""
        self._read = read
        self._go: dict[str, GoFile] = {}
        self._other: dict[str, tuple[str | None, tuple[str, ...], str | None]] = {}

    def go(self, name: str) -> GoFile:
        """Return the head of a Go file."""
        found = self._go.get(name)
        if found is None:
            found = self._go[name] = read_go_file(self._read(name))
        return found

    def other(self, name: str) -> tuple[str | None, tuple[str, ...], str | None]:
        """Return the constraints of another file."""
        found = self._other.get(name)
        if found is None:
            found = self._other[name] = read_constraints(self._read(name))
        return found


def read_package(directory: str, names: Iterable[str], heads: Heads, context: BuildContext) -> GoPackage:
    """Read a directory.

    Args:
        directory: Absolute path: ``${SRCDIR}``, and what relative ``-I`` and ``-L`` are joined to.
        names: Its regular files, and links that lead to such.
        heads: How to read them.
        context: For what.
    """
    package = GoPackage(directory)
    upper_s: list[str] = []
    first = ""
    for name in sorted(names):
        if name.startswith(("_", ".")):
            continue
        extension = posixpath.splitext(name)[1] if "." in name[1:] else ""
        extension = name[name.rfind(".") :] if "." in name else extension
        if extension != ".go" and extension not in _LISTS:
            continue
        ignored = package.ignored_go_files if extension == ".go" else package.ignored_other_files
        if not context.takes(name):
            ignored.append(name)
            continue
        if extension == ".syso":
            package.syso_files.append(name)
            continue
        if extension != ".go":
            try:
                counts = _counts(*heads.other(name), context)
            except (OSError, ConstraintError):
                ignored.append(name)
                continue
            if not counts:
                ignored.append(name)
            elif extension in (".S", ".sx"):
                upper_s.append(name)
            else:
                getattr(package, _LISTS[extension]).append(name)
            continue
        first = _go_file(package, name, heads, context, first)
    for verb_list in (package.s_files if package.cgo_files else package.ignored_other_files,):
        verb_list.extend(upper_s)
        verb_list.sort()
    if package.empty and not package.problems:
        package.problems.append(SourceProblem(f"no buildable Go source files in {directory}"))
    return package


def _counts(go_build: str | None, plus: Sequence[str], error: str | None, context: BuildContext) -> bool:
    """Say whether constraints hold.

    Raises:
        ConstraintError: Go refuses them; the text is Go's.
    """
    if error is not None:
        raise ConstraintError(error)
    if go_build is not None:
        try:
            return parse_expression(go_build[len("//go:build") :].strip(GO_SPACE))(context.holds)
        except ConstraintError as why:
            raise ConstraintError(f"parsing //go:build line: {why}") from None
    holds = True
    for each in plus:
        try:
            holds = parse_plus(each)(context.holds) and holds
        except ConstraintError:
            continue
    return holds


def _bad(package: GoPackage, name: str, text: str, line: int = 0) -> None:
    package.problems.append(SourceProblem(text, name, line))
    if name not in package.invalid_go_files:
        package.invalid_go_files.append(name)


def _go_file(package: GoPackage, name: str, heads: Heads, context: BuildContext, first: str) -> str:
    """Add a Go file; return the name of the file that named the package."""
    path = f"{package.directory.rstrip('/')}/{name}"
    try:
        head = heads.go(name)
    except OSError as error:
        _bad(package, name, f"open {path}: {(error.strerror or str(error)).lower()}")
        return first
    if head.error is not None and not head.syntax:
        unread = head.error == "unexpected NUL in input"
        _bad(package, name, f"read {path}: {head.error}" if unread else f"{name}: {head.error}")
        return first
    try:
        if not _counts(head.go_build, head.plus_build, None, context):
            package.ignored_go_files.append(name)
            return first
    except ConstraintError as error:
        _bad(package, name, f"{name}: {error}")
        return first
    if head.syntax:
        _bad(package, name, f"{path}:{head.error}", int((head.error or "0").partition(":")[0]))
    if head.package == "documentation":
        package.ignored_go_files.append(name)
        return first
    is_test = name.endswith("_test.go")
    own = head.package
    is_external = is_test and own.endswith("_test") and package.name != own
    if is_external:
        own = own.removesuffix("_test")
    if not package.name:
        package.name, first = own, name
    elif own != package.name:
        _bad(
            package, name,
            f"found packages {package.name} ({first}) and {own} ({name}) in {package.directory}",
        )  # fmt: skip
    is_cgo = _cgo_imports(package, name, path, head, context, is_test=is_test)
    _sort_in(package, name, head, context, is_cgo=is_cgo, is_test=is_test, is_external=is_external)
    return first


def _cgo_imports(
    package: GoPackage, name: str, path: str, head: GoFile, context: BuildContext, *, is_test: bool
) -> bool:
    """Take the ``#cgo`` lines of a file; say whether it is a cgo file."""
    is_cgo = False
    counted: list[tuple[Comment, ...]] = []
    for each in head.imports:
        if each.path != "C":
            continue
        if is_test:
            package.cgo_tests.append(name)
            _bad(package, name, f"use of cgo in test {path} not supported", each.line)
            continue
        is_cgo = True
        counted.append(each.doc)
        if each.doc:
            problem = save_cgo(package, name, path, each.doc, context)
            if problem is not None:
                _bad(package, name, problem.text, problem.line)
    for group in head.groups:
        if group not in counted and (line := has_directive(group)) is not None:
            package.detached.append((name, line))
    return is_cgo


def _sort_in(
    package: GoPackage,
    name: str,
    head: GoFile,
    context: BuildContext,
    *,
    is_cgo: bool,
    is_test: bool,
    is_external: bool,
) -> None:
    imports = package.imports
    if is_cgo and not context.cgo:
        package.ignored_go_files.append(name)
        return
    if is_cgo:
        package.cgo_files.append(name)
    elif is_external:
        package.xtest_go_files.append(name)
        imports = package.xtest_imports
    elif is_test:
        package.test_go_files.append(name)
        imports = package.test_imports
    else:
        package.go_files.append(name)
    for each in head.imports:
        imports.setdefault(each.path, (name, each.line))
    if not is_test:
        package.embeds += [pattern for pattern, _ in head.embeds]


def save_cgo(
    package: GoPackage, name: str, path: str, group: tuple[Comment, ...], context: BuildContext
) -> SourceProblem | None:
    """Take the ``#cgo`` lines of one comment; return Go's error, which ends the reading of it (``saveCgo``)."""
    for orig, number in comment_lines(group):
        line = orig.strip(GO_SPACE)
        if len(line) < 5 or line[:4] != "#cgo" or line[4] not in " \t":
            continue
        split = fields(line)
        if len(split) == 3 and split[1] in ("nocallback", "noescape"):
            continue
        before, colon, behind = line[4:].strip(GO_SPACE).partition(":")
        heads = fields(before)
        if not colon or not heads:
            return SourceProblem(f"{path}: invalid #cgo line: {orig}", name, number)
        conditions, verb = heads[:-1], heads[-1]
        words = split_directive(behind)
        package.lines.append(DirectiveLine(name, number, conditions, verb, words))
        if conditions and not context.any_of(conditions):
            continue
        if words is None:
            return SourceProblem(f"{path}: invalid #cgo line: {orig}", name, number)
        expanded = []
        for word in words:
            text, safe = expand_source_directory(word, package.directory)
            if not safe:
                return SourceProblem(f"{path}: malformed #cgo argument: {text}", name, number)
            expanded.append(text)
        if verb not in VERBS:
            return SourceProblem(f"{path}: invalid #cgo verb: {orig}", name, number)
        if verb != "pkg-config":
            expanded = list(absolute(expanded, package.directory))
        package.words += [
            CgoWord(verb, text, written, name, number, " ".join(conditions))
            for text, written in zip(expanded, words, strict=True)
        ]
    return None


def is_safe(text: str) -> bool:
    """Whether a word of a ``#cgo`` line holds nothing a shell would act on (``safeCgoName``)."""
    return _SAFE.fullmatch(text) is not None


def expand_source_directory(word: str, directory: str) -> tuple[str, bool]:
    """Put the package's directory in the place of ``${SRCDIR}``; say whether the result is safe."""
    chunks = word.split("${SRCDIR}")
    if len(chunks) < 2:
        return word, is_safe(word)
    safe = all(not chunk or is_safe(chunk) for chunk in chunks) and (not directory or is_safe(directory))
    text = directory.join(chunks)
    return text, safe and bool(text)


def absolute(words: Sequence[str], directory: str) -> Iterator[str]:
    """Yield words with the paths of ``-I`` and ``-L`` joined to a directory (``makePathsAbsolute``)."""
    is_path = False
    for word in words:
        if is_path:
            yield word if word.startswith("/") else _joined(directory, word)
            is_path = False
        elif word.startswith(("-I", "-L")):
            is_path = len(word) == 2
            path = word[2:]
            yield word if is_path or path.startswith("/") else word[:2] + _joined(directory, path)
        else:
            yield word


def _joined(directory: str, path: str) -> str:
    """``filepath.Join``."""
    if not directory and not path:
        return ""
    joined = posixpath.normpath(f"{directory}/{path}" if directory else path)
    return "/" + joined.lstrip("/") if joined.startswith("//") else joined
