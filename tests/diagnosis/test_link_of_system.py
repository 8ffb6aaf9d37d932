"""What the facts of macOS say of symbols and frameworks that a linker did not find."""

from __future__ import annotations

import pytest

from machochain import diagnose
from machochain.model.cause import Cause


def undefined(*symbols: str) -> str:
    lines = "".join(f'  "{s}", referenced from:\n      _main in a.o\n' for s in symbols)
    return f"Undefined symbols for architecture arm64:\n{lines}"


@pytest.mark.parametrize(
    ("symbol", "flag"),
    [
        ("_OBJC_CLASS_$_NSWindow", "-framework AppKit"),
        ("_inflate", "-lz"),
        ("_res_9_ninit", "-lresolv"),
    ],
)
def test_a_symbol_of_macos_is_linked_with_what_has_it(symbol: str, flag: str) -> None:
    (found,) = diagnose(undefined(symbol, "_tin")).answers
    assert found.cause is Cause.MISSING_INPUT
    assert found.remedy[0] == f"link with {flag}"
    assert not any("_tin" in words for words in found.because)


def test_a_symbol_of_a_newer_macos_may_be_missing_in_the_sdk() -> None:
    (found,) = diagnose(undefined("_kIOMainPortDefault")).answers
    assert "IOKit of macOS has _kIOMainPortDefault, from 12 on." in found.because
    assert Cause.SDK_MISSING in found.alternatives


@pytest.mark.parametrize("symbol", ["_tin", "_rb_complex_new", "_RSA_new", "_png_error"])
def test_a_library_that_no_program_links_with_is_not_named(symbol: str) -> None:
    (found,) = diagnose(undefined(symbol)).answers
    assert not any("of macOS has" in words for words in found.because)


@pytest.mark.parametrize(("name", "cause"), [("ScreenCaptureKit", Cause.SDK_MISSING), ("Tin", Cause.MISSING_INPUT)])
def test_a_framework_of_macos_is_missing_with_the_sdk(name: str, cause: Cause) -> None:
    (found,) = diagnose(f"ld: framework '{name}' not found").answers
    assert found.cause is cause
    assert found.headline == f"The linker does not find the framework {name}."
