r"""What ``pkg-config --cflags`` and ``--libs`` print, without the program.

pkgconf 1.8.1, ``libpkgconf`` (``parser.c``, ``pkg.c``, ``fragment.c``): variables, closures over ``Requires``, order
of flags, versions, ``Provides``, sysroot.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from machochain.golang.fragments import Fragments, fragments, words_of
from machochain.model.value import define, field, frozen

_FIELD: Final = re.compile(r"\s*([A-Za-z0-9_.\-]+)\s*([:=])\s*(.*)", re.DOTALL)
_VARIABLE: Final = re.compile(r"\$\{([^}]*)\}")
_DEPENDENCY: Final = re.compile(r"([^\s,<>=!]+)(?:\s*(<=|>=|!=|<|>|=)\s*([^\s,]+))?")
_DEPTH: Final = 50
_MOST: Final = 5000
"""Files of one answer: nobody has more, but files that require one another may ask for it."""


@frozen
class Dependency:
    """One name of a ``Requires`` field, with the version it asks for."""

    name: str
    operator: str = ""
    version: str = ""


@define
class PcFile:
    """A ``.pc`` file.

    Attributes:
        path: Where it lies.
        name: Its name: that of the file without ``.pc``.
        fields: Fields with their variables put in.
        variables: Variables.
    """

    path: str
    name: str
    fields: dict[str, str] = field(factory=dict)
    variables: dict[str, str] = field(factory=dict)

    @property
    def version(self) -> str:
        """The ``Version`` field."""
        return self.fields.get("version", "")

    def dependencies(self, key: str) -> tuple[Dependency, ...]:
        """Return the names of a field such as ``Requires``."""
        text = self.fields.get(key, "")
        return tuple(Dependency(m[1], m[2] or "", m[3] or "") for m in _DEPENDENCY.finditer(text))


@frozen
class PcProblem:
    """Why there are no flags.

    Attributes:
        name: The package that is missing or too old.
        text: One sentence.
        wanted_by: The package that asks for it; ``""`` for the caller.
        tried: Paths that were tried.
    """

    name: str
    text: str
    wanted_by: str = ""
    tried: tuple[str, ...] = ()


@frozen
class PcFlags:
    """The answer for some packages.

    Attributes:
        cflags: Words of ``--cflags``, in order.
        libs: Words of ``--libs``, in order.
        files: Files that were read, by depth first.
        problems: Why it is not complete; Go fails then.
    """

    cflags: tuple[str, ...] = ()
    libs: tuple[str, ...] = ()
    files: tuple[PcFile, ...] = ()
    problems: tuple[PcProblem, ...] = ()


def parse_pc(text: str, path: str, *, sysroot: str = "", defined: Mapping[str, str] | None = None) -> PcFile:
    """Read a ``.pc`` file. ``defined`` are variables from outside, which win."""
    name = posixpath.basename(path).removesuffix(".pc")
    file = PcFile(path, name)
    variables = {"pcfiledir": posixpath.dirname(path), "pc_sysrootdir": sysroot or "/"}
    variables |= dict(defined or {})
    fixed = frozenset(defined or {})
    for line in _lines(text):
        match = _FIELD.match(line)
        if match is None:
            continue
        key, sign, value = match.group(1), match.group(2), match.group(3).strip()
        expanded = _expand(value, variables, sysroot.rstrip("/"))
        if sign == "=":
            if key not in fixed:
                variables[key] = expanded.strip('"') if expanded[:1] == expanded[-1:] == '"' else expanded
        else:
            file.fields[key.lower()] = expanded
    file.variables = variables
    return file


def _lines(text: str) -> Iterator[str]:
    pending = ""
    for raw in text.replace("\r\n", "\n").split("\n"):
        line = pending + raw
        pending = ""
        if line.endswith("\\") and not line.endswith("\\\\"):
            pending = line[:-1]
            continue
        yield re.sub(r"(?<!\\)#.*", "", line).replace("\\#", "#")
    if pending:
        yield pending


def _expand(text: str, variables: Mapping[str, str], sysroot: str, depth: int = 0) -> str:
    """Put variables into a text; a text that begins with a slash gets the sysroot, once (``pkgconf_tuple_parse``)."""
    before = sysroot if text.startswith("/") and not text.startswith(sysroot) else ""
    if "$" not in text or depth > _DEPTH:
        return before + text

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        known = variables.get(name, "")
        return known if name == "pc_sysrootdir" else _expand(known, variables, sysroot, depth + 1)

    expanded = before + _VARIABLE.sub(value, text).replace("$$", "$")
    if sysroot and expanded.startswith("/") and sysroot in expanded[len(sysroot) :]:
        return expanded[len(sysroot) :]
    return expanded


def split_fragments(text: str) -> tuple[str, ...]:
    """Split flags as pkgconf does: quotes and backslashes protect."""
    words: list[str] = []
    word: list[str] = []
    quote, started = "", False
    at = 0
    while at < len(text):
        char = text[at]
        if quote:
            if char == quote:
                quote = ""
            elif char == "\\" and quote == '"' and text[at + 1 : at + 2] in ("\\", '"', "$", "`"):
                at += 1
                word.append(text[at])
            else:
                word.append(char)
        elif char in "'\"":
            quote, started = char, True
        elif char == "\\" and at + 1 < len(text):
            at += 1
            word.append(text[at])
            started = True
        elif char.isspace():
            if started or word:
                words.append("".join(word))
                word, started = [], False
        else:
            word.append(char)
        at += 1
    if started or word:
        words.append("".join(word))
    return tuple(words)


def compare_versions(left: str, right: str) -> int:
    """Compare as rpm does (``pkgconf_compare_version``): -1, 0 or 1."""
    if left.casefold() == right.casefold():
        return 0
    a, b = left, right
    while a or b:
        a, b = re.sub(r"^[^A-Za-z0-9~]+", "", a), re.sub(r"^[^A-Za-z0-9~]+", "", b)
        if a.startswith("~") or b.startswith("~"):
            if not a.startswith("~"):
                return 1
            if not b.startswith("~"):
                return -1
            a, b = a[1:], b[1:]
            continue
        if not (a and b):
            break
        pattern = r"^[0-9]+" if a[0].isdigit() else r"^[A-Za-z]+"
        one, two = re.match(pattern, a), re.match(pattern, b)
        assert one is not None
        if two is None:
            return 1 if a[0].isdigit() else -1
        x, y = one.group(), two.group()
        a, b = a[len(x) :], b[len(y) :]
        if x[0].isdigit():
            x, y = x.lstrip("0"), y.lstrip("0")
            if len(x) != len(y):
                return 1 if len(x) > len(y) else -1
        if x != y:
            return 1 if x > y else -1
    return 0 if not (a or b) else 1 if a else -1


_TESTS: Final[Mapping[str, Callable[[int], bool]]] = {
    "": lambda _: True, "=": lambda c: c == 0, "!=": lambda c: c != 0, "<": lambda c: c < 0, "<=": lambda c: c <= 0,
    ">": lambda c: c > 0, ">=": lambda c: c >= 0,
}  # fmt: skip

ReadText = Callable[[str], str | None]
"""The text of a file by its path; None if it is not there."""


class PkgConfig:
    """A search path and what was read from it."""

    def __init__(
        self,
        directories: Sequence[str],
        read: ReadText,
        *,
        sysroot: str = "",
        list_names: Callable[[str], Sequence[str]] | None = None,
        system: Sequence[str] = ("/usr/lib",),
    ) -> None:
        """Take where to look.

        Args:
            directories: ``PKG_CONFIG_PATH``, then ``PKG_CONFIG_LIBDIR`` or the built-in path.
            read: How to read a file.
            sysroot: ``PKG_CONFIG_SYSROOT_DIR``.
            list_names: Names in a directory, for ``Provides``; None leaves it out.
            system: Directories that the linker searches anyway: ``-L`` of these is left out.
        """
        self.directories = tuple(directories)
        self.sysroot = sysroot.rstrip("/")
        self._read = read
        self._names = list_names
        self._system = frozenset(system)
        self._files: dict[str, PcFile | None] = {}

    def find(self, name: str) -> PcFile | None:
        """Return the file of a package: by its name, by a path ending in ``.pc``, else by who provides it."""
        if name not in self._files:
            self._files[name] = self._find(name)
        return self._files[name]

    def paths(self, name: str) -> tuple[str, ...]:
        """Return the paths that are tried for a package."""
        if name.endswith(".pc"):
            return (name,)
        return tuple(f"{d.rstrip('/')}/{name}.pc" for d in self.directories)

    def _find(self, name: str) -> PcFile | None:
        for path in self.paths(name):
            text = self._read(path)
            if text is not None:
                return parse_pc(text, path, sysroot=self.sysroot)
        return next((f for f in self._all() if any(d.name == name for d in f.dependencies("provides"))), None)

    def _all(self) -> Iterator[PcFile]:
        if self._names is None:
            return
        for directory in self.directories:
            for name in sorted(self._names(directory)):
                if name.endswith(".pc"):
                    text = self._read(f"{directory.rstrip('/')}/{name}")
                    if text is not None:
                        yield parse_pc(text, f"{directory.rstrip('/')}/{name}", sysroot=self.sysroot)

    def flags(self, names: Sequence[str], *, static: bool = False) -> PcFlags:
        """Return the flags of packages.

        Args:
            names: Packages, each perhaps with a version: ``foo >= 1.2`` as one word or three.
            static: ``--static``.
        """
        wanted = [Dependency(m[1], m[2] or "", m[3] or "") for m in _DEPENDENCY.finditer(" ".join(names))]
        problems: list[PcProblem] = []
        every = self._closure(wanted, problems, private=True)
        plain = every if static else self._closure(wanted, [], private=False)
        cflags, libs = Fragments([]), Fragments([])
        for each, _ in every:
            self._copy(each, "cflags", cflags, private=False)
        for each, _ in every if static else ():
            self._copy(each, "cflags.private", cflags, private=True)
        for each, is_private in plain:
            self._copy(each, "libs", libs, private=is_private)
            if static:
                self._copy(each, "libs.private", libs, private=True)
        return PcFlags(
            tuple(words_of(f for f in cflags.items if (f.kind, f.data) != ("I", "/usr/include"))),
            tuple(words_of(f for f in libs.items if f.kind != "L" or f.data not in self._system)),
            tuple({f.path: f for f, _ in every}.values()),
            tuple(problems),
        )

    def _closure(
        self, wanted: Sequence[Dependency], problems: list[PcProblem], *, private: bool
    ) -> list[tuple[PcFile, bool]]:
        """Return files with what they require behind them, and whether ``Requires.private`` led there.

        A file that is required twice stands there twice: of its libraries the last mention counts. pkgconf keeps one
        mark for "private", which the end of any list clears, so only the first way down such a list has it.
        """
        marked = False
        order: list[tuple[PcFile, bool]] = []
        above: set[str] = set()

        def visit(dependency: Dependency, by: str) -> None:
            nonlocal marked
            found = self.find(dependency.name)
            if found is None:
                who = f", required by '{by}'," if by else ""
                text = f"Package {dependency.name}{who} was not found in the pkg-config search path"
                problems.append(PcProblem(dependency.name, text, by, self.paths(dependency.name)))
                return
            if not _TESTS[dependency.operator](compare_versions(found.version, dependency.version)):
                text = (
                    f"Package dependency requirement '{dependency.name} {dependency.operator} {dependency.version}' "
                    f"could not be satisfied: the version is {found.version}"
                )
                problems.append(PcProblem(dependency.name, text, by))
            if found.path in above or len(order) >= _MOST:
                return
            above.add(found.path)
            order.append((found, marked))
            for each in found.dependencies("requires"):
                visit(each, found.name)
            if private:
                marked = True
                for each in found.dependencies("requires.private"):
                    visit(each, found.name)
                marked = False
            above.discard(found.path)

        for each in wanted:
            visit(each, "")
        return order

    def _copy(self, file: PcFile, key: str, into: Fragments, *, private: bool) -> None:
        for each in fragments(split_fragments(file.fields.get(key, "")), self.sysroot):
            into.copy(each, private=private)
