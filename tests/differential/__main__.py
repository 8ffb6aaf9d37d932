"""``python -m tests.differential`` writes docs/differential.md."""

from tests.differential.known import PAGE, page

PAGE.write_text(page(), encoding="utf-8")
