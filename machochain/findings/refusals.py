"""MC3xx: what newer macOS refuses, and which rule one of dyld's refusals belongs to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from types import MappingProxyType
from typing import Final

from attrs import evolve

from machochain.dyld.policy import MACOS_12, VALIDATES_DYLIBS, VALIDATES_MAIN, Refusal, first_refusal, refusals
from machochain.findings.draft import Draft
from machochain.findings.remedies import drop_run_path, is_go, sign
from machochain.model.image import Defect, Image, Question
from machochain.model.paths import leaf, printable
from machochain.model.result import LoadedImage, Severity
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

_UNIVERSAL: Final = (
    r"fat header (too large|malformed)|fat file (has too many|too short)|truncated fat|slice headers extend"
    r"|slice extends beyond|^slice \d+ extends|overlapping slices|duplicate \S+ slices|slice is not page aligned"
    r"|in slice \(\S+\) does not match|MachO header exceeds"
)
# In the words of dyld-940 to 1378: why a file that lies at a path does not serve. The first that fits counts.
_BY_TEXT: Final = (
    ("MC309", _UNIVERSAL),
    ("MC103", r"incompatible architecture|missing compatible architecture|wrong architecture|no matching arch"),
    ("MC104", r"incompatible platform|not built for platform"),
    ("MC105", r"cannot link against a? ?(bundle|main)|unloadable mach-o file type|not a dylib|wrong filetype"),
    ("MC108", r"hardened program|cannot override a protected|^unsafe use of"),
    ("MC107", r"open\(\) failed|stat\(\) failed with errno=13|errno=13\b"),
    ("MC106", r"^\Z|^not a (mach-o )?file|not valid mach-o|file too short|unknown file type"),
    ("MC301", r"missing LC_UUID"),
    ("MC302", r"duplicate LC_RPATH"),
    ("MC303", r"duplicate linked dylib"),
    ("MC304", r"missing LC_LOAD_DYLIB"),
    ("MC306", r"SG_READ_ONLY"),
    ("MC305", r"segment permissions is not"),
    ("MC307", r"duplicate segment name|out of order|^section .* end address"),
)
_pattern = cache(re.compile)  # most runs meet few of them


def is_miss(reason: str, *, classic: bool) -> bool:
    """Whether an attempt failed because nothing lies at the path.

    Args:
        reason: dyld's words.
        classic: Whether dyld2 (macOS 11) spoke: it has no words for a file that is not there.
    """
    if reason.startswith(("no such file", "errno=", "stat() failed")):
        return not reason.removesuffix(", not in dyld cache").endswith("errno=13")
    return classic and not reason


def rule_of_reason(reason: str) -> str:
    """Return the rule for a file that was refused with dyld's words."""
    return next((rule for rule, pattern in _BY_TEXT if _pattern(pattern).search(reason)), "MC308")


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
    text = None if told else first_refusal(header, macos, main=main, path=image.path)
    if text is not None:
        # dyld2 and dyld-940 to 1245 have checks and words of their own
        yield Draft(
            rule_of_reason(text), Severity.ERROR, image.path, None, text,
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
    quoted_names = re.findall(r"'([^']*)'", defect.text)
    if defect.question in {Question.NO_DUPLICATE_RPATHS, Question.NO_DUPLICATE_DYLIBS} and quoted_names:
        return str(quoted_names[0])
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
