"""The import contracts hold, and each is one that can be broken: a forbidden import put in on purpose is found."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
_SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
CONTRACTS: list[dict[str, Any]] = _SETTINGS["contracts"]
_RUN = "import sys; from importlinter.cli import lint_imports_command as c; sys.exit(c())"


def offence(contract: dict[str, Any]) -> tuple[str, str]:
    """Return a module under a contract, and an import that breaks it."""
    if contract["type"] == "layers":
        names = [name.strip() for layer in contract["layers"] for name in layer.split("|")]
        return f"{contract['containers'][0]}.{names[-2]}", f"{contract['containers'][0]}.cli"
    if contract["type"] == "forbidden":
        return contract["source_modules"][-1], contract["forbidden_modules"][-1]
    raise AssertionError(contract["type"])


@pytest.mark.parametrize("contract", CONTRACTS, ids=[c["name"] for c in CONTRACTS])
def test_an_import_that_breaks_a_contract_is_found(contract: dict[str, Any], tmp_path: Path) -> None:
    shutil.copytree(ROOT / "machochain", tmp_path / "machochain", ignore=shutil.ignore_patterns("__pycache__", "data"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    module, forbidden = offence(contract)
    path = tmp_path / Path(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    file.write_text(f"{file.read_text()}\nimport {forbidden}\n")
    done = subprocess.run(
        [sys.executable, "-c", _RUN], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={"PYTHONPATH": str(tmp_path), "PATH": "", "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert f"{contract['name']} BROKEN" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 1
