"""What happens to one input happens to no other: a killed worker, too little memory."""

from __future__ import annotations

import json
from concurrent.futures import BrokenExecutor, Executor, Future
from pathlib import Path
from typing import Any

import pytest

import machochain
from machochain.auditing import one, pool
from machochain.graph.resolve import resolve_node
from tests.auditing.killing import audit_or_die
from tests.cli.running import run
from tests.factory.macho import MachO
from tests.findings.audited import write_tree
from tests.findings.scenes import exe


@pytest.fixture
def programs(tmp_path: Path) -> list[str]:
    names = ["a", "b", "deadly", "c", "also-deadly", "d"]
    write_tree(tmp_path, {name: exe("@rpath/libfoo.dylib") for name in names})
    return [str(tmp_path / name) for name in names]


def test_a_killed_worker_loses_its_input_and_no_other(programs: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_audit_input_in_worker", audit_or_die)
    report = machochain.audit(programs, jobs=2)
    assert [given.path for given in report.inputs] == programs
    assert [error.path for error in report.errors] == [programs[2], programs[4]]
    assert "killed" in str(report.errors[0])
    assert {f.origin for f in report.failing} == {programs[n] for n in (0, 1, 3, 5)}
    assert not report.passed


def test_an_input_that_takes_too_much_memory_is_named(programs: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    plain = one._audit_on_disk

    def hungry(given: Any, *rest: Any) -> Any:
        if given.host.endswith("deadly"):
            raise MemoryError
        return plain(given, *rest)

    monkeypatch.setattr(one, "_audit_on_disk", hungry)
    report = machochain.audit(programs)
    assert [str(error) for error in report.errors] == [
        f"{path}: needs more memory than there is" for path in (programs[2], programs[4])
    ]
    assert len(report.failing) == 4


class KilledWorker(Exception):  # noqa: N818  # the name Dask gives it
    """What Dask raises for a task whose workers were killed one after the other."""


class Broken(Executor):
    """An executor whose second task is lost."""

    def __init__(self, error: Exception | None = None) -> None:
        self.count = 0
        self.error = error or BrokenExecutor()

    def submit(self, task: Any, /, *arguments: Any, **more: Any) -> Future[Any]:
        self.count += 1
        future: Future[Any] = Future()
        if self.count == 2:
            future.set_exception(self.error)
        else:
            future.set_result(task(*arguments, **more))
        return future


@pytest.mark.parametrize("error", [BrokenExecutor(), KilledWorker()])
def test_what_an_executor_loses_is_named(programs: list[str], error: Exception) -> None:
    audited = machochain.audit(programs[:3], executor=Broken(error))
    assert [error.path for error in audited.errors] == [programs[1]]
    resolved = machochain.resolve(programs[:3], executor=Broken(error))
    assert [error.path for error in resolved.errors] == [programs[1]]
    assert [result.input for result in resolved] == [programs[0], programs[2]]
    assert resolved.launches is False


def test_a_fault_of_ours_in_a_worker_is_no_lost_worker(programs: list[str]) -> None:
    with pytest.raises(KeyError):
        machochain.audit(programs[:3], executor=Broken(KeyError("x")))


def test_a_file_that_needs_too_much_memory_is_lost_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = resolve_node

    def starve(mac: Any, node: Any, name: str, *arguments: Any, **more: Any) -> Any:
        if name.endswith("hungry"):
            raise MemoryError
        return known(mac, node, name, *arguments, **more)

    monkeypatch.setattr("machochain.session.resolve_node", starve)
    for name in ("hungry", "modest"):
        (tmp_path / name).write_bytes(MachO().bytes())
    for report in (machochain.resolve([tmp_path / "hungry", tmp_path / "modest"]), machochain.audit(tmp_path)):
        assert {str(error) for error in report.errors} == {f"{tmp_path}/hungry: needs more memory than there is"}
        assert {result.input for result in report.results} == {f"{tmp_path}/modest"}
    done = run("resolve", str(tmp_path / "hungry"), str(tmp_path / "modest"), "--json")
    assert (done.returncode, len(json.loads(done.stdout)["results"])) == (2, 1)


def test_memory_that_runs_out_elsewhere_is_told_once_it_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    def starve(*_: Any, **__: Any) -> None:
        raise MemoryError

    monkeypatch.setattr("machochain.cli.cli.main", starve)
    done = run("resolve", "x")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "not enough memory" in done.stderr
