"""Recording the Mac this runs on: the one place where machochain starts other programs."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from machochain._version import __version__
from machochain.golang.pkgconfig import PkgConfig
from machochain.golang.settings import Settings
from machochain.golang.words import split_variable
from machochain.machine.asked import NOTHING, Asked
from machochain.machine.probes import (
    IN_BREW,
    IN_DEVELOPER_DIR,
    LISTED,
    PROBES,
    SET,
    SETTINGS,
    VEILED,
    Probe,
    secret,
    told,
    veiled,
)
from machochain.machine.snapshot import (
    LARGEST_OUTPUT,
    LARGEST_TEXT,
    MOST_NAMES,
    SECONDS,
    Recorded,
    RecordedFile,
    Snapshot,
)
from machochain.model.errors import UsageError
from machochain.model.value import evolve
from machochain.source.chain import pkg_config_directories


def collect(
    environment: Mapping[str, str] | None = None,
    *,
    dyld: Mapping[str, str] | None = None,
    asked: Asked = NOTHING,
) -> Snapshot:
    """Record this Mac.

    Args:
        environment: The variables; by default those of this process.
        dyld: ``DYLD_`` variables of the shell that builds: a Python of macOS' own may not see them.
        asked: What a module names besides.
    """
    env = dict(os.environ if environment is None else environment)
    found = Snapshot(
        datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        {"name": "machochain", "version": __version__, "shell": False},
    )
    for probe in PROBES:
        said = run(words_of(probe, env), env)
        found.commands[probe.id] = evolve(said, stdout=veiled(said.stdout)) if probe.id in VEILED else said
    found.environment = {n: SET if secret(n) else v for n, v in sorted(env.items()) if told(n)} | dict(dyld or {})
    # dyld takes the variables out of protected programs only; a Python that is none of macOS' sees them.
    found.dyld_seen = bool(dyld) or not sys.executable.startswith(("/usr/bin/", "/System/"))
    _files(found)
    _asked(found, asked)
    return found


def words_of(probe: Probe, env: Mapping[str, str]) -> tuple[str, ...]:
    """Return a command with the programs of the environment."""
    programs = {
        "{cc}": _words(env.get("CC"), "clang"),
        "{cxx}": _words(env.get("CXX"), "clang++"),
        "{pkg_config}": _words(env.get("PKG_CONFIG"), "pkg-config"),
        "{go}": [shutil.which("go", path=env.get("PATH")) or "go"],
    }
    programs |= {f"{name[:-1]}0}}": words[:1] for name, words in programs.items()}
    return tuple(word for each in probe.words for word in programs.get(each, [each]))


def _words(value: str | None, default: str) -> list[str]:
    """Split a variable as Go does; one that Go cannot split at its blanks."""
    try:
        return list(split_variable(value or "")) or [default]
    except UsageError:
        return (value or "").split()


def run(words: Iterable[str], env: Mapping[str, str]) -> Recorded:
    """Run one command, for ten seconds at most."""
    argv = tuple(words)
    try:
        done = subprocess.run(  # noqa: S603  # a fixed list, with programs the user's environment names
            argv, env=dict(env), stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=False
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Recorded(argv, None, timed_out=True)
    except OSError as error:
        return Recorded(argv, None, stderr=str(error.strerror or error))
    out, err = done.stdout, done.stderr
    return Recorded(
        argv, done.returncode, out[:LARGEST_OUTPUT].decode(errors="replace"),
        err[:LARGEST_OUTPUT].decode(errors="replace"), truncated=max(len(out), len(err)) > LARGEST_OUTPUT,
    )  # fmt: skip


def _files(found: Snapshot) -> None:
    developer = found.commands["developer_dir"].stdout.strip()
    prefix = found.commands["brew_prefix"].stdout.strip()
    folders = [*LISTED, *(f"{prefix}/{name}" for name in IN_BREW if prefix)]
    if developer:
        folders.append(f"{developer}/{IN_DEVELOPER_DIR}")
        found.files[developer] = look(developer)
        _text(found, f"{Path(developer).parent}/version.plist")
    for name in ("sdk_path", "sdk_path_macosx"):
        path = found.commands[name].stdout.strip()
        if path:
            found.files[path] = look(path)
            _sdk_settings(found, path)
    for folder in dict.fromkeys(folders):
        _list(found, folder)
    chosen = found.environment.get("DEVELOPER_DIR")
    if chosen:
        found.files[chosen] = look(chosen)
    goenv = _json(found.commands["go_env"].stdout).get("GOENV", "")
    if isinstance(goenv, str) and goenv.startswith("/"):
        _text(found, goenv)


def _asked(found: Snapshot, asked: Asked) -> None:
    """Record what a module names: names in directories, and the texts of ``.pc`` files with those they require."""
    built_in = found.commands["pkg_config_path"].stdout.strip()
    settings = Settings(dict(found.environment))
    searched, _ = pkg_config_directories(settings, built_in.split(":") if built_in else None)
    for folder in (*asked.directories, *(searched if asked.packages else ())):
        if folder not in found.listings:
            _list(found, folder)

    def text(path: str) -> str | None:
        _text(found, path)
        return found.files[path].text

    PkgConfig(searched, text).flags(asked.packages)
    for path in [path for path, file in found.files.items() if path.endswith(".pc") and file.kind == "absent"]:
        del found.files[path]  # the listing says so


def _list(found: Snapshot, folder: str) -> None:
    if os.path.isdir(folder):  # noqa: PTH112  # a raw string
        found.listings[folder] = tuple(_names(folder))
    else:
        found.files[folder] = look(folder)


def _sdk_settings(found: Snapshot, sdk: str) -> None:
    """Record three fields of an SDK's settings; nothing else of Apple's is copied."""
    path = f"{sdk}/SDKSettings.json"
    with contextlib.suppress(OSError, ValueError):
        data = json.loads(Path(path).read_text(encoding="utf-8"))
        kept = {key: data[key] for key in SETTINGS if isinstance(data.get(key), str)}
        found.files[path] = RecordedFile("file", text=json.dumps(kept))


def _text(found: Snapshot, path: str) -> None:
    record = look(path)
    text = None
    # Homebrew's .pc files, and often the file of go env -w, are links: what is read is what they lead to.
    if os.path.isfile(path):  # noqa: PTH113  # a raw string
        with contextlib.suppress(OSError):
            text = veiled(Path(path).read_bytes()[:LARGEST_TEXT].decode(errors="replace"))
    found.files[path] = RecordedFile(record.kind, record.size, record.target, text)


def look(path: str) -> RecordedFile:
    """Say what lies at a path."""
    try:
        if os.path.islink(path):  # noqa: PTH114
            return RecordedFile("link", target=os.readlink(path))  # noqa: PTH115
        if os.path.isdir(path):  # noqa: PTH112
            return RecordedFile("directory")
        return RecordedFile("file", Path(path).stat().st_size)
    except OSError:
        return RecordedFile("absent")


def _names(folder: str) -> Iterator[tuple[str, str, int | None, str | None]]:
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for count, entry in enumerate(sorted(entries, key=lambda e: e.name)):
            if count >= MOST_NAMES:
                return
            record = look(entry.path)
            yield entry.name, record.kind, record.size, record.target


def _json(text: str) -> dict[str, object]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}
