"""What file and lipo say of a program decides who cannot run it."""

from __future__ import annotations

import pytest

from machochain.diagnosis import diagnose
from machochain.diagnosis.programs import kind_of, processors_of, program_of, slices_of
from machochain.model.cause import Cause
from machochain.model.result import Confidence

REFUSED = "zsh: bad CPU type in executable: /w/tin\n"
BOTH = "Mach-O universal binary with 2 architectures:"


@pytest.mark.parametrize(
    ("said", "archs"),
    [
        ("/w/tin: Mach-O 64-bit executable arm64", {"arm64"}),
        ("/w/tin: Mach-O 64-bit arm64 executable, flags:<NOUNDEFS|DYLDLINK|TWOLEVEL|PIE>", {"arm64"}),
        ("/w/tin: Mach-O 64-bit executable x86_64", {"x86_64"}),
        ("/w/tin: Mach-O executable i386", {"i386"}),
        ("/w/tin: Mach-O i386 executable, flags:<NOUNDEFS>", {"i386"}),
        (f"/w/tin: {BOTH} [x86_64:Mach-O 64-bit executable x86_64] [arm64]", {"x86_64", "arm64"}),
        (
            f"/w/tin: {BOTH} [x86_64:\n- Mach-O 64-bit x86_64 executable] [arm64:\n- Mach-O 64-bit arm64 executable]",
            {"x86_64", "arm64"},
        ),
        (
            "\n".join(f"/w/tin (for architecture {arch}):\tMach-O executable {arch}" for arch in ("i386", "ppc7400")),
            {"i386", "ppc7400"},
        ),
        ("Non-fat file: /w/tin is architecture: arm64", {"arm64"}),
        ("Architectures in the fat file: /w/tin are: x86_64 arm64 ", {"x86_64", "arm64"}),
        ("$ lipo -archs /w/tin\nx86_64 arm64", {"x86_64", "arm64"}),
    ],
)
def test_every_wording_of_file_and_lipo_names_the_processors(said: str, archs: set[str]) -> None:
    assert processors_of(REFUSED + said) == {"/w/tin": frozenset(archs)}


@pytest.mark.parametrize(
    "said",
    [
        "/w/tin: Mach-O 64-bit dynamically linked shared library arm64",
        "/w/tin: ELF 64-bit LSB executable, ARM aarch64",
        f"/w/tin: {BOTH} [x86_64:Mach-O 64-bit executable x86_64]",
        "Non-fat file: /w/libtin.dylib is architecture: arm64",
        "/w/tin is an arm64 executable",
    ],
)
def test_what_is_no_program_or_not_all_of_it_names_none(said: str) -> None:
    assert processors_of(said) == {}


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ("/w/tin: Mach-O 64-bit arm64 executable, flags:<PIE>", Cause.WRONG_ARCHITECTURE),
        ("tin_macos_x86_64: Mach-O 64-bit arm64 executable, flags:<PIE>", Cause.WRONG_ARCHITECTURE),
        ("Non-fat file: /w/tin is architecture: i386", Cause.WRONG_ARCHITECTURE),
        ("Architectures in the fat file: /w/tin are: i386 x86_64 ", Cause.ROSETTA_MISSING),
        ("/w/tin: Mach-O 64-bit x86_64 executable, flags:<PIE>", Cause.ROSETTA_MISSING),
    ],
)
def test_a_program_for_one_processor_settles_who_cannot_run_it(said: str, cause: Cause) -> None:
    (found,) = diagnose(REFUSED + said).answers
    assert (found.cause, found.confidence, found.alternatives) == (cause, Confidence.CERTAIN, ())
    assert ("--install-rosetta" in " ".join(found.remedy)) is (cause is Cause.ROSETTA_MISSING)


@pytest.mark.parametrize(
    "said",
    [
        f"/w/tin: {BOTH} [x86_64:Mach-O 64-bit executable x86_64] [arm64]",
        "$ uname -m\narm64\n$ file /w/tin\n/w/tin: Mach-O 64-bit executable arm64",
    ],
)
def test_a_program_the_mac_can_run_is_not_the_one_that_was_refused(said: str) -> None:
    (found,) = diagnose(REFUSED + said).answers
    assert found.cause is Cause.UNKNOWN
    assert "another one" in found.because[0]


def test_what_is_said_of_another_file_settles_nothing() -> None:
    (found,) = diagnose(REFUSED + "/w/pan: Mach-O 64-bit executable arm64").answers
    assert found.confidence is Confidence.LIKELY
    assert found.alternatives


def test_programs_for_different_processors_name_no_one() -> None:
    said = "/w/tin: Mach-O 64-bit executable arm64\n/w/pan: Mach-O 64-bit executable x86_64"
    assert program_of(said, ()) == ""
    assert program_of(said, ["/w/pan"]) == "x86_64"


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("/w/tin: Mach-O 64-bit dynamically linked shared library arm64", "library"),
        ("/w/tin: ELF 64-bit LSB executable, x86-64, version 1 (SYSV), not stripped", "ELF file"),
        ("/w/tin: Mach-O 64-bit bundle x86_64", "bundle"),
        ("/w/tin: HTML document text, ASCII text", "text"),
        ("/w/tin: current ar archive random library", "archive"),
        ("/w/tin: Mach-O 64-bit executable arm64", ""),
        ("/w/pan: Mach-O 64-bit bundle x86_64", ""),
    ],
)
def test_file_tells_what_a_refused_file_is(line: str, kind: str) -> None:
    assert kind_of(f"% file tin\n{line}\n", ["./tin"]) == kind


def test_the_slices_of_a_library_are_read_from_file_and_lipo() -> None:
    text = "libtin.dylib: Mach-O universal binary with 2 architectures: [i386:Mach-O dynamically linked] [x86_64]\n"
    assert slices_of(text, "/w/libtin.dylib") == ("i386", "x86_64")
    assert slices_of("Non-fat file: /w/libtin.dylib is architecture: arm64\n", "/w/libtin.dylib") == ("arm64",)
    assert slices_of(text, "/w/libpan.dylib") == ()
