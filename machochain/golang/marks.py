"""How a Go binary was linked, whether cgo is in it, and what says so.

Facts of Go 1.21 to 1.27: the internal linker writes dylib commands with time stamp and versions 0
(``cmd/link/internal/ld/macho.go``), host linkers write 2 and real versions. ``CGO_ENABLED=1``, ``_runtime.iscgo`` and
``__cgo_init`` prove nothing: they are in every binary. ``runtime/cgo`` brings ``_crosscall2`` and ``_x_cgo_init``,
a C function called from Go ``__cgo_<12 hex>_Cfunc_<name>``, a Go function exported to C ``__cgoexp_<12 hex>_<name>``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from machochain.model.go import GoBinary, GoLink, GoTraces
from machochain.model.image import FileType, HeaderFlag, Image
from machochain.model.value import define, field

_C_FUNCTION: Final = re.compile(r"__cgo_[0-9a-f]{12}_C2?func_(.+?)(?:\.cold(?:\.\d+)?)?")
"""clang may split rarely run parts off into ``NAME.cold.1``."""
_EXPORT: Final = re.compile(r"__cgoexp_[0-9a-f]{12}_(.+)")
_RUNTIME_CGO: Final = frozenset({"_crosscall2", "_x_cgo_init"})
_GO_FUNCTION: Final = "_runtime.main"

_TRIMMED: Final = ("-ldflags",)
_TRIMMED_WITH_CGO: Final = ("-ldflags", "CGO_CFLAGS", "CGO_CPPFLAGS", "CGO_CXXFLAGS", "CGO_LDFLAGS")


def describe(image: Image, traces: GoTraces, symbols: Iterable[tuple[str, bool]] = ()) -> GoBinary | None:
    """Say what a Go image is, or None if nothing in it comes from Go.

    Args:
        image: The image.
        traces: What :func:`machochain.golang.buildinfo.read_traces` found in it.
        symbols: (Mach-O name, whether the image defines it) of its symbol table, in order; may be empty.
    """
    seen = _Symbols()
    seen.look(symbols)
    if not traces.is_go and not seen.cgo_marks and not seen.go_code:
        return None
    evidence = list(traces.evidence)
    link = _link(image, traces, evidence)
    build = traces.build
    return GoBinary(
        version=build.release if build else traces.version_hint,
        build=build,
        cgo=_uses_cgo(traces, seen, evidence),
        link=link,
        mode=_mode(image, traces, evidence),
        c_functions=tuple(seen.c_functions),
        exports=tuple(seen.exports),
        hidden=_hidden(traces),
        evidence=tuple(evidence),
        facts=traces.facts,
    )


def _hidden(traces: GoTraces) -> tuple[str, ...]:
    """Return what ``-trimpath`` keeps out (``cmd/go/internal/load/pkg.go`` setBuildInfo, golang/go#52372)."""
    if traces.build is None or traces.build.setting("-trimpath") != "true":
        return ()
    return _TRIMMED if traces.build.setting("CGO_ENABLED") == "0" else _TRIMMED_WITH_CGO


@define
class _Symbols:
    """What the symbol table shows, each name once."""

    runtime_cgo: set[str] = field(factory=set)
    c_functions: dict[str, None] = field(factory=dict)
    exports: dict[str, None] = field(factory=dict)
    go_code: bool = False

    def look(self, symbols: Iterable[tuple[str, bool]]) -> None:
        for name, defined in symbols:
            if not defined:
                continue
            if name in _RUNTIME_CGO:
                self.runtime_cgo.add(name)
            elif name == _GO_FUNCTION:
                self.go_code = True
            elif not name.startswith("__cgo"):
                continue
            elif match := _C_FUNCTION.fullmatch(name):
                self.c_functions[match.group(1)] = None
            elif match := _EXPORT.fullmatch(name):
                self.exports[match.group(1)] = None

    @property
    def cgo_marks(self) -> bool:
        return self.runtime_cgo == _RUNTIME_CGO or bool(self.c_functions) or bool(self.exports)


def _uses_cgo(traces: GoTraces, seen: _Symbols, evidence: list[str]) -> bool | None:
    if seen.cgo_marks:
        if seen.runtime_cgo == _RUNTIME_CGO:
            evidence.append("cgo: _crosscall2 and _x_cgo_init are defined")
        if seen.c_functions:
            evidence.append(f"cgo: Go calls C: {_some(seen.c_functions)}")
        if seen.exports:
            evidence.append(f"cgo: Go is exported to C: {_some(seen.exports)}")
        return True
    if traces.build is not None and traces.build.setting("CGO_ENABLED") == "0":
        evidence.append("no cgo: built with CGO_ENABLED=0")
        return False
    if seen.go_code and not seen.runtime_cgo:
        evidence.append("no cgo: the symbol table names Go's functions but neither _crosscall2 nor _x_cgo_init")
        return False
    return None


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:5]) + (f" and {len(listed) - 5} more" if len(listed) > 5 else "")


def _link(image: Image, traces: GoTraces, evidence: list[str]) -> GoLink | None:
    if image.file_type == FileType.MH_OBJECT or not traces.is_go:
        return None
    if image.loads:
        if all(
            each.timestamp == 0 and each.current_version.packed == 0 and each.compatibility_version.packed == 0
            for each in image.loads
        ):
            evidence.append("internal link: every dylib command has time stamp 0 and version 0.0.0")
            return GoLink.INTERNAL
        evidence.append("external link: dylib commands carry a time stamp or versions")
        return GoLink.EXTERNAL
    if any(segment.name == "__LLVM" for segment in image.segments):
        evidence.append("external link: segment __LLVM is left of Go's object")
        return GoLink.EXTERNAL
    return None


def _mode(image: Image, traces: GoTraces, evidence: list[str]) -> str | None:
    recorded = traces.build.setting("-buildmode") if traces.build is not None else None
    if image.file_type == FileType.MH_OBJECT:
        evidence.append("build mode: an object file with Go's data, as in a c-archive")
        return "c-archive"
    if image.file_type == FileType.MH_EXECUTE:
        pie = bool(image.flags & HeaderFlag.MH_PIE)
        # The recorded mode is "exe" even where a position-independent executable is the default.
        evidence.append(f"build mode: an executable {'with' if pie else 'without'} MH_PIE")
        return "pie" if pie else "exe"
    if recorded in ("c-shared", "plugin"):
        evidence.append(f"build mode: -buildmode={recorded} is recorded")
        return recorded
    if image.file_type in (FileType.MH_DYLIB, FileType.MH_BUNDLE):
        flat = not image.flags & HeaderFlag.MH_TWOLEVEL
        evidence.append(f"build mode: a library in {'the flat' if flat else 'a two-level'} namespace")
        return "plugin" if flat else "c-shared"
    return None
