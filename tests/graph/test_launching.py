"""Whether a program launches: kernel, signature and dyld together, the same answer by every door."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest

import machochain
from machochain.graph.mac import Mac
from machochain.graph.resolve import Target, resolve_node
from machochain.model.execution import ExecOutcome, ExecRule, Host
from machochain.model.result import Outcome, Result, UnknownKind
from machochain.model.search import ObjectionKind
from machochain.model.signature import SignatureFlag
from machochain.world.memory import MemoryFileSystem
from tests.cli.running import run
from tests.factory import MachO, dylib, executable, fat
from tests.findings.audited import plist
from tests.graph.modelled import libraries

RUNTIME = int(SignatureFlag.RUNTIME)
FOO = "@rpath/libfoo.dylib"
TOOL, LIB = "/app/bin/tool", "/app/lib/libfoo.dylib"
TEAMS = "different Team IDs"
UNSIGNED = "completely unsigned"


def program(**more: Any) -> bytes:
    return executable(FOO, rpaths=["@loader_path/../lib"], **more)


def library(**more: Any) -> bytes:
    return dylib(FOO, **more)


def results(tree: dict[str, bytes], at: str = TOOL, **options: Any) -> list[Result]:
    mac = Mac(MemoryFileSystem(tree), libraries())
    return list(resolve_node(mac, mac.look(at), at, Target(**{"macos": "26", **options})))


def one(tree: dict[str, bytes], at: str = TOOL, **options: Any) -> Result:
    (result,) = results(tree, at, **options)
    return result


def changed(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


# -- libraries: what the kernel lets a process map --


@pytest.mark.parametrize("macos", ["11", "12", "14.4", "26"])
@pytest.mark.parametrize(
    ("main", "lib", "says"),
    [
        ({}, {}, None),
        ({}, {"signed": False}, UNSIGNED),
        ({"arch": "x86_64"}, {"arch": "x86_64"}, None),
        ({"arch": "x86_64", "signed": True}, {"arch": "x86_64", "signed": False}, None),
        ({"arch": "x86_64", "signed": True, "cs_flags": RUNTIME | 2}, {"arch": "x86_64", "signed": False}, UNSIGNED),
        ({"cs_flags": RUNTIME | 2}, {}, TEAMS),
        ({"cs_flags": 0x2002}, {}, TEAMS),
        ({"cs_flags": 0x12}, {}, TEAMS),
        ({"cs_flags": RUNTIME, "team_id": "AAAA", "cms": b"x"}, {"team_id": "AAAA", "cms": b"x"}, None),
        ({"cs_flags": RUNTIME, "team_id": "AAAA", "cms": b"x"}, {"team_id": "BBBB", "cms": b"x"}, TEAMS),
        ({"cs_flags": RUNTIME, "team_id": "AAAA", "cms": b"x"}, {}, TEAMS),
        ({"cs_flags": 0, "team_id": "AAAA", "cms": b"x"}, {"team_id": "BBBB", "cms": b"x"}, None),
        ({"cs_flags": RUNTIME, "team_id": "AAAA", "cms": b"x"}, {"identifier": "com.apple.x", "cms": b"x"}, None),
    ],
)
def test_library_validation(macos: str, main: dict[str, Any], lib: dict[str, Any], says: str | None) -> None:
    found = one({TOOL: program(**main), LIB: library(**lib)}, macos=macos)

    assert found.launches is (says is None)
    assert (found.message is None) is (says is None)
    if says is not None:
        assert found.message is not None
        assert says in found.message
        (load,) = [x for x in found.loads if x.outcome is Outcome.MISSING]
        kind = ObjectionKind.UNSIGNED if says is UNSIGNED else ObjectionKind.SIGNATURE
        assert kind in {a.objection.kind for a in load.tried}


def test_an_entitlement_turns_validation_off() -> None:
    off = plist(**{"com.apple.security.cs.disable-library-validation": True})
    assert one({TOOL: program(cs_flags=RUNTIME | 2, entitlements=off), LIB: library()}).launches is True


def test_of_a_program_for_debugging_nobody_can_tell() -> None:
    debugged = plist(**{"com.apple.security.get-task-allow": True})
    found = one({TOOL: program(cs_flags=RUNTIME | 2, entitlements=debugged), LIB: library()})
    assert found.launches is None
    assert [u.kind for u in found.unknowns] == [UnknownKind.LIBRARY_VALIDATION]


def test_a_refused_library_is_passed_over_for_the_next() -> None:
    tree = {
        TOOL: executable(FOO, rpaths=["@loader_path/../lib", "@loader_path/../signed"]),
        LIB: library(signed=False),
        "/app/signed/libfoo.dylib": library(),
    }
    found = one(tree)
    assert found.launches is True
    (load,) = [x for x in found.loads if x.dylib.name == FOO]
    assert [a.objection.kind for a in load.tried] == [ObjectionKind.UNSIGNED]


def test_a_library_that_was_changed_kills_the_process_that_maps_it() -> None:
    broken = changed(library(), 0x900)
    found = one({TOOL: program(), LIB: broken})
    assert found.launches is False
    assert found.message is None
    assert found.execution is not None
    assert (found.execution.outcome, found.execution.subject) == (ExecOutcome.INVALID_PAGE, LIB)
    plain = {"arch": "x86_64", "signed": True}
    assert one({TOOL: program(**plain), LIB: changed(library(**plain), 0x900)}).launches is True
    assert one({TOOL: program(), LIB: broken}, verify=False).launches is True


def test_the_other_pages_of_a_library_are_hashed_when_asked_for() -> None:
    tree = {TOOL: program(), LIB: changed(library(), 0x4100)}
    assert one(tree).launches is True
    assert one(tree, verify=True).launches is False


def test_a_changed_library_ends_whoever_maps_it() -> None:
    broken = changed(library(), 0x900)
    alone = one({LIB: broken}, LIB)
    assert (alone.launches, alone.message) == (False, None)
    assert alone.execution is not None
    assert alone.execution.shell_text is None
    user = "/app/lib/plugin.so"
    tree = {user: MachO(file_type=8, loads=["@loader_path/libfoo.dylib"]).bytes(), LIB: broken}
    assert one(tree, user).launches is False
    assert one(tree, user, verify=False).launches is True
    assert one({LIB: changed(library(arch="x86_64", signed=True), 0x900)}, LIB).launches is True


def test_an_unsigned_library_loads_nowhere_on_apple_silicon() -> None:
    assert one({LIB: library(signed=False)}, LIB).launches is False
    assert one({LIB: library(arch="x86_64", signed=False)}, LIB).launches is True
    assert one({LIB: library()}, LIB).launches is True


# -- the verdict --


def test_what_the_kernel_refuses_has_no_message_of_dyld_but_its_loads() -> None:
    found = one({TOOL: program(signed=False)})
    assert (found.launches, found.message) == (False, None)
    assert [x.dylib.name for x in found.loads if x.outcome is Outcome.MISSING] == [FOO]
    assert found.execution is not None
    assert found.execution.rule is ExecRule.UNSIGNED


def test_what_nobody_knows_of_the_kernel_is_unknown_unless_dyld_refuses() -> None:
    fine = one({TOOL: executable(arch="arm64e")})
    assert fine.launches is None
    assert [u.kind for u in fine.unknowns] == [UnknownKind.KERNEL]
    assert one({TOOL: program(arch="arm64e")}).launches is False


@pytest.mark.parametrize(
    ("host", "arch", "expected"),
    [
        (None, None, ["arm64", "x86_64"]),
        (Host.APPLE_SILICON, None, ["arm64"]),
        (Host.INTEL, None, ["x86_64"]),
        (Host.APPLE_SILICON, "x86_64", ["x86_64"]),
    ],
)
def test_a_mac_runs_the_slice_its_kernel_prefers(host: Host | None, arch: str | None, expected: list[str]) -> None:
    tree = {TOOL: fat([executable(), executable(arch="x86_64")])}
    found = results(tree, host=host, arch=arch)
    assert [r.arch for r in found] == expected
    assert all(r.launches for r in found)


def test_an_arm64_program_does_not_run_on_an_intel_mac() -> None:
    found = one({TOOL: executable()}, host="intel")
    assert found.launches is False
    assert found.execution is not None
    assert found.execution.errno == 86


def test_intel_code_sees_no_haswell_under_rosetta() -> None:
    tree = {TOOL: program(arch="x86_64"), LIB: fat([library(arch="x86_64h"), library(arch="x86_64")])}
    on_intel, translated = one(tree), one(tree, host="apple-silicon")
    assert [r.images[1].image.arch.name for r in (on_intel, translated) if r.images[1].image is not None] == [
        "x86_64h",
        "x86_64",
    ]


def test_nonsense_about_the_mac_is_refused() -> None:
    with pytest.raises(machochain.UsageError, match="a Mac is"):
        Target(host="m1")
    with pytest.raises(machochain.UsageError, match="a launcher is"):
        Target(launcher="fork")


# -- one answer by every door --


@pytest.fixture
def unsigned(tmp_path: Path) -> Path:
    path = tmp_path / "tool"
    path.write_bytes(executable(signed=False))
    return path


def test_every_command_says_the_same(unsigned: Path) -> None:
    said = {}
    for command in (["resolve"], ["scenario"], ["audit", "--macos", "26"]):
        done = run(*command, "--json", str(unsigned))
        said[command[0]] = done.returncode, json.loads(done.stdout)
    code, document = said["resolve"]
    assert (code, document["results"][0]["launches"]) == (1, False)
    assert document["results"][0]["exec"]["shell_text"] == "zsh: killed     ./tool"
    code, document = said["audit"]
    assert (code, document["processes"][0]["launches"]) == (1, False)
    assert [f["rule"] for f in document["findings"]] == ["MC501"]
    assert {c["launches"] for m in said["scenario"][1]["results"] for c in m["columns"]} == {False}


@pytest.mark.parametrize(
    "data",
    [
        executable(),
        executable(signed=False),
        executable(arch="x86_64"),
        executable(arch="arm64e"),
        executable(platform=2),
        changed(executable(), 0x4100),
        fat([executable(), executable(arch="x86_64", signed=False)]),
        fat([executable(), executable(arch="x86_64")], fat64=True),
        fat([executable(arch="arm64e"), executable(flags=0x85)]),
        fat([executable(arch="x86_64"), executable()], align=12),
    ],
)
def test_inspect_and_resolve_never_contradict_each_other(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "tool"
    path.write_bytes(data)
    resolved = json.loads(run("resolve", "--json", str(path)).stdout)["results"]
    (file,) = json.loads(run("inspect", "--json", str(path)).stdout)["files"]
    assert [s["exec"] for s in file["slices"]] == [r["exec"] for r in resolved]
    for found in resolved:
        if found["exec"]["outcome"] != "dyld":
            assert found["launches"] is (None if found["exec"]["outcome"] == "unknown" else False)


def test_who_compares_and_who_reads_a_notebook_is_told_too(unsigned: Path) -> None:
    from machochain.graph.compare import _says

    report = machochain.resolve(unsigned)
    assert _says(report.results[0]) == "the kernel stops it: arm64 code without a signature"
    assert "arm64 code without a signature" in report._repr_html_()
    assert _says(one({TOOL: executable()})) == "it launches"
    assert _says(one({TOOL: executable(arch="arm64e")})) == "it is not known"


def test_text_begins_with_what_happens_first(unsigned: Path) -> None:
    done = run("resolve", str(unsigned))
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0].endswith("killed by the kernel: arm64 code without a signature (macOS 11 and newer)")
    assert lines[1].strip() == "zsh: killed     ./tool"
    assert lines[2].strip().startswith("fix: codesign -f -s - ")
    assert "dyld would load" in lines[4]


def test_the_launcher_chooses_the_words(tmp_path: Path) -> None:
    path = tmp_path / "tool"
    path.write_bytes(executable(flags=0x85))
    done = run("resolve", "--launcher", "spawn", str(path))
    assert done.returncode == 1
    assert "posix_spawn: error 85" in done.stdout


def test_a_certificate_that_signed_another_directory_is_no_signature() -> None:
    data = MachO(file_type=2, cms=foreign_cms(), cs_flags=0, team_id="AAAA").bytes()
    found = one({TOOL: data})
    assert found.launches is False
    assert found.execution is not None
    assert found.execution.rule is ExecRule.FOREIGN_CMS


def der(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    size = len(content)
    head = bytes([size]) if size < 0x80 else bytes([0x81, size]) if size < 0x100 else b"\x82" + struct.pack(">H", size)
    return bytes([tag]) + head + content


def foreign_cms(digest: bytes = bytes(32)) -> bytes:
    """A signature of nobody, with the digest of nothing; ends of indefinite length as codesign writes them."""
    sha256 = bytes.fromhex("0609608648016503040201")
    attribute = der(0x30, bytes.fromhex("06092a864886f70d010904"), der(0x31, der(0x04, digest)))
    signer = der(0x30, b"\2\1\1", der(0x30), der(0x30, sha256), der(0xA0, attribute), der(0x30, sha256), der(4, b"s"))
    data = der(0x30, bytes.fromhex("06092a864886f70d010701"))
    signed = b"\x30\x80" + b"\2\1\1" + der(0x31, der(0x30, sha256)) + data + der(0x31, signer) + b"\0\0"
    return b"\x30\x80" + bytes.fromhex("06092a864886f70d010702") + b"\xa0\x80" + signed + b"\0\0" * 2
