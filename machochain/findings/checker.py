"""All rules over one process, each image judged once in a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from attrs import evolve

from machochain.dyld.profile import PROFILES
from machochain.findings import leaks, loads, machine, refusals, runpaths, sdk, symbols, unseen, versions
from machochain.findings.draft import NO_FACTS, Case, Draft, Facts, GoImage
from machochain.findings.remedies import is_go
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

_ImageKey = tuple[tuple[int, int] | None, int, str, bool, int]


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
        self._images: dict[_ImageKey, tuple[Draft, ...]] = {}
        self._reach: dict[tuple[str, str], bool] = {}
        self._go: dict[tuple[tuple[int, int], int], GoImage | None] = {}

    def check(self, result: Result, facts: Facts = NO_FACTS) -> tuple[Finding, ...]:
        """Return what all rules say about one process, sorted by `order`."""
        case = Case(result, facts)
        drafts = [*self._of_process(case)]
        for image in case.files:
            drafts += self._of_image(image, case)
        return tuple(sorted((d.finish(result) for d in _with_go(drafts, case)), key=order))

    def stage(self, result: Result, walk: Walk, config: ProcessConfig, mac: Mac) -> Result:  # noqa: ARG002
        """Add the findings to a result: a stage for ``graph.resolve.resolve_node``."""
        look = mac.look

        def find_system(path: str) -> Iterable[SystemAnswer]:
            return tuple(mac.find_system(path, p.since) for p in PROFILES)

        def looked(path: str) -> Node:
            return look(path)

        node = look(result.path)
        file = mac.read(node) if node.presence is Presence.PRESENT else None
        slices = tuple(s.arch.name for s in file.slices) if isinstance(file, MachOFile) else ()
        go = {i.id: found for i in result.images if (found := self._go_of(mac, i)) is not None}
        facts = Facts(looked, find_system, self._tree, slices, go=go, os=self._os)
        return evolve(result, findings=self.check(result, facts))

    def _go_of(self, mac: Mac, image: LoadedImage) -> GoImage | None:
        if image.identity is None or image.image is None or not is_go(image.image):
            return None
        key = (image.identity, image.slice_offset)
        if key not in self._go:
            from machochain.findings import golang  # noqa: PLC0415  # most runs never meet a Go file

            self._go[key] = golang.read_go_image(mac, image)
        return self._go[key]

    def _of_process(self, case: Case) -> Iterator[Draft]:
        yield from loads.loads(case)
        yield from loads.twice(case)
        yield from runpaths.idle_run_paths(case, self._reach)
        yield from versions.newer_dependencies(case)
        yield from versions.unknown_to_sdks(case)
        yield from leaks.foreign_loads(case)
        yield from machine.architectures(case)
        yield from symbols.missing_symbols(case)
        yield from sdk.compatibility(case)
        yield from sdk.given_sdks(case)
        yield from unseen.unknowns(case)

    def _of_image(self, image: LoadedImage, case: Case) -> tuple[Draft, ...]:
        signature = case.facts.signatures.get(image.id)
        main = image.image is not None and image.image.file_type == FileType.MH_EXECUTE
        macos = case.result.macos
        if image.identity is None or signature is not None:
            return tuple(_image_drafts(image, macos, signature, case.facts, main=main))
        key = (image.identity, image.slice_offset, image.path, main, macos.packed)
        found = self._images.get(key)
        if found is None:
            found = self._images[key] = tuple(_image_drafts(image, macos, None, case.facts, main=main))
        return found


def _with_go(drafts: list[Draft], case: Case) -> list[Draft]:
    """Add what there is to say about Go, and Go's ways to what was said, where Go made or will make an image."""
    if case.result.prediction is None and not any(i.image is not None and is_go(i.image) for i in case.files):
        return drafts
    from machochain.findings import golang  # noqa: PLC0415  # most runs never meet a Go file

    return [golang.with_go_ways(draft, case) for draft in (*drafts, *golang.go_process(case))]


def _image_drafts(
    image: LoadedImage, macos: Version, signature: Signature | None, facts: Facts, *, main: bool
) -> Iterator[Draft]:
    yield from refusals.image_refusals(image, macos, main=main)
    yield from runpaths.static_run_paths(image)
    yield from leaks.foreign_run_paths(image)
    yield from leaks.foreign_install_name(image)
    yield from machine.unsigned(image, signature)
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
