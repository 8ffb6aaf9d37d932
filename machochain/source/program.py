"""The sources of a program that exists already: where its packages lie, which run paths they give, what tests load."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from machochain.dyld.profile import NEWEST
from machochain.golang.recorded import recorded_tags
from machochain.model.errors import UsageError
from machochain.model.go import GoBuildInfo
from machochain.model.image import Image
from machochain.model.launch import LaunchContext
from machochain.model.paths import TargetPath, leaf
from machochain.model.value import evolve, frozen
from machochain.source.linking import ARCHS, image_to_come
from machochain.source.values import FlagOrigin, Link, SourceReport

_VARIABLES = ("CGO_CFLAGS", "CGO_CPPFLAGS", "CGO_CXXFLAGS", "CGO_LDFLAGS")


@frozen
class PackageTest:
    """The test binary of one package.

    Attributes:
        link: What its link takes.
        directory: Where the package lies on the modelled Mac.
        own: Whether it is the program's own package.
        shown: The package as ``go test`` takes it: ``./greet``.
    """

    link: Link
    directory: TargetPath
    own: bool
    shown: str

    def context(self, general: LaunchContext) -> LaunchContext:
        """Return a launch context of tests for this package's."""
        name = f"{leaf(self.link.program)}.test"
        folder = general.executable.rpartition("/")[0]
        by_go = general.by_toolchain
        return evolve(
            general,
            id=general.id if self.own else f"{general.id}:{self.shown}",
            title=f"go test {'' if by_go else '-c '}{self.shown}{'' if by_go else ', run here'}",
            executable=TargetPath(f"{folder}/{name}"),
            cwd=self.directory if by_go else general.cwd,
            sets=(("PWD", self.directory),) if by_go else general.sets,
            image=image_to_come(self.link, NEWEST),
            unknowns=self.link.unknowns,
            note=general.note.partition("; the package's directory")[0],
        )


class ProgramSources:
    """Sources, read once it is known which flags the program was built with."""

    def __init__(
        self,
        examine: Callable[[Mapping[str, str], tuple[str, ...]], SourceReport],
        place: Callable[[str], str],
        shown: str,
    ) -> None:
        """Take how to read.

        Args:
            examine: Reads the module with an environment and tags.
            place: Where a directory of this machine lies on the modelled Mac.
            shown: The directory as the user named it.
        """
        self._examine = examine
        self._place = place
        self._shown = shown
        self._report: SourceReport | None = None
        self._path = ""

    def take(self, build: GoBuildInfo | None) -> None:
        """Read the module of a program.

        Raises:
            UsageError: The program is of another module.
        """
        recorded = {name: build.setting(name) or "" for name in _VARIABLES} if build is not None else {}
        tags = recorded_tags(build) if build is not None else ()
        self._report = self._examine({name: value for name, value in recorded.items() if value}, tags)
        self._path = build.path.removesuffix(".test") if build is not None else ""
        main = build.main.path if build is not None and build.main is not None else ""
        known = {self._report.module.path, *(p.module for ps in self._report.packages.values() for p in ps.values())}
        if main and main not in known:
            raise UsageError(
                f"--source {self._shown}: holds module {self._report.module.path or 'without a name'}, the program is "
                f"of {main}"
            )

    @property
    def report(self) -> SourceReport:
        """What was read."""
        assert self._report is not None
        return self._report

    def directory(self, path: str) -> TargetPath | None:
        """Return where a package lies on the modelled Mac; None if it is not among the sources."""
        for packages in self.report.packages.values():
            if path in packages and packages[path].directory:
                return TargetPath(self._place(packages[path].directory))
        return None

    def _links(self, image: Image) -> list[Link]:
        arch = image.arch.name
        goarch = next((goarch for goarch, name in ARCHS.items() if arch.startswith(name)), "")
        return [link for link in self.report.links if link.target == f"darwin/{goarch}"]

    def run_paths(self, image: Image) -> frozenset[str]:
        """Return the run paths that sources or pkg-config give the program: every build has them."""
        return frozenset(
            each.path
            for link in self._links(image)
            if not link.test and link.program == self._path
            for each in link.run_paths
            if each.origin is not FlagOrigin.ENVIRONMENT
        )

    def tests(self, image: Image) -> list[PackageTest]:
        """Return the tests that link C code, the program's own package first."""
        found = []
        root = self.report.module.directory
        for link in self._links(image):
            facts = self.report.packages[link.target].get(link.program)
            if not link.test or not link.external or facts is None:
                continue
            rest = facts.directory.removeprefix(root).strip("/")
            place = TargetPath(self._place(facts.directory))
            found.append(PackageTest(link, place, link.program == self._path, f"./{rest}" if rest else "."))
        return sorted(found, key=lambda test: not test.own)
