"""What is shipped: all that is needed, nothing else, the same from the same source, on every Python promised."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from machochain import __version__

ROOT = Path(__file__).parents[2]
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
EPOCH = "1767225600"


NOT_SOURCE = shutil.ignore_patterns("__pycache__", ".*", "dist", "build", "*.egg-info")


def build(source: Path, out: Path, *targets: str, **environment: str) -> list[Path]:
    """Build from a folder as a release does; return what was made."""
    kinds = [option for target in targets for option in ("-t", target)]
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", *kinds, "-d", str(out)],
        cwd=source,
        env={**{name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"}, **environment},
        capture_output=True,
        check=True,
    )
    return sorted(out.iterdir())


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree without what tools leave in it, and without version control."""
    folder = tmp_path_factory.mktemp("source") / "tree"
    shutil.copytree(ROOT, folder, ignore=NOT_SOURCE)
    shutil.copy(ROOT / ".gitignore", folder)
    return folder


@pytest.fixture(scope="module")
def built(source: Path) -> list[Path]:
    return build(source, source.parent / "dist", "sdist", "wheel")


@pytest.fixture(scope="module")
def wheel(built: list[Path]) -> Path:
    return next(path for path in built if path.suffix == ".whl")


@pytest.fixture(scope="module")
def sdist(built: list[Path]) -> Path:
    return next(path for path in built if path.name.endswith(".tar.gz"))


def test_the_wheel_holds_the_package_its_data_and_its_licence_and_nothing_else(wheel: Path) -> None:
    assert wheel.name == f"machochain-{__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as file:
        names = set(file.namelist())
    sources = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "machochain").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    info = f"machochain-{__version__}.dist-info"
    told = {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE"}
    manual = f"machochain-{__version__}.data/data/share/man/man1/machochain.1"
    assert names == sources | {f"{info}/{name}" for name in told} | {manual}
    assert "machochain/py.typed" in names


def test_the_page_says_whose_each_file_of_the_wheel_is(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        others = {name for name in file.namelist() if not name.endswith((".py", ".1")) and ".dist-info/" not in name}
    listed = ("py.typed", "report/assets/report.css", "report/assets/report.js", "world/system/data/catalogue.bin")
    forms = {
        path.relative_to(ROOT).as_posix() for path in (ROOT / "machochain" / "diagnosis" / "forms").glob("*.forms")
    }
    assert others == {f"machochain/{name}" for name in listed} | forms
    assert len(forms) > 5
    page = (ROOT / "docs" / "supply-chain.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `machochain/")]
    assert [
        name for name in others if not any(name.rpartition("/")[2] in row for row in rows) and name not in forms
    ] == []
    assert any("`machochain/diagnosis/forms/*.forms`" in row for row in rows)


def test_the_source_distribution_holds_what_tests_need_and_nothing_tools_left(sdist: Path) -> None:
    with tarfile.open(sdist) as file:
        members = file.getmembers()
    names = {member.name.partition("/")[2] for member in members}
    tops = {name.partition("/")[0] for name in names}
    folders = {"machochain", "tests", "testdata", "docs", "benchmarks", "requirements"}
    plain = {"README.md", "CHANGELOG.md", "LICENSE", "pyproject.toml", "PKG-INFO", ".gitignore"}
    assert tops == folders | plain
    assert {"requirements/dev.txt", "testdata/hello/bin/greeter", "docs/growth.svg"} <= names
    assert not any("__pycache__" in name or name.endswith(".pyc") for name in names)
    assert {(member.uid, member.gid, member.uname, member.gname) for member in members} == {(0, 0, "", "")}


def test_two_builds_of_one_source_are_equal(built: list[Path], source: Path, tmp_path: Path) -> None:
    other = tmp_path / "a folder" / "of another name"
    shutil.copytree(source, other)
    for path in other.rglob("*"):
        path.chmod(path.stat().st_mode & 0o700)
        os.utime(path, (1, 1))
    again = build(other, tmp_path / "dist", "sdist", "wheel", TZ="Asia/Tokyo", LC_ALL="C", PYTHONHASHSEED="7")
    assert [path.name for path in again] == [path.name for path in built]
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in built]


def test_the_wheel_of_the_source_distribution_is_the_wheel(sdist: Path, wheel: Path, tmp_path: Path) -> None:
    with tarfile.open(sdist) as file:
        file.extractall(tmp_path, filter="data")
    (unpacked,) = tmp_path.iterdir()
    (again,) = build(unpacked, tmp_path / "dist", "wheel")
    assert again.read_bytes() == wheel.read_bytes()


def test_the_time_stamps_of_a_build_can_be_chosen(source: Path, tmp_path: Path) -> None:
    (made,) = build(source, tmp_path / "dist", "wheel", SOURCE_DATE_EPOCH=EPOCH)
    with zipfile.ZipFile(made) as file:
        assert {each.date_time[0] for each in file.infolist()} == {2026}


def test_the_wheel_starts_by_its_name_and_as_a_module(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        file.extractall(tmp_path)
        scripts = file.read(f"machochain-{__version__}.dist-info/entry_points.txt").decode()
    assert scripts.split() == [
        *("[console_scripts]", "machochain", "=", "machochain.__main__:main"),
        *("[pytest11]", "machochain", "=", "machochain.pytest_plugin"),
    ]
    call = "import sys; from machochain.__main__ import main; sys.exit(main())"
    for command in (["-m", "machochain"], ["-c", call]):
        done = subprocess.run(
            [sys.executable, *command, "--version"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout == f"machochain {__version__}\n", done.stderr


def test_the_metadata_asks_for_ranges_and_promises_the_pythons_that_are_tested(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        text = file.read(f"machochain-{__version__}.dist-info/METADATA").decode()
    needed = [line.split(": ", 1)[1] for line in text.splitlines() if line.startswith("Requires-Dist: ")]
    plain = [name for name in needed if ";" not in name]
    assert plain
    assert all(">=" in name and "==" not in name for name in plain)
    assert "License-Expression: Apache-2.0" in text
    for version in PYTHONS:
        assert f"Programming Language :: Python :: {version}\n" in text


def python(version: str) -> str | None:
    """Return an interpreter of a version on this machine."""
    kept = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser() / "versions"
    found = [shutil.which(f"python{version}"), *map(str, sorted(kept.glob(f"{version}.*/bin/python")))]
    # A shim of pyenv is there for every version and works for the chosen ones only.
    return next(
        (x for x in found if x and not subprocess.run([x, "-V"], capture_output=True, check=False).returncode), None
    )


def environment(interpreter: str, folder: Path, *asked: str) -> Path:
    """Make a virtual environment, install into it without a compiler, and return the folder of its commands."""
    subprocess.run([interpreter, "-m", "venv", str(folder)], check=True)
    own = folder / "bin"
    install = [str(own / "python"), "-m", "pip", "install", "-q", "--only-binary=:all:", *asked]
    subprocess.run(install, env={**os.environ, "CC": "/bin/false", "CXX": "/bin/false"}, check=True)
    return own


def run(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(command, cwd=cwd, env=clean, capture_output=True, text=True, check=False)


@pytest.mark.wheels
@pytest.mark.parametrize("version", PYTHONS)
def test_it_installs_and_runs_without_a_compiler(version: str, wheel: Path, tmp_path: Path) -> None:
    interpreter = python(version)
    if interpreter is None:
        pytest.skip(f"no Python {version} on this machine")
    own = environment(interpreter, tmp_path / "venv", str(wheel))
    hello = str(ROOT / "testdata" / "hello")
    for command in ([str(own / "machochain")], [str(own / "python"), "-W", "error", "-m", "machochain"]):
        done = run(*command, "resolve", hello, cwd=tmp_path)
        assert done.returncode == 1, done.stderr
        assert "Library not loaded: @rpath/libgreet.1.dylib" in done.stdout
        assert done.stderr == ""


@pytest.mark.wheels
def test_the_command_works_with_each_dependency_at_its_lower_bound(wheel: Path, tmp_path: Path) -> None:
    interpreter = python("3.11")
    if interpreter is None:
        pytest.skip("no Python 3.11 on this machine")
    asked = map(Requirement, tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"])
    bounds = [f"{each.name}=={next(iter(each.specifier)).version}" for each in asked]
    own = environment(interpreter, tmp_path / "venv", str(wheel), *bounds)
    hello = ROOT / "testdata" / "hello"
    greeter, archive = str(hello / "bin" / "greeter"), str(ROOT / "testdata" / "go" / "greet.a")
    stub = tmp_path / "MacOSX26.0.sdk" / "usr" / "lib" / "libSystem.B.tbd"
    stub.parent.mkdir(parents=True)
    stub.write_text(
        "--- !tapi-tbd\ntbd-version: 4\ntargets: [ arm64-macos ]\ninstall-name: /usr/lib/libSystem.B.dylib\n"
        "exports:\n  - targets: [ arm64-macos ]\n    symbols: [ _puts ]\n...\n"
    )
    forms = ("text", "json", "dot", "mermaid", "graphml", "node-link")
    commands: dict[tuple[str, ...], int] = {("resolve", greeter, "--format", form): 0 for form in forms}
    commands |= {
        ("resolve", archive): 1,
        ("inspect", "--deep", greeter): 0,
        ("explain", greeter, "libgreet.1.dylib"): 0,
        ("audit", str(hello), "--no-config", "--format", "html", "-o", str(tmp_path / "page.html")): 1,
        ("diff", greeter, greeter, "--no-config"): 0,
        ("scenario", greeter): 1,
        ("sdk", "symbols", "/usr/lib/libSystem.B.dylib", "--sdk", str(stub.parents[2])): 0,
    }
    for arguments, status in commands.items():
        done = run(str(own / "machochain"), *arguments, cwd=tmp_path)
        assert done.returncode == status, (arguments, done.stdout, done.stderr)
