"""Which directories are searched and which file is taken, held against ld64.lld."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import machochain
from machochain.source.values import SearchOutcome
from machochain.world.placement import World
from tests.llvm import OLDEST
from tests.source.modules import GO_MOD, SDK, cgo, search, stub, write

pytestmark = pytest.mark.toolchain

CASES = 40


def lld() -> str:
    """Return the linker; a machine without one skips."""
    for found in filter(None, map(shutil.which, (f"ld64.lld-{OLDEST}", "ld64.lld"))):
        told = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout
        version = re.search(r"LLD (\d+)", told)
        if version is not None and int(version[1]) >= OLDEST:
            return found
    pytest.skip(f"no ld64.lld {OLDEST} or newer on this machine")


FOR = ("-dylib", "-platform_version", "macos", "13.0", "13.0")


def linked(name: str, out: Path, arch: str = "arm64") -> bytes:
    """Return a dylib of this install name, with nothing in it."""
    subprocess.run([lld(), *FOR, "-arch", arch, "-install_name", name, "-o", str(out)], check=True)
    return out.read_bytes()


def content(ending: str, directory: str, aside: Path) -> str | bytes:
    if ending == ".a":
        return b"!<arch>\n"
    name = f"{directory}/libfoo.1.dylib"
    return stub(name) if ending == ".tbd" else linked(name, aside)


def theirs(sdk: Path, folders: list[str], out: Path) -> tuple[list[str], str | None, bool]:
    """Return the directories the linker says it searches, the install name it took, and whether it found a file."""
    words = [f"-L{folder}" for folder in folders]
    done = subprocess.run(
        [lld(), "-v", *FOR, "-arch", "arm64", "-syslibroot", str(sdk), *words, "-lfoo", "-undefined", "dynamic_lookup",
         "-o", str(out)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    listed = (done.stdout + done.stderr).partition("Library search paths:\n")[2].partition("Framework search")[0]
    paths = [line.strip() for line in listed.splitlines() if line.startswith("\t")]
    if done.returncode != 0:
        assert "library not found for -lfoo" in done.stderr, done.stderr
        return paths, None, False
    (found,) = machochain.inspect(out)
    image = found.slices[0].piece.image
    assert image is not None
    return paths, next((d.name for d in image.loads if "libfoo" in d.name), None), True


def test_the_file_that_is_taken_is_the_one_the_linker_takes(tmp_path: Path) -> None:
    chance = random.Random(11)
    found = 0
    for number in range(CASES):
        root = tmp_path / str(number)
        sdk = write(root / "sdk", {**SDK, "usr/local/lib/x": ""})
        places = [str(root / "mac" / name) for name in ("a", "b", "c")]
        for place in places:
            for ending in chance.sample([".tbd", ".dylib", ".so", ".a"], chance.choice([0, 0, 1, 2])):
                write(Path(place), {f"libfoo{ending}": content(ending, place, tmp_path / "aside"), "x": ""})
        if chance.random() < 0.3:
            write(sdk, {"usr/lib/libfoo.tbd": stub("/usr/lib/libfoo.1.dylib")})
        folders = chance.sample([*places, "/usr/lib"], chance.randint(1, 4))
        folders += [chance.choice(folders)] if chance.random() < 0.3 else []
        there = [f for f in folders if f == "/usr/lib" or Path(f).is_dir()]
        paths, taken, has = theirs(sdk, folders, root / "out.dylib")
        searched = [f"{sdk}/usr/lib" if f == "/usr/lib" else f for f in there]
        assert paths == [*searched, f"{sdk}/usr/lib", f"{sdk}/usr/local/lib"], number

        line = "#cgo LDFLAGS: " + " ".join(f"-L{f}" for f in folders) + " -lfoo"
        module = write(root / "m", {"go.mod": GO_MOD, "x.go": cgo(line)})
        report = machochain.examine(
            module, goarch=["arm64"], world=World(sdks=[sdk]),
            target=machochain.Target(environment={"SDKROOT": str(sdk)}),
        )  # fmt: skip
        mine = search(report, "foo")
        assert (mine.outcome is SearchOutcome.FOUND, mine.facts.install_name) == (has, taken), (number, mine)
        found += has
    assert CASES // 3 < found < CASES


def test_a_dylib_of_another_processor_is_taken_without_a_word(tmp_path: Path) -> None:
    sdk = write(tmp_path / "sdk", SDK)
    aside = tmp_path / "aside"
    libraries = {
        f"{n}/libfoo.dylib": linked(f"/{n}/libfoo.dylib", aside, a) for n, a in (("a", "x86_64"), ("b", "arm64"))
    }
    mac = write(tmp_path / "mac", libraries)
    _, taken, has = theirs(sdk, [str(mac / "a"), str(mac / "b")], tmp_path / "out.dylib")
    assert (has, taken) == (True, "/a/libfoo.dylib")

    module = write(tmp_path / "m", {"go.mod": GO_MOD, "x.go": cgo(f"#cgo LDFLAGS: -L{mac}/a -L{mac}/b -lfoo")})
    report = machochain.examine(module, goarch=["arm64"], world=World(sdks=[sdk]))
    assert [f.rule for f in report.findings if f.rule == "MC715"] == ["MC715"]
    assert search(report, "foo").winner == f"{mac}/a/libfoo.dylib"
