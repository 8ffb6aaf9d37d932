"""Stubs of every version become the same kind of value."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from machochain.model.errors import InputError
from machochain.model.stub import ExportKind, Stub, StubExport
from machochain.model.version import Version
from machochain.tbd import places, read
from machochain.tbd.tree import Value, parse
from tests.tbd.stubs import ALL, V1, V2, V3, V4, V5
from tests.toolchain import install


def names(stub: Stub, arch: str, platform: str = "macos") -> list[str]:
    return [e.name for e in stub.exports(arch, platform)]


def only(data: bytes) -> Stub:
    return read(data)[0]


@pytest.mark.parametrize("version", sorted(ALL))
def test_each_version_gives_its_number_and_install_name(version: str) -> None:
    stub = only(ALL[version])
    assert (f"v{stub.version}", stub.install_name) == (version, "/usr/lib/libdemo.1.dylib")


@pytest.mark.parametrize("data", [V1, V4, V5])
def test_versions_are_packed_numbers(data: bytes) -> None:
    assert (only(data).current, only(data).compat) == (Version.of(12, 3, 4), Version.of(1, 1))


def test_versions_default_to_one_and_zero_stays_zero() -> None:
    assert (only(V3).current, only(V3).compat) == (Version.of(1), Version.of(1))
    assert only(V4.replace(b"12.3.4", b"0")).current == Version.of(0)


def test_version_parts_too_large_are_cut_as_tapi_does() -> None:
    assert only(V4.replace(b"12.3.4", b"99999.999.1.7")).current == Version.of(0xFFFF, 0xFF, 1)


def test_v1_names_lose_one_underscore_and_i386_has_the_old_class_symbols() -> None:
    stub = only(V1)
    common = ["_OBJC_EHTYPE_$_Demo", "_OBJC_IVAR_$_Demo._x", "_a", "_b", "_tlv", "_weak"]
    assert names(stub, "i386") == [".objc_class_name_Demo", *common]
    assert names(stub, "x86_64") == sorted(["_OBJC_CLASS_$_Demo", "_OBJC_METACLASS_$_Demo", "_intel64", *common])
    assert stub.swift_abi == 2
    assert [c.names for c in stub.clients] == [("ClientA",)]
    assert stub.reexported_libraries("x86_64") == ("/usr/lib/libinner.dylib",)


def test_v2_has_flags_umbrella_and_lists_over_several_lines() -> None:
    stub = only(V2)
    assert names(stub, "x86_64") == ["_OBJC_CLASS_$_Demo", "_OBJC_METACLASS_$_Demo", "_a", "_b"]
    assert stub.flags == ("flat_namespace",)
    assert [(u.targets, u.names) for u in stub.umbrella] == [(("x86_64-macos",), ("System",))]


def test_v3_zippered_serves_both_platforms_but_not_i386_catalyst() -> None:
    stub = only(V3)
    assert stub.targets == ("i386-macos", "x86_64-macos", "x86_64-maccatalyst")
    assert "_OBJC_CLASS_$_Demo" in names(stub, "x86_64", "maccatalyst")
    assert ".objc_class_name_Demo" in names(stub, "i386")
    assert names(stub, "i386", "maccatalyst") == []


def test_v4_sections_hold_for_their_targets_only() -> None:
    stub = only(V4)
    objc = ["_OBJC_CLASS_$_Demo", "_OBJC_EHTYPE_$_Demo", "_OBJC_IVAR_$_Demo._x", "_OBJC_METACLASS_$_Demo"]
    assert names(stub, "arm64") == [*objc, "_a", "_b", "_c", "_moved", "_tlv", "_weak"]
    assert names(stub, "x86_64") == [*objc, "_a", "_b", "_c", "_intel", "_tlv", "_weak"]
    assert names(stub, "x86_64", "maccatalyst") == []
    assert stub.clients[0].targets == ("arm64-macos",)
    assert stub.swift_abi == 5


@pytest.mark.parametrize("data", [V4, V5])
def test_kinds_of_symbols_are_kept(data: bytes) -> None:
    exports = {e.name: e for e in only(data).exports("arm64")}
    assert exports["_a"] == StubExport("_a")
    assert exports["_weak"].kind is ExportKind.WEAK
    assert exports["_tlv"].kind is ExportKind.THREAD_LOCAL
    assert exports["_moved"].reexported


def test_reexported_symbols_are_read_under_either_spelling() -> None:
    assert read(V4) == read(V4.replace(b"\nreexports:", b"\nre-exports:"))


def test_v5_lists_without_targets_hold_for_all() -> None:
    stub = only(V5)
    assert stub.targets == ("x86_64-macos", "arm64-macos")
    assert set(names(stub, "x86_64")) - set(names(stub, "arm64")) == {"_intel"}
    assert stub.rpaths[0].names == ("@executable_path/.../Frameworks",)
    assert stub.umbrella[0].names == ("System",)
    assert stub.reexported_libraries("arm64") == ("/usr/lib/libinner.dylib",)


@pytest.mark.parametrize("data", [V4, V5])
def test_inlined_documents_follow_their_library(data: bytes) -> None:
    assert [s.install_name for s in read(data)] == ["/usr/lib/libdemo.1.dylib", "/usr/lib/libinner.dylib"]


@pytest.mark.parametrize("data", [V1, V4, V5])
def test_directives_are_no_exports(data: bytes) -> None:
    stub = only(data)
    assert not any(n.startswith("$ld$") for n in names(stub, "x86_64"))
    assert [(d.action, d.symbol, d.os) for d in stub.directives("x86_64")] == [("hide", "_b", Version.of(10, 4))]


def test_directives_hold_for_the_targets_of_their_section() -> None:
    assert only(V4).directives("arm64") == ()


@pytest.mark.parametrize("target", [b"arm64e-macos", b"arm64e.x1-macos"])
def test_arm64_is_served_by_arm64e_targets(target: bytes) -> None:
    stub = only(V4.replace(b"arm64-macos", target))
    assert "_c" in names(stub, "arm64")
    assert names(only(V4), "arm64e") == []


def test_x86_64h_is_served_by_x86_64() -> None:
    assert "_intel" in names(only(V4), "x86_64h")


def test_unknown_targets_platforms_and_keys_are_kept_or_passed_over() -> None:
    odd = V4.replace(b"x86_64-maccatalyst", b"riscv-xros").replace(b"flags:  ", b"new-key: [ 1 ]\nflags: ")
    assert "riscv-xros" in only(odd).targets
    assert only(V1.replace(b"macosx", b"toasteros")).targets == ("i386-toasteros", "x86_64-toasteros")


@pytest.mark.parametrize("spelling", [b"x86_64-<6>", b"x86_64-6"])
def test_platform_numbers_become_names(spelling: bytes) -> None:
    assert only(V4.replace(b"x86_64-maccatalyst", spelling)).targets[1] == "x86_64-maccatalyst"


def test_intel_slices_of_device_platforms_are_simulators() -> None:
    assert only(V2.replace(b"macosx", b"ios")).targets == ("x86_64-ios-simulator",)


def test_names_that_look_like_numbers_or_booleans_stay_names() -> None:
    stub = only(V4.replace(b"_c ]", b"NO, 1e5, yes, ~ ]").replace(b"12.3.4", b"1.10"))
    assert {"NO", "1e5", "yes", "~"} <= set(names(stub, "arm64"))
    assert stub.current == Version.of(1, 10)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        (b"'_it''s'", "_it's"),
        (b'"_tab\\x41"', "_tabA"),
        (b"'_comma, blank'", "_comma, blank"),
        (b"_two\n                       words", "_two words"),
        (b"'-[Cls sel:]'", "-[Cls sel:]"),
        (b'"_plain"', "_plain"),
        (b"_hash#tag", "_hash#tag"),
        (b"_c # a comment\n", "_c"),
    ],
)
def test_yaml_beyond_what_tapi_writes_is_read_by_pyyaml(written: bytes, name: str) -> None:
    assert name in names(only(V4.replace(b"_c ]", written + b" ]")), "arm64")


def test_block_style_and_comments_are_yaml_too() -> None:
    block = V2.replace(
        b"[ _a,\n                       _b ]", b"\n      - _a # first\n      - '_b'\n# a comment between\n"
    )
    assert names(only(block), "x86_64")[-2:] == ["_a", "_b"]


def test_a_list_may_end_in_a_comma_and_a_key_may_come_twice() -> None:
    assert read(V4.replace(b"_c ]", b"_c, ]")) == read(V4)
    twice = V4.replace(b"current-version: 12.3.4", b"current-version: 1\ncurrent-version: 12.3.4")
    assert read(twice) == read(V4)


def test_an_empty_section_has_no_symbols() -> None:
    assert only(b"--- !tapi-tbd\ntargets: [ arm64-macos ]\ninstall-name: a\nexports:\nflags: [ ]\n").sections == ()


def test_line_ends_and_byte_order_mark_do_not_matter() -> None:
    assert read(V4.replace(b"\n", b"\r\n")) == read(b"\xef\xbb\xbf" + V4) == read(V4)


def test_the_closing_line_may_be_missing() -> None:
    assert read(V4.removesuffix(b"...\n")) == read(V4)


def test_bytes_that_are_no_utf8_survive() -> None:
    stub = only(V4.replace(b"_c ]", b"_\xff ]"))
    assert "_\udcff" in names(stub, "arm64")


@pytest.mark.parametrize(
    ("data", "line", "reason"),
    [
        (b"", None, "empty"),
        (b"libz.1.tbd", "line 1", "not a linker stub"),
        (b"--- !tapi-tbd\ntbd-version: 4\n", "line 2", "no install-name"),
        (b"--- !tapi-other\ninstall-name: a\n", "line 2", "tag !tapi-other"),
        (b"--- !tapi-tbd\n- a\n- b\n", "line 2", "no mapping"),
        (b"--- !tapi-tbd\ninstall-name: [ a ]\n", "line 2", "install-name is no plain text"),
        (b"--- !tapi-tbd\ninstall-name: a\ntargets: b\n", "line 2", "targets is no list of names"),
        (b"--- !tapi-tbd\ninstall-name: a\nexports: b\n", "line 2", "exports is no list"),
        (b"--- !tapi-tbd\ninstall-name: a\nexports: [ b ]\n", "line 2", "something else than mappings"),
        (b"--- !tapi-tbd\ninstall-name: a\ncurrent-version: x\n", "line 2", "no version: 'x'"),
        (b"--- !tapi-tbd\ninstall-name: a\nexports: [ 'b\n", "line 4", "not YAML"),
        (b"--- !tapi-tbd\ninstall-name: &x a\nflags: [ *x ]\n", "line 3", "aliases"),
        (b"--- !tapi-tbd\ninstall-name: a\nflags: " + b"[" * 50 + b"]" * 50, "line 3", "deeper"),
        (b"--- !tapi-tbd\ninstall-name: a\nflags: " + b"[" * 50000, "line 3", "deeper|not YAML"),
        (b"--- !tapi-tbd\n[ a ]: b\n", "line 2", "a key is no plain text"),
        (b"install-name: a\n--- !tapi-tbd\n", "line 1", "text before the first document"),
        (b"--- !tapi-tbd\n...\n", "line 2", "no mapping"),
        (b'{"a": }', "line 1", "not JSON"),
        (b'{"a": 1}', "line 1", "tapi_tbd_version"),
        (b"[" * 100000, "line 1", "not a linker stub"),
        (b'{"a":' + b"[" * 100000, "line 1", "not JSON"),
        (b'{"tapi_tbd_version": 5}', "line 1", "a library is no mapping"),
        (b'{"tapi_tbd_version": 5, "main_library": {}}', "line 1", "no install_names"),
        (b'{"tapi_tbd_version": 5, "main_library": {}, "libraries": 1}', "line 1", "libraries is no list"),
    ],
)
def test_what_is_no_stub_is_an_input_error_with_file_and_line(data: bytes, line: str | None, reason: str) -> None:
    with pytest.raises(InputError, match=reason) as caught:
        read(data, "some.tbd")
    assert (caught.value.path, caught.value.part) == ("some.tbd", line)


def test_an_error_in_a_later_document_names_its_line() -> None:
    broken = V4.replace(b"install-name:    '/usr/lib/libinner.dylib'\n", b"")
    with pytest.raises(InputError) as caught:
        read(broken)
    before = broken[: broken.rindex(b"tbd-version")]
    assert caught.value.part == f"line {before.count(10) + 1}"


@pytest.mark.parametrize("data", [V1, V2, V3, V4])
def test_places_are_the_documents(data: bytes) -> None:
    found = places(data)
    assert [p.install_name for p in found] == [s.install_name for s in read(data)]
    assert tuple(read(data[p.start : p.end])[0] for p in found) == read(data)


@pytest.mark.parametrize("data", [V5, V4.replace(b"\n", b"\r\n"), b"# comment\n" + V4])
def test_places_of_other_notations_span_the_file(data: bytes) -> None:
    assert [(p.install_name, p.start, p.end) for p in places(data)] == [
        (s.install_name, 0, len(data)) for s in read(data)
    ]


@pytest.mark.parametrize(
    ("data", "macos"),
    [
        (V1, True),
        (V3, True),
        (V1.replace(b"macosx", b"iosmac"), False),
        (V2.replace(b"macosx", b"ios"), False),
        (V4.replace(b"-macos", b"-maccatalyst"), False),
        (V4.replace(b"-macos", b"-<1>"), True),
        (V5, True),
        (V5.replace(b"-macos", b"-ios"), False),
    ],
)
def test_places_tell_libraries_for_macos_from_others(data: bytes, macos: bool) -> None:
    assert places(data)[0].macos is macos


def test_a_place_whose_name_needs_yaml_is_read_as_yaml() -> None:
    odd = V4.replace(b"'/usr/lib/libdemo.1.dylib'", b'"/usr/lib/lib\\x64emo.1.dylib"')
    assert places(odd)[0].install_name == "/usr/lib/libdemo.1.dylib"


def test_an_inlined_v5_library_is_picked_by_name() -> None:
    assert [s.targets for s in read(V5) if s.install_name == "/usr/lib/libinner.dylib"] == [("x86_64-macos",)]


def strings(value: object) -> Value:
    if isinstance(value, dict):
        return {str(k): strings(v) for k, v in value.items()}
    if isinstance(value, list):
        return [strings(v) for v in value]
    assert isinstance(value, str)
    return value


NAMES = st.from_regex(r"[_$.][A-Za-z0-9_$.:]{0,12}", fullmatch=True)
LISTS = st.lists(NAMES, max_size=5)


@settings(deadline=None)
@given(st.lists(st.tuples(LISTS, LISTS), min_size=1, max_size=3), st.integers(1, 40))
def test_both_ways_of_reading_agree_with_pyyaml(sections: list[tuple[list[str], list[str]]], width: int) -> None:
    tree = {
        "install-name": "/usr/lib/a.dylib",
        "exports": [{"targets": targets, "symbols": symbols} for targets, symbols in sections],
    }
    text = yaml.safe_dump(tree, default_flow_style=None, width=width, sort_keys=False)
    assert parse(text) == strings(yaml.load(text, yaml.BaseLoader))


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(sorted(ALL)),
    st.lists(
        st.tuples(st.floats(0, 1), st.integers(0, 30), st.one_of(st.binary(max_size=6), st.sampled_from(PIECES := [
            b"---", b"...", b"\n", b": ", b"[", b"]", b"{", b"'", b'"', b"- ", b"\t", b"!tapi-tbd", b"&a", b"*a", b"#",
            b"install-name:", b"targets:", b"|", b"%YAML 9", b"\xff", b"null", b"\x00", b"\xef\xbb\xbf",
        ]))),
        min_size=1,
        max_size=4,
    ),
)  # fmt: skip
def test_mutated_stubs_raise_nothing_but_input_errors(version: str, changes: list[tuple[float, int, bytes]]) -> None:
    data = ALL[version]
    for where, length, new in changes:
        at = int(where * len(data))
        data = data[:at] + new + data[at + length :]
    with contextlib.suppress(InputError):
        assert all(stub.install_name for stub in read(data))
    with contextlib.suppress(InputError):
        assert all(place.end <= len(data) for place in places(data))


NM, READTAPI = "llvm-nm-19", "llvm-readtapi-19"
needs_llvm = pytest.mark.skipif(not (shutil.which(NM) and shutil.which(READTAPI)), reason="LLVM 19 is not installed")


@pytest.mark.toolchain
@needs_llvm
@pytest.mark.parametrize("data", [V1, V2, V3, V4, V5])
def test_llvm_nm_lists_the_same_symbols(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "a.tbd"
    file.write_bytes(data)
    stub = only(data)
    for arch in dict.fromkeys(t.partition("-")[0] for t in stub.targets):
        command = [NM, "-j", "--defined-only", f"--arch={arch}", str(file)]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        block = text.split("\n\n")[0]
        listed = {x for x in block.splitlines() if x and not x.endswith(":") and not x.startswith("$ld$")}
        if arch == "i386" and stub.version == 3:
            continue  # LLVM gives i386 the class symbols of the new run-time there
        assert set(names(stub, arch)) == listed, arch


@pytest.mark.toolchain
@needs_llvm
@pytest.mark.parametrize("kind", ["tbd-v4", "tbd-v5"])
@pytest.mark.parametrize("data", [V4, V5])
def test_what_readtapi_writes_reads_the_same(tmp_path: Path, data: bytes, kind: str) -> None:
    file, out = tmp_path / "a.tbd", tmp_path / "b.tbd"
    file.write_bytes(data)
    subprocess.run([READTAPI, f"--filetype={kind}", "-o", str(out), str(file)], check=True)
    before, after = only(data), only(out.read_bytes())
    assert (after.install_name, after.current, after.compat) == (before.install_name, before.current, before.compat)
    for arch in ("x86_64", "arm64"):
        assert after.exports(arch) == before.exports(arch)
        assert after.reexported_libraries(arch) == before.reexported_libraries(arch)
        assert after.directives(arch) == before.directives(arch)


@pytest.mark.toolchain
def test_the_stub_ziglang_ships_is_read_whole_by_the_fast_path() -> None:
    data = (install().zig.parent / "lib/libc/darwin/libSystem.tbd").read_bytes()
    stubs = read(data)
    assert len(stubs) > 30
    assert stubs[0].install_name == "/usr/lib/libSystem.B.dylib"
    exported = {name for stub in stubs for name in names(stub, "arm64")}
    assert {"_malloc", "_pthread_create", "dyld_stub_binder", "___stderrp"} <= exported
    bodies = [part for part in data.decode().split("--- !tapi-tbd\n") if part.strip()]
    for body in bodies:
        assert parse(body.removesuffix("...\n")) == strings(yaml.load(body, yaml.BaseLoader))
