"""What a release file holds: its entries, where they were unpacked to, and where users will have them."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

from machochain.model.errors import InputError
from machochain.model.location import Location
from machochain.model.paths import HostPath, TargetPath
from machochain.model.release import DiskImage, InstallerPackage
from machochain.model.value import frozen


class ArtifactKind(Enum):
    """What a release file is to the one who installs it."""

    WHEEL = "wheel"
    APP = "app"
    NPM = "npm"
    CONDA = "conda"
    BOTTLE = "bottle"
    PKG = "pkg"
    GEM = "gem"
    IPA = "ipa"
    XCARCHIVE = "xcarchive"
    VSIX = "vsix"
    NUPKG = "nupkg"
    EGG = "egg"
    CRATE = "crate"
    JAR = "jar"
    ARCHIVE = "archive"


class ArtifactEntryKind(Enum):
    """What an entry is. A hard link is one of its own: its file is that of another entry."""

    FILE = "file"
    DIRECTORY = "directory"
    LINK = "link"
    HARD_LINK = "hard-link"
    SPECIAL = "special"


class UnopenedReason(Enum):
    """Why an archive in an archive was not looked into."""

    TOO_DEEP = "too-deep"
    """It lies in more archives than `Limits.levels` says."""
    OVER_LIMIT = "over-limit"
    """It, or what was opened before it, exceeds a limit."""
    ENCRYPTED = "encrypted"
    NOT_READ = "not-read"
    """Its format is known, but nothing here reads it."""
    NEEDS_LIBRARY = "needs-library"
    """A library that would read it is not installed."""
    DAMAGED = "damaged"


@frozen
class Unopened:
    """An archive in an archive that was not looked into: nobody can tell whether there are Mach-O files in it.

    Attributes:
        location: Where it is.
        reason: Why it was not.
        text: The same in words, with what helps.
    """

    location: Location
    reason: UnopenedReason
    text: str


@frozen
class Limits:
    """How much one archive may cost, everything nested in it included.

    Attributes:
        total_bytes: Bytes decompressed in all.
        disk_bytes: Bytes written to the temporary folder in all; runs of zeros take none.
        file_bytes: Bytes of one file that is kept whole.
        entries: Entries.
        ratio: Bytes decompressed per compressed byte, once more than `ratio_floor` bytes came out.
        ratio_floor: Below this many bytes a high ratio harms nobody.
        path_bytes: Length of an entry's name (default: PATH_MAX of macOS).
        depth: Directories above an entry.
        header_bytes: What the header of one tar entry, extensions included, may hold.
        memory_bytes: Memory that a decompressor may ask for.
        steps: Names walked through while links are followed, and parts of compressed streams begun.
        levels: How many archives in one another are opened, the outermost included.
    """

    total_bytes: int = 4 << 30
    disk_bytes: int = 2 << 30
    file_bytes: int = 2 << 30
    entries: int = 100_000
    ratio: int = 1000
    ratio_floor: int = 100 << 20
    path_bytes: int = 1024
    depth: int = 100
    header_bytes: int = 1 << 20
    memory_bytes: int = 256 << 20
    steps: int = 2_000_000
    levels: int = 3


@frozen
class ArtifactEntry:
    """One entry of an archive.

    Attributes:
        name: Its name, without ``./`` and doubled slashes; as it stands if it was refused.
        kind: What it is.
        size: Length in bytes that the archive states for a file.
        link: Where a link points, or which entry a hard link is.
        host: What was made of it in the temporary folder; None if nothing was: of files that no load command ever
            names (sources, texts, pictures), and of those left out or replaced.
        whole: Whether that file has all of the entry's bytes. If not, it has the right length and the right first
            4096 bytes, and zeros after them.
        macho: Whether it begins like a Mach-O file, a universal file or a static archive.
        lost: Where below the folder users find something that was not unpacked (damaged, over a limit, a link that
            points out of the archive), so that nobody can tell what it is; None for anything else.
        note: What is peculiar: left out and why, replaced by a later entry, other case.
    """

    name: str
    kind: ArtifactEntryKind
    size: int = 0
    link: str | None = None
    host: HostPath | None = None
    whole: bool = False
    macho: bool = False
    lost: str | None = None
    note: str | None = None


@frozen
class Artifact:
    """An archive, unpacked.

    Attributes:
        location: The archive; of a nested one the outermost file and the names of the members on the way.
        kind: What it is to an installer.
        container: How it is packed: ``zip``, ``tar``, ``tar.gz``, ``tar.bz2``, ``tar.xz``, ``tar.zst``.
        folder: Where its files are, in a temporary folder that lives as long as the context of
            `machochain.world.archives.opening.open_artifact`. They lie as in the archive; those of a wheel lie below
            ``site-packages``, ``scripts``, ``data`` and ``headers``, which is how they are installed.
        entries: All entries, in the archive's order.
        problems: What could not be read, or was refused because it would be written elsewhere.
        complete: Whether what is not here is not in the archive either; False for one that is cut or damaged.
        default_place: Where users will have it (site-packages, /Applications, the keg, …).
        name: What the package calls itself; for others the file's name without its endings.
        version: The version it states, or None.
        platforms: The platforms it states: wheel tags, the conda subdir, ``os`` and ``cpu`` of npm.
        requires: Names of the packages it says it needs.
        nested: Archives inside it that hold Mach-O files, or that hold such archives.
        unopened: Archives inside it, at any depth, that were not looked into.
        installer: Of an installer package, what it says of itself.
        image: Of a disk image, what it says of itself.
    """

    location: Location
    kind: ArtifactKind
    container: str
    folder: HostPath
    entries: tuple[ArtifactEntry, ...]
    problems: tuple[InputError, ...]
    complete: bool
    default_place: TargetPath
    name: str
    version: str | None = None
    platforms: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    nested: tuple[Artifact, ...] = ()
    unopened: tuple[Unopened, ...] = ()
    installer: InstallerPackage | None = None
    image: DiskImage | None = None

    @property
    def path(self) -> str:
        """The archive as the user named it; of a nested one ``OUTER:NAME``."""
        return self.location.display

    @property
    def holds_macho(self) -> bool:
        """Whether there is a Mach-O file or static archive in it, or in an archive in it."""
        return bool(self.nested) or any(entry.macho for entry in self.entries)

    def all(self) -> Iterator[Artifact]:
        """Yield this archive and those nested in it, the outer before the inner."""
        yield self
        for inner in self.nested:
            yield from inner.all()
