"""Go as what a comparison of launch contexts asks of a toolchain."""

from __future__ import annotations

from collections.abc import Sequence

from machochain.golang.contexts import contexts
from machochain.graph.inspect import go_binary
from machochain.graph.scenario.values import Advice, Reason
from machochain.macho.details import sections
from machochain.model.go import GoBinary
from machochain.model.image import Image, Slice
from machochain.model.launch import LaunchContext, Program
from machochain.model.paths import TargetPath, leaf
from machochain.model.reading import ByteSource
from machochain.model.shell import flags_word, quoted

_OTHERS = ("in-place", "install:/usr/local", "app-bundle", "hardened", "sip-shell")


class Go:
    """The go command."""

    def read(self, image: Image, source: ByteSource, piece: Slice) -> GoBinary | None:
        """Return what Go left in an image; None if Go did not make it."""
        return go_binary(image, sections(image), source, piece)

    def program(
        self,
        executable: TargetPath,
        made: GoBinary | None,
        *,
        cwd: str,
        package_directory: TargetPath | None = None,
    ) -> Program:
        """Return what the built-in contexts need to know of a program.

        Go names what it runs after the package, not after the file (``cmd/go/internal/load``, ``DefaultExecName``):
        the last element of the import path that is no ``/vN``; a test binary is ``PKG.test``.
        """
        build = made.build if made is not None else None
        path = build.path if build is not None else ""
        name = leaf(executable)
        if path and path != "command-line-arguments":
            parts = path.split("/")
            last = parts[-1]
            versioned = len(parts) > 1 and last[:1] == "v" and last[1:].isdigit() and int(last[1:]) > 1
            name = parts[-2] if versioned else last
        name = name.removesuffix(".test") or name
        package = leaf(package_directory) if package_directory is not None else None
        return Program(name, executable, TargetPath(cwd), package_directory, package)

    def contexts(self, names: Sequence[str], made: GoBinary | None, program: Program) -> tuple[LaunchContext, ...]:
        """Return contexts by name; Go's own if none is named and Go made the program.

        Raises:
            UsageError: A name means nothing, or a context of one's own is not well written.
        """
        return contexts(names or (("go",) if made is not None else _OTHERS), program)

    def run_path_steps(self, directory: str) -> tuple[str, ...]:
        """Return how cmd/go puts a run path into all it builds."""
        return (
            f"CGO_LDFLAGS={flags_word(f'-Wl,-rpath,{directory}')} go run .   (go test ./... likewise)",
            "#cgo LDFLAGS: -Wl,-rpath,${SRCDIR}/lib works too; cmd/go refuses run paths that begin with @ there",
        )

    def variable_steps(self, assignments: str) -> tuple[str, ...]:
        """Return how a program gets variables that do not get through ``go``."""
        return (f"go run -exec {quoted(f'env {assignments}')} .   (go test -exec likewise)",)

    def advice(self, names: Sequence[str], contexts: frozenset[str]) -> tuple[Advice, ...]:
        """Return what Go's caches do to a program with C libraries of its own."""
        if not names:
            return ()
        shown = ", ".join(names[:3]) + (" and others" if len(names) > 3 else "")
        found = []
        if "go-run-cached" in contexts:
            found.append(
                Advice(
                    Reason.STALE_CACHE,
                    f"go run starts a cached executable from the second time on and does not link again when {shown} "
                    "changes: it may ask for a library that is gone while go build and go test work",
                    ("go run -a .", "go clean -cache"),
                )
            )
        if "go-test" in contexts:
            found.append(
                Advice(
                    Reason.STALE_CACHE,
                    f"go test prints a cached ok without starting anything, even if {shown} is gone: only Go's own "
                    "files and variables are part of the key",
                    ("go test -count=1 ./...",),
                )
            )
        return tuple(found)
