"""From files to the kernel's verdict: what ``machochain.kernel`` is asked, and with which bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from machochain.kernel.blob import CMS, SLOT_CMS, BadBlob, Directory, validate
from machochain.kernel.file import Piece, Program
from machochain.kernel.libraries import LibrarySignature, validation_of
from machochain.kernel.policy import SignatureState, restricted_entitlement
from machochain.kernel.releases import EXACT_HASH_PAGES, LIBRARY_CONSTRAINT
from machochain.kernel.verdict import Start, default_host, first_choice, judge, killed_by_library
from machochain.macho.constants import LC_CODE_SIGNATURE
from machochain.macho.signature import parse_signature, verify_pages
from machochain.model.arch import CPU_X86, CPU_X86_64, Arch
from machochain.model.execution import ExecRule, ExecVerdict, Host, Launcher, Validation
from machochain.model.filesystem import Presence
from machochain.model.image import Image, MachOFile, Slice
from machochain.model.paths import directory, leaf
from machochain.model.reading import ReadAt
from machochain.model.result import LoadedImage, Origin
from machochain.model.signature import Signature, SignatureKind
from machochain.model.value import evolve, frozen
from machochain.model.version import Version

if TYPE_CHECKING:
    from machochain.graph.mac import Mac

_NEWEST: Final = Version.of(26)
_SMALL: Final = 1 << 20
"""Hashing as much takes some milliseconds."""
_LIMIT: Final = 40 << 20
"""xnu takes no larger signature (``kern_descrip.c``, F_ADDFILESIGS)."""


@frozen
class SliceSignature:
    """The signature of a slice: what it says, whether the kernel takes it, and what of it was held against the file.

    Attributes:
        signature: What it says, page hashes left out; None without LC_CODE_SIGNATURE.
        taken: By release from which it holds, the directory that counts or why none does.
        apple: Whether it may be Apple's own.
        developer_id: Whether the certificate is a Developer ID.
        foreign_cms: Whether the CMS signature is of another code directory.
        bad_page: Index of the first page with another hash.
        first_pages_bad: Whether that is one of header and load commands.
        checked: How many bytes were held against their hashes.
    """

    signature: Signature | None = None
    taken: tuple[tuple[Version, Directory | BadBlob], ...] = ()
    apple: bool = False
    developer_id: bool = False
    foreign_cms: bool = False
    bad_page: int | None = None
    first_pages_bad: bool = False
    checked: int = 0

    @property
    def slots(self) -> frozenset[int]:
        """The slots of the superblob that is taken."""
        found = self.on(_NEWEST)
        return found.slots if isinstance(found, Directory) else frozenset()

    def on(self, macos: Version) -> Directory | BadBlob | None:
        """Return what the kernel of a release takes from it."""
        found: Directory | BadBlob | None = None
        for since, result in self.taken:
            if since <= macos:
                found = result
        return found

    @property
    def unreadable(self) -> str | None:
        """Why the newest kernel does not take it; None if it does, or there is none."""
        found = self.on(_NEWEST)
        return found.why if isinstance(found, BadBlob) else None

    def library(self, macos: Version) -> LibrarySignature:
        """Return what counts where a process maps the slice as a library."""
        found = self.on(macos)
        team = self.signature.team_id if self.signature is not None else None
        return LibrarySignature(isinstance(found, Directory) and not self.foreign_cms, team, self.apple)


NO_SIGNATURE: Final = SliceSignature()


def read_slice_signature(image: Image, read: ReadAt, size: int, *, pages: bool | None) -> SliceSignature:
    """Read the signature of a slice and hold pages against it.

    Args:
        image: The header.
        read: Bytes of the slice.
        size: Its length in bytes.
        pages: True for every page, False for none, None for those of header and load commands and, in a program of up
            to ``_SMALL`` bytes, for all.

    Raises:
        InputError: The bytes cannot be read.
    """
    command = next((c for c in image.commands if c.cmd == LC_CODE_SIGNATURE), None)
    if command is None:
        return NO_SIGNATURE
    place = [int.from_bytes(image.raw[command.offset + at : command.offset + at + 4], "little") for at in (8, 12)]
    offset, length = place if command.size == 16 else (0, 0)
    if command.size != 16 or offset + length > size or length > _LIMIT:
        bad = BadBlob(ExecRule.SIGNATURE_COMMAND, "LC_CODE_SIGNATURE points behind the end of the file")
        data = read(offset, min(length, _LIMIT))
        return SliceSignature(_without_hashes(parse_signature(data, offset)), ((Version.of(0), bad),))
    data = read(offset, length)
    signature = parse_signature(data, offset)
    taken = _taken(data, 14 if image.arch.is_arm64 else 12)
    found = taken[-1][1]
    if pages is None and image.is_main_executable and signature.code_limit <= _SMALL:
        pages = True
    bad_page, checked = None, 0
    end = _first_bytes(image)
    if isinstance(found, Directory) and signature.hash_size and pages is not False:
        checked = signature.code_limit if pages else min(end, signature.code_limit)
        bad_page = verify_pages(read, signature, None if pages else end)
        if bad_page is None and signature.code_limit < image.header_size + int.from_bytes(image.raw[20:24], "little"):
            bad_page = signature.code_limit // max(signature.page_size, 1)  # what has no hash does not fit it
    page_size = signature.page_size or 1
    certified = signature.kind is SignatureKind.SIGNED
    cms = _cms(data) if certified else b""
    return SliceSignature(
        _without_hashes(signature),
        taken,
        apple=certified and signature.team_id is None and (signature.identifier or "").startswith("com.apple."),
        developer_id=b"Developer ID Certification Authority" in cms,
        foreign_cms=bool(cms) and _is_of_another(cms, data),
        bad_page=bad_page,
        first_pages_bad=bad_page is not None and bad_page * page_size < end,
        checked=checked,
    )


def _is_of_another(cms: bytes, data: bytes) -> bool:
    """Whether the certificate signed another file than this."""
    from machochain.macho.cms import signed_digest_fits  # noqa: PLC0415  # most are signed ad hoc

    return signed_digest_fits(cms, data) is False


def cms_of(image: Image, read: ReadAt) -> bytes:
    """Return the CMS signature of a slice; nothing without one."""
    place = image.linkedit.code_signature
    return _cms(read(place[0], min(place[1], _LIMIT))) if place is not None else b""


def _without_hashes(signature: Signature) -> Signature | None:
    if signature.kind is SignatureKind.NONE and not signature.defects:
        return None
    return evolve(signature, page_hashes=b"")


def _first_bytes(image: Image) -> int:
    """How much of the slice the kernel holds against its hashes before anything runs, in bytes."""
    page = 0x4000 if image.arch.is_arm64 else 0x1000
    end = image.header_size + int.from_bytes(image.raw[20:24], "little")
    return end if end < page else -(-end // page) * page


def _taken(data: bytes, page_shift: int) -> tuple[tuple[Version, Directory | BadBlob], ...]:
    """What the kernels of all releases take from a signature; nearly always the same."""
    newest = validate(data, _NEWEST, page_shift)
    if isinstance(newest, Directory):
        plain = newest.page_shift in {12, page_shift} and 11 not in newest.slots
    else:
        plain = newest.since is None
    releases = () if plain else (Version.of(11), EXACT_HASH_PAGES, LIBRARY_CONSTRAINT)
    found = [(r, validate(data, r, page_shift)) for r in releases] or [(Version.of(0), newest)]
    return tuple((since, _light(result)) for since, result in found)


def _light(found: Directory | BadBlob) -> Directory | BadBlob:
    return evolve(found, hashes=b"") if isinstance(found, Directory) else found


def _cms(data: bytes) -> bytes:
    """Return the content of the CMS blob of a superblob the kernel takes; nothing without one."""
    for index in range(min(int.from_bytes(data[8:12], "big"), 64)):
        slot, at = (int.from_bytes(data[i : i + 4], "big") for i in (12 + 8 * index, 16 + 8 * index))
        if slot == SLOT_CMS and int.from_bytes(data[at : at + 4], "big") == CMS:
            return data[at + 8 : at + int.from_bytes(data[at + 4 : at + 8], "big")]
    return b""


# -- the process --


@frozen
class Starting:
    """How the modelled Mac starts programs, apart from the release.

    Attributes:
        host: Its processor; None for the one a slice is meant for.
        rosetta: Whether Rosetta is installed; None where nobody knows.
        launcher: Who starts programs.
        verify: Whether to hold pages against their hashes: all, none, or (None) those of the load commands.
        asked: Whether a slice is asked for by its name (``arch -ARCH``), whatever the Mac prefers.
    """

    host: Host | None = None
    rosetta: bool | None = None
    launcher: Launcher = Launcher.SHELL
    verify: bool | None = None
    asked: bool = False


DEFAULT: Final = Starting()


def program_of(file: MachOFile) -> Program:
    """Return a file as the kernel finds it. A hidden slice is none for the kernel."""
    pieces = tuple(piece_of(s) for s in file.slices[: file.slice_count])
    first = file.first if file.universal else pieces[0].head if pieces else b""
    return Program(first, file.size, pieces)


def piece_of(piece: Slice) -> Piece:
    """Return a slice as the kernel finds it."""
    return Piece(piece.arch, piece.offset, piece.size, piece.head if piece.image is None else piece.image.raw)


def host_of(arch: Arch, macos: Version, starting: Starting) -> Host:
    """Return the Mac that starts a slice: the one that was named, or the one it is meant for."""
    return starting.host or default_host(arch.cputype in {CPU_X86, CPU_X86_64}, macos)


def execution_of(
    file: MachOFile,
    piece: Slice,
    name: str,
    macos: Version,
    starting: Starting,
    found: SliceSignature,
    profile: bool | None,
) -> ExecVerdict:
    """Return what the kernel does with a slice of a file."""
    host = host_of(piece.arch, macos, starting)
    program = program_of(file)
    if starting.host is not None and not starting.asked:
        started = first_choice(program, host) or (None if file.universal else piece_of(piece))
    else:
        known = any(s.offset == piece.offset for s in file.slices[: file.slice_count])
        started = piece_of(piece) if known else None
    start = Start(host, macos, starting.launcher, starting.rosetta, f"./{leaf(name)}")
    return judge(program, started, start, state_of(found, macos, profile))


def state_of(found: SliceSignature, macos: Version, profile: bool | None) -> SignatureState:
    """Return a signature as the kernel of a release sees it."""
    signature = found.signature
    return SignatureState(
        directory=found.on(macos),
        entitlements=signature.entitlements if signature is not None else {},
        certified=signature is not None and signature.kind is SignatureKind.SIGNED,
        apple=found.apple,
        developer_id=found.developer_id,
        profile=profile,
        foreign_cms=found.foreign_cms,
        bad_page=found.bad_page,
        first_pages_bad=found.first_pages_bad,
    )


def validation_for(found: SliceSignature, arch: Arch, macos: Version, *, translated: bool) -> Validation:
    """Return what a process demands of the libraries it maps."""
    state = state_of(found, macos, None)
    team = found.signature.team_id if found.signature is not None else None
    return validation_of(
        state.flags,
        state.entitlements,
        team,
        native_arm64=arch.is_arm64 and not translated,
        signed=isinstance(state.directory, Directory),
    )


def kernel_choice(file: MachOFile, host: Host) -> Slice | None:
    """Return the slice of a universal program this Mac starts, or None."""
    program = program_of(file)
    best = first_choice(program, host)
    if best is None:
        return None
    return next(s for s, p in zip(file.slices, program.pieces, strict=False) if p is best)


def has_profile(mac: Mac, executable: str) -> bool | None:
    """Whether a provisioning profile lies where the system looks for one; None if nobody can tell."""
    contents = directory(directory(executable))
    presence = mac.look(f"{contents}/embedded.provisionprofile").presence
    return None if presence is Presence.UNSEEN else presence is Presence.PRESENT


def needs_profile(found: SliceSignature) -> bool:
    """Whether a signature claims what only a provisioning profile can grant."""
    return found.signature is not None and restricted_entitlement(found.signature.entitlements) is not None


def changed_library(
    mac: Mac,
    image: LoadedImage,
    verdict: ExecVerdict,
    program: SliceSignature | None,
    macos: Version,
    verify: bool | None,
) -> ExecVerdict | None:
    """Return how the process ends if a library it maps was changed after it was signed; None if it goes on.

    ``program`` is the signature of its program; None for any program of arm64 code.

    dyld reads the library's load commands, and the kernel kills the process when such a page has another hash.
    """
    if image.origin is not Origin.DISK or image.image is None:
        return None
    if (
        program is not None
        and not validation_for(program, image.image.arch, macos, translated=verdict.translated).kills
    ):
        return None
    found = mac.signature_of(image, pages=verify)
    if found.bad_page is None or not isinstance(found.on(macos), Directory):
        return None
    return killed_by_library(verdict, image.path, found.bad_page)
