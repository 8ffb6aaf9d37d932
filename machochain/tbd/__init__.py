"""Linker stubs (.tbd, versions 1 to 5): text to ``Stub`` values. Pure: bytes in, values out."""

from machochain.tbd.directives import is_directive, parse_directive
from machochain.tbd.reader import StubExtent, places, read

__all__ = ["StubExtent", "is_directive", "parse_directive", "places", "read"]
