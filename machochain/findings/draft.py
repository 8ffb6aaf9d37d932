"""What rules work on and what they make: facts beside the result, and findings before they are tied to a process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from functools import cached_property
from itertools import islice
from sys import intern
from typing import TYPE_CHECKING, Any, Final

from machochain.dyld.facts import might_be_in_shared_cache
from machochain.findings.names import library_base
from machochain.findings.outcomes import KNOWN_VARIABLES, FailedLoad, Fate, failures, passed_over
from machochain.findings.registry import RULES
from machochain.model.filesystem import Node, Presence, SystemAnswer
from machochain.model.frozen import FrozenDict, LateDict, frozen_dict
from machochain.model.image import FileType, Image, LinkedDylib
from machochain.model.location import Location
from machochain.model.paths import MOST_SHOWN, HostPath, TargetPath, directory, leaf, printable, shortened
from machochain.model.platform import Platform
from machochain.model.remedy import Remedy
from machochain.model.result import Confidence, Finding, Load, LoadedImage, Origin, Result, Severity
from machochain.model.search import Attempt, ObjectionKind, SearchRule
from machochain.model.value import Factory, define, field, frozen
from machochain.model.version import Version

if TYPE_CHECKING:
    from machochain.findings.osfacts import OSFacts
    from machochain.model.go import GoBinary
    from machochain.model.signature import Signature

_BESIDE: Final = ("", "/../lib", "/../Frameworks", "/lib", "/.dylibs", "/../.dylibs")
"""Where libraries usually lie, seen from an image's directory."""

_RPATH: Final = SearchRule.RPATH
_RAW_PATH: Final = SearchRule.RAW_PATH
_LOADER_PATH: Final = SearchRule.LOADER_PATH
_NO_SUCH_FILE: Final = ObjectionKind.NO_SUCH_FILE


@frozen
class GoImage:
    """What the rules need to know of an image that Go made.

    Attributes:
        binary: What Go left in it; symbols were not looked at.
        chained_segments: How many segments the chained fixups count; None if there are no such fixups.
    """

    binary: GoBinary
    chained_segments: int | None = None

    @property
    def link(self) -> str | None:
        """``internal`` if Go's own linker made it, ``external`` if the host's did; None if nothing tells."""
        return self.binary.link.value if self.binary.link is not None else None


@frozen
class Facts:
    """What rules may ask beyond the result. What is left out costs findings, never truth.

    Attributes:
        look: What lies at an absolute path of the modelled Mac.
        find_system: What the OS has at a path, on every release.
        tree: File name to the places in the analysed tree that bear it.
        slices: Architectures of the file the result is about.
        signatures: Image id to what its signature says; an image that is not named is judged by its load commands.
        go: Image id to what Go left in it, for images made by Go.
        os: The libraries and symbols of the OS on every release.
        locate: Where an image lies on this machine; None if nobody knows.
        read: The bytes of a small file of the modelled Mac; None if there is none.
        reach: What is known already of files: whether one lies at (directory, tail).
        near: The names of the tree by what they are but for version and case; filled when first asked for.
    """

    look: Callable[[str], Node] | None = None
    find_system: Callable[[str], Iterable[SystemAnswer]] | None = None
    tree: Mapping[str, tuple[TargetPath, ...]] = Factory(dict)
    slices: tuple[str, ...] = ()
    signatures: Mapping[int, Signature] = Factory(dict)
    go: Mapping[int, GoImage] = Factory(dict)
    os: OSFacts | None = None
    locate: Callable[[TargetPath], Location | None] | None = None
    read: Callable[[str], bytes | None] | None = None
    reach: MutableMapping[tuple[str, str], bool] = Factory(dict)
    near: MutableMapping[str, str] = Factory(dict)

    def nearest(self, base: str) -> str | None:
        """Return the shortest name of a library of the tree that is this one but for version and case."""
        if not self.near and self.tree:
            self.near[""] = ""
            for name in sorted(self.tree, key=lambda name: (len(name), name)):
                if name.endswith(".dylib"):
                    self.near.setdefault(library_base(name).casefold(), name)
        return self.near.get(base.casefold()) or None


NO_FACTS: Final = Facts()


def _evidence(given: Mapping[str, Any]) -> Mapping[str, Any]:
    return given if isinstance(given, LateDict) else frozen_dict(given)


@frozen
class Draft:
    """A finding without the process it belongs to: what is true of an image is true in every process."""

    rule: str
    severity: Severity
    image: str
    load_command: int | None
    subject: str
    message: str
    evidence: Mapping[str, Any] = field(factory=FrozenDict, converter=_evidence)
    remedy: tuple[Remedy, ...] = ()
    confidence: Confidence = Confidence.CERTAIN

    @property
    def remedies(self) -> tuple[Remedy, ...]:
        """As in `Finding`."""
        return self.remedy

    def finish(self, result: Result, facts: Facts = NO_FACTS) -> Finding:
        """Return the finding in a process."""
        rule = RULES[self.rule]
        return Finding(
            rule.id,
            rule.name,
            self.severity,
            self.confidence,
            result.input,
            result.arch,
            self.image,
            self.load_command,
            self.subject,
            self.message,
            FrozenDict({"macos": intern(str(result.macos)), **self.evidence}),
            self.remedy,
            intern(rule.page),
            facts.locate(TargetPath(self.image)) if facts.locate is not None else None,
        )


@frozen
class Survey:
    """The loads of a process by what rules look for, each group in the order dyld asks.

    Attributes:
        failed: Those that led to no image.
        odd: Those that were served in an unusual way, or not by the first file that was there.
        outside: Those that were served, by a path that is neither of the OS nor starts with ``@``.
        tails: What follows ``@rpath`` in the load paths, each once, the slash included.
    """

    failed: tuple[Load, ...]
    odd: tuple[Load, ...]
    outside: tuple[Load, ...]
    tails: tuple[str, ...]


@define(slots=False)
class Scene:
    """What a process loads: the same on every release that comes to the same walk.

    Attributes:
        images: In load order.
        loads: In the order dyld asks.
        path: Of the image the result is about.
        timelines: What is known of each file on each release, for the one who checks them.
    """

    images: tuple[LoadedImage, ...]
    loads: tuple[Load, ...]
    path: str
    timelines: list[dict[int, tuple[Draft, ...]]] | None = None

    @classmethod
    def of(cls, result: Result) -> Scene:
        """Return that of a result."""
        return cls(result.images, result.loads, result.path)

    @cached_property
    def failures(self) -> Mapping[Fate, tuple[FailedLoad, ...]]:
        """The loads that led to no image, by what became of them, each group in the order dyld asks."""
        return failures(self.survey.failed)

    @cached_property
    def passed_over(self) -> tuple[tuple[Load, Attempt], ...]:
        """The files dyld refused on the way to one that served, each once, with the first load that met it."""
        return passed_over(self.survey.odd)

    @cached_property
    def files(self) -> tuple[LoadedImage, ...]:
        """The images that were read from disk, in load order."""
        return tuple(i for i in self.images if i.origin is Origin.DISK and i.image is not None)

    @cached_property
    def survey(self) -> Survey:
        """The loads sorted by what rules look for: one pass, for most loads are of no interest to any rule."""
        failed: list[Load] = []
        odd: list[Load] = []
        outside: list[Load] = []
        tails: dict[str, None] = {}
        for load in self.loads:
            name = load.dylib.name
            if name.startswith("@rpath/"):
                tails[name] = None
            if load.to is None:
                failed.append(load)
                continue
            if not name.startswith(("@", "/usr/lib/", "/System/")):
                outside.append(load)
            elif name.startswith("@") and not name.startswith(KNOWN_VARIABLES):
                odd.append(load)
                continue
            rule = load.found.rule if load.found is not None else _RAW_PATH
            if rule is not _RPATH and rule is not _RAW_PATH and rule is not _LOADER_PATH:
                odd.append(load)
                continue
            for attempt in load.tried:
                if attempt.unseen or attempt.kind is not _NO_SUCH_FILE:
                    odd.append(load)
                    break
        return Survey(tuple(failed), tuple(odd), tuple(outside), tuple(t[6:] for t in tails))

    @cached_property
    def main(self) -> LoadedImage | None:
        """The main executable; None if nobody named the process."""
        first = self.images[0]
        return first if first.image is not None and first.image.file_type == FileType.MH_EXECUTE else None

    @cached_property
    def subject(self) -> LoadedImage:
        """The image the result is about: not the main executable if a library was asked about."""
        return next((i for i in self.files if i.path == self.path), self.images[0])

    @cached_property
    def by_run_path(self) -> Mapping[tuple[int, int], tuple[Load, ...]]:
        """The loads that were looked for behind each LC_RPATH, by its image and its number there."""
        found: dict[tuple[int, int], list[Load]] = {}
        for load in self.loads:
            for candidate in (*(a.candidate for a in load.tried), *((load.found,) if load.found is not None else ())):
                if candidate.image is not None and candidate.run_path is not None:
                    found.setdefault((candidate.image, candidate.run_path), []).append(load)
        return {key: tuple(loads) for key, loads in found.items()}

    @cached_property
    def hosts(self) -> Mapping[TargetPath, HostPath]:
        """The files on this machine that images were read from, by the images' paths."""
        return {i.path: i.host for i in self.images if i.host is not None}

    @cached_property
    def made_by_go(self) -> tuple[LoadedImage, ...]:
        """The images that Go made."""
        return tuple(i for i in self.files if i.image is not None and i.image.made_by_go)


@define(slots=False)
class Case:
    """One process under examination.

    Attributes:
        result: What became of it.
        facts: What rules may ask beyond that.
        scene: What it loads.
    """

    result: Result
    facts: Facts
    scene: Scene = Factory(lambda case: Scene.of(case.result), takes_self=True)

    @property
    def files(self) -> tuple[LoadedImage, ...]:
        """As in `Scene`."""
        return self.scene.files

    @property
    def survey(self) -> Survey:
        """As in `Scene`."""
        return self.scene.survey

    @property
    def main(self) -> LoadedImage | None:
        """As in `Scene`."""
        return self.scene.main

    @property
    def subject(self) -> LoadedImage:
        """As in `Scene`."""
        return self.scene.subject

    @cached_property
    def for_catalyst(self) -> bool:
        """Whether the process is one of Mac Catalyst, for which dyld looks below /System/iOSSupport first."""
        header = self.subject.image
        return header is not None and any(build.platform == Platform.MAC_CATALYST for build in header.builds)

    def binds_now(self, image: int) -> bool:
        """Whether lazily bound functions of an image are looked up when it is loaded: a plug-in opened by RTLD_NOW.

        What was in the process before the plug-in stays as it was.
        """
        host = self.result.host
        return host is not None and bool(host.binds_now) and image >= self.subject.id

    @cached_property
    def go_images(self) -> tuple[tuple[LoadedImage, Image, GoImage], ...]:
        """The images that Go made, with their headers and what Go left in them."""
        go = self.facts.go
        return tuple((i, i.image, go[i.id]) for i in self.scene.made_by_go if i.image is not None and i.id in go)

    @property
    def failures(self) -> Mapping[Fate, tuple[FailedLoad, ...]]:
        """As in `Scene`."""
        return self.scene.failures

    @property
    def passed_over(self) -> tuple[tuple[Load, Attempt], ...]:
        """As in `Scene`."""
        return self.scene.passed_over

    @property
    def by_run_path(self) -> Mapping[tuple[int, int], tuple[Load, ...]]:
        """As in `Scene`."""
        return self.scene.by_run_path

    def who(self, load: Load) -> str:
        """Return the name of the image that asks, for people."""
        return printable(leaf(self.requester(load).path))

    def requester(self, load: Load) -> LoadedImage:
        """Return the image that asks."""
        return self.result.images[load.source]

    def near_miss(self, load: Load) -> TargetPath | None:
        """Return a file of the analysed tree whose name is the wanted one but for version or case."""
        name = leaf(load.dylib.name)
        if not name.endswith(".dylib") or name in self.facts.tree:
            return None
        near = self.facts.nearest(library_base(name))
        return self.facts.tree[near][0] if near is not None else None

    def elsewhere(self, load: Load) -> TargetPath | None:
        """Return where the analysed tree, or a usual place beside the requester, has a file of the wanted name."""
        name = leaf(load.dylib.name)
        places = self.facts.tree.get(name)
        if places:
            return places[0]
        if self.facts.look is None or not name:
            return None
        base = directory(self.requester(load).path)
        for beside in _BESIDE:
            node = self.facts.look(f"{base}{beside}/{name}")
            if node.presence is Presence.PRESENT and node.real is not None and node.size:
                return node.real
        return None


@define(slots=False)
class FileCase:
    """One image under examination, whatever process it is in and whatever macOS runs it.

    Attributes:
        image: The image.
        header: Its header.
        facts: What rules may ask.
        signature: What its signature says, if somebody read it.
    """

    image: LoadedImage
    header: Image
    facts: Facts
    signature: Signature | None = None

    @cached_property
    def of_system(self) -> tuple[LinkedDylib, ...]:
        """The load commands that name what the OS may have."""
        return tuple(d for d in self.header.loads if might_be_in_shared_cache(d.name))


@define(slots=False)
class ReleaseCase(FileCase):
    """One image on one release.

    Attributes:
        macos: The release.
        main: Whether it is the main executable.
    """

    macos: Version = field(kw_only=True)
    main: bool = field(kw_only=True)


def load_draft(
    rule: str,
    severity: Severity,
    case: Case,
    load: Load,
    message: str,
    remedy: tuple[Remedy, ...] = (),
    confidence: Confidence = Confidence.CERTAIN,
    **evidence: Any,
) -> Draft:
    """Return a draft about one load command."""
    dylib = load.dylib
    command = None if load.inserted or dylib.command_index < 0 else dylib.command_index

    def known() -> dict[str, Any]:
        how = "DYLD_INSERT_LIBRARIES" if load.inserted else dylib.command
        return {"command": how, **dict(_attempts(load)), **evidence}

    return Draft(
        rule, severity, case.requester(load).path, command, dylib.name, message, LateDict(known), remedy, confidence
    )  # fmt: skip


MOST_TRIED: Final = 200
"""Paths that a finding repeats of a search; the search itself (``loads`` in JSON) has all."""


def _attempts(load: Load) -> Iterator[tuple[str, Any]]:
    """Yield what was tried, as far as a finding repeats it, how much it leaves out, and dyld's words."""
    tried = tuple(repeated(load.tried))
    if tried:
        yield "tried", [[a.candidate.path, a.reason + a.suffix] for a in tried]
    if len(tried) < len(load.tried):
        yield "tried_more", len(load.tried) - len(tried)
    if load.reason is not None:
        yield "reason", shortened(load.reason)


def repeated(tried: Iterable[Attempt]) -> Iterator[Attempt]:
    """Yield the first of many attempts, or of long ones."""
    room = MOST_SHOWN
    for attempt in islice(tried, MOST_TRIED):
        room -= len(attempt.candidate.path)
        if room < 0:
            return
        yield attempt
