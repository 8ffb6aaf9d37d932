"""Processor architectures as Mach-O encodes them (<mach/machine.h>; dyld ``mach_o/Architecture.cpp``)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from machochain.model.errors import UsageError
from machochain.model.value import frozen

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
_DYLD_NAMES: Final = {
    (CPU_X86_64, 3): "x86_64",
    (CPU_X86_64, 8): "x86_64h",
    (CPU_X86, 3): "i386",
    (CPU_ARM64, 0): "arm64",
    (CPU_ARM64, 1): "arm64",
    (CPU_ARM64, 2): "arm64e.old",
    (CPU_ARM64, 0x80000002): "arm64e",
    (CPU_ARM64, 0x81000002): "arm64e.v1",
    (CPU_ARM64, 0xC0000002): "arm64e.kernel",
    (CPU_ARM64, 0xC1000002): "arm64e.kernel.v1",
    (CPU_ARM64, 0xC2000002): "arm64e.kernel.v2",
    (CPU_ARM64_32, 0): "arm64_32",
    (CPU_ARM64_32, 1): "arm64_32",
    (CPU_ARM, 5): "armv4t",
    (CPU_ARM, 6): "armv6",
    (CPU_ARM, 9): "armv7",
    (CPU_ARM, 11): "armv7s",
    (CPU_ARM, 12): "armv7k",
    (CPU_ARM, 14): "armv6m",
    (CPU_ARM, 15): "armv7m",
    (CPU_ARM, 16): "armv7em",
    (CPU_ARM, 17): "armv8m.main",
    (CPU_ARM, 19): "armv8.1m.main",
    (CPU_POWERPC, 0): "ppc",
}
_BY_NAME: Final = {
    "x86_64": (CPU_X86_64, 3),
    "x86_64h": (CPU_X86_64, 8),
    "i386": (CPU_X86, 3),
    "arm64": (CPU_ARM64, 0),
    "arm64e": (CPU_ARM64, 0x80000002),
}


_SPELLINGS: Final = {"amd64": "x86_64", "x64": "x86_64", "aarch64": "arm64", "386": "i386"}
"""What Go, Linux and Windows call them."""


def arch_name(text: str) -> str:
    """Return the name Apple's tools use for an architecture.

    Args:
        text: That name, ``amd64`` or ``aarch64``, or ``cputype-subtype`` in decimal.

    Raises:
        UsageError: No architecture is called so.
    """
    name = _SPELLINGS.get(text, text)
    if name in _NAMES.values() or re.fullmatch(r"\d+-\d+", name):
        return name
    from difflib import get_close_matches  # noqa: PLC0415  # most runs make no mistake

    near = get_close_matches(name, _BY_NAME, 1)
    hint = f"did you mean {near[0]}?" if near else "arm64, x86_64, arm64e, x86_64h and i386 are on Macs"
    raise UsageError(f"no architecture is called {text!r}: {hint}")


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
    def _key(self) -> tuple[int, int]:
        """What dyld compares: the capability byte counts for arm64 only (dyld-1378, ``Architecture::operator==``)."""
        return self.cputype, self.cpusubtype if self.cputype == CPU_ARM64 else self.subtype

    @property
    def dyld_name(self) -> str:
        """The name in dyld's messages (dyld-1378, ``mach_o/Architecture.cpp``, ``name()``); ``unknown`` for others."""
        return _DYLD_NAMES.get(self._key, "unknown")

    def same_as(self, other: Arch) -> bool:
        """Whether dyld takes both for one architecture (dyld-1378, ``Architecture::operator==``)."""
        return self._key == other._key

    @property
    def uses_16k_pages(self) -> bool:
        """Whether images are laid out in pages of 16 KiB (dyld-1378, ``UnsafeHeader::uses16KPages``)."""
        return self.cputype in {CPU_ARM64, CPU_ARM64_32} or (self.cputype, self.cpusubtype) == (CPU_ARM, 12)

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
