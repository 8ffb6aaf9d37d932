"""The bounds hold what they say: else a fuzzer that finds nothing says nothing."""

from __future__ import annotations

import resource
import signal
import time
from contextlib import suppress

import pytest

from tests.fuzz import bounds
from tests.fuzz.bounds import TooExpensive, limited, limited_process, within_calls, within_memory


@pytest.fixture
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "SECONDS", 0.1)


@pytest.mark.usefixtures("_soon")
def test_an_endless_loop_is_stopped_where_it_is() -> None:
    def spin() -> None:
        while True:
            pass

    with pytest.raises(TooExpensive) as caught, limited():
        spin()
    assert [entry.name for entry in caught.traceback][-1] == "_stop"


@pytest.mark.usefixtures("_soon")
def test_whoever_catches_everything_does_not_get_away() -> None:
    def spin() -> None:
        with suppress(Exception):
            while True:
                pass

    with pytest.raises(TooExpensive), limited():
        spin()


@pytest.mark.usefixtures("_soon")
def test_waiting_costs_no_time_of_the_processor() -> None:
    with limited():
        time.sleep(0.2)
    assert signal.getitimer(signal.ITIMER_PROF) == (0, 0)


def test_memory_and_calls_are_measured_by_the_size_of_the_input() -> None:
    def take(data: bytes) -> None:
        bytearray(30 << 20)
        for _ in range(420_000):
            len(data)

    for bound in (within_memory, within_calls):
        with pytest.raises(TooExpensive):
            bound(take, b"x")
        bound(take, b"x", cost=2)
        bound(take, bytes(100_000))


def test_memory_for_the_whole_process_ends_before_the_machines_does() -> None:
    before = resource.getrlimit(resource.RLIMIT_AS)
    with limited_process(), pytest.raises(MemoryError):
        bytearray(2 * bounds.ADDRESSES)
    assert resource.getrlimit(resource.RLIMIT_AS) == before
