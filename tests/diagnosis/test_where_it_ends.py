"""Where a message ends: what a runtime, a trace or the next command prints below is no part of it."""

from __future__ import annotations

import json

import pytest

from machochain.diagnosis import diagnose
from machochain.model.cause import Cause

HEAD = "dlopen(/w/tin/pan.so, 1): no suitable image found.  Did find:\n\t/w/tin/pan.so: "
SAID = {
    "mach-o, but wrong architecture": "at Object.Module._extensions..node (module.js:480:11)",
    "no matching architecture in universal wrapper": "Trace/BPT trap of the process that asked",
    "unknown file type, first eight bytes: 0x2F 0x2A 0x2A 0x2A 0x2A 0x2A 0x2A 0x2A": "--",
    "code signing blocked mmap() of '/w/tin/pan.so'": "Cloning into 'Tin'...",
    "file system sandbox blocked stat()": "builder for '/nix/store/x-tin.drv' failed due to signal 6",
    "unknown required load command 0x80000022": "12 more frames are shown below this line",
}


@pytest.mark.parametrize("words", SAID)
def test_what_stands_below_is_no_part_of_what_dyld_says(words: str) -> None:
    (found,) = diagnose(f"{HEAD}{words}\n{SAID[words]}\n").answers
    assert [t.reason for t in found.evidence.attempts] == [words]
    assert not any("joined" in note for note in found.notes)


def test_words_that_a_terminal_broke_are_still_joined() -> None:
    head = HEAD.replace("/w/", "/w/a/folder/whose/name/is/long/")
    (found,) = diagnose(f"{head}mach-o, but wrong\narchitecture\n").answers
    assert [t.reason for t in found.evidence.attempts] == ["mach-o, but wrong architecture"]


def test_lines_of_a_trace_of_lua_are_no_candidates() -> None:
    trace = "\t[C]: at 0x00091340\n\t...tin/share/lua/5.1/pan/init.lua:1: in main chunk\n"
    text = f"{HEAD}mach-o, but wrong architecture\n{trace}"
    (found,) = diagnose(text).answers
    assert [t.path for t in found.evidence.attempts] == ["/w/tin/pan.so"]


def test_reasons_in_json_over_several_lines_are_one_message() -> None:
    reasons = [
        "Library not loaded: @rpath/Tin.framework/Tin",
        "Referenced from: /private/var/containers/Bundle/Application/0B/Pan.app/Pan",
        "Reason: tried: '/usr/lib/swift/Tin.framework/Tin' (no such file)",
    ]
    termination = {"code": 1, "namespace": "DYLD", "indicator": "Library missing", "reasons": reasons}
    whole = json.dumps(termination, indent=2).replace("/", "\\/")
    for text in (f"it ends:\n{whole}", f"it ends:\n{whole[:-40]}"):
        (found,) = diagnose(text).answers
        assert found.fact("lib") == "@rpath/Tin.framework/Tin"


def test_bars_between_dyld_s_lines_are_breaks() -> None:
    text = (
        "Termination Description: DYLD, Library not loaded: @rpath/Tin.dylib | Referenced from:"
        " /var/containers/Bundle/x/Pan.app/Pan | Reason: image not found\nTriggered by Thread:  0\n"
    )
    (found,) = diagnose(text).answers
    assert (found.fact("lib"), found.fact("reason")) == ("@rpath/Tin.dylib", "image not found")
    assert found.cause is Cause.RUN_PATH


def test_a_sentence_whose_line_break_was_lost_is_no_part_of_a_path() -> None:
    head = "Dyld Error Message:\n  Symbol not found: _tin\n  Referenced from: /w/pan\n  Expected in: "
    (found,) = diagnose(f"{head}/w/libtin.3.dylib What version of the product is used? Pan R2012a / Mac OS X").answers
    assert found.fact("expected") == "/w/libtin.3.dylib"
    (found,) = diagnose(f"{head}/w/Tin.dylib Extra files/libtin.3.dylib").answers
    assert found.fact("expected") == "/w/Tin.dylib Extra files/libtin.3.dylib"
