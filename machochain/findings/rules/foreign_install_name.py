"""MC403: a library's id names one machine, and not where the library lies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machochain.findings.draft import Draft, FileCase
from machochain.findings.places import foreign
from machochain.findings.registry import of_file, register
from machochain.findings.remedies import set_install_name
from machochain.findings.rule import Rule
from machochain.findings.sources import RESIGN
from machochain.model.image import FileType
from machochain.model.paths import leaf, printable
from machochain.model.result import Severity

RULE: Final = register(
    Rule(
        "MC403",
        "foreign-install-name",
        "A library's id names a place on a build machine",
        Severity.INFO,
        "LC_ID_DYLIB holds an absolute path into a build machine or package manager where the library does not lie.",
        "dyld never looks there, but whoever links with this library records that path as the load path.",
        ("`install_name_tool -id @rpath/LEAF LIBRARY`", RESIGN),
    )
)


@of_file
def check(case: FileCase) -> Iterator[Draft]:
    """Yield the id of a library that lies elsewhere."""
    path, name = case.image.path, case.image.install_name
    if case.header.file_type != FileType.MH_DYLIB or name is None or name == path:
        return
    place = foreign(name, path)
    if place is not None and place.kind != "usr-local":
        message = f"the id of {printable(leaf(path))} is {printable(name)}, a path in {place.words}"
        yield Draft(
            RULE.id, Severity.INFO, path, None, name, message,
            {"place": place.kind}, (set_install_name(f"@rpath/{leaf(name)}", path),),
        )  # fmt: skip
