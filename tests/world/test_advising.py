"""What is known of the OS, laid beside what a message says."""

from __future__ import annotations

import pytest

import machochain
from machochain.model.cause import Cause
from machochain.model.diagnosis import Answer

U = "<1B0E5C11-2222-3A01-AC01-000000000001>"
FRAMEWORKS = "/System/Library/Frameworks"


def symbol(name: str, library: str) -> Answer:
    text = f"dyld[3]: Symbol not found: {name}\n  Referenced from: {U} /w/tin\n  Expected in: {U} {library}"
    return machochain.diagnose(text).answers[0]


def anywhere(name: str) -> Answer:
    return machochain.diagnose(f"dlopen(/w/tin.so, 0x0006): symbol not found in flat namespace '{name}'").answers[0]


def library(path: str) -> Answer:
    text = f"dyld: Library not loaded: {path}\n  Referenced from: /w/tin\n  Reason: image not found"
    return machochain.diagnose(text).answers[0]


def test_a_symbol_of_the_system_is_named_with_the_release_that_brought_it() -> None:
    found = symbol("_cblas_caxpy$NEWLAPACK", f"{FRAMEWORKS}/Accelerate.framework/Versions/A/Accelerate")
    assert (found.cause, found.fact("since")) == (Cause.NEWER_MACOS, "13.3")
    assert "Accelerate is known to have it from macOS 13.3." in found.because


def test_a_symbol_no_release_has_is_one_of_another_copy_of_the_library() -> None:
    found = symbol("_tin_pan", "/usr/lib/libSystem.B.dylib")
    assert found.cause is Cause.ABI_MISMATCH
    assert Cause.NEWER_MACOS in found.alternatives


def test_a_flat_symbol_of_an_old_framework_was_not_linked_and_the_flag_is_named() -> None:
    found = anywhere("_kCTFontURLAttribute")
    assert (found.cause, found.remedy[0]) == (Cause.FLAT_SYMBOL, "link with -framework CoreText")
    assert Cause.NEWER_MACOS not in found.alternatives
    assert anywhere("_sqlite3_open").remedy[0] == "link with -lsqlite3"


def test_a_flat_symbol_of_a_newer_macos_is_that() -> None:
    found = anywhere("_SecTrustCopyCertificateChain")
    assert (found.cause, found.fact("since")) == (Cause.NEWER_MACOS, "12.0")


def test_a_flat_symbol_no_system_library_has_is_not_said_to_need_a_newer_macos() -> None:
    assert Cause.NEWER_MACOS not in (anywhere("_NSTinPan").cause, *anywhere("_NSTinPan").alternatives)


@pytest.mark.parametrize(
    ("path", "cause"),
    [
        (f"{FRAMEWORKS}/QuickTime.framework/Versions/A/QuickTime", Cause.SYSTEM_LIBRARY_GONE),
        (f"{FRAMEWORKS}/Python.framework/Versions/2.7/Python", Cause.SYSTEM_LIBRARY_GONE),
        ("/usr/lib/libssl.0.9.8.dylib", Cause.SYSTEM_LIBRARY_GONE),
        (f"{FRAMEWORKS}/SwiftUI.framework/Versions/A/SwiftUI", Cause.NEWER_MACOS),
        ("/usr/lib/libtinpan.3.dylib", Cause.BUILD_MACHINE_PATH),
        ("/System/Library/PrivateFrameworks/Tin.framework/Versions/A/Tin", Cause.NEWER_MACOS),
    ],
)
def test_a_library_of_the_system_is_not_there_yet_or_no_longer(path: str, cause: Cause) -> None:
    assert library(path).cause is cause


def test_a_library_every_release_has_is_neither_new_nor_gone() -> None:
    found = machochain.diagnose(
        f"dyld[3]: Library not loaded: /usr/lib/libSystem.B.dylib\n  Referenced from: {U} /w/tin\n"
        "  Reason: tried: '/usr/lib/libSystem.B.dylib' (no such file)"
    ).answers[0]
    assert found.cause is Cause.UNKNOWN
    assert found.alternatives == (Cause.SANDBOX, Cause.OS_DAMAGED)


def test_a_name_that_was_shortened_is_asked_for_nowhere() -> None:
    found = symbol("_tin", "/usr/lib/.../libSystem.B.dylib")
    assert all("known" not in why for why in found.because)
