"""What several rules quote: the places in Apple's sources that they rest on, and steps of their remedies."""

from __future__ import annotations

from typing import Final

GET_LOADER: Final = "dyld-1378, dyld/Loader.cpp, getLoader()"
LOAD_DEPENDENTS: Final = "dyld-1378, dyld/JustInTimeLoader.cpp, loadDependents()"
LOAD_COMMANDS: Final = "dyld-1378, mach_o/UnsafeHeader.cpp, UnsafeHeader::valid()"
POLICY: Final = "dyld-1378, mach_o/Policy.cpp"
VARIANTS: Final = "dyld-1378, dyld/DyldProcessConfig.cpp, PathOverrides::forEachPathVariant()"
AT_PATHS: Final = "dyld-1378, dyld/Loader.cpp, forEachResolvedAtPathVar()"
RESOLVE: Final = "dyld-1378, dyld/Loader.cpp, resolveSymbol()"

RESIGN: Final = "Sign again after every change: `codesign -f -s - FILE` (or with your identity)."
RAISE: Final = "Raise the minimum version: `MACOSX_DEPLOYMENT_TARGET`, `-mmacosx-version-min`."
GUARD: Final = (
    "Compile with `-Werror=unguarded-availability-new`, and guard each use with `__builtin_available` or `@available`."
)
