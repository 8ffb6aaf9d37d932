"""Go as what a comparison of launch contexts asks of a toolchain."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from machochain.golang.contexts import by_either_go, contexts, with_and_without
from machochain.golang.modules import parse_module_file
from machochain.golang.recorded import recorded_run_paths
from machochain.graph.inspect import go_binary
from machochain.graph.scenario.values import Advice, Reason, Skipped
from machochain.macho.details import sections
from machochain.model.go import GoBinary
from machochain.model.image import Image, Slice
from machochain.model.launch import LaunchContext, Program
from machochain.model.paths import TargetPath, leaf
from machochain.model.reading import ByteSource
from machochain.model.shell import go_word, more_ldflags, quoted
from machochain.source.program import ProgramSources

_MOST_TESTS = 6
"""Packages whose tests get columns of their own."""
_OTHERS = ("in-place", "install:/usr/local", "app-bundle", "hardened", "sip-shell")


class Go:
    """The go command; with the sources of the program, if they are at hand."""

    def __init__(
        self, sources: ProgramSources | None = None, read_text: Callable[[str], str | None] | None = None
    ) -> None:
        """Take the sources: then tests are those of the packages, and run paths of sources hold for every build.

        Args:
            sources: The sources; None if they were not named.
            read_text: Returns the text of a file of the modelled Mac; None if it is not there.
        """
        self._sources = sources
        self._read_text = read_text

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
        test = path.endswith(".test") or (not path and name.endswith(".test"))
        name = name.removesuffix(".test") or name
        if self._sources is not None:
            self._sources.take(build)
            package_directory = package_directory or self._sources.directory(path.removesuffix(".test"))
        elif package_directory is None and build is not None and build.main is not None:
            package_directory = self._around(cwd, path.removesuffix(".test"), build.main.path)
        package = leaf(package_directory) if package_directory is not None else None
        return Program(name, executable, TargetPath(cwd), package_directory, package, test=test)

    def _around(self, cwd: str, path: str, module: str) -> TargetPath | None:
        """Return a package's directory by the go.mod at or above the caller's, if it is the program's module."""
        directory = cwd.rstrip("/")
        inside = path == module or path.startswith(f"{module}/")
        while self._read_text is not None and inside and directory.startswith("/"):
            text = self._read_text(f"{directory}/go.mod")
            if text is not None:
                same = parse_module_file(text).module == module
                return TargetPath(directory + path[len(module) :]) if same else None
            directory = directory.rpartition("/")[0]
        return None

    def contexts(self, names: Sequence[str], made: GoBinary | None, program: Program) -> tuple[LaunchContext, ...]:
        """Return contexts by name; Go's own if none is named and Go made the program.

        Raises:
            UsageError: A name means nothing, or a context of one's own is not well written.
        """
        return contexts(names or (("go",) if made is not None else _OTHERS), program)

    def variants(
        self, wanted: Sequence[LaunchContext], made: GoBinary | None, image: Image, *, either_go: bool
    ) -> tuple[tuple[LaunchContext, ...], tuple[Skipped, ...]]:
        """Return contexts parted by which ``go`` starts the program, and by the flags the program was linked with."""
        if made is None:
            return tuple(wanted), ()
        there = {r.path for r in image.run_paths}
        flagged = [r.path for r in recorded_run_paths(made.build) if r.path in there] if made.build is not None else []
        skipped: list[Skipped] = []
        if self._sources is not None:
            given = self._sources.run_paths(image)
            flagged = [path for path in flagged if path not in given]
            wanted = tuple(self._tests(wanted, image, skipped))
        if either_go:
            wanted = tuple(by_either_go(wanted))
        return tuple(with_and_without(wanted, list(dict.fromkeys(flagged)))), tuple(skipped)

    def _tests(self, wanted: Sequence[LaunchContext], image: Image, skipped: list[Skipped]) -> Iterator[LaunchContext]:
        """Yield contexts; in place of ``go test`` one for each package whose tests take C libraries."""
        assert self._sources is not None
        tests = self._sources.tests(image)
        for each in wanted:
            if not each.test:
                yield each
                continue
            if not tests:
                skipped.append(Skipped(each, "no package of the module has tests that link C code"))
            for test in tests[:_MOST_TESTS]:
                yield test.context(each)
            if len(tests) > _MOST_TESTS:
                names = ", ".join(t.link.program for t in tests[_MOST_TESTS:][:3])
                skipped.append(Skipped(each, f"tests of {len(tests) - _MOST_TESTS} more packages: {names}"))

    def run_path_steps(self, directory: str, made: GoBinary | None) -> tuple[str, ...]:
        """Return how cmd/go puts a run path into all it builds, without losing the flags there are."""
        flag = f"-Wl,-rpath,{directory}"
        build = made.build if made is not None else None
        recorded = build.setting("CGO_LDFLAGS") if build is not None else None
        assignment = f"CGO_LDFLAGS={quoted(f'{recorded} {go_word(flag)}')}" if recorded else more_ldflags(flag)
        return (
            f"{assignment} go run .   (go test ./... likewise)",
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
                    "changes: it may ask for a library that is gone. go build, go install and go test -c do not link "
                    "again either while their output file is there; go test does, and so does a build to a new path",
                    ("go run -a .", "rm OUTPUT before go build, or go build -a", "go clean -cache"),
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
