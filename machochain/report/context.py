"""What renderers need to know beside the value they write."""

from __future__ import annotations

import os
from collections.abc import Callable

from machochain.model.value import Factory, frozen
from machochain.report.style import Style


def _nobody(_: str) -> None:
    """Hear nothing."""


@frozen
class RenderContext:
    """Where a report will be read.

    Attributes:
        cwd: Absolute path that relative inputs are relative to.
        source_root: Absolute path of the repository, to which reports for a code host are relative.
        anchor: A file of the repository that SARIF results are attached to.
        epoch: Time of the report in seconds since 1970; None leaves times out.
        style: How text for people is written.
        warn: Takes what is worth saying of the report beside it, a sentence without a full stop.
    """

    cwd: str = "/"
    source_root: str = "/"
    anchor: str | None = None
    epoch: int | None = None
    style: Style = Factory(Style)
    warn: Callable[[str], None] = _nobody

    def repository_path(self, path: str) -> str:
        """Return a host path relative to the repository; one outside of it stays as it is."""
        full = os.path.normpath(os.path.join(self.cwd, path))  # noqa: PTH118  # surrogates and dots as the user wrote them
        root = os.path.normpath(self.source_root).rstrip("/") + "/"
        return full[len(root) :] if full.startswith(root) else path
