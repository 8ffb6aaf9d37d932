"""Everything a release consists of, in one command: ``python -m tests.release OUT``.

Builds the source distribution and the wheel twice, in two copies of the tree, and refuses where they differ; checks
the metadata and the changelog; writes beside them what they rest on (``sbom.cdx.json``), where the embedded facts come
from (``catalogue.md``), what is new (``CHANGES.md``) and the hashes of all (``SHA256SUMS``).

``--rehearse`` goes on where only the release itself is missing: a date of the section, a version without ``.dev``.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from packaging.metadata import Metadata
from packaging.requirements import Requirement

from machochain import __version__

ROOT: Final = Path(__file__).parent.parent
CATALOGUE: Final = Path("machochain/world/system/data/catalogue.bin")
NOT_SOURCE: Final = shutil.ignore_patterns("__pycache__", ".git", ".venv", ".*_cache", ".hypothesis", "dist", "build")


class NotReady(Exception):  # noqa: N818  # what it says, not what it is
    """Why this tree is no release."""


def changes(text: str, version: str) -> tuple[str, str]:
    """Return the date of a version's section of the changelog, and what the section says.

    Raises:
        NotReady: There is no such section, or it is empty.
    """
    found = re.search(rf"^## {re.escape(version)} \(([^)]*)\)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    if found is None or not found[2].strip():
        raise NotReady(f"CHANGELOG.md has nothing on {version}")
    return found[1], found[2].strip() + "\n"


def faults(version: str, date: str, project: dict[str, Any]) -> Iterator[str]:
    """Yield what only a release needs."""
    if "dev" in version:
        yield f"{version} is no version to release: machochain/_version.py"
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", date):
        yield f"the section of {version} in CHANGELOG.md has no date: {date!r}"
    if not project.get("urls"):
        yield "pyproject.toml has no [project.urls]: where the pages and the sources are"


def build(tree: Path, out: Path) -> dict[str, bytes]:
    """Build both distributions from a copy of a tree; return them by name."""
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place) / "tree"
        shutil.copytree(tree, copy, ignore=NOT_SOURCE)
        command = [sys.executable, "-m", "hatchling", "build", "-d", str(out)]
        subprocess.run(command, cwd=copy, capture_output=True, check=True)
    return {file.name: file.read_bytes() for file in sorted(out.iterdir())}


def built_twice(tree: Path) -> dict[str, bytes]:
    """Build twice, in two places.

    Raises:
        NotReady: The files differ.
    """
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        first, second = build(tree, Path(one)), build(tree, Path(two))
    if first != second:
        unlike = sorted({*first, *second} - {name for name in first if first[name] == second.get(name)})
        raise NotReady(f"two builds differ in {', '.join(unlike)}")
    return first


def metadata_of(wheel: bytes) -> Metadata:
    """Return the metadata of a wheel, checked field by field.

    Raises:
        NotReady: A field breaks its rules.
    """
    with tempfile.TemporaryFile() as file:
        file.write(wheel)
        with zipfile.ZipFile(file) as archive:
            (name,) = (each for each in archive.namelist() if each.endswith(".dist-info/METADATA"))
            text = archive.read(name)
    try:
        return Metadata.from_email(text, validate=True)
    except ExceptionGroup as group:
        raise NotReady(f"{name}: {'; '.join(map(str, group.exceptions))}") from None


def digest(data: bytes) -> str:
    """Return the SHA-256 of data as hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def bill(files: dict[str, bytes], metadata: Metadata) -> dict[str, Any]:
    """Return a bill of materials: what is released, and what an installation brings along."""
    (wheel,) = (name for name in files if name.endswith(".whl"))
    own = f"pkg:pypi/machochain@{metadata.version}"
    needed = [requirement for requirement in metadata.requires_dist or () if _always(requirement)]
    parts = [
        {
            "type": "library",
            "bom-ref": f"pkg:pypi/{requirement.name.lower()}",
            "name": requirement.name,
            "purl": f"pkg:pypi/{requirement.name.lower()}",
            "properties": [{"name": "machochain:range", "value": str(requirement.specifier)}],
        }
        for requirement in needed
    ]
    facts = (ROOT / CATALOGUE).read_bytes()
    parts.append(
        {
            "type": "data",
            "bom-ref": "catalogue",
            "name": str(CATALOGUE),
            "hashes": [{"alg": "SHA-256", "content": digest(facts)}],
        }
    )
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": own,
                "name": "machochain",
                "version": str(metadata.version),
                "purl": own,
                "licenses": [{"license": {"id": metadata.license_expression}}],
                "hashes": [{"alg": "SHA-256", "content": digest(files[wheel])}],
            }
        },
        "components": parts,
        "dependencies": [{"ref": own, "dependsOn": [part["bom-ref"] for part in parts]}],
    }


def _always(requirement: Requirement) -> bool:
    return requirement.marker is None or "extra" not in str(requirement.marker)


def provenance() -> str:
    """Return where the embedded facts come from, in numbers."""
    command = [sys.executable, "-m", "machochain", "sdk", "catalogue"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    data = (ROOT / CATALOGUE).read_bytes()
    return (
        f"# {CATALOGUE}\n\n"
        f"SHA-256 `{digest(data)}`, {len(data)} bytes: names, versions and numbers of system libraries, no file of\n"
        "anybody's. docs/sdk.md says what each was read from and how to build it anew; `machochain sdk catalogue`:\n\n"
        f"```text\n{told}```\n"
    )


def release(tree: Path, out: Path, *, rehearse: bool = False) -> list[str]:
    """Write a release into a folder that is not there yet; return what would still have to be done.

    Raises:
        NotReady: This tree is no release, or there is something at ``out``.
    """
    import tomllib

    if out.exists():
        raise NotReady(f"{out} exists already")
    project = tomllib.loads((tree / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    date, news = changes((tree / "CHANGELOG.md").read_text(encoding="utf-8"), __version__)
    missing = list(faults(__version__, date, project))
    if missing and not rehearse:
        raise NotReady("; ".join(missing))
    files = built_twice(tree)
    (wheel,) = (data for name, data in files.items() if name.endswith(".whl"))
    metadata = metadata_of(wheel)
    files["sbom.cdx.json"] = (json.dumps(bill(files, metadata), indent=2) + "\n").encode()
    files["catalogue.md"] = provenance().encode()
    files["CHANGES.md"] = news.encode()
    files["SHA256SUMS"] = "".join(f"{digest(data)}  {name}\n" for name, data in sorted(files.items())).encode()
    out.mkdir(parents=True)
    for name, data in files.items():
        (out / name).write_bytes(data)
    return missing


def main(arguments: list[str]) -> int:
    """Run the command."""
    rehearse = "--rehearse" in arguments
    folders = [argument for argument in arguments if argument != "--rehearse"]
    if len(folders) != 1 or folders[0].startswith("-"):
        print("usage: python -m tests.release [--rehearse] OUT", file=sys.stderr)
        return 2
    try:
        missing = release(ROOT, Path(folders[0]), rehearse=rehearse)
    except NotReady as error:
        print(f"not released: {error}", file=sys.stderr)
        return 1
    print((Path(folders[0]) / "SHA256SUMS").read_text(encoding="utf-8"), end="")
    for each in missing:
        print(f"before a release: {each}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
