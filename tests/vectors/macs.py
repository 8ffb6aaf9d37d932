"""The Mac of a vector, and the process that runs on it."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import evolve, frozen

from machochain.dyld.config import ProcessConfig, Security, process_config
from machochain.dyld.profile import profile_of_tag
from machochain.graph.mac import Mac
from machochain.graph.walked import image_of
from machochain.model.errors import InputError
from machochain.model.filesystem import Presence, SymbolAnswer, SystemAnswer, SystemLibraries
from machochain.model.paths import TargetPath
from machochain.model.result import LoadedImage
from machochain.model.version import Version
from machochain.world.memory import MemoryFileSystem
from machochain.world.system.opening import open_system
from tests.vectors.reading import Vector, tree

_OPTIONS = ("at_paths", "path_variables", "fallback_paths", "embedded_variables", "failed_insertion")


@frozen
class System:
    """The OS libraries of a vector, each with the names it answers to, and what they export."""

    names: Mapping[str, str]
    exports: Mapping[str, frozenset[str]]

    @classmethod
    def of(cls, vector: Vector) -> System:
        exports = {path: frozenset(names) for path, names in vector.get("os_exports", {}).items()}
        names = {path: path for path in (*vector.get("os", ()), *exports)}
        names |= {alias: path for path, aliases in vector.get("os", {}).items() for alias in aliases}
        return cls(names, exports)

    def find(self, path: str, macos: Version) -> SystemAnswer:
        real = self.names.get(path)
        return SystemAnswer(Presence.ABSENT) if real is None else SystemAnswer(Presence.PRESENT, TargetPath(real))

    def lookup(self, library: str, symbol: str, macos: Version, arch: str | None = None) -> SymbolAnswer:
        if symbol in self.exports.get(library, ()):
            return SymbolAnswer(Presence.PRESENT, TargetPath(library), present_in=macos)
        return SymbolAnswer(Presence.ABSENT, absent_in=macos, present_in=Version.of(99), why="the vector's OS lacks it")


@frozen
class Process:
    """A process of a vector before anything is loaded."""

    mac: Mac
    main: LoadedImage
    config: ProcessConfig
    cwd: str


def security_of(vector: Vector) -> Security:
    given = vector["security"]
    return Security(**{name: given[name] for name in dir(Security()) if name in given and not name.startswith("_")})


def process_of(vector: Vector, *, catalogue: bool = False) -> Process:
    """Set up the Mac and the process of a vector.

    Args:
        vector: The vector.
        catalogue: Take the OS libraries that are shipped, not those of the vector.
    """
    system: SystemLibraries = open_system() if catalogue else System.of(vector)
    mac = Mac(MemoryFileSystem(tree(vector), case_sensitive=True), system)
    node = mac.look(vector["main"])
    file = mac.read(node)
    assert not isinstance(file, InputError), file
    pieces = [s for s in file.slices if s.image is not None]
    named = [s for s in pieces if s.arch.name == vector["arch"]]
    main = image_of(node, (named or pieces)[0], 0)
    assert main.image is not None
    config = process_config(
        profile_of_tag(vector["dyld"]),
        Version.parse(vector["macos"]),
        main.image,
        main.path,
        security=security_of(vector),
        environment=vector["env"],
    )
    if vector.get("cache_type") == "production":
        config = evolve(config, production_cache=True)
    return Process(mac, main, config, vector["cwd"])
