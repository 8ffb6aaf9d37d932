"""Fixtures of the tests that build real programs."""

from tests.toolchain import toolchain

__all__ = ["toolchain"]
