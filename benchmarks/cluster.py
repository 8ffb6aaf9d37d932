"""``python -m benchmarks.cluster FOLDER``: how many wheels a core audits in a minute, on a local cluster of Dask.

FOLDER holds wheels (or other archives) as an index gives them; they are small and large as they come. What is printed
is the rate with all workers busy, and what it comes to for an index. Needs ``pip install 'machochain[dask]'``.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from attrs import frozen

INDEX = 1_000_000
"""Wheels of an index for which the cost is worked out."""


@frozen
class Rate:
    """What auditing some wheels took.

    Attributes:
        wheels: How many.
        megabytes: How large they are together.
        lost: How many could not be audited.
        seconds: From the first to the last, by the clock.
        cpu: Seconds of processor of all workers.
        workers: Processes that worked.
        peak: Memory of the largest worker, MB.
    """

    wheels: int
    megabytes: float
    lost: int
    seconds: float
    cpu: float
    workers: int
    peak: float

    @property
    def per_core_minute(self) -> float:
        """Wheels a processor that does nothing else audits in a minute."""
        return 60 * self.wheels / self.cpu

    @property
    def lines(self) -> Sequence[str]:
        """The figures, and what they come to for an index."""
        hours = INDEX / self.per_core_minute / 60
        return (
            f"{self.wheels} wheels, {self.megabytes:.0f} MB, {self.lost} not audited, {self.workers} workers",
            f"{self.seconds:.1f} s by the clock, {self.cpu:.1f} s of processor, {self.peak:.0f} MB the largest worker",
            f"{self.per_core_minute:.1f} wheels per core and minute",
            f"{INDEX:,} wheels: {hours:,.0f} hours of one core, {hours / 64:.1f} of 64",
        )


def _used(_: int) -> tuple[float, float]:
    """Return processor time in seconds and peak memory in MB of the process that is asked."""
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime, used.ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def measure(folder: Path, workers: int, macos: str) -> Rate:
    """Audit all archives of a folder on a local cluster, one worker a process, and return the rate."""
    from dask.distributed import Client, LocalCluster

    from machochain.auditing import audit_parts, policy_of
    from machochain.graph.resolve import Target

    wheels = sorted(str(path) for path in folder.iterdir() if path.suffix in {".whl", ".zip"})
    cluster = LocalCluster(n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None)
    with cluster, Client(cluster) as client:
        before = client.run(_used, 0)
        start = time.perf_counter()
        lost = 0
        for part in audit_parts(
            wheels, policy_of(None, "wheel"), target=Target(macos=macos), executor=client.get_executor()
        ):
            lost += part.input.kind == "unreadable"
        seconds = time.perf_counter() - start
        after = client.run(_used, 0)
    cpu = sum(after[name][0] - before[name][0] for name in after)
    size = sum(Path(wheel).stat().st_size for wheel in wheels) / 1e6
    return Rate(len(wheels), size, lost, seconds, cpu, workers, max(peak for _, peak in after.values()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--macos", default="12..26")
    given = parser.parse_args()
    print("\n".join(measure(given.folder, given.workers, given.macos).lines))


if __name__ == "__main__":
    main()
