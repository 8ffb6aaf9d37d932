"""The same targets, led by what they reach: ``python -m tests.fuzz.guided TARGET --seconds N``.

An input that reaches what none reached before is kept and changed further. What fails is written to a file
``crash-…`` in the working directory. Needs atheris (``pip install atheris``); no test does.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.fuzz.mutators import Mutator, blind


def main(arguments: list[str]) -> int:
    """Fuzz one target until the time is over or an input fails; return 77 for a failure."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.guided", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("target")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--corpus", type=Path, help="keep inputs there that reach something new; take those that are")
    options = parser.parse_args(arguments)
    try:
        import atheris
    except ImportError:
        sys.stderr.write("guided fuzzing needs atheris, which is not installed: pip install atheris\n")
        return 2
    with atheris.instrument_imports(include=["machochain"]):
        from tests.fuzz.bounds import limited
        from tests.fuzz.targets import TARGETS
    if options.target not in TARGETS:
        parser.error(f"no such target; there are {', '.join(TARGETS)}")
    target = TARGETS[options.target]
    with tempfile.TemporaryDirectory() as folder:
        corpus = options.corpus or Path(folder)
        corpus.mkdir(parents=True, exist_ok=True)
        for number, data in enumerate(target.seeds()):
            (corpus / f"seed-{number}").write_bytes(data)

        def run(data: bytes) -> None:
            with limited():
                target.run(data)

        # Longer inputs cost time and reach nothing more.
        longest = max(4096, *(4 * len(data) for data in target.seeds()))
        words = [f"-max_total_time={options.seconds}", f"-seed={options.seed}", f"-max_len={longest}"]
        bounds = ["-rss_limit_mb=4096", "-timeout=120"]
        # libFuzzer ends its process without a word to Python: whoever made temporary folders waits for it.
        child = os.fork()
        if child == 0:
            atheris.Setup([sys.argv[0], *words, *bounds, str(corpus)], run, custom_mutator=_mutator(target.mutate))
            atheris.Fuzz()
            os._exit(0)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _mutator(own: Mutator) -> Callable[[bytes, int, int], bytes]:
    """Change mostly by the target's own mutator, which knows the format."""

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        chance = random.Random(seed)
        return (own if chance.random() < 0.8 else blind)(data, chance)[:most]

    return mutate


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
