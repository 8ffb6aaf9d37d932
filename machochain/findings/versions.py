"""MC2xx: versions of what is loaded together, and what the SDKs know."""

from __future__ import annotations

from collections.abc import Iterator

from machochain.dyld.facts import might_be_in_shared_cache
from machochain.findings.draft import Case, Draft, load_draft
from machochain.findings.sdk import has_rule_of_its_own
from machochain.model.filesystem import Presence
from machochain.model.image import BuildVersion
from machochain.model.paths import leaf, printable
from machochain.model.platform import Platform
from machochain.model.result import Confidence, Load, LoadedImage, Outcome, Severity


def _macos_build(image: LoadedImage) -> BuildVersion | None:
    build = image.image.build if image.image is not None else None
    return build if build is not None and build.platform == Platform.MACOS else None


def newer_dependencies(case: Case) -> Iterator[Draft]:
    """MC201: files with a higher minos than the image they are loaded for."""
    subject = case.subject
    own = _macos_build(subject)
    if own is None:
        return
    for image in case.files:
        build = _macos_build(image)
        if image.id <= subject.id or build is None or build.minos <= own.minos:
            continue
        message = (
            f"{printable(leaf(image.path))} is built for macOS {build.minos} and newer, "
            f"{printable(leaf(subject.path))} for {own.minos} and newer"
        )
        yield Draft(
            "MC201", Severity.WARNING, image.path, None, image.path, message,
            {"minos": str(build.minos), "loaded_for": subject.path, "loaded_for_minos": str(own.minos)},
            (
                f"build it with MACOSX_DEPLOYMENT_TARGET={own.minos}",
                f"or build {printable(leaf(subject.path))} for macOS {build.minos}",
            ),
        )  # fmt: skip


def is_unknown_to_every_sdk(case: Case, load: Load) -> bool:
    """Whether a load names a system path that no release is known to have, or known to lack."""
    if case.facts.find_system is None or not might_be_in_shared_cache(load.dylib.name):
        return False
    return all(a.presence is Presence.UNSEEN for a in case.facts.find_system(load.dylib.name))


def told_elsewhere(case: Case, load: Load) -> bool:
    """Whether a rule of its own says why a library of the OS may not be there."""
    facts = case.facts.os
    return facts is not None and has_rule_of_its_own(facts, load.dylib.name, case.requester(load).image)


def unknown_to_sdks(case: Case) -> Iterator[Draft]:
    """MC203: system libraries no SDK lists."""
    for load in case.survey.failed:
        if told_elsewhere(case, load):
            continue
        if load.outcome is Outcome.UNKNOWN and is_unknown_to_every_sdk(case, load):
            name = printable(load.dylib.name)
            message = f"{printable(leaf(case.requester(load).path))} loads {name}, which no known SDK lists"
            severity = Severity.INFO if load.dylib.weak else Severity.WARNING
            yield load_draft(
                "MC203", severity, case, load, message,
                ("check the name", "use a public library, or link weakly"), Confidence.LIKELY,
            )  # fmt: skip
