"""Linker directives: parsed and applied under ld64's exact conditions."""

from __future__ import annotations

import pytest

from machochain.model.version import Version
from machochain.tbd import is_directive, parse_directive

UMBRELLA = "/System/Library/Frameworks/ApplicationServices.framework/Versions/A/ApplicationServices"


@pytest.mark.parametrize("action", ["hide", "add", "weak"])
def test_symbol_directives_hold_for_exactly_one_target(action: str) -> None:
    directive = parse_directive(f"$ld${action}$os10.9$_sym$UNIX2003")
    assert directive is not None
    assert (directive.action, directive.symbol, directive.os) == (action, "_sym$UNIX2003", Version.of(10, 9))
    applies = [directive.applies(Version.parse(v)) for v in ("10.8", "10.9", "10.9.5", "10.10")]
    assert applies == [False, True, True, False]


def test_an_install_name_directive_names_the_old_library() -> None:
    directive = parse_directive("$ld$install_name$os10.4$/usr/lib/liba.dylib")
    assert directive is not None
    assert (directive.install_name, directive.compat) == ("/usr/lib/liba.dylib", None)


def test_moving_back_to_applicationservices_sets_its_compatibility_version() -> None:
    directive = parse_directive(f"$ld$install_name$os10.7${UMBRELLA}")
    assert directive is not None
    assert directive.compat == Version.of(1)


def test_a_compatibility_version_directive_holds_a_version() -> None:
    directive = parse_directive("$ld$compatibility_version$os10.7$1.2.3")
    assert directive is not None
    assert directive.compat == Version.of(1, 2, 3)


def test_previous_holds_for_a_range_of_one_platform() -> None:
    directive = parse_directive("$ld$previous$/usr/lib/old.dylib$1.2$1$10.14$12.3$_$s4main$foo$")
    assert directive is not None
    assert (directive.install_name, directive.symbol, directive.compat) == (
        "/usr/lib/old.dylib",
        "_$s4main$foo",
        Version.of(1, 2),
    )
    applies = [directive.applies(Version.parse(v)) for v in ("10.13", "10.14", "12.2.1", "12.3")]
    assert applies == [False, True, True, False]
    assert not directive.applies(Version.of(11), platform=6)


def test_previous_without_symbol_means_the_whole_library() -> None:
    directive = parse_directive("$ld$previous$/usr/lib/old.dylib$$6$13.0$14.0$$")
    assert directive is not None
    assert (directive.symbol, directive.compat, directive.platform) == ("", None, 6)


@pytest.mark.parametrize(
    "text",
    [
        "_plain",
        "$ld$",
        "$ld$hide",
        "$ld$hide$os10.4",
        "$ld$hide$os10.4$",
        "$ld$hide$os10.04$_a",
        "$ld$hide$os10$_a",
        "$ld$hide$os10.4.1$_a",
        "$ld$hide$OS10.4$_a",
        "$ld$hide$os999999.1$_a",
        "$ld$dance$os10.4$_a",
        "$ld$compatibility_version$os10.4$x",
        "$ld$previous$/old$1$1$10.4$10.5",
        "$ld$previous$/old$$1$10.4$10.5$_a",
        "$ld$previous$$$1$10.4$10.5$_a$",
        "$ld$previous$/old$$x$10.4$10.5$_a$",
        "$ld$previous$/old$$1$x$10.5$_a$",
    ],
)
def test_what_no_linker_obeys_is_no_directive(text: str) -> None:
    assert parse_directive(text) is None


def test_every_ld_symbol_is_kept_out_of_the_exports() -> None:
    assert is_directive("$ld$nonsense")
    assert not is_directive("_$ld$")
