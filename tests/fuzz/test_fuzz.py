"""Whatever an input holds: a value, a finding or an error of our own comes out, at a cost its size allows.

``MACHOCHAIN_FUZZ_SECONDS`` is the time per kind of input, 60 by default; ``MACHOCHAIN_FUZZ_SEED`` starts another
sequence. An input that fails is told by its number: the same seed makes it again. Found cases live in
``test_found.py``.
"""

from __future__ import annotations

import base64
import os
import random
import time
import zlib

import pytest

from tests.fuzz.bounds import HOW, limited, limited_process
from tests.fuzz.targets import TARGETS

SECONDS = float(os.environ.get("MACHOCHAIN_FUZZ_SECONDS", "60"))
SEED = os.environ.get("MACHOCHAIN_FUZZ_SEED", "1")


@pytest.mark.fuzz
@pytest.mark.parametrize("name", TARGETS)
def test_no_input_breaks_a_reader(name: str) -> None:
    target = TARGETS[name]
    seeds = target.seeds()
    end = time.monotonic() + SECONDS
    number = 0
    with limited_process():
        while time.monotonic() < end or number < len(seeds):
            chance = random.Random(f"{SEED}/{name}/{number}")
            data, bound = seeds[number % len(seeds)], chance.choice(HOW)
            if number >= len(seeds):
                data = target.mutate(data, chance)
            try:
                with limited():
                    bound(target.run, data, target.cost)
            except Exception as error:
                packed = base64.b85encode(zlib.compress(data, 9)).decode()
                error.add_note(f"{name}, input {number} of seed {SEED}, {len(data)} bytes: {packed[:20000]}")
                raise
            number += 1
    print(f"{name}: {number} inputs")


@pytest.mark.parametrize("name", TARGETS)
def test_every_seed_is_read_within_bounds(name: str) -> None:
    target = TARGETS[name]
    for number, data in enumerate(target.seeds()[:12]):
        # Whole commands take a while: each of their seeds is measured in one way.
        for bound in HOW[:2] if target.cost == 1 else (HOW[number % 2],):
            bound(target.run, data, target.cost)


@pytest.mark.parametrize("name", TARGETS)
def test_changes_are_the_same_for_the_same_seed(name: str) -> None:
    target = TARGETS[name]
    first, *_ = target.seeds()
    made = {target.mutate(first, random.Random(f"7/{number}")) for number in range(8)}
    assert made == {target.mutate(first, random.Random(f"7/{number}")) for number in range(8)}
    assert len(made) > 2
