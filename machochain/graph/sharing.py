"""Whether a release comes to the same walk as another one, so that both can share it."""

from __future__ import annotations

from machochain.dyld.config import ProcessConfig
from machochain.graph.walked import Found
from machochain.model.result import LoadedImage


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
