"""Print the scorecard."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks.scorecard.cases import CASES
from benchmarks.scorecard.tools import judge, tools


def main() -> int:
    """Put every case to every tool that is here. With ``-v``, show what each wrong answer was."""
    present = [t for t in tools() if t.here]
    absent = [t.name for t in tools() if not t.here]
    right = dict.fromkeys((t.name for t in present), 0)
    print("| # | situation | " + " | ".join(t.name for t in present) + " |")
    print("|---|---|" + "---|" * len(present))
    for number, case in CASES.items():
        cells = []
        for tool in present:
            with tempfile.TemporaryDirectory() as name:
                root = Path(name).resolve()
                case.build(root)
                correct, given = judge(case, root, tool.ask)
            right[tool.name] += correct
            cells.append("yes" if correct else "no")
            if not correct and "-v" in sys.argv:
                print(f"  {tool.name}: {given}", file=sys.stderr)
        print(f"| {number} | {case.title} | " + " | ".join(cells) + " |")
    print(f"| | **right of {len(CASES)}** | " + " | ".join(str(right[t.name]) for t in present) + " |")
    if absent:
        print("\nnot installed here: " + ", ".join(absent))
    return 0 if right["machochain"] == len(CASES) else 1


if __name__ == "__main__":
    sys.exit(main())
