"""All rules over one process, each image judged once in a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from machochain.dyld.profile import PROFILES
from machochain.findings.draft import NO_FACTS, Case, Draft, Facts, FileCase, GoImage, ReleaseCase, Scene
from machochain.findings.finished import Findings
from machochain.findings.folding import folded
from machochain.findings.registry import load, of_file, of_process, of_release, of_walk
from machochain.model.errors import InputError
from machochain.model.execution import Cause
from machochain.model.filesystem import NodeKind, Presence
from machochain.model.image import FileType, MachOFile
from machochain.model.location import Location
from machochain.model.paths import HostPath, TargetPath
from machochain.model.result import Finding, LoadedImage, Result
from machochain.model.value import evolve

if TYPE_CHECKING:
    from collections.abc import Iterable

    from machochain.dyld.config import ProcessConfig
    from machochain.findings.osfacts import OSFacts
    from machochain.graph.mac import Mac
    from machochain.graph.walked import Walk
    from machochain.model.filesystem import Node, SystemAnswer

_SMALL: Final = 1 << 20
"""Bytes of a file that a rule may read whole."""
_FileKey = tuple[tuple[int, int] | None, int, str]
"""Identity of the file, offset of the slice, path."""
_Timeline = dict[int, tuple[Draft, ...]]
"""What is said of an image, by release."""


def order(finding: Finding | Draft) -> tuple[int, str, str, int, str]:
    """Return the sort key of findings: worst first, then by rule, image, load command and subject."""
    command = -1 if finding.load_command is None else finding.load_command
    return -finding.severity.rank, finding.rule, finding.image, command, finding.subject


class _Known(NamedTuple):
    """What is the same on every release that comes to the same walk."""

    scene: Scene
    facts: Facts
    drafts: tuple[Draft, ...]
    places: Facts
    """What findings are made with: nothing of it keeps alive what was read."""


class Checker:
    """Checks the processes of one run.

    What is true of an image in every process is found out once: a wheel's libraries serve hundreds of processes.
    A checker belongs to one modelled Mac.
    """

    def __init__(
        self,
        tree: Mapping[str, tuple[TargetPath, ...]] | None = None,
        os: OSFacts | None = None,
        locations: Mapping[HostPath, Location] | None = None,
    ) -> None:
        """Start a run.

        Args:
            tree: File name to the places in the analysed tree that bear it, for `stage`; remedies point there.
            os: What is known of the OS, for `stage`.
            locations: Where files are that lie elsewhere than they were read from: members of archives.
        """
        self._tree = tree or {}
        self._locations = locations or {}
        self._os = os
        self._static: dict[_FileKey, tuple[Draft, ...]] = {}
        self._on_release: dict[_FileKey, _Timeline] = {}
        self._examined: dict[_FileKey, ReleaseCase] = {}
        self._reach: dict[tuple[str, str], bool] = {}
        self._near: dict[str, str] = {}
        self._go: dict[tuple[tuple[int, int], int], GoImage | None] = {}
        self._last: _Known | None = None

    def check(self, result: Result, facts: Facts = NO_FACTS) -> tuple[Finding, ...]:
        """Return what all rules say about one process, sorted by `order`."""
        case = Case(result, facts)
        drafts = self._drafts(case, tuple(self._of_scene(case)))
        return tuple(draft.finish(result, facts) for draft in drafts)

    def _drafts(self, case: Case, of_scene: tuple[Draft, ...]) -> list[Draft]:
        """Return what is said of a process on one release, in the order of findings."""
        if case.scene.made_by_go or case.result.prediction is not None:
            load("golang")
        drafts = [*of_process.of(case), *of_scene]
        macos = case.result.macos.packed
        for image, by_release in zip(case.files, self._timelines(case.scene), strict=True):
            found = by_release.get(macos)
            drafts += self._of_release(image, case, by_release) if found is None else found
        drafts = list(folded([d for d in drafts if not _said_of_kernel(d, case.result)]))
        return sorted(_with_go(drafts, case), key=order)

    def stage(self, result: Result, walk: Walk, config: ProcessConfig, mac: Mac) -> Result:  # noqa: ARG002
        """Add the findings to a result: a stage for ``graph.resolve.resolve_node``."""
        # Releases that come to the same walk follow one another and share its images.
        if self._last is None or self._last.scene.images is not walk.images:
            scene = Scene.of(result)
            case = Case(result, self._facts(mac, scene), scene)
            places = Facts(locate=case.facts.locate)
            self._last = _Known(scene, case.facts, tuple(self._of_scene(case)), places)
        known = self._last
        drafts = self._drafts(Case(result, known.facts, known.scene), known.drafts)
        return evolve(result, findings=Findings(drafts, result, known.places) if drafts else ())

    def _facts(self, mac: Mac, scene: Scene) -> Facts:
        look, locations = mac.look, self._locations

        def find_system(path: str) -> Iterable[SystemAnswer]:
            return tuple(mac.find_system(path, p.since) for p in PROFILES)

        def looked(path: str) -> Node:
            return look(path)

        def locate(path: TargetPath) -> Location | None:
            host = scene.hosts.get(path)
            return None if host is None else locations.get(host) or Location(host, (), path)

        def read(path: str) -> bytes | None:
            found = look(path)
            if found.presence is not Presence.PRESENT or found.kind is not NodeKind.FILE or found.size > _SMALL:
                return None
            try:
                return mac.files.read_bytes(found, 0, found.size)
            except InputError:
                return None

        node = look(scene.path)
        file = mac.read(node) if node.presence is Presence.PRESENT else None
        slices = tuple(s.arch.name for s in file.slices) if isinstance(file, MachOFile) else ()
        go = {i.id: found for i in scene.made_by_go if (found := self._go_of(mac, i)) is not None}
        return Facts(
            looked, find_system, self._tree, slices, go=go, os=self._os, locate=locate, read=read, reach=self._reach,
            near=self._near,
        )  # fmt: skip

    def _go_of(self, mac: Mac, image: LoadedImage) -> GoImage | None:
        if image.identity is None:
            return None
        key = (image.identity, image.slice_offset)
        if key not in self._go:
            from machochain.findings import golang  # noqa: PLC0415  # most runs never meet a Go file

            self._go[key] = golang.read_go_image(mac, image)
        return self._go[key]

    def _of_scene(self, case: Case) -> Iterator[Draft]:
        """Yield what is true of a process on every release that comes to the same walk; none is both sides of 12."""
        yield from of_walk.of(case)
        for image in case.files:
            yield from self._of_file(image, case)

    def _of_file(self, image: LoadedImage, case: Case) -> tuple[Draft, ...]:
        assert image.image is not None
        signature = case.facts.signatures.get(image.id)
        examined = FileCase(image, image.image, case.facts, signature)
        if image.identity is None or signature is not None:
            return tuple(of_file.of(examined))
        key = (image.identity, image.slice_offset, image.path)
        found = self._static.get(key)
        if found is None:
            found = self._static[key] = tuple(of_file.of(examined))
        return found

    def _timelines(self, scene: Scene) -> list[_Timeline]:
        """Return what is known of the images of a process on each release; those without an identity share nothing."""
        if scene.timelines is None:
            scene.timelines = [
                self._on_release.setdefault((image.identity, image.slice_offset, image.path), {})
                if image.identity is not None
                else {}
                for image in scene.files
            ]
        return scene.timelines

    def _of_release(self, image: LoadedImage, case: Case, by_release: _Timeline) -> tuple[Draft, ...]:
        assert image.image is not None
        macos, main = case.result.macos, image.image.file_type == FileType.MH_EXECUTE
        key = (image.identity, image.slice_offset, image.path)
        examined = self._examined.get(key) if image.identity is not None else None
        if examined is None:
            examined = self._examined[key] = ReleaseCase(image, image.image, case.facts, macos=macos, main=main)
        examined.image, examined.facts, examined.macos = image, case.facts, macos
        found = by_release[macos.packed] = tuple(of_release.of(examined))
        return found


def _said_of_kernel(draft: Draft, result: Result) -> bool:
    """Whether dyld would object to what the kernel refuses already: that is told once, by MC804 or MC806."""
    found = result.execution
    return (
        found is not None
        and found.starts is False
        and found.cause in {Cause.LOAD_COMMANDS, Cause.SEGMENTS}
        and draft.rule in _SAME_FAULTS
        and draft.image == result.images[0].path
        and draft.load_command in {None, found.command_index}
    )


_SAME_FAULTS: Final = frozenset({"MC305", "MC307", "MC308", "MC310"})


def _with_go(drafts: list[Draft], case: Case) -> list[Draft]:
    """Add Go's ways to what was said where Go made or will make an image."""
    if case.result.prediction is None and not case.scene.made_by_go:
        return drafts
    from machochain.findings import golang  # noqa: PLC0415  # most runs never meet a Go file

    return [golang.with_go_ways(draft, case) for draft in drafts]


def check(result: Result, facts: Facts = NO_FACTS) -> tuple[Finding, ...]:
    """Return what all rules say about one process, sorted. For many, use one `Checker`."""
    return Checker().check(result, facts)


def index_by_name(paths: Iterable[TargetPath]) -> dict[str, tuple[TargetPath, ...]]:
    """Return where each file name of a tree occurs, for ``Facts.tree``; places sorted, shortest first."""
    index: dict[str, list[TargetPath]] = {}
    for path in paths:
        index.setdefault(path.rpartition("/")[2], []).append(path)
    return {name: tuple(sorted(places, key=lambda p: (len(p), p))) for name, places in index.items()}
