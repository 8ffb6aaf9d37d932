"""The repair of inputs: audited, planned, copied, edited, sealed, audited again, and only then put in place."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from machochain._version import __version__
from machochain.auditing import audit, policy_of
from machochain.findings import RULES
from machochain.graph.resolve import Target
from machochain.judging.policy import Policy
from machochain.model.audit import AuditFinding, AuditReport
from machochain.model.errors import InputError, UsageError, guess
from machochain.model.result import Severity
from machochain.model.value import Factory, evolve, frozen
from machochain.repair import wheels
from machochain.repair.bundling import Bundling, place_of, plan_bundling
from machochain.repair.containers import Container, Wheel, open_container
from machochain.repair.file import FileRepair, SigningPolicy, SliceRepair, repair_file
from machochain.repair.obstacle import Obstacle, ObstacleKind, RepairError, refuse
from machochain.repair.plan import FilePlan, Plan, make_plan, with_bundling
from machochain.repair.proof import Proof, prove
from machochain.repair.result import FileChange, InputRepair, Refusal, Repair, RepairOutcome
from machochain.repair.seal import renew
from machochain.world.archives.opening import is_artifact
from machochain.world.placement import StrPath, World


@frozen
class Options:
    """How to repair.

    Attributes:
        only: Ids of the rules to mend; all if empty.
        dry_run: Whether only to say what would be done.
        in_place: Whether the copy takes the place of the input.
        bundle: Whether libraries from outside are brought in.
        signing: What may be done to signatures.
    """

    only: frozenset[str] = frozenset()
    dry_run: bool = False
    in_place: bool = False
    bundle: bool = False
    signing: SigningPolicy = Factory(SigningPolicy)


def fix(  # noqa: PLR0913  # each is the caller's to say
    paths: Iterable[StrPath] | StrPath,
    out: StrPath | None = None,
    *,
    only: Collection[str] = (),
    dry_run: bool = False,
    in_place: bool = False,
    bundle: bool = False,
    resign: bool = False,
    drop_entitlements: bool = False,
    policy: Policy | StrPath | None = None,
    target: Target | None = None,
    world: World | None = None,
    today: date | None = None,
) -> Repair:
    """Carry out the remedies of an audit's findings on copies, and prove by a second audit that they help.

    Args:
        paths: Mach-O files, folders, wheels, zips, tars.
        out: Where the copy goes: a name that is free, or a folder; with several inputs a folder.
        only: Ids of the rules to mend; all if empty.
        dry_run: Whether only to say what would be done.
        in_place: Whether the copy takes the place of the input, once it is proved.
        bundle: Whether libraries that lie outside of an input, the OS's aside, are copied into it.
        resign: Whether a developer's signature, or one that was broken before, may be replaced by an ad hoc one.
        drop_entitlements: Whether entitlements that ad hoc code cannot have may be dropped.
        policy: What is asked of the inputs, as in `machochain.audit`.
        target: The process, likewise.
        world: The modelled Mac's files, likewise.
        today: The day that decides whether suppressions have expired.

    Raises:
        UsageError: The request makes no sense, or would overwrite something.
    """
    chosen = [os.fspath(paths)] if isinstance(paths, (str, os.PathLike)) else [os.fspath(p) for p in paths]
    if not chosen:
        raise UsageError("nothing to repair")
    if sum((out is not None, dry_run, in_place)) != 1:
        raise UsageError("say one of three: where the copy goes (-o OUT), --dry-run, or --in-place")
    options = Options(_rules(only), dry_run, in_place, bundle, SigningPolicy(resign, drop_entitlements))
    asked = policy_of(policy)
    done: list[InputRepair] = []
    errors: list[InputError] = []
    for path in chosen:
        place = _output(path, out, several=len(chosen) > 1) if out is not None else None
        job = _Job(path, place, options, asked, target, world or World(), today)
        try:
            done.append(job.run())
        except InputError as error:
            errors.append(error)
    return Repair(tuple(done), tuple(errors), dry_run, asked.fail_on, __version__)


def _output(path: str, out: StrPath, *, several: bool) -> Path:
    folder = Path(os.fspath(out))
    name = Path(path).resolve().name
    # A wheel is installed by its name alone: a name without .whl is the folder it is to go into.
    nameless = name.endswith(".whl") and folder.suffix != ".whl"
    into = several or nameless or folder.is_dir() or os.fspath(out).endswith("/")
    place = folder / name if into else folder
    if place.exists() or place.is_symlink():
        raise UsageError(f"{place} exists already; nothing is overwritten: remove it, or name another place")
    if place.resolve().is_relative_to(Path(path).resolve()):
        raise UsageError(f"{place} lies inside of {path}; the copy needs a place of its own")
    if into:
        folder.mkdir(parents=True, exist_ok=True)
    if not place.parent.is_dir():
        raise UsageError(f"{place.parent} is no folder")
    return place


def _rules(only: Iterable[str]) -> frozenset[str]:
    """Return ids of rules, named as a policy may name them."""
    ids = {key: rule.id for rule in RULES.values() for key in (rule.id, rule.name)}
    unknown = [text for text in only if text not in ids]
    if unknown:
        raise UsageError(f"no such rule: {unknown[0]!r}{guess(unknown[0], ids)} (machochain audit --rules lists them)")
    return frozenset(ids[text] for text in only)


@frozen
class _Proved:
    """A copy that lies aside, and what an audit of it shows."""

    candidate: Path
    proof: Proof
    helped: bool


@frozen(slots=False)
class _Job:
    """One input under repair."""

    path: str
    out: Path | None
    options: Options
    policy: Policy
    target: Target | None
    world: World
    today: date | None

    def run(self) -> InputRepair:
        """Repair it.

        Raises:
            InputError: It cannot be read.
            UsageError: The copy cannot be written.
        """
        before = self._audit(self.path, self.world)
        if before.errors and not before.binaries:
            raise before.errors[0]
        if not before.binaries:
            raise InputError("no Mach-O file in it, so nothing was examined", path=self.path)
        every = sorted({b.arch for b in before.binaries})
        bundling = plan_bundling(before) if self.options.bundle else Bundling((), {})
        plan = with_bundling(self._plan(before, every), bundling)
        kind = None if Path(self.path).is_dir() else is_artifact(self.path)
        with self._workplace() as aside:
            try:
                container = open_container(Path(self.path), kind)
            except RepairError as error:
                return self._ended(RepairOutcome.REFUSED, before, plan, (Refusal("", error.obstacle),))
            if not plan.files and plan.tag is None:
                return self._ended(RepairOutcome.NOTHING_TO_DO, before, plan, container=container, aside=aside)
            return self._attempts(before, plan, container, bundling, aside)

    def _plan(self, before: AuditReport, archs: list[str]) -> Plan:
        drops = self.options.signing.drop_entitlements
        return make_plan(before.active, self.options.only, archs, drop_entitlements=drops)

    def _attempts(
        self, before: AuditReport, plan: Plan, container: Container, bundling: Bundling, aside: Path
    ) -> InputRepair:
        """Repair all; where that makes something worse, leave the files alone that it is about, and try again."""
        harmful: tuple[Refusal, ...] = ()
        places: dict[str, str] = {b.place: b.path for b in before.binaries}
        while True:
            try:
                changed, changes, refusals = _changed(container, plan, bundling, self.options.signing)
            except RepairError as error:
                changed, changes, refusals = {}, (), (Refusal("", error.obstacle),)
            refusals = (*harmful, *refusals)
            if not changed:
                return self._ended(RepairOutcome.REFUSED, before, plan, refusals, container=container, aside=aside)
            try:
                proved = self._proved(before, plan, container, changed, aside, bundling)
            except RepairError as error:
                refusals = (*refusals, Refusal("", error.obstacle))
                return self._ended(RepairOutcome.REFUSED, before, plan, refusals)
            if proved.helped:
                return self._placed(plan, proved, changes, refusals)
            found = {places[h.image]: h.name for h in proved.proof.harms if h.image in places}
            found |= {f.path: f.finding.subject for f in proved.proof.new if f.severity is not Severity.INFO}
            worse = {path: name for path, name in found.items() if any(f.path == path for f in plan.files)}
            if not worse or bundling.copies:
                return self._ended(
                    RepairOutcome.NO_HELP, before, plan, refusals, changes, proved.proof,
                    container=container, aside=aside,
                )  # fmt: skip
            harmful = (
                *harmful,
                *(Refusal(path, Obstacle(ObstacleKind.WOULD_HARM, name)) for path, name in sorted(worse.items())),
            )
            plan = evolve(plan, files=tuple(f for f in plan.files if f.path not in worse))

    def _audit(self, path: str, world: World) -> AuditReport:
        return audit(path, policy=self.policy, target=self.target, world=world, today=self.today)

    @contextmanager
    def _workplace(self) -> Iterator[Path]:
        """Open a folder for the copy, on the volume where it will stay; whatever is left in it goes."""
        near = self.out.parent if self.out is not None else Path(self.path).resolve().parent
        try:
            aside = tempfile.mkdtemp(prefix=".machochain-", dir=None if self.options.dry_run else near)
            try:
                yield Path(aside)
            finally:
                shutil.rmtree(aside, ignore_errors=True)
        except OSError as error:
            # copytree() tells of each file it could not copy
            why = error.args[0][0][2] if isinstance(error, shutil.Error) and isinstance(error.args[0], list) else error
            raise UsageError(
                f"a copy of {self.path} cannot be written: {getattr(why, 'strerror', None) or why}"
            ) from error

    def _proved(
        self,
        before: AuditReport,
        plan: Plan,
        container: Container,
        changed: dict[str, bytes],
        aside: Path,
        bundling: Bundling,
    ) -> _Proved:
        """Write the copy aside and audit it where the input lies."""
        name = Path(self.path).resolve().name
        candidate = aside / (wheels.renamed_file(name, plan.tag) if plan.tag is not None else name)
        if candidate.is_dir():
            shutil.rmtree(candidate)
        container.write(candidate, changed)
        places = {copy.source: place_of(before, copy.path) for copy in bundling.copies}
        moved = {old: new for old, new in places.items() if new is not None}
        proof = prove(before, self._audit(str(candidate), self._world_of(candidate, before)), moved)
        helped = proof.sound and (bool(bundling.copies) or any(f.fingerprint in plan.meant for f in proof.gone))
        return _Proved(candidate, proof, helped)

    def _placed(
        self, plan: Plan, proved: _Proved, changes: tuple[FileChange, ...], refusals: tuple[Refusal, ...]
    ) -> InputRepair:
        name = proved.candidate.name
        final = self._place(proved.candidate, name)
        return InputRepair(
            self.path,
            None if final is None else str(final),
            RepairOutcome.REPAIRED,
            changes,
            refusals,
            proved.proof,
            plan.left,
            _failing(self.policy, proved.proof),
            name if name != Path(self.path).resolve().name else None,
        )

    def _world_of(self, candidate: Path, before: AuditReport) -> World:
        """Return the Mac on which the copy lies where the input does."""
        place = before.inputs[0].place
        if self.world.at is not None or place is None or before.inputs[0].archive or Path(self.path).suffix == ".app":
            return self.world
        return evolve(self.world, maps=(*self.world.maps, (place, str(candidate))))

    def _place(self, candidate: Path, name: str) -> Path | None:
        """Put the copy where it goes."""
        if self.options.dry_run:
            return None
        source = Path(self.path)
        if self.options.in_place:
            target = source.resolve()
            if target.is_dir():
                old = candidate.parent / "old"
                target.rename(old)
                try:
                    candidate.rename(target)
                except OSError:
                    old.rename(target)
                    raise
                return source
            if name != target.name:
                renamed = target.with_name(name)
                if renamed.exists():
                    raise UsageError(f"{renamed} exists already; nothing is overwritten")
                candidate.rename(renamed)
                target.unlink()
                return renamed
            candidate.replace(target)
            return source
        assert self.out is not None
        # A name that was given is kept; a wheel in a folder takes the name that its tag asks for.
        final = self.out.with_name(name) if self.out.name == source.resolve().name else self.out
        if final.exists():
            raise UsageError(f"{final} exists already; nothing is overwritten")
        candidate.rename(final)
        return final

    def _ended(
        self,
        outcome: RepairOutcome,
        before: AuditReport,
        plan: Plan,
        refusals: tuple[Refusal, ...] = (),
        changes: tuple[FileChange, ...] = (),
        proof: Proof | None = None,
        *,
        container: Container | None = None,
        aside: Path | None = None,
    ) -> InputRepair:
        """Tell how it ended where nothing is changed; the copy is the input as it was."""
        final = None
        if container is not None and aside is not None and self.out is not None:
            unchanged = aside / "unchanged"
            try:
                container.write(unchanged, {})
            except RepairError as error:
                more = (*refusals, Refusal("", error.obstacle))
                return self._ended(RepairOutcome.REFUSED, before, plan, more, changes, proof)
            unchanged.rename(self.out)
            final = str(self.out)
        return InputRepair(self.path, final, outcome, changes, refusals, proof, plan.left, before.failing)


def _failing(policy: Policy, proof: Proof) -> tuple[AuditFinding, ...]:
    floor = policy.fail_on
    if floor is None:
        return ()
    return tuple(f for f in (*proof.stays, *proof.new) if f.severity.rank >= floor.rank)


def _changed(
    container: Container, plan: Plan, bundling: Bundling, signing: SigningPolicy
) -> tuple[dict[str, bytes], tuple[FileChange, ...], tuple[Refusal, ...]]:
    """Edit the files of an input, renew the seals above them, and a wheel's tag."""
    changed: dict[str, bytes] = {}
    changes: list[FileChange] = []
    refusals: list[Refusal] = list(bundling.refusals)
    for copy in bundling.copies:
        # Without all of them the artifact would be half bundled: what stands against one stands against all.
        name = copy.path.rpartition("/")[2]
        data = Path(copy.host).read_bytes()
        brought = repair_file(data, bundling.edits.get(copy.path, {}), name, evolve(signing, mend=True))
        changed[copy.path] = brought.data
        changes.append(FileChange(copy.path, brought.slices))
    for file in plan.files:
        try:
            repaired = _repaired(container, file, signing)
        except RepairError as error:
            refusals.append(Refusal(file.path, error.obstacle))
            continue
        if repaired.changed:
            changed[file.path] = repaired.data
            changes.append(FileChange(file.path, repaired.slices, file.rules))
    if plan.tag is not None and isinstance(container, Wheel):
        wheel = next((p for p in container.paths if p.count("/") == 1 and p.endswith(".dist-info/WHEEL")), None)
        old = container.read(wheel) if wheel is not None else None
        if old is None or wheel is None:
            raise refuse(ObstacleKind.CONTAINER, "it is no wheel with a WHEEL file")
        changed[wheel] = wheels.with_tag(old, wheels.full_tag(container.source.name, plan.tag))
        changes.append(FileChange(wheel))
    sealed = _seal(container, changed, signing)
    known = {c.path for c in changes}
    changes += [FileChange(path, slices) for path, slices in sealed.items() if path not in known]
    return changed, tuple(changes), tuple(refusals)


def _repaired(container: Container, file: FilePlan, signing: SigningPolicy) -> FileRepair:
    data = container.read(file.path)
    if data is None:
        raise refuse(ObstacleKind.ABSENT, "file of this name")
    name = file.path.rpartition("/")[2]
    return repair_file(data, file.edits, name, evolve(signing, mend=file.signs))


def _seal(
    container: Container, changed: dict[str, bytes], signing: SigningPolicy
) -> dict[str, tuple[SliceRepair, ...]]:
    slices: dict[str, tuple[SliceRepair, ...]] = {}

    def read(path: str) -> bytes | None:
        return changed[path] if path in changed else container.read(path)

    def sign(path: str, sealed: dict[int, bytes]) -> bytes:
        data = read(path)
        assert data is not None
        done = repair_file(data, {}, path.rpartition("/")[2], signing, sealed)
        slices[path] = done.slices
        return done.data

    for path in renew(changed, container.paths, read, sign):
        slices.setdefault(path, ())
    return slices
