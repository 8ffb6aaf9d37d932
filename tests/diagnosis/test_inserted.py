"""What dyld says of a file that was inserted counts before the insertion; frames of tables are no part of a path."""

from __future__ import annotations

import pytest

from machochain.diagnosis import diagnose
from machochain.model.cause import Cause

REAL = "code signature in <AB0E5C11-2222-3A01-AC01-000000000001> '/w/libtin.dylib' not valid for use in process: "


@pytest.mark.parametrize(
    ("why", "cause"),
    [
        (REAL + "library load disallowed by system policy", Cause.QUARANTINE),
        (REAL + "mapping process and mapped file (non-platform) have different Team IDs", Cause.LIBRARY_VALIDATION),
        ("no such file", Cause.INSERTED),
    ],
)
def test_the_reason_why_a_file_is_not_inserted_is_the_cause(why: str, cause: Cause) -> None:
    (found,) = diagnose(
        "dyld[7]: terminating because inserted dylib '/w/libtin.dylib' could not be loaded: tried: '/w/libtin.dylib'"
        f" ({why})\n"
    ).answers
    assert found.cause is cause
    assert cause is Cause.INSERTED or found.alternatives == (Cause.INSERTED,)


def test_the_frame_of_a_table_is_no_part_of_a_path() -> None:
    (found,) = diagnose(
        "dyld: Library not loaded: /usr/local/lib/libtin.142.dylib                    │\n"
        "  Referenced from: /usr/local/bin/pan                                         │\n"
        "  Reason: image not found    \n"
    ).answers
    assert (found.fact("lib"), found.fact("asker")) == ("/usr/local/lib/libtin.142.dylib", "/usr/local/bin/pan")
    assert found.cause is Cause.STALE_DEPENDENT


def test_a_library_lwjgl_does_not_locate_is_named() -> None:
    (found,) = diagnose("java.lang.UnsatisfiedLinkError: Failed to locate library: libtin.dylib\n").answers
    assert found.cause is Cause.OWN_NAME
    assert "libtin.dylib" in found.headline
