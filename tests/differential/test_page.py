"""The page about disagreements says what the list says."""

from __future__ import annotations

from tests.differential.known import PAGE, known, page
from tests.differential.packages import packages

READERS = {"LIEF", "macholib", "llvm-objdump", "llvm-nm", "go"}


def test_the_page_is_made_from_the_list() -> None:
    assert PAGE.read_text(encoding="utf-8") == page()


def test_each_known_disagreement_is_about_packages_that_are_compared_and_says_who_is_right() -> None:
    names = {each.name for each in packages()}
    for each in known():
        assert each.reader in READERS
        assert each.right in {"machochain", "both", each.reader}
        assert set(each.packages) <= names
        assert len(each.why) > 40


def test_enough_packages_are_compared_and_each_once() -> None:
    found = packages()
    assert len(found) >= 60
    assert len({each.folder for each in found}) == len(found)
