"""From what a Mac printed back to a Mac that prints it.

A record holds what one failure's message says. The Mac is inferred from it by the rules below, each the inverse of one
of dyld's; nothing is looked up per record. Then the model must say the same again, path for path and word for word.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from attrs import define, evolve, field, frozen

from machochain.dyld.config import HARDENED, UNRESTRICTED, Security, process_config
from machochain.dyld.profile import profile_for
from machochain.graph.driver import open_library, walk
from machochain.graph.mac import Mac
from machochain.graph.walked import Dlopen, Walk
from machochain.model.arch import CPU_POWERPC, Arch
from machochain.model.filesystem import Node, Presence
from machochain.model.paths import TargetPath
from machochain.model.version import Version
from machochain.world.memory import MemoryFileSystem
from tests.factory import bundle, dylib, executable, fat
from tests.graph.modelled import CRYPTEX, LIBSYSTEM, Libraries, image_at

Record = Mapping[str, Any]
Tried = list[tuple[str, str]]

_SIGNATURE = re.compile(
    r"code signature in <(?P<uuid>[0-9A-F-]{36})> '(?P<path>.*)' not valid for use in process: (?P<kernel>.*)\Z",
    re.DOTALL,
)
_OLD_SIGNATURE = re.compile(
    r"code signature in \((?P<path>.*)\) not valid for use in process using Library Validation: (?P<kernel>.*)\Z",
    re.DOTALL,
)
_ARCHS = re.compile(
    r"(?P<fat>fat file|mach-o file), but .*\(have ['(](?P<have>[^')]*)[')], need ['(](?P<need>.*)[')]\)\Z"
)
_DUPLICATE = re.compile(r"duplicate LC_RPATH '(?P<path>.*)'\Z")
_ERRNO = re.compile(r"(?:stat\(\) failed with )?errno=(?P<errno>\d+)(?:, not in dyld cache)?\Z")


def era_of(record: Record) -> str:
    return str(record["form"]).partition("/")[0]


def tried_of(record: Record) -> Tried:
    return [(path, reason) for path, reason in record["tried"] or ()]


def infer_macos(record: Record, tried: Tried) -> str:
    """Return the release: what the record states, else the oldest one whose wording fits.

    A stated release is kept as far as the wording allows: posters name what they run, and the message what ran.
    """
    era, form = era_of(record), str(record["form"])
    if era in {"dyld2", "dyld3"}:
        return "11"
    stated = _stated(record)
    text = " ".join(reason for _, reason in tried)
    if era == "dyld4-early":
        if form.endswith("/quoted") or "(have (" in text:
            return "12.5"
        slashed = record["loader"].startswith("dlopen(") and "tried" in form and "/" in record["library"]
        falls_back = any(posixpath.dirname(p) == "/usr/lib" for p, _ in tried[1:])
        fits = ("12", "12.2") if slashed and falls_back else ("12", "12.4") if not slashed else ("12.3", "12.4")
        return _within(stated, *fits)
    if any(path.startswith(CRYPTEX + "@") for path, _ in tried):
        return _within(stated, "13", "13.2")
    need = _ARCHS.search(text)
    if "arm64e.v1" in text:
        return _within(stated, "26", "26.9")
    if any(x in text for x in ("slice is not valid mach-o file", "duplicate LC_RPATH", "missing LC_UUID")):
        return _within(stated, "15.4", "26.9")
    if need is not None and need["need"] == "arm64":
        return _within(stated, "13.3", "14.3")
    if need is not None and need["need"] in {"arm64e' or 'arm64", "arm64e"}:
        return _within(stated, "14.4", "15.6")
    return _within(stated, "13.3", "26.9")


def _stated(record: Record) -> str | None:
    match = re.match(r"\d+(?:\.\d+){0,2}", str(record.get("macos") or ""))
    return match[0] if match else None


def _within(stated: str | None, low: str, high: str) -> str:
    if stated is None:
        return low
    version = Version.parse(stated)
    return stated if Version.parse(low) <= version <= Version.parse(high) else low


@frozen
class Fallbacks:
    """What the tail of a list tells: whether default fallback directories were used, and whether all of them."""

    used: bool
    shortened: bool


def infer_fallbacks(path: str, tried: Tried) -> Fallbacks:
    """A list that ends below ``/usr/lib`` or ``/System/Library/Frameworks`` ends with the default fallbacks.

    Of the two directories the first is left out in a hardened process, and where it would name the load path itself.
    """
    name = path.rpartition("/")[2]
    last = tried[-1][0] if tried else ""
    for first, second in (("/usr/local/lib", "/usr/lib"), ("/Library/Frameworks", "/System/Library/Frameworks")):
        if last.startswith(second + "/") and last != path and (len(tried) > 1 or "/" in path):
            rest = last[len(second) :]
            before = tried[-2][0] if len(tried) > 1 else ""
            full = before == first + rest or path == first + rest or first + "/" + name == path
            return Fallbacks(used=True, shortened=not full)
    return Fallbacks(used=False, shortened=False)


@define
class Scene:
    """A Mac under construction.

    Attributes:
        macos: The release.
        tree: Path to content, link target or None.
        kernel: What the kernel says to mapping a file.
        errnos: Paths whose look-up fails, with the error.
        main: The main executable's path.
        arch: The process's architecture.
        sdk: The sdk of every image.
        security: What AMFI allows.
        cwd: Working directory.
        haswell: Whether an Intel process sees a new processor.
        opened: What the process opens with dlopen.
        mode: The mode of that call.
        inserted: DYLD_INSERT_LIBRARIES.
        fallbacks: DYLD_FALLBACK_LIBRARY_PATH.
    """

    macos: str
    main: str
    arch: str = "arm64"
    sdk: str = "15.0"
    security: Security = UNRESTRICTED
    cwd: str = "/"
    haswell: bool = True
    tree: dict[str, bytes | str | None] = field(factory=dict)
    kernel: dict[str, str] = field(factory=dict)
    errnos: dict[str, int] = field(factory=dict)
    opened: str | None = None
    mode: int = 2
    inserted: str | None = None
    fallbacks: tuple[str, ...] = ()


class DenyingFileSystem(MemoryFileSystem):
    """A tree in which some look-ups fail with an error of their own (a sandbox says EPERM)."""

    def __init__(self, tree: Mapping[str, bytes | str | None], errnos: Mapping[str, int]) -> None:
        super().__init__(tree)
        self._errnos = errnos

    def look(self, path: TargetPath) -> Node:
        errno = self._errnos.get(path)
        return super().look(path) if errno is None else Node(Presence.ABSENT, errno=errno)


def play(scene: Scene) -> Walk:
    """Run the model on a scene."""
    system = Libraries({LIBSYSTEM: LIBSYSTEM} if LIBSYSTEM not in scene.errnos else {})
    mac = Mac(DenyingFileSystem(scene.tree, scene.errnos), system, unmappable=scene.kernel)
    main = image_at(mac, scene.main)
    assert main.image is not None
    version = Version.parse(scene.macos)
    environment = {"DYLD_INSERT_LIBRARIES": scene.inserted} if scene.inserted else {}
    if scene.fallbacks:
        environment["DYLD_FALLBACK_LIBRARY_PATH"] = ":".join(scene.fallbacks)
    config = process_config(
        profile_for(version), version, main.image, main.path, security=scene.security, environment=environment
    )
    config = evolve(config, haswell=scene.haswell)
    if scene.opened is None:
        return walk(mac, main, config, cwd=scene.cwd)
    return open_library(mac, main, config, Dlopen(scene.opened, scene.mode), cwd=scene.cwd)


def replay(record: Record) -> tuple[Walk, Tried]:
    """Rebuild the Mac of a record with a list of attempts; return what the model says, and the list.

    If the model's list is the beginning of the record's, the rest tells more. Directories that hold the leaf, each
    tried once, are DYLD_FALLBACK_LIBRARY_PATH. Else the rest is the second group: the load path's directory is a link
    to where it begins, or a relative load path starts there.
    """
    scene = infer_scene(record)
    path, expected = record["library"], tried_of(record)
    walked = play(scene)
    got = attempts(walked, path, scene)
    same = next((i for i, (one, other) in enumerate(zip(got, expected, strict=False)) if one != other), len(got))
    rest = expected[same:]
    if rest and _custom_fallbacks(path, got[:same], got[same:], rest):
        scene.fallbacks = tuple(posixpath.dirname(p) for p, _ in rest)
    elif rest and _ends(got, same) and posixpath.basename(rest[0][0]) == posixpath.basename(path):
        relocate(scene, path, rest[0][0])
    else:
        return walked, got
    walked = play(scene)
    return walked, attempts(walked, path, scene)


def _ends(got: Tried, same: int) -> bool:
    """Whether the model's list has a first group only; a second one in ``/`` stands for another working directory."""
    return same == len(got) or got[same][0].startswith("//")


def _custom_fallbacks(path: str, group: Tried, defaults: Tried, rest: Tried) -> bool:
    """Whether one attempt per directory stands where the model has default fallbacks or nothing."""
    name = posixpath.basename(path)
    places = [p for p, _ in rest]
    if any(posixpath.basename(p) != name or p.startswith(CRYPTEX) for p in places) or len(set(places)) < 2:
        return False
    if len(set(places)) < len(places) or any(
        p.startswith("/usr/") and posixpath.dirname(p) in _FALLBACKS for p, _ in group
    ):
        return False
    return all(posixpath.dirname(p) in _FALLBACKS for p, _ in defaults)


def attempts(walked: Walk, path: str, scene: Scene) -> Tried:
    """What the model tried, as its message tells it: dyld2 keeps what is not there to itself."""
    load = next(x for x in reversed(walked.loads) if x.dylib.name == path and x.reason is not None)
    silent = Version.parse(scene.macos) < Version.of(12)
    return [(a.candidate.path, a.reason + a.suffix) for a in load.tried if a.reason or not silent]


def relocate(scene: Scene, path: str, resolved: str) -> None:
    """Make ``resolved`` the real path of a load path whose file is not there."""
    if not path.startswith("/"):
        scene.cwd = resolved.removesuffix("/" + path)
        scene.tree.setdefault(posixpath.dirname(resolved), None)
        return
    old, new = posixpath.dirname(path), posixpath.dirname(resolved)
    while posixpath.basename(old) == posixpath.basename(new) and posixpath.dirname(old) != "/":
        deep = new
        old, new = posixpath.dirname(old), posixpath.dirname(new)
        scene.tree.setdefault(deep, None)
    scene.tree.setdefault(new, None)
    # What was put below the link lies where it points.
    scene.tree = {place: what for place, what in scene.tree.items() if not place.startswith(old + "/")}
    scene.tree[old] = new


def infer_scene(record: Record) -> Scene:
    """Infer the Mac of a record, its second group left out."""
    path, tried, loader, form = record["library"], tried_of(record), str(record["loader"]), str(record["form"])
    macos = infer_macos(record, tried)
    fallbacks = infer_fallbacks(path, tried)
    early = Version.parse(macos) < Version.of(13)
    opens = loader.startswith("dlopen(")
    direct = opens and "dependency" not in form
    scene = Scene(macos, main="/Applications/Model.app/Contents/MacOS/model")
    if record["referenced_from"] is None and not direct and loader != "DYLD_INSERT_LIBRARIES":
        record = {**record, "referenced_from": "/opt/model/model.so" if opens else scene.main}
    requester = record["referenced_from"]
    scene.sdk = "12.0" if fallbacks.used and not _asks_leaf(direct, path, tried) else "15.0"
    if fallbacks.shortened and (early or scene.sdk == "12.0"):
        scene.security = HARDENED
    if any(reason.startswith("relative path not allowed") for _, reason in tried):
        scene.security = HARDENED
    _infer_arch(scene, tried)
    if opens:
        scene.opened = path if direct else requester
        scene.mode = int(loader[7:-1], 0)
    elif loader == "DYLD_INSERT_LIBRARIES":
        scene.inserted = path
    owners = _owners(record, scene, early=early)
    _build_images(scene, record, owners, direct=direct)
    if not direct and not scene.inserted and requester and not _is_library(requester) and not opens:
        scene.main = requester
    elif path.startswith("@executable_path/") and tried:
        _move_main(scene, path[16:], tried[0][0], early=early)
    for attempt, reason in tried:
        _place_candidate(scene, attempt, reason, dlopened=direct)
    return scene


def _asks_leaf(direct: bool, path: str, tried: Tried) -> bool:
    """Whether the only path below ``/usr/lib`` is the one a bare name given to dlopen always gets."""
    return (
        direct
        and "/" not in path
        and sum(p == "/usr/lib/" + path for p, _ in tried) < 2
        and not any(p == "/usr/local/lib/" + path for p, _ in tried)
    )


def _is_library(path: str) -> bool:
    return bool(re.search(r"\.(dylib|so|bundle|node)\Z|\.framework/", path))


def _infer_arch(scene: Scene, tried: Tried) -> None:
    for _, reason in tried:
        match = _ARCHS.search(reason)
        if match is None:
            if "wrong architecture" in reason:
                scene.arch = "arm64"
            continue
        need = match["need"]
        early = Version.parse(scene.macos) < Version.of(13)
        if need.startswith("x86_64"):
            scene.arch, scene.haswell = "x86_64", need.startswith("x86_64h")
        else:
            scene.arch = "arm64e" if need == "arm64e" and not early else "arm64"


def _move_main(scene: Scene, tail: str, first: str, *, early: bool) -> None:
    """Put the main executable where ``@executable_path`` + tail is the first path that was tried."""
    depth = 0
    while not early and tail.startswith("/.."):
        tail, depth = tail[3:], depth + 1
    if not first.endswith(tail):
        return
    place = first.removesuffix(tail) + "/model" * (depth + 1)
    scene.tree[place] = scene.tree.pop(scene.main)
    scene.main = place


@frozen
class Owner:
    """An image of the run-path stack and its LC_RPATHs, as the attempts show them."""

    path: str
    run_paths: tuple[str, ...]


@frozen
class Owners:
    """Who gave the directories of an ``@rpath`` search: the requester outwards, and the main executable."""

    between: tuple[Owner, ...] = ()
    opened: Owner | None = None
    main: Owner | None = None


def _owners(record: Record, scene: Scene, *, early: bool) -> Owners:
    path = record["library"]
    if not path.startswith("@rpath/"):
        return Owners()
    tail, requester = path[6:], record["referenced_from"]
    directories: list[tuple[str, bool]] = []
    listed = tried_of(record)
    if any(p.startswith(CRYPTEX + "@") for p, _ in listed):
        listed = listed[: next(i for i, (p, _) in enumerate(listed) if p.startswith(CRYPTEX + "@"))]
    elif infer_fallbacks(path, listed).used:
        framework = ".framework/" in path
        names = {d + (tail if framework else "/" + posixpath.basename(path)) for d in _FALLBACKS}
        while listed and listed[-1][0] in names and len(directories) < len(_FALLBACKS):
            names.discard(listed[-1][0])
            listed = listed[:-1]
    for attempt, _ in listed:
        if not attempt.endswith(tail):
            continue
        directory = attempt[: -len(tail)] or "/"
        if not early and directories and directory == CRYPTEX + directories[-1][0]:
            directories[-1] = (directories[-1][0], True)
        else:
            directories.append((directory, False))
    rest, main = _doubled(directories)
    opened: list[tuple[str, bool]] = []
    if scene.opened is not None:
        rest, opened = _doubled(rest)
    is_main = scene.opened is None and not (requester and _is_library(requester))
    if is_main and rest and not main:
        # The program's own run paths stand there twice: what stands there once is DYLD_FALLBACK_LIBRARY_PATH.
        scene.fallbacks = tuple(posixpath.dirname(p) for p, _ in tried_of(record))
        rest = []
    is_main = is_main and not rest
    between = []
    for index, pair in enumerate(rest):
        place = requester if index == 0 and requester else f"{pair[0].partition('/..')[0]}/between{index}.dylib"
        between.append(Owner(place, (_run_path(pair, place, early=early, main=False),)))
    top = None
    if scene.opened is not None:
        place = scene.opened if not between else _place(opened, "opened.so", scene.opened)
        top = Owner(place, tuple(_run_path(p, place, early=early, main=False) for p in opened))
        scene.opened = place
    place = requester if is_main and requester else _place(main, "model", scene.main)
    scene.main = place
    owner = Owner(place, tuple(_run_path(p, place, early=early, main=True) for p in main))
    return Owners(tuple(between), top, owner)


_FALLBACKS = ("/System/Library/Frameworks", "/Library/Frameworks", "/usr/lib", "/usr/local/lib")


def _doubled(directories: list[tuple[str, bool]]) -> tuple[list[tuple[str, bool]], list[tuple[str, bool]]]:
    """Split off the longest tail that stands there twice: the stack holds that image twice."""
    for length in range(len(directories) // 2, 0, -1):
        if directories[-length:] == directories[-2 * length : -length]:
            return directories[: -2 * length], directories[-length:]
    return directories, []


def _place(directories: list[tuple[str, bool]], name: str, default: str) -> str:
    """Return where an image lies whose ``@loader_path`` gave a directory: dyld does not simplify what it joins."""
    for directory, literal in directories:
        if not literal and "/.." in directory:
            return f"{directory.partition('/..')[0]}/{name}"
    for directory, literal in directories:
        if not literal and directory.startswith("/"):
            return f"{directory}/{name}"
    return default


def _run_path(pair: tuple[str, bool], owner: str, *, early: bool, main: bool) -> str:
    """Return an LC_RPATH that an image at a place must have to make dyld look in a directory."""
    directory, literal = pair
    base = posixpath.dirname(owner)
    if literal or not directory.startswith("/"):
        return directory
    if directory == base or directory.startswith(base + "/"):
        return "@loader_path" + directory[len(base) :]
    if early:
        return directory
    # dyld-1042.1 on folds the dots behind @executable_path
    return "@executable_path/" + posixpath.relpath(directory, base) if main else directory


def _leaf_run_paths(scene: Scene, record: Record) -> tuple[str, ...]:
    """Return the main executable's run paths if a bare name was opened: they are tried as if behind ``@rpath``."""
    name, tried = record["library"], [p for p, _ in tried_of(record)]
    if "/" in name:
        return ()
    early = Version.parse(scene.macos) < Version.of(13)
    end = tried.index(name) if early and name in tried else 0
    if not early and "/usr/lib/" + name in tried:
        end = tried.index("/usr/lib/" + name)
    directories: list[tuple[str, bool]] = []
    for path in tried[:end]:
        directory = path.removesuffix("/" + name)
        if path in {name, CRYPTEX + name}:
            continue
        if directories and directory == CRYPTEX + directories[-1][0]:
            directories[-1] = (directories[-1][0], True)
        else:
            directories.append((directory, False))
    _, main = _doubled(directories)
    scene.main = _place(main, "model", scene.main)
    return tuple(_run_path(pair, scene.main, early=early, main=True) for pair in main)


def _build_images(scene: Scene, record: Record, owners: Owners, *, direct: bool) -> None:
    """Put main executable, opened library and requester into the tree, each linked to the next."""
    library, requester = record["library"], record["referenced_from"]
    stated = re.fullmatch(r"[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}", record["uuid"] or "")
    uuid = bytes.fromhex(stated[0].replace("-", "")) if stated else "auto"
    same = {"arch": scene.arch, "sdk": scene.sdk, "minos": "11.0"}
    if direct or scene.inserted:
        scene.tree[scene.main] = executable(rpaths=_leaf_run_paths(scene, record) if direct else (), **same)
        return
    main_rpaths = owners.main.run_paths if owners.main else ()
    requester_is_main = scene.opened is None and requester is not None and not _is_library(requester)
    if requester_is_main and not owners.between:
        scene.tree[requester] = executable(library, rpaths=main_rpaths, uuid=uuid, **same)
        return
    between = list(owners.between)
    if not between and requester != scene.opened:
        between = [Owner(requester, ())]
    wanted = library
    for index, owner in enumerate(between):
        scene.tree[owner.path] = dylib(
            owner.path, wanted, rpaths=owner.run_paths, uuid=uuid if index == 0 else "auto", **same
        )
        wanted = owner.path
    if scene.opened is not None:
        top = owners.opened.run_paths if owners.opened else ()
        scene.tree[scene.opened] = bundle(wanted, rpaths=top, uuid="auto" if between else uuid, **same)
        scene.tree[scene.main] = executable(rpaths=main_rpaths, **same)
    else:
        scene.tree[scene.main] = executable(wanted, rpaths=main_rpaths, **same)


def _place_candidate(scene: Scene, path: str, reason: str, *, dlopened: bool) -> None:
    """Put a file at a path that dyld found unfit, such that it is unfit in the same way."""
    if reason == "not a file" or reason.startswith("not a file,"):
        scene.tree.setdefault(path, None)
        return
    if reason.startswith(("no such file", "relative path not allowed")) or not path:
        if "/../" in path:
            scene.tree.setdefault(path.partition("/../")[0], None)
        return
    if errno := _ERRNO.match(reason):
        scene.errnos[path] = int(errno["errno"])
        return
    signature = _SIGNATURE.match(reason) or _OLD_SIGNATURE.match(reason)
    real = posixpath.normpath(path if signature is None else signature["path"])
    if signature is not None:
        scene.kernel[real] = signature["kernel"]
        if real != posixpath.normpath(path):
            scene.tree[posixpath.normpath(path)] = real
        if "/../" in path:
            scene.tree.setdefault(path.partition("/../")[0], None)
    scene.tree[real] = _unfit(scene, reason, signature, dlopened=dlopened)


def _unfit(scene: Scene, reason: str, signature: re.Match[str] | None, *, dlopened: bool) -> bytes:
    make: Callable[..., bytes] = bundle if dlopened else partial(dylib, "/made/up.dylib")
    groups = signature.groupdict() if signature is not None else {}
    if groups:
        uuid = bytes.fromhex(groups["uuid"].replace("-", "")) if "uuid" in groups else "auto"
        return make(arch=scene.arch, uuid=uuid)
    if match := _DUPLICATE.match(reason):
        return make(arch=scene.arch, rpaths=[match["path"]] * 2, sdk="26.0")
    if match := _ARCHS.match(reason):
        names = match["have"].split(",")
        if match["fat"] == "mach-o file":
            return make(arch=names[0])
        return _universal(names, make)
    if "wrong architecture" in reason:
        return make(arch="x86_64")
    if "universal wrapper" in reason:
        return _universal(["i386", "x86_64"], make)
    if reason == "missing LC_UUID load command":
        return make(arch=scene.arch, uuid=None, sdk="26.0")
    if reason.startswith("cannot link against bundle"):
        return bundle(arch=scene.arch)
    if not reason:
        return b""
    return b"no Mach-O file at all\n" * 500


_OTHER_ARCHS = {"unknown": (CPU_POWERPC, 0), "ppc": (CPU_POWERPC, 0), "armv7": (12, 9), "arm64_32": (0x0200000C, 1)}


def _universal(names: Iterable[str], make: Callable[..., bytes]) -> bytes:
    """A universal file; a name dyld does not know stands for PowerPC."""
    archs = [Arch.of(*_OTHER_ARCHS[n]) if n in _OTHER_ARCHS else Arch.named(n) for n in names]
    slices = [b"\xfe\xed\xfa\xce" + bytes(4092) if a.cputype == CPU_POWERPC else make(arch=a) for a in archs]
    return fat(slices, archs=archs)
