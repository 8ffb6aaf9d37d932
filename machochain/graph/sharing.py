"""What processes and releases share: the ways of searches, and by them whole walks."""

from __future__ import annotations

from machochain.dyld.config import ProcessConfig
from machochain.graph.walked import BY_NAME, Found, Trail
from machochain.model.result import LoadedImage

Asked = tuple[int, str, str | None]
"""Who asks, by the number of a standpoint; the load path; the main executable if the load path begins there."""
Ways = dict[Asked, list[Trail]]
"""All ways there are, on any release, each once."""
Alike = tuple[dict[Asked, Trail], set[Trail]]
"""What releases share on which dyld searches alike: the way each search went last, and all ways."""


class Trails:
    """The ways that searches of processes of one kind on one release go."""

    def __init__(self, alike: Alike, ways: Ways) -> None:
        """Start with none.

        Args:
            alike: The ways that releases share on which dyld searches alike.
            ways: Those of all kinds and releases.
        """
        self._ways = ways
        self._last, self.alike = alike
        self.gone: set[Trail] = {BY_NAME}
        """Those that searches here have gone, or are known to go."""

    def get(self, asked: Asked) -> Trail | None:
        """Return the way the last such search went, here or where dyld searches alike."""
        return self._last.get(asked)

    def add(self, asked: Asked, trail: Trail) -> Trail:
        """Note the way a search went; return the one object that stands for it on all releases."""
        ways = self._ways.setdefault(asked, [])
        known = next((way for way in ways if _same(way, trail)), None)
        if known is None:
            known = trail
            ways.append(trail)
        self._last[asked] = known
        self.alike.add(known)
        self.gone.add(known)
        return known


def _same(one: Trail, other: Trail) -> bool:
    return (
        one.piece is other.piece
        and one.node is other.node
        and one.loads_system is other.loads_system
        and one.passed == other.passed
        and one.failure == other.failure
        and one.seen_by(other.chain) == (other.tried, other.candidate)
        and one.system == other.system
    )


def agree(one: Found, other: Found) -> bool:
    """Whether two searches on one Mac came to the same in the same way."""
    if (one.image is None) is not (other.image is None):
        return False
    if one.image is not None and other.image is not None:
        # A path and a slice are one file: the headers need no comparing.
        if one.image.id != other.image.id or one.image.path != other.image.path:
            return False
        if one.image.slice_offset != other.image.slice_offset or one.image.origin is not other.image.origin:
            return False
    return (
        one.fresh is other.fresh
        and one.candidate == other.candidate
        and one.tried == other.tried
        and one.failure == other.failure
        and one.unknown == other.unknown
    )


def does_more(config: ProcessConfig) -> bool:
    """Whether a process does more than search: dyld2 does, and the environment may put libraries in before."""
    return bool(
        config.profile.classic or config.inserted or config.versioned_library_path or config.versioned_framework_path
    )


def has_use_flags(images: tuple[LoadedImage, ...]) -> bool:
    """Whether a load of an image is a ``dylib_use_command``, whose flags not every release heeds."""
    return any(x.use_flags is not None for i in images if i.image is not None for x in i.image.loads)
