"""What a program linked from an archive will load: Go's package archives, c-archives and plain static libraries.

A package archive says it itself, by its cgo pragmas. Any other archive has lost its link flags; what it needs is told
by its undefined symbols, looked up backwards in the SDK or the catalogue. Then dyld's rules are applied to the program
to come, as to any other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Protocol

from machochain.dyld.config import HARDENED, UNRESTRICTED, process_config
from machochain.dyld.profile import profile_for
from machochain.golang.archive import read_archive as read_go
from machochain.golang.buildinfo import read_traces
from machochain.golang.flags import refused_ldflags
from machochain.golang.predict import Found, predict_link, search_paths
from machochain.graph.driver import walk
from machochain.graph.mac import Mac
from machochain.graph.resolve import Inspector, Target, with_verdict
from machochain.macho.archive import Archive, MemberKind, member_source, read_archives
from machochain.macho.details import sections
from machochain.macho.kind import FileKind, kind_of
from machochain.macho.reader import read_source, slice_reader
from machochain.macho.symtab import defined_symbols, undefined_symbols
from machochain.model.arch import Arch
from machochain.model.errors import InputError
from machochain.model.filesystem import Node, NodeKind, Presence, SymbolAnswer
from machochain.model.go import GoArchive
from machochain.model.image import (
    BuildVersion,
    DefectKind,
    FileType,
    HeaderFlag,
    Image,
    LinkedDylib,
    LinkEdit,
    RunPath,
)
from machochain.model.ospaths import LIBSYSTEM
from machochain.model.paths import TargetPath
from machochain.model.platform import Platform
from machochain.model.prediction import Prediction
from machochain.model.reading import ByteSource
from machochain.model.result import LoadedImage, MissingSymbol, Origin, Result, Unknown, UnknownKind
from machochain.model.value import define, evolve, field, frozen
from machochain.model.version import Version
from machochain.tbd.reader import is_stub
from machochain.tbd.reader import read as read_stubs

_GOARCH: Final = {"arm64": "arm64", "amd64": "x86_64", "386": "i386"}
_WEAK_REFERENCE: Final = 0x40
"""N_WEAK_REF of ``n_desc``: the program can do without."""
_STUB_LIMIT: Final = 16 << 20
_IN_SDK: Final = re.compile(r".*\.sdk(?=/)")
_UMBRELLA: Final = re.compile(r"/System/Library/Frameworks/([^/]+)\.framework/")
_FRAMEWORK: Final = re.compile(r"/System/Library/Frameworks/([^/]+)\.framework/(?:Versions/[^/]+/)?\1")
_LIBRARY: Final = re.compile(r"/usr/lib/lib([^/]+?)((?:\.[0-9A-Z]+)*)\.dylib")


class SymbolFinder(Protocol):
    """What the OS exports, asked in both directions."""

    def lookup(self, library: str, symbol: str, macos: Version, arch: str | None = None) -> SymbolAnswer:
        """Say whether a library provides a symbol."""
        ...

    def providers(self, symbols: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
        """Return the libraries that export each symbol themselves."""
        ...


def predict_archive(
    mac: Mac, node: Node, name: str, target: Target, symbols: SymbolFinder, *, stages: tuple[Inspector, ...] = ()
) -> Iterator[Result]:
    """Yield a result for each architecture of a static library and each release: that of the program to come.

    The program is taken to lie beside the archive, under its name without ``.a``: run paths that begin with
    ``@loader_path`` depend on that place.

    Args:
        mac: The modelled Mac.
        node: The archive on it.
        name: What the user called the archive.
        target: The process.
        symbols: What the OS exports.
        stages: What to add to each result, in order.

    Raises:
        InputError: The archive cannot be read, or has nothing for that architecture.
    """
    with mac.files.opened(node) as source:
        archives = read_archives(source)
        contents = [content for archive in archives for content in _contents(archive, source)]
        if contents:
            contents += [
                _Contents(a.arch, None, facts=[a.error.text])
                for a in archives
                if a.arch is not None and a.error is not None and not a.members
            ]
    chosen = [c for c in contents if target.arch is None or c.arch.name == target.arch]
    if not chosen:
        have = ", ".join(dict.fromkeys(c.arch.name for c in contents)) or "no object file"
        raise InputError(f"nothing in it that could be linked for {target.arch or 'a Mac'} (it has {have})", path=name)
    for content in chosen:
        for macos in target.macos:
            link = _package_link(content, mac, macos) if content.package else _symbol_link(content, symbols, mac, macos)
            yield _result(mac, node, name, content, link, macos, target, stages)


@define
class _Contents:
    """What the objects of one architecture say.

    Attributes:
        arch: The architecture.
        go: What Go put into the archive; None if Go did not make it.
        go_version: The Go release that made it, by a header or by the build information of a c-archive's ``go.o``.
        minos: Member name and its oldest release, in file order.
        defined: Symbols the members define.
        wanted: Symbols the members need, in order; True where they can do without.
        facts: What could not be read.
    """

    arch: Arch
    go: GoArchive | None
    go_version: str | None = None
    minos: list[tuple[str, Version]] = field(factory=list)
    defined: set[str] = field(factory=set)
    wanted: dict[str, bool] = field(factory=dict)
    facts: list[str] = field(factory=list)

    @property
    def package(self) -> bool:
        return self.go is not None and self.go.kind == "package"


_CUT: Final = frozenset({DefectKind.COMMANDS_EXCEED_FILE, DefectKind.WALK, DefectKind.SEGMENT_BEYOND_FILE})
"""What is wrong with a member of which a part is not there: symbols of it may be lost."""


def _contents(archive: Archive, source: ByteSource) -> Iterator[_Contents]:  # noqa: C901  # the order of its steps is the rule
    go = read_go((m.name, member_source(source, m).read) for m in archive.members)
    found: dict[str, _Contents] = {}
    if go is not None and go.objects:
        arch = _GOARCH.get(go.objects[0].goarch)
        if arch is not None:
            found[arch] = _Contents(Arch.named(arch), go, go.version)
    facts = [f"{archive.error.text} (at offset {archive.error.offset:#x})"] if archive.error is not None else []
    if go is not None:
        facts += [f"{each.member}: {fact.text}" for each in go.objects for fact in each.facts]
    for member in archive.members:
        if member.kind not in (MemberKind.MACHO, MemberKind.UNIVERSAL):
            continue
        content = member_source(source, member)
        try:
            file = read_source(content)
        except InputError as error:
            facts.append(f"{member.name}: {error}")
            continue
        for piece in file.slices:
            image = piece.image
            if image is None:
                facts.append(f"{member.name}: {piece.error}")
                continue
            every = defined_symbols(image, read := slice_reader(content, piece))
            lost = [d.text for d in image.defects if d.kind in _CUT] + [d.text for d in every.defects]
            facts += [f"{member.name}: {text}" for text in lost[:1]]
            here = found.setdefault(image.arch.name, _Contents(image.arch, go, go.version if go is not None else None))
            if go is not None and go.kind == "c-archive" and here.go_version is None:
                build = read_traces(image, sections(image), read).build
                here.go_version = build.release if build is not None else None
            if image.build is not None and image.build.platform == Platform.MACOS:
                here.minos.append((member.name, image.build.minos))
            here.defined.update(s.name for s in every.entries)
            for symbol in undefined_symbols(image, read).entries:
                weak = bool(symbol.desc & _WEAK_REFERENCE)
                here.wanted[symbol.name] = weak and here.wanted.get(symbol.name, True)
    for each in found.values():
        each.facts += facts
        yield each


@frozen
class _Link:
    """What the linker would write: (install name, weak) pairs and run paths; and why."""

    loads: tuple[tuple[str, bool], ...]
    run_paths: tuple[str, ...]
    prediction: Prediction


# -- package archives --


def _package_link(content: _Contents, mac: Mac, macos: Version) -> _Link:
    go = content.go
    assert go is not None

    def find(kind: str, name: str, directories: Sequence[str]) -> Found | None:
        for path in search_paths(kind, name, directories):
            found = _linkable(mac, path, macos, content.arch)
            if found is not None:
                return found
        return None

    link = predict_link(go.directives, find, lambda path: mac.look(path).presence is Presence.PRESENT)
    loads = {each.name: each.weak for each in link.loads}
    # Go's runtime needs it in every program.
    loads.setdefault(LIBSYSTEM, False)
    sources = tuple((each.name, each.source) for each in link.loads)
    prediction = Prediction(
        kind="package",
        go_version=content.go_version,
        sources=sources,
        from_imports=link.from_imports,
        unresolved=link.unresolved,
        static=link.static,
        refused=tuple(" ".join(r.words) for r in refused_ldflags(go.ld_flags)),
        members=tuple(content.minos),
        directories=link.directories,
        facts=tuple(content.facts),
    )
    return _Link(tuple(loads.items()), link.run_paths, prediction)


def _linkable(mac: Mac, path: str, macos: Version, arch: Arch) -> Found | None:
    """Return what the linker gets from one path: a stub, a dylib, an archive; of the OS also what no disk shows."""
    node = mac.look(path) if path.startswith("/") else None
    if node is not None and node.presence is Presence.PRESENT and node.kind is NodeKind.FILE:
        first = mac.first_bytes(node, 64)
        if is_stub(first):
            return _stub(mac, node, path, arch)
        if kind_of(first) is FileKind.ARCHIVE:
            return path, None
        file = mac.read(node)
        if not isinstance(file, InputError):
            images = [s.image for s in file.slices if s.image is not None and s.image.arch.cputype == arch.cputype]
            if images:
                return path, images[0].install_name if images[0].file_type == FileType.MH_DYLIB else None
        return None
    inner = _IN_SDK.sub("", path)
    if inner.endswith(".a"):
        return None
    stem = inner.removesuffix(".tbd")
    named = stem if ".framework/" in stem else f"{stem.removesuffix('.dylib')}.dylib"
    answer = mac.find_system(named, macos)
    return (path, answer.path) if answer.presence is Presence.PRESENT else None


def _stub(mac: Mac, node: Node, path: str, arch: Arch) -> Found | None:
    try:
        stubs = read_stubs(mac.first_bytes(node, min(node.size, _STUB_LIMIT)), path)
    except InputError:
        return None
    fitting = [s for s in stubs if s.serves(arch.name)]
    return (path, fitting[0].install_name) if fitting else None


# -- archives without flags --


def _symbol_link(content: _Contents, symbols: SymbolFinder, mac: Mac, macos: Version) -> _Link:
    wanted = {name: weak for name, weak in content.wanted.items() if name not in content.defined}
    offered = symbols.providers(wanted)
    choices: dict[str, dict[str, None]] = {}
    unprovided = []
    for name, weak in wanted.items():
        providers = offered.get(name, ())
        if any(p == LIBSYSTEM or p.startswith("/usr/lib/system/") for p in providers):
            continue
        if symbols.lookup(LIBSYSTEM, name, macos, content.arch.name).presence is Presence.PRESENT:
            continue
        there = [p for p in providers if symbols.lookup(p, name, macos, content.arch.name).presence is Presence.PRESENT]
        linkable = dict.fromkeys(p for each in there or providers if (p := _public(each, mac, macos)) is not None)
        if linkable:
            choices[name] = linkable
        elif not weak:
            unprovided.append(name)
    libraries = _cover(choices)
    by_library = {path: [n for n, c in choices.items() if path in c] for path in libraries}
    prediction = Prediction(
        kind="c-archive" if content.go is not None else "static library",
        go_version=content.go_version,
        sources=tuple((path, _some(names)) for path, names in by_library.items()),
        flags=tuple(_flags(libraries, mac, macos)),
        unprovided=tuple(unprovided),
        members=tuple(content.minos),
        facts=tuple(content.facts),
    )
    return _Link((*((path, False) for path in libraries), (LIBSYSTEM, False)), (), prediction)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _public(path: str, mac: Mac, macos: Version) -> str | None:
    """Return the library one links with to get at another: itself, or the framework it is a part of."""
    if _LIBRARY.fullmatch(path) or _FRAMEWORK.fullmatch(path):
        return path
    umbrella = _UMBRELLA.match(path)
    if umbrella is None:
        return None
    name = umbrella.group(1)
    return mac.find_system(f"/System/Library/Frameworks/{name}.framework/{name}", macos).path


def _cover(choices: Mapping[str, Mapping[str, None]]) -> list[str]:
    """Return few libraries that provide all symbols: those nothing else can stand for first, then the most useful."""
    libraries = dict.fromkeys(next(iter(c)) for c in choices.values() if len(c) == 1)
    left = [c for c in choices.values() if not libraries.keys() & c.keys()]
    while left:
        counted: dict[str, int] = {}
        for choice in left:
            for path in choice:
                counted[path] = counted.get(path, 0) + 1
        best = min(counted, key=lambda path: (-counted[path], len(path), path))
        libraries[best] = None
        left = [c for c in left if best not in c]
    return list(libraries)


def _flags(libraries: Iterable[str], mac: Mac, macos: Version) -> Iterator[str]:
    """Yield what to write on the link line, libraries before frameworks as Go's own flags have them."""
    frameworks = []
    for path in libraries:
        framework = _FRAMEWORK.fullmatch(path)
        if framework is not None:
            frameworks.append(f"-framework {framework.group(1)}")
            continue
        match = _LIBRARY.fullmatch(path)
        assert match is not None
        plain = mac.find_system(f"/usr/lib/lib{match.group(1)}.dylib", macos).path == path
        yield f"-l{match.group(1)}" if plain else f"-l{match.group(1)}{match.group(2)}"
    yield from frameworks


# -- the program to come --


def _result(
    mac: Mac,
    node: Node,
    name: str,
    content: _Contents,
    link: _Link,
    macos: Version,
    target: Target,
    stages: tuple[Inspector, ...],
) -> Result:
    assert node.real is not None
    image = _program(content.arch, link, macos)
    main = LoadedImage(0, TargetPath(node.real.removesuffix(".a")), Origin.DISK, image=image)
    security = HARDENED if target.hardened else UNRESTRICTED
    profile = profile_for(macos)
    config = process_config(profile, macos, image, main.path, security=security, environment=target.environment)
    walked = walk(mac, main, config, cwd=target.cwd)
    unprovided = link.prediction.unprovided
    unknowns = [*walked.unknowns]
    if unprovided:
        them = "it" if len(unprovided) == 1 else "them"
        words = f"no library of the OS has {_some(unprovided)}: what else is linked must define {them}"
        unknowns.append(Unknown(UnknownKind.NOT_LINKED, (words,)))
    if link.prediction.unresolved:
        words = f"nothing was found for {', '.join(link.prediction.unresolved)}"
        unknowns.append(Unknown(UnknownKind.NOT_LINKED, (words,)))
    result = Result(
        input=name,
        path=node.real,
        arch=content.arch.name,
        file_type="MH_EXECUTE",
        macos=macos,
        hardened=config.hardened,
        launches=True,
        message=walked.message,
        images=walked.images,
        loads=walked.loads,
        missing_symbols=tuple(
            MissingSymbol(symbol, 0, None, unknown="no library of the OS has it") for symbol in unprovided
        ),
        unknowns=tuple(unknowns),
        prediction=link.prediction,
    )
    # Nobody has linked it: other objects and flags go in as well, so the best that can be said is "unknown".
    unlinked = Unknown(
        UnknownKind.NOT_LINKED, ("what else is linked into the program, and with which flags, is not known",)
    )
    result = with_verdict(evolve(result, unknowns=(*result.unknowns, unlinked)))
    for stage in stages:
        result = stage(result, walked, config, mac)
    return result


def _program(arch: Arch, link: _Link, macos: Version) -> Image:
    minos = max((version for _, version in link.prediction.members), default=Version.of(11))
    return program_to_come(arch, link.loads, link.run_paths, macos, minos)


def program_to_come(
    arch: Arch, named: Sequence[tuple[str, bool]], run_paths: Sequence[str], macos: Version, minos: Version
) -> Image:
    """Return the header of a program that was linked just now.

    Args:
        arch: Its architecture.
        named: Install names it loads, and whether weakly.
        run_paths: Its LC_RPATHs; a linker drops one that is given again.
        macos: The release whose SDK it was linked with.
        minos: The oldest release it says it runs on.
    """
    loads = tuple(
        LinkedDylib(
            command_index=index,
            command="LC_LOAD_WEAK_DYLIB" if weak else "LC_LOAD_DYLIB",
            name=name,
            ordinal=index + 1,
            current_version=Version.of(0),
            compatibility_version=Version.of(0),
            timestamp=2,
        )
        for index, (name, weak) in enumerate(named)
    )
    texts = dict.fromkeys(run_paths)
    return Image(
        arch,
        FileType.MH_EXECUTE,
        HeaderFlag.MH_NOUNDEFS | HeaderFlag.MH_DYLDLINK | HeaderFlag.MH_TWOLEVEL | HeaderFlag.MH_PIE,
        uuid=bytes(16),
        builds=(BuildVersion("LC_BUILD_VERSION", Platform.MACOS, minos, macos),),
        loads=loads,
        run_paths=tuple(RunPath(len(loads) + index, text) for index, text in enumerate(texts)),
        # Every linker signs what it makes for arm64.
        linkedit=LinkEdit(code_signature=(0, 0)),
        has_entry=True,
    )
