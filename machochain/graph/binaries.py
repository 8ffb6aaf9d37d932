"""Every slice of an input's Mach-O files, reached by a process or not, with its signature."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from attrs import evolve, frozen

from machochain.graph.inputs import Input
from machochain.graph.mac import Mac
from machochain.graph.resolve import LOADABLE
from machochain.macho.reader import slice_reader
from machochain.macho.signature import read_signature, verify_pages
from machochain.model.audit import AuditBinary
from machochain.model.errors import InputError
from machochain.model.image import Image, Slice
from machochain.model.paths import TargetPath
from machochain.model.signature import Signature, SignatureKind


@frozen
class SignedBinary:
    """A slice whose signature was held against its bytes.

    Attributes:
        binary: The slice.
        bad_page: Index of the first page that has another hash than the signature says; None if all fit or there is
            no signature to compare with.
        page_size: Bytes of a page; 0 if one hash covers everything.
        unreadable: Why the signature that LC_CODE_SIGNATURE points at cannot be read; None if it can, or is absent.
    """

    binary: AuditBinary
    bad_page: int | None = None
    page_size: int = 0
    unreadable: str | None = None


def signed_binaries(
    mac: Mac, inputs: Iterable[Input], origin: str, member: Callable[[Input], str], arch: str | None = None
) -> Iterator[SignedBinary | InputError]:
    """Yield each slice of each file, in the order of the inputs.

    Args:
        mac: The modelled Mac.
        inputs: The files; one that cannot be read is passed over, for resolving it says so.
        origin: The input they are from, as the user named it.
        member: Where a file is in that input.
        arch: Only slices of this architecture.
    """
    for item in inputs:
        file = mac.read(item.node)
        if isinstance(file, InputError):
            continue
        slices = tuple(s.arch.name for s in file.slices)
        for piece in file.slices:
            image = piece.image
            if image is None or image.file_type not in LOADABLE or (arch is not None and image.arch.name != arch):
                continue
            place = item.node.real or TargetPath(item.name)
            binary = AuditBinary(origin, member(item), place, image, None, slices)
            try:
                yield _with_signature(mac, item, piece, image, binary)
            except InputError as error:
                yield error.at(item.name)


def _with_signature(mac: Mac, item: Input, piece: Slice, image: Image, binary: AuditBinary) -> SignedBinary:
    if image.linkedit.code_signature is None:
        return SignedBinary(binary)
    with mac.files.opened(item.node) as source:
        read = slice_reader(source, piece)
        signature: Signature = read_signature(image, read)
        if signature.kind is SignatureKind.NONE:
            why = signature.defects[0].text if signature.defects else "there is nothing where it should be"
            return SignedBinary(binary, unreadable=why)
        bad = verify_pages(read, signature)
    kept = evolve(binary, signature=evolve(signature, page_hashes=b""))
    return SignedBinary(kept, bad, signature.page_size)
