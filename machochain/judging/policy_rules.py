"""MC231 to MC233, MC410 to MC412 and MC510: what the policy of a project asks for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from machochain.findings.evident import of_binary
from machochain.findings.remedies import drop_run_path
from machochain.judging.policy import Expectations, Policy, matches
from machochain.model.audit import AuditBinary
from machochain.model.paths import leaf, printable
from machochain.model.platform import Platform
from machochain.model.result import Finding, LoadedImage, Origin, Result, Severity
from machochain.model.shell import quoted


def broken_expectations(binary: AuditBinary, asked: Expectations) -> Iterator[Finding]:
    """Return what one slice lacks, libraries left out: they need the process."""
    yield from _versions(binary, asked)
    yield from _run_paths(binary, asked)
    yield from _architectures(binary, asked)


def _versions(binary: AuditBinary, asked: Expectations) -> Iterator[Finding]:
    build = binary.image.build
    name = printable(leaf(binary.place))
    if build is not None and build.platform != Platform.MACOS:
        return  # versions of another system
    minos = build.minos if build is not None else None
    if asked.minos is not None:
        low, high = asked.minos.low, asked.minos.high
        if high is not None and minos is not None and minos > high:
            yield of_binary(
                "MC231", Severity.ERROR, binary, f"minos {minos}",
                f"{name} ({binary.arch}) needs macOS {minos}, the policy allows {high} at most",
                (f"build it with MACOSX_DEPLOYMENT_TARGET={high}",), minos=str(minos), max=str(high),
            )  # fmt: skip
        if low is not None and (minos is None or minos < low):
            yield of_binary(
                "MC232", Severity.WARNING, binary, f"minos {minos}",
                f"{name} ({binary.arch}) is built for macOS {minos or '(none)'}, the policy wants {low} or newer",
                (f"build it with MACOSX_DEPLOYMENT_TARGET={low}",),
                minos=str(minos) if minos is not None else None, min=str(low),
            )  # fmt: skip
    if asked.sdk is not None:
        sdk = build.sdk if build is not None else None
        low, high = asked.sdk.low, asked.sdk.high
        if sdk is None or (low is not None and sdk < low) or (high is not None and sdk > high):
            span = f"{low or ''}..{high or ''}"
            yield of_binary(
                "MC233", Severity.WARNING, binary, f"sdk {sdk}",
                f"{name} ({binary.arch}) is built with sdk {sdk or '(not recorded)'}, the policy wants {span}",
                ("build it with an SDK of that range",), sdk=str(sdk) if sdk is not None else None,
                min=str(low) if low is not None else None, max=str(high) if high is not None else None,
            )  # fmt: skip


def _run_paths(binary: AuditBinary, asked: Expectations) -> Iterator[Finding]:
    for run_path in binary.image.run_paths:
        path = run_path.path
        if asked.forbid_run_paths is not None and matches(path, asked.forbid_run_paths):
            why = "matches forbid-run-paths"
        elif asked.allow_run_paths is not None and not matches(path, asked.allow_run_paths):
            why = "is not among allow-run-paths"
        else:
            continue
        yield of_binary(
            "MC411", Severity.ERROR, binary, path,
            f"the run path {printable(path)} of {printable(leaf(binary.place))} {why}",
            drop_run_path(path, binary.place), command=run_path.command_index, why=why,
        )  # fmt: skip


def _architectures(binary: AuditBinary, asked: Expectations) -> Iterator[Finding]:
    for arch in asked.archs or ():
        if arch in binary.slices:
            continue
        yield of_binary(
            "MC510", Severity.ERROR, binary, arch,
            f"{printable(leaf(binary.place))} has no {arch} slice (it has {', '.join(binary.slices)})",
            (f"lipo -create -output {quoted(binary.place)} {quoted(binary.place)} OTHER-{arch}",),
            slices=list(binary.slices),
        )  # fmt: skip


def broken_library_rules(
    result: Result, policy: Policy, binaries: Mapping[tuple[str, str], AuditBinary], *, is_root: bool
) -> Iterator[Finding]:
    """Return which libraries of a process are not allowed, and which are required and absent.

    Args:
        result: The process.
        policy: What is asked.
        binaries: The input's slices by place and architecture.
        is_root: Whether required libraries are looked for in this process.
    """
    for load in result.loads:
        source = result.images[load.source]
        binary = _of(source, binaries)
        if binary is None:
            continue
        asked = policy.of(binary.path)
        serving = result.images[load.to] if load.to is not None else None
        why = _forbidden(load.dylib.name, serving, asked, binaries)
        if why is None:
            continue
        yield of_binary(
            "MC410", Severity.ERROR, binary, load.dylib.name,
            f"{printable(leaf(binary.place))} links {printable(load.dylib.name)}, which {why}",
            ("ship the library inside the input, link it statically, or do not link it",),
            command=None if load.inserted else load.dylib.command_index, why=why,
            found=serving.path if serving is not None else None,
        )  # fmt: skip
    if is_root:
        yield from _required(result, policy, binaries)


def _forbidden(
    name: str, serving: LoadedImage | None, asked: Expectations, binaries: Mapping[tuple[str, str], AuditBinary]
) -> str | None:
    inside = _of(serving, binaries) if serving is not None else None
    texts = _names(name, serving, inside)
    if asked.forbid_libraries is not None and any(matches(text, asked.forbid_libraries) for text in texts):
        return "matches forbid-libraries"
    if asked.allow_libraries is None or inside is not None:
        return None
    if (serving is not None and serving.origin is Origin.OS) or name.startswith(("/usr/lib/", "/System/")):
        return None
    if any(matches(text, asked.allow_libraries) for text in texts):
        return None
    return "is neither the system's, nor inside the input, nor among allow-libraries"


def _names(name: str, serving: LoadedImage | None, inside: AuditBinary | None) -> tuple[str, ...]:
    more = (serving.path, serving.install_name or "") if serving is not None else ()
    return (name, *more, *((inside.path,) if inside is not None else ()))


def _required(result: Result, policy: Policy, binaries: Mapping[tuple[str, str], AuditBinary]) -> Iterator[Finding]:
    subject = next((i for i in result.images if i.path == result.path), result.images[0])
    root = _of(subject, binaries)
    if root is None:
        return
    wanted = policy.of(root.path).required_libraries or ()
    texts = [
        text
        for load in result.loads
        for serving in (result.images[load.to] if load.to is not None else None,)
        for text in _names(load.dylib.name, serving, _of(serving, binaries) if serving is not None else None)
    ]
    for glob in wanted:
        if not any(matches(text, (glob,)) for text in texts):
            yield of_binary(
                "MC412", Severity.ERROR, root, glob,
                f"{printable(leaf(root.place))} ({root.arch}) loads no library that matches {printable(glob)}",
                ("link the library",), required=glob,
            )  # fmt: skip


def _of(image: LoadedImage, binaries: Mapping[tuple[str, str], AuditBinary]) -> AuditBinary | None:
    if image.origin is not Origin.DISK or image.image is None:
        return None
    return binaries.get((image.path, image.image.arch.name))
