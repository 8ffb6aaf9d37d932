"""What a rate comes to for an index, by arithmetic anybody can repeat."""

from __future__ import annotations

from benchmarks.cluster import Rate


def test_the_rate_is_that_of_a_core_that_does_nothing_else() -> None:
    rate = Rate(wheels=100, megabytes=400.0, lost=0, seconds=80.0, cpu=120.0, workers=2, peak=300.0)
    assert rate.per_core_minute == 50.0
    assert rate.lines[2] == "50.0 wheels per core and minute"
    assert rate.lines[3] == "1,000,000 wheels: 333 hours of one core, 5.2 of 64"
