"""Names of a tree of entries, and the symbolic links among them: made last, and only if they stay inside."""

# A host path is the raw string; pathlib would rewrite it, and costs more than the call.
# ruff: noqa: PTH211

from __future__ import annotations

import os

from machochain.model.artifact import ArtifactEntry
from machochain.model.paths import HostPath
from machochain.model.value import define, evolve
from machochain.world.archives.budget import Budget
from machochain.world.filesystem import MAXSYMLINKS, PATH_MAX, fold_name


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


def make_links(top: Node, entries: list[ArtifactEntry], budget: Budget, *, is_root: bool) -> None:
    """Make the links that stay inside; of the others only what was said stays.

    With ``is_root`` the top is the Mac's ``/``, and an absolute link is made as a relative one.
    """
    for node, folders in _links(top):
        assert node.link is not None
        why = _reason_against(node.link, folders, budget, is_root=is_root)
        if not why:
            up = "../" * (len(folders) - 1)
            to = f"{up or './'}{node.link.lstrip('/')}" if node.link.startswith("/") else node.link
            try:
                os.symlink(to, node.host)
            except (OSError, ValueError) as error:
                why = str(error)
        entry = entries[node.index]
        if why:
            entries[node.index] = evolve(entry, lost=node.below_root(top), note=f"left out: {why}")
            continue
        node.there = True
        entries[node.index] = evolve(entry, host=HostPath(node.host), whole=True)


def _links(top: Node) -> list[tuple[Node, list[Node]]]:
    """Return every link with the folders above it, the outermost first."""
    found: list[tuple[Node, list[Node]]] = []
    pending: list[tuple[Node, list[Node]]] = [(top, [top])]
    while pending:
        folder, here = pending.pop()
        for node in (folder.below or {}).values():
            if node.below is not None:
                pending.append((node, [*here, node]))
            elif node.link is not None:
                found.append((node, here))
    return found


def _reason_against(link: str, folders: list[Node], budget: Budget, *, is_root: bool) -> str:
    """Return why a link is not made: it leaves the folder on its way, other links of the archive followed.

    A look-up of macOS ends after so many links and bytes, too (xnu bsd/vfs/vfs_lookup.c), so nothing is lost by it.
    """
    outside = "it points out of the archive"
    here = list(folders)
    pending: list[str] = []
    followed = 0
    length = 0
    following: str | None = link
    while following is not None:
        length += len(following)
        if not following or "\0" in following:
            return outside
        if following.startswith("/"):
            if not is_root:
                return outside
            del here[1:]
        if length > PATH_MAX or followed > MAXSYMLINKS:
            return "it is longer than a path may be" if length > PATH_MAX else outside
        names = following.split("/")
        budget.step(len(names))
        pending += names[::-1]
        following = None
        while pending and following is None:
            name = pending.pop()
            if name in ("", "."):
                continue
            if name == "..":
                here.pop()
                if not here:
                    return outside
                continue
            inside = (here[-1].below or {}).get(fold_name(name))
            if inside is None or (inside.below is None and inside.link is None):
                # It ends here, at a file or at nothing, whatever follows.
                return ""
            if inside.below is not None:
                here.append(inside)
                continue
            followed += 1
            following = inside.link
    return ""
