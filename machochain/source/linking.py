r"""What the link of a program or test binary takes, and what dyld will do with the result.

Order (measured with Go 1.27): per cgo package [``$CGO_LDFLAGS``, ``#cgo LDFLAGS``, ``pkg-config --libs``], the
program's own first, then what it imports, ``runtime/cgo`` among them; clang hoists all ``-L`` before all ``-l``. Which
package comes before which, behind the program's own, is not certain.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from machochain.dyld.config import UNRESTRICTED, process_config
from machochain.dyld.profile import profile_for
from machochain.golang.flags import Framework, InputFile, Library, LinkMode, RunPathFlag, parse_ldflags
from machochain.golang.modules import is_standard, standard_link_words
from machochain.golang.settings import Settings
from machochain.graph.driver import walk
from machochain.graph.mac import Mac
from machochain.graph.resolve import with_verdict
from machochain.model.arch import Arch
from machochain.model.image import Image
from machochain.model.ospaths import LIBSYSTEM
from machochain.model.paths import TargetPath
from machochain.model.result import LoadedImage, Origin, Result, Unknown, UnknownKind
from machochain.model.value import evolve, frozen
from machochain.model.version import Version
from machochain.source.archive import program_to_come
from machochain.source.chain import Directory, environment_words, framework_directories, library_directories
from machochain.source.libraries import Libraries
from machochain.source.values import (
    BuildTarget,
    FlagOrigin,
    FlagWord,
    FutureRunPath,
    Kind,
    Link,
    PackageFacts,
    Search,
    SearchOutcome,
)

ARCHS: Final = {"arm64": "arm64", "amd64": "x86_64"}
_LDFLAGS: Final = "CGO_LDFLAGS"


def closure(
    packages: Mapping[str, PackageFacts], path: str, *, test: bool
) -> tuple[list[PackageFacts], frozenset[str]]:
    """Return the packages that go into a program, its own first, and those of the standard library it imports."""
    order: list[PackageFacts] = []
    standard: set[str] = set()
    seen = {path}
    pending = [path]
    while pending:
        facts = packages.get(pending.pop(0))
        if facts is None:
            continue
        order.append(facts)
        wanted = [*facts.imports, *(facts.test_imports if test and facts.path == path else ())]
        for each in wanted:
            if each not in packages and is_standard(each):
                standard.add(each)
            elif each not in seen:
                seen.add(each)
                pending.append(each)
    return order, frozenset(standard)


def link_words(
    order: Sequence[PackageFacts], libs: Mapping[str, Sequence[FlagWord]], settings: Settings
) -> Iterator[FlagWord]:
    """Yield what each cgo package brings to the link.

    Args:
        order: The packages of the program.
        libs: What ``pkg-config --libs`` says for each package.
        settings: Go's settings.
    """
    environment = environment_words(settings, _LDFLAGS)
    for facts in order:
        if not facts.cgo:
            continue
        yield from (FlagWord(w.text, w.origin, w.place, w.condition, w.written, facts.path) for w in environment)
        yield from facts.words.get("LDFLAGS", ())
        yield from libs.get(facts.path, ())
        if facts.files.get("MFiles"):
            yield FlagWord("-lobjc", FlagOrigin.GO, package=facts.path)


@frozen
class LinkPlanner:
    """Says what links for one target take.

    Attributes:
        packages: All packages.
        target: For what.
        libraries: Where libraries are.
        libs: What ``pkg-config --libs`` says for each package.
        incomplete: Packages whose pkg-config answer is not known.
    """

    packages: Mapping[str, PackageFacts]
    target: BuildTarget
    libraries: Libraries
    libs: Mapping[str, Sequence[FlagWord]]
    incomplete: frozenset[str]

    def plan(self, program: PackageFacts, settings: Settings, *, test: bool, more: Sequence[FlagWord] = ()) -> Link:
        """Return what a link takes.

        Args:
            program: The main package, or the package whose test binary is meant.
            settings: Go's settings.
            test: Whether the test binary is meant.
            more: Words of ``-extldflags``, which come last.
        """
        target = self.target
        order, standard = closure(self.packages, program.path, test=test)
        external = any(p.cgo for p in order) and target.context.cgo
        words: list[FlagWord] = []
        if external:
            words += link_words(order, self.libs, settings)
            words += (FlagWord(w.text, w.origin, package="runtime/cgo") for w in environment_words(settings, _LDFLAGS))
        words += (
            FlagWord(text, FlagOrigin.GO, package="the standard library")
            for text in standard_link_words(standard, test=test, cgo=external, goarch=target.goarch, minor=target.minor)
        )
        words += more if external else ()
        link = Link(target.name, program.path, test, external, tuple(words))
        unknowns = self._take(link, settings, whole=not any(p.path in self.incomplete for p in order))
        for facts in order:
            unknowns += [f"package {path}, which {facts.path} imports, was not found" for path in facts.unknown_imports]
            if facts.path in self.incomplete:
                unknowns.append(f"what pkg-config says for {facts.path} is not known")
        link.unknowns = tuple(dict.fromkeys(unknowns))
        link.complete = not link.unknowns
        return link

    def _take(self, link: Link, settings: Settings, *, whole: bool) -> list[str]:
        """Look for what the words of a link name; return what is not known of it."""
        of_libraries = library_directories(link.words, self.target, settings)
        of_frameworks = framework_directories(link.words, self.target)
        loads: dict[str, bool] = {}
        static: dict[str, None] = {}
        unknowns: list[str] = []
        searches: list[Search] = []
        run_paths: list[FutureRunPath] = []
        for each in parse_ldflags([w.text for w in link.words]):
            word = link.words[each.word]
            if isinstance(each, RunPathFlag):
                run_paths.append(FutureRunPath(each.path, word.origin, word.package, word.place))
                continue
            if not isinstance(each, Library | Framework | InputFile):
                continue
            found = _searched(each, word, self.libraries, of_libraries, of_frameworks)
            if found.outcome is SearchOutcome.MISSING and not whole and found.kind is not Kind.FILE:
                # Directories of one package serve all of the link, and pkg-config may name some.
                found = evolve(found, outcome=SearchOutcome.UNKNOWN)
            searches.append(found)
            if found.outcome is not SearchOutcome.FOUND:
                unknowns.append(f"{_shown(found)} of {word.package} was not found")
            elif found.facts.static or found.facts.install_name is None:
                if found.winner is not None and found.winner not in static:
                    static[found.winner] = None
                    unknowns.append(f"what {found.winner} needs besides is not known")
            else:
                weak = each.mode is LinkMode.WEAK
                loads[found.facts.install_name] = weak and loads.get(found.facts.install_name, True)
                if found.doubtful and word.origin is not FlagOrigin.GO:
                    unknowns.append(f"{_shown(found)} of {word.package} may lie in a directory nobody saw")
        loads.setdefault(LIBSYSTEM, False)
        link.loads, link.run_paths = tuple(loads.items()), tuple(run_paths)
        link.searches, link.static = tuple(searches), tuple(static)
        return unknowns


def _searched(
    each: Library | Framework | InputFile,
    word: FlagWord,
    libraries: Libraries,
    of_libraries: Sequence[Directory],
    of_frameworks: Sequence[Directory],
) -> Search:
    if isinstance(each, Library):
        return libraries.search(Kind.LIBRARY, each.name, of_libraries, word, word.package)
    if isinstance(each, Framework):
        return libraries.search(Kind.FRAMEWORK, each.name, of_frameworks, word, word.package)
    return libraries.search(Kind.FILE, each.path, (), word, word.package)


def _shown(search: Search) -> str:
    return {Kind.LIBRARY: "-l", Kind.FRAMEWORK: "-framework "}.get(search.kind, "") + search.name


def image_to_come(link: Link, macos: Version) -> Image:
    """Return the header of the program a link makes."""
    arch = Arch.named(ARCHS[link.target.partition("/")[2]])
    return program_to_come(arch, link.loads, [r.path for r in link.run_paths], macos, Version.of(11))


def resolve_link(link: Link, mac: Mac, place: str, macos: Version, *, cwd: str = "/") -> Result:
    """Return what dyld will do with a program, which is never said to launch: nobody has linked it."""
    image = image_to_come(link, macos)
    main = LoadedImage(0, TargetPath(place), Origin.DISK, image=image)
    config = process_config(profile_for(macos), macos, image, main.path, security=UNRESTRICTED, environment={})
    walked = walk(mac, main, config, cwd=cwd)
    words = link.unknowns or ("nobody has linked it yet",)
    unknowns = (*walked.unknowns, *(Unknown(UnknownKind.NOT_LINKED, (text,)) for text in words))
    return with_verdict(
        Result(
            input=link.program,
            path=main.path,
            arch=image.arch.name,
            file_type="MH_EXECUTE",
            macos=macos,
            hardened=config.hardened,
            launches=True,
            message=walked.message,
            images=walked.images,
            loads=walked.loads,
            unknowns=unknowns,
        )
    )
