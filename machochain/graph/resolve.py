"""From a file on the modelled Mac to the results of its processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from os import PathLike, fspath
from typing import Final

from machochain.dyld.config import HARDENED, RESTRICTED, UNRESTRICTED, ProcessConfig, Security, process_config
from machochain.dyld.messages import not_valid_reason
from machochain.dyld.profile import NEWEST, parse_range, profile_for
from machochain.dyld.slices import opening_refusal
from machochain.graph.driver import walk, walk_library
from machochain.graph.mac import Mac
from machochain.graph.starting import (
    SliceSignature,
    Starting,
    changed_library,
    execution_of,
    has_profile,
    host_of,
    kernel_choice,
    needs_profile,
    validation_for,
)
from machochain.graph.walked import Walk, image_of
from machochain.kernel.libraries import MapRefusal
from machochain.kernel.libraries import refusal as library_refusal
from machochain.model.arch import CPU_ARM64, CPU_X86_64, arch_name
from machochain.model.errors import InputError, UsageError
from machochain.model.execution import ExecOutcome, ExecVerdict, Host, Launcher, Validation
from machochain.model.filesystem import Node, NodeKind, Presence
from machochain.model.frozen import FrozenDict, frozen_dict
from machochain.model.image import DefectKind, FileType, Image, MachOFile, Slice, file_type_name
from machochain.model.paths import TargetPath, shortened
from machochain.model.result import LoadedImage, Origin, Result, Unknown, UnknownKind
from machochain.model.signature import Signature, SignatureFlag
from machochain.model.value import evolve, field, frozen
from machochain.model.version import Version

LOADABLE: Final = frozenset({FileType.MH_EXECUTE, FileType.MH_DYLIB, FileType.MH_BUNDLE})
"""File types dyld has to do with."""

_ALLOW_DYLD: Final = "com.apple.security.cs.allow-dyld-environment-variables"


Release = str | int | Version


def _versions(values: Release | Iterable[Release]) -> tuple[Version, ...]:
    """Take releases as people have them: ``"15.4"``, ``15``, ``"12..26"``, versions, or several of these."""
    items = values if isinstance(values, Iterable) and not isinstance(values, str) else (values,)
    return tuple(dict.fromkeys(version for item in items for version in _releases(item)))


def _releases(value: Release) -> tuple[Version, ...]:
    if isinstance(value, Version):
        return (value,)
    if isinstance(value, str):
        return parse_range(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return parse_range(str(value))
    raise UsageError(f"a macOS release is a text such as '15.4' or '12..26', not {value!r}")


def _arch(value: str | None) -> str | None:
    if value is None or isinstance(value, str):
        return None if value is None else arch_name(value)
    raise UsageError(f"an architecture is a text such as 'arm64', not {value!r}")


def _target_path(value: str | PathLike[str] | None) -> TargetPath | None:
    if value is None:
        return None
    text = fspath(value) if isinstance(value, (str, PathLike)) else None
    if isinstance(text, str):
        return TargetPath(text)
    raise UsageError(f"a path on the modelled Mac is a text, not {value!r}")


def _directory(value: str | PathLike[str]) -> str:
    path = _target_path(value)
    if path is None or not path.startswith("/"):
        raise UsageError(f"the working directory is an absolute path of the modelled Mac, not {value!r}")
    return path


def _host(value: Host | str | None) -> Host | None:
    if value is None or value in [*Host, *(x.value for x in Host)]:
        return None if value is None else Host(value)
    raise UsageError(f"a Mac is 'apple-silicon' or 'intel', not {value!r}")


def _launcher(value: Launcher | str) -> Launcher:
    if value in [*Launcher, *(x.value for x in Launcher)]:
        return Launcher(value)
    raise UsageError(f"a launcher is 'shell' or 'spawn', not {value!r}")


def _environment(values: Mapping[str, str]) -> FrozenDict:
    if not isinstance(values, Mapping) or not all(isinstance(x, str) for pair in values.items() for x in pair):
        raise UsageError("the environment is a mapping of names to values, all of them text")
    return frozen_dict(values)


@frozen
class Target:
    """The process that is modelled.

    Attributes:
        macos: The releases to model, each a process of its own: versions, their text, ranges such as ``"12..26"``.
        arch: Only this slice of the main executable; None for each of them.
        environment: The process's environment; this machine's own is never read.
        cwd: Its working directory on the modelled Mac.
        hardened: Whether dyld is restricted; None to tell from signature and entitlements.
        main: For a dylib or bundle: target path of the executable that loads it.
        host: The Mac's processor; None for the one each slice is meant for. Given, a universal program runs the slice
            the kernel prefers there, unless ``arch`` asks for another.
        rosetta: Whether Rosetta is installed; None where nobody knows.
        launcher: Who starts the program: only words and signals differ.
        verify: Whether pages are held against the signature's hashes: True for all, False for none, None for those of
            header and load commands.
    """

    macos: tuple[Version, ...] = field(default=(NEWEST,), converter=_versions)
    arch: str | None = field(default=None, converter=_arch)
    environment: Mapping[str, str] = field(factory=FrozenDict, converter=_environment)
    cwd: str = field(default="/", converter=_directory)
    hardened: bool | None = None
    main: TargetPath | None = field(default=None, converter=_target_path)
    host: Host | None = field(default=None, converter=_host)
    rosetta: bool | None = None
    launcher: Launcher = field(default=Launcher.SHELL, converter=_launcher)
    verify: bool | None = None

    @property
    def starting(self) -> Starting:
        """How the modelled Mac starts programs."""
        return Starting(self.host, self.rosetta, self.launcher, self.verify, asked=self.arch is not None)


Inspector = Callable[[Result, Walk, ProcessConfig, Mac], Result]
"""A later stage that adds to a result: symbols, findings."""


def resolve_node(
    mac: Mac,
    node: Node,
    name: str,
    target: Target,
    *,
    stages: tuple[Inspector, ...] = (),
    without: frozenset[str] = frozenset(),
) -> Iterator[Result]:
    """Yield a result for each slice of a file and each release.

    Args:
        mac: The modelled Mac.
        node: The file on it.
        name: What the user called the file.
        target: The process.
        stages: What to add to each result, in order.
        without: LC_RPATHs of the file to leave out, as another link would.

    Raises:
        InputError: The file is no Mach-O file, or nothing dyld loads, or has no such slice.
        UsageError: A release that is not modelled.
    """
    file = mac.read(node)
    if isinstance(file, InputError):
        raise file.at(name)
    for piece in chosen_slices(file, target, name):
        original = piece
        walked: Walk | None = None
        if without and piece.image is not None:
            kept = tuple(r for r in piece.image.run_paths if r.path not in without)
            piece = evolve(piece, image=evolve(piece.image, run_paths=kept))  # noqa: PLW2901  # the file as another link makes it
        for macos in target.macos:
            result, walked, config = resolve_slice(mac, node, piece, name, macos, target, like=walked)
            if result.file_type == FileType.MH_EXECUTE.name:
                execution: ExecVerdict | None = _execution(mac, node, file, original, result, target)
            else:
                execution = _ended_by_page(mac, result, target)
            result = with_verdict(evolve(result, execution=execution)) if execution is not None else result
            for stage in stages:
                result = stage(result, walked, config, mac)
            yield result


def _execution(mac: Mac, node: Node, file: MachOFile, piece: Slice, result: Result, target: Target) -> ExecVerdict:
    """Return what the kernel does with the process, up to the last page it touches while dyld loads."""
    signature = mac.signature(node, piece, pages=target.verify)
    profile = has_profile(mac, result.path) if needs_profile(signature) else None
    verdict = execution_of(file, piece, result.path, result.macos, target.starting, signature, profile)
    if verdict.outcome is not ExecOutcome.DYLD or result.message is not None or target.verify is False:
        return verdict
    for image in result.images[1:]:
        bad = changed_library(mac, image, verdict, signature, result.macos, target.verify)
        if bad is not None:
            return bad
    return verdict


def _ended_by_page(mac: Mac, result: Result, target: Target) -> ExecVerdict | None:
    """Return how a process on Apple silicon ends that opens a library, if a page of one of its images was changed."""
    header = result.images[0].image
    if header is None or not header.arch.is_arm64 or result.message is not None or target.verify is False:
        return None
    blank = ExecVerdict(ExecOutcome.DYLD, Host.APPLE_SILICON, header.arch.name, launcher=target.launcher)
    for image in result.images:
        bad = changed_library(mac, image, blank, None, result.macos, target.verify)
        if bad is not None:
            return evolve(bad, shell_text=None)
    return None


def chosen_slices(file: MachOFile, target: Target, name: str) -> tuple[Slice, ...]:
    """Return the slices to model: all that are images, or the one that was named.

    Raises:
        InputError: There is none.
    """
    readable = [s for s in file.slices if s.image is not None]
    if not readable:
        error = next((s.error for s in file.slices if s.error), "no Mach-O image in it")
        raise InputError(error, path=name, offset=file.slices[0].offset if file.slices else 0)
    if target.arch is not None:
        readable = [s for s in readable if s.image is not None and s.image.arch.name == target.arch]
        if not readable:
            have = ", ".join(s.arch.name for s in file.slices)
            raise InputError(f"has no {target.arch} slice (it has {have})", path=name)
    loadable = tuple(s for s in readable if s.image is not None and s.image.file_type in LOADABLE)
    if target.host is not None and target.arch is None and file.universal:
        loadable = _on_host(file, loadable, target.host)
    if not loadable:
        kind = readable[0].image.file_type if readable[0].image is not None else 0
        raise InputError(f"{file_type_name(kind)} is nothing dyld loads", path=name)
    return loadable


def _on_host(file: MachOFile, loadable: tuple[Slice, ...], host: Host) -> tuple[Slice, ...]:
    """Leave of a program the slice that this Mac starts, or the first where it starts none; libraries keep theirs."""
    programs = [s for s in loadable if s.image is not None and s.image.is_main_executable]
    if not programs:
        return loadable
    chosen = kernel_choice(file, host)
    return (next((s for s in programs if s is chosen), programs[0]),)


def resolve_slice(
    mac: Mac, node: Node, piece: Slice, name: str, macos: Version, target: Target, *, like: Walk | None = None
) -> tuple[Result, Walk, ProcessConfig]:
    """Model one process: one slice on one release; ``like`` is what the slice came to on another."""
    profile = profile_for(macos)
    image = image_of(node, piece, 0)
    header = image.image
    malformed: str | None = None
    assert header is not None
    if header.file_type == FileType.MH_EXECUTE:
        signed = mac.signature(node, piece, pages=target.verify)
        security = security_of(image, signed.signature, target.hardened)
        config = process_config(profile, macos, header, image.path, security=security, environment=target.environment)
        config = _shipped(_on_mac(config, signed, header, target))
        walked = walk(mac, image, config, cwd=target.cwd, like=like)
    else:
        main, security = _process_of(mac, image, target)
        config = process_config(
            profile,
            macos,
            main.image if main is not None and main.image is not None else header,
            main.path if main is not None else None,
            security=security,
            environment=target.environment,
        )
        if main is not None and main.image is not None:
            config = _on_mac(config, mac.signature(*_place_of(main), pages=target.verify), main.image, target)
        elif header.arch.is_arm64:
            # in whatever process: arm64 code is signed
            config = evolve(config, validation=Validation(signed=True, kills=True, pages=target.verify))
        config = _shipped(config)
        walked = walk_library(mac, image, config, main=main, cwd=target.cwd, like=like)
        walked = _mappable(mac, node, piece, image, config, walked)
        walked, malformed = _whole(mac, node, config, walked)
    result = Result(
        input=name,
        path=image.path,
        arch=header.arch.name,
        file_type=file_type_name(header.file_type),
        macos=macos,
        hardened=config.hardened,
        launches=True,
        message=None if walked.message is None else shortened(walked.message),
        images=walked.images,
        loads=walked.loads,
        unknowns=walked.unknowns,
        malformed=malformed,
    )
    if config.validation.team is None:
        unknowns = tuple(_other_teams(mac, result, config))
        result = evolve(result, unknowns=(*result.unknowns, *unknowns))
    return with_verdict(result), walked, config


def _mappable(mac: Mac, node: Node, piece: Slice, image: LoadedImage, config: ProcessConfig, walked: Walk) -> Walk:
    """Say what dyld says of a library that is opened and that the kernel does not let be mapped."""
    refused = mac.refuses_to_map(node, piece, config)
    if image.image is None or not isinstance(refused, MapRefusal) or walked.message is not None:
        return walked
    return evolve(walked, message=not_valid_reason(config.profile, image.image, image.path, refused.value).text)


def _whole(mac: Mac, node: Node, config: ProcessConfig, walked: Walk) -> tuple[Walk, str | None]:
    """Say what dyld says of a universal file that it opens and takes nothing of, and what is wrong with it."""
    file = mac.read(node)
    refused = None if isinstance(file, InputError) else opening_refusal(file, config)
    if isinstance(file, InputError) or refused is None:
        return walked, None
    return evolve(walked, message=refused.text), file.defects[0].text if file.defects else refused.text


def _other_teams(mac: Mac, result: Result, config: ProcessConfig) -> Iterator[Unknown]:
    """Yield the libraries a process takes only if library validation is off, which nobody knows."""
    strict = evolve(config.validation, team=True)
    for image in result.images[1:]:
        if image.origin is Origin.DISK and image.image is not None:
            library = mac.signature(*_place_of(image), pages=False).library(config.macos)
            if library_refusal(strict, library) is not None:
                yield Unknown(UnknownKind.LIBRARY_VALIDATION, (image.path, result.images[0].path))


def _shipped(config: ProcessConfig) -> ProcessConfig:
    """Take the shared cache of macOS 11 for one of type production, whose libraries nothing overrides.

    Which kind was shipped no source says; one of type development is what Apple installs for its own.
    """
    return evolve(config, production_cache=True) if config.profile.classic else config


def _on_mac(config: ProcessConfig, signature: SliceSignature, main: Image, target: Target) -> ProcessConfig:
    """Add what the kernel demands of libraries, and what Rosetta changes."""
    host = host_of(main.arch, config.macos, target.starting)
    translated = host is Host.APPLE_SILICON and main.arch.is_x86_64
    validation = validation_for(signature, main.arch, config.macos, translated=translated)
    return evolve(config, validation=evolve(validation, pages=target.verify), haswell=config.haswell and not translated)


def _place_of(image: LoadedImage) -> tuple[Node, Slice]:
    """Return where an image lies."""
    node = Node(Presence.PRESENT, NodeKind.FILE, image.path, image.identity, image.host)
    assert image.image is not None
    return node, Slice(image.image.arch, image.slice_offset, image.slice_size, 0, image.image)


def with_verdict(result: Result) -> Result:
    """Settle whether the process launches: kernel, signature and dyld together. Every command's answer is this one.

    What the kernel refuses never gets as far as dyld, so that dyld has no message then. Where nobody can tell what the
    kernel does, only dyld's refusal is certain.
    """
    execution = result.execution
    if execution is not None and execution.starts is False:
        return evolve(result, launches=False, message=None)
    header = result.images[0].image
    if header is not None and header.arch.cputype not in (CPU_ARM64, CPU_X86_64):
        return evolve(result, launches=False, message=None)
    if result.message is not None:
        return evolve(result, launches=False)
    cut_short = _cut_short(result) if execution is None else _cut_short(result, 1)
    unknowns = (*result.unknowns, *cut_short)
    if execution is not None and execution.starts is None:
        unknowns = (*unknowns, Unknown(UnknownKind.KERNEL, (result.path, execution.why)))
    return evolve(result, launches=None if unknowns else True, unknowns=tuple(dict.fromkeys(unknowns)))


def _cut_short(result: Result, first: int = 0) -> Iterator[Unknown]:
    """Yield what is unknown of each image whose file ends within a segment, where dyld itself does not look.

    dyld asks for the ends of segments only where it validates an image; for the rest the kernel decides what it maps.
    """
    for image in result.images[first:]:
        for defect in image.image.defects if image.image is not None else ():
            if defect.kind is DefectKind.SEGMENT_BEYOND_FILE:
                yield Unknown(UnknownKind.CUT_SHORT, (image.path, defect.text))
                break


def _process_of(mac: Mac, library: LoadedImage, target: Target) -> tuple[LoadedImage | None, Security]:
    """Return the executable that loads a library, if one was named, and what AMFI allows it."""
    if target.main is None:
        return None, HARDENED if target.hardened else UNRESTRICTED
    node = mac.look(target.main)
    if node.presence is not Presence.PRESENT or node.kind is not NodeKind.FILE:
        raise UsageError(f"--main {target.main}: no such file on the modelled Mac")
    file = mac.read(node)
    if isinstance(file, InputError):
        raise file.at(target.main)
    assert library.image is not None
    for piece in file.slices:
        if piece.image is not None and piece.image.arch.cputype == library.image.arch.cputype:
            if piece.image.file_type != FileType.MH_EXECUTE:
                raise UsageError(f"--main {target.main}: {file_type_name(piece.image.file_type)} is no main executable")
            main = image_of(node, piece, 0)
            return main, security_of(main, signature_of(mac, node, piece), target.hardened)
    raise UsageError(f"--main {target.main}: has no slice for {library.image.arch.name}")


def signature_of(mac: Mac, node: Node, piece: Slice) -> Signature | None:
    """Return the code signature of a slice; None if it has none or it cannot be read."""
    if piece.image is None or piece.image.linkedit.code_signature is None:
        return None
    return mac.signature(node, piece, pages=False).signature


def security_of(main: LoadedImage, signature: Signature | None, hardened: bool | None) -> Security:
    """Return what AMFI allows a main executable, by its section, signature and entitlements.

    AMFI's rules are not published. What stands here is what dyld's own tests, its fallback for old kernels
    (dyld-852.2, dyld2.cpp: configureProcessRestrictions()) and logs of hardened programs show.
    """
    if hardened is False:
        return UNRESTRICTED
    header = main.image
    if header is not None and header.restricted:
        return RESTRICTED
    if hardened:
        return HARDENED
    if signature is None:
        return UNRESTRICTED
    flags = signature.flags
    if flags & SignatureFlag.RESTRICT and not flags & SignatureFlag.LIBRARY_VALIDATION:
        return RESTRICTED
    if flags & SignatureFlag.RUNTIME and not signature.entitlements.get(_ALLOW_DYLD):
        return HARDENED
    return UNRESTRICTED
