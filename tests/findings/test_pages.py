"""The rule pages are what the catalogue says, and the catalogue is whole."""

from __future__ import annotations

import re
from pathlib import Path

from machochain.findings import FAMILIES, RULES, registry
from machochain.findings.pages import main, pages

FOLDER = Path(__file__).parents[2] / "docs" / "rules"


def test_the_pages_in_the_repository_are_those_of_the_catalogue() -> None:
    written = {p.name: p.read_text("utf-8") for p in FOLDER.iterdir()}

    assert written == dict(pages()), "run: python -m machochain.findings.pages docs/rules"


def test_ids_and_names_are_unique_and_well_formed() -> None:
    assert len({r.name for r in RULES.values()}) == len(RULES)
    assert list(RULES) == sorted(RULES)
    for rule_id, rule in RULES.items():
        assert rule.id == rule_id
        assert re.fullmatch(r"MC[1-9]\d\d", rule_id)
        assert rule_id[:3] in FAMILIES
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", rule.name)
        assert rule.fix


def test_writing_removes_pages_of_rules_that_are_gone(tmp_path: Path) -> None:
    (tmp_path / "MC199.md").write_text("old")

    assert main([str(tmp_path)]) == 0

    assert {p.name for p in tmp_path.iterdir()} == set(pages())


def test_writing_needs_one_directory() -> None:
    assert main([]) == 2


def test_each_kind_of_check_lies_in_the_package_that_is_imported_for_it() -> None:
    """A check that lies elsewhere would run or not, depending on what was asked before."""
    len(RULES)
    ours = "machochain.findings.rules."
    for checks in (v for v in vars(registry).values() if isinstance(v, registry.Checks)):
        allowed = {"", checks.part or "golang"}  # importing a package imports what it lies in
        for module in checks.modules:
            part, dot, _ = module.removeprefix(ours).partition(".")
            assert (part if dot else "") in allowed, module
