"""One input: opened, resolved on every release that counts, held against the rules, grouped and judged."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import Final

from machochain.auditing.part import AuditPart
from machochain.auditing.places import InputPaths
from machochain.auditing.spans import clamped, minimum
from machochain.auditing.splitting import split
from machochain.dyld.profile import NEWEST, OLDEST, end_of, releases
from machochain.findings import bundles
from machochain.findings.audited import BundleCase, ProcessCase, SliceCase, WheelCase
from machochain.findings.finished import drafts_of
from machochain.findings.registry import of_audited, of_bundles, of_slice, of_wheel
from machochain.findings.wheels import is_pure, wheel_tags
from machochain.graph.binaries import SignedBinary, signed_binaries
from machochain.graph.inputs import Input
from machochain.graph.mac import Mac
from machochain.graph.resolve import Target
from machochain.judging import grouping
from machochain.judging.policy import Policy
from machochain.macho.kind import FileKind, kind_of
from machochain.macho.source import FileSource
from machochain.model.artifact import Artifact, ArtifactKind
from machochain.model.audit import AuditBinary, AuditInput
from machochain.model.coverage import members_lost
from machochain.model.errors import InputError
from machochain.model.filesystem import Presence
from machochain.model.image import FileType, MachOFile
from machochain.model.location import Location
from machochain.model.materials import Materials
from machochain.model.paths import HostPath, TargetPath, leaf
from machochain.model.platform import Platform
from machochain.model.result import Finding, Result
from machochain.model.value import evolve, frozen
from machochain.model.version import Version
from machochain.session import OUT_OF_MEMORY, Progress, Session, placed_main, resolve_inputs
from machochain.world.archives.packages.wheel import parse_tags
from machochain.world.handed import Handed, OnDisk, called, on_disk
from machochain.world.placement import World

_FOLDER_KINDS: Final = ("app", "framework", "xcframework", "bundle", "plugin", "xpc", "appex")
_MACOS: Final = (Platform.MACOS, Platform.MAC_CATALYST)
_WHEEL_FILE_LIMIT: Final = 1 << 20


def audit_input(
    handed: Handed,
    policy: Policy,
    target: Target,
    world: World,
    jobs: int = 1,
    progress: Progress | None = None,
) -> AuditPart:
    """Return what one input gives; one that cannot be read gives its error.

    Args:
        handed: The input.
        policy: What is asked of it.
        target: The process.
        world: The modelled Mac's files.
        jobs: How many processes share the files of a big one.
        progress: Is told how many of its files are done.
    """
    name = called(handed)
    try:
        with on_disk(handed, world.timeout) as given:
            try:
                return _audit_on_disk(given, policy, target, given.placed(world), jobs, progress)
            except InputError as error:
                raise given.renamed(error) from None
    except InputError as error:
        return AuditPart(AuditInput(name, "unreadable", None, leaf(name)), errors=(error.at(name),))
    except MemoryError:
        short = InputError(OUT_OF_MEMORY, path=name)
        return AuditPart(AuditInput(name, "unreadable", None, leaf(name)), errors=(short,))


def audit_together(handed: Sequence[Handed], policy: Policy, target: Target, world: World) -> Iterator[AuditPart]:
    """Yield what each of several inputs gives that are laid side by side on one Mac."""
    with ExitStack() as stack:
        opened: list[OnDisk] = []
        for each in handed:
            try:
                given = stack.enter_context(on_disk(each))
                if not os.path.lexists(given.host):  # as in `_kind`
                    raise InputError("no such file or directory", path=given.host, errno=2)  # noqa: TRY301
            except InputError as error:
                name = called(each)
                yield AuditPart(AuditInput(name, "unreadable", None, leaf(name)), errors=(error.at(name),))
                continue
            opened.append(given)
            world = given.placed(world)
        session = stack.enter_context(Session.open(opened, world, together=True))
        for number, given in enumerate(opened):
            one = session.of(number, given)
            yield _Audit(one, given, _kind(given.host), policy, placed_main(one, target), world).part()


def _audit_on_disk(
    given: OnDisk, policy: Policy, target: Target, world: World, jobs: int, progress: Progress | None
) -> AuditPart:
    kind = _kind(given.host)
    if kind == "app" and world.at is None and world.root is None and not world.maps:
        world = evolve(world, at=TargetPath(f"/Applications/{leaf(given.host.rstrip('/'))}"))
    opened = Session.open([given], world, wanted=_for_macos) if kind == "xcframework" else Session.open([given], world)
    with opened as session:
        return _Audit(session, given, kind, policy, placed_main(session, target), world, jobs, progress).part()


def _kind(path: str) -> str:
    """Return what a path is, archives that are looked into left open: they know better themselves."""
    plain = path.rstrip("/")
    if os.path.isdir(path):  # noqa: PTH112  # pathlib raises where a link's target is too long a name
        suffix = plain.rpartition(".")[2] if "." in leaf(plain) else ""
        return suffix if suffix in _FOLDER_KINDS else "folder"
    try:
        with FileSource(HostPath(path)) as source:
            if kind_of(source.read(0, 64)) is FileKind.ARCHIVE:
                return "static-archive"
    except InputError:
        return "file"
    return "file"


def _for_macos(mac: Mac, item: Input) -> bool:
    file = mac.read(item.node)
    if isinstance(file, InputError):
        return True
    builds = [s.image.build for s in file.slices if s.image is not None]
    return any(build is None or build.platform in _MACOS for build in builds)


@frozen(slots=False)
class _Audit:
    """One open input under audit."""

    session: Session
    given: OnDisk
    kind: str
    policy: Policy
    target: Target
    world: World
    jobs: int = 1
    progress: Progress | None = None

    def part(self) -> AuditPart:
        session = self.session
        errors = list(session.errors)
        signed: list[SignedBinary] = []
        members = {item.name: self._member(item) for item in session.inputs}
        for found in signed_binaries(
            session.mac,
            session.inputs,
            self.given.called,
            lambda item: members[item.name],
            self.target.arch,
            verify=self._verify,
        ):
            if isinstance(found, InputError):
                errors.append(found)
            else:
                signed.append(found)
        binaries = tuple(found.binary for found in signed)
        results = self._results(errors)
        holds_files = bool(session.artifacts) or self.kind not in {"file", "static-archive"}
        places = InputPaths(binaries, results, members, holds_files=holds_files)
        evident = [*self._of_files(signed, places, results), *self._of_processes(results, binaries)]
        given = self._input()
        return AuditPart(
            given,
            tuple(results),
            grouping.group(results, evident, self.policy, self.given.called, places.locate, given.top, self._location),
            binaries,
            tuple(errors),
            (*session.passed_over, *members_lost(results)),
            self._materials(binaries, places) if self.world.materials else None,
        )

    def _materials(self, binaries: Sequence[AuditBinary], places: InputPaths) -> Materials:
        from machochain.auditing.materials import gather  # noqa: PLC0415  # few ask for a bill

        named = self.given.called
        return gather(self.session.mac, named, self.given.host, binaries, places, self._tops(places))

    # what is looked at

    def _member(self, item: Input) -> str:
        below = item.name.removeprefix(self.given.called)
        return below.lstrip("/:").replace(os.sep, "/") or leaf(self.given.host)

    def _location(self, path: str) -> Location:
        """Return where a file of the input is for whoever ships it."""
        if self.session.artifacts:
            return self.given.location(self.given.host, tuple(path.split(":")))
        if self.kind in {"file", "static-archive"}:
            return self.given.location(f"{self.given.host[: -len(leaf(self.given.host))]}{path}")
        return self.given.location(f"{self.given.host.rstrip('/')}/{path}")

    def _input(self) -> AuditInput:
        members = tuple(dict.fromkeys(self._member(item) for item in self.session.inputs))
        if self.session.artifacts:
            artifact = self.session.artifacts[0]
            return AuditInput(
                self.given.called,
                artifact.kind.value,
                self.world.at or artifact.default_place,
                artifact.name,
                artifact.version,
                artifact.platforms,
                True,
                members,
                self._top(artifact, members),
                self.given.within,
            )
        host, named = self.given.host, self.given.called
        there = os.path.exists(host) and not self._unread  # noqa: PTH110  # as in `_kind`
        place = self.session.view.place(host) if there else None
        name = leaf((named if self.given.whole else host).rstrip("/"))
        return AuditInput(named, self.kind, place, name, members=members, within=self.given.within)

    @property
    def _unread(self) -> bool:
        """Whether an archive could not be opened: it has no place then."""
        return self.kind == "file" and not self.session.inputs

    def _top(self, artifact: Artifact, members: Iterable[str]) -> str:
        """Return the directory all paths in an archive begin with, where it carries the release's name."""
        top = f"{artifact.name}/{artifact.version}" if artifact.kind is ArtifactKind.BOTTLE else artifact.name
        named = artifact.kind in {ArtifactKind.ARCHIVE, ArtifactKind.BOTTLE}
        return top if named and all(path.startswith(f"{top}/") for path in members) else ""

    # releases and processes

    @property
    def _verify(self) -> bool:
        """Every page is held against its hash unless somebody asked for less."""
        return self.target.verify is not False

    def _results(self, errors: list[InputError]) -> list[Result]:
        asked = self.target.macos or self.policy.macos
        target = evolve(self.target, macos=asked or self._own_releases(), verify=self._verify)
        with split(self.session, target, self.jobs) as begin:
            results = list(resolve_inputs(self.session, target, errors, begin=begin, progress=self.progress))
        return results if asked else [r for r in results if r.macos >= minimum(r)]

    def _own_releases(self) -> tuple[Version, ...]:
        """Return the generations of dyld from the minimum of the programs, or else of the libraries, to the newest."""
        programs: set[Version] = set()
        others: set[Version] = set()
        for item in self.session.inputs:
            file = self.session.mac.read(item.node)
            if isinstance(file, MachOFile):
                for image in (s.image for s in file.slices if s.image is not None):
                    own = clamped(image.build.minos if image.build is not None else OLDEST)
                    (programs if image.file_type == FileType.MH_EXECUTE else others).add(own)
        # With programs and plug-ins in one input each process still begins at its own minimum.
        end = end_of(Version.of(NEWEST.major))
        found = {version for first in (programs | others or {OLDEST}) for version in releases(first, max(first, end))}
        return tuple(sorted(found))

    # findings beyond those of the processes

    def _of_files(
        self, signed: Sequence[SignedBinary], places: InputPaths, results: Sequence[Result]
    ) -> Iterator[Finding]:
        binaries = [found.binary for found in signed]
        # what ended a process was said of it
        told = {(f.rule, f.image, result.arch) for result in results for f in drafts_of(result.findings)}
        for found in signed:
            for finding in of_slice.of(SliceCase(found, self.policy.of(found.binary.path))):
                if (finding.rule, finding.image, finding.arch) not in told:
                    yield finding
        mac, tops = self.session.mac, self._tops(places)
        yield from of_bundles.of(BundleCase(mac, bundles.find_bundles(mac, binaries, tops), binaries))
        for wheel in self._wheels(binaries):
            yield from of_wheel.of(wheel)

    def _tops(self, places: InputPaths) -> list[str]:
        """Return what may be bundles among what lies at the top of the input."""
        mac = self.session.mac
        tops = [f"{top}/{name}" for top in places.tops for name in mac.names(top) or ()]
        if self.kind in _FOLDER_KINDS:
            node = mac.look(self.session.view.place(self.given.host))
            tops += [node.real] if node.real is not None else []
        return tops

    def _wheels(self, binaries: Sequence[AuditBinary]) -> Iterator[WheelCase]:
        def exists(path: str) -> bool:
            return self.session.mac.look(path).presence is Presence.PRESENT

        for artifact in self.session.artifacts:
            for wheel in _with_nested(artifact):
                if wheel.kind is ArtifactKind.WHEEL:
                    inside = wheel.path[len(self.given.host) + 1 :]
                    prefix = f"{inside}:" if inside else ""
                    tags = _stated_tags(wheel)
                    own = [b for b in binaries if b.path.startswith(prefix)]
                    yield WheelCase(wheel_tags(tags), own, is_pure(tags), exists)
        if self.kind == "folder":
            tags = self._tags_in_folder()
            if tags:
                yield WheelCase(wheel_tags(tags), list(binaries), is_pure(tags), exists)

    def _tags_in_folder(self) -> tuple[str, ...]:
        """Return the tags of the wheel a folder is; none for a folder of several packages."""
        mac = self.session.mac
        place = self.session.view.place(self.given.host)
        found = [name for name in mac.names(place) or () if name.endswith(".dist-info")]
        if len(found) != 1:
            return ()
        node = mac.look(f"{place}/{found[0]}/WHEEL")
        if node.host is None or not 0 < node.size <= _WHEEL_FILE_LIMIT:
            return ()
        text = mac.first_bytes(node, node.size).decode("utf-8", "replace")
        return tuple(line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("Tag:"))

    def _of_processes(self, results: Sequence[Result], binaries: Sequence[AuditBinary]) -> Iterator[Finding]:
        """Look at each process once, on its newest release: what is asked here does not depend on it."""
        by_place = {(str(b.place), b.arch): b for b in binaries}
        newest: dict[tuple[str, str], Result] = {}
        for result in results:
            key = result.input, result.arch
            if key not in newest or newest[key].macos < result.macos:
                newest[key] = result
        programs = any(r.file_type == "MH_EXECUTE" for r in results)
        requires = tuple(name for artifact in self.session.artifacts for name in artifact.requires)
        for result in newest.values():
            is_root = result.file_type == "MH_EXECUTE" or not programs
            case = ProcessCase(result, by_place, self.policy.of, is_root, self.target.environment, requires)
            yield from of_audited.of(case)


def _with_nested(artifact: Artifact) -> Iterator[Artifact]:
    yield artifact
    for inner in artifact.nested:
        yield from _with_nested(inner)


def _stated_tags(wheel: Artifact) -> tuple[str, ...]:
    """Return a wheel's tags: pip goes by the file's name, so that counts where it has the form of one."""
    name = leaf(wheel.path.rpartition(":")[2])
    return (name,) if name.endswith(".whl") and parse_tags(name) else wheel.platforms
