"""One big input in several processes: its files are shared out, and what each comes to is asked for in its turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Final

from machochain.auditing.workers import LOST, interruptible, workers
from machochain.graph.inputs import Input
from machochain.graph.resolve import Target
from machochain.model.errors import InputError
from machochain.model.value import define, field
from machochain.session import Begin, Identity, Resolved, Session, reached_by, resolve_input
from machochain.world.placement import World

FEW: Final = 48
"""Files for which starting other processes costs more than it saves."""
_SHARE: Final = 8
"""Files that are handed out at once: neighbours load the same libraries, which a process reads once."""

_Share = tuple[Input, ...]
_Answers = list[Resolved | None]


@contextmanager
def split(session: Session, target: Target, jobs: int) -> Iterator[Begin | None]:
    """Yield who resolves the files of a session in other processes; None for so few that this one is faster."""
    if jobs < 2 or len(session.inputs) < FEW:
        yield None
        return
    with ExitStack() as pools:
        yield _Split(session, target, min(jobs, -(-len(session.inputs) // _SHARE)), pools).begin


@define
class _Split:
    """The processes, and what they were given; nothing of it changes what is found out."""

    session: Session
    target: Target
    jobs: int
    pools: ExitStack
    shares: list[_Share] = field(factory=list)
    futures: list[Future[_Answers]] = field(factory=list)

    def begin(self, items: Sequence[Input]) -> Callable[[Input], Resolved]:
        """Hand out files; return whom to ask for each of them, in their order."""
        self.pools.close()
        self.shares = [tuple(items[at : at + _SHARE]) for at in range(0, len(items), _SHARE)]
        self._hand_out(0)
        known: dict[int, Resolved | None] = {}
        share_of = {id(item): number for number, share in enumerate(self.shares) for item in share}

        def resolve(item: Input) -> Resolved:
            if id(item) not in known:
                number = share_of[id(item)]
                known.update(zip(map(id, self.shares[number]), self._answers(number), strict=True))
            answer = known.pop(id(item))
            # No root to the process that had it, but to this one, which knows of all files before it.
            return resolve_input(self.session, self.target, item) if answer is None else answer

        return resolve

    def _hand_out(self, first: int) -> None:
        """Start processes for the shares from one on."""
        if first < len(self.shares):
            pool = self.pools.enter_context(self._workers(self.jobs))
            self.futures[first:] = [_submitted(pool, share) for share in self.shares[first:]]

    def _workers(self, count: int) -> AbstractContextManager[Executor]:
        session = self.session
        return workers(count, _open, session.world, session.placed, session.inputs, self.target)

    def _answers(self, number: int) -> _Answers:
        try:
            return self.futures[number].result()
        except BrokenExecutor:
            # All that was under way is lost with one of them: alone, each shows whether it is the one.
            self.pools.close()
            answers = list(self._one_by_one(self.shares[number]))
            self._hand_out(number + 1)
            return answers

    def _one_by_one(self, share: _Share) -> Iterator[Resolved | None]:
        waiting = list(share)
        while waiting:
            with self._workers(1) as pool:
                for item in tuple(waiting):
                    waiting.pop(0)
                    try:
                        yield _submitted(pool, (item,)).result()[0]
                    except BrokenExecutor:
                        yield InputError(LOST, path=item.name)
                        break


def _submitted(pool: Executor, share: _Share) -> Future[_Answers]:
    try:
        return pool.submit(_resolve_in_worker, share)
    except BrokenExecutor as error:
        # It broke at a share that was handed out before.
        future: Future[_Answers] = Future()
        future.set_exception(error)
        return future


# -- in a worker --

_opened: list[tuple[Session, Target]] = []


def _open(world: World, placed: Sequence[str], inputs: Sequence[Input], target: Target) -> None:
    """Open what the other process has unpacked; reading it is for all shares of this one."""
    _opened[:] = [(Session.again(world, placed, inputs), target)]


def _resolve_in_worker(share: _Share) -> _Answers:
    return interruptible(_resolve, share)


def _resolve(share: _Share) -> _Answers:
    """Resolve files; None for one that another of the share loads, which is seldom asked for."""
    ((session, target),) = _opened
    reached: set[Identity] = set()
    answers: _Answers = []
    for item in share:
        if not item.named and item.node.identity in reached:
            answers.append(None)
            continue
        resolved = resolve_input(session, target, item)
        answers.append(resolved)
        if not isinstance(resolved, InputError):
            reached |= reached_by(item, resolved)
    return answers
