"""Generated ``.pc`` files held against pkgconf itself."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from machochain.golang.pkgconfig import PkgConfig, split_fragments

pytestmark = pytest.mark.toolchain

FILES = 40
FLAGS = [
    "-I${includedir}", "-I${includedir}/sub", "-DA=1", "-DB='x y'", "-I/usr/include", "-I /opt/spaced", "-pthread",
    "-isystem /opt/sys", "-I${prefix}/include", '-DQ=\\"q\\"', "-std=c11",
]  # fmt: skip
LIBS = [
    "-L${libdir}", "-L${prefix}/lib", "-lz", "-lfoo", "-lbar", "-framework Security", "-framework CoreFoundation",
    "-Wl,-rpath,${libdir}", "-pthread", "-L/usr/lib", "-F/opt/frameworks", "${libdir}/libx.a", "-lm",
]  # fmt: skip


def pkgconf() -> str:
    """Return the program; a machine without it skips."""
    found = shutil.which("pkgconf")
    if found is None:
        pytest.skip("no pkgconf on this machine")
    told = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout
    version = re.match(r"(\d+)\.(\d+)", told)
    if version is None or (int(version[1]), int(version[2])) < (1, 8):
        pytest.skip(f"pkgconf {told.strip()} is too old")
    return found


def pc_file(chance: random.Random, number: int) -> str:
    """Return the text of one file; it may require files of lower numbers."""

    def some(of: list[str], most: int) -> str:
        return " ".join(chance.sample(of, chance.randint(0, most)))

    def names(most: int) -> str:
        chosen = chance.sample(range(number), min(number, chance.randint(0, most)))
        versions = [chance.choice(["", "", "", f" >= 0.{chance.randint(0, 9)}", " < 2.1", " != 9"])
                    for _ in chosen]  # fmt: skip
        return ", ".join(f"p{n}{v}" for n, v in zip(chosen, versions, strict=True))

    lines = [
        f"prefix=/opt/p{number % 7}", "exec_prefix=${prefix}", "libdir=${exec_prefix}/lib",
        "includedir=${prefix}/include", "" if chance.random() < 0.5 else "# a comment", f"Name: p{number}",
        "Description: generated", f"Version: {chance.choice(['1.2', '1.10', '2.0.1', '1.2rc1', '0.9~beta'])}",
    ]  # fmt: skip
    for key, text in (
        ("Requires", names(2)), ("Requires.private", names(2)), ("Cflags", some(FLAGS, 4)), ("Libs", some(LIBS, 4)),
        ("Libs.private", some(LIBS, 3)), ("Cflags.private", some(FLAGS, 2) if chance.random() < 0.3 else ""),
    ):  # fmt: skip
        if text or chance.random() < 0.2:
            folded = text.replace(" ", " \\\n ", 1) if chance.random() < 0.1 else text
            lines.append(f"{key}: {folded}")
    return "\n".join(lines) + "\n"


def theirs(program: str, folder: Path, names: list[str], *, static: bool, sysroot: str, what: str) -> list[str] | None:
    env = {"PKG_CONFIG_LIBDIR": str(folder)} | ({"PKG_CONFIG_SYSROOT_DIR": sysroot} if sysroot else {})
    words = [program, what, *(["--static"] if static else []), *names]
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
    # Go splits what is printed as pkgconf itself splits fields (cmd/go/internal/work, splitPkgConfigOutput).
    return list(split_fragments(done.stdout)) if done.returncode == 0 else None


@pytest.mark.parametrize("sysroot", ["", "/sysroot"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_flags_of_generated_files_are_those_of_pkgconf(tmp_path: Path, seed: int, sysroot: str) -> None:
    program, chance = pkgconf(), random.Random(seed)
    for number in range(FILES):
        (tmp_path / f"p{number}.pc").write_text(pc_file(chance, number))

    def read(path: str) -> str | None:
        return Path(path).read_text() if Path(path).exists() else None

    reader = PkgConfig([str(tmp_path)], read, sysroot=sysroot)
    asked = [[f"p{n}"] for n in range(FILES)] + [[f"p{n}", f"p{n // 2}"] for n in range(0, FILES, 3)]
    wrong, answered = [], 0
    for names in asked:
        for static in (False, True):
            mine = reader.flags(names, static=static)
            other = [
                theirs(program, tmp_path, names, static=static, sysroot=sysroot, what=what)
                for what in ("--cflags", "--libs")
            ]
            answered += None not in other
            # Go asks for both, and fails if either fails.
            same = None in other if mine.problems else [list(mine.cflags), list(mine.libs)] == other
            if not same:
                wrong.append((names, static, mine.cflags, mine.libs, mine.problems, other))
    assert not wrong, f"{len(wrong)} of {2 * len(asked)}; first: {wrong[0]}"
    assert answered > len(asked), "many files have to be good ones"
