"""Every slice of an input's Mach-O files, reached by a process or not, with its signature."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from machochain.graph.inputs import Input
from machochain.graph.mac import Mac
from machochain.graph.resolve import LOADABLE
from machochain.model.audit import AuditBinary
from machochain.model.errors import InputError
from machochain.model.image import Image, Slice
from machochain.model.paths import TargetPath
from machochain.model.signature import SignatureKind
from machochain.model.value import evolve, frozen


@frozen
class SignedBinary:
    """A slice whose signature was held against its bytes.

    Attributes:
        binary: The slice.
        bad_page: Index of the first page that has another hash than the signature says; None if all fit or there is
            no signature to compare with.
        page_size: Bytes of a page; 0 if one hash covers everything.
        unreadable: Why the kernel does not take the signature; None if it does, or there is none.
        foreign_cms: Whether the certificate's signature is of another code directory.
    """

    binary: AuditBinary
    bad_page: int | None = None
    page_size: int = 0
    unreadable: str | None = None
    foreign_cms: bool = False


def signed_binaries(
    mac: Mac,
    inputs: Iterable[Input],
    origin: str,
    member: Callable[[Input], str],
    arch: str | None = None,
    *,
    verify: bool | None = True,
) -> Iterator[SignedBinary | InputError]:
    """Yield each slice of each file, in the order of the inputs.

    Args:
        mac: The modelled Mac.
        inputs: The files; one that cannot be read is passed over, for resolving it says so.
        origin: The input they are from, as the user named it.
        member: Where a file is in that input.
        arch: Only slices of this architecture.
        verify: Which pages to hold against their hashes, as in `Mac.signature`.
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
                yield _with_signature(mac, item, piece, image, binary, verify)
            except InputError as error:
                yield error.at(item.name)


def _with_signature(
    mac: Mac, item: Input, piece: Slice, image: Image, binary: AuditBinary, verify: bool | None
) -> SignedBinary:
    if image.linkedit.code_signature is None:
        return SignedBinary(binary)
    found = mac.signature(item.node, piece, pages=verify)
    if found.signature is None or found.signature.kind is SignatureKind.NONE or found.unreadable is not None:
        return SignedBinary(binary, unreadable=found.unreadable or "there is nothing where it should be")
    page_size = found.signature.page_size
    return SignedBinary(
        evolve(binary, signature=found.signature), found.bad_page, page_size, foreign_cms=found.foreign_cms
    )
