"""The facts of one file: per slice its header, signature and Go marks; per archive its members."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Final

from machochain.dyld.policy import Refusal, refusals
from machochain.dyld.profile import NEWEST
from machochain.graph.starting import (
    NO_SIGNATURE,
    SliceSignature,
    Starting,
    cms_of,
    execution_of,
    read_slice_signature,
)
from machochain.macho.archive import Archive, Member, MemberKind, member_source, read_archives
from machochain.macho.certificates import read_certificates
from machochain.macho.details import sections
from machochain.macho.kind import FileKind, kind_of
from machochain.macho.reader import read_source, slice_reader
from machochain.macho.signature import read_signature
from machochain.macho.source import FileSource
from machochain.model.errors import InputError
from machochain.model.execution import ExecVerdict
from machochain.model.image import FileType, Image, MachOFile, Section, Slice
from machochain.model.paths import HostPath, directory
from machochain.model.reading import ByteSource
from machochain.model.signature import Certificate, Signature
from machochain.model.value import frozen

if TYPE_CHECKING:
    from machochain.macho.deep import DeepFacts
    from machochain.model.artifact import Artifact
    from machochain.model.go import GoArchive, GoBinary
    from machochain.model.release import DiskImage, InstallerPackage


@frozen
class SliceFacts:
    """What is known of one slice.

    Attributes:
        piece: Where it lies and its header.
        sections: Its sections in file order.
        signature: Its code signature.
        refusals: What dyld may object to, and from which macOS and sdk on.
        go: What Go left in it; None if it is no Go image.
        deep: Its symbols, imports and exports, if they were asked for.
        held: Its signature as the kernel sees it, held against its first pages, all of a small program.
        execution: What the kernel of the newest macOS does with it on the Mac it is for; None if it is no program.
        certificates: What the certificate's signature carries; None without the extra ``machochain[cms]``.
        ticket: Whether a notarisation ticket is stapled to it or to the bundle around it.
    """

    piece: Slice
    sections: tuple[Section, ...]
    signature: Signature
    refusals: tuple[Refusal, ...]
    go: GoBinary | None
    deep: DeepFacts | None = None
    held: SliceSignature = NO_SIGNATURE
    execution: ExecVerdict | None = None
    certificates: tuple[Certificate, ...] | None = ()
    ticket: bool = False


@frozen
class MemberFacts:
    """What is known of one archive member.

    Attributes:
        member: Where it lies.
        slices: Its slices if it is a Mach-O file.
        error: Why it could not be read, or None.
    """

    member: Member
    slices: tuple[SliceFacts, ...] = ()
    error: str | None = None


@frozen
class ArchiveFacts:
    """What is known of one archive (a universal file may hold several).

    Attributes:
        archive: Its list of members.
        members: What each of them is.
        go: What Go put into it; None if Go did not make it.
    """

    archive: Archive
    members: tuple[MemberFacts, ...]
    go: GoArchive | None


@frozen
class Inspection:
    """What is known of one file.

    Attributes:
        path: The file as the user named it; one in a wheel, zip or tar as ``pkg.whl:dir/file``.
        kind: ``macho``, ``universal``, ``archive`` or ``unrecognised``.
        size: Its length in bytes; 0 if it cannot be read.
        file: The Mach-O file, or None.
        slices: Its slices.
        archives: Its archives.
        release: Of an installer package or a disk image, what it says of itself.
        has_members: Whether what follows in the list is in it.
        error: Why it cannot be read, or None.
    """

    path: str
    kind: str
    size: int = 0
    file: MachOFile | None = None
    slices: tuple[SliceFacts, ...] = ()
    archives: tuple[ArchiveFacts, ...] = ()
    release: InstallerPackage | DiskImage | None = None
    has_members: bool = False
    error: InputError | None = None

    def __repr__(self) -> str:
        return f"<Inspection {self.path!r}: {self.kind}, {len(self.slices)} slices, {self.size} bytes>"


def inspect_file(path: str, *, name: str | None = None, deep: bool = False) -> Inspection:
    """Inspect a file of this machine; what cannot be read comes back as ``error``.

    Args:
        path: Where the file is.
        name: What to call it; by default its path.
        deep: Whether to read symbols, imports and exports, too.
    """
    shown = name or path
    try:
        with FileSource(HostPath(path)) as source:
            return _inspect(shown, source, deep=deep)
    except InputError as error:
        told = InputError(error.reason, path=shown, offset=error.offset, part=error.part, errno=error.errno)
        return Inspection(shown, "unrecognised", error=told)


def inspect_artifact(artifact: Artifact, *, deep: bool = False) -> Iterator[Inspection]:
    """Inspect each Mach-O file and static library of an open archive, archives in it included.

    One that holds none of them is an ``archive`` without members; what could not be read of it is an error each.
    """
    found = list(_packed(artifact, deep=deep))
    yield from found or [Inspection(artifact.path, "archive")]


def _packed(artifact: Artifact, *, deep: bool) -> Iterator[Inspection]:
    release = artifact.installer or artifact.image
    if release is not None:
        yield Inspection(artifact.path, "archive", release=release, has_members=artifact.holds_macho)
    for problem in artifact.problems:
        yield Inspection(problem.path or artifact.path, "unrecognised", error=problem.at(artifact.path))
    for entry in sorted(artifact.entries, key=lambda entry: entry.name):
        if entry.macho and entry.host is not None:
            yield inspect_file(entry.host, name=f"{artifact.path}:{entry.name}", deep=deep)
    for inner in artifact.nested:
        yield from _packed(inner, deep=deep)


def _inspect(path: str, source: ByteSource, *, deep: bool) -> Inspection:
    kind = kind_of(source.read(0, 64))
    if kind is FileKind.ARCHIVE:
        return Inspection(path, "archive", source.size, archives=tuple(_archives(source, deep=deep)))
    file = read_source(source)
    found = tuple(_slices(file, source, path, deep=deep))
    name = "universal" if file.universal else "macho"
    if file.universal and not any(s.piece.image for s in found):
        archives = tuple(_archives(source, deep=deep))
        if archives:
            return Inspection(path, "archive", source.size, archives=archives)
    return Inspection(path, name, source.size, file, found)


def _slices(file: MachOFile, source: ByteSource, path: str, *, deep: bool) -> Iterator[SliceFacts]:
    for piece in file.slices:
        image = piece.image
        if image is None:
            yield SliceFacts(piece, (), Signature(), (), None)
            continue
        read = slice_reader(source, piece)
        found = sections(image)
        held = read_slice_signature(image, read, piece.size, pages=None)
        yield SliceFacts(
            piece,
            found,
            read_signature(image, read),
            refusals(image, main=image.file_type == FileType.MH_EXECUTE),
            go_binary(image, found, source, piece),
            _deep(image, found, source, piece) if deep else None,
            held,
            _execution(file, piece, path, held) if image.is_main_executable else None,
            read_certificates(cms) if (cms := cms_of(image, read)) else (),
            _TICKET in held.slots or _has_ticket(path),
        )


_TICKET: Final = 0x10002
"""``CSSLOT_TICKETSLOT``."""


def _execution(file: MachOFile, piece: Slice, path: str, held: SliceSignature) -> ExecVerdict:
    return execution_of(file, piece, path, NEWEST, Starting(), held, None)


def _has_ticket(path: str) -> bool:
    """Whether a ticket lies where ``stapler`` puts it for the bundle an executable is the main one of."""
    contents = directory(directory(path))
    if not contents.endswith(("/Contents", "\\Contents")):
        return False
    try:
        with FileSource(HostPath(f"{contents}/CodeResources")) as source:
            return source.size > 0
    except InputError:
        return False


def _deep(image: Image, found: tuple[Section, ...], source: ByteSource, piece: Slice) -> DeepFacts:
    from machochain.macho.deep import read_deep  # noqa: PLC0415  # brings LIEF, which few ask for

    return read_deep(image, found, slice_reader(source, piece), piece.size)


def go_binary(image: Image, found: tuple[Section, ...], source: ByteSource, piece: Slice) -> GoBinary | None:
    """Return what Go left in an image; None if nothing in it comes from Go."""
    from machochain.golang.buildinfo import read_traces  # noqa: PLC0415  # most runs never meet a Go file
    from machochain.golang.marks import describe  # noqa: PLC0415
    from machochain.macho.symtab import defined_symbols, undefined_symbols  # noqa: PLC0415

    read = slice_reader(source, piece)
    traces = read_traces(image, found, read)
    if not traces.is_go:
        return None
    symbols = [(s.name, True) for s in defined_symbols(image, read).entries]
    symbols += [(s.name, False) for s in undefined_symbols(image, read).entries]
    return describe(image, traces, symbols)


def _archives(source: ByteSource, *, deep: bool) -> Iterator[ArchiveFacts]:
    from machochain.golang.archive import read_archive as read_go  # noqa: PLC0415

    for archive in read_archives(source):
        go = read_go((m.name, member_source(source, m).read) for m in archive.members)
        yield ArchiveFacts(archive, tuple(map(partial(_member, source, deep=deep), archive.members)), go)


def _member(source: ByteSource, member: Member, *, deep: bool) -> MemberFacts:
    if member.kind not in (MemberKind.MACHO, MemberKind.UNIVERSAL):
        return MemberFacts(member)
    content = member_source(source, member)
    try:
        return MemberFacts(member, tuple(_slices(read_source(content), content, member.name, deep=deep)))
    except InputError as error:
        return MemberFacts(member, error=str(error))
