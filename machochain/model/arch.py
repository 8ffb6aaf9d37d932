"""Processor architectures as Mach-O encodes them (<mach/machine.h>; dyld ``mach_o/Architecture.cpp``)."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from attrs import frozen

ABI64: Final = 0x01000000
ABI64_32: Final = 0x02000000
CPU_X86: Final = 7
CPU_X86_64: Final = CPU_X86 | ABI64
CPU_ARM: Final = 12
CPU_ARM64: Final = CPU_ARM | ABI64
CPU_ARM64_32: Final = CPU_ARM | ABI64_32
CPU_POWERPC: Final = 18
CPU_POWERPC64: Final = CPU_POWERPC | ABI64

SUBTYPE_MASK: Final = 0x00FFFFFF
"""The top byte of a subtype holds capability bits (LIB64, pointer-authentication ABI version)."""

_NAMES: Final = {
    (CPU_X86_64, 3): "x86_64",
    (CPU_X86_64, 8): "x86_64h",
    (CPU_X86, 3): "i386",
    (CPU_ARM64, 0): "arm64",
    (CPU_ARM64, 1): "arm64",
    (CPU_ARM64, 2): "arm64e",
    (CPU_ARM64_32, 1): "arm64_32",
    (CPU_ARM, 6): "armv6",
    (CPU_ARM, 9): "armv7",
    (CPU_ARM, 11): "armv7s",
    (CPU_ARM, 12): "armv7k",
    (CPU_ARM, 14): "armv6m",
    (CPU_ARM, 15): "armv7m",
    (CPU_ARM, 16): "armv7em",
    (CPU_POWERPC, 0): "ppc",
    (CPU_POWERPC64, 0): "ppc64",
}
_BY_NAME: Final = {
    "x86_64": (CPU_X86_64, 3),
    "x86_64h": (CPU_X86_64, 8),
    "i386": (CPU_X86, 3),
    "arm64": (CPU_ARM64, 0),
    "arm64e": (CPU_ARM64, 0x80000002),
}


@frozen
class Arch:
    """One (cputype, cpusubtype) pair.

    Attributes:
        cputype: ``cpu_type_t`` as an unsigned number.
        cpusubtype: ``cpu_subtype_t`` as an unsigned number, capability bits included.
    """

    cputype: int
    cpusubtype: int

    @staticmethod
    @lru_cache(maxsize=256)
    def of(cputype: int, cpusubtype: int) -> Arch:
        """Return the (shared) value."""
        return Arch(cputype, cpusubtype)

    @staticmethod
    def named(name: str) -> Arch:
        """Return the architecture called ``x86_64``, ``x86_64h``, ``i386``, ``arm64`` or ``arm64e``.

        Raises:
            KeyError: No such name.
        """
        return Arch.of(*_BY_NAME[name])

    @property
    def subtype(self) -> int:
        """The subtype without its capability byte."""
        return self.cpusubtype & SUBTYPE_MASK

    @property
    def name(self) -> str:
        """The name Apple's tools use, or ``cputype-subtype`` in decimal for one that has none."""
        return _NAMES.get((self.cputype, self.subtype)) or f"{self.cputype}-{self.subtype}"

    @property
    def is_64(self) -> bool:
        """Whether files of this architecture use 64-bit structures."""
        return bool(self.cputype & ABI64)

    @property
    def is_arm64(self) -> bool:
        """Whether this is arm64 in any of its forms (arm64e included)."""
        return self.cputype == CPU_ARM64

    @property
    def is_arm64e(self) -> bool:
        """Whether pointers are signed (subtype 2)."""
        return self.cputype == CPU_ARM64 and self.subtype == 2

    @property
    def is_x86_64(self) -> bool:
        """Whether this is x86_64 or x86_64h."""
        return self.cputype == CPU_X86_64

    def __str__(self) -> str:
        """The name."""
        return self.name
