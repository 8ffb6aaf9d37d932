"""The release of macOS a writer names: it counts only where it is that of the Mac the message comes from."""

from __future__ import annotations

import pytest

from machochain import diagnose
from machochain.diagnosis.releases import told_releases

MISSING = "dyld: Library not loaded: @rpath/libtin.dylib\n  Referenced from: /w/tin\n  Reason: image not found\n"


@pytest.mark.parametrize(
    ("words", "release"),
    [
        ("I'm on OS X 10.10.5.", "10.10.5"),
        ("macOS: Catalina 10.15.3", "10.15.3"),
        ("my old MacBook, 10.6.8 mac os", "10.6.8"),
        ("on High Sierra `v10.13.6` it says", "10.13.6"),
        ("a MacBook with M1 and Monterey (12.4)", "12.4"),
        ("MacOS  MacOS 13.0.1", "13.0.1"),
        ("- core 2 duo, osx 10.5.8\n - 1.9 from the web", "10.5.8"),
        ("I've just upgraded to macOS 27 today", "27"),
        ("| macOS | 26.1 (25B78) |", "26.1"),
        ("(macOS: 15.x, observed on 15.1)", ""),
        ("macOS 15.x / 26.x (observed on 26.5.1 arm64)", "26.5.1"),
        ("on macOS 13, that is macOS 13.0.1", "13.0.1"),
        ("### mac os version - 10.14.6", "10.14.6"),
        ("15.0 (24A335) has it, too", "15.0"),
        ("Platform: macOS-10.15.7-x86_64-i386-64bit", "10.15.7"),
    ],
)
def test_a_release_that_is_told_in_any_of_the_usual_ways_is_read(words: str, release: str) -> None:
    assert told_releases(words) == ({release} if release else set())


@pytest.mark.parametrize(
    "words",
    [
        "this needs macOS 12.3",
        "cannot upgrade my Mac to macOS 12",
        "built for newer macOS version (12.6) than being linked (12.0)",
        "tin-osx-10.11.6/lib",
        "MacOSX13.sdk",
        "deployment targets >= macOS 12.0",
        "-platform_version macos 14.0.0 14.4",
        "iPhone OS 10.3.3",
        "iOS 12.1.2 (16C101)",
        "it works on macOS 11.2",
        "macOS 12+ and macOS 13 or later",
        "introduced with Mac OS 10.15",
        "on os x earlier than 12.6",
        "arm64-apple-macosx14.0",
    ],
)
def test_a_release_of_something_else_is_not_the_mac_s(words: str) -> None:
    assert told_releases(words) == set()


def test_a_release_that_the_wording_rules_out_is_not_told_of_the_message() -> None:
    (answer,) = diagnose(f"On macOS 14.2:\n{MISSING}").answers
    assert answer.evidence.macos is None
    assert answer.fact("os") is None


def test_a_release_that_fits_the_wording_is_told_as_it_was_written() -> None:
    (answer,) = diagnose(f"On macOS 11:\n{MISSING}").answers
    assert str(answer.evidence.macos) == "11.0"
    assert answer.fact("os") == "11"
