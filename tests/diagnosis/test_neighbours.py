"""Messages that look alike: each keeps its own cause, its own names and its own rivals."""

from __future__ import annotations

import pytest

from machochain.diagnosis import diagnose
from machochain.model.cause import Cause
from machochain.model.diagnosis import Answer

U = "<AB0E5C11-2222-3A01-AC01-000000000001>"


def only(text: str) -> Answer:
    (found,) = diagnose(text).answers
    return found


def launch(library: str, asker: str, reason: str) -> Answer:
    return only(f"dyld[7]: Library not loaded: {library}\n  Referenced from: {U} {asker}\n  Reason: {reason}\n")


def test_the_command_of_a_shell_keeps_its_quotes() -> None:
    found = only('zsh: abort      tin get "Pan"\n')
    assert found.fact("command") == 'tin get "Pan"'


def test_dyld_without_its_cache_does_not_miss_a_file() -> None:
    found = launch(
        "/usr/lib/libSystem.B.dylib", "/w/tin", "tried: '/usr/lib/libSystem.B.dylib' (no such file, no dyld cache)"
    )
    assert (found.cause, found.alternatives) == (Cause.OS_DAMAGED, (Cause.TOO_LARGE,))
    assert "missing" not in found.headline


def test_a_file_for_which_there_is_no_memory_is_there() -> None:
    path = "/w/Tin.app/Contents/Frameworks/Pan.framework/Pan"
    found = launch(
        "@rpath/Pan.framework/Pan", "/w/Tin.app/Contents/MacOS/Tin", f"tried: '{path}' (open() failed with errno=12)"
    )
    assert found.cause is Cause.OUT_OF_MEMORY
    assert "missing" not in found.headline


def test_an_app_that_was_moved_is_told_where_it_was_built_for() -> None:
    built = "/Applications/Tin.app"
    found = launch(f"{built}/Contents/Frameworks/libpan.dylib", "/w/dist/Tin.app/Contents/MacOS/Tin", "image not found")
    assert (found.cause, found.alternatives) == (Cause.BUILD_MACHINE_PATH, (Cause.WRONG_LOAD_PATH,))
    assert any(built in step for step in found.remedy)


def test_what_dyld_says_of_a_broken_list_has_the_rivals_of_its_own_ground_alone() -> None:
    found = only("dlopen(/w/node_modules/tin/pan.node, 0x0001): tried: '/w/node_modules/tin/pan.node' (no such file)\n")
    assert Cause.RUN_PATH not in found.alternatives
    assert Cause.BUILD_MACHINE_PATH not in found.alternatives


@pytest.mark.parametrize("place", [".opam/4.14/bin", ".ghcup/bin", ".cabal/bin"])
def test_what_a_manager_of_versions_built_here_was_not_built_elsewhere(place: str) -> None:
    found = only(
        "dyld: Library not loaded: /opt/homebrew/opt/tin/lib/libtin.3.dylib\n"
        f"  Referenced from: /Users/u/{place}/pan\n  Reason: image not found\n"
    )
    assert found.cause is not Cause.BUILD_MACHINE_PATH


def test_marks_before_brackets_are_no_part_of_a_message() -> None:
    found = only(
        "dlopen\\(/w/pan.so, 6\\): Symbol not found: _tin\\_pan\n"
        "  Referenced from: /w/pan.so\n  Expected in: flat namespace\n"
    )
    assert found.evidence is not None
    assert found.evidence.symbol == "_tin_pan"


def test_net_s_own_name_of_a_library_is_what_is_missing() -> None:
    tried = "".join(
        f"dlopen(/w/{n}, 0x0001): tried: '/w/{n}' (no such file)\n"
        for n in ("libtin.dylib", "tin.dylib", "libtin", "tin")
    )
    found = diagnose(
        f"System.DllNotFoundException: Unable to load shared library 'tin' or one of its dependencies.\n{tried}"
    ).main
    assert found is not None
    assert found.headline.startswith("tin is not there")


def test_a_known_word_that_a_terminal_broke_is_whole() -> None:
    found = only(
        "dlopen(/w/pan.so, 0x0002): tried: '/w/pan.so' (mach-o file, but is an incompatible architectu\n"
        "re (have 'x86_64', need 'arm64e' or 'arm64'))\n"
    )
    assert found.cause is Cause.WRONG_ARCHITECTURE


def test_a_segment_that_is_not_the_last_was_refused_before_macos_26_too() -> None:
    found = only("dyld[7]: malformed mach-o image: segment __LINKEDIT must be last in /w/tin\n")
    assert found.evidence is not None
    assert found.evidence.macos is None


def test_symbols_of_openssl_in_a_module_of_node_are_node_s() -> None:
    found = only(
        "dlopen(/w/node_modules/tin/pan.node, 1): Symbol not found: _SSL_library_init\n"
        "  Referenced from: /w/node_modules/tin/pan.node\n  Expected in: flat namespace\n"
    )
    assert not any("-lcrypto" in step or "-lssl" in step for step in found.remedy)


def test_an_entry_without_a_name_is_no_library() -> None:
    found = only("dyld: could not load inserted library '' because image not found\n")
    assert "entry without a name" in found.headline


def test_the_limit_of_load_commands_is_an_older_dyld_s_own() -> None:
    found = only("dyld: malformed mach-o: load commands size (40000) > 32768\n")
    assert (found.cause, found.alternatives) == (Cause.TOO_LARGE, (Cause.MALFORMED,))
    assert found.evidence is not None
    assert found.evidence.macos_range is not None
    assert found.evidence.macos_range.low is None
