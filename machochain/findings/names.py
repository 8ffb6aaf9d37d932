"""What the name of a library says."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_VERSION: Final = re.compile(r"(?:[.-]\d+)+$")
_WIDTH: Final = re.compile(r"-(?:8|16|32|64)(?=\.|$)")
"""Bits that a library's characters or numbers have: libpcre2-8 and libpcre2-16 are two libraries."""


@lru_cache(maxsize=4096)
def library_base(name: str) -> str:
    """Return a library's file name without its version and suffix: ``libssl.1.1.dylib`` and ``libssl.3.dylib`` agree.

    A number that is part of the name itself (``libx264``, ``libpng16``, ``libpcre2-16``) stays.
    """
    stem = name.removesuffix(".dylib")
    width = _WIDTH.search(stem)
    if width is not None:
        return stem[: width.end()]
    return _VERSION.sub("", stem) or stem
