"""Installer packages (xar): known, not read."""

from __future__ import annotations

from typing import Final

from machochain.world.archives.containers.form import Container, Glance


def _recognise(glance: Glance) -> str | None:
    return "xar" if glance.head.startswith(b"xar!") else None


CONTAINER: Final = Container(
    ("xar",),
    _recognise,
    unread="an installer package (xar) is not read: unpack it with 'pkgutil --expand-full PKG DIR' and name DIR",
)
