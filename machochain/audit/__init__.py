"""The audit: every rule over every process of every input, a range of releases, judged by a policy.

Each input is a task of its own, on a modelled Mac of its own, so that results depend neither on the number of workers
nor on what else is audited.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from datetime import date
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from attrs import evolve, frozen

from machochain._version import __version__
from machochain.api import Session, StrPath, resolve_inputs
from machochain.dyld.profile import NEWEST, releases
from machochain.findings import bundles
from machochain.findings.signatures import broken_signature, different_teams, ignored_environment
from machochain.graph.binaries import SignedBinary, signed_binaries
from machochain.graph.diff import Diff, compare
from machochain.graph.inputs import Input
from machochain.graph.resolve import Target
from machochain.judging import grouping
from machochain.judging.baseline import Baseline, read_baseline, suppress
from machochain.judging.policy import Policy
from machochain.judging.policy_file import builtin_policy, read_policy
from machochain.judging.policy_rules import broken_expectations, broken_library_rules
from machochain.macho.reader import FileKind, FileSource, kind_of
from machochain.model.artifact import Artifact, ArtifactKind
from machochain.model.audit import AuditBinary, AuditFinding, AuditInput, AuditReport, PolicySummary
from machochain.model.errors import InputError, UsageError
from machochain.model.image import FileType, MachOFile
from machochain.model.paths import HostPath, TargetPath, leaf
from machochain.model.platform import Platform
from machochain.model.result import Finding, Result
from machochain.model.version import Version
from machochain.world.archives.places import DOWNLOADS
from machochain.world.placement import World
from machochain.world.remote import fetched, is_remote

_OLDEST: Final = Version.of(11)
_FOLDER_KINDS: Final = ("app", "framework", "xcframework", "bundle", "plugin", "xpc", "appex")
_MACOS: Final = (Platform.MACOS, Platform.MAC_CATALYST)
_WHEEL_FILE_LIMIT: Final = 1 << 20


@frozen
class AuditPart:
    """What one input gives. It can be sent from process to process.

    Attributes:
        input: The input.
        results: Every process.
        findings: Grouped and judged; nothing is suppressed yet.
        binaries: Every slice.
        errors: What could not be read.
    """

    input: AuditInput
    results: tuple[Result, ...] = ()
    findings: tuple[AuditFinding, ...] = ()
    binaries: tuple[AuditBinary, ...] = ()
    errors: tuple[InputError, ...] = ()


def audit(
    paths: Iterable[StrPath] | StrPath,
    *,
    policy: Policy | StrPath | None = None,
    target: Target | None = None,
    world: World | None = None,
    baseline: Baseline | StrPath | None = None,
    executor: Executor | None = None,
    jobs: int = 1,
    today: date | None = None,
) -> AuditReport:
    """Hold inputs against all rules and a policy.

    Args:
        paths: Mach-O files, folders, archives, or addresses that fsspec knows (``s3://…``, ``https://…``).
        policy: What is asked of them, or the file it is written in; by default the built-in profile ``release``.
        target: The process. Its releases count if there are any; with ``macos=()``, and by default, those of the
            policy count, and without them each process is looked at on its own minimum and every generation after it.
        world: The modelled Mac's files.
        baseline: Findings that are put up with, or the file they are written in.
        executor: Where to work: any `concurrent.futures.Executor`; each input is one task.
        jobs: Without an executor: how many processes to work in.
        today: The day that decides whether suppressions have expired; by default this machine's.

    Raises:
        UsageError: The request, the policy or the baseline makes no sense.
    """
    chosen = [os.fspath(paths)] if isinstance(paths, (str, os.PathLike)) else [os.fspath(p) for p in paths]
    asked = policy_of(policy)
    known = baseline if baseline is None or isinstance(baseline, Baseline) else read_baseline(Path(baseline))
    parts = list(audit_parts(chosen, asked, target=target, world=world, executor=executor, jobs=jobs))
    return finish_audit(parts, asked, target=target, baseline=known, today=today)


def policy_of(policy: Policy | StrPath | None) -> Policy:
    """Return a policy, read from its file if it is a path."""
    if policy is None:
        return builtin_policy()
    return policy if isinstance(policy, Policy) else read_policy(Path(policy))


def audit_parts(
    paths: Sequence[str],
    policy: Policy,
    *,
    target: Target | None = None,
    world: World | None = None,
    executor: Executor | None = None,
    jobs: int = 1,
) -> Iterator[AuditPart]:
    """Yield what each input gives, in the order of the inputs; closing the iterator ends the work.

    After Ctrl-C it yields what other workers have done already before it lets the exception through.

    Raises:
        UsageError: The request makes no sense.
    """
    target = target or Target(macos=())
    world = world or World()
    if world.at is not None and len(set(paths)) > 1:
        raise UsageError("--at names the place of one input, but there are several")
    if policy.sdks and not world.sdks:
        world = evolve(world, sdks=policy.sdks)
    if executor is not None:
        yield from _in_order(executor, _audit_input, paths, policy, target, world)
    elif jobs > 1 and len(paths) > 1:
        with _workers(min(jobs, len(paths))) as pool:
            yield from _in_order(pool, _audit_input_in_worker, paths, policy, target, world)
    else:
        for path in paths:
            yield _audit_input(path, policy, target, world)


_Task = Callable[[str, Policy, Target, World], AuditPart]


def _in_order(
    executor: Executor, task: _Task, paths: Sequence[str], policy: Policy, target: Target, world: World
) -> Iterator[AuditPart]:
    futures: list[Future[AuditPart]] = []
    turn = 0
    try:
        futures += [executor.submit(task, path, policy, target, world) for path in paths]
        for turn, future in enumerate(futures, 1):  # noqa: B007  # the exception needs to know how far it came
            yield future.result()
    except KeyboardInterrupt:
        # What has been found out is known, whatever its turn.
        late = [f for f in futures[turn:] if f.done() and not f.cancelled()]
        yield from (f.result() for f in late if f.exception() is None)
        raise
    finally:
        for future in futures:
            future.cancel()


@contextmanager
def _workers(count: int) -> Iterator[Executor]:
    """Open a pool of processes, spawned so that threads of this one do not matter."""
    pool = ProcessPoolExecutor(count, get_context("spawn"), signal.signal, (signal.SIGINT, _remember))
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _remember(*_: object) -> None:
    """Answer Ctrl-C in a worker that waits: from now on it is ignored, by which the next task knows of it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _stop(*_: object) -> None:
    """Answer Ctrl-C in a worker that works: end the task, and with it the files it unpacked."""
    _remember()
    raise KeyboardInterrupt


def _audit_input_in_worker(path: str, policy: Policy, target: Target, world: World) -> AuditPart:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # Tasks that a pool has handed out already cannot be taken back.
        raise KeyboardInterrupt
    signal.signal(signal.SIGINT, _stop)
    try:
        return _audit_input(path, policy, target, world)
    finally:
        if signal.getsignal(signal.SIGINT) is _stop:
            signal.signal(signal.SIGINT, _remember)


def finish_audit(
    parts: Sequence[AuditPart],
    policy: Policy,
    *,
    target: Target | None = None,
    baseline: Baseline | None = None,
    today: date | None = None,
    skipped: Sequence[str] = (),
) -> AuditReport:
    """Join what the inputs give and mark what is suppressed.

    Args:
        parts: One for each input that was looked at.
        policy: The policy they were judged by.
        target: The process that was modelled.
        baseline: Findings that are put up with.
        today: The day that decides whether suppressions have expired; by default this machine's.
        skipped: Inputs that were not looked at.
    """
    found = sorted((f for part in parts for f in part.findings), key=grouping.order)
    day = today or date.today()  # noqa: DTZ011  # a day in the calendar of whoever wrote the date
    marked, stale = suppress(found, policy, baseline, day)
    return AuditReport(
        results=tuple(r for part in parts for r in part.results),
        findings=marked,
        inputs=tuple(part.input for part in parts),
        policy=PolicySummary(
            policy.profile,
            target.macos if target is not None and target.macos else policy.macos,
            policy.fail_on,
            policy.sources,
            baseline.file if baseline is not None else None,
        ),
        binaries=tuple(b for part in parts for b in part.binaries),
        errors=tuple(e for part in parts for e in part.errors),
        stale=stale,
        skipped=tuple(skipped),
        tool=__version__,
    )


def diff(
    old: StrPath,
    new: StrPath,
    *,
    policy: Policy | StrPath | None = None,
    target: Target | None = None,
    world: World | None = None,
    today: date | None = None,
) -> Diff:
    """Say what changed in the load chain between two builds or releases.

    Args:
        old: A file, folder, archive or address.
        new: Another, of the same thing.
        policy: What is asked of both, as in `audit`.
        target: The process, as in `audit`.
        world: The modelled Mac's files.
        today: The day that decides whether suppressions have expired; by default this machine's.

    Raises:
        UsageError: The request or the policy makes no sense.
    """
    asked = policy_of(policy)
    before, after = (audit(p, policy=asked, target=target, world=world, today=today) for p in (old, new))
    return compare(before, after)


# ---------------------------------------------------------------------------------------------------------------------
# One input


def _audit_input(path: str, policy: Policy, target: Target, world: World) -> AuditPart:
    try:
        if not is_remote(path):
            return _audit_local(path, policy, target, world)
        with fetched(path) as local:
            if world.at is None and world.root is None and _is_macho(local):
                # A single program lies where a browser would have put it.
                world = evolve(world, at=TargetPath(f"{DOWNLOADS}/{leaf(local)}"))
            return _renamed(_audit_local(local, policy, target, world), local, path)
    except InputError as error:
        return AuditPart(AuditInput(path, "unreadable", None, leaf(path)), errors=(error.at(path),))


def _is_macho(path: str) -> bool:
    with FileSource(HostPath(path)) as source:
        return kind_of(source.read(0, 64)) in {FileKind.MACHO, FileKind.UNIVERSAL}


def _renamed(part: AuditPart, local: str, address: str) -> AuditPart:
    """Call a fetched file by its address."""

    def named(text: str) -> str:
        return address + text[len(local) :] if text.startswith(local) else text

    def renamed(finding: Finding) -> Finding:
        steps = (step.replace(local, leaf(local)) for step in finding.remedy)
        return evolve(finding, input=named(finding.input), remedy=tuple(steps))

    return AuditPart(
        evolve(part.input, path=address),
        tuple(evolve(r, input=named(r.input), findings=tuple(renamed(f) for f in r.findings)) for r in part.results),
        tuple(
            evolve(
                f, finding=renamed(f.finding), origin=address, processes=tuple(sorted(named(p) for p in f.processes))
            )
            for f in part.findings
        ),
        tuple(evolve(b, origin=address) for b in part.binaries),
        tuple(
            InputError(e.reason, path=named(e.path) if e.path else None, offset=e.offset, part=e.part, errno=e.errno)
            for e in part.errors
        ),
    )


def _audit_local(path: str, policy: Policy, target: Target, world: World) -> AuditPart:
    kind = _kind(path)
    if kind == "app" and world.at is None and world.root is None and not world.maps:
        world = evolve(world, at=TargetPath(f"/Applications/{leaf(path.rstrip('/'))}"))
    with Session.open([path], world) as session:
        if kind == "xcframework":
            session.inputs = tuple(i for i in session.inputs if _for_macos(session, i))
        return _Audit(session, path, kind, policy, target, world).part()


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


def _for_macos(session: Session, item: Input) -> bool:
    file = session.mac.read(item.node)
    if isinstance(file, InputError):
        return True
    builds = [s.image.build for s in file.slices if s.image is not None]
    return any(build is None or build.platform in _MACOS for build in builds)


@frozen(slots=False)
class _Audit:
    """One open input under audit."""

    session: Session
    path: str
    kind: str
    policy: Policy
    target: Target
    world: World

    def part(self) -> AuditPart:
        session = self.session
        errors = list(session.errors)
        signed: list[SignedBinary] = []
        members = {item.name: self._member(item) for item in session.inputs}
        for found in signed_binaries(
            session.mac, session.inputs, self.path, lambda item: members[item.name], self.target.arch
        ):
            if isinstance(found, InputError):
                errors.append(found)
            else:
                signed.append(found)
        binaries = tuple(found.binary for found in signed)
        results = self._results(errors)
        holds_files = bool(session.artifacts) or self.kind not in {"file", "static-archive"}
        places = _Places(binaries, results, members, holds_files=holds_files)
        evident = [*self._of_files(signed, places), *self._of_processes(results, binaries)]
        given = self._input()
        return AuditPart(
            given,
            tuple(results),
            grouping.group(results, evident, self.policy, self.path, places.locate, given.top, self._folder),
            binaries,
            tuple(errors),
        )

    # what is looked at

    def _member(self, item: Input) -> str:
        below = item.name.removeprefix(self.path)
        return below.lstrip("/:").replace(os.sep, "/") or leaf(self.path)

    @property
    def _folder(self) -> str:
        """What stands before a path in the input to name the file on this machine; archives have to be unpacked."""
        if self.session.artifacts:
            return ""
        if self.kind in {"file", "static-archive"}:
            return self.path[: -len(leaf(self.path))]
        return f"{self.path.rstrip('/')}/"

    def _input(self) -> AuditInput:
        members = tuple(dict.fromkeys(self._member(item) for item in self.session.inputs))
        if self.session.artifacts:
            artifact = self.session.artifacts[0]
            return AuditInput(
                self.path,
                artifact.kind.value,
                self.world.at or artifact.default_place,
                artifact.name,
                artifact.version,
                artifact.platforms,
                True,
                members,
                self._top(artifact, members),
            )
        there = os.path.exists(self.path) and not self._unread  # noqa: PTH110  # as in `_kind`
        place = self.session.view.place(self.path) if there else None
        return AuditInput(self.path, self.kind, place, leaf(self.path.rstrip("/")), members=members)

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

    def _results(self, errors: list[InputError]) -> list[Result]:
        asked = self.target.macos or self.policy.macos
        if asked:
            return list(resolve_inputs(self.session, evolve(self.target, macos=asked), errors))
        target = evolve(self.target, macos=self._own_releases())
        return [r for r in resolve_inputs(self.session, target, errors) if r.macos >= _minimum(r)]

    def _own_releases(self) -> tuple[Version, ...]:
        """Return the generations of dyld from the minimum of the programs, or else of the libraries, to the newest."""
        programs: set[Version] = set()
        others: set[Version] = set()
        for item in self.session.inputs:
            file = self.session.mac.read(item.node)
            if isinstance(file, MachOFile):
                for image in (s.image for s in file.slices if s.image is not None):
                    own = _clamped(image.build.minos if image.build is not None else _OLDEST)
                    (programs if image.file_type == FileType.MH_EXECUTE else others).add(own)
        # With programs and plug-ins in one input each process still begins at its own minimum.
        end = Version.of(NEWEST.major, 255, 255)
        found = {version for first in (programs | others or {_OLDEST}) for version in releases(first, end)}
        return tuple(sorted(found))

    # findings beyond those of the processes

    def _of_files(self, signed: Sequence[SignedBinary], places: _Places) -> Iterator[Finding]:
        binaries = [found.binary for found in signed]
        for found in signed:
            yield from broken_signature(found)
            yield from broken_expectations(found.binary, self.policy.of(found.binary.path))
        mac = self.session.mac
        tops = [f"{top}/{name}" for top in places.tops for name in mac.names(top) or ()]
        if self.kind in _FOLDER_KINDS:
            node = mac.look(self.session.view.place(self.path))
            tops += [node.real] if node.real is not None else []
        yield from bundles.bundle_findings(mac, bundles.find_bundles(mac, binaries, tops), binaries)
        for tags, inside in self._wheels(binaries):
            yield from bundles.wheel_findings(tags, inside)

    def _wheels(self, binaries: Sequence[AuditBinary]) -> Iterator[tuple[Mapping[str, Version], list[AuditBinary]]]:
        for artifact in self.session.artifacts:
            for wheel in _with_nested(artifact):
                if wheel.kind is ArtifactKind.WHEEL:
                    inside = wheel.path[len(self.path) + 1 :]
                    prefix = f"{inside}:" if inside else ""
                    yield bundles.wheel_tags(_stated_tags(wheel)), [b for b in binaries if b.path.startswith(prefix)]
        if self.kind == "folder":
            tags = self._tags_in_folder()
            if tags:
                yield bundles.wheel_tags(tags), list(binaries)

    def _tags_in_folder(self) -> tuple[str, ...]:
        """Return the tags of the wheel a folder is; none for a folder of several packages."""
        mac = self.session.mac
        place = self.session.view.place(self.path)
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
        for result in newest.values():
            is_root = result.file_type == "MH_EXECUTE" or not programs
            yield from broken_library_rules(result, self.policy, by_place, is_root=is_root)
            yield from different_teams(result, by_place)
            yield from ignored_environment(result, by_place, self.target.environment)


def _clamped(version: Version) -> Version:
    """Return the modelled release at or after a version: 11 at least, the newest at most, nothing that never was."""
    if version.major > NEWEST.major:
        return NEWEST
    if 15 < version.major < NEWEST.major:
        return Version.of(NEWEST.major)
    return max(version, _OLDEST)


def _minimum(result: Result) -> Version:
    """Return the oldest release the image a result is about says it supports."""
    subject = next((i for i in result.images if i.path == result.path), result.images[0])
    build = subject.image.build if subject.image is not None else None
    return _clamped(build.minos) if build is not None and build.platform == Platform.MACOS else _OLDEST


def _with_nested(artifact: Artifact) -> Iterator[Artifact]:
    yield artifact
    for inner in artifact.nested:
        yield from _with_nested(inner)


def _stated_tags(wheel: Artifact) -> tuple[str, ...]:
    """Return a wheel's tags: pip goes by the file's name, so that counts where it has the form of one."""
    name = leaf(wheel.path.rpartition(":")[2])
    return (name,) if name.endswith(".whl") and name.count("-") >= 4 else wheel.platforms


class _Places:
    """Where things on the modelled Mac are in the input."""

    def __init__(
        self,
        binaries: Iterable[AuditBinary],
        results: Iterable[Result],
        members: Mapping[str, str],
        *,
        holds_files: bool,
    ) -> None:
        """Learn from files of which both places are known.

        Args:
            binaries: The input's slices.
            results: Its processes; that of a static library is about a program that has yet to be linked.
            members: Where in the input each of its files is, by name.
            holds_files: Whether there is room for more in it.
        """
        self._exact = {str(r.path): members[r.input] for r in results if r.input in members}
        self._exact.update((str(binary.place), binary.path) for binary in binaries)
        self._prefixes: dict[str, str] = {}
        if holds_files:
            for place, path in self._exact.items():
                outer, inner = _outside(place, path)
                self._prefixes.setdefault(outer, inner)

    @property
    def tops(self) -> tuple[str, ...]:
        """The directories on the modelled Mac that hold the input, sorted."""
        return tuple(sorted(self._prefixes))

    def locate(self, path: str) -> str:
        """Return where something is in the input; a path outside of it, or no path, stays itself."""
        known = self._exact.get(path)
        if known is not None or not path.startswith("/"):
            return known or path
        for outer in sorted(self._prefixes, key=len, reverse=True):
            if path.startswith(f"{outer}/"):
                inner = self._prefixes[outer]
                return "/".join(x for x in (inner, path[len(outer) + 1 :]) if x)
        return path


def _outside(place: str, path: str) -> tuple[str, str]:
    """Return what is left of two paths without the names they end with alike."""
    outer, inner = place.split("/"), path.split("/")
    while outer and inner and outer[-1] == inner[-1]:
        outer.pop()
        inner.pop()
    return "/".join(outer), "/".join(inner)
