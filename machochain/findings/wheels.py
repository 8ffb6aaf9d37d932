"""What the tags of a wheel promise."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from machochain.findings.audited import FIRST_ARM64
from machochain.model.version import Version
from machochain.world.archives.packages.wheel import parse_tags

_TAG: Final = re.compile(r"macosx_(\d{1,3})_(\d{1,3})_(\w+)")
_TAG_ARCHS: Final[Mapping[str, tuple[str, ...]]] = {
    "arm64": ("arm64",),
    "x86_64": ("x86_64",),
    "intel": ("x86_64",),
    "universal2": ("arm64", "x86_64"),
}
"""Architectures of a platform tag that Macs of today run (packaging.tags, mac_platforms)."""


def is_pure(texts: Iterable[str]) -> bool:
    """Whether tags, or a wheel's file name, say that it is for any platform, and for none in particular."""
    platforms = {tag.platform for text in texts for tag in parse_tags(text)}
    return platforms == {"any"}


def wheel_tags(texts: Iterable[str]) -> dict[str, Version]:
    """Return the oldest macOS that tags (``cp312-cp312-macosx_11_0_arm64``, or a wheel's file name) name, by arch.

    arm64 Macs begin with macOS 11, whatever a universal2 tag says.
    """
    found: dict[str, Version] = {}
    for text in texts:
        for tag in parse_tags(text):
            match = _TAG.fullmatch(tag.platform)
            if match is None or int(match[2]) > 0xFF:
                continue
            version = Version.of(int(match[1]), int(match[2]))
            for arch in _TAG_ARCHS.get(match[3], ()):
                oldest = max(version, FIRST_ARM64) if arch == "arm64" else version
                found[arch] = min(oldest, found.get(arch, oldest))
    return found
