"""Runs one task in a process of its own: ``python -m benchmarks.child TASK TREE TIMES`` prints JSON."""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

from benchmarks.tasks import TASKS


def main() -> None:
    task, tree, times = sys.argv[1:]
    try:
        run = TASKS[task](Path(tree))
    except ImportError as error:
        print(json.dumps({"absent": str(error)}))
        return
    seconds = []
    for _ in range(int(times)):
        start = time.process_time()
        run()
        seconds.append(time.process_time() - start)
        if sum(seconds) > 20:
            break
    print(json.dumps({"seconds": min(seconds), "peak": peak()}))


def peak() -> float:
    """Return the peak of this process's memory in MB; ``ru_maxrss`` of Linux knows that of the parent too."""
    status = Path("/proc/self/status")
    if status.exists():
        return next(int(x.split()[1]) for x in status.read_text().splitlines() if x.startswith("VmHWM")) / 1024
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / (1 << 20 if sys.platform == "darwin" else 1 << 10)


main()
