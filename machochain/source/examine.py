"""From a directory with Go sources to everything that is told about it."""

# host paths are raw strings

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from machochain.dyld.profile import NEWEST
from machochain.golang.flags import SearchDirectory, parse_ldflags
from machochain.golang.modules import minor_of
from machochain.golang.pkgconfig import PkgConfig
from machochain.golang.settings import Settings, parse_kept
from machochain.graph.mac import Mac
from machochain.model.errors import InputError, UsageError
from machochain.model.value import evolve, field, frozen
from machochain.model.version import Version
from machochain.source.built import BuiltProgram, hold
from machochain.source.carried import Repository, Use, absent_files, outside_words, repository, uncarried
from machochain.source.chain import compiler_words, environment_words, mode_of, pkg_config_directories, sdk_of
from machochain.source.disk import Disk, Record, read_bytes
from machochain.source.golist import packages_of_list, read_go_list
from machochain.source.headers import HeaderWalk
from machochain.source.libraries import Libraries
from machochain.source.linking import LinkPlanner, resolve_link
from machochain.source.loading import (
    Loader,
    Modules,
    absolute_path,
    context_of,
    find_modules,
)
from machochain.source.values import (
    BuildTarget,
    FlagOrigin,
    FlagWord,
    Kind,
    Link,
    Mode,
    ModuleFacts,
    PackageFacts,
    PathState,
    Search,
    SearchOutcome,
    SourcePosition,
    SourceReport,
    TriedPath,
)
from machochain.source.vendoring import lost_files, outside_key
from machochain.world.placement import World, open_world
from machochain.world.system.facts import SystemFacts

NEWEST_GO: Final = 27


@frozen
class SourceRequest:
    """What is asked.

    Attributes:
        directory: The module, or a directory in it.
        goarchs: ``arm64``, ``amd64``.
        go: N of Go 1.N; None to tell from go.mod.
        tags: What ``-tags`` gives.
        environment: Variables of the shell that builds.
        kept: What ``go env -w`` keeps there.
        patterns: Which packages, as ``go list`` takes them, relative to the directory.
        cache: The module cache; None to tell from the variables.
        go_list: Output of ``go list -deps -json -e``; None to read the sources.
        macos: The release that would run the programs.
        pkg_config_path: The built-in path of pkg-config; None if it is not known.
        listings: Names in directories of the Mac, as a snapshot has them.
        texts: Texts of files of the Mac, likewise.
        binary: A program that was built from the module.
    """

    directory: str
    goarchs: tuple[str, ...] = ("arm64", "amd64")
    go: int | None = None
    tags: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(factory=dict)
    kept: Mapping[str, str] = field(factory=dict)
    patterns: tuple[str, ...] = ("./...",)
    cache: str | None = None
    go_list: str | None = None
    macos: Version = NEWEST
    pkg_config_path: tuple[str, ...] | None = None
    listings: Mapping[str, tuple[str, ...]] = field(factory=dict)
    texts: Mapping[str, str] = field(factory=dict)
    binary: BuiltProgram | None = None


def examine(request: SourceRequest, world: World, system: SystemFacts) -> SourceReport:
    """Say what cmd/go, the compiler and the linker take for the packages of a module.

    Raises:
        UsageError: The request makes no sense.
        InputError: The directory or a named file cannot be read.
    """
    settings = Settings(request.environment, request.kept)
    for goarch in request.goarchs:
        if goarch not in ("arm64", "amd64"):
            raise UsageError(f"--goarch is arm64 or amd64, not {goarch!r}")
    modules = find_modules(request.directory, settings, cache=request.cache)
    mac = Mac(open_world(world, []), system)
    roots = [m.directory for m in modules.own]
    disk = Disk(
        mac,
        own=[*roots, modules.cache],
        whole=world.root is not None or sys.platform == "darwin",
        sdks=[str(path) for path in world.sdks],
        record=Record(request.listings, request.texts),
        mapped=[str(path) for path, _ in world.maps],
        builds_here=mode_of(settings)[0] is Mode.CROSS,
        case_sensitive=world.case_sensitive,
    )
    report = SourceReport(_module_facts(modules), settings, ())
    run = _Examination(request, settings, modules, disk, mac, system, report)
    run.all([str(path) for path in world.sdks])
    return report


def _module_facts(modules: Modules) -> ModuleFacts:
    main = modules.main
    return ModuleFacts(
        main.path, main.directory, main.file.go, main.file.toolchain, bool(modules.vendor), modules.workspace or None
    )


def target_of(
    request: SourceRequest, settings: Settings, modules: Modules, goarch: str, sdks: Sequence[str]
) -> BuildTarget:
    """Return for what a module is built."""
    minor, source = request.go, "option"
    if minor is None:
        minor, source = minor_of(modules.main.file.toolchain), "toolchain line"
    if minor is None:
        minor, source = NEWEST_GO, "newest"
        line = modules.main.file.minor
        if line is not None and line > minor:
            minor, source = line, "go line"
    flags = [w.text for n in ("CGO_CPPFLAGS", "CGO_CFLAGS", "CGO_LDFLAGS") for w in environment_words(settings, n)]
    mode, assumed = mode_of(settings, flags)
    try:
        compiler = settings.compiler()
    except UsageError:
        compiler = (settings.get("CC").value,)
    sdk = sdk_of(settings, flags, sdks)
    return BuildTarget(
        "darwin", goarch, minor, source, mode, assumed, compiler, sdk,
        context_of(goarch, settings, minor, request.tags),
    )  # fmt: skip


class _Examination:
    """One run."""

    def __init__(
        self,
        request: SourceRequest,
        settings: Settings,
        modules: Modules,
        disk: Disk,
        mac: Mac,
        system: SystemFacts,
        report: SourceReport,
    ) -> None:
        self.request = request
        self.settings = settings
        self.modules = modules
        self.disk = disk
        self.mac = mac
        self.system = system
        self.report = report
        self.listed: dict[str, tuple[object, ...]] = {}
        self._imported: frozenset[str] = frozenset()
        self._planners: dict[str, LinkPlanner] = {}
        self._judged: set[tuple[str, str]] = set()
        self._repositories: dict[str, Repository | None] = {}

    def all(self, sdks: Sequence[str]) -> None:
        """Look at each target."""
        loader = Loader(self.modules, self.settings, self.disk)
        given = None
        if self.request.go_list is not None:
            data = read_bytes(self.request.go_list, 256 << 20)
            if data is None:
                raise InputError("cannot be read", path=self.request.go_list)
            given = read_go_list(data.decode("utf-8", "surrogateescape"), self.request.go_list)
        targets = []
        headers: dict[str, tuple[object, ...]] = {}
        for goarch in dict.fromkeys(self.request.goarchs):
            target = target_of(self.request, self.settings, self.modules, goarch, sdks)
            targets.append(target)
            if given is not None:
                packages = packages_of_list(given, self.settings, self.modules)
            else:
                packages = loader.load(target, absolute_path(self.request.directory), self.request.patterns)
            for facts in packages.values():
                if facts.directory and not self.disk.is_own(facts.directory):
                    module = self.modules.dependency(facts.module)
                    self.disk.add_own(module.directory if module is not None else facts.directory)
            self.report.packages[target.name] = packages
            self._imported = loader.imported_under_any_tags(packages.values()) if given is None else frozenset()
            self._target(target, packages, headers)
        self.report.targets = tuple(targets)
        if not any(self.report.packages.values()):
            names = " or ".join(target.name for target in targets)
            raise InputError(f"no Go package that is built for {names} lies there", path=self.request.directory)
        self.report.binary = self.request.binary
        if self.request.binary is not None:
            hold(self.request.binary, self.report.packages, self.settings, self._planners, self.disk.host)
        unknown = sorted({p for ps in self.report.packages.values() for f in ps.values() for p in f.unknown_imports})
        if unknown:
            more = f" and {len(unknown) - 3} more" if len(unknown) > 3 else ""
            self.report.notes.append(f"not found: package {', '.join(unknown[:3])}{more}")

    def _target(
        self, target: BuildTarget, packages: dict[str, PackageFacts], headers: dict[str, tuple[object, ...]]
    ) -> None:
        libs: dict[str, tuple[FlagWord, ...]] = {}
        incomplete: set[str] = set()
        used: list[tuple[PackageFacts, str, bool, SourcePosition]] = []
        walk = HeaderWalk(self.disk, target, self.settings, headers)  # type: ignore[arg-type]
        libraries = Libraries(self.disk, self.system, self.request.macos, target)
        pc = self._pkg_config()
        for facts in packages.values():
            if not facts.cgo:
                continue
            cflags, linked, complete = self._pkg_config_words(facts, target, pc)
            libs[facts.path] = linked
            if not complete:
                incomplete.add(facts.path)
            words = {verb: compiler_words(facts, self.settings, cflags, verb) for verb in ("CFLAGS", "CXXFLAGS")}
            facts.words["compiler"] = words["CFLAGS"]
            facts.words["pkg-config --libs"] = linked
            reached = walk.closure(facts, words)
            searches = reached.searches
            if not complete:
                searches = [
                    evolve(s, outcome=SearchOutcome.UNKNOWN) if s.outcome is SearchOutcome.MISSING else s
                    for s in searches
                ]
            self.report.searches += searches
            used += [(facts, path, sure, place) for path, (sure, place) in reached.used.items()]
            used += list(self._named_files(facts))
            if facts.own or self._replaced(facts):
                outside = outside_key(facts, [p for p, (sure, _) in reached.used.items() if sure])
                if outside:
                    self.report.outside.setdefault(facts.path, outside)
        planner = LinkPlanner(packages, target, libraries, libs, frozenset(incomplete))
        self._planners[target.name] = planner
        self._links(planner)
        roots = self._roots(packages)
        self._carried(target, packages, used, roots)
        known = {(each.module, each.file) for each in self.report.lost}
        self.report.lost += [
            each
            for each in lost_files(used, packages.values(), roots, self._imported)
            if (each.module, each.file) not in known
        ]

    def _roots(self, packages: Mapping[str, PackageFacts]) -> dict[str, str]:
        """Return the directory of each module by its path."""
        roots = {m.path: m.directory for m in self.modules.own}
        for facts in packages.values():
            if facts.module not in roots and not facts.vendored:
                module = self.modules.dependency(facts.module)
                if module is not None:
                    roots[facts.module] = module.directory
        return roots

    def _carried(
        self, target: BuildTarget, packages: Mapping[str, PackageFacts], used: Sequence[Use], roots: Mapping[str, str]
    ) -> None:
        def module_of(facts: PackageFacts) -> tuple[str, str] | None:
            return None if facts.vendored or facts.module not in roots else (facts.module, roots[facts.module])

        def around(directory: str) -> Repository | None:
            if directory not in self._repositories:
                self._repositories[directory] = repository(directory)
            return self._repositories[directory]

        searches = [s for s in self.report.searches if s.target == target.name]
        outside = [
            use
            for facts in packages.values()
            if (module := module_of(facts)) is not None
            for use in outside_words(facts, module[1])
        ]
        wanted = [*outside, *absent_files(searches, packages, module_of)]
        found = around(self.modules.main.directory)
        self.report.repository = found is not None and found.tracked is not None
        # A file that is there is the same for each target.
        fresh = [use for use in used if (use[0].path, use[1]) not in self._judged]
        self._judged.update((facts.path, path) for facts, path, _, _ in fresh)
        known = {(each.package, each.path) for each in self.report.uncarried}
        self.report.uncarried += [
            each for each in uncarried(fresh, wanted, module_of, around) if (each.package, each.path) not in known
        ]

    def _replaced(self, facts: PackageFacts) -> bool:
        module = self.modules.dependency(facts.module)
        return module is not None and module.replaced and not facts.vendored

    def _named_files(self, facts: PackageFacts) -> Iterable[tuple[PackageFacts, str, bool, SourcePosition]]:
        """Yield libraries of the module that flags name, by path or by ``-L`` and ``-l``."""
        words = facts.words.get("LDFLAGS", ())
        inputs = parse_ldflags([w.text for w in words])
        folders = [i.path for i in inputs if isinstance(i, SearchDirectory) and not i.frameworks]
        for each in inputs:
            name = getattr(each, "name", None)
            place = words[each.word].place
            if name is not None and type(each).__name__ == "Library":
                for folder in folders:
                    for suffix in (".a", ".dylib", ".so"):
                        path = f"{folder.rstrip('/')}/lib{name}{suffix}"
                        if self.disk.is_own(path) and self.disk.exists(path):
                            yield facts, path, False, place
            elif type(each).__name__ == "InputFile":
                path = str(getattr(each, "path", ""))
                if self.disk.is_own(path) and self.disk.exists(path):
                    yield facts, path, False, place

    # -- pkg-config --

    def _pkg_config(self) -> tuple[PkgConfig, bool]:
        folders, complete = pkg_config_directories(self.settings, self.request.pkg_config_path)
        return (
            PkgConfig(folders, self.disk.text, sysroot=self.settings.variable("PKG_CONFIG_SYSROOT_DIR")),
            complete,
        )

    def _pkg_config_words(
        self, facts: PackageFacts, target: BuildTarget, pc: tuple[PkgConfig, bool]
    ) -> tuple[tuple[FlagWord, ...], tuple[FlagWord, ...], bool]:
        asked = facts.words.get("pkg-config", ())
        names = [w for w in asked if not w.text.startswith("-")]
        if not names:
            return (), (), True
        flags = [w.text for w in asked if w.text.startswith("-")]
        reader, whole = pc
        answer = reader.flags([w.text for w in names], static="--static" in flags)
        missing = {p.name: p for p in answer.problems}
        complete = not missing
        for word in names:
            file = reader.find(word.text)
            problem = missing.get(word.text)
            states = [(path, self.disk.exists(path)) for path in reader.paths(word.text)]
            unseen = not whole and not word.text.endswith(".pc")
            unseen = unseen or any(there is None for _, there in states)
            outcome = (
                SearchOutcome.FOUND if file is not None else SearchOutcome.UNKNOWN if unseen else SearchOutcome.MISSING
            )
            tried = tuple(
                TriedPath(
                    path,
                    PathState.UNSEEN
                    if there is None
                    else PathState.ABSENT
                    if not there
                    else PathState.WINNER
                    if file is not None and path == file.path
                    else PathState.SHADOWED,
                    "PKG_CONFIG_PATH",
                )
                for path, there in states
            )
            if problem is None or outcome is not SearchOutcome.FOUND:
                self.report.searches.append(
                    Search(
                        target.name,
                        Kind.PKG_CONFIG,
                        word.text,
                        facts.path,
                        word.place,
                        True,
                        outcome,
                        file.path if file is not None else None,
                        tried,
                        word=word,
                    )
                )
        for name, problem in missing.items():
            if problem.wanted_by:
                self.report.searches.append(
                    Search(
                        target.name,
                        Kind.PKG_CONFIG,
                        name,
                        facts.path,
                        names[0].place,
                        True,
                        SearchOutcome.MISSING if whole else SearchOutcome.UNKNOWN,
                        None,
                        tuple(
                            TriedPath(p, PathState.ABSENT, f"required by {problem.wanted_by}") for p in problem.tried
                        ),
                        word=names[0],
                    )
                )
        title = " ".join(w.text for w in names)
        place = names[0].place

        def word_of(text: str) -> FlagWord:
            return FlagWord(text, FlagOrigin.PKG_CONFIG, place, written=title, package=facts.path)

        return tuple(map(word_of, answer.cflags)), tuple(map(word_of, answer.libs)), complete

    # -- links --

    def _links(self, planner: LinkPlanner) -> None:
        told: set[tuple[str, str, str]] = set()
        packages = planner.packages
        for facts in packages.values():
            if not (facts.asked and (facts.main or facts.tests)):
                continue
            for test in (False, True):
                if (test and not facts.tests) or (not test and not facts.main):
                    continue
                link = planner.plan(facts, self.settings, test=test)
                name = f"{facts.path.rpartition('/')[2]}{'.test' if test else ''}"
                link.result = resolve_link(link, self.mac, f"{facts.directory}/{name}", self.request.macos)
                self.report.links.append(link)
                self._take(link, told)
        linked = {package for package, _, _ in told}
        for facts in packages.values():
            # A package that no program or test takes is linked with nothing; its own flags are looked at all the same.
            if facts.cgo and facts.path not in linked:
                link = planner.plan(facts, self.settings, test=False)
                self._take(link, told)
                linked.update(search.package for search in link.searches)

    def _take(self, link: Link, told: set[tuple[str, str, str]]) -> None:
        for search in link.searches:
            key = (search.package, search.kind.value, search.name)
            given = search.word is not None and search.word.origin is not FlagOrigin.GO
            if key not in told and (given or search.outcome is SearchOutcome.MISSING):
                told.add(key)
                self.report.searches.append(search)


def kept_of(text: str) -> dict[str, str]:
    """Return what a file of ``go env -w`` keeps."""
    return parse_kept(text)
