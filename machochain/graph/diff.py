"""Two audits held against each other: what changed in the load chain between two builds or releases."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import Enum

from machochain.model.audit import AuditBinary, AuditFinding, AuditReport
from machochain.model.image import LinkedDylib, file_type_name
from machochain.model.platform import platform_name
from machochain.model.result import Result, Severity
from machochain.model.value import frozen


class State(Enum):
    """What became of a file."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@frozen
class Change:
    """One fact that changed.

    Attributes:
        what: ``library``, ``run path``, ``minos`` and the like.
        subject: Which of them, where there are several: a load path, a run path, an entitlement; else empty.
        old: What it was; None if it was not there.
        new: What it is; None if it is gone.
    """

    what: str
    subject: str
    old: str | None
    new: str | None


@frozen
class BinaryDiff:
    """What became of one slice.

    Attributes:
        path: Where it is in the input, as it is called in both.
        arch: Its architecture.
        state: Whether it came, went or changed.
        changes: What changed in it; empty for one that came or went.
    """

    path: str
    arch: str
    state: State
    changes: tuple[Change, ...] = ()


@frozen
class Diff:
    """What changed between two inputs.

    Attributes:
        old: The old audit.
        new: The new one.
        binaries: Slices that came, went or changed, by path and architecture.
        appeared: Findings of the new that the old had not, or had milder, worst first.
        vanished: Findings of the old that the new has not.
    """

    old: AuditReport
    new: AuditReport
    binaries: tuple[BinaryDiff, ...]
    appeared: tuple[AuditFinding, ...]
    vanished: tuple[AuditFinding, ...]

    @property
    def failing(self) -> tuple[AuditFinding, ...]:
        """The new findings that count and reach the threshold of the policy."""
        floor = self.new.policy.fail_on
        if floor is None:
            return ()
        return tuple(f for f in self.appeared if f.suppressed is None and f.severity.rank >= floor.rank)

    @property
    def examined(self) -> bool:
        """Whether there was something to look at on both sides."""
        return not (self.old.unexamined or self.new.unexamined) and bool(self.old.inputs and self.new.inputs)

    @property
    def passed(self) -> bool:
        """Whether no new finding reaches the threshold, and both sides could be looked at."""
        return self.examined and not (self.failing or self.old.errors or self.new.errors)

    def __repr__(self) -> str:
        return f"<Diff of {len(self.binaries)} files: {len(self.appeared)} findings new, {len(self.vanished)} gone>"


_Key = tuple[str, str]


def diff_audits(old: AuditReport, new: AuditReport) -> Diff:
    """Hold two audits of one input each against each other.

    Files are paired by their path in the input, those of an archive without a directory that carries the release's
    name; two inputs that are one file each are paired whatever their names.
    """
    before, after = _Side(old), _Side(new)
    if len(before.files) == len(after.files) == 1:
        before.rename(after)
    binaries = tuple(_binaries(before, after))
    had = before.findings()
    has = after.findings()
    appeared = [f for key, f in has.items() if key not in had or _weight(had[key]) < _weight(f)]
    vanished = [f for key, f in had.items() if key not in has]
    return Diff(old, new, binaries, tuple(appeared), tuple(vanished))


def _weight(finding: AuditFinding) -> int:
    """Return how much a finding counts; one that is suppressed counts nothing."""
    return finding.severity.rank if finding.suppressed is None else Severity.INFO.rank - 1


class _Side:
    """One of the two audits, by what pairs it with the other."""

    def __init__(self, report: AuditReport) -> None:
        self.report = report
        self._inputs = {given.path: given for given in report.inputs}
        self._names: dict[str, str] = {}
        self.binaries: dict[_Key, AuditBinary] = {(self.stable(b.path, b.origin), b.arch): b for b in report.binaries}
        self.files = {path for path, _ in self.binaries}
        self.served = _served(report, self)

    def stable(self, path: str, origin: str) -> str:
        """Return what a file is called in every release: that of an archive in a folder begins with the archive."""
        given = self._inputs.get(origin)
        if given is None:
            return path
        inside = given.stable(path)
        if given.within is None or path.startswith("/"):
            return inside
        archive = origin.removeprefix(given.within).lstrip("/")
        return f"{archive.replace(f'-{given.version}', '', 1) if given.version else archive}:{inside}"

    def origin(self, name: str) -> str:
        """Return the input a file is in, by what the file is called."""
        found = [path for path in self._inputs if name == path or name.startswith((f"{path}:", f"{path.rstrip('/')}/"))]
        return max(found, key=len, default="")

    def rename(self, other: _Side) -> None:
        """Call the only file here as the only one there."""
        (own,), (theirs,) = self.files, other.files
        self._names = {own: theirs}
        self.binaries = {(theirs, arch): binary for (_, arch), binary in self.binaries.items()}
        self.served = {(theirs, *rest): value for (_, *rest), value in self.served.items()}

    def findings(self) -> dict[tuple[str, str, str], AuditFinding]:
        """Return the findings by rule, subject and path; the worst where there are several."""
        found: dict[tuple[str, str, str], AuditFinding] = {}
        places = {(binary.origin, str(binary.place)): binary.path for binary in self.report.binaries}
        for finding in self.report.findings:
            about, origin = finding.finding.subject, finding.origin
            here = places.get((origin, about))
            subject = about if here is None else self.stable(here, origin)
            path = self.stable(finding.path, origin)
            subject, path = (self._names.get(text, text) for text in (subject, path))
            found.setdefault((finding.finding.rule, subject, path), finding)
        return found


def _served(report: AuditReport, side: _Side) -> dict[tuple[str, ...], str]:
    """Return what serves each load path, by file, architecture and load path, on the newest release looked at."""
    paths = {(b.origin, str(b.place), b.arch): side.stable(b.path, b.origin) for b in report.binaries}
    newest: dict[_Key, Result] = {}
    for result in report.results:
        key = result.input, result.arch
        if key not in newest or newest[key].macos < result.macos:
            newest[key] = result
    found: dict[tuple[str, ...], str] = {}
    for result in newest.values():
        origin = side.origin(result.input)
        for load in result.loads:
            source = result.images[load.source]
            arch = source.image.arch.name if source.image is not None else ""
            path = paths.get((origin, source.path, arch))
            if path is None or load.inserted:
                continue
            if load.to is None:
                text = load.outcome.value
            else:
                image = result.images[load.to]
                text = paths.get((origin, image.path, arch), str(image.path))
            found.setdefault((path, arch, load.dylib.name), text)
    return found


def _binaries(before: _Side, after: _Side) -> Iterator[BinaryDiff]:
    for path, arch in sorted({*before.binaries, *after.binaries}):
        old, new = before.binaries.get((path, arch)), after.binaries.get((path, arch))
        if old is None or new is None:
            yield BinaryDiff(path, arch, State.ADDED if old is None else State.REMOVED)
            continue
        served = (
            {name: text for (p, a, name), text in side.served.items() if (p, a) == (path, arch)}
            for side in (before, after)
        )
        changes = tuple(_changes(old, new, *served))
        if changes:
            yield BinaryDiff(path, arch, State.CHANGED, changes)


def _changes(
    old: AuditBinary, new: AuditBinary, served_before: Mapping[str, str], served_now: Mapping[str, str]
) -> Iterator[Change]:
    yield from _facts(_header(old), _header(new))
    before, after = ({load.name: load for load in b.image.loads} for b in (old, new))
    yield from _facts(
        {("library", name): _load(load) for name, load in before.items()},
        {("library", name): _load(load) for name, load in after.items()},
    )
    common = before.keys() & after.keys()
    yield from _facts(
        {("served by", name): text for name, text in served_before.items() if name in common},
        {("served by", name): text for name, text in served_now.items() if name in common},
    )
    yield from _run_paths(old, new)
    yield from _facts(_signature(old), _signature(new))


_Facts = Mapping[tuple[str, str], str | None]


def _facts(old: _Facts, new: _Facts) -> Iterator[Change]:
    for key in {**old, **new}:
        if old.get(key) != new.get(key):
            yield Change(*key, old.get(key), new.get(key))


def _header(binary: AuditBinary) -> _Facts:
    image = binary.image
    build = image.build
    return {
        ("file type", ""): file_type_name(image.file_type),
        ("install name", ""): image.install_name,
        ("version", ""): str(image.id_current_version) if image.id_current_version is not None else None,
        ("compatibility version", ""): (
            str(image.id_compatibility_version) if image.id_compatibility_version is not None else None
        ),
        ("platform", ""): platform_name(build.platform) if build is not None else None,
        ("minos", ""): str(build.minos) if build is not None else None,
        ("sdk", ""): str(build.sdk) if build is not None and build.sdk is not None else None,
        ("architectures", ""): ", ".join(sorted(binary.slices)),
    }


def _load(load: LinkedDylib) -> str:
    return " ".join([f"{load.current_version} (compatible {load.compatibility_version})", *load.kinds])


def _run_paths(old: AuditBinary, new: AuditBinary) -> Iterator[Change]:
    before = [run_path.path for run_path in old.image.run_paths]
    after = [run_path.path for run_path in new.image.run_paths]
    if before == after:
        return
    if sorted(before) == sorted(after):
        yield Change("run path order", "", ", ".join(before), ", ".join(after))
        return
    yield from _facts(_counted(before), _counted(after))


def _counted(run_paths: Iterable[str]) -> dict[tuple[str, str], str | None]:
    texts = list(run_paths)
    return {("run path", text): "present" if texts.count(text) == 1 else f"{texts.count(text)} times" for text in texts}


def _signature(binary: AuditBinary) -> _Facts:
    signature = binary.signature
    if signature is None:
        return {("signature", ""): "none"}
    return {
        ("signature", ""): signature.kind.value,
        ("team", ""): signature.team_id,
        ("signing flags", ""): ", ".join(signature.flag_names) or None,
        **{("entitlement", str(key)): repr(value) for key, value in sorted(signature.entitlements.items())},
    }
