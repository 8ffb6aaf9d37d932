"""Which of Go's contexts a path comes from, as `machochain diagnose` sees it."""

from __future__ import annotations

from typing import Final

from machochain.diagnosis.places import place_of
from machochain.model.diagnosis import PlaceKind

_CONTEXTS: Final = {
    PlaceKind.GO_RUN: "go-run",
    PlaceKind.GO_RUN_CACHED: "go-run-cached",
    PlaceKind.GO_TEST: "go-test",
}


def context_of_path(path: str) -> str | None:
    return _CONTEXTS.get(place_of(path).kind)
