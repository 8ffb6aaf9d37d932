"""What stands for the operating system: the embedded catalogue, SDK folders, and facts other people's SDKs gave."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from machochain.model.errors import InputError
from machochain.model.paths import HostPath
from machochain.world.catalogue import EMBEDDED, EmbeddedCatalogue

if TYPE_CHECKING:
    from machochain.world.oslibs import SdkLibraries


def open_system(sdks: Iterable[HostPath] = ()) -> EmbeddedCatalogue | SdkLibraries:
    """Return what is known of the OS.

    Args:
        sdks: SDK folders; files that ``machochain sdk index`` or ``machochain sdk catalogue --add`` wrote.

    Raises:
        InputError: One of them cannot be read as what it is.
    """
    folders: list[HostPath] = []
    facts: list[HostPath] = []
    base = EMBEDDED
    for path in sdks:
        if Path(path).is_dir():
            folders.append(path)
        elif _is_json(path):
            facts.append(path)
        else:
            base = Path(path)
    catalogue = EmbeddedCatalogue(merged(base, facts) if facts else base)
    if not folders:
        return catalogue
    # Most runs have no SDK: its readers are loaded only for those that do.
    from machochain.world.oslibs import SdkLibraries  # noqa: PLC0415
    from machochain.world.sdk import Sdk  # noqa: PLC0415

    return SdkLibraries([Sdk(folder) for folder in folders], catalogue)


def merged(base: Path, facts: Iterable[HostPath]) -> Path:
    """Return a catalogue with further facts in it, built once and kept in the cache folder.

    Raises:
        InputError: A document of facts cannot be read.
    """
    # Most runs add nothing to the catalogue.
    import hashlib  # noqa: PLC0415
    import tempfile  # noqa: PLC0415

    from machochain.world.build_catalogue import build, read_facts  # noqa: PLC0415
    from machochain.world.sdk_index import cache_folder  # noqa: PLC0415

    texts = [Path(path) for path in facts]
    key = hashlib.sha256(base.read_bytes())
    for text in texts:
        key.update(text.read_bytes())
    folder = Path(cache_folder() or tempfile.gettempdir())
    kept = folder / f"catalogue-{key.hexdigest()[:32]}.bin"
    if not kept.exists():
        data = build([*EmbeddedCatalogue(base).documents(), *(read_facts(text) for text in texts)])
        folder.mkdir(parents=True, exist_ok=True)
        # Written aside and put in place at once: another run may look at the same moment.
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
            file.write(data)
        Path(file.name).replace(kept)
    return kept


def _is_json(path: HostPath) -> bool:
    try:
        with Path(path).open("rb") as file:
            return file.read(64).lstrip()[:1] in (b"{", b"[")
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", path=path, errno=error.errno or 0) from error
