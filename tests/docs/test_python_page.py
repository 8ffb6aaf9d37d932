"""What docs/python.md shows is what happens."""

from __future__ import annotations

import doctest
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "python.md"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("page", "least"), [(PAGE, 40), (ROOT / "docs" / "how-to" / "notebook.md", 9)])
def test_every_example_prints_what_the_page_says(page: Path, least: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    text = page.read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    failures: list[str] = []
    examples = 0
    for match in BLOCK.finditer(text):
        line = text.count("\n", 0, match.start(1))
        test = doctest.DocTestParser().get_doctest(match[1], names, page.name, str(page), line)
        examples += len(test.examples)
        doctest.DocTestRunner(verbose=False).run(test, out=failures.append, clear_globs=False)
        names = test.globs
    assert failures == []
    assert examples == text.count("\n>>> ")
    assert examples > least


def test_every_public_function_is_on_the_page() -> None:
    import machochain

    text = PAGE.read_text(encoding="utf-8")
    functions = [name for name in machochain.__all__ if name[0].islower()]
    assert [name for name in functions if f"`machochain.{name}(" not in text] == []
