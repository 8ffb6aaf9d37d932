"""``machochain sdk``: what SDKs and the embedded facts say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.running import run
from tests.factory.macho import MachO, load
from tests.world.sdk_tree import sdk, stub, write


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_show_names_the_releases_and_what_the_answer_rests_on() -> None:
    done = run("sdk", "show", "/usr/lib/libz.dylib", "--macos", "14")
    assert done.returncode == 0
    assert "is /usr/lib/libz.1.dylib" in done.stdout
    assert "macOS 14.0   present" in done.stdout


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("libz.dylib", "/usr/lib/libz.dylib"),
        ("libz", "/usr/lib/libz.dylib"),
        ("Security", "/System/Library/Frameworks/Security.framework/Security"),
        ("libswiftCore.dylib", "/usr/lib/swift/libswiftCore.dylib"),
    ],
)
def test_a_bare_name_is_enough(name: str, path: str) -> None:
    done = run("sdk", "show", name, "--macos", "14")
    assert done.returncode == 0
    assert done.stdout.splitlines()[0] == path
    assert "macOS 14.0   present" in done.stdout


@pytest.mark.parametrize("what", ["show", "symbols"])
def test_a_bare_name_nobody_bears_is_an_error_that_helps(what: str) -> None:
    done = run("sdk", what, "libnobody.dylib")
    assert done.returncode == 2
    assert "no libraries of the OS are named 'libnobody.dylib'; give its path" in done.stderr


def test_show_reads_a_given_sdk_too(tmp_path: Path) -> None:
    root = sdk(tmp_path / "MacOSX14.2.sdk")
    found = json.loads(run("sdk", "show", "/usr/lib/libz.dylib", "--sdk", str(root), "--json").stdout)
    assert found["stubs"][0]["sdk"] == "14.2"
    done = run("sdk", "show", "/usr/lib/libz.dylib", "--sdk", str(root))
    assert "  in the SDK 14.2: 1.0.0 (x86_64-macos, arm64-macos)" in done.stdout.splitlines()


def test_show_knows_a_stub_that_calls_itself_something_else(tmp_path: Path) -> None:
    root = sdk(tmp_path / "MacOSX14.2.sdk")
    write(root, "usr/lib/libslip.tbd", stub("@rpath/libslip.dylib", "_a") + "...\n")
    done = run("sdk", "show", "/usr/lib/libslip.dylib", "--sdk", str(root), "--json")
    (found,) = json.loads(done.stdout)["stubs"]
    assert (found["file"], found["install_name"]) == ("usr/lib/libslip.tbd", "@rpath/libslip.dylib")


def test_show_names_a_sysroot_without_a_version_by_its_folder(tmp_path: Path) -> None:
    root = sdk(tmp_path / "sysroot")
    (root / "SDKSettings.json").unlink()
    assert f"  in the sysroot {root}: " in run("sdk", "show", "/usr/lib/libz.dylib", "--sdk", str(root)).stdout


def test_symbols_lists_what_a_stub_exports(tmp_path: Path) -> None:
    root = sdk(tmp_path / "MacOSX14.2.sdk")
    done = run("sdk", "symbols", "/usr/lib/libz.1.dylib", "--sdk", str(root), "--arch", "arm64")
    assert done.stdout == "_inflate  arm64\n"


def test_symbols_of_a_library_nobody_knows_is_an_error_not_an_empty_list() -> None:
    done = run("sdk", "symbols", "/usr/lib/libnobody.dylib")
    assert done.returncode == 2
    assert "libnobody" in done.stderr


def test_catalogue_says_what_it_covers() -> None:
    done = run("sdk", "catalogue")
    assert done.returncode == 0
    assert "10.13" in done.stdout


def test_diff_tells_what_came_and_went(tmp_path: Path) -> None:
    old, new = sdk(tmp_path / "old.sdk", "14.0"), sdk(tmp_path / "new.sdk", "15.0")
    assert run("sdk", "diff", str(old), str(old)).returncode == 0
    write(new, "usr/lib/libz.1.tbd", stub("/usr/lib/libz.1.dylib", "_deflate") + "...\n")
    done = run("sdk", "diff", str(old), str(new))
    assert done.returncode == 1
    assert "+ _deflate" in done.stdout
    assert "- _inflate" in done.stdout


@pytest.mark.slow
def test_an_indexed_sdk_extends_what_resolve_knows(tmp_path: Path) -> None:
    root = sdk(tmp_path / "MacOSX26.0.sdk", "26.0")
    write(root, "usr/lib/libbrandnew.tbd", stub("/usr/lib/libbrandnew.dylib", "_new") + "...\n")
    facts = str(tmp_path / "facts.json")
    assert run("sdk", "index", str(root), "-o", facts).returncode == 0
    program = tmp_path / "program"
    program.write_bytes(MachO(loads=[load("/usr/lib/libbrandnew.dylib")]).bytes())
    assert run("resolve", str(program), "--strict").returncode == 3
    assert run("resolve", str(program), "--strict", "--sdk", facts).returncode == 0
    extended = str(tmp_path / "my.catalogue")
    assert run("sdk", "catalogue", "--add", facts, "-o", extended).returncode == 0
    assert run("resolve", str(program), "--strict", "--sdk", extended).returncode == 0


def test_an_sdk_says_which_system_libraries_exist(tmp_path: Path) -> None:
    root = sdk(tmp_path / "MacOSX26.0.sdk", "26.0")
    program = tmp_path / "program"
    program.write_bytes(MachO(loads=[load("/usr/lib/libnowhere.dylib")]).bytes())
    assert run("resolve", str(program)).returncode == 0
    done = run("resolve", str(program), "--sdk", str(root))
    assert done.returncode == 1
    assert "'/usr/lib/libnowhere.dylib' (no such file, not in dyld cache)" in done.stdout


def test_a_folder_that_is_no_sdk_is_named(tmp_path: Path) -> None:
    done = run("sdk", "index", str(tmp_path))
    assert done.returncode == 2
    assert str(tmp_path) in done.stderr
    broken = tmp_path / "broken.json"
    broken.write_text("{nonsense")
    done = run("resolve", str(Path(__file__).parents[2] / "testdata" / "hello"), "--sdk", str(broken))
    assert done.returncode == 2
    assert "broken.json" in done.stderr


def test_symbols_are_listed_with_all_that_speaks_for_them() -> None:
    lines = run("sdk", "symbols", "libc++.1.dylib").stdout.splitlines()
    told = dict(line.split("  ", 1) for line in lines)
    assert told["__ZTINSt3__117bad_function_callE"].startswith("no stub; since 15.4; imported up to ")
    assert told["__ZTINSt3__117bad_function_callE"].endswith("missing on 15.0")
    assert told["__ZNSt3__14coutE"].startswith("10.9, ")
