"""``python -m tests.vectors FILE…``: replay vector files and say where the model's answer is not dyld's."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.vectors.reading import area, vectors
from tests.vectors.replay import Difference, differences


def main(arguments: list[str]) -> int:
    """Replay files; 0 if every vector agrees, 1 if one does not, 2 if a file cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m tests.vectors", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="JSON lines, plain or .xz")
    parser.add_argument(
        "--catalogue", action="store_true", help="take the OS libraries that are shipped, not those of the vector"
    )
    parser.add_argument("--width", type=int, default=600, help="cut a line behind so many characters (0: never)")
    given = parser.parse_args(arguments)
    return max(_replayed(path, catalogue=given.catalogue, width=given.width) for path in given.files)


def _replayed(path: Path, *, catalogue: bool, width: int) -> int:
    count = agree = 0
    areas: dict[str, None] = {}
    lines: list[str] = []
    catalogue = catalogue or "catalogue" in path.name
    try:
        for vector in vectors(path):
            count += 1
            areas[area(vector)] = None
            found = differences(vector, catalogue=catalogue)
            agree += not found
            lines += [_line(vector, found)] if found else []
    except (OSError, ValueError) as error:
        print(f"{path}: {error}", file=sys.stderr)
        return 2
    print(f"{', '.join(areas) or 'nothing'}: {agree} of {count} agree  ({path.name})")
    for line in lines:
        print("  " + (line if not width or len(line) <= width else line[: width - 1] + "…"))
    return int(agree != count)


def _line(vector: object, found: tuple[Difference, ...]) -> str:
    assert isinstance(vector, dict)
    name = vector.get("id") or " ".join(str(vector[x]) for x in ("dyld", "arch", "file", "platform", "defect"))
    first = found[0]
    more = f" (and {', '.join(d.field for d in found[1:])})" if len(found) > 1 else ""
    return f"{name}: {first.field}: dyld {first.expected!r}, the model {first.answered!r}{more}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
