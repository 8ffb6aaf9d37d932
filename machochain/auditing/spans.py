"""Which releases a process is looked at on when nobody asks for any."""

from __future__ import annotations

from machochain.dyld.profile import OLDEST, nearest
from machochain.model.platform import Platform
from machochain.model.result import Result
from machochain.model.version import Version


def clamped(version: Version) -> Version:
    """Return the modelled release at or after a version: 11 at least, the newest at most, nothing that never was."""
    return max(nearest(version), OLDEST)


def minimum(result: Result) -> Version:
    """Return the oldest release the image a result is about says it supports."""
    subject = next((i for i in result.images if i.path == result.path), result.images[0])
    build = subject.image.build if subject.image is not None else None
    return clamped(build.minos) if build is not None and build.platform == Platform.MACOS else OLDEST
