"""What packages and images say of themselves is told by inspect, and judged nowhere."""

from __future__ import annotations

from pathlib import Path

from machochain import api
from machochain.report.inspection import inspect_document, render_inspections
from machochain.report.style import Style
from tests.report.test_schemas import keeps_to_its_schema
from tests.world.archives.disks import fat12, udif
from tests.world.archives.packages import certificate, component, product, xar
from tests.world.archives.packing import LIBRARY


def test_a_package_tells_what_it_installs_runs_and_asks_for(tmp_path: Path) -> None:
    distribution = (
        '<installer-gui-script><options hostArchitectures="arm64"/><volume-check><allowed-os-versions>'
        '<os-version min="12.0"/></allowed-os-versions></volume-check></installer-gui-script>'
    )
    parts = component(
        [("./bin/tool", LIBRARY)], location="/opt/x", scripts={"postinstall": b"#!/bin/sh\nln -s a b\n"},
        inside='<relocate><bundle id="com.example.b"/></relocate>',
    )  # fmt: skip
    path = tmp_path / "x.pkg"
    path.write_bytes(product(distribution, {"x.pkg": parts}))
    found = api.inspect(path)
    text = render_inspections(found, Style())
    for words in (
        "com.example.tool 1.2, in /opt/x", "com.example.b: if it is found elsewhere",
        "postinstall of x.pkg, which names ln", "macOS 12.0", "arm64",
    ):  # fmt: skip
        assert words in text
    document = inspect_document(found)
    keeps_to_its_schema(document, "inspect")
    assert document["files"][0]["installer"]["components"][0]["location"] == "/opt/x"


def test_who_signed_is_told_as_not_verified(tmp_path: Path) -> None:
    path = tmp_path / "x.pkg"
    path.write_bytes(xar(component([]), certificate=certificate("Developer ID Installer: \x1b[31mExample")))
    text = render_inspections(api.inspect(path), Style())
    assert "Example (not verified)" in text
    assert "\x1b" not in text


def test_an_image_tells_its_volumes(tmp_path: Path) -> None:
    path = tmp_path / "x.dmg"
    path.write_bytes(udif(fat12({"tool": LIBRARY}), licence=True))
    found = api.inspect(path)
    document = inspect_document(found)
    keeps_to_its_schema(document, "inspect")
    assert document["files"][0]["image"] == {
        "volumes": [{"name": "FOO", "form": "FAT12", "case_sensitive": False}],
        "encodings": ["zlib"], "licence": True, "signed": False,
    }  # fmt: skip
    assert "shown before it opens" in render_inspections(found, Style())
