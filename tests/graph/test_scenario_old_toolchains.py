"""What older releases of Go do not do."""

from __future__ import annotations

from pathlib import Path

import pytest

import machochain
from machochain.world.placement import World
from tests.toolchain import Toolchain, build_pure, install_release

pytestmark = pytest.mark.old_toolchain


@pytest.mark.parametrize(("release", "uuid", "cached"), [("1.23.9", False, False), ("1.24.11", True, True)])
def test_uuids_and_cached_executables_came_with_one_release(
    toolchain: Toolchain, go_module: Path, tmp_path: Path, release: str, uuid: bool, cached: bool
) -> None:
    program = build_pure(install_release(toolchain, release), go_module, tmp_path / "tiny")
    world = World(root=tmp_path)
    (result,) = machochain.resolve(program, world=world).results
    (found,) = machochain.scenarios(program, world=world)

    assert ("MC601" in {f.rule for f in result.findings}) is not uuid
    assert ("go-run-cached" in {c.context.id for c in found.columns}) is cached
    assert [s.context.id for s in found.skipped] == ([] if cached else ["go-run-cached"])
