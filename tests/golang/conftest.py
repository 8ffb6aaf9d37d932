from __future__ import annotations

from tests.toolchain import go_module, toolchain

__all__ = ["go_module", "toolchain"]
