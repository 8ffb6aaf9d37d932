"""Disk images (UDIF): known, not read."""

from __future__ import annotations

from typing import Final

from machochain.world.archives.containers.form import Container, Glance


def _recognise(glance: Glance) -> str | None:
    return "dmg" if glance.end.startswith(b"koly") else None


CONTAINER: Final = Container(
    ("dmg",),
    _recognise,
    unread="a disk image is not read: mount it with 'hdiutil attach DMG' and name the mounted folder",
    suffixes=(".dmg",),
)
