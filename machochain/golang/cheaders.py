"""Headers that come with clang itself: they are never missing.

Names of clang 19's resource directory (``lib/clang/19/include``).
"""

from __future__ import annotations

import re
from typing import Final

_NAMES: Final = frozenset(
    {
        "altivec.h", "builtins.h", "cet.h", "cpuid.h", "float.h", "inttypes.h", "iso646.h", "limits.h", "mm3dnow.h",
        "mm_malloc.h", "module.modulemap", "opencl-c-base.h", "opencl-c.h", "ptrauth.h", "s390intrin.h", "stdalign.h",
        "stdarg.h", "stdatomic.h", "stdbool.h", "stdckdint.h", "stdcountof.h", "stddef.h", "stdint.h", "stdnoreturn.h",
        "tgmath.h", "unwind.h", "varargs.h", "vadefs.h", "velintrin.h", "xtestintrin.h", "arm64intr.h", "intrin.h",
        "intrin0.h", "hvx_hexagon_protos.h", "tmmintrin.h", "yvals_core.h",
    }
)  # fmt: skip
_PATTERN: Final = re.compile(r"(?:__)?[a-z0-9_]*intrin(?:_[a-z0-9]+)?\.h|arm_[a-z0-9_]+\.h|__std[a-z_]+\.h")


def of_compiler(name: str) -> bool:
    """Whether a header comes with the compiler."""
    return name in _NAMES or _PATTERN.fullmatch(name) is not None
