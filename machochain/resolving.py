"""The tasks of a run of ``resolve``: what is looked at together, and what each group of inputs gives."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import groupby
from typing import TYPE_CHECKING

from machochain.graph.answers import Report
from machochain.graph.resolve import Target
from machochain.model.coverage import members_lost
from machochain.model.errors import InputError, is_loss
from machochain.session import Session, check_place, is_archive, placed_main, resolve_inputs
from machochain.world.handed import Handed, SurveyedFolder, called, found_within, on_disk, with_archives
from machochain.world.placement import World
from machochain.world.remote import is_remote

if TYPE_CHECKING:
    from concurrent.futures import Future


def awaited(future: Future[Report], group: Sequence[Handed]) -> Report:
    """Return what a task found out; of one whose process is gone, that it is lost."""
    try:
        return future.result()
    except Exception as error:
        if not is_loss(error):
            raise
        reason = "was not finished: the process that looked at it was killed, perhaps for want of memory"
        return Report((), tuple(InputError(reason, path=called(each)) for each in group))


def chosen_of(handed: Sequence[Handed], world: World) -> tuple[list[Handed], list[InputError]]:
    """Return what is looked at, archives in folders too, and why the rest is not.

    Raises:
        UsageError: There is one place for several inputs.
        InputError: None exists.
    """
    check_place([called(each) for each in handed], world)
    chosen, absent = existing(handed)
    return with_archives(chosen), absent


def joined(chosen: Sequence[Handed], absent: Sequence[InputError], parts: Sequence[Report]) -> Report:
    """Return what several tasks found out as one report."""
    errors = (*absent, *(e for part in parts for e in part.errors))
    passed_over = tuple(each for part in parts for each in part.passed_over)
    empty = {name for part in parts for name in part.unexamined}
    holding = {within for e in chosen if (within := found_within(e)) is not None and called(e) not in empty}
    named = dict.fromkeys(called(e) for e in chosen if found_within(e) is None)
    unexamined = tuple(name for name in named if name in empty and name not in holding)
    return Report(tuple(r for part in parts for r in part.results), errors, passed_over, unexamined)


def existing(handed: Sequence[Handed]) -> tuple[list[Handed], list[InputError]]:
    """Split what was named into what is there and why the rest is not; raise if that is all."""
    there: list[Handed] = []
    absent: list[InputError] = []
    for each in handed:
        try:
            if isinstance(each, str) and not is_remote(each):
                os.lstat(each)
        except (OSError, ValueError) as error:
            absent.append(_absence(called(each), error))
        else:
            there.append(each)
    if absent and not there:
        raise absent[0]
    return there, absent


def _absence(path: str, error: OSError | ValueError) -> InputError:
    if isinstance(error, FileNotFoundError):
        return InputError("no such file or directory", path=path, errno=error.errno or 0)
    if isinstance(error, OSError):
        return InputError(f"cannot be read: {error.strerror}", path=path, errno=error.errno or 0)
    return InputError("no file can have this name", path=path)


def resolve_group(group: Sequence[Handed], target: Target, world: World, *, together: bool = False) -> Report:
    """Return what some inputs give that are looked at together, on one Mac; what cannot be read is among its errors."""
    with ExitStack() as stack:
        try:
            given = [stack.enter_context(on_disk(each, world.timeout)) for each in group]
        except InputError as error:
            return Report((), (error,))
        for each in given:
            world = each.placed(world)
        session = stack.enter_context(Session.open(given, world, together=together))
        errors = list(session.errors)
        results = list(resolve_inputs(session, placed_main(session, target), errors))
        filled = {item.group for item in session.inputs}
        unread = {error.path for error in session.errors}
        empty = (e.called for number, e in enumerate(given) if number not in filled and e.called not in unread)
        return Report(tuple(results), tuple(errors), (*session.passed_over, *members_lost(results)), tuple(empty))


def apart(handed: Sequence[Handed]) -> list[list[Handed]]:
    """Put what is no file of this machine, and each archive, into a group of its own; the rest stays together."""
    return [
        run
        for alone, group in groupby(handed, key=_stands_alone)
        for run in ([[each] for each in group] if alone else [list(group)])
    ]


def _stands_alone(handed: Handed) -> bool:
    if isinstance(handed, SurveyedFolder):
        return False
    return not isinstance(handed, str) or is_remote(handed) or is_archive(handed)
