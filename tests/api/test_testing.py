"""For other people's tests: what was built loads, or the test fails with the words a user would see."""

from __future__ import annotations

from pathlib import Path

import pytest

from machochain import World
from machochain.testing import assert_loads
from tests.factory import bundle, executable

ROOT = Path(__file__).parents[2]
HELLO = ROOT / "testdata" / "hello"

pytest_plugins = ["pytester"]


def test_what_loads_passes() -> None:
    assert_loads(HELLO / "bin" / "greeter", macos="12..26")
    assert_loads(HELLO / "bin" / "greeter-universal", macos=("13.0", "26.0"), arch="arm64")


def test_what_does_not_load_fails_with_dylds_words_and_the_remedy() -> None:
    with pytest.raises(AssertionError) as caught:
        assert_loads(HELLO / "bin", macos="26")
    text = str(caught.value)
    assert "Library not loaded: @rpath/libgreet.1.dylib" in text
    assert "install_name_tool -add_rpath @loader_path/../lib" in text
    assert "bin/greeter  " not in text


def test_what_cannot_be_known_fails_unless_that_is_allowed(tmp_path: Path) -> None:
    tool = tmp_path / "tool"
    tool.write_bytes(executable("/opt/acme/lib/libx.dylib"))
    world = World(unseen=("/opt/acme",))
    with pytest.raises(AssertionError, match="libx"):
        assert_loads(tool, macos="26", world=world)
    assert_loads(tool, macos="26", world=world, allow_unknown=True)


def test_where_there_is_nothing_to_load_nothing_is_right(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("nothing")
    with pytest.raises(AssertionError, match="nothing to load"):
        assert_loads(tmp_path / "empty", allow_unknown=True)


def test_what_was_not_looked_into_fails_and_is_named(tmp_path: Path) -> None:
    (tmp_path / "tool").write_bytes(executable("/usr/lib/libSystem.B.dylib"))
    (tmp_path / "tool.elf").write_bytes(b"\x7fELF\x02\x01\x01" + bytes(60))
    assert_loads(tmp_path, macos="26")
    (tmp_path / "more.tar.gz").write_bytes(b"\x1f\x8b\x08" + bytes(40))
    with pytest.raises(AssertionError, match=r"more\.tar\.gz"):
        assert_loads(tmp_path, macos="26")


def test_what_is_only_in_memory_is_taken_too() -> None:
    assert_loads(bundle("/usr/lib/libSystem.B.dylib"), macos="26")


def test_pytest_has_it_as_a_fixture(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(f"""
        def test_good(assert_loads):
            assert_loads({str(HELLO / "bin" / "greeter")!r}, macos="26")

        def test_bad(assert_loads):
            assert_loads({str(HELLO / "bin" / "greeter-broken")!r}, macos="26")
    """)
    done = pytester.runpytest_subprocess()
    done.assert_outcomes(passed=1, failed=1)
    done.stdout.fnmatch_lines(["*Library not loaded: @rpath/libgreet.1.dylib*"])
    assert "machochain/testing.py" not in done.stdout.str()
