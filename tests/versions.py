"""The tests beside other releases of the dependencies than those of the lock: the newest, or the lowest allowed.

The lock keeps a release of others from turning the tests red; this tells what users meet, who get ranges. Each run has
an environment of its own, made in a temporary folder and removed again.
"""

from __future__ import annotations

import subprocess
import tempfile
import tomllib
import venv
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement
from packaging.version import Version

ROOT: Final = Path(__file__).parent.parent


def lower_bounds() -> list[str]:
    """Return each runtime dependency pinned to its lower bound, or to that of the tests where theirs is higher."""
    document = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    bounds: dict[str, Version] = {}
    for text in (*document["project"]["dependencies"], *document["dependency-groups"]["test"]):
        asked = Requirement(text)
        for bound in asked.specifier:
            if bound.operator == ">=" and (asked.marker is None or asked.marker.evaluate()):
                bounds[asked.name] = max(Version(bound.version), bounds.get(asked.name, Version("0")))
    runtime = {Requirement(text).name for text in document["project"]["dependencies"]}
    return [f"{name}=={bound}" for name, bound in bounds.items() if name in runtime]


def run_beside(which: str, arguments: list[str]) -> int:
    """Run pytest beside other releases and return its exit code.

    Args:
        which: ``--newest`` or ``--lowest``.
        arguments: What goes to pytest.
    """
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = str(Path(folder) / "bin" / "python")
        pip = [python, "-m", "pip", "install", "-q"]
        # An older pip knows no dependency groups.
        subprocess.run([*pip, "-U", "pip"], check=True)
        pins = lower_bounds() if which == "--lowest" else []
        subprocess.run([*pip, "--group", "dev", "-e", ".", *pins], cwd=ROOT, check=True)
        shown = subprocess.run([python, "-m", "pip", "freeze"], capture_output=True, text=True, check=True).stdout
        print(shown, flush=True)
        tests = [python, "-m", "pytest", "-n", "auto", "-q", *arguments]
        return subprocess.run(tests, cwd=ROOT, check=False).returncode
