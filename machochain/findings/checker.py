"""All rules over one process, each image judged once in a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from attrs import evolve

from machochain.dyld.profile import PROFILES
from machochain.findings import leaks, loads, machine, refusals, runpaths, sdk, symbols, unseen, versions
from machochain.findings.draft import NO_FACTS, Case, Draft, Facts, GoImage, Scene
from machochain.model.filesystem import Presence
from machochain.model.image import FileType, MachOFile
from machochain.model.paths import TargetPath
from machochain.model.result import Finding, LoadedImage, Result
from machochain.model.version import Version

if TYPE_CHECKING:
    from collections.abc import Iterable

    from machochain.dyld.config import ProcessConfig
    from machochain.findings.osfacts import OSFacts
    from machochain.graph.driver import Walk
    from machochain.graph.mac import Mac
    from machochain.model.filesystem import Node, SystemAnswer
    from machochain.model.signature import Signature

_FileKey = tuple[tuple[int, int], int, str]
"""Identity of the file, offset of the slice, path."""


def order(finding: Finding) -> tuple[int, str, str, int, str]:
    """Return the sort key of findings: worst first, then by rule, image, load command and subject."""
    command = -1 if finding.load_command is None else finding.load_command
    return -finding.severity.rank, finding.rule, finding.image, command, finding.subject


class Checker:
    """Checks the processes of one run.

    What is true of an image in every process is found out once: a wheel's libraries serve hundreds of processes.
    A checker belongs to one modelled Mac.
    """

    def __init__(self, tree: Mapping[str, tuple[TargetPath, ...]] | None = None, os: OSFacts | None = None) -> None:
        """Start a run.

        Args:
            tree: File name to the places in the analysed tree that bear it, for `stage`; remedies point there.
            os: What is known of the OS, for `stage`.
        """
        self._tree = tree or {}
        self._os = os
        self._static: dict[_FileKey, tuple[Draft, ...]] = {}
        self._on_release: dict[tuple[_FileKey, bool, int], tuple[Draft, ...]] = {}
        self._reach: dict[tuple[str, str], bool] = {}
        self._go: dict[tuple[tuple[int, int], int], GoImage | None] = {}
        self._last: tuple[Scene, tuple[Draft, ...]] | None = None

    def check(self, result: Result, facts: Facts = NO_FACTS) -> tuple[Finding, ...]:
        """Return what all rules say about one process, sorted by `order`."""
        case = Case(result, facts)
        return self._finished(case, tuple(self._of_scene(case)))

    def _finished(self, case: Case, of_scene: tuple[Draft, ...]) -> tuple[Finding, ...]:
        drafts = [*self._of_process(case), *of_scene]
        for image in case.files:
            drafts += self._of_release(image, case)
        return tuple(sorted((d.finish(case.result) for d in _with_go(drafts, case)), key=order))

    def stage(self, result: Result, walk: Walk, config: ProcessConfig, mac: Mac) -> Result:  # noqa: ARG002
        """Add the findings to a result: a stage for ``graph.resolve.resolve_node``."""
        look = mac.look

        def find_system(path: str) -> Iterable[SystemAnswer]:
            return tuple(mac.find_system(path, p.since) for p in PROFILES)

        def looked(path: str) -> Node:
            return look(path)

        # Releases that come to the same walk follow one another and share its images.
        known = self._last if self._last is not None and self._last[0].images is walk.images else None
        scene = known[0] if known is not None else Scene.of(result)
        node = look(result.path)
        file = mac.read(node) if node.presence is Presence.PRESENT else None
        slices = tuple(s.arch.name for s in file.slices) if isinstance(file, MachOFile) else ()
        go = {i.id: found for i in scene.made_by_go if (found := self._go_of(mac, i)) is not None}
        case = Case(result, Facts(looked, find_system, self._tree, slices, go=go, os=self._os), scene)
        if known is None:
            known = self._last = scene, tuple(self._of_scene(case))
        return evolve(result, findings=self._finished(case, known[1]))

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
        yield from loads.twice(case)
        yield from runpaths.idle_run_paths(case, self._reach)
        yield from versions.newer_dependencies(case)
        yield from leaks.foreign_loads(case)
        yield from sdk.compatibility(case)
        for image in case.files:
            yield from self._of_file(image, case)

    def _of_process(self, case: Case) -> Iterator[Draft]:
        yield from loads.loads(case)
        yield from versions.unknown_to_sdks(case)
        yield from machine.architectures(case)
        yield from symbols.missing_symbols(case)
        yield from sdk.given_sdks(case)
        yield from unseen.unknowns(case)

    def _of_file(self, image: LoadedImage, case: Case) -> tuple[Draft, ...]:
        signature = case.facts.signatures.get(image.id)
        if image.identity is None or signature is not None:
            return tuple(_static_drafts(image, signature, case.facts))
        key = (image.identity, image.slice_offset, image.path)
        found = self._static.get(key)
        if found is None:
            found = self._static[key] = tuple(_static_drafts(image, None, case.facts))
        return found

    def _of_release(self, image: LoadedImage, case: Case) -> tuple[Draft, ...]:
        macos = case.result.macos
        main = image.image is not None and image.image.file_type == FileType.MH_EXECUTE
        if image.identity is None:
            return tuple(_release_drafts(image, macos, case.facts, main=main))
        key = ((image.identity, image.slice_offset, image.path), main, macos.packed)
        found = self._on_release.get(key)
        if found is None:
            found = self._on_release[key] = tuple(_release_drafts(image, macos, case.facts, main=main))
        return found


def _with_go(drafts: list[Draft], case: Case) -> list[Draft]:
    """Add what there is to say about Go, and Go's ways to what was said, where Go made or will make an image."""
    if case.result.prediction is None and not case.scene.made_by_go:
        return drafts
    from machochain.findings import golang  # noqa: PLC0415  # most runs never meet a Go file

    return [golang.with_go_ways(draft, case) for draft in (*drafts, *golang.go_process(case))]


def _static_drafts(image: LoadedImage, signature: Signature | None, facts: Facts) -> Iterator[Draft]:
    """Yield what is true of an image in every process on every release."""
    yield from runpaths.static_run_paths(image)
    yield from leaks.foreign_run_paths(image)
    yield from leaks.foreign_install_name(image)
    yield from machine.unsigned(image, signature)
    if facts.os is not None:
        yield from sdk.static_rules(image, facts.os)


def _release_drafts(image: LoadedImage, macos: Version, facts: Facts, *, main: bool) -> Iterator[Draft]:
    """Yield what is true of an image in every process on one release."""
    yield from refusals.image_refusals(image, macos, main=main)
    if facts.os is not None:
        yield from symbols.too_new(image, facts.os, macos)
        yield from sdk.image_rules(image, facts.os, macos, facts.look)


def check(result: Result, facts: Facts = NO_FACTS) -> tuple[Finding, ...]:
    """Return what all rules say about one process, sorted. For many, use one `Checker`."""
    return Checker().check(result, facts)


def index_by_name(paths: Iterable[TargetPath]) -> dict[str, tuple[TargetPath, ...]]:
    """Return where each file name of a tree occurs, for ``Facts.tree``; places sorted, shortest first."""
    index: dict[str, list[TargetPath]] = {}
    for path in paths:
        index.setdefault(path.rpartition("/")[2], []).append(path)
    return {name: tuple(sorted(places, key=lambda p: (len(p), p))) for name, places in index.items()}
