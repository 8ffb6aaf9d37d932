"""Small SDK folders, whole and damaged in the ways SDKs are damaged in the wild."""

from __future__ import annotations

import json
from pathlib import Path

FRAMEWORK = "System/Library/Frameworks/Demo.framework"
NAME = f"/{FRAMEWORK}/Versions/C/Demo"


def stub(
    install_name: str,
    *symbols: str,
    reexports: tuple[str, ...] = (),
    targets: tuple[str, ...] = ("x86_64-macos", "arm64-macos"),
) -> str:
    """Return one document of version 4."""
    joined = ", ".join(targets)
    text = f"--- !tapi-tbd\ntbd-version: 4\ntargets: [ {joined} ]\ninstall-name: '{install_name}'\n"
    if reexports:
        libraries = ", ".join(f"'{name}'" for name in reexports)
        text += f"reexported-libraries:\n  - targets: [ {joined} ]\n    libraries: [ {libraries} ]\n"
    if symbols:
        listed = ", ".join(f"'{name}'" for name in symbols)
        text += f"exports:\n  - targets: [ {joined} ]\n    symbols: [ {listed} ]\n"
    return text


def write(root: Path, file: str, text: str) -> None:
    path = root / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def settings(root: Path, version: str) -> None:
    root.mkdir(parents=True, exist_ok=True)
    (root / "SDKSettings.json").write_text(
        json.dumps({"Version": version, "CanonicalName": f"macosx{version}", "DisplayName": f"macOS {version}"})
    )


def sdk(root: Path, version: str = "14.2", *, links: str = "links") -> Path:
    """Make an SDK of four libraries.

    Args:
        root: Where.
        version: Of macOS.
        links: ``links`` for symbolic links, ``text`` for text files in their place, ``copies`` for realised ones.
    """
    settings(root, version)
    system = stub("/usr/lib/libSystem.B.dylib", "_printf", reexports=("/usr/lib/system/libinner.dylib",))
    inner = stub("/usr/lib/system/libinner.dylib", "_inner")
    write(root, "usr/lib/libSystem.B.tbd", system + inner + "...\n")
    write(root, "usr/lib/libz.1.tbd", stub("/usr/lib/libz.1.dylib", "_inflate") + "...\n")
    write(root, f"{FRAMEWORK}/Versions/C/Demo.tbd", stub(NAME, "_demo") + "...\n")
    for file, target in (
        ("usr/lib/libz.tbd", "libz.1.tbd"),
        ("usr/lib/libSystem.tbd", "./libSystem.B.tbd"),
        (f"{FRAMEWORK}/Demo.tbd", "Versions/Current/Demo.tbd"),
        (f"{FRAMEWORK}/Versions/Current", "C"),
    ):
        path = root / file
        if links == "links":
            path.symlink_to(target)
        elif links == "text":
            path.write_text(target)
        elif path.name != "Current":
            path.write_text((path.parent / target.replace("Current", "C")).read_text())
    return root
