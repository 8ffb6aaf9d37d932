"""Go modules made for a test, on a Mac that is described as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import machochain
from machochain.source.values import PackageFacts, Search, SourceReport
from machochain.world.placement import World
from tests.factory import MachO


def stub(name: str) -> str:
    """Return the stub of a library of macOS."""
    return f"""--- !tapi-tbd
tbd-version: 4
targets: [ x86_64-macos, arm64-macos ]
install-name: '{name}'
exports:
  - targets: [ x86_64-macos, arm64-macos ]
    symbols: [ _f ]
...
"""


SDK = {
    "usr/include/stdio.h": "",
    "usr/include/stdlib.h": "",
    "usr/lib/libz.tbd": stub("/usr/lib/libz.1.dylib"),
    "usr/lib/libresolv.tbd": stub("/usr/lib/libresolv.9.dylib"),
    "usr/lib/libc++.tbd": stub("/usr/lib/libc++.1.dylib"),
    "System/Library/Frameworks/Security.framework/Security.tbd": stub(
        "/System/Library/Frameworks/Security.framework/Versions/A/Security"
    ),
    "System/Library/Frameworks/Security.framework/Headers/Security.h": "",
}
GO_MOD = "module example.org/m\n\ngo 1.22\n"


def cgo(*lines: str, package: str = "m", after: str = "") -> str:
    """Return a Go file with such a comment above ``import "C"``."""
    return f"package {package}\n\n" + "".join(f"// {line}\n" for line in lines) + f'import "C"\n{after}'


def dylib(name: str, arch: str = "arm64", version: str = "1.0.0") -> bytes:
    """Return a dylib with an install name."""
    return MachO(install_name=name, signed=True, arch=arch, id_current=version).bytes()


def write(root: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write files below a directory."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def look(
    tmp_path: Path,
    files: Mapping[str, str | bytes],
    *,
    mac: Mapping[str, str | bytes] | None = None,
    env: Mapping[str, str] | None = None,
    sdk: bool = True,
    goarch: Sequence[str] = ("arm64",),
    seen: bool = True,
    case_sensitive: bool = False,
    **more: Any,
) -> SourceReport:
    """Examine a module; ``mac`` are files of the Mac around it, which is seen whole."""
    module = write(tmp_path / "module", {"go.mod": GO_MOD, **files})
    root = write(tmp_path / "mac", {"etc/hosts": "", **(mac or {})})
    sdks = [write(tmp_path / "SDK", SDK)] if sdk else []
    world = World(root=root if seen else None, sdks=sdks, case_sensitive=case_sensitive)
    return machochain.examine(
        module, goarch=goarch, target=machochain.Target(environment=dict(env or {})), world=world, **more
    )


def rules(report: SourceReport) -> list[str]:
    """Return the ids of the findings, each once, in rising order."""
    return sorted({f.rule for f in report.findings})


def only(report: SourceReport, rule: str) -> machochain_finding:
    """Return the one finding of a rule."""
    (found,) = [f for f in report.findings if f.rule == rule]
    return found


machochain_finding = Any


def package(report: SourceReport, path: str = "example.org/m", target: str = "darwin/arm64") -> PackageFacts:
    """Return a package of a report."""
    return report.packages[target][path]


def search(report: SourceReport, name: str) -> Search:
    """Return the first search for a name."""
    return next(s for s in report.searches if s.name == name)
