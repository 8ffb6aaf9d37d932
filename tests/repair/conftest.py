"""Fixtures of the tests that build real programs."""

from tests.toolchain import go_module, toolchain

__all__ = ["go_module", "toolchain"]
