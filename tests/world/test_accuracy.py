"""The measure of the facts' accuracy counts what is right, unknown and wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from machochain.world.system.build_catalogue import build
from machochain.world.system.catalogue import EmbeddedCatalogue
from tests.accuracy import RIGHT, UNKNOWN, WRONG, said_by, said_by_macs, without

A = "/usr/lib/liba.dylib"


def sdk(version: str, *symbols: str) -> dict[str, Any]:
    library = {"install_name": A, "current": "1", "symbols": list(symbols)}
    fields = {"schema": "machochain.sdk-facts/1", "sdk": version, "low": version, "high": version}
    return {**fields, "complete": ["/usr/lib/"], "libraries": [library]}


def test_what_an_sdk_says_is_compared_with_what_the_others_tell() -> None:
    documents = [sdk("11.3", "_a", "_gap"), sdk("12.0", "_a", "_own"), sdk("13.0", "_a", "_gap", "_new")]
    with without(documents, "12.0") as rest:
        found = sorted(statement for statement, _ in said_by(documents[1], rest))
    assert found == [
        ("library", True, RIGHT),
        ("symbol", False, UNKNOWN),  # _new, between 11.3 and 13.0
        ("symbol", False, WRONG),  # _gap, on both sides
        ("symbol", True, RIGHT),  # _a
        ("symbol", True, WRONG),  # _own, in no other
    ]


def test_what_a_mac_lacked_is_not_told_by_what_macs_said(tmp_path: Path) -> None:
    told: dict[str, Any] = {"schema": "machochain.os-facts/1", "missing_symbols": [[A, "_new", "12.5"]]}
    documents = [sdk("11.3", "_a"), sdk("13.0", "_a", "_new"), told]
    with without(documents, "macs") as rest:
        assert [statement[2] for statement, _ in said_by_macs(told["missing_symbols"], rest)] == [UNKNOWN]
    file = tmp_path / "all.bin"
    file.write_bytes(build(documents))
    assert [s[2] for s, _ in said_by_macs(told["missing_symbols"], EmbeddedCatalogue(file))] == [RIGHT]
