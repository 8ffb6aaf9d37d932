"""The user's description of the modelled Mac, and where on it the files of this machine stand."""

# A host path is the raw string the system or the user gave; pathlib would rewrite it, and costs more than the look.
# ruff: noqa: PTH100, PTH110, PTH112, PTH114, PTH116, PTH118, PTH206

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from machochain.model.errors import InputError, UsageError
from machochain.model.paths import HostPath, TargetPath
from machochain.model.value import evolve, field, frozen
from machochain.world.filesystem import byte_length, components
from machochain.world.host import HostFileSystem, Mount, MountState, MountTree

if TYPE_CHECKING:
    from machochain.model.artifact import Limits

OS_PREFIXES: Final = ("/usr/lib", "/System", "/Library/Apple")
"""What the operating system owns: of this machine's own tree nothing below these is ever looked at."""
_LINKS_OF_LINUX: Final = ("/lib", "/lib32", "/lib64", "/libx32")
"""Links into /usr that no Mac has: with them ``lib/libx.dylib`` would lead from / into the OS's own directory."""

StrPath = str | os.PathLike[str]


def _host(path: StrPath) -> HostPath:
    if isinstance(path, (str, os.PathLike)):
        found = os.fspath(path)
        if isinstance(found, str):
            return HostPath(found)
    raise UsageError(f"a path of this machine is a text or a pathlib.Path, not {path!r}")


def _target(path: str) -> TargetPath:
    text = os.fspath(path) if isinstance(path, (str, os.PathLike)) else None
    if isinstance(text, str):
        return TargetPath(text)
    raise UsageError(f"a path on the modelled Mac is a text, not {path!r}")


def _optional_host(path: StrPath | None) -> HostPath | None:
    return None if path is None else _host(path)


def _optional_target(path: str | None) -> TargetPath | None:
    return None if path is None else _target(path)


def _maps(
    maps: Mapping[str, StrPath] | Iterable[tuple[str, StrPath]],
) -> tuple[tuple[TargetPath, HostPath], ...]:
    pairs = list(maps.items() if isinstance(maps, Mapping) else _several(maps))
    if not all(isinstance(pair, (tuple, list)) and len(pair) == 2 for pair in pairs):
        raise UsageError("maps is a mapping of target paths to paths of this machine, or pairs of these")
    return tuple((_target(target), _host(host)) for target, host in pairs)


def _several(values: Any) -> Iterable[Any]:
    """Return what was meant by one value where several may be given: a text is one path, not its letters."""
    if isinstance(values, (str, os.PathLike)):
        return (values,)
    if isinstance(values, Iterable) and not isinstance(values, (bytes, bytearray)):
        return values
    raise UsageError(f"paths are expected, not {values!r}")


def _targets(paths: Iterable[str] | str) -> tuple[TargetPath, ...]:
    return tuple(_target(path) for path in _several(paths))


def _hosts(paths: Iterable[StrPath] | StrPath) -> tuple[HostPath, ...]:
    return tuple(_host(path) for path in _several(paths))


@frozen
class World:
    """The modelled Mac's files, as a user describes them.

    Without ``root`` this machine's own tree stands for the Mac's, with ``maps`` on top, except below `OS_PREFIXES`.
    Links such as ``/tmp -> private/tmp`` exist where that tree (or ``root``) has them; none is made up.

    Attributes:
        root: The directory of this machine that is ``/``; nothing outside it exists.
        maps: Pairs (target, host): the file or directory ``host`` appears at ``target``, the longest target wins.
            A mapping from target to host is accepted as well.
        at: Where the one input lies; an input file brings nothing of its own directory with it.
        unseen: Below these paths nobody can tell what is there, except where something is mapped deeper. What is mapped
            at exactly such a path is there; whatever else may be there, nobody can tell.
        beside: Of these, those where packages of others lie beside the one that was placed. What they hold nobody can
            tell, but where the package itself has what is looked for, a file of somebody else's is not expected.
        closed: Directories that hold nothing but what is mapped deeper and the input: temporary ones of a build tool.
        sdks: Directories of macOS SDKs on this machine.
        case_sensitive: Whether names that differ in case only are two names.
        limits: How much an archive among the inputs may cost, and how deep archives in one another are opened.
        timeout: How many seconds nothing may come from an address.
        materials: Whether an audit keeps what bills of materials tell: digests of the inputs' files, and what packages
            say of themselves.
    """

    root: HostPath | None = field(default=None, converter=_optional_host)
    maps: tuple[tuple[TargetPath, HostPath], ...] = field(default=(), converter=_maps)
    at: TargetPath | None = field(default=None, converter=_optional_target)
    unseen: tuple[TargetPath, ...] = field(default=(), converter=_targets)
    beside: tuple[TargetPath, ...] = field(default=(), converter=_targets)
    closed: tuple[TargetPath, ...] = field(default=(), converter=_targets)
    sdks: tuple[HostPath, ...] = field(default=(), converter=_hosts)
    case_sensitive: bool = False
    limits: Limits | None = None
    timeout: float = 60.0
    materials: bool = False

    def with_places(
        self, at: TargetPath | None, maps: tuple[tuple[TargetPath, HostPath], ...] = ()
    ) -> World:  # fmt: skip
        """Return the same Mac with the one input at a place, or with more mapped on it."""
        return evolve(self, at=at, maps=(*self.maps, *maps))


def parse_map(text: str) -> tuple[TargetPath, HostPath]:
    """Read ``TARGET=HOST``. The first ``=`` parts them, so HOST may hold more.

    Raises:
        UsageError: The text has another form.
    """
    target, equals, host = text.partition("=")
    if not (target.startswith("/") and equals and host):
        raise UsageError(f"not of the form /TARGET=HOST: {text!r}")
    return TargetPath(target), HostPath(host)


class WorldView(HostFileSystem):
    """The modelled Mac's files, open: a `FileSystem` that can be read, and that knows where inputs stand.

    Attributes:
        world: What it was opened from.
    """

    def __init__(self, world: World, mounts: MountTree, places: _Places, inputs: Mapping[HostPath, TargetPath]) -> None:
        """Use `open_world`."""
        super().__init__(mounts)
        self.world = world
        self._places = places
        self._inputs = dict(inputs)

    def place(self, path: StrPath) -> TargetPath:
        """Return where a file or directory of this machine stands on the modelled Mac.

        An input that `open_world` was given stands where it was put; anything else below an input, a mapped host
        directory or the root stands at its place there.

        Args:
            path: A path of this machine; a link in the last place is meant itself.

        Raises:
            UsageError: It stands nowhere on the modelled Mac, or something else is mounted over it.
        """
        host = _host(path)
        known = self._inputs.get(host)
        if known is not None:
            return known
        target = self._places.find(host)
        if target is None:
            raise UsageError(f"{host} is not on the modelled Mac: say where it lies (--at or --map)")
        if not _shows(self, target, host):
            raise UsageError(f"{host} would be {target} on the modelled Mac, but something else is mapped there")
        return target


def open_world(world: World, inputs: Iterable[StrPath] = ()) -> WorldView:
    """Open the modelled Mac.

    Args:
        world: Its description. Relative host paths start at this process's working directory.
        inputs: Files and folders of this machine that the user asks about. They are on the modelled Mac whatever hides
            their place (an `OS_PREFIXES` or unseen prefix, another mapping).

    Returns:
        The view; it remembers what it looked up, so files that change later may not be noticed.

    Raises:
        UsageError: A path of ``world`` makes no sense, or an input has no place.
        InputError: An input does not exist.
    """
    mounts = MountTree(case_sensitive=world.case_sensitive)
    places = _Places(everything=world.root is None)
    _mount_base(world, mounts, places)
    _mount_maps(world, mounts, places)
    for prefix in world.closed:
        mount = mounts.at(_checked(prefix))
        mount.state, mount.host, mount.complete = MountState.EMPTY, None, True
    given = [_host(path) for path in inputs]
    if world.at is not None and len(set(given)) > 1:
        raise UsageError("--at names the place of one input, but there are several")
    placed = {path: _place_input(path, world.at, mounts, places) for path in given}
    return WorldView(world, mounts, places, placed)


def _mount_base(world: World, mounts: MountTree, places: _Places) -> None:
    if world.root is not None:
        root = _existing(world.root, "root")
        if not os.path.isdir(root):
            raise UsageError(f"the root {world.root} is not a directory")
        _mount_host(mounts.root, root)
        places.add(root, "/")
        return
    _mount_host(mounts.root, HostPath(os.path.abspath(os.sep)))
    for prefix in OS_PREFIXES:
        mounts.at(prefix).state = MountState.EMPTY
    for name in _LINKS_OF_LINUX:
        if os.path.islink(name):
            mounts.at(name).state = MountState.ABSENT


def _mount_maps(world: World, mounts: MountTree, places: _Places) -> None:
    """Mount what is mapped and what is unseen, the outer before the inner, so that the inner is seen."""
    explicit = {id(mounts.root)} if world.root is not None else set()
    wanted: list[tuple[int, bool, TargetPath, HostPath | None]] = [
        (len(components(_checked(target))), False, target, _existing(host, f"mapping of {target}"))
        for target, host in world.maps
    ]
    wanted += [(len(components(_checked(prefix))), True, prefix, None) for prefix in world.unseen]
    for depth, _, target, host in sorted(wanted, key=lambda item: item[:2]):
        mount = mounts.at(target)
        if host is None:
            # What the user mapped at this very place is there. This machine's own tree is no such evidence.
            if id(mount) in explicit:
                mount.complete = False
            else:
                mount.state, mount.host = MountState.UNSEEN, None
            continue
        if id(mount) in explicit:
            raise UsageError(f"{target} is given twice by --map or --root")
        if depth == 0 and not os.path.isdir(host):
            raise UsageError(f"{host} cannot be mapped at /: it is not a directory")
        explicit.add(id(mount))
        _mount_host(mount, host)
        places.add(host, target)


def _mount_host(mount: Mount, host: HostPath) -> None:
    mount.state, mount.host, mount.complete = MountState.HOST, host, True


def _place_input(path: HostPath, at: TargetPath | None, mounts: MountTree, places: _Places) -> TargetPath:
    if at is not None:
        host = HostPath(os.path.realpath(path))
        if not os.path.exists(host):
            raise InputError("no such file or directory", path=path)
        if not components(_checked(at)) and not os.path.isdir(host):
            raise UsageError(f"{path} cannot lie at /: it is not a directory")
        if at.endswith("/") and not os.path.isdir(host):
            # As cp has it: a directory to put the file into.
            at = TargetPath(at + path.rpartition("/")[2])
        _mount_host(mounts.at(at), host)
        places.add(host, at, first=True)
        return at
    target = places.find(path)
    if target is None:
        raise UsageError(f"{path} lies outside the modelled Mac's root: say where it lies (--at or --map)")
    if not _shows(HostFileSystem(mounts), target, path):
        host = HostPath(os.path.realpath(path))
        if not os.path.exists(host):
            raise InputError("no such file or directory", path=path)
        _mount_host(mounts.at(target), host)
        places.add(host, target)
    return target


def _shows(files: HostFileSystem, target: TargetPath, host: HostPath) -> bool:
    """Whether the modelled Mac shows this very file of the host at a target path."""
    shown = files.stands_at(target)
    if shown is None:
        return False
    try:
        return os.path.samestat(os.lstat(shown), os.lstat(host))
    except OSError:
        # Behind a link that leads elsewhere on this machine than on the modelled Mac, only the latter counts.
        return True


def _existing(host: HostPath, what: str) -> HostPath:
    real = HostPath(os.path.realpath(host))
    if not os.path.exists(real):
        raise UsageError(f"the {what} does not exist: {host}")
    return real


def _checked(target: str) -> str:
    if not target.startswith("/") or ".." in target.split("/") or not byte_length(target):
        raise UsageError(f"not an absolute path without '..': {target!r}")
    return target


class _Places:
    """Which directories and files of this machine stand where on the modelled Mac."""

    def __init__(self, *, everything: bool) -> None:
        """Begin with nothing mapped; ``everything``: what is not mapped stands at its own path."""
        self._everything = everything
        self._targets: dict[tuple[int, int], str] = {}
        self._directories: dict[str, str | None] = {}

    def add(self, host: HostPath, target: str, *, first: bool = False) -> None:
        """Note a place; of several places of one host path the first noted counts, or one added as ``first``."""
        status = os.stat(host)
        identity = status.st_dev, status.st_ino
        if first or identity not in self._targets:
            self._targets[identity] = "/".join(["", *components(target)])
            self._directories.clear()

    def find(self, path: HostPath) -> TargetPath | None:
        """Return the place of a host path: its place below the nearest directory that has one.

        The path counts as spelt before it counts as it really is, because a link inside a root leads somewhere else
        on the modelled Mac than on this machine.
        """
        if self._targets:
            for spelling in _spellings(path):
                target = self._of(spelling, follow=False)
                if target is not None:
                    return TargetPath(target or "/")
                parent, name = os.path.split(spelling)
                above = self._of_directory(parent)
                if above is not None and parent != spelling:
                    return TargetPath(f"{above}/{name}")
        return TargetPath(next(_spellings(path))) if self._everything else None

    def _of_directory(self, directory: str) -> str | None:
        """Return the place of a directory, links followed; each directory is asked about once."""
        passed: list[tuple[str, str]] = []
        while directory not in self._directories:
            target = self._of(directory, follow=True)
            parent, name = os.path.split(directory)
            if target is not None or parent == directory:
                self._directories[directory] = target
                break
            passed.append((directory, name))
            directory = parent
        target = self._directories[directory]
        for below, name in reversed(passed):
            self._directories[below] = target = None if target is None else f"{target}/{name}"
        return target

    def _of(self, host: str, *, follow: bool) -> str | None:
        try:
            status = os.stat(host) if follow else os.lstat(host)
        except (OSError, ValueError):
            return None
        return self._targets.get((status.st_dev, status.st_ino))


def _spellings(path: HostPath) -> Iterator[str]:
    """Yield a path made absolute: as spelt, with the links above its last name resolved, with all resolved."""
    if ".." not in path.split(os.sep):
        yield os.path.abspath(path)
    directory, name = os.path.split(path)
    if name not in ("", ".", ".."):
        yield os.path.join(os.path.realpath(directory or "."), name)
    yield os.path.realpath(path)
