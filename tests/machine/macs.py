"""Recorded Macs for tests: a healthy one, and what becomes of it when one thing changes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from machochain.machine.snapshot import Recorded, RecordedFile, Snapshot

DEVELOPER = "/Library/Developer/CommandLineTools"
SDK = f"{DEVELOPER}/SDKs/MacOSX.sdk"
SEARCH = f"""clang -cc1 version 17.0.0
#include <...> search starts here:
 /usr/local/include
 {SDK}/usr/include
 {SDK}/System/Library/Frameworks (framework directory)
End of search list.
"""
GO_ENV = {
    "GOARCH": "arm64", "GOHOSTARCH": "arm64", "CGO_ENABLED": "1", "GOTOOLCHAIN": "auto",
    "GOENV": "/Users/me/Library/Application Support/go/env",
}  # fmt: skip
OUTPUTS = {
    "sw_vers": "ProductName:\t\tmacOS\nProductVersion:\t\t26.1\nBuildVersion:\t\t25B78\n",
    "uname": "Darwin 25.1.0 arm64\n",
    "translated": "0\n",
    "developer_dir": f"{DEVELOPER}\n",
    "sdk_path": f"{SDK}\n", "sdk_version": "26.1\n", "sdk_path_macosx": f"{SDK}\n", "sdk_version_macosx": "26.1\n",
    "clt": "package-id: com.apple.pkg.CLTools_Executables\nversion: 26.1.0.0.1\n",
    "which_cc": "/usr/bin/clang\n",
    "cc_version": "Apple clang version 17.0.0 (clang-1700.4.4.1)\nTarget: arm64-apple-darwin25.1.0\n",
    "which_go": "/opt/homebrew/bin/go\n", "go_version": "go version go1.27.3 darwin/arm64\n",
    "brew_prefix": "/opt/homebrew\n", "brew_list": "openssl@3 3.5.0\nzlib 1.3.1\n",
    "which_pkg_config": "/opt/homebrew/bin/pkg-config\n",
    "pkg_config_path": "/opt/homebrew/lib/pkgconfig:/usr/lib/pkgconfig\n",
}  # fmt: skip
ERRORS = {
    "ld_version": "@(#)PROGRAM:ld PROJECT:ld-1221.4\n", "cc_search": SEARCH,
    "go_signature": "CodeDirectory v=20400 size=1 flags=0x2(adhoc) hashes=1\n",
    "xcodebuild": "xcode-select: error: tool 'xcodebuild' requires Xcode\n",
}  # fmt: skip


def mac(
    *,
    out: Mapping[str, str | None] | None = None,
    err: Mapping[str, str] | None = None,
    rc: Mapping[str, int] | None = None,
    env: Mapping[str, str] | None = None,
    go_env: Mapping[str, str] | None = None,
    kept: str | None = "",
    files: Mapping[str, str] | None = None,
    listings: Mapping[str, list[str]] | None = None,
    without: tuple[str, ...] = (),
    dyld: bool = True,
    environment: bool = True,
) -> Snapshot:
    """Return a healthy Mac with changes: outputs, errors and exit codes of commands, variables, kinds of files."""
    outputs: dict[str, str | None] = {**OUTPUTS, "go_env": json.dumps({**GO_ENV, **(go_env or {})}), **(out or {})}
    errors = {**ERRORS, **(err or {})}
    codes = {"xcodebuild": 1, **(rc or {})}
    commands = {
        name: Recorded((name,), codes.get(name, 0), outputs.get(name) or "", errors.get(name, ""))
        for name in {*outputs, *errors}
        if name not in without and outputs.get(name, "") is not None
    }
    found: dict[str, RecordedFile] = {DEVELOPER: RecordedFile("directory"), SDK: RecordedFile("link")}
    if kept is not None:
        found[GO_ENV["GOENV"]] = RecordedFile("file", text=kept)
    found |= {path: RecordedFile(kind) for path, kind in (files or {}).items()}
    entries = {
        p: tuple((n, "file", None, None) for n in names) for p, names in (listings or {"/usr/local/lib": []}).items()
    }
    variables = {"PATH": "/opt/homebrew/bin:/usr/bin:/bin", **(env or {})} if environment else {}
    return Snapshot(
        "2026-11-26T14:00:00Z", {"name": "test"}, commands=commands, environment=variables, dyld_seen=dyld, files=found,
        listings=entries,  # type: ignore[arg-type]
    )  # fmt: skip


Changes = dict[str, Any]
