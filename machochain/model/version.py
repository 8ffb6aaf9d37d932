"""Version numbers as Mach-O packs them: 16 bits major, 8 bits minor, 8 bits patch (<mach-o/loader.h>, "X.Y.Z")."""

from __future__ import annotations

import re
from functools import lru_cache

from machochain.model.errors import UsageError
from machochain.model.value import field, frozen

_TEXT = re.compile(r"(\d{1,5})(?:\.(\d{1,3}))?(?:\.(\d{1,3}))?\Z")


@frozen
class Version:
    """One packed version.

    Attributes:
        packed: ``major << 16 | minor << 8 | patch``, unsigned 32 bits.
    """

    packed: int = field()

    # Written out: those that attrs makes build two tuples, and versions are compared more than anything else.

    def __eq__(self, other: object) -> bool:
        return self.packed == other.packed if isinstance(other, Version) else NotImplemented

    def __hash__(self) -> int:
        return self.packed

    def __lt__(self, other: Version) -> bool:
        return self.packed < other.packed

    def __le__(self, other: Version) -> bool:
        return self.packed <= other.packed

    def __gt__(self, other: Version) -> bool:
        return self.packed > other.packed

    def __ge__(self, other: Version) -> bool:
        return self.packed >= other.packed

    @property
    def major(self) -> int:
        """First component, 0 to 65535."""
        return self.packed >> 16

    @property
    def minor(self) -> int:
        """Second component, 0 to 255."""
        return self.packed >> 8 & 0xFF

    @property
    def patch(self) -> int:
        """Third component, 0 to 255."""
        return self.packed & 0xFF

    @staticmethod
    @lru_cache(maxsize=4096)
    def unpack(packed: int) -> Version:
        """Return the (shared) value for a packed number."""
        return Version(packed & 0xFFFFFFFF)

    @staticmethod
    def of(major: int, minor: int = 0, patch: int = 0) -> Version:
        """Build from components."""
        return Version.unpack(major << 16 | minor << 8 | patch)

    @staticmethod
    @lru_cache(maxsize=4096)
    def parse(text: str) -> Version:
        """Read ``"15"``, ``"15.4"`` or ``"15.4.1"``.

        Raises:
            UsageError: The text is no such number, or a component does not fit.
        """
        match = _TEXT.match(text.strip())
        parts = [int(x or 0) for x in match.groups()] if match else []
        if not parts or parts[0] > 0xFFFF or max(parts[1:]) > 0xFF:
            raise UsageError(f"not a version number: {text!r}")
        return Version.of(*parts)

    def __repr__(self) -> str:
        return f"Version.parse({str(self)!r})"

    def __str__(self) -> str:
        """``15.4`` or, with a patch level, ``15.4.1``: the form of dyld, vtool and otool."""
        return _spelt(self.packed)

    @property
    def full(self) -> str:
        """Always three components, the form otool uses for dylib versions: ``1.0.0``."""
        return f"{self.major}.{self.minor}.{self.patch}"


@lru_cache(maxsize=4096)
def _spelt(packed: int) -> str:
    parts = f"{packed >> 16}.{packed >> 8 & 0xFF}"
    return f"{parts}.{packed & 0xFF}" if packed & 0xFF else parts
