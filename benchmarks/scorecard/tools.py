"""The tools: each takes a case that was written to disk and gives its answer by architecture."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import evolve, frozen

from benchmarks.scorecard.cases import SYSTEM, Answer, Case
from machochain.api import resolve
from machochain.graph.resolve import Target
from machochain.model.result import Origin, Outcome, Result
from machochain.world.placement import World

Answers = dict[str, Answer]


def machochain(case: Case, root: Path) -> Answers:
    """This project, as a library call."""
    sdks = []
    if case.stubs:
        folder = root / "MacOSX26.0.sdk"
        for name, text in case.stubs.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        sdks.append(folder)
    report = resolve(root / case.start, target=Target(macos="26.0"), world=World(sdks=sdks))
    answers = {result.arch: _told(result) for result in report.results}
    return answers if len(answers) > 1 else dict(zip([""], answers.values(), strict=False))


def _told(result: Result) -> Answer:
    return Answer(
        files=frozenset(i.path for i in result.images[1:] if i.origin is Origin.DISK),
        missing=frozenset(x.dylib.name for x in result.loads if x.outcome is Outcome.MISSING),
        fails=result.launches is False,
        warns=any(f.rule == "MC201" for f in result.findings),
    )


def _answer(files: set[str], missing: set[str], case: Case) -> Answers:
    """What a tool that only lists files says: it fails if something is missing."""
    if not case.judges_system:
        missing = {m for m in missing if not m.startswith(SYSTEM)}
    kept = {os.path.realpath(f) for f in files if not f.startswith(SYSTEM)}
    return {"": Answer(frozenset(kept), frozenset(missing), fails=bool(missing))}


def macholib(case: Case, root: Path) -> Answers:
    """macholib's graph."""
    from macholib.MachOGraph import MachOGraph, MissingMachO  # only where it is installed

    start = str(root / case.start)
    graph = MachOGraph(executable_path=str(Path(start).parent))
    graph.run_file(start)
    files: set[str] = set()
    missing: set[str] = set()
    for node in graph.flatten():
        if isinstance(node, MissingMachO):
            missing.add(node.graphident)
        elif isinstance(getattr(node, "filename", None), str) and os.path.realpath(node.filename) != os.path.realpath(
            start
        ):
            files.add(node.filename)
    return _answer(files, missing, case)


@contextmanager
def apple_names() -> Iterator[None]:
    """Let ``otool`` and ``lipo`` mean LLVM's, for tools that call them by name."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("otool", "lipo"):
            tool = shutil.which(name) or shutil.which(f"llvm-{name}") or shutil.which(f"llvm-{name}-19")
            if tool:
                # LLVM's otool knows no -m ("the name is not archive(member)") and does not need it.
                script = f'#!/bin/sh\nfor a; do shift; [ "$a" = -m ] || set -- "$@" "$a"; done\nexec {tool} "$@"\n'
                (Path(folder) / name).write_text(script)
                (Path(folder) / name).chmod(0o755)
        own = os.environ["PATH"]
        os.environ["PATH"] = folder + os.pathsep + own
        try:
            yield
        finally:
            os.environ["PATH"] = own


def delocate(case: Case, root: Path) -> Answers:
    """delocate's search, one library after the other."""
    with apple_names():
        return _delocate(case, root)


def _delocate(case: Case, root: Path) -> Answers:
    from delocate.libsana import get_dependencies  # type: ignore[import-not-found,unused-ignore]  # only where it is installed

    start = str(root / case.start)
    found: set[str] = set()
    missing: set[str] = set()
    pending = [start]
    while pending:
        current = pending.pop()
        folder = str(Path(start).resolve().parent)
        for path, name in get_dependencies(
            current, executable_path=folder, filt_func=lambda p: not p.startswith(SYSTEM)
        ):
            if path is None:
                missing.add(name)
            elif not path.startswith(SYSTEM) and path not in found:
                found.add(path)
                pending.append(path)
    return _answer(found, missing, case)


def pyinstaller(case: Case, root: Path) -> Answers:
    """PyInstaller's search, one library after the other."""
    from PyInstaller.depend import bindepend  # type: ignore[import-not-found,import-untyped,unused-ignore]  # only where it is installed

    start = os.path.realpath(root / case.start)
    found: set[str] = set()
    missing: set[str] = set()
    pending = [start]
    own, sys.executable = sys.executable, start
    try:
        while pending:
            for name, path in bindepend._get_imports_macholib(pending.pop(), None):  # noqa: SLF001  # the public one asks ldd here
                if path is None:
                    missing.add(name)
                elif not path.startswith(SYSTEM) and path not in found:
                    found.add(path)
                    pending.append(path)
    finally:
        sys.executable = own
    return _answer(found - {start}, missing, case)


_SCRIPT = """
set(CMAKE_GET_RUNTIME_DEPENDENCIES_PLATFORM macos+macho)
set(CMAKE_GET_RUNTIME_DEPENDENCIES_TOOL otool)
set(CMAKE_GET_RUNTIME_DEPENDENCIES_COMMAND {otool})
file(GET_RUNTIME_DEPENDENCIES EXECUTABLES "{start}" RESOLVED_DEPENDENCIES_VAR found
     UNRESOLVED_DEPENDENCIES_VAR gone CONFLICTING_DEPENDENCIES_PREFIX clash PRE_EXCLUDE_REGEXES "^/usr/lib/libSystem")
foreach(item ${{found}})
  message("found ${{item}}")
endforeach()
foreach(item ${{gone}})
  message("gone ${{item}}")
endforeach()
"""


def otool() -> str | None:
    return next((p for p in map(shutil.which, ("otool", "llvm-otool", "llvm-otool-19")) if p), None)


def cmake(case: Case, root: Path) -> Answers:
    """CMake's file(GET_RUNTIME_DEPENDENCIES)."""
    script = root / "ask.cmake"
    script.write_text(_SCRIPT.format(otool=otool(), start=root / case.start))
    done = subprocess.run(["cmake", "-P", script], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    lines = [x.split(" ", 1) for x in done.stderr.splitlines() if x.startswith(("found ", "gone "))]
    return _answer({p for k, p in lines if k == "found"}, {p for k, p in lines if k == "gone"}, case)


@frozen
class Tool:
    """A tool and whether it is here."""

    name: str
    ask: Callable[[Case, Path], Answers]
    here: bool


def tools() -> list[Tool]:
    """Every tool, machochain first."""

    def importable(name: str) -> bool:
        return importlib.util.find_spec(name) is not None

    return [
        Tool("machochain", machochain, True),
        Tool("macholib", macholib, importable("macholib")),
        Tool("delocate", delocate, importable("delocate") and otool() is not None),
        Tool("PyInstaller", pyinstaller, importable("PyInstaller")),
        Tool("CMake", cmake, bool(shutil.which("cmake") and otool())),
    ]


def judge(case: Case, root: Path, ask: Callable[[Case, Path], Answers]) -> tuple[bool, Any]:
    """Return whether a tool gives the right answer, and what it gave (or how it broke)."""
    try:
        given = ask(case, root)
    except Exception as error:  # noqa: BLE001  # a peer may break in any way, and breaking is no answer
        return False, f"{type(error).__name__}: {error}"
    expected = case.expected(os.path.realpath(root))
    if not any(answer.warns for answer in expected.values()):
        given = {arch: evolve(answer, warns=False) for arch, answer in given.items()}
    return given == expected, given
