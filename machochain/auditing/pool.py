"""Who looks at which input: this process, a pool of others, or whatever executor the caller brings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future

from machochain.auditing.one import audit_input, audit_together
from machochain.auditing.part import AuditPart
from machochain.auditing.workers import LOST, interruptible, workers
from machochain.graph.resolve import Target
from machochain.judging.policy import Policy
from machochain.model.audit import AuditInput
from machochain.model.errors import InputError, is_loss
from machochain.model.paths import leaf
from machochain.model.value import evolve
from machochain.session import Progress, check_place
from machochain.world.handed import Handed, called, with_archives
from machochain.world.placement import World


def audit_parts(
    paths: Sequence[Handed],
    policy: Policy,
    *,
    target: Target | None = None,
    world: World | None = None,
    executor: Executor | None = None,
    jobs: int = 1,
    together: bool = False,
    progress: Progress | None = None,
) -> Iterator[AuditPart]:
    """Yield what each input gives, in the order of the inputs; closing the iterator ends the work.

    Of one big input alone the files are shared out among ``jobs``, and ``progress`` is told how many are done.

    After Ctrl-C it yields what other workers have done already before it lets the exception through.

    Raises:
        UsageError: The request makes no sense.
    """
    target = target or Target(macos=())
    world = world or World()
    check_place([called(path) for path in paths], world)
    if policy.sdks and not world.sdks:
        world = evolve(world, sdks=policy.sdks)
    paths = with_archives(paths)
    if together:
        yield from audit_together(paths, policy, target, world)
    elif executor is not None:
        yield from _in_order(executor, audit_input, paths, policy, target, world)
    elif jobs > 1 and len(paths) > 1:
        yield from _in_workers(min(jobs, len(paths)), paths, policy, target, world)
    else:
        for path in paths:
            yield audit_input(path, policy, target, world, jobs, progress if len(paths) == 1 else None)


def lost(handed: Handed) -> AuditPart:
    """Return what is known of an input whose process is gone."""
    name = called(handed)
    given = AuditInput(name, "unreadable", None, leaf(name))
    return AuditPart(given, errors=(InputError(LOST, path=name),))


def _is_lost(part: AuditPart) -> bool:
    return any(error.reason == LOST for error in part.errors)


_Task = Callable[[Handed, Policy, Target, World], AuditPart]


def _in_order(
    executor: Executor, task: _Task, paths: Sequence[Handed], policy: Policy, target: Target, world: World
) -> Iterator[AuditPart]:
    futures: list[Future[AuditPart]] = []
    turn = 0
    try:
        futures += [_submitted(executor, task, path, policy, target, world) for path in paths]
        for turn, future in enumerate(futures, 1):
            try:
                part = future.result()
            except Exception as error:
                if not is_loss(error):
                    raise
                part = lost(paths[turn - 1])
            yield part
    except KeyboardInterrupt:
        # What has been found out is known, whatever its turn.
        late = [f for f in futures[turn:] if f.done() and not f.cancelled()]
        yield from (f.result() for f in late if f.exception() is None)
        raise
    finally:
        for future in futures:
            future.cancel()


def _submitted(
    executor: Executor, task: _Task, path: Handed, policy: Policy, target: Target, world: World
) -> Future[AuditPart]:
    try:
        return executor.submit(task, path, policy, target, world)
    except BrokenExecutor as error:
        # It broke at a task that was handed out before.
        future: Future[AuditPart] = Future()
        future.set_exception(error)
        return future


def _in_workers(
    jobs: int, paths: Sequence[Handed], policy: Policy, target: Target, world: World
) -> Iterator[AuditPart]:
    """Work in other processes. One that is lost (killed, out of memory) loses no input but the one it worked on."""
    waiting = list(paths)
    while waiting:
        broken = False
        with workers(min(jobs, len(waiting))) as pool:
            for part in _in_order(pool, _audit_input_in_worker, waiting, policy, target, world):
                if _is_lost(part):
                    broken = True
                    break
                waiting.pop(0)
                yield part
        if broken:
            # All that was under way is lost with one of them. Alone, each shows whether it is the one.
            with workers(1) as pool:
                yield next(_in_order(pool, _audit_input_in_worker, waiting[:1], policy, target, world))
            waiting.pop(0)


def _audit_input_in_worker(path: Handed, policy: Policy, target: Target, world: World) -> AuditPart:
    return interruptible(audit_input, path, policy, target, world)
