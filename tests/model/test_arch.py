"""Architectures and platforms under dyld's names (dyld-1378, mach_o/Architecture.cpp, Platform.cpp)."""

from __future__ import annotations

import pytest

from machochain.model.arch import CPU_ARM, CPU_ARM64, CPU_ARM64_32, CPU_POWERPC, CPU_X86, CPU_X86_64, Arch
from machochain.model.platform import ZIPPERED, is_known_platform, platform_name


@pytest.mark.parametrize(
    ("cputype", "subtype", "name"),
    [
        (CPU_X86_64, 3, "x86_64"),
        (CPU_X86_64, 0x80000003, "x86_64"),  # LIB64
        (CPU_X86_64, 8, "x86_64h"),
        (CPU_X86, 3, "i386"),
        (CPU_ARM64, 0, "arm64"),
        (CPU_ARM64, 1, "arm64"),
        (CPU_ARM64, 0x80000000, "unknown"),
        (CPU_ARM64, 0x80000002, "arm64e"),
        (CPU_ARM64, 0x81000002, "arm64e.v1"),
        (CPU_ARM64, 2, "arm64e.old"),
        (CPU_ARM64, 0xC0000002, "arm64e.kernel"),
        (CPU_ARM64_32, 1, "arm64_32"),
        (CPU_ARM, 12, "armv7k"),
        (CPU_ARM, 19, "armv8.1m.main"),
        (CPU_POWERPC, 0, "ppc"),
        (CPU_POWERPC, 100, "unknown"),
    ],
)
def test_names_in_dylds_messages(cputype: int, subtype: int, name: str) -> None:
    assert Arch.of(cputype, subtype).dyld_name == name


def test_the_capability_byte_counts_for_arm64_only() -> None:
    assert Arch.of(CPU_X86_64, 3).same_as(Arch.of(CPU_X86_64, 0x80000003))
    assert not Arch.of(CPU_X86_64, 3).same_as(Arch.of(CPU_X86_64, 8))
    assert not Arch.of(CPU_ARM64, 2).same_as(Arch.of(CPU_ARM64, 0x80000002))
    assert not Arch.of(CPU_ARM64, 0).same_as(Arch.of(CPU_X86_64, 0))


def test_page_sizes() -> None:
    assert Arch.named("arm64e").uses_16k_pages
    assert Arch.of(CPU_ARM, 12).uses_16k_pages
    assert not Arch.of(CPU_ARM, 9).uses_16k_pages
    assert not Arch.named("x86_64h").uses_16k_pages


def test_platform_names() -> None:
    assert platform_name(1) == "macOS"
    assert platform_name(6) == "macCatalyst"
    assert platform_name(24) == "visionOS-exclaveKit"
    assert platform_name(ZIPPERED) == "zippered(macOS/Catalyst)"
    assert platform_name(25) == "platform 25"
    assert [x for x in range(30) if is_known_platform(x)] == list(range(1, 25))
