"""One Mach-O file repaired: its slices edited, signed again, and put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from machochain.model.value import evolve, frozen
from machochain.repair.edits import Edit, apply_edits
from machochain.repair.layout import read_layout
from machochain.repair.obstacle import ObstacleKind, RepairError, refuse
from machochain.repair.signing import Signing, first_wrong_page, resign, signature_of
from machochain.repair.universal import Piece, read_pieces

LARGEST: Final = 2 << 30
"""Bytes of a file that is edited; it is held in memory, twice."""


@frozen
class SliceRepair:
    """What was done to one slice.

    Attributes:
        arch: Its architecture.
        edits: In the order they were asked for.
        signing: What became of its signature.
        notes: What the new signature does not say any more.
        room: Bytes left behind the load commands.
    """

    arch: str
    edits: tuple[Edit, ...]
    signing: Signing
    notes: tuple[str, ...] = ()
    room: int = 0


@frozen
class FileRepair:
    """One file repaired.

    Attributes:
        data: Its bytes.
        slices: What was done to each.
    """

    data: bytes
    slices: tuple[SliceRepair, ...]

    @property
    def changed(self) -> bool:
        """Whether anything was done."""
        return any(s.edits or s.signing is not Signing.UNTOUCHED for s in self.slices)


@frozen
class SigningPolicy:
    """What may be done to signatures.

    Attributes:
        replace: A developer's signature, or one that was broken before, may be replaced by an ad hoc one.
        drop_entitlements: Entitlements that ad hoc code cannot have may be dropped.
        everything: Slices that have no signature and need none are signed, too.
        mend: An ad hoc signature that was broken before, or cannot be read, may be replaced.
    """

    replace: bool = False
    drop_entitlements: bool = False
    everything: bool = False
    mend: bool = False


def repair_file(
    data: bytes,
    edits: Mapping[str, Sequence[Edit]],
    name: str,
    policy: SigningPolicy = SigningPolicy(),  # noqa: B008  # frozen
    sealed: Mapping[int, bytes] | None = None,
) -> FileRepair:
    """Edit the slices of a file and sign them again. All is done, or nothing.

    Args:
        data: The file.
        edits: What to do to the slice of an architecture.
        name: The file's name.
        policy: What may be done to signatures.
        sealed: What special slots of the signatures cover outside of the file, where that changed.

    Raises:
        RepairError: Something stands against it; the obstacle names the slice of a universal file.
    """
    if len(data) > LARGEST:
        raise refuse(ObstacleKind.SIZE, amount=len(data))
    pieces = read_pieces(data)
    done: list[SliceRepair] = []
    contents: list[bytes] = []
    for piece in pieces.slices:
        try:
            new, repaired = _slice(piece, tuple(edits.get(piece.arch, ())), name, policy, sealed)
        except RepairError as error:
            obstacle = error.obstacle
            raise RepairError(evolve(obstacle, arch=piece.arch) if pieces.magic else obstacle) from error
        contents.append(new)
        done.append(repaired)
    return FileRepair(pieces.with_data(contents), tuple(done))


def _slice(
    piece: Piece, edits: tuple[Edit, ...], name: str, policy: SigningPolicy, sealed: Mapping[int, bytes] | None
) -> tuple[bytes, SliceRepair]:
    if not edits and not sealed and not policy.everything and not policy.mend:
        return piece.data, SliceRepair(piece.arch, (), Signing.UNTOUCHED)
    new = apply_edits(piece.data, edits) if edits else piece.data
    signed = resign(
        piece.data,
        new,
        name=name,
        replace=policy.replace,
        drop_entitlements=policy.drop_entitlements,
        sealed=sealed,
        wanted=policy.everything,
        mend=policy.mend,
    )
    if signed.how is not Signing.UNTOUCHED:
        _prove(signed.data)
    return signed.data, SliceRepair(piece.arch, edits, signed.how, signed.notes, read_layout(signed.data).room)


def _prove(data: bytes) -> None:
    """Hash every page again, as the kernel will."""
    signature = signature_of(data, read_layout(data))
    wrong = first_wrong_page(data, signature) if signature is not None else 0
    if wrong is not None:  # pragma: no cover  # a fault of ours: better no file than a wrong one
        raise refuse(ObstacleKind.BROKEN_SIGNATURE, amount=wrong)
