"""Facts of a recorded Mac, read from raw outputs. What was not recorded or cannot be read is None, never a guess."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final

from machochain.golang.modules import minor_of
from machochain.golang.settings import Settings, parse_kept
from machochain.machine.snapshot import Recorded, Snapshot
from machochain.model.errors import UsageError
from machochain.model.value import define, field
from machochain.model.version import Version
from machochain.source.chain import mode_of
from machochain.source.values import Mode

_DIRECTORIES: Final = re.compile(r"#include <\.\.\.> search starts here:\n(.*?)End of search list", re.DOTALL)
_LICENCE: Final = re.compile(r"agreed to the Xcode license|license agreements|xcodebuild -license", re.IGNORECASE)
_LD_VERSION: Final = re.compile(r"PROJECT:(?:ld64|dyld|ld)-([0-9]{1,6}(?:\.[0-9]+)*)")


@define
class MachineFacts:
    """What is known of a Mac.

    Attributes:
        macos: Its release.
        arch: ``arm64`` or ``x86_64``, as ``uname -m`` says.
        translated: Whether the recording process ran under Rosetta.
        developer_dir: What ``xcode-select -p`` names.
        developer_dir_there: Whether that is there.
        developer_dir_error: What xcode-select or xcrun say of an invalid one.
        sdk: The default SDK's path, and what is wrong with it.
        sdk_version: Its version.
        sdk_there: Whether it is there.
        sdk_error: xcrun's words if it finds none.
        sdk_macosx: Path by ``--sdk macosx``.
        sdk_macosx_version: Its version.
        xcode: Version of Xcode.
        clt: Version of the Command Line Tools.
        licence: Whether a command asks for the licence.
        ld: Version of the linker.
        cc: Where the compiler is; ``""`` if it was not found.
        cc_text: What it says of its version.
        header_directories: What it searches.
        mode: How it finds its directories.
        go: Go's release, ``go1.27.3``.
        go_env: What ``go env`` says.
        kept: What ``go env -w`` keeps.
        go_hardened: Whether the go command is hardened without the entitlement for ``DYLD_`` variables.
        brew_prefix: Homebrew's prefix.
        brew: Versions of formulae by name.
        pkg_config: Where pkg-config is; ``""`` if it was not found.
        pkg_config_path: Its built-in path.
        environment: Variables that were recorded.
        dyld_seen: Whether ``DYLD_`` variables could be seen.
        settings: Go's settings.
        problems: What was recorded and cannot be read.
    """

    macos: Version | None = None
    arch: str | None = None
    translated: bool | None = None
    developer_dir: str | None = None
    developer_dir_there: bool | None = None
    developer_dir_error: str | None = None
    sdk: str | None = None
    sdk_version: Version | None = None
    sdk_there: bool | None = None
    sdk_error: str | None = None
    sdk_macosx: str | None = None
    sdk_macosx_version: Version | None = None
    xcode: Version | None = None
    clt: Version | None = None
    licence: bool | None = None
    ld: str | None = None
    cc: str | None = None
    cc_text: str | None = None
    header_directories: tuple[str, ...] | None = None
    mode: Mode | None = None
    go: str | None = None
    go_env: Mapping[str, str] | None = None
    kept: Mapping[str, str] | None = None
    go_hardened: bool | None = None
    brew_prefix: str | None = None
    brew: Mapping[str, str] | None = None
    pkg_config: str | None = None
    pkg_config_path: tuple[str, ...] | None = None
    environment: Mapping[str, str] = field(factory=dict)
    dyld_seen: bool = False
    settings: Settings = field(factory=Settings)
    problems: list[str] = field(factory=list)

    @property
    def goarch(self) -> str | None:
        """For what Go builds, if nobody says otherwise."""
        return self.go_env.get("GOARCH") if self.go_env is not None else None

    @property
    def go_minor(self) -> int | None:
        """N of Go 1.N."""
        return minor_of(self.go or "")


def facts_of(snapshot: Snapshot) -> MachineFacts:
    """Read a snapshot."""
    found = MachineFacts(environment=dict(snapshot.environment), dyld_seen=snapshot.dyld_seen)
    commands = snapshot.commands

    def out(name: str) -> str | None:
        recorded = commands.get(name)
        return recorded.stdout.strip() if recorded is not None and recorded.rc == 0 else None

    def version(name: str, pattern: str = r"(\d+(?:\.\d+){0,2})") -> Version | None:
        text = out(name)
        match = re.search(pattern, text) if text is not None else None
        if match is None:
            if text:
                found.problems.append(f"{name}: no version in {text.splitlines()[0][:60]!r}")
            return None
        try:
            return Version.parse(match.group(1))
        except UsageError:
            found.problems.append(f"{name}: {match.group(1)[:60]!r} is no version")
            return None

    found.macos = version("sw_vers", r"ProductVersion:\s*(\d+(?:\.\d+){0,2})")
    uname = out("uname")
    if uname:
        found.arch = uname.split()[-1]
    translated = commands.get("translated")
    if translated is not None and translated.rc is not None:
        # The name is unknown to Macs that translate nothing.
        found.translated = translated.stdout.strip() == "1"
    _developer(found, snapshot)
    found.sdk_version, found.sdk_macosx_version = version("sdk_version"), version("sdk_version_macosx")
    found.xcode, found.clt = (
        version("xcodebuild", r"Xcode (\d+(?:\.\d+){0,2})"),
        version("clt", r"version: (\d+(?:\.\d+){0,2})"),
    )
    told = [
        c for name in ("xcodebuild", "cc_version", "sdk_path", "find_clang") if (c := commands.get(name)) is not None
    ]
    if told:
        found.licence = any(_LICENCE.search(c.stderr) or _LICENCE.search(c.stdout) for c in told)
    linker = commands.get("ld_version")
    if linker is not None and (match := _LD_VERSION.search(linker.stdout + linker.stderr)):
        found.ld = match.group(1)
    _compiler(found, commands)
    _go(found, snapshot)
    prefix = out("brew_prefix")
    found.brew_prefix = prefix or ("" if _ran(commands, "brew_prefix") else None)
    listed = out("brew_list")
    if listed is not None:
        found.brew = {w[0]: w[-1] for line in listed.splitlines() if len(w := line.split()) > 1}
    found.pkg_config = _which(commands, "which_pkg_config")
    path = out("pkg_config_path")
    if path:
        found.pkg_config_path = tuple(p for p in path.split(":") if p)
    return found


def _ran(commands: Mapping[str, Recorded], name: str) -> bool:
    return name in commands and not commands[name].timed_out


def _which(commands: Mapping[str, Recorded], name: str) -> str | None:
    recorded = commands.get(name)
    if recorded is None or recorded.rc is None:
        return None
    return recorded.stdout.strip() if recorded.rc == 0 else ""


def _developer(found: MachineFacts, snapshot: Snapshot) -> None:
    commands = snapshot.commands
    select = commands.get("developer_dir")
    if select is not None and select.rc is not None:
        found.developer_dir = select.stdout.strip() if select.rc == 0 else ""
    said = "\n".join(
        c.stderr for n in ("developer_dir", "sdk_path", "find_clang", "cc_version") if (c := commands.get(n))
    )
    match = re.search(r"[^\n]*(?:invalid active developer path|unable to get active developer directory)[^\n]*", said)
    found.developer_dir_error = match.group().strip() if match is not None else None
    if found.developer_dir:
        record = snapshot.files.get(found.developer_dir)
        found.developer_dir_there = None if record is None else record.kind in ("directory", "link")
    sdk = commands.get("sdk_path")
    if sdk is not None and sdk.rc is not None:
        found.sdk = sdk.stdout.strip() if sdk.rc == 0 else ""
        if sdk.rc != 0:
            found.sdk_error = (sdk.stderr.strip() or "xcrun finds no SDK").splitlines()[0]
    if found.sdk:
        record = snapshot.files.get(found.sdk)
        found.sdk_there = None if record is None else record.kind in ("directory", "link")
    other = commands.get("sdk_path_macosx")
    if other is not None and other.rc == 0:
        found.sdk_macosx = other.stdout.strip()


def _compiler(found: MachineFacts, commands: Mapping[str, Recorded]) -> None:
    found.cc = _which(commands, "which_cc")
    version = commands.get("cc_version")
    if version is not None and version.rc == 0:
        found.cc_text = version.stdout.strip()
    search = commands.get("cc_search")
    if search is not None and search.rc is not None and (match := _DIRECTORIES.search(search.stderr)):
        lines = [line.strip() for line in match.group(1).splitlines()]
        found.header_directories = tuple(line.removesuffix(" (framework directory)") for line in lines if line)


def _go(found: MachineFacts, snapshot: Snapshot) -> None:
    commands = snapshot.commands
    version = commands.get("go_version")
    if version is not None and version.rc == 0 and (match := re.search(r"go1\.[\w.]+", version.stdout)):
        found.go = match.group()
    env = commands.get("go_env")
    if env is not None and env.rc == 0:
        try:
            data = json.loads(env.stdout)
        except (ValueError, RecursionError):
            found.problems.append("go_env: not JSON")
        else:
            if isinstance(data, dict):
                found.go_env = {str(k): str(v) for k, v in data.items()}
    goenv = (found.go_env or {}).get("GOENV", "")
    record = snapshot.files.get(goenv)
    if record is not None:
        found.kept = parse_kept(record.text or "") if record.kind in ("file", "link") else {}
    found.settings = Settings(dict(snapshot.environment), found.kept or {})
    try:
        found.mode = mode_of(found.settings)[0] if "PATH" in snapshot.environment or found.cc else None
        if found.cc and not found.cc.startswith("/usr/bin/") and found.mode is Mode.SHIM:
            found.mode = Mode.CLANG
    except UsageError:
        found.mode = None
    signature = commands.get("go_signature")
    if signature is not None and signature.rc == 0:
        text = signature.stdout + signature.stderr
        hardened = re.search(r"flags=0x[0-9a-f]+\([^)]*runtime", text) is not None
        found.go_hardened = hardened and "allow-dyld-environment-variables" not in text
