"""What a linker stub (.tbd, or a Mach-O stub dylib) says about one library."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from machochain.model.value import field, frozen
from machochain.model.version import Version


class ExportKind(Enum):
    """How a symbol is exported. Values are the keys of TBD version 5."""

    GLOBAL = "global"
    WEAK = "weak"
    THREAD_LOCAL = "thread_local"


class StubExport(NamedTuple):
    """One exported symbol (a named tuple: a framework has tens of thousands).

    Attributes:
        name: The Mach-O name, leading underscore included, Objective-C names expanded.
        kind: Plain, weak definition, or thread-local variable.
        reexported: The stub says the symbol itself lives in another library.
    """

    name: str
    kind: ExportKind = ExportKind.GLOBAL
    reexported: bool = False


@frozen
class Directive:
    """One ``$ld$`` symbol: an instruction to the static linker, never an export (ld64, ``generic_dylib_file.cpp``).

    Attributes:
        action: ``hide``, ``add``, ``weak``, ``install_name``, ``compatibility_version`` or ``previous``.
        symbol: The symbol it is about; empty where the whole library is meant.
        os: The exact deployment target (major.minor) of every action but ``previous``.
        install_name: The install name to record (``install_name``, ``previous``), else empty.
        compat: The compatibility version to record, if the directive names one.
        platform: PLATFORM_* number of ``previous``; 0 for the others.
        start: First deployment target ``previous`` applies to.
        end: First deployment target it no longer applies to.
        text: The directive as written.
    """

    action: str
    symbol: str = ""
    os: Version | None = None
    install_name: str = ""
    compat: Version | None = None
    platform: int = 0
    start: Version | None = None
    end: Version | None = None
    text: str = ""

    def applies(self, minos: Version, platform: int = 1) -> bool:
        """Say whether the linker obeys it for this deployment target (its patch level is ignored)."""
        target = Version.of(minos.major, minos.minor)
        if self.action == "previous":
            return (
                self.platform == platform
                and self.start is not None
                and self.end is not None
                and self.start <= target < self.end
            )
        return self.os == target


@frozen
class TargetList:
    """Names that hold for some targets of a stub only.

    Attributes:
        targets: ``arch-platform`` names, e.g. ``arm64e-macos``.
        names: Install names, umbrella names or client names.
    """

    targets: tuple[str, ...]
    names: tuple[str, ...]


@frozen
class StubSection:
    """Symbols of one list of targets.

    Attributes:
        targets: ``arch-platform`` names.
        exports: Directives are not among them.
        directives: The ``$ld$`` symbols of the list.
    """

    targets: tuple[str, ...]
    exports: tuple[StubExport, ...] = field(default=(), repr=False)
    directives: tuple[Directive, ...] = field(default=(), repr=False)


@frozen
class Stub:
    """One library of a stub file.

    Attributes:
        install_name: What consumers record.
        version: Of the text format, 1 to 5; 0 for a Mach-O stub.
        current: Current version; 1.0 where the file says nothing.
        compat: Compatibility version; 1.0 where the file says nothing.
        targets: ``arch-platform`` names in file order; zippered documents name both platforms.
        umbrella: Parent umbrellas per target list.
        clients: Allowable clients per target list.
        reexports: Install names of re-exported libraries per target list.
        flags: ``flat_namespace``, ``not_app_extension_safe`` and the like.
        sections: Exported symbols.
        rpaths: Run paths (version 5 only).
        swift_abi: Swift ABI version, 0 if none.
    """

    install_name: str
    version: int
    current: Version
    compat: Version
    targets: tuple[str, ...]
    umbrella: tuple[TargetList, ...] = ()
    clients: tuple[TargetList, ...] = ()
    reexports: tuple[TargetList, ...] = ()
    flags: tuple[str, ...] = ()
    sections: tuple[StubSection, ...] = field(default=(), repr=False)
    rpaths: tuple[TargetList, ...] = ()
    swift_abi: int = 0

    def serves(self, arch: str, platform: str = "macos") -> tuple[str, ...]:
        """Return the target that serves an architecture, or nothing: exact, else arm64e for arm64."""
        return serving(self.targets, arch, platform)

    def exports(self, arch: str, platform: str = "macos") -> tuple[StubExport, ...]:
        """Return what the library exports for an architecture, sorted by name, each name once."""
        wanted = set(self.serves(arch, platform))
        found: dict[str, StubExport] = {}
        for section in self.sections:
            if wanted & set(section.targets):
                for export in section.exports:
                    found.setdefault(export.name, export)
        return tuple(found[name] for name in sorted(found))

    def directives(self, arch: str, platform: str = "macos") -> tuple[Directive, ...]:
        """Return the linker directives for an architecture, in file order."""
        wanted = set(self.serves(arch, platform))
        return tuple(d for s in self.sections if wanted & set(s.targets) for d in s.directives)

    def reexported_libraries(self, arch: str, platform: str = "macos") -> tuple[str, ...]:
        """Return the install names it re-exports for an architecture, in file order."""
        wanted = set(self.serves(arch, platform))
        return tuple(dict.fromkeys(n for item in self.reexports if wanted & set(item.targets) for n in item.names))


def serving(targets: tuple[str, ...], arch: str, platform: str) -> tuple[str, ...]:
    """Return the targets a linker would use for an architecture: the exact one, else its compatible variants.

    SDKs since 26.4 list only ``arm64e`` (and ``arm64e.x1``) for most libraries although arm64 code links with them,
    and ``x86_64h`` code links with ``x86_64``.
    """
    exact = f"{arch}-{platform}"
    if exact in targets:
        return (exact,)
    if arch == "arm64":
        for prefix in ("arm64e-", "arm64e."):
            found = tuple(t for t in targets if t.startswith(prefix) and t.partition("-")[2] == platform)
            if found:
                return found[:1]
    if arch == "x86_64h" and f"x86_64-{platform}" in targets:
        return (f"x86_64-{platform}",)
    return ()
