"""Where a program stands and what surrounds it when it is started: in place, by ``go run``, by ``go test``, installed.

Facts of Go 1.21 to 1.27 (``cmd/go/internal/run``, ``test``, ``work``; measured): ``go run`` starts
``$WORK/b001/exe/NAME``, from 1.24 on every later run ``$GOCACHE/xx/<hash>-d/NAME``; ``go test`` starts
``$WORK/bNNN/PKG.test`` in the package's directory. ``$WORK`` is ``go-buildN`` in ``$GOTMPDIR`` or ``$TMPDIR``.
The ``go`` of go.dev is signed with the hardened runtime and no entitlement, so dyld removes every ``DYLD_`` variable
from its environment, and its children never see them (dyld-1378, ``Security::pruneEnvVars``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from attrs import frozen

from machochain.model.errors import UsageError
from machochain.model.paths import TargetPath, directory


@frozen
class SymbolicRoot:
    """A directory whose place on the Mac is made up, because it differs from run to run.

    Attributes:
        shown: What people see: ``$WORK``.
        path: The made-up target path behind it.
        closed: Whether Go alone writes there, so that nothing but its own files can be found below.
        around: The made-up directory it lies in: nobody can tell what else is there.
    """

    shown: str
    path: TargetPath
    closed: bool
    around: TargetPath


_TEMPORARY: Final = "/private/var/folders/zz/zyxvpxvq6csfxvn_n0000000000000/T"
WORK: Final = SymbolicRoot("$WORK", TargetPath(f"{_TEMPORARY}/go-build0"), True, TargetPath("/private/var/folders/zz"))
GOCACHE: Final = SymbolicRoot(
    "$GOCACHE", TargetPath("/Users/user/Library/Caches/go-build"), True, TargetPath("/Users/user/Library")
)
ROOTS: Final = (WORK, GOCACHE)

_CACHED: Final = f"00/{'0' * 64}-d"
_CACHED_SHOWN: Final = "xx/<hash>-d"
_SHOWN_PATHS: Final = ((f"{GOCACHE.path}/{_CACHED}", f"{GOCACHE.shown}/{_CACHED_SHOWN}"),)


@frozen
class Hop:
    """A program between the caller and the process, as far as the environment goes.

    Attributes:
        name: What it is, for people.
        drops_dyld: Whether dyld removes ``DYLD_`` variables from it: protected by SIP, or hardened without the
            entitlement ``com.apple.security.cs.allow-dyld-environment-variables``.
        sets: Variables it sets for its children.
    """

    name: str
    drops_dyld: bool = False
    sets: tuple[tuple[str, str], ...] = ()


@frozen
class GoReleases:
    """A range of Go 1.x minor releases, both ends included; None is open."""

    oldest: int | None = None
    newest: int | None = None

    def holds(self, release: str | None) -> bool | None:
        """Say whether a release such as ``go1.24.3`` is in the range; None if it is not known."""
        if self.oldest is None and self.newest is None:
            return True
        match = re.match(r"(?:go)?1\.(\d+)", release or "")
        if match is None:
            return None
        minor = int(match.group(1))
        return (self.oldest is None or self.oldest <= minor) and (self.newest is None or minor <= self.newest)


EVERY_RELEASE: Final = GoReleases()


@frozen
class LaunchContext:
    """One way a program is started.

    Attributes:
        id: Short and stable, e.g. ``go-run-cached`` or ``install:/usr/local``.
        title: For a table's head.
        executable: Where the main executable lies then.
        cwd: The working directory; None for the caller's own.
        hops: Programs the environment passes, outermost first.
        sets: Variables the process gets on top, in the end.
        hardened: Overrides whether dyld is restricted; None leaves it to the signature.
        moved: Whether only the executable lies there: nothing that stood beside it came along.
        releases: The Go releases that do it.
        test: Whether it starts a test binary rather than the program.
        note: What one should know; ``""`` for nothing.
    """

    id: str
    title: str
    executable: TargetPath
    cwd: TargetPath | None = None
    hops: tuple[Hop, ...] = ()
    sets: tuple[tuple[str, str], ...] = ()
    hardened: bool | None = None
    moved: bool = True
    releases: GoReleases = EVERY_RELEASE
    test: bool = False
    note: str = ""

    @property
    def roots(self) -> tuple[SymbolicRoot, ...]:
        """The symbolic roots the executable lies below."""
        return tuple(root for root in ROOTS if self.executable.startswith(f"{root.path}/"))

    def environment(self, given: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
        """Pass an environment through the hops.

        Returns:
            What the process sees, and the names that were lost on the way, in order.
        """
        env, lost = dict(given), []
        for hop in self.hops:
            if hop.drops_dyld:
                gone = [name for name in env if name.startswith("DYLD_")]
                lost += gone
                for name in gone:
                    del env[name]
            env |= dict(hop.sets)
        env |= dict(self.sets)
        return env, tuple(name for name in dict.fromkeys(lost) if name not in env)


def shown(path: str) -> str:
    """Return a path the way people write it: ``$WORK/b001/exe/hello`` instead of the made-up directory."""
    for real, words in (*_SHOWN_PATHS, *((root.path, root.shown) for root in ROOTS)):
        if path == real or path.startswith(f"{real}/"):
            return words + path[len(real) :]
    return path


def closed_root(path: str) -> SymbolicRoot | None:
    """Return the closed root a (normalised, absolute) target path lies in; None if it lies in none.

    Below such a root there are the executable of the context and files Go itself writes, never a library.
    """
    return next((root for root in ROOTS if root.closed and f"{path}/".startswith(f"{root.path}/")), None)


_SYSTEM_ROOT: Final = TargetPath("/")


@frozen
class Program:
    """What the built-in contexts need to know.

    Attributes:
        name: The program's name, as ``go build`` chooses it.
        executable: Where it lies now.
        cwd: The caller's working directory.
        package_directory: Where the package's sources lie, the working directory of its tests; None if unknown,
            which leaves the caller's.
        package_name: The last element of the package's import path, for ``PKG.test``; None for ``name``.
    """

    name: str
    executable: TargetPath
    cwd: TargetPath = _SYSTEM_ROOT
    package_directory: TargetPath | None = None
    package_name: str | None = None


_HARDENED_GO: Final = Hop("go of go.dev (hardened runtime)", drops_dyld=True)
_SIP_SHELL: Final = Hop("/bin/sh (protected by SIP)", drops_dyld=True)
_LAUNCHD: Final = Hop("launchd (knows nothing of a shell's variables)", drops_dyld=True)
_STALE: Final = (
    "the cached executable is not linked again when a C library changes: go run -a, or go clean -cache, links it anew"
)
_TEST_CACHE: Final = "a result may be served (cached) though a dylib is gone: go test -count=1 runs it"

GO_CONTEXTS: Final = ("in-place", "go-run", "go-run-cached", "go-test", "go-test-c", "go-official")
ALL_CONTEXTS: Final = (*GO_CONTEXTS, "install:/usr/local", "app-bundle", "hardened", "sip-shell")


def context(name: str, program: Program) -> LaunchContext:
    """Return a built-in context by its id: one of ``ALL_CONTEXTS``, or ``install:PREFIX`` with any prefix.

    Raises:
        UsageError: There is no such context.
    """
    work, cache = WORK.path, GOCACHE.path
    test_name = f"{program.package_name or program.name}.test"
    tests_in = program.package_directory or program.cwd
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
            return LaunchContext(name, "go run (fresh)", place, program.cwd)
        case "go-run-cached":
            place = TargetPath(f"{cache}/{_CACHED}/{program.name}")
            return LaunchContext(
                name, "go run (again)", place, program.cwd, releases=GoReleases(oldest=24), note=_STALE
            )
        case "go-test":
            return LaunchContext(
                name,
                "go test",
                TargetPath(f"{work}/b001/{test_name}"),
                tests_in,
                sets=(("PWD", tests_in),),
                test=True,
                note=_TEST_CACHE + unknown_directory,
            )
        case "go-test-c":
            place = TargetPath(f"{program.cwd.rstrip('/')}/{test_name}")
            return LaunchContext(name, "go test -c, run here", place, program.cwd, test=True)
        case "go-official":
            place = TargetPath(f"{work}/b001/exe/{program.name}")
            note = "DYLD_ variables reach the program only through go run -exec 'env DYLD_...=...'"
            return LaunchContext(name, "go run with go.dev's go", place, program.cwd, hops=(_HARDENED_GO,), note=note)
        case "app-bundle":
            place = TargetPath(f"/Applications/{program.name}.app/Contents/MacOS/{program.name}")
            return LaunchContext(name, "in an app bundle", place, _SYSTEM_ROOT, hops=(_LAUNCHD,))
        case "hardened":
            return LaunchContext(name, "hardened runtime", program.executable, program.cwd, hardened=True, moved=False)
        case "sip-shell":
            return LaunchContext(
                name, "from a shell script", program.executable, program.cwd, hops=(_SIP_SHELL,), moved=False
            )
    raise UsageError(f"no launch context {name!r}; known are {', '.join(ALL_CONTEXTS)}, and NAME:exe=...")


def contexts(names: Sequence[str], program: Program) -> tuple[LaunchContext, ...]:
    """Return contexts by name: ids, ``go``, ``all``, or a context of the user's own (:func:`parse_context`).

    Raises:
        UsageError: A name means nothing, or an own context is not well written.
    """
    wanted: list[str] = []
    for name in names:
        wanted += {"go": GO_CONTEXTS, "all": ALL_CONTEXTS}.get(name, (name,))
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
