"""Files that are repaired whatever is wrong with them: edited and signed, or refused; what comes out is sound."""

from __future__ import annotations

from machochain.repair.edits import AddRunPath, AddUUID, DeleteRunPath, Edit, ProtectConstants
from machochain.repair.file import SigningPolicy, repair_file
from machochain.repair.layout import read_layout
from machochain.repair.obstacle import RepairError
from machochain.repair.signing import first_wrong_page, signature_of
from machochain.repair.universal import read_pieces
from tests.factory.macho import MachO, fat

RUN_PATH = "@loader_path/../lib"
WAYS: list[list[Edit]] = [
    [AddRunPath("/p")],
    [DeleteRunPath(RUN_PATH)],
    [DeleteRunPath(RUN_PATH, repeats=True), AddUUID(), ProtectConstants()],
    [],
]
POLICIES = (SigningPolicy(), SigningPolicy(replace=True, drop_entitlements=True, everything=True, mend=True))


def seeds() -> list[bytes]:
    """Sound files with room, signed and not, thin and universal."""
    made = [
        MachO(rpaths=[RUN_PATH, RUN_PATH], headerpad=256, signed=True).bytes(),
        MachO(rpaths=[RUN_PATH], headerpad=256, signed=True, cms=b"c" * 40, team_id="TEAM123456", uuid=None).bytes(),
        MachO(install_name="/a", headerpad=128, arch="x86_64", signed=False, uuid=None).bytes(),
    ]
    return [*made, fat([made[2], made[0]], align=12)]


def repair(data: bytes) -> None:
    """Repair a file in every way there is."""
    for edits in WAYS:
        for policy in POLICIES:
            try:
                archs = [piece.arch for piece in read_pieces(data).slices]
                done = repair_file(data, dict.fromkeys(archs, edits), "tool", policy)
            except RepairError as error:
                told = error.obstacle.text
                if not told:
                    raise
                continue
            for old, new in zip(read_pieces(data).slices, read_pieces(done.data).slices, strict=True):
                if old.data == new.data:
                    continue
                before = read_layout(old.data)
                place = before.signature
                end = min(place[0] if place is not None else len(old.data), len(old.data))
                assert new.data[before.low : end] == old.data[before.low : end]
                signature = signature_of(new.data, read_layout(new.data))
                assert signature is None or first_wrong_page(new.data, signature) is None
