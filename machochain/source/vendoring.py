r"""What ``go mod vendor`` does not copy although C code needs it, and what the build cache does not know of.

Go 1.27, ``cmd/go/internal/modcmd/vendor.go``: of each package that is imported the regular files of its directory, but
no ``_test.go``, ``go.mod``, ``go.sum`` and no Go file under ``//go:build ignore``; what ``//go:embed`` names; of
directories above files such as LICENSE. Directories without an imported package are left out, links too. The cache key
of a package holds the files of its own directory and what it embeds (``cmd/go/internal/work``, ``buildActionID``).
"""

# ruff: noqa: PTH114, PTH120  # host paths are raw strings

from __future__ import annotations

import fnmatch
import os
import posixpath
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet

from machochain.source.disk import read_bytes
from machochain.source.loading import other_module
from machochain.source.values import LostFile, Need, PackageFacts, SourcePosition


def is_copied(path: str, packages: Mapping[str, PackageFacts], imported: AbstractSet[str] = frozenset()) -> bool:
    """Whether ``go mod vendor`` copies a file.

    Args:
        path: The file.
        packages: Packages that are imported, by their directories.
        imported: More directories of packages that are imported, by files whose constraints hold for no target too.
    """
    directory, name = os.path.split(path)
    if any(_embeds(facts, path) for facts in _around(path, packages)):
        return True
    if (directory not in packages and directory not in imported) or os.path.islink(path):
        return False
    if name.endswith("_test.go") or name in ("go.mod", "go.sum"):
        return False
    return not (name.endswith(".go") and _ignored(path))


def _ignored(path: str) -> bool:
    """Whether a file says ``//go:build ignore``: no other tag can make it count."""
    data = (read_bytes(path) or b"")[:4096].decode("utf-8", "surrogateescape")
    return any(line.strip() == "//go:build ignore" for line in data.split("\n"))


def _around(path: str, packages: Mapping[str, PackageFacts]) -> Iterator[PackageFacts]:
    directory = os.path.dirname(path)
    while True:
        facts = packages.get(directory)
        if facts is not None:
            yield facts
        above = os.path.dirname(directory)
        if above == directory:
            return
        directory = above


def _embeds(facts: PackageFacts, path: str) -> bool:
    """Whether a package embeds a file: a pattern matches it, or a directory above it."""
    rest = path[len(facts.directory) + 1 :]
    for pattern in facts.embeds:
        every = pattern.removeprefix("all:")
        parts = rest.split("/")
        for count in range(1, len(parts) + 1):
            head = "/".join(parts[:count])
            if not _matches(head, every):
                continue
            below = parts[count:]
            if every != pattern or not any(p.startswith((".", "_")) for p in below):
                return not os.path.islink(path)
    return False


def _matches(path: str, pattern: str) -> bool:
    """``path.Match``: a star stops at slashes."""
    ours, theirs = path.split("/"), posixpath.normpath(pattern).split("/")
    return len(ours) == len(theirs) and all(map(fnmatch.fnmatchcase, ours, theirs))


def vendored_by_others(packages: Iterable[PackageFacts]) -> frozenset[str]:
    """Return packages that another module's ``go mod vendor`` may copy.

    Programs and ``internal`` packages of a module that is worked on cannot be imported from outside; what only they
    import is never vendored.
    """
    known = {p.path: p for p in packages}
    pending = [
        p.path for p in known.values() if not p.own or not (p.main or "internal" in p.path.split("/"))
    ]  # fmt: skip
    found: set[str] = set()
    while pending:
        path = pending.pop()
        if path not in found:
            found.add(path)
            pending += [i for i in known[path].imports if i in known]
    return frozenset(found)


def lost_files(
    used: Iterable[tuple[PackageFacts, str, bool, SourcePosition]],
    packages: Iterable[PackageFacts],
    roots: Mapping[str, str],
    imported: AbstractSet[str] = frozenset(),
) -> Iterator[LostFile]:
    """Yield files that are used and would not be vendored.

    Args:
        used: (package, file, whether for sure, what asks for it).
        packages: All packages.
        roots: Directory of each module by its path.
        imported: As for `is_copied`.
    """
    packages = tuple(packages)
    by_directory = {p.directory: p for p in packages if p.directory and not p.vendored}
    by_others = vendored_by_others(packages)
    seen: set[str] = set()
    for facts, path, certain, place in used:
        root = roots.get(facts.module)
        if (
            root is None
            or facts.vendored
            or facts.path not in by_others
            or path in seen
            or not path.startswith(f"{root.rstrip('/')}/")
        ):
            continue
        if is_copied(path, by_directory, imported):
            continue
        seen.add(path)
        need = Need.SURE if certain else Need.PERHAPS
        nested = other_module(os.path.dirname(path), root)
        yield LostFile(facts.module, path[len(root.rstrip("/")) + 1 :], need, facts.path, place, nested)


def outside_key(facts: PackageFacts, used: Iterable[str]) -> tuple[str, ...]:
    """Return files a package is built from that its cache key does not hold: a change of them goes unseen."""
    own = f"{facts.directory.rstrip('/')}/"
    return tuple(
        path
        for path in dict.fromkeys(used)
        if not (path.startswith(own) and "/" not in path[len(own) :]) and not _embeds(facts, path)
    )
