"""What is known of a program that does not exist yet: it would be linked from a static library."""

from __future__ import annotations

from machochain.model.value import frozen
from machochain.model.version import Version


@frozen
class Prediction:
    """How the loads of a program to come were found out.

    Attributes:
        kind: ``package`` (of Go), ``c-archive`` (of Go) or ``static library``.
        go_version: The Go release that made the archive; None if that is not known.
        sources: (install name, the pragma, flag or symbols that say so).
        from_imports: Whether cmd/go recorded the install names, so that no library had to be looked for.
        unresolved: Link flags whose library was not found.
        static: Static libraries and objects that go into the program.
        refused: Link flags cmd/go refuses in ``#cgo LDFLAGS``: they came by ``$CGO_LDFLAGS``.
        flags: What to link with, where the archive has lost its flags.
        unprovided: Symbols nobody in the archive or the OS defines.
        members: (object, oldest release it is built for), in file order.
        directories: Absolute directories of its ``-L`` flags: where the linker found its libraries.
        facts: What of the archive could not be read, one sentence each.
    """

    kind: str
    go_version: str | None = None
    sources: tuple[tuple[str, str], ...] = ()
    from_imports: bool = False
    unresolved: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    unprovided: tuple[str, ...] = ()
    members: tuple[tuple[str, Version], ...] = ()
    directories: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()
