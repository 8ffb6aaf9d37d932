"""Runs one task in a process of its own: ``python -m benchmarks.child TASK TREE TIMES`` prints JSON."""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

from benchmarks.measure import megabytes
from benchmarks.tasks import TASKS

ENOUGH = 20.0
"""CPU seconds after which a task is not run once more."""
LEAST, MOST = 0.25, 50
"""CPU seconds that runs take together at least, unless they are as many as this: a short one is soon disturbed."""


def main() -> None:
    task, tree, times = sys.argv[1:]
    try:
        work = TASKS[task](Path(tree))
    except ImportError as error:
        print(json.dumps({"absent": str(error)}))
        return
    seconds = []
    while len(seconds) < int(times) or (sum(seconds) < LEAST and len(seconds) < MOST):
        start = spent()
        answer = work.run()
        seconds.append(spent() - start)
        if sum(seconds) > ENOUGH:
            break
    most = peak()
    print(json.dumps({"seconds": min(seconds), "peak": most, "count": work.count(answer)}))


def spent() -> float:
    """Return CPU seconds of this process and of those it started and waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def peak() -> float:
    """Return the memory of the largest process, MB; ``ru_maxrss`` of Linux knows that of the parent too."""
    children = megabytes(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text().splitlines()
        return max(children, next(int(x.split()[1]) for x in lines if x.startswith("VmHWM")) / 1024)
    return max(children, megabytes(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))


if __name__ == "__main__":
    main()
