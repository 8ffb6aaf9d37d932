"""What a comparison of launch contexts asks of whoever made the program: its name, its contexts, its caches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from machochain.graph.scenario.values import Advice, Skipped
from machochain.model.go import GoBinary
from machochain.model.image import Image, Slice
from machochain.model.launch import LaunchContext, Program
from machochain.model.paths import TargetPath
from machochain.model.reading import ByteSource


class Toolchain(Protocol):
    """A toolchain that starts programs itself, from places of its own."""

    def read(self, image: Image, source: ByteSource, piece: Slice) -> GoBinary | None:
        """Return what the toolchain left in an image; None if it did not make it."""
        ...

    def program(
        self,
        executable: TargetPath,
        made: GoBinary | None,
        *,
        cwd: str,
        package_directory: TargetPath | None = None,
    ) -> Program:
        """Return what the contexts need to know of a program."""
        ...

    def contexts(self, names: Sequence[str], made: GoBinary | None, program: Program) -> tuple[LaunchContext, ...]:
        """Return contexts by name; those that fit the program if none is named.

        Raises:
            UsageError: A name means nothing, or a context of one's own is not well written.
        """
        ...

    def variants(
        self, wanted: Sequence[LaunchContext], made: GoBinary | None, image: Image, *, either_go: bool
    ) -> tuple[tuple[LaunchContext, ...], tuple[Skipped, ...]]:
        """Return contexts parted where the answer depends on what nobody named, and those that are left out.

        Args:
            wanted: The contexts.
            made: What the toolchain left in the program.
            image: The program: a link without the flags of that one may lack run paths.
            either_go: Whether the toolchain's command that starts it may or may not pass ``DYLD_`` variables on.
        """
        ...

    def run_path_steps(self, directory: str, made: GoBinary | None) -> tuple[str, ...]:
        """Return how the toolchain puts a run path into all it builds."""
        ...

    def variable_steps(self, assignments: str) -> tuple[str, ...]:
        """Return how the toolchain starts a program with variables that do not get through it."""
        ...

    def advice(self, names: Sequence[str], contexts: frozenset[str]) -> tuple[Advice, ...]:
        """Return what its caches do to a program with these libraries, in the contexts with these ids."""
        ...
