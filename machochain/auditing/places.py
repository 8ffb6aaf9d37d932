"""Where things on the modelled Mac are in the input they came from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from machochain.model.audit import AuditBinary
from machochain.model.result import Result


class InputPaths:
    """From a path on the modelled Mac to the path in the input, learnt from the files of which both are known."""

    def __init__(
        self,
        binaries: Iterable[AuditBinary],
        results: Iterable[Result],
        members: Mapping[str, str],
        *,
        holds_files: bool,
    ) -> None:
        """Learn from files of which both places are known.

        Args:
            binaries: The input's slices.
            results: Its processes; that of a static library is about a program that has yet to be linked.
            members: Where in the input each of its files is, by name.
            holds_files: Whether there is room for more in it.
        """
        self._exact = {str(r.path): members[r.input] for r in results if r.input in members}
        self._exact.update((str(binary.place), binary.path) for binary in binaries)
        self._prefixes: dict[str, str] = {}
        if holds_files:
            for place, path in self._exact.items():
                outer, inner = _outside(place, path)
                self._prefixes.setdefault(outer, inner)

    @property
    def tops(self) -> tuple[str, ...]:
        """The directories on the modelled Mac that hold the input, sorted."""
        return tuple(sorted(self._prefixes))

    def locate(self, path: str) -> str:
        """Return where something is in the input; a path outside of it, or no path, stays itself."""
        known = self._exact.get(path)
        if known is not None or not path.startswith("/"):
            return known or path
        for outer in sorted(self._prefixes, key=len, reverse=True):
            if path.startswith(f"{outer}/"):
                inner = self._prefixes[outer]
                return "/".join(x for x in (inner, path[len(outer) + 1 :]) if x)
        return path


def _outside(place: str, path: str) -> tuple[str, str]:
    """Return what is left of two paths without the names they end with alike."""
    outer, inner = place.split("/"), path.split("/")
    while outer and inner and outer[-1] == inner[-1]:
        outer.pop()
        inner.pop()
    return "/".join(outer), "/".join(inner)
