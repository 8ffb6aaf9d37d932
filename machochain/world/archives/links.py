"""Names of a tree of entries, and the symbolic links among them: made last, and only if they stay inside."""

# A host path is the raw string; pathlib would rewrite it, and costs more than the call.
# ruff: noqa: PTH211

from __future__ import annotations

import os

from attrs import define, evolve

from machochain.model.artifact import ArtifactEntry
from machochain.model.paths import HostPath
from machochain.world.filesystem import MAXSYMLINKS, fold_name


@define(eq=False)
class Node:
    """One name in the tree.

    Attributes:
        name: As first spelt.
        host: Where it is, or would be, on this machine.
        index: The entry; -1 for a directory.
        below: What a directory holds, by folded name; None for anything else.
        link: Where a link points.
        there: Whether something was made on this machine.
    """

    name: str
    host: str
    index: int = -1
    below: dict[str, Node] | None = None
    link: str | None = None
    there: bool = False

    def below_root(self, top: Node) -> str:
        """Return the way from the folder's top."""
        return self.host[len(top.host) + 1 :]


def make_links(top: Node, entries: list[ArtifactEntry]) -> None:
    """Make the links that stay inside; of the others only what was said stays."""
    pending = [top]
    links: list[tuple[Node, list[Node]]] = []
    parents: list[list[Node]] = [[]]
    while pending:
        folder, above = pending.pop(), parents.pop()
        for node in (folder.below or {}).values():
            if node.below is not None:
                pending.append(node)
                parents.append([*above, folder])
            elif node.link is not None:
                links.append((node, [*above, folder]))
    for node, folders in links:
        assert node.link is not None
        entry = entries[node.index]
        if not _stays_inside(node.link, folders):
            why = "left out: it points out of the archive"
            entries[node.index] = evolve(entry, lost=node.below_root(top), note=why)
            continue
        try:
            os.symlink(node.link, node.host)
        except (OSError, ValueError) as error:
            entries[node.index] = evolve(entry, lost=node.below_root(top), note=f"left out: {error}")
            continue
        node.there = True
        entries[node.index] = evolve(entry, host=HostPath(node.host), whole=True)


def _stays_inside(link: str, folders: list[Node]) -> bool:
    """Whether a link never leaves the folder on its way, other links of the archive followed."""
    here = list(folders)
    pending = link.split("/")[::-1]
    followed = 0
    if link.startswith("/") or not link or "\0" in link:
        return False
    while pending:
        name = pending.pop()
        if name in ("", "."):
            continue
        if name == "..":
            here.pop()
            if not here:
                return False
            continue
        inside = (here[-1].below or {}).get(fold_name(name))
        if inside is None or (inside.below is None and inside.link is None):
            # It ends here, at a file or at nothing, whatever follows.
            return True
        if inside.below is not None:
            here.append(inside)
            continue
        followed += 1
        assert inside.link is not None
        if followed > MAXSYMLINKS or inside.link.startswith("/"):
            return False
        pending += inside.link.split("/")[::-1]
    return True
