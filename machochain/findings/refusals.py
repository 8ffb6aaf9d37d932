"""MC3xx: what newer macOS refuses, and which rule one of dyld's refusals belongs to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from attrs import evolve

from machochain.dyld.policy import MACOS_12, VALIDATES_DYLIBS, VALIDATES_MAIN, Refusal, first_refusal, refusals
from machochain.findings.draft import Draft
from machochain.findings.remedies import drop_run_path, is_go, sign
from machochain.model.image import Defect, DefectKind, Image, Question
from machochain.model.paths import leaf, printable
from machochain.model.result import LoadedImage, Severity
from machochain.model.search import Objection, ObjectionKind
from machochain.model.shell import quoted
from machochain.model.version import Version

_BY_QUESTION: Final[Mapping[Question, str]] = MappingProxyType(
    {
        Question.ALWAYS: "MC308",
        Question.HAS_UUID: "MC301",
        Question.NO_DUPLICATE_RPATHS: "MC302",
        Question.NO_DUPLICATE_DYLIBS: "MC303",
        Question.HAS_LINKED_DYLIBS: "MC304",
        Question.TEXT_PERMISSIONS: "MC305",
        Question.READ_ONLY_LINKEDIT: "MC305",
        Question.DATA_PERMISSIONS: "MC305",
        Question.DATA_CONST_PERMISSIONS: "MC305",
        Question.DATA_CONST_READ_ONLY: "MC306",
        Question.SECTIONS_IN_SEGMENT: "MC307",
        Question.UNIQUE_SEGMENT_NAMES: "MC307",
        Question.SEGMENT_ORDER: "MC307",
        Question.MAIN_FLAGS: "MC310",
    }
)

_BY_KIND: Final[Mapping[ObjectionKind, str]] = MappingProxyType(
    {
        ObjectionKind.UNIVERSAL: "MC309",
        ObjectionKind.WRONG_ARCHITECTURE: "MC103",
        ObjectionKind.WRONG_PLATFORM: "MC104",
        ObjectionKind.WRONG_FILE_TYPE: "MC105",
        ObjectionKind.RELATIVE_PATH: "MC108",
        ObjectionKind.PROTECTED: "MC108",
        ObjectionKind.STAT_FAILED: "MC107",
        ObjectionKind.OPEN_FAILED: "MC107",
        ObjectionKind.NOT_A_FILE: "MC106",
        ObjectionKind.EMPTY: "MC106",
        ObjectionKind.NOT_MACH_O: "MC106",
    }
)


def rule_of(objection: Objection) -> str:
    """Return the rule for a file that dyld refused."""
    if objection.kind is ObjectionKind.MALFORMED:
        return _BY_QUESTION[objection.question]
    return _BY_KIND.get(objection.kind, "MC308")


def image_refusals(image: LoadedImage, macos: Version, *, main: bool) -> Iterator[Draft]:
    """Yield a draft for each defect of an image that some dyld minds.

    Args:
        image: An image of the process.
        macos: The modelled release.
        main: Whether it is the main executable.
    """
    header = image.image
    if header is None or not (header.defects or macos < MACOS_12):
        return
    seen = set()
    told = False
    for refusal in refusals(header, main=main):
        if refusal.defect not in seen:
            seen.add(refusal.defect)
            draft = _draft(image, header, refusal, macos, main=main)
            if draft is not None:
                told = told or draft.severity is Severity.ERROR
                yield draft
    objection = None if told else first_refusal(header, macos, main=main, path=image.path)
    if objection is not None:
        text = objection.text
        # dyld2 and dyld-940 to 1245 have checks and words of their own
        yield Draft(
            rule_of(objection), Severity.ERROR, image.path, None, text,
            f"{printable(leaf(image.path))}: {printable(text)}; macOS {macos} refuses it", {"reason": text},
            ("link again with a current linker, and change nothing afterwards", sign(image.path)),
        )  # fmt: skip


def _draft(image: LoadedImage, header: Image, refusal: Refusal, macos: Version, *, main: bool) -> Draft | None:
    defect = refusal.defect
    build = header.build
    sdk = str(build.sdk) if build is not None and build.sdk is not None else None
    evidence = {
        "reason": defect.text,
        "sdk": sdk,
        "fatal_from_macos": str(refusal.macos) if refusal.macos is not None else None,
        "fatal_from_sdk": str(refusal.sdk) if refusal.sdk is not None else None,
    }
    kind = "main executable" if main else "library"
    if refusal.macos is None:
        if refusal.sdk is None:
            return None
        severity = Severity.INFO
        outlook = f"accepted as it is, but refused by current macOS once it is built with sdk {refusal.sdk} or newer"
    elif _refuses(header, defect, refusal, macos, main=main):
        severity = Severity.ERROR
        outlook = f"macOS {macos} refuses this {kind}"
    else:
        severity = Severity.WARNING
        outlook = f"macOS {_when(header, defect, refusal, main=main)} refuses this {kind}"
    return Draft(
        _BY_QUESTION[defect.question],
        severity,
        image.path,
        defect.command_index,
        _subject(defect),
        f"{printable(leaf(image.path))}: {printable(defect.text)}; {outlook}",
        evidence,
        _remedy(image.path, header, defect),
    )


def _refuses(header: Image, defect: Defect, refusal: Refusal, macos: Version, *, main: bool) -> bool:
    """Whether a release refuses the image for this very defect."""
    if refusal.macos == MACOS_12 and not main and MACOS_12 <= macos < VALIDATES_DYLIBS:
        return first_refusal(header, macos, main=main) is not None
    return macos >= VALIDATES_DYLIBS and first_refusal(evolve(header, defects=(defect,)), macos, main=main) is not None


def _when(header: Image, defect: Defect, refusal: Refusal, *, main: bool) -> str:
    """Return the releases that refuse the image for a defect, in words."""
    newest = first_refusal(evolve(header, defects=(defect,)), VALIDATES_MAIN, main=main) is not None
    return f"{refusal.macos} and newer" if newest else "15.4 to 15.6"


def _subject(defect: Defect) -> str:
    """Return what the defect is about: the name dyld quotes, or its words."""
    if defect.kind in {DefectKind.RUN_PATH_TWICE, DefectKind.DYLIB_TWICE}:
        return defect.subject or ""
    return defect.text


def _remedy(path: str, header: Image, defect: Defect) -> tuple[str, ...]:
    question = defect.question
    if question is Question.NO_DUPLICATE_RPATHS:
        return drop_run_path(_subject(defect), path)
    if question is Question.HAS_UUID:
        if is_go(header):
            return ("build with Go 1.24 or newer", "or go build -ldflags=-linkmode=external")
        return ("link again without -Wl,-no_uuid",)
    if question is Question.NO_DUPLICATE_DYLIBS:
        return (f"link {quoted(_subject(defect))} once",)
    if question is Question.HAS_LINKED_DYLIBS:
        return ("link with -lSystem",)
    return ("link again with a current linker, and change nothing afterwards", sign(path))
