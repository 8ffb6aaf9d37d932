"""Where a file is: on this machine, in an archive, on the modelled Mac. Recorded once, when an input is opened."""

from __future__ import annotations

import posixpath
from typing import Final

from machochain.model.paths import HostPath, TargetPath, directory
from machochain.model.value import evolve, frozen

_BUNDLES: Final = (".app", ".appex", ".xpc", ".framework", ".bundle", ".plugin", ".systemextension")


@frozen
class Location:
    """The names of one file.

    Attributes:
        host: The file on this machine that its owner can name: the file itself, or the archive that holds it. Never a
            copy in a temporary folder.
        members: Its name in that archive, and for an archive in an archive one name each, the outermost first; empty
            for a file that is in none.
        place: Where it lies on the modelled Mac, links resolved; None if it lies nowhere there.
        called: What the user called ``host`` where that is another name (an address it was fetched from); else empty.
    """

    host: HostPath
    members: tuple[str, ...] = ()
    place: TargetPath | None = None
    called: str = ""

    @property
    def display(self) -> str:
        """What to call it: ``dist/tool``, ``pkg.whl:pkg/x.so``, ``a.zip:b.whl:c.so``."""
        return ":".join((self.called or self.host, *self.members))

    @property
    def packed(self) -> bool:
        """Whether it is a member of an archive, which has to be unpacked before anything in it can be changed."""
        return bool(self.members)

    @property
    def path(self) -> str:
        """The file's own path: on this machine, or below the folder into which its innermost archive is unpacked."""
        return self.members[-1] if self.members else self.host

    @property
    def whole(self) -> str:
        """What is mended as one: the file, its archive, or the outermost bundle around it (``My.app``).

        A program taken out of its bundle has lost the libraries beside it, and the seal around it is broken.
        """
        parts = self.host.split("/")
        outermost = next((n for n, part in enumerate(parts[:-1], 1) if part.endswith(_BUNDLES)), len(parts))
        return "/".join(parts[:outermost])

    def inside(self, member: str, place: TargetPath | None = None) -> Location:
        """Return the location of a member, this file being an archive."""
        return evolve(self, members=(*self.members, member), place=place)

    def beside(self, place: str) -> str | None:
        """Return the path, as in `path`, of another file of the same tree.

        Args:
            place: Where that file lies on the modelled Mac.

        Returns:
            None if the two do not lie in one tree, so that nothing tells where the other is here.
        """
        if self.place is None or not place.startswith("/"):
            return None
        way = posixpath.relpath(place, directory(self.place) or "/")
        climbs = way.split("/").count("..")
        above = directory(self.path).split("/") if directory(self.path) else []
        if climbs > len(above):
            return None
        return posixpath.normpath(posixpath.join(directory(self.path), way))
