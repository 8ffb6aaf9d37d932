"""Go images among those of a process, and Go's own ways among the remedies of other rules."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Final

from machochain.findings.draft import Case, Draft, GoImage
from machochain.findings.remedies import advice, command
from machochain.findings.runpaths import without_origin
from machochain.graph.mac import Mac
from machochain.macho.details import sections
from machochain.model.errors import InputError
from machochain.model.go import GoLink
from machochain.model.image import Image
from machochain.model.prediction import Prediction
from machochain.model.reading import RangeSource
from machochain.model.remedy import Remedy, RemedyKind
from machochain.model.result import LoadedImage, Severity
from machochain.model.shell import flags_word, is_plain, more_ldflags
from machochain.model.value import evolve


def read_go_image(mac: Mac, image: LoadedImage) -> GoImage | None:
    """Read Go's data of an image; None if Go did not make it or its file cannot be read any more."""
    header = image.image
    if header is None or not header.made_by_go:
        return None
    from machochain.golang.buildinfo import read_traces  # noqa: PLC0415  # most runs never meet a Go file
    from machochain.golang.marks import describe  # noqa: PLC0415

    node = mac.look(image.path)
    try:
        with mac.files.opened(node) as source:
            read = RangeSource(source, image.slice_offset, image.slice_size).read
            binary = describe(header, read_traces(header, sections(header), read))
            count = _chained_segments(read, header)
    except InputError:
        return None
    return None if binary is None else GoImage(binary, count)


def _chained_segments(read: Callable[[int, int], bytes], header: Image) -> int | None:
    """Return ``seg_count`` of the chained fixups (<mach-o/fixup-chains.h>); None if there are none to be read."""
    place = header.linkedit.chained_fixups
    head = read(place[0], 8) if place is not None else b""
    if place is None or len(head) < 8:
        return None
    count = read(place[0] + struct.unpack("<4xI", head)[0], 4)
    return struct.unpack("<I", count)[0] if len(count) == 4 else None


_REFUSED: Final = advice("not in #cgo LDFLAGS: cmd/go refuses run paths that begin with @ there")


def with_go_ways(draft: Draft, case: Case) -> Draft:
    """Return a draft of another family with Go's ways among its remedies, if Go made or will make the image."""
    if case.result.prediction is not None and draft.image == case.result.images[0].path:
        draft = _unlinked(draft, case.result.prediction, case.result.images[0])
    if case.result.prediction is not None and draft.image == case.result.images[0].path:
        draft = _unlinked(draft, case.result.prediction, case.result.images[0])
    if draft.rule.startswith("MC6") or not _made_by_go(draft, case):
        return draft
    if draft.rule == "MC223":
        return _flat_by_go(draft, case)
    ways = tuple(w for w in _ways(draft) if w not in draft.remedy)
    recorded = _recorded_flags(draft, case)
    remedy = tuple(_from_recorded(each, recorded) for each in (*draft.remedy, *ways))
    return evolve(draft, remedy=remedy) if remedy != draft.remedy else draft


def _recorded_flags(draft: Draft, case: Case) -> str:
    """Return the CGO_LDFLAGS an image was built with; empty if none are recorded."""
    image = next((i for i in case.scene.made_by_go if i.path == draft.image), None)
    go = case.facts.go.get(image.id) if image is not None else None
    info = go.binary.build if go is not None else None
    return next((value for key, value in info.settings if key == "CGO_LDFLAGS"), "") if info is not None else ""


def _from_recorded(remedy: Remedy, flags: str) -> Remedy:
    """Return a remedy that starts from the flags the image was built with, where they say more than the shell's own."""
    kept = 'CGO_LDFLAGS="$CGO_LDFLAGS '
    if not flags or remedy.kind is not RemedyKind.COMMAND or kept not in remedy.argument or not is_plain(flags):
        return remedy
    return evolve(remedy, argument=remedy.argument.replace(kept, f'CGO_LDFLAGS="{flags} '))


def _unlinked(draft: Draft, prediction: Prediction, main: LoadedImage) -> Draft:
    """Return a draft about a program to come: no tool can change a file that is not there."""
    kept = tuple(remedy for remedy in draft.remedy if not remedy.kind.changes_file)
    if kept == draft.remedy:
        return draft
    given = {r.path for r in main.image.run_paths} if main.image is not None else set()
    folders = [path for path in prediction.directories if path not in given]
    if folders and draft.rule == "MC101":
        flags = more_ldflags(*(f"-Wl,-rpath,{path}" for path in folders))
        kept = (
            *kept,
            advice("link with the folders its -L flags name as run paths:", also=True),
            command(f"{flags} go build", also=True),
        )
    return evolve(draft, remedy=(evolve(kept[0], also=False), *kept[1:]) if kept else ())


def _flat_by_go(draft: Draft, case: Case) -> Draft:
    """Return MC223 about what Go's own linker made: it never sets MH_TWOLEVEL, and that is no mistake of the build."""
    image = next((i for i in case.files if i.path == draft.image), None)
    go = case.facts.go.get(image.id) if image is not None else None
    if go is None or go.binary.link is not GoLink.INTERNAL:
        return draft
    return evolve(
        draft,
        severity=Severity.INFO,
        remedy=(
            advice(
                "nothing: the linker of Go makes every program so, and from macOS 12 on dyld binds by the library each "
                "bind names all the same"
            ),
        ),
    )


def _made_by_go(draft: Draft, case: Case) -> bool:
    prediction = case.result.prediction
    if prediction is not None and prediction.go_version is not None:
        return True
    return any(i.path == draft.image for i in case.scene.made_by_go)


def _ways(draft: Draft) -> Iterator[Remedy]:
    if draft.rule == "MC101" and draft.evidence.get("cause") in ("no-run-path", "run-paths-miss"):
        flag = f"-Wl,-rpath,{_added_run_path(draft) or '@loader_path/../lib'}"
        yield command(f"{more_ldflags(flag)} go build", also=True)
        yield command(f"go build -ldflags={flags_word(f'-extldflags={flag}')}", also=True)
        yield _REFUSED
    elif draft.rule == "MC101" and draft.evidence.get("cause") == "relative-path":
        yield command('CGO_LDFLAGS="$CGO_LDFLAGS -Wl,-rpath,@loader_path/../lib" go build -a')
    elif draft.rule == "MC123":
        yield command(f"{more_ldflags(f'-Wl,-rpath,{without_origin(draft.subject)}')} go build", also=True)
        yield _REFUSED
    elif draft.rule == "MC124":
        flags = more_ldflags(*(f"-Wl,-rpath,{p}" for p in draft.subject.split(":") if p))
        yield command(f"{flags} go build", also=True)
        yield advice("the -r of -ldflags takes one directory on macOS")
    elif draft.rule == "MC402" and draft.evidence.get("place") in ("go-build", "go-module-cache"):
        yield advice(
            "'${SRCDIR}' in #cgo LDFLAGS stands for the folder of the package on the build machine: put the library "
            "beside the program"
        )
        yield command('CGO_LDFLAGS="$CGO_LDFLAGS -Wl,-rpath,@loader_path/../lib" go build')


def _added_run_path(draft: Draft) -> str | None:
    """Return the run path that another remedy adds."""
    return next((r.argument for r in draft.remedy if r.kind is RemedyKind.ADD_RUN_PATH), None)
