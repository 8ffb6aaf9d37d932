"""Where a program stands and what surrounds it when it is started, as plain values.

Two directories differ from run to run and are given made-up places: Go's working directory and Go's build cache.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from machochain.model.image import Image
from machochain.model.paths import TargetPath
from machochain.model.value import frozen


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
_UNSEEN: Final = "/Users/user/unseen"
_DEEP: Final = "/d" * 16
"""So deep that no run path or name leads out of the directory nobody has seen."""


def _open_root(shown: str, name: str) -> SymbolicRoot:
    around = TargetPath(f"{_UNSEEN}/{name}")
    return SymbolicRoot(shown, TargetPath(f"{around}{_DEEP}/{name}"), closed=False, around=around)


CALLER: Final = _open_root("$PWD", "caller")
"""The working directory of whoever starts the program, if nobody named it."""
PACKAGE: Final = _open_root("$PACKAGE", "package")
"""The directory of the package under test, if nobody named it."""
GOBIN: Final = _open_root("$GOBIN", "gobin")
TEMPORARY: Final = _open_root("$TMPDIR", "temporary")
ROOTS: Final = (WORK, GOCACHE, CALLER, PACKAGE, GOBIN, TEMPORARY)

CACHED: Final = f"00/{'0' * 64}-d"
_CACHED_SHOWN: Final = "xx/<hash>-d"
_SHOWN_PATHS: Final = ((f"{GOCACHE.path}/{CACHED}", f"{GOCACHE.shown}/{_CACHED_SHOWN}"),)


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


PLAIN: Final = ", plain"
"""Ends the title of a context whose program is linked without the flags of the one at hand."""

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
        by_toolchain: Whether the toolchain's own command starts the process.
        built_anew: Whether the program is linked again for it, with whatever flags are set then.
        image: What is started instead of the program, if that is only predicted: a test binary.
        unknowns: What is not known of it.
        without_run_paths: LC_RPATHs that a link without the flags of the one at hand does not give.
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
    by_toolchain: bool = False
    built_anew: bool = False
    image: Image | None = None
    unknowns: tuple[str, ...] = ()
    without_run_paths: tuple[str, ...] = ()
    note: str = ""

    @property
    def roots(self) -> tuple[SymbolicRoot, ...]:
        """The symbolic roots the executable or its working directory lies below."""
        places = (f"{self.executable}/", f"{self.cwd or ''}/")
        return tuple(root for root in ROOTS if any(place.startswith(f"{root.path}/") for place in places))

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


SYSTEM_ROOT: Final = TargetPath("/")


@frozen
class Program:
    """What the built-in contexts need to know.

    Attributes:
        name: The program's name, as ``go build`` chooses it.
        executable: Where it lies now.
        cwd: The caller's working directory.
        package_directory: Where the package's sources lie, the working directory of its tests; None if unknown.
        package_name: The last element of the package's import path, for ``PKG.test``; None for ``name``.
        test: Whether it is a test binary itself.
    """

    name: str
    executable: TargetPath
    cwd: TargetPath = SYSTEM_ROOT
    package_directory: TargetPath | None = None
    package_name: str | None = None
    test: bool = False

    @property
    def cwd_known(self) -> bool:
        """Whether somebody named the working directory."""
        return self.cwd != CALLER.path
