"""Importing any module of the package opens no connection, starts no process and writes no file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

PROBE = """
import importlib, pkgutil, sys
import machochain
refused = ("socket.", "subprocess.", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.system", "urllib.",
           "http.", "ftplib.", "shutil.", "tempfile.", "os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link",
           "os.symlink")
told = []
def hook(event, arguments):
    if event.startswith(refused):
        told.append((event, arguments))
    elif event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        told.append((event, arguments))
sys.dont_write_bytecode = True
sys.addaudithook(hook)
names = [m.name for m in pkgutil.walk_packages(machochain.__path__, "machochain.") if not m.name.endswith("__main__")]
for name in names:
    importlib.import_module(name)
print(len(names), told)
"""


def test_importing_every_module_acts_on_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROBE], cwd=ROOT, capture_output=True, text=True, check=False, env={"PATH": ""}
    )
    count, _, told = done.stdout.strip().partition(" ")
    assert told == "[]", done.stderr
    assert int(count) > 150
