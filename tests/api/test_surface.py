"""The public names: where they come from, and that none hides another."""

from __future__ import annotations

import ast
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path

import machochain


def test_every_public_name_is_there_and_has_a_docstring() -> None:
    for name in machochain.__all__:
        value = getattr(machochain, name)
        assert name == "__version__" or inspect.getdoc(value), name
    assert dir(machochain) == machochain.__all__


def test_types_are_told_of_the_same_names() -> None:
    tree = ast.parse(Path(machochain.__file__).read_text())
    (block,) = (n for n in tree.body if isinstance(n, ast.If))
    typed = {a.name for n in block.body if isinstance(n, ast.ImportFrom) for a in n.names}
    assert typed | {"__version__"} == set(machochain.__all__)


def test_no_package_has_the_name_of_a_call() -> None:
    """The import system would put the package in the place of the function."""
    packages = {module.name for module in pkgutil.iter_modules(machochain.__path__)}
    assert not packages & set(machochain.__all__)


def test_a_call_stays_a_call_whatever_was_imported_before() -> None:
    code = "import machochain.auditing, machochain.cli.diff, machochain.diagnosis, machochain\n"
    code += "assert callable(machochain.audit) and callable(machochain.diff) and callable(machochain.diagnose)"
    subprocess.run([sys.executable, "-c", code], check=True)
