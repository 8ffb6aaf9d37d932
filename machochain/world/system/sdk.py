"""One SDK or sysroot folder: its version, its libraries, their stubs on demand."""

# ruff: noqa: PTH118, PTH123 - host paths are raw strings here

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cached_property
from typing import Final

from machochain.macho.details import sub_commands
from machochain.macho.exports import open_exports
from machochain.macho.reader import read_source, slice_reader
from machochain.macho.source import FileSource
from machochain.model.errors import InputError
from machochain.model.filesystem import Presence
from machochain.model.ospaths import FRAMEWORKS, SWIFT_LIBRARIES, SYSTEM_PREFIXES, is_private_framework
from machochain.model.paths import HostPath
from machochain.model.platform import Platform
from machochain.model.stub import ExportKind, Stub, StubExport, StubSection, TargetList
from machochain.model.value import frozen
from machochain.model.version import Version
from machochain.tbd import is_directive, parse_directive, read
from machochain.world.system.catalogue import EmbeddedCatalogue
from machochain.world.system.names import normalise
from machochain.world.system.sdk_index import Located, SdkIndex, index, library_path, sdk_version

SMALL: Final = 100
"""A folder with fewer libraries is no copy of Apple's SDK but a sysroot somebody made: it is what it is meant to be."""

_UMBRELLAS: Final = (
    "/usr/lib/libSystem.B.dylib",
    "/System/Library/Frameworks/ApplicationServices.framework/Versions/A/ApplicationServices",
    "/System/Library/Frameworks/Cocoa.framework/Versions/A/Cocoa",
    "/System/Library/Frameworks/CoreServices.framework/Versions/A/CoreServices",
)


@frozen
class SdkQuality:
    """How whole an SDK is.

    Attributes:
        libraries: Libraries for macOS.
        files: Stub files.
        text_links: Symbolic links that became text files.
        duplicates: Files that repeat another (links that became copies).
        dangling: Links that lead nowhere.
        unreadable: (file, why) of stubs that could not be read.
        stripped: Umbrella libraries whose list of re-exports was removed.
        missing: Public libraries this macOS is known to have and the SDK lacks.
        no_swift: ``usr/lib/swift`` is not there.
    """

    libraries: int
    files: int
    text_links: int
    duplicates: int
    dangling: tuple[str, ...]
    unreadable: tuple[tuple[str, str], ...]
    stripped: tuple[str, ...]
    missing: tuple[str, ...]
    no_swift: bool

    @property
    def poor(self) -> bool:
        """Whether a library that is not in it may be missing only because somebody removed it."""
        return bool(self.stripped) or bool(self.unreadable) or len(self.missing) * 20 > self.libraries

    def sentences(self) -> tuple[str, ...]:
        """Say what is wrong with it, one sentence each; nothing for a whole one."""
        found = []
        if self.text_links:
            found.append(f"{self.text_links} symbolic links are text files (still followed)")
        if self.duplicates:
            found.append(f"{self.duplicates} files repeat another library (links turned into copies)")
        if self.dangling:
            found.append(f"{len(self.dangling)} links lead nowhere, the first is {self.dangling[0]}")
        if self.unreadable:
            file, why = self.unreadable[0]
            found.append(f"{len(self.unreadable)} stubs cannot be read, the first is {file}: {why}")
        if self.stripped:
            found.append(f"the re-exports of {len(self.stripped)} libraries were removed: {', '.join(self.stripped)}")
        if self.missing:
            found.append(
                f"{len(self.missing)} public libraries this macOS is known to have are not in it, "
                f"the first is {self.missing[0]}"
            )
        return tuple(found)


_OBJC_PREFIXES: Final = ("_OBJC_CLASS_$_", "_OBJC_METACLASS_$_", "_OBJC_EHTYPE_$_", "_OBJC_IVAR_$_")


def _bare_name(symbol: str) -> str:
    """Return what of a symbol stands in every stub that lists it: Objective-C names have lists without prefixes."""
    return next((symbol.removeprefix(p) for p in _OBJC_PREFIXES if symbol.startswith(p)), symbol)


class Sdk:
    """A macOS SDK or sysroot. Stubs are read when asked for and kept."""

    def __init__(self, root: HostPath, *, cache: bool = True) -> None:
        """Find the libraries of an SDK.

        Args:
            root: Its folder.
            cache: Whether the list of libraries may be kept on disk (``machochain.world.system.sdk_index``).

        Raises:
            InputError: The folder is no SDK, or that of another platform.
        """
        self.root = root
        self.version, self.version_source = sdk_version(root)
        self.index: SdkIndex = index(root, cache=cache)
        self._stubs: dict[str, Stub] = {}
        self._exports: dict[tuple[str, str], dict[str, StubExport]] = {}

    @property
    def name(self) -> str:
        """``SDK 14.2``, or the folder where no version is known."""
        return f"SDK {self.version}" if self.version is not None else f"sysroot {self.root}"

    def libraries(self) -> tuple[str, ...]:
        """Return the install names of all libraries for macOS, sorted."""
        return tuple(sorted(self.index.libraries))

    def aliases(self) -> dict[str, str]:
        """Return every other path a library can be asked by that is listed, sorted, with its install name."""
        found = {}
        for path in sorted({*self.index.links, *self.index.copies}):
            name = self.index.canonical(path)
            if name is not None and path != name:
                found[path] = name
        return found

    def canonical(self, path: str) -> str | None:
        """Return the install name behind a path (install name or link); None if the SDK has no such library."""
        return self.index.canonical(path)

    def hint(self, path: str) -> str | None:
        """Return the install name or link that differs from a path in case only; None if there is none."""
        found = self._folded.get(normalise(path).casefold())
        return found if found != normalise(path) else None

    @cached_property
    def _folded(self) -> dict[str, str]:
        names = (*self.index.links, *self.index.copies, *self.index.libraries)
        return {name.casefold(): name for name in names}

    def stub(self, path: str) -> Stub | None:
        """Return the stub of a library, by install name or link; None if the SDK has none.

        Raises:
            InputError: The stub can no longer be read.
        """
        name = self.canonical(path)
        if name is None:
            return None
        stub = self._stubs.get(name)
        if stub is None:
            stub = self._stubs[name] = self.read_stub(name)
        return stub

    def read_stub(self, name: str) -> Stub:
        """Read the stub of a library without keeping it: for who goes through all of them.

        Args:
            name: One of ``libraries()``.

        Raises:
            InputError: The stub can no longer be read.
        """
        place = self.index.libraries[name]
        return self._read_macho(place) if place.macho else self._read_stub(name, place)

    def _text(self, place: Located) -> bytes:
        """Return the text of one stub."""
        file = os.path.join(self.root, place.file)
        try:
            with open(file, "rb") as stream:
                stream.seek(place.start)
                return stream.read(place.end - place.start)
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror}", path=file, errno=error.errno or 0) from None

    def _read_stub(self, name: str, place: Located) -> Stub:
        file = os.path.join(self.root, place.file)
        stubs = read(self._text(place), file)
        for stub in stubs:
            if normalise(stub.install_name) == name:
                return stub
        if library_path(place.file) == name and not stubs[0].install_name.startswith(SYSTEM_PREFIXES):
            return stubs[0]
        raise InputError(f"no longer holds {name}", path=file)

    def _read_macho(self, place: Located) -> Stub:
        file = HostPath(os.path.join(self.root, place.file))
        with FileSource(file) as source:
            try:
                macho = read_source(source)
            except InputError as error:
                raise error.at(file) from None
            images = [(piece, piece.image) for piece in macho.slices if piece.image is not None]
            sections, reexports = [], []
            for piece, image in images:
                target = (f"{image.arch.name}-macos",)
                listed = open_exports(image, slice_reader(source, piece)).all()
                exports = tuple(
                    StubExport(
                        e.name,
                        ExportKind.THREAD_LOCAL if e.thread_local else ExportKind.WEAK if e.weak else ExportKind.GLOBAL,
                        e.reexport,
                    )
                    for e in listed
                    if not is_directive(e.name)
                )
                directives = tuple(d for e in listed if (d := parse_directive(e.name)) is not None)
                sections.append(StubSection(target, exports, directives))
                reexports.append(TargetList(target, tuple(x.name for x in image.loads if x.reexport)))
        first = images[0][1]
        umbrella = tuple(text for kind, text in sub_commands(first) if kind == "LC_SUB_FRAMEWORK")
        clients = tuple(text for kind, text in sub_commands(first) if kind == "LC_SUB_CLIENT")
        targets = tuple(f"{image.arch.name}-macos" for _, image in images)
        return Stub(
            install_name=first.install_name or "",
            version=0,
            current=first.id_current_version or Version.of(0),
            compat=first.id_compatibility_version or Version.of(0),
            targets=targets,
            umbrella=(TargetList(targets, umbrella),) if umbrella else (),
            clients=(TargetList(targets, clients),) if clients else (),
            reexports=tuple(item for item in reexports if item.names),
            sections=tuple(sections),
        )

    def exports(self, path: str, arch: str, platform: Platform = Platform.MACOS) -> dict[str, StubExport]:
        """Return what a library itself exports for an architecture, by name; empty if the SDK has no such library.

        Raises:
            InputError: The stub can no longer be read.
        """
        stub = self.stub(path)
        if stub is None:
            return {}
        word = "maccatalyst" if platform is Platform.MAC_CATALYST else "macos"
        key = (self.canonical(path) or path, f"{arch}-{word}")  # two stubs may call themselves by one wrong name
        found = self._exports.get(key)
        if found is None:
            found = self._exports[key] = {export.name: export for export in stub.exports(arch, word)}
        return found

    def providers(self, symbols: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Return the libraries that export each symbol themselves for any architecture, sorted; nothing for none.

        A stub is parsed only if one of the names stands in its text.

        Raises:
            InputError: A stub can no longer be read.
        """
        wanted = {symbol: _bare_name(symbol).encode("utf-8", "surrogateescape") for symbol in symbols}
        found: dict[str, list[str]] = {}
        for name in self.libraries() if wanted else ():
            place = self.index.libraries[name]
            if not place.macho:
                data = self._text(place)
                if not any(text in data for text in wanted.values()):
                    continue
            stub = self.stub(name)
            listed = {e.name for section in stub.sections for e in section.exports} if stub is not None else set()
            for symbol in wanted.keys() & listed:
                found.setdefault(symbol, []).append(name)
        return {symbol: tuple(names) for symbol, names in found.items()}

    def quality(self, catalogue: EmbeddedCatalogue) -> SdkQuality:
        """Compare the SDK with itself and with what is known of its macOS.

        A sysroot of a few libraries is compared with nothing: it holds what its maker meant it to.
        """
        names = self.index.libraries
        whole = len(names) >= SMALL
        missing: list[str] = []
        if whole and self.version is not None:
            for name in catalogue.libraries():
                if is_private_framework(name) or not name.startswith(("/usr/lib/", FRAMEWORKS)):
                    continue
                if name.startswith(SWIFT_LIBRARIES) or name in names:
                    continue  # usr/lib/swift is left out so often that it has a mark of its own
                if catalogue.find(name, self.version).presence is Presence.PRESENT:
                    missing.append(name)
        stripped = []
        for name in _UMBRELLAS if whole else ():
            if name in names and self.version is not None and catalogue.reexports(name, self.version):
                stub = self.stub(name)
                if stub is not None and not stub.reexports:
                    stripped.append(name)
        return SdkQuality(
            libraries=len(names),
            files=self.index.files,
            text_links=self.index.text_links,
            duplicates=self.index.duplicates,
            dangling=self.index.dangling,
            unreadable=self.index.unreadable,
            stripped=tuple(stripped),
            missing=tuple(missing),
            no_swift=whole and not any(name.startswith(SWIFT_LIBRARIES) for name in names),
        )
