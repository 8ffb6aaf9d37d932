"""Where a program stands and what surrounds it when it is started: in place, by ``go run``, by ``go test``, installed.

Facts of Go 1.21 to 1.27 (``cmd/go/internal/run``, ``test``, ``work``; measured): ``go run`` starts
``$WORK/b001/exe/NAME``, from 1.24 on every later run ``$GOCACHE/xx/<hash>-d/NAME``; ``go test`` starts
``$WORK/bNNN/PKG.test`` in the package's directory. ``$WORK`` is ``go-buildN`` in ``$GOTMPDIR`` or ``$TMPDIR``.
The ``go`` of go.dev is signed with the hardened runtime and no entitlement, so dyld removes every ``DYLD_`` variable
from its environment, and its children never see them (dyld-1378, ``Security::pruneEnvVars``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from machochain.model.errors import UsageError, guess
from machochain.model.launch import (
    CACHED,
    GOBIN,
    GOCACHE,
    PACKAGE,
    PLAIN,
    SYSTEM_ROOT,
    TEMPORARY,
    WORK,
    GoReleases,
    Hop,
    LaunchContext,
    Program,
    closed_root,
)
from machochain.model.paths import TargetPath, directory
from machochain.model.value import evolve

HARDENED_GO: Final = Hop("go of go.dev (hardened runtime)", drops_dyld=True)
_SIP_SHELL: Final = Hop("/bin/sh (protected by SIP)", drops_dyld=True)
_LAUNCHD: Final = Hop("launchd (knows nothing of a shell's variables)", drops_dyld=True)
_STALE: Final = (
    "the cached executable is not linked again when a C library changes: go run -a, or go clean -cache, links it anew"
)
_INSTALLED: Final = "the file is not linked again while one that fits is there: rm it, or -a, links it anew"
_IDE: Final = "built into a temporary directory; the working directory and the variables are settings of the IDE"
_TEST_CACHE: Final = "a result may be served (cached) though a dylib is gone: go test -count=1 runs it"

GO_CONTEXTS: Final = ("in-place", "go-run", "go-run-cached", "go-test", "go-test-c", "go-official", "go-install")
TEST_CONTEXTS: Final = ("in-place", "go-test", "go-test-c")
"""Those of a test binary: ``go run`` and ``go install`` make programs, not tests."""
ALL_CONTEXTS: Final = (
    *GO_CONTEXTS, "delve", "ide", "install:/usr/local", "app-bundle", "hardened", "sip-shell",
)  # fmt: skip
_OFFICIAL: Final = "-official"


def context(name: str, program: Program) -> LaunchContext:  # noqa: C901, PLR0911, PLR0912  # the order of its steps is the rule
    """Return a built-in context by its id: one of ``ALL_CONTEXTS``, or ``install:PREFIX`` with any prefix.

    Raises:
        UsageError: There is no such context.
    """
    work, cache = WORK.path, GOCACHE.path
    test_name = f"{program.package_name or program.name}.test"
    tests_in = program.package_directory or PACKAGE.path
    unknown_directory = "" if program.package_directory else "; the package's directory is not known"
    if name.startswith("install:"):
        prefix = name.partition(":")[2]
        if not prefix.startswith("/"):
            raise UsageError(f"install: needs an absolute path, not {prefix!r}")
        place = TargetPath(f"{prefix.rstrip('/')}/bin/{program.name}")
        return LaunchContext(name, f"installed in {prefix}", place, note="only the executable is installed")
    match name:
        case "in-place":
            return LaunchContext(name, "in place", program.executable, program.cwd, moved=False)
        case "go-run":
            place = TargetPath(f"{work}/b001/exe/{program.name}")
            return LaunchContext(name, "go run (fresh)", place, program.cwd, by_toolchain=True, built_anew=True)
        case "go-run-cached":
            place = TargetPath(f"{cache}/{CACHED}/{program.name}")
            since = GoReleases(oldest=24)
            return LaunchContext(
                name,
                "go run (again)",
                place,
                program.cwd,
                releases=since,
                by_toolchain=True,
                built_anew=True,
                note=_STALE,
            )
        case "go-test":
            return LaunchContext(
                name,
                "go test",
                TargetPath(f"{work}/b001/{test_name}"),
                tests_in,
                sets=(("PWD", tests_in),),
                test=True,
                by_toolchain=True,
                built_anew=True,
                note=_TEST_CACHE + unknown_directory,
            )
        case "go-test-c":
            place = TargetPath(f"{program.cwd.rstrip('/')}/{test_name}")
            return LaunchContext(name, "go test -c, run here", place, program.cwd, test=True, built_anew=True)
        case "go-official":
            place = TargetPath(f"{work}/b001/exe/{program.name}")
            note = "DYLD_ variables reach the program only through go run -exec 'env DYLD_...=...'"
            return LaunchContext(
                name, "go run with go.dev's go", place, program.cwd, hops=(HARDENED_GO,), by_toolchain=True,
                built_anew=True, note=note,
            )  # fmt: skip
        case "go-install":
            place = TargetPath(f"{GOBIN.path}/{program.name}")
            return LaunchContext(name, "go install", place, program.cwd, built_anew=True, note=_INSTALLED)
        case "delve":
            place = TargetPath(f"{program.cwd.rstrip('/')}/__debug_bin0")
            return LaunchContext(name, "dlv debug", place, program.cwd, built_anew=True)
        case "ide":
            place = TargetPath(f"{TEMPORARY.path}/GoLand/___1go_build_{program.name}")
            return LaunchContext(name, "started by an IDE", place, program.cwd, built_anew=True, note=_IDE)
        case "app-bundle":
            place = TargetPath(f"/Applications/{program.name}.app/Contents/MacOS/{program.name}")
            return LaunchContext(name, "in an app bundle", place, SYSTEM_ROOT, hops=(_LAUNCHD,))
        case "hardened":
            return LaunchContext(name, "hardened runtime", program.executable, program.cwd, hardened=True, moved=False)
        case "sip-shell":
            return LaunchContext(
                name, "from a shell script", program.executable, program.cwd, hops=(_SIP_SHELL,), moved=False
            )
    raise UsageError(
        f"no launch context {name!r}{guess(name, ALL_CONTEXTS)}; known are {', '.join(ALL_CONTEXTS)}, and NAME:exe=..."
    )


def by_either_go(wanted: Iterable[LaunchContext]) -> Iterator[LaunchContext]:
    """Yield each context that ``go`` starts twice: by a ``go`` that passes ``DYLD_`` variables on, and by go.dev's."""
    listed = tuple(wanted)
    ids = {each.id for each in listed}
    for each in listed:
        if not each.by_toolchain or each.hops:
            yield each
            continue
        yield evolve(each, title=f"{each.title}, other go")
        official = f"{each.id}{_OFFICIAL}"
        if each.id == "go-run":
            official = "go-official"
        if official not in ids:
            yield evolve(each, id=official, title=f"{each.title}, go.dev's go", hops=(HARDENED_GO,))


def with_and_without(wanted: Iterable[LaunchContext], run_paths: Sequence[str]) -> Iterator[LaunchContext]:
    """Yield each context that links anew twice: without the run paths only flags gave, and with the same flags."""
    for each in wanted:
        if not run_paths or not each.built_anew:
            yield each
            continue
        yield evolve(each, title=each.title + PLAIN, without_run_paths=tuple(run_paths))
        yield evolve(each, id=f"{each.id}+flags", title=f"{each.title}, same flags")


def contexts(names: Sequence[str], program: Program) -> tuple[LaunchContext, ...]:
    """Return contexts by name: ids, ``go``, ``all``, or a context of the user's own (:func:`parse_context`).

    Raises:
        UsageError: A name means nothing, or an own context is not well written.
    """
    wanted: list[str] = []
    for name in names:
        own = TEST_CONTEXTS if program.test else GO_CONTEXTS
        every = [c for c in ALL_CONTEXTS if c in own or not program.test or c not in (*GO_CONTEXTS, "delve", "ide")]
        wanted += {"go": own, "all": every}.get(name, (name,))
    return tuple(
        parse_context(name, program) if _OWN.match(name) else context(name, program) for name in dict.fromkeys(wanted)
    )


_OWN: Final = re.compile(r"(?P<id>[^:=,]+):(?P<fields>(?:exe|cwd|env|hardened)=.*)", re.DOTALL)
_NEXT_FIELD: Final = re.compile(r",(?=(?:exe|cwd|env|hardened)=)")


def parse_context(text: str, program: Program) -> LaunchContext:
    """Read a context of the user's own: ``NAME:exe=PATH,cwd=PATH,env=K=V,env=K=V,hardened=yes``.

    Every field may be left out; ``exe`` and ``cwd`` are then those of the program as it stands. A comma belongs to a
    value unless the next field begins behind it.

    Raises:
        UsageError: The text is not of this form.
    """
    match = _OWN.fullmatch(text)
    if match is None:
        raise UsageError(f"a context reads NAME:exe=PATH,cwd=PATH,env=K=V, not {text!r}")
    executable, cwd, hardened = program.executable, program.cwd, None
    sets: list[tuple[str, str]] = []
    for each in _NEXT_FIELD.split(match["fields"]):
        key, _, value = each.partition("=")
        if key in ("exe", "cwd") and not value.startswith("/"):
            raise UsageError(f"{key} of context {match['id']!r} must be an absolute path, not {value!r}")
        if key == "exe":
            executable = TargetPath(value)
        elif key == "cwd":
            cwd = TargetPath(value)
        elif key == "env":
            name, equals, content = value.partition("=")
            if not name or not equals:
                raise UsageError(f"env of context {match['id']!r} must be K=V, not {value!r}")
            sets.append((name, content))
        elif value in ("yes", "no"):
            hardened = value == "yes"
        else:
            raise UsageError(f"hardened of context {match['id']!r} must be yes or no, not {value!r}")
    return LaunchContext(
        match["id"], match["id"], executable, cwd, sets=tuple(sets), hardened=hardened,
        moved=executable != program.executable,
    )  # fmt: skip


def escapes(run_path: str, executable: str) -> bool | None:
    """Say whether ``@executable_path/...`` can reach anything but Go's own files; None if it is no such path.

    Decided without a file system: below a closed root only as many ``..`` as lead out of it help.
    """
    prefix = "@executable_path"
    if run_path != prefix and not run_path.startswith(f"{prefix}/"):
        return None
    parts = [each for each in directory(executable).split("/") if each]
    for each in run_path[len(prefix) :].split("/"):
        if each == "..":
            parts = parts[:-1]
        elif each not in ("", "."):
            parts.append(each)
    return closed_root("/" + "/".join(parts)) is None
