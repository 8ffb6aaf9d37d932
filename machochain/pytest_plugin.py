"""The fixture that pytest has once machochain is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(name="assert_loads")
def assert_loads_fixture() -> Callable[..., None]:
    """Check that what was built loads: ``assert_loads(path, macos="12..26")``, as `machochain.testing` says."""
    from machochain.testing import assert_loads  # noqa: PLC0415  # who does not ask for it does not pay for it

    return assert_loads
