r"""Which packages a module has and imports, each read for each target.

Go 1.27: ``cmd/go/internal/modload`` (``import.go``: where an import path's directory is), ``cmd/go/internal/search``
(which directories a pattern names), ``cmd/go/internal/load``.
"""

# ruff: noqa: PTH100, PTH112, PTH113, PTH118, PTH120  # host paths are raw strings

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from machochain.golang.constraint import BuildContext
from machochain.golang.modules import (
    ModuleFile,
    VendoredModule,
    escape_path,
    is_standard,
    parse_module_file,
    parse_vendor,
)
from machochain.golang.package import GoPackage, Heads, read_package
from machochain.golang.security import check_flags
from machochain.golang.settings import Settings
from machochain.model.errors import InputError, UsageError
from machochain.model.value import define, field, frozen
from machochain.source.disk import Disk, read_bytes, regular_names
from machochain.source.values import BuildTarget, FlagOrigin, FlagWord, PackageFacts, SourcePosition

LISTS: Final = {
    "GoFiles": "go_files", "CgoFiles": "cgo_files", "CFiles": "c_files", "CXXFiles": "cxx_files", "MFiles": "m_files",
    "HFiles": "h_files", "FFiles": "f_files", "SFiles": "s_files", "SwigFiles": "swig_files",
    "SwigCXXFiles": "swigcxx_files", "SysoFiles": "syso_files", "TestGoFiles": "test_go_files",
    "XTestGoFiles": "xtest_go_files", "IgnoredGoFiles": "ignored_go_files", "IgnoredOtherFiles": "ignored_other_files",
}  # fmt: skip


@frozen
class Module:
    """A module whose directory is known.

    Attributes:
        path: Its path.
        directory: Where it lies.
        own: Whether it is worked on: the main module, or one of the workspace.
        file: Its go.mod.
        replaced: Whether a directory stands for it.
    """

    path: str
    directory: str
    own: bool = True
    file: ModuleFile = field(factory=ModuleFile)
    replaced: bool = False


@define
class Modules:
    """Where packages are.

    Attributes:
        main: The module DIR lies in.
        own: All modules that are worked on, the main one first.
        vendor: The vendor directory builds use; ``""`` for none.
        vendored: What it holds.
        cache: The module cache; ``""`` if it is not known.
        workspace: The go.work file; ``""`` for none.
    """

    main: Module
    own: tuple[Module, ...]
    vendor: str = ""
    vendored: tuple[VendoredModule, ...] = ()
    cache: str = ""
    workspace: str = ""
    _dependencies: dict[str, Module | None] = field(factory=dict)

    def locate(self, path: str) -> tuple[str, Module | None, bool] | None:
        """Return a package's directory, its module and whether it is vendored; None if it is not known."""
        for module in self.own:
            rest = _below(path, module.path)
            if rest is not None:
                directory = os.path.join(module.directory, rest) if rest else module.directory
                if os.path.isdir(directory) and not other_module(directory, module.directory):
                    return directory, module, False
        if self.vendor:
            directory = os.path.join(self.vendor, path)
            if os.path.isdir(directory):
                return directory, self._vendored_module(path), True
            return None
        for module in self._candidates(path):
            rest = _below(path, module.path)
            assert rest is not None
            directory = os.path.join(module.directory, rest) if rest else module.directory
            if os.path.isdir(directory):
                return directory, module, False
        return None

    def _vendored_module(self, path: str) -> Module | None:
        for each in self.vendored:
            if path in each.packages:
                return Module(each.path, self.vendor, own=False, replaced=each.replaced is not None)
        return None

    def _candidates(self, path: str) -> Iterator[Module]:
        """Yield modules that may hold a package, longest path first."""
        parts = path.split("/")
        for count in range(len(parts), 0, -1):
            module = self.dependency("/".join(parts[:count]))
            if module is not None:
                yield module

    def dependency(self, path: str) -> Module | None:
        """Return a module that is required, if its directory is known."""
        if path in self._dependencies:
            return self._dependencies[path]
        found = self._dependencies[path] = self._dependency(path)
        return found

    def _dependency(self, path: str) -> Module | None:
        for owner in self.own:
            version = owner.file.require.get(path)
            if version is None:
                continue
            replacement = owner.file.replacement(path, version)
            if replacement is not None and not replacement.version:
                directory = os.path.normpath(os.path.join(owner.directory, replacement.path))
                return Module(path, directory, own=False, replaced=True) if os.path.isdir(directory) else None
            name, wanted = (replacement.path, replacement.version) if replacement else (path, version)
            if not self.cache:
                return None
            directory = os.path.join(self.cache, f"{escape_path(name)}@{escape_path(wanted)}")
            return Module(path, directory, own=False) if os.path.isdir(directory) else None
        return None


def _below(path: str, module: str) -> str | None:
    """Return what follows a module's path in an import path; None if the package is not of that module."""
    if path == module:
        return ""
    return path[len(module) + 1 :] if module and path.startswith(f"{module}/") else None


def other_module(directory: str, root: str) -> bool:
    """Whether a go.mod between a directory and its module's root makes it part of another module."""
    while len(directory) > len(root):
        if os.path.isfile(os.path.join(directory, "go.mod")):
            return True
        directory = os.path.dirname(directory)
    return False


def find_modules(directory: str, settings: Settings, *, cache: str | None = None) -> Modules:
    """Find the module a directory lies in, the workspace around it, and its vendor directory.

    Raises:
        InputError: The directory is not there.
    """
    start = absolute_path(directory)
    if not os.path.isdir(start):
        raise InputError("no such directory", path=directory)
    root = _above(start, "go.mod")
    main = _module(root) if root else Module("", start)
    own = [main]
    workspace = ""
    if settings.get("GOWORK").value != "off":
        given = settings.get("GOWORK").value
        workspace = given if given.startswith("/") else ""
        if not workspace and (above := _above(start, "go.work")):
            workspace = os.path.join(above, "go.work")
    if workspace:
        text = (read_bytes(workspace) or b"").decode("utf-8", "surrogateescape")
        used = [os.path.normpath(os.path.join(os.path.dirname(workspace), u)) for u in parse_module_file(text).use]
        if main.directory in used or not root:
            own += [_module(u) for u in used if u != main.directory and os.path.isfile(os.path.join(u, "go.mod"))]
            if not root and len(own) > 1:
                own.pop(0)
        else:
            workspace = ""
    vendor_root = os.path.dirname(workspace) if workspace else main.directory
    modules = Modules(main, tuple(own), cache=cache or _cache(settings), workspace=workspace)
    vendor = os.path.join(vendor_root, "vendor")
    listed = read_bytes(os.path.join(vendor, "modules.txt"))
    minor = main.file.minor
    if listed is not None and settings.mod in ("", "vendor") and (minor is None or minor >= 14):
        modules.vendor = vendor
        modules.vendored = parse_vendor(listed.decode("utf-8", "surrogateescape"))
    return modules


def absolute_path(path: str) -> str:
    """Return an absolute path with one slash in front: POSIX keeps two."""
    return "/" + os.path.abspath(path).lstrip("/")


def _above(directory: str, name: str) -> str:
    while True:
        if os.path.isfile(os.path.join(directory, name)):
            return directory
        parent = os.path.dirname(directory)
        if parent == directory:
            return ""
        directory = parent


def _module(root: str) -> Module:
    data = read_bytes(os.path.join(root, "go.mod")) or b""
    file = parse_module_file(data.decode("utf-8", "surrogateescape"))
    return Module(file.module, root, file=file)


def _cache(settings: Settings) -> str:
    given = settings.get("GOMODCACHE").value
    if given:
        return given
    path = settings.get("GOPATH").value.partition(":")[0]
    return os.path.join(path, "pkg", "mod") if path else ""


def package_directories(root: str) -> Iterator[str]:
    """Yield the directories below a module's root that ``./...`` looks at."""
    pending = [root]
    while pending:
        directory = pending.pop()
        try:
            with os.scandir(directory) as entries:
                listed = sorted(entries, key=lambda e: e.name)
        except OSError:
            continue
        below = []
        has_go = False
        for entry in listed:
            name = entry.name
            if entry.is_dir(follow_symlinks=False):
                if name[0] in "_." or name in ("testdata", "vendor"):
                    continue
                if not os.path.isfile(os.path.join(entry.path, "go.mod")):
                    below.append(entry.path)
            elif name.endswith(".go"):
                has_go = True
        if has_go:
            yield directory
        pending += reversed(below)


class Loader:
    """Reads packages, each directory once."""

    def __init__(self, modules: Modules, settings: Settings, disk: Disk) -> None:
        """Take where packages are."""
        self.modules = modules
        self.settings = settings
        self.disk = disk
        self._read: dict[str, tuple[tuple[str, ...], Heads]] = {}
        self._located: dict[str, tuple[str, Module | None, bool] | None] = {}

    def load(self, target: BuildTarget, start: str, patterns: Sequence[str]) -> dict[str, PackageFacts]:
        """Return the packages a pattern names and all they import, by import path.

        Raises:
            UsageError: A pattern names nothing, or is none.
        """
        found: dict[str, PackageFacts] = {}
        pending: list[str] = []
        for directory, module in self._asked(start, patterns):
            path = _import_path(directory, module)
            facts = self._facts(path, directory, module, target, vendored=False)
            # A directory without a Go file for this target is no package of it, and no mistake.
            if facts.problems and not facts.problems[0].file:
                continue
            facts.asked = True
            found[path] = facts
            pending.append(path)
        while pending:
            facts = found[pending.pop()]
            unknown = []
            wanted = [*facts.imports, *(facts.test_imports if facts.own and facts.asked else ())]
            for path in dict.fromkeys(wanted):
                if path in found or path in ("C", "unsafe"):
                    continue
                located = self._locate(path)
                if located is None:
                    if not is_standard(path):
                        unknown.append(path)
                    continue
                directory, owner, vendored = located
                found[path] = self._facts(path, directory, owner, target, vendored=vendored)
                pending.append(path)
            facts.unknown_imports = tuple(p for p in dict.fromkeys(wanted) if self._is_unknown(p))
        return found

    def imported_under_any_tags(self, packages: Iterable[PackageFacts]) -> frozenset[str]:
        """Return directories of packages that some file imports, whatever its constraints say.

        ``go mod vendor`` looks at all files but those under ``//go:build ignore`` (``modload``, ``imports.AnyTags``).
        """
        found: set[str] = set()
        pending = [p.directory for p in packages if p.directory and not p.vendored]
        seen: set[str] = set()
        while pending:
            directory = pending.pop()
            if directory in seen:
                continue
            seen.add(directory)
            for path in self._all_imports(directory):
                located = self._locate(path)
                if located is not None and located[0] not in seen:
                    found.add(located[0])
                    pending.append(located[0])
        return frozenset(found)

    def _all_imports(self, directory: str) -> Iterator[str]:
        names, heads = self._heads(directory)
        for name in names:
            if not name.endswith(".go") or name.endswith("_test.go") or name.startswith(("_", ".")):
                continue
            try:
                head = heads.go(name)
            except OSError:
                continue
            if head.go_build is None or head.go_build.split() != ["//go:build", "ignore"]:
                yield from (i.path for i in head.imports if i.path not in ("C", "unsafe") and not is_standard(i.path))

    def _heads(self, directory: str) -> tuple[tuple[str, ...], Heads]:
        if directory not in self._read:
            try:
                names = regular_names(directory)
            except OSError:
                names = ()
            self._read[directory] = (names, Heads(lambda name: _bytes(os.path.join(directory, name))))
        return self._read[directory]

    def _is_unknown(self, path: str) -> bool:
        return path not in ("C", "unsafe") and not is_standard(path) and self._locate(path) is None

    def _locate(self, path: str) -> tuple[str, Module | None, bool] | None:
        if path not in self._located:
            self._located[path] = self.modules.locate(path)
        return self._located[path]

    def _asked(self, start: str, patterns: Sequence[str]) -> Iterator[tuple[str, Module]]:
        for pattern in patterns:
            if pattern.startswith("-"):
                raise UsageError(f"--package takes a pattern such as ./..., not {pattern!r}")
            every = pattern == "..." or pattern.endswith("/...")
            base = "." if pattern == "..." else pattern.removesuffix("/...") if every else pattern
            if base.startswith((".", "/")):
                root = os.path.normpath(os.path.join(start, base))
            else:
                located = self._locate(base)
                if located is None:
                    raise UsageError(f"--package {pattern}: nothing of that name is known")
                root = located[0]
            if not os.path.isdir(root):
                raise UsageError(f"--package {pattern}: no such directory")
            for directory in package_directories(root) if every else (root,):
                module = self._owner(directory)
                if module is not None:
                    yield directory, module

    def _owner(self, directory: str) -> Module | None:
        fitting = [m for m in self.modules.own if f"{directory}/".startswith(f"{m.directory.rstrip('/')}/")]
        return max(fitting, key=lambda m: len(m.directory), default=None)

    def _facts(
        self, path: str, directory: str, module: Module | None, target: BuildTarget, *, vendored: bool
    ) -> PackageFacts:
        names, heads = self._heads(directory)
        package = read_package(directory, names, heads, target.context)
        own = module is not None and module.own
        facts = facts_of(path, package, self.settings)
        facts.module = module.path if module is not None else ""
        facts.own, facts.vendored = own, vendored
        return facts


def _bytes(path: str) -> bytes:
    data = read_bytes(path)
    if data is None:
        with open(path, "rb"):  # noqa: PTH123  # for the system's own words
            pass
        raise OSError(27, "File too large", path)
    return data


def _import_path(directory: str, module: Module) -> str:
    rest = os.path.relpath(directory, module.directory)
    base = module.path or "command-line-arguments"
    return base if rest == "." else f"{base}/{rest}"


def facts_of(path: str, package: GoPackage, settings: Settings) -> PackageFacts:
    """Return what is told about a directory that was read: flags with their origins, refusals."""
    directory = package.directory

    def place(file: str, line: int) -> SourcePosition:
        return SourcePosition(f"{directory.rstrip('/')}/{file}" if file else directory, line)

    words: dict[str, tuple[FlagWord, ...]] = {}
    refused = []
    for verb in ("CPPFLAGS", "CFLAGS", "CXXFLAGS", "FFLAGS", "LDFLAGS", "pkg-config"):
        found = [w for w in package.words if w.verb == verb]
        if not found:
            continue
        words[verb] = tuple(
            FlagWord(w.text, FlagOrigin.DIRECTIVE, place(w.file, w.line), w.condition, w.written, path) for w in found
        )
        refused += [
            (verb, each, words[verb][each.word].place) for each in refusals(verb, [w.text for w in found], settings)
        ]
    return PackageFacts(
        path,
        directory,
        name=package.name,
        imports=tuple(sorted(package.imports)),
        test_imports=tuple(sorted({*package.test_imports, *package.xtest_imports} - set(package.imports))),
        files={key: tuple(getattr(package, name)) for key, name in LISTS.items() if getattr(package, name)},
        words=words,
        lines=tuple(package.lines),
        refused=tuple(refused),
        problems=tuple(package.problems),
        detached=tuple(place(file, line) for file, line in package.detached),
        cgo_tests=tuple(package.cgo_tests),
        embeds=tuple(package.embeds),
    )


def refusals(verb: str, words: Sequence[str], settings: Settings) -> Iterable[Any]:
    """Return what cmd/go refuses of the words of one verb, with the overrides of the settings."""
    if verb == "pkg-config":
        flags = [w for w in words if w.startswith("-")]
        return check_flags(verb, "pkg-config", flags) if flags else ()
    allow, disallow = (settings.get(f"CGO_{verb}_{what}").value or None for what in ("ALLOW", "DISALLOW"))
    try:
        return check_flags(verb, f"#cgo {verb}", words, allow=allow, disallow=disallow)
    except re.error:
        return check_flags(verb, f"#cgo {verb}", words)


def context_of(
    goarch: str, settings: Settings, minor: int, tags: Iterable[str], *, goos: str = "darwin"
) -> BuildContext:
    """Return what holds in conditions for a target."""
    from machochain.golang.constraint import release_tags  # noqa: PLC0415
    from machochain.golang.settings import experiment_tags, feature_tags  # noqa: PLC0415

    more = {*settings.tags, *tags}
    return BuildContext(
        goos, goarch, settings.get("CGO_ENABLED").value != "0",
        release_tags(minor) | feature_tags(settings, goarch) | experiment_tags(settings) | more,
    )  # fmt: skip
