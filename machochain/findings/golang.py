"""MC6xx: Go and cgo; and Go's own ways among the remedies of other rules."""

from __future__ import annotations

import re
import shlex
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from attrs import evolve

from machochain.findings.draft import Case, Draft, GoImage
from machochain.findings.remedies import is_go, sign
from machochain.graph.mac import Mac
from machochain.macho.details import sections
from machochain.model.arch import CPU_ARM64, CPU_X86_64
from machochain.model.errors import InputError
from machochain.model.go import GoLink
from machochain.model.image import FileType, Image
from machochain.model.paths import leaf, printable
from machochain.model.prediction import Prediction
from machochain.model.reading import RangeSource
from machochain.model.result import Confidence, LoadedImage, Origin, Severity
from machochain.model.shell import flags_word, more_ldflags, quoted
from machochain.model.version import Version

_INFO, _WARNING = Severity.INFO, Severity.WARNING
_SDK_26: Final = Version.of(26)


def read_go_image(mac: Mac, image: LoadedImage) -> GoImage | None:
    """Read Go's data of an image; None if Go did not make it or its file cannot be read any more."""
    header = image.image
    if header is None or not is_go(header):
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


def go_process(case: Case) -> Iterator[Draft]:
    """Yield what is to be said about Go in a process."""
    prediction = case.result.prediction
    if prediction is not None:
        yield from _predicted(case, prediction)
    for image in case.files:
        go = case.facts.go.get(image.id)
        if go is not None:
            yield from _image(image, go)
    main = case.main
    go = case.facts.go.get(main.id) if main is not None else None
    if main is not None and go is not None:
        yield from _stale(case, main, go)


def _image(image: LoadedImage, go: GoImage) -> Iterator[Draft]:
    header = image.image
    assert header is not None
    yield from _no_uuid(image, header, go)
    yield from _relative_id(image, header)
    yield from _host_minos(image, header, go)
    yield from _extra_segment(image, header, go)
    yield from _foreign_runtime(image, header)
    yield from _hidden(image, go)
    yield from _other_homebrew(image, header)
    for fact in go.binary.facts:
        yield Draft(
            "MC614", _WARNING, image.path, None, fact.text, f"{printable(leaf(image.path))}: {printable(fact.text)}",
            {"offset": fact.offset}, ("build the file again",),
        )  # fmt: skip


def _no_uuid(image: LoadedImage, header: Image, go: GoImage) -> Iterator[Draft]:
    build = header.build
    sdk = build.sdk if build is not None else None
    # From sdk 26 on MC301 speaks, with certainty.
    if header.uuid is not None or header.file_type != FileType.MH_EXECUTE or (sdk is not None and sdk >= _SDK_26):
        return
    if go.binary.link is not GoLink.INTERNAL:
        return
    message = (
        f"{printable(leaf(image.path))} of {go.binary.version or 'an unknown Go'} has no LC_UUID: dyld accepts it with "
        f"sdk {sdk or 'n/a'}, but reports of macOS 26 say otherwise"
    )
    yield Draft(
        "MC601", _WARNING, image.path, None, image.path, message, {"go": go.binary.version, "sdk": str(sdk or "")},
        ("build with Go 1.24 or newer", "or go build -ldflags=-linkmode=external"), Confidence.LIKELY,
    )  # fmt: skip


def _relative_id(image: LoadedImage, header: Image) -> Iterator[Draft]:
    name = header.install_name
    if header.file_type != FileType.MH_DYLIB or name is None or name.startswith(("/", "@")):
        return
    new = f"@rpath/{leaf(name)}"
    yield Draft(
        "MC602", _WARNING, image.path, None, name,
        f"the id of {printable(leaf(image.path))} is {printable(name)}: who links with it looks in the working "
        "directory",
        {"install_name": name},
        (
            f"go build -buildmode=c-shared -ldflags={flags_word(f'-extldflags=-Wl,-install_name,{new}')}",
            f"or install_name_tool -id {quoted(new)} {quoted(image.path)} && {sign(image.path)}",
        ),
    )  # fmt: skip


_FLOORS: Final = ((27, "13.0"), (25, "12.0"), (23, "11.0"))


def floor_of(release: str | None, header: Image) -> Version | None:
    """Return the oldest macOS a Go release writes into what it links itself; None for an unknown release.

    Measured for Go 1.21 to 1.27.
    """
    match = re.match(r"go1\.(\d+)", release or "")
    if match is None or int(match.group(1)) < 21:
        return None
    minor = int(match.group(1))
    for since, version in _FLOORS:
        if minor >= since:
            return Version.parse(version)
    return Version.parse("11.0" if header.arch.cputype == CPU_ARM64 else "10.13")


def _host_minos(image: LoadedImage, header: Image, go: GoImage) -> Iterator[Draft]:
    build, info = header.build, go.binary.build
    floor = floor_of(go.binary.version, header)
    if build is None or build.sdk is None or info is None or floor is None or go.binary.link is not GoLink.EXTERNAL:
        return
    given = " ".join(value for key, value in info.settings if key.startswith("CGO_") or key == "-ldflags")
    if build.minos <= floor or build.minos.major != build.sdk.major or "version-min" in given or "target" in given:
        return
    message = (
        f"{printable(leaf(image.path))} needs macOS {build.minos}, though {go.binary.version} needs {floor}: it seems "
        "to have the build machine's version, for want of a deployment target"
    )
    yield Draft(
        "MC603", _WARNING, image.path, None, str(build.minos), message,
        {"minos": str(build.minos), "sdk": str(build.sdk), "go": go.binary.version, "go_minos": str(floor)},
        (
            f"CGO_CPPFLAGS=-mmacosx-version-min={floor} {more_ldflags(f'-mmacosx-version-min={floor}')} go build",
            "not CGO_CFLAGS: setting it drops Go's own -O2 -g",
        ),
        Confidence.LIKELY,
    )  # fmt: skip


def _extra_segment(image: LoadedImage, header: Image, go: GoImage) -> Iterator[Draft]:
    count = go.chained_segments
    if count is None or count >= len(header.segments) or header.segments[-1].name == "__CTF":
        return
    message = (
        f"{printable(leaf(image.path))} has {len(header.segments)} segments, its chained fixups count {count}: "
        f"{printable(header.segments[-1].name)} was added after the link"
    )
    yield Draft(
        "MC604", _WARNING, image.path, header.segments[-1].command_index, header.segments[-1].name, message,
        {"segments": len(header.segments), "seg_count": count}, ('go build -ldflags="-s -w"',), Confidence.LIKELY,
    )  # fmt: skip


_FOREIGN: Final = re.compile(r"libc?go(?:[.-]\d+)*\.(?:dylib|so)(?:\.\d+)*")


def _foreign_runtime(image: LoadedImage, header: Image) -> Iterator[Draft]:
    for dylib in header.loads:
        if _FOREIGN.fullmatch(leaf(dylib.name)):
            yield Draft(
                "MC605", _WARNING, image.path, None, dylib.name,
                f"{printable(leaf(image.path))} loads {printable(dylib.name)}, which is no part of Go: runtime/cgo is "
                "linked into the program",
                {}, ("go build -x shows which flag links it",),
            )  # fmt: skip


def _hidden(image: LoadedImage, go: GoImage) -> Iterator[Draft]:
    if go.binary.hidden and go.binary.link is GoLink.EXTERNAL:
        yield Draft(
            "MC607", _INFO, image.path, None, "-trimpath",
            f"{printable(leaf(image.path))} was built with -trimpath, which does not record "
            f"{', '.join(go.binary.hidden)}",
            {"hidden": list(go.binary.hidden)}, ("build without -trimpath to see the flags",),
        )  # fmt: skip


_HOMEBREWS: Final = {
    CPU_ARM64: ("/usr/local/opt/", "/usr/local/Cellar/", "/usr/local/Homebrew/"),
    CPU_X86_64: ("/opt/homebrew/",),
}


def _other_homebrew(image: LoadedImage, header: Image) -> Iterator[Draft]:
    foreign = _HOMEBREWS.get(header.arch.cputype)
    if foreign is None:
        return
    right = "/usr/local" if header.arch.cputype == CPU_X86_64 else "/opt/homebrew"
    texts = dict.fromkeys((*(d.name for d in header.loads), *(r.path for r in header.run_paths)))
    for text in texts:
        if f"{text}/".startswith(foreign):
            yield Draft(
                "MC608", _WARNING, image.path, None, text,
                f"{printable(leaf(image.path))} ({header.arch.name}) names {printable(text)}; Homebrew of this "
                f"processor lies in {right}",
                {"prefix": right},
                (
                    f"#cgo darwin,{_goarch(header)} LDFLAGS: -L{right}/lib, one line per GOARCH, or #cgo pkg-config",
                ),
            )  # fmt: skip


def _goarch(header: Image) -> str:
    return "arm64" if header.arch.cputype == CPU_ARM64 else "amd64"


def _stale(case: Case, main: LoadedImage, go: GoImage) -> Iterator[Draft]:
    match = re.match(r"go1\.(\d+)", go.binary.version or "")
    if match is None or int(match.group(1)) < 24 or go.binary.link is not GoLink.EXTERNAL:
        return
    own = [
        load.dylib.name
        for load in case.result.loads
        if load.source == main.id and not load.inserted and not _of_os(case, load.to, load.dylib.name)
    ]
    if own:
        names = ", ".join(printable(leaf(n)) for n in own[:3]) + (" and others" if len(own) > 3 else "")
        yield Draft(
            "MC606", _INFO, main.path, None, main.path,
            f"go run keeps {printable(leaf(main.path))} in its cache and does not link it again when {names} changes",
            {"libraries": own},
            ("go run -a …, or go clean -cache", "rm OUTPUT before go build, or go build -a", "go test -count=1 …"),
        )  # fmt: skip


def _of_os(case: Case, to: int | None, name: str) -> bool:
    if to is None:
        return name.startswith(("/usr/lib/", "/System/"))
    return case.result.images[to].origin is Origin.OS


# -- archives --


def _predicted(case: Case, prediction: Prediction) -> Iterator[Draft]:
    path = case.result.path
    name = printable(leaf(path))
    how = {
        True: "the install names cmd/go recorded in it",
        False: "its link flags",
    }[prediction.from_imports]
    if prediction.kind != "package":
        how = "its undefined symbols"
    evidence = {
        "kind": prediction.kind,
        "go": prediction.go_version,
        "sources": [list(pair) for pair in prediction.sources],
        "static": list(prediction.static),
    }
    yield Draft(
        "MC609", _INFO, path, None, path,
        f"predicted from the archive: {name} is no program; what one linked from it loads is told by {how}",
        evidence, ("resolve the linked program to be sure",),
        Confidence.CERTAIN if prediction.from_imports else Confidence.LIKELY,
    )  # fmt: skip
    for flag in prediction.unresolved:
        yield Draft(
            "MC610", _WARNING, path, None, flag,
            f"{name} is linked with {printable(flag)}, which leads to no library on the modelled Mac", {},
            ("--map /FOLDER=HOST_FOLDER for the folder of its -L flag, or --sdk DIR",), Confidence.LIKELY,
        )  # fmt: skip
    if prediction.flags:
        flags = " ".join(prediction.flags)
        yield Draft(
            "MC611", _INFO, path, None, flags, f"{name} keeps no link flags: link with {flags}",
            {"sources": [list(pair) for pair in prediction.sources]}, (f"cc … {quoted(leaf(path))} {flags}",),
            Confidence.LIKELY,
        )  # fmt: skip
    if prediction.unprovided:
        shown = ", ".join(printable(s) for s in prediction.unprovided[:5])
        more = len(prediction.unprovided) - 5
        yield Draft(
            "MC612", _WARNING, path, None, prediction.unprovided[0],
            f"{name} needs {shown}{f' and {more} more' if more > 0 else ''}, which neither it nor the OS defines",
            {"symbols": list(prediction.unprovided)}, ("link what defines them as well",),
            Confidence.LIKELY,
        )  # fmt: skip
    yield from _member_minos(path, prediction)
    for fact in prediction.facts:
        yield Draft("MC614", _WARNING, path, None, fact, f"{name}: {printable(fact)}", {}, ("build the file again",))


def _member_minos(path: str, prediction: Prediction) -> Iterator[Draft]:
    versions = sorted({version for _, version in prediction.members})
    if len(versions) < 2:
        return
    highest = [name for name, version in prediction.members if version == versions[-1]]
    yield Draft(
        "MC613", _WARNING, path, None, str(versions[-1]),
        f"{printable(leaf(path))}: {_listed(highest)} needs macOS {versions[-1]}, other members need {versions[0]}",
        {"members": [[name, str(version)] for name, version in prediction.members]},
        (f"link with -mmacosx-version-min={versions[-1]}", "or build all members with one deployment target"),
    )  # fmt: skip


def _listed(names: Sequence[str]) -> str:
    text = ", ".join(printable(n) for n in names[:3])
    return text + (f" and {len(names) - 3} more" if len(names) > 3 else "")


# -- remedies of other rules --

_REFUSED: Final = "not in #cgo LDFLAGS: cmd/go refuses run paths that begin with @ there"


def with_go_ways(draft: Draft, case: Case) -> Draft:
    """Return a draft of another family with Go's ways among its remedies, if Go made or will make the image."""
    if case.result.prediction is not None and draft.image == case.result.images[0].path:
        draft = _unlinked(draft, case.result.prediction, case.result.images[0])
    if draft.rule.startswith("MC6") or not _made_by_go(draft, case):
        return draft
    if draft.rule == "MC223":
        return _flat_by_go(draft, case)
    ways = tuple(w for w in _ways(draft) if w not in draft.remedy)
    return evolve(draft, remedy=(*draft.remedy, *ways)) if ways else draft


def _unlinked(draft: Draft, prediction: Prediction, main: LoadedImage) -> Draft:
    """Return a draft about a program to come: no tool can change a file that is not there."""
    kept = tuple(step for step in draft.remedy if "install_name_tool" not in step and "codesign" not in step)
    if kept == draft.remedy:
        return draft
    given = {r.path for r in main.image.run_paths} if main.image is not None else set()
    folders = [path for path in prediction.directories if path not in given]
    if folders and draft.rule == "MC101":
        flags = more_ldflags(*(f"-Wl,-rpath,{path}" for path in folders))
        kept = (*kept, f"or link with the folders its -L flags name as run paths: {flags} go build")
    return evolve(draft, remedy=(kept[0].removeprefix("or "), *kept[1:]) if kept else ())


def _flat_by_go(draft: Draft, case: Case) -> Draft:
    """Return MC223 about what Go's own linker made: it never sets MH_TWOLEVEL, and that is no mistake of the build."""
    image = next((i for i in case.files if i.path == draft.image), None)
    go = case.facts.go.get(image.id) if image is not None else None
    if go is None or go.binary.link is not GoLink.INTERNAL:
        return draft
    return evolve(
        draft,
        severity=_INFO,
        remedy=(
            (
                "nothing: Go's own linker makes every program so, and from macOS 12 on dyld binds by the library each "
                "bind names all the same"
            ),
        ),
    )


def _made_by_go(draft: Draft, case: Case) -> bool:
    prediction = case.result.prediction
    if prediction is not None and prediction.go_version is not None:
        return True
    return any(i.path == draft.image for i in case.scene.made_by_go)


def _ways(draft: Draft) -> Iterator[str]:
    if draft.rule == "MC101" and draft.evidence.get("cause") in ("no-run-path", "run-paths-miss"):
        run_path = _linked_run_path(draft) or "@loader_path/../lib"
        yield f"or build with {more_ldflags(f'-Wl,-rpath,{run_path}')} go build"
        yield f"or go build -ldflags={flags_word(f'-extldflags=-Wl,-rpath,{run_path}')}"
        yield _REFUSED
    elif draft.rule == "MC101" and draft.evidence.get("cause") == "relative-path":
        yield 'then build with CGO_LDFLAGS="$CGO_LDFLAGS -Wl,-rpath,@loader_path/../lib" go build -a'
    elif draft.rule == "MC123":
        run_path = draft.subject.replace("${ORIGIN}", "@loader_path").replace("$ORIGIN", "@loader_path")
        yield f"or build with {more_ldflags(f'-Wl,-rpath,{run_path}')} go build"
        yield _REFUSED
    elif draft.rule == "MC124":
        flags = more_ldflags(*(f"-Wl,-rpath,{p}" for p in draft.subject.split(":") if p))
        yield f"or build with {flags} go build: the -r of -ldflags takes one directory on macOS"
    elif draft.rule == "MC402" and draft.evidence.get("place") in ("go-build", "go-module-cache"):
        yield (
            "${SRCDIR} in #cgo LDFLAGS stands for the package's folder on the build machine: put the library beside "
            'the program and build with CGO_LDFLAGS="$CGO_LDFLAGS -Wl,-rpath,@loader_path/../lib" go build'
        )


_LINK: Final = "or link with -Wl,-rpath,"


def _linked_run_path(draft: Draft) -> str | None:
    """Return the run path that another remedy names; None if none does, or only in bytes."""
    word = next((step.removeprefix(_LINK) for step in draft.remedy if step.startswith(_LINK)), None)
    return None if word is None or word.startswith("$'") else "".join(shlex.split(word))
