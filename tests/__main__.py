"""All checks in one command: ``python -m tests``.

Lint, format, types and import contracts first, because they are quick; then the fast tests, then those that build
real darwin binaries with Go and zig or take long (``--fast`` leaves these out). Further arguments go to pytest.

``--coverage`` runs the tests of the pure rooms and fails where less of them is run than the floor in pyproject.toml.

``--newest`` and ``--lowest`` run the fast tests alone, beside the newest releases of all dependencies that the ranges
allow, or beside the lowest.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.versions import run_beside

ROOT = Path(__file__).parent.parent
CHECKS = (
    ("lint", ["-m", "ruff", "check", "."]),
    ("format", ["-m", "ruff", "format", "--check", "."]),
    ("types", ["-m", "mypy"]),
    ("import contracts", ["-c", "import sys; from importlinter.cli import lint_imports_command as c; sys.exit(c())"]),
)


def run(name: str, arguments: list[str]) -> bool:
    """Run one check; its output is shown only if it fails."""
    start = time.monotonic()
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    print(f"{name}: {'ok' if done.returncode == 0 else 'FAILED'} ({time.monotonic() - start:.0f} s)", flush=True)
    if done.returncode:
        print(done.stdout[-20_000:] + done.stderr[-20_000:], flush=True)
    return done.returncode == 0


def cover(arguments: list[str]) -> int:
    """Run the tests of the pure rooms, and say which lines and branches of theirs none of them reaches."""
    with tempfile.TemporaryDirectory() as folder:
        data = f"--data-file={folder}/coverage"
        tests = [
            f"tests/{room}" for room in ("dyld", "kernel", "model", "macho", "graph", "findings", "repair", "vectors")
        ]
        command = [sys.executable, "-m", "coverage"]
        ran = subprocess.run([*command, "run", data, "-m", "pytest", "-q", *tests, *arguments], cwd=ROOT, check=False)
        told = subprocess.run([*command, "report", data], cwd=ROOT, check=False)
        return ran.returncode or told.returncode


def main(arguments: list[str]) -> int:
    """Run everything; go on after a failure, so that one run tells all."""
    for which in ("--newest", "--lowest"):
        if which in arguments:
            return run_beside(which, [a for a in arguments if a != which])
    if "--coverage" in arguments:
        return cover([a for a in arguments if a != "--coverage"])
    fast = "--fast" in arguments
    rest = [a for a in arguments if a != "--fast"]
    good = [run(name, command) for name, command in CHECKS]
    workers = ["-n", "auto", "-q"]
    good.append(
        subprocess.run([sys.executable, "-m", "pytest", *workers, *rest], cwd=ROOT, check=False).returncode == 0
    )
    if not fast:
        # One worker: the builds share the compilers' caches.
        toolchain = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-m", "toolchain or slow", *rest], cwd=ROOT, check=False
        )
        good.append(toolchain.returncode in (0, 5))
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
