"""Lists of compiler and linker flags as pkgconf keeps them: what is merged, what stands where, where a sysroot goes.

pkgconf 1.8.1, ``libpkgconf/fragment.c``: ``pkgconf_fragment_add``, ``pkgconf_fragment_copy``, ``fragment_quote``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from machochain.model.value import define, evolve, frozen

_SPECIAL: Final = (
    "-framework", "-isystem", "-idirafter", "-pthread", "-Wa,", "-Wl,", "-Wp,", "-trigraphs", "-pedantic", "-ansi",
    "-std=", "-stdlib=", "-include", "-nostdinc", "-nostdlibinc", "-nobuiltininc",
)  # fmt: skip


@frozen
class Fragment:
    """One flag.

    Attributes:
        kind: The letter of ``-Lx`` and the like; ``""`` for any other flag.
        data: What follows the letter; the whole flag if there is none.
        merged: Whether it is several words with blanks between them.
    """

    kind: str
    data: str
    merged: bool = False

    @property
    def words(self) -> tuple[str, ...]:
        """What a caller reads of it."""
        if self.kind:
            return (f"-{self.kind}{self.data}",)
        return tuple(self.data.split(" ")) if self.merged else (self.data,)


def _is_special(text: str) -> bool:
    """Whether a flag is kept as it is: it may be the first of several words."""
    return not text.startswith("-") or text.startswith(_SPECIAL)


@define
class Fragments:
    """A list of flags."""

    items: list[Fragment]

    def copy(self, each: Fragment, *, private: bool) -> None:
        """Take a flag of another list, perhaps in the place of the same one before.

        Args:
            each: The flag.
            private: Whether only a static link needs it: then nothing is merged.
        """
        stays = each.kind in ("F", "L", "I")
        same = None
        if not private:
            same = next((n for n in range(len(self.items) - 1, -1, -1) if self._same(n, each)), None)
        if same is not None:
            if stays:
                return
            if _is_special(each.data) and self._may_go(same):
                del self.items[same]
        self.items.append(each)

    def _same(self, at: int, each: Fragment) -> bool:
        return (self.items[at].kind, self.items[at].data) == (each.kind, each.data)

    def _may_go(self, at: int) -> bool:
        """Whether a flag may be taken out for the sake of a later one, by what stands before it."""
        if at == 0 or not self.items[at].kind:
            return True
        before = self.items[at - 1].kind
        return before in ("l", "L", "I") or before == self.items[at].kind


def fragments(words: Iterable[str], sysroot: str = "") -> tuple[Fragment, ...]:
    """Return the flags of one field; ``-framework X`` and other words without a letter become one."""
    found = Fragments([])
    for word in words:
        if not word:
            continue
        if len(word) > 1 and not (_is_special(word) or word.startswith("-lib:")):
            found.items.append(Fragment(word[1], placed(word[2:], sysroot)))
            continue
        last = found.items[-1] if found.items else None
        if last is not None and not last.kind and _is_special(last.data):
            found.items.pop()
            together = evolve(last, data=f"{last.data} {placed(word, sysroot)}", merged=True)
            found.copy(together, private=False)
        else:
            found.items.append(Fragment("", word))
    return tuple(found.items)


def placed(path: str, sysroot: str) -> str:
    """Return an absolute path below the sysroot, unless it lies there already."""
    root = sysroot if sysroot != "/" else ""
    return root + path if root and path.startswith("/") and not path.startswith(root) else path


def words_of(found: Iterable[Fragment]) -> Iterator[str]:
    """Yield the words of flags."""
    for each in found:
        yield from each.words
