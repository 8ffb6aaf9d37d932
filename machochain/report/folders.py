"""The files of an audit by folder: few enough groups that a person can look at them, with what loads lead between."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from machochain.model.paths import directory
from machochain.model.value import frozen

MOST_FOLDERS: Final = 24
"""More groups are no overview; the deepest are joined with what lies beside them."""
_ONE_THING: Final = (".framework", ".bundle", ".plugin", ".xpc", ".appex", ".dSYM")
"""Bundles that are one library or plug-in to whoever looks at them: what counts is the folder they lie in."""

_Parts = tuple[int, tuple[str, ...]]


@frozen
class Folder:
    """A group of files.

    Attributes:
        name: Its path, without what all folders of the input begin with; of that itself its last name.
        keys: What its files are known by, rising.
    """

    name: str
    keys: tuple[int, ...]


def folders(files: Iterable[tuple[int, int, str]], most: int = MOST_FOLDERS) -> tuple[Folder, ...]:
    """Return the folders that some files lie in, by input and name; no more than ``most`` if they can be joined.

    Args:
        files: Of each what it is known by, the number of its input, and its path.
        most: How many are looked at with ease.
    """
    told = [(key, number, tuple(name for name in directory(path).split("/") if name)) for key, number, path in files]
    outer = _shared((number, parts) for _, number, parts in told)
    groups: dict[_Parts, list[int]] = {}
    for key, number, parts in told:
        groups.setdefault((number, _holding(parts, outer[number])), []).append(key)
    while len(groups) > most and (deepest := _deepest(groups)) is not None:
        number, parent = deepest
        for at in [at for at in groups if at[0] == number and at[1][:-1] == parent and len(at[1]) == len(parent) + 1]:
            groups.setdefault((number, parent), []).extend(groups.pop(at))
    shared = _shared(groups)
    several = len({number for number, _ in groups}) > 1
    found = []
    for (number, parts), keys in sorted(groups.items()):
        name = "/".join(parts[shared[number] :]) or (parts[-1] if parts else ".")
        found.append(Folder(f"{number + 1}: {name}" if several else name, tuple(sorted(keys))))
    return tuple(found)


def _holding(parts: tuple[str, ...], shared: int) -> tuple[str, ...]:
    """Return the folder that holds the outermost bundle of a path; what all files lie in is none of these."""
    inside = (n for n, name in enumerate(parts) if n >= shared and name.endswith(_ONE_THING))
    return parts[: next(inside, len(parts))]


def _deepest(groups: Mapping[_Parts, Sequence[int]]) -> tuple[int, tuple[str, ...]] | None:
    """Return the input and the folder above the deepest groups, that with the fewest files; None at the top."""
    depth = max(len(parts) for _, parts in groups)
    if depth == 0:
        return None
    above: dict[tuple[int, tuple[str, ...]], int] = {}
    for (number, parts), keys in groups.items():
        if len(parts) == depth:
            above[number, parts[:-1]] = above.get((number, parts[:-1]), 0) + len(keys)
    return min(above, key=lambda at: (above[at], at))


def _shared(groups: Iterable[_Parts]) -> dict[int, int]:
    """Return for each input how many names all its folders begin with."""
    common: dict[int, tuple[str, ...]] = {}
    for number, parts in groups:
        known = common.get(number, parts)
        same = next(
            (n for n, (a, b) in enumerate(zip(known, parts, strict=False)) if a != b), min(len(known), len(parts))
        )
        common[number] = parts[:same]
    return {number: len(parts) for number, parts in common.items()}
