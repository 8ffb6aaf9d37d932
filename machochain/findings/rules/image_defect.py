"""MC301 to MC308 and MC310: defects of an image that some dyld minds. One table of dated questions tells them apart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machochain.dyld.policy import Refusal, fatal_defects, first_refusal, refusals
from machochain.dyld.profile import Profile, profile_for
from machochain.findings.draft import Draft, ReleaseCase
from machochain.findings.go_words import uuid_remedy
from machochain.findings.refusal import BY_QUESTION, rule_of
from machochain.findings.registry import of_release, register
from machochain.findings.remedies import advice, sign
from machochain.findings.rule import Rule
from machochain.findings.sources import LOAD_COMMANDS, POLICY, RESIGN
from machochain.model.image import Defect, DefectKind, Image, Question
from machochain.model.paths import leaf, printable
from machochain.model.remedy import Remedy, RemedyKind
from machochain.model.result import LoadedImage, Severity
from machochain.model.shell import quoted
from machochain.model.value import evolve
from machochain.model.version import Version


def _refused(id_: str, name: str, title: str, meaning: str, fix: tuple[str, ...], since: str, *issues: str) -> Rule:
    return Rule(
        id_,
        name,
        title,
        Severity.ERROR,
        meaning,
        "A macOS that refuses the file ends the process, or fails `dlopen`; older ones load it without a word.",
        (*fix, RESIGN),
        since=since,
        milder="warning if only another macOS than the modelled one refuses it; info if it would be refused only "
        "after a build with a newer sdk",
        references=(LOAD_COMMANDS, POLICY, *issues),
    )


UUID: Final = register(
    _refused(
        "MC301",
        "missing-uuid",
        "An image has no LC_UUID",
        "There is no LC_UUID load command.",
        (
            "Link again without `-Wl,-no_uuid`.",
            "Go: use Go 1.24 or newer without `-buildid=`, or `-ldflags=-linkmode=external`.",
        ),
        "macOS 15.4 for libraries and bundles built with sdk 12 or newer; macOS 26 for executables built with sdk 26",
        "golang/go#68678",
    )
)

RUN_PATH: Final = register(
    _refused(
        "MC302",
        "duplicate-run-path",
        "A run path is there twice",
        "Two LC_RPATH commands of one image hold the same text, byte for byte.",
        (
            "`install_name_tool -delete_rpath RUN_PATH FILE`; if `otool -l` then shows none, add it once.",
            "Find out who passes `-rpath` twice: CGO_LDFLAGS is repeated for each cgo package of a Go program.",
        ),
        "macOS 15.4 to 15.6 for libraries and bundles built with sdk 15.4 or newer; macOS 26 for every image built "
        "with sdk 26",
        "facebook/zstd#4369",
        "tpoechtrager/cctools-port#166",
    )
)

DYLIB: Final = register(
    _refused(
        "MC303",
        "duplicate-dylib",
        "A library is linked twice",
        "Two dylib load commands of one image name the same path.",
        ("Link the library once. lld's `-reexport_library X` makes a load and a re-export of X.",),
        "macOS 15.4 to 15.6 for libraries built with sdk 15 or newer; macOS 26 for every image built with sdk 26",
    )
)

NO_LIBRARY: Final = register(
    _refused(
        "MC304",
        "no-linked-library",
        "An image links with nothing",
        "There is no dylib load command at all.",
        ("Link with libSystem: `-lSystem`.",),
        "macOS 15.4 for libraries and macOS 26 for executables, built with sdk 15.4 or newer",
    )
)

PERMISSIONS: Final = register(
    _refused(
        "MC305",
        "segment-permissions",
        "A segment has permissions dyld does not accept",
        "`__TEXT` is not `r-x`, `__LINKEDIT` is not `r--`, or `__DATA` or `__DATA_CONST` is not `rw-`.",
        ("Link with a current linker, without `-segprot` and without rewriting segments afterwards.",),
        "macOS 15.4 for libraries, macOS 26 for executables; each segment has its own sdk threshold",
    )
)

DATA_CONST: Final = register(
    _refused(
        "MC306",
        "data-const-not-read-only",
        "__DATA_CONST lacks the SG_READ_ONLY flag",
        "The segment `__DATA_CONST` is not marked read-only-after-fixups.",
        (
            (
                "Link with a current linker and a deployment target of 10.15 or newer; old ld64 (osxcross) "
                "sets the flag for such targets only."
            ),
        ),
        "macOS 15.4 for libraries, macOS 26 for executables, built with sdk 26",
        "planetscale/cli#1292",
    )
)

LAYOUT: Final = register(
    _refused(
        "MC307",
        "segment-layout",
        "Segments or sections lie where they should not",
        "Segments are out of order, two have one name, or a section ends beyond its segment.",
        ("Link with a current linker; do not append or move segments afterwards.",),
        "macOS 15.4 for libraries, macOS 26 for executables; thresholds by sdk",
    )
)

MALFORMED: Final = register(
    _refused(
        "MC308",
        "malformed-image",
        "The header or its load commands are malformed",
        "A load command, segment or table breaks the format itself, whatever the sdk.",
        ("Build the file again. If a tool edited it, that tool is at fault; if it was copied, it may be cut short.",),
        "macOS 12 if the load commands cannot be walked; else macOS 15.4 for libraries, macOS 26 for executables",
    )
)

MAIN_FLAGS: Final = register(
    _refused(
        "MC310",
        "main-executable-flags",
        "The main executable carries a flag of the shared cache",
        "MH_DYLIB_IN_CACHE is set in an executable.",
        ("Build the file again: it was extracted from a shared cache or edited.",),
        "macOS 26 for executables built with sdk 12 or newer",
    )
)


@of_release
def check(case: ReleaseCase) -> Iterator[Draft]:
    """Yield a draft for each defect of an image that some dyld minds."""
    header, image, macos, main = case.header, case.image, case.macos, case.main
    profile = profile_for(macos)
    made = case.facts.go.get(image.id)
    release = made.binary.version if made is not None else None
    seen = set()
    told = False
    for refusal in refusals(header, main=main):
        if refusal.defect not in seen:
            seen.add(refusal.defect)
            draft = _draft(image, header, refusal, macos, main=main, release=release)
            if draft is not None:
                told = told or draft.severity is Severity.ERROR
                yield draft
    objection = None if told else first_refusal(header, profile, main=main, path=image.path)
    if objection is not None:
        text = objection.text
        # dyld2 and dyld-940 to 1245 have checks and words of their own
        yield Draft(
            rule_of(objection), Severity.ERROR, image.path, None, text,
            f"{printable(leaf(image.path))}: {printable(text)}; macOS {macos} refuses it", {"reason": text},
            (advice("link again with a current linker, and change nothing afterwards"), sign(image.path)),
        )  # fmt: skip


def _draft(
    image: LoadedImage, header: Image, refusal: Refusal, macos: Version, *, main: bool, release: str | None
) -> Draft | None:
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
    elif _refuses(header, defect, profile_for(macos), main=main):
        severity = Severity.ERROR
        outlook = f"macOS {macos} refuses this {kind}"
    else:
        severity = Severity.WARNING
        outlook = f"macOS {_when(refusal)} refuses this {kind}"
    return Draft(
        BY_QUESTION[defect.question],
        severity,
        image.path,
        defect.command_index,
        _subject(defect),
        f"{printable(leaf(image.path))}: {printable(defect.text)}; {outlook}",
        evidence,
        _remedy(image.path, header, defect, release),
    )


def _refuses(header: Image, defect: Defect, profile: Profile, *, main: bool) -> bool:
    """Whether a release refuses the image for this very defect."""
    if not profile.validates_dylibs:
        return not profile.classic and not main and first_refusal(header, profile, main=main) is not None
    return any(fatal_defects(evolve(header, defects=(defect,)), profile, main=main))


def _when(refusal: Refusal) -> str:
    """Return the releases that refuse the image for a defect, in words."""
    return f"{refusal.macos} and newer" if refusal.until is None else f"{refusal.macos} to {refusal.until}"


def _subject(defect: Defect) -> str:
    """Return what the defect is about: the name dyld quotes, or its words."""
    if defect.kind in {DefectKind.RUN_PATH_TWICE, DefectKind.DYLIB_TWICE}:
        return defect.subject or ""
    return defect.text


def _remedy(path: str, header: Image, defect: Defect, release: str | None) -> tuple[Remedy, ...]:
    question = defect.question
    if question is Question.NO_DUPLICATE_RPATHS:
        return (Remedy(RemedyKind.DELETE_REPEATED_RUN_PATH, path, _subject(defect)),)
    if question is Question.HAS_UUID:
        if header.made_by_go:
            return (*uuid_remedy(release), Remedy(RemedyKind.ADD_UUID, path, also=True))
        return (advice("link again without -Wl,-no_uuid"), Remedy(RemedyKind.ADD_UUID, path, also=True))
    if question is Question.NO_DUPLICATE_DYLIBS:
        return (advice(f"link {quoted(_subject(defect))} once"),)
    if question is Question.HAS_LINKED_DYLIBS:
        return (advice("link with -lSystem"),)
    if question is Question.DATA_CONST_READ_ONLY:
        return (
            advice("link again with a current linker, for macOS 10.15 or newer"),
            Remedy(RemedyKind.PROTECT_CONSTANTS, path, also=True),
        )
    return (advice("link again with a current linker, and change nothing afterwards"), sign(path))
