"""The numbers of what is known of each release add up and mean what they say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from machochain.model.version import Version
from machochain.world.system.build_catalogue import build
from machochain.world.system.catalogue import EmbeddedCatalogue
from machochain.world.system.coverage import coverage, releases

A = "/usr/lib/liba.dylib"


def sdk(version: str, symbols: list[str]) -> dict[str, Any]:
    library = {"install_name": A, "current": "1", "symbols": symbols}
    fields = {"schema": "machochain.sdk-facts/1", "sdk": version, "low": version, "high": version}
    return {**fields, "complete": ["/usr/lib/"], "libraries": [library]}


def test_each_release_tells_witnessed_inferred_absent_and_unknown(tmp_path: Path) -> None:
    file = tmp_path / "catalogue.bin"
    file.write_bytes(build([sdk("11.3", ["_a", "_b"]), sdk("13.0", ["_a", "_new"])]))
    facts = EmbeddedCatalogue(file)
    eleven, twelve, thirteen, fourteen = coverage(facts, [*map(Version.parse, ("11.3", "12.0", "13.0", "14.0"))])
    assert [r["libraries"]["witnessed"] for r in (eleven, twelve, thirteen)] == [1, 0, 1]
    assert (twelve["libraries"]["inferred"], fourteen["libraries"]["unknown"]) == (1, 1)
    assert eleven["symbols"] == {"witnessed": 2, "inferred": 0, "absent": 1, "unknown": 0}
    assert twelve["symbols"] == {"witnessed": 0, "inferred": 1, "absent": 0, "unknown": 2}
    assert thirteen["symbols"] == {"witnessed": 2, "inferred": 0, "absent": 0, "unknown": 1}
    assert fourteen["symbols"]["unknown"] == 3


def test_the_shipped_facts_count_every_symbol_for_every_release() -> None:
    facts = EmbeddedCatalogue()
    found = coverage(facts, releases(facts))
    assert [r["macos"] for r in found] == ["11.0", "12.0", "13.0", "14.0", "15.0", "26.0", "27.0"]
    assert len({sum(r["symbols"].values()) for r in found}) == 1
    assert len({sum(r["libraries"].values()) for r in found}) == 1
    assert all(r["libraries"]["witnessed"] and r["libraries"]["inferred"] for r in found)
