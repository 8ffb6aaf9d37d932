"""The lists in a page: which process starts where, and every image with what it loads and who loads it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from machochain.model.audit import AuditReport
from machochain.model.paths import leaf
from machochain.model.result import Origin, Outcome, Result, Severity
from machochain.model.version import Version
from machochain.report.audit_words import count, releases, short
from machochain.report.folders import Folder, folders
from machochain.report.html_text import h
from machochain.report.merged import Merged, MergedImage, MergedLoad
from machochain.report.picture import Picture

MAX_PROCESSES: Final = 500
MAX_IMAGES: Final = 2000
_ALONE: Final = 12
"""Up to so many processes each has a row of its own; of more those that fare alike in a folder share one."""
_MESSAGES: Final = 5
"""Up to so many messages stand in the open."""

_MARKS: Final[Mapping[bool | None, str]] = {
    True: '<span class="good" title="starts">✓</span>',
    False: '<span class="bad" title="does not start">✗</span>',
    None: '<span class="doubt" title="not known">?</span>',
}
_Fate = tuple[tuple[Version, bool | None], ...]
"""Release by release whether something starts."""


def processes(report: AuditReport) -> Iterator[str]:
    """Yield the table of which process starts where, and what dyld will say."""
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in report.results:
        groups.setdefault((result.input, result.arch), []).append(result)
    if not groups:
        return
    columns = sorted({r.macos for r in report.results})
    fine = sum(_rank(_fate(group)) == 2 for group in groups.values())
    yield '<h2 id="processes">Processes</h2>'
    yield f'<p class="soft">{fine} of {len(groups)} start wherever they were tried.</p>'
    rows = _rows(groups)
    yield f"<details{' open' if fine < len(groups) or len(groups) <= 12 else ''}><summary>Which starts where</summary>"
    yield '<div class="wide"><table><tr><th>process</th><th>slice</th>'
    yield "".join(f'<th class="mark">{short(v)}</th>' for v in columns) + "</tr>"
    alone = report.inputs[0].path if len(report.inputs) == 1 else ""
    for name, paths, archs, fate in rows[:MAX_PROCESSES]:
        by_release = {macos: _MARKS[launches] for macos, launches in fate}
        cells = "".join(f'<td class="mark">{by_release.get(v, "")}</td>' for v in columns)
        cell = _cell(name, [_inside(path, alone) for path in paths])
        yield f'<tr><td class="path">{cell}</td><td>{h(", ".join(archs))}</td>{cells}</tr>'
    yield "</table></div>"
    if len(rows) > MAX_PROCESSES:
        yield f'<p class="soft">and {len(rows) - MAX_PROCESSES} more</p>'
    yield "</details>"
    yield from _said(report.results)


def _rows(
    groups: Mapping[tuple[str, str], Sequence[Result]],
) -> list[tuple[str, list[str], tuple[str, ...], _Fate]]:
    """Return the rows, what fails first: a folder, its files that fare alike, their slices, and how they fare."""
    fates: dict[tuple[str, _Fate], list[str]] = {}
    for (path, arch), group in groups.items():
        fates.setdefault((path, _fate(group)), []).append(arch)
    paths = list(dict.fromkeys(path for path, _ in fates))
    home = {paths[key]: folder.name for folder in _homes(paths) for key in folder.keys}
    rows: dict[tuple[str, tuple[str, ...], _Fate], list[str]] = {}
    for (path, fate), archs in fates.items():
        rows.setdefault((home.get(path, path), tuple(archs), fate), []).append(path)
    found = [(folder, names, archs, fate) for (folder, archs, fate), names in rows.items()]
    return sorted(found, key=lambda row: (_rank(row[3]), row[0]))


def _homes(paths: Sequence[str]) -> Sequence[Folder]:
    return folders((key, 0, path) for key, path in enumerate(paths)) if len(paths) > _ALONE else ()


def _fate(group: Iterable[Result]) -> _Fate:
    return tuple(sorted(((r.macos, r.launches) for r in group), key=lambda pair: pair[0]))


def _rank(fate: _Fate) -> int:
    answers = {launches for _, launches in fate}
    return 0 if False in answers else 1 if None in answers else 2


def _inside(path: str, given: str) -> str:
    """Return a path without that of the only input."""
    return path.removeprefix(given).lstrip(":/") or path if given else path


def _cell(folder: str, paths: Sequence[str]) -> str:
    if len(paths) == 1:
        return f"<code>{h(paths[0])}</code>"
    items = "".join(f"<li><code>{h(path)}</code></li>" for path in paths[:MAX_PROCESSES])
    more = f"<li>and {len(paths) - MAX_PROCESSES} more</li>" if len(paths) > MAX_PROCESSES else ""
    summary = f"{len(paths)} files in <code>{h(folder)}</code>"
    return f'<details><summary>{summary}</summary><ul class="plain">{items}{more}</ul></details>'


def _said(results: Iterable[Result]) -> Iterator[str]:
    messages: dict[tuple[str, str, str], list[Result]] = {}
    for result in results:
        if result.message is not None:
            messages.setdefault((result.input, result.arch, result.message), []).append(result)
    many = len(messages) > _MESSAGES
    if many:
        yield f"<details><summary>What dyld will say: {len(messages)} messages</summary>"
    for (path, arch, message), group in list(messages.items())[:MAX_PROCESSES]:
        where = f"{path} ({arch}), macOS {releases(r.macos for r in group)}"
        yield f"<details><summary>dyld will say: <code>{h(where)}</code></summary><pre>"
        lines = message.rstrip("\n").split("\n")
        yield "\n".join("\t".join(h(part) for part in line.split("\t")) for line in lines) + "</pre></details>"
    if len(messages) > MAX_PROCESSES:
        yield f'<p class="soft">and {len(messages) - MAX_PROCESSES} more</p>'
    if many:
        yield "</details>"


def images(merged: Merged, drawn: Picture) -> Iterator[str]:
    """Yield the list of images, by folder where the picture has folders."""
    disk = [i for i in merged.images if i.origin is Origin.DISK]
    system = [i for i in merged.images if i.origin is Origin.OS]
    if not merged.images:
        return
    yield '<h2 id="images">Images</h2>'
    libraries = count(len(system), "library of macOS", "libraries of macOS")
    yield f"<details><summary>{count(len(disk), 'file')}, {libraries}</summary>"
    loads: dict[int, list[MergedLoad]] = {}
    users: dict[int, dict[int, None]] = {}
    for load in merged.loads:
        loads.setdefault(load.source, []).append(load)
        if load.to is not None:
            users.setdefault(load.to, {})[load.source] = None

    def one(image: MergedImage) -> Iterator[str]:
        return _image(image, merged, loads.get(image.key, ()), users.get(image.key, ()), drawn.worst.get(image.key))

    grouped: set[int] = set()
    for number, folder in enumerate(drawn.folders):
        grouped.update(folder.keys)
        yield f'<details id="folder-{number}"><summary><code>{h(folder.name)}</code> ({len(folder.keys)})</summary>'
        for key in folder.keys:
            yield from one(merged.images[key])
        yield "</details>"
    # Files first, and all that is drawn: the picture links to them.
    rest = [image for image in merged.images if image.key not in grouped]
    listed = sorted(rest, key=lambda i: (i.key not in drawn.keys, i.origin is Origin.OS, i.path))
    room = MAX_IMAGES - len(grouped)
    for image in listed[:room]:
        yield from one(image)
    yield "</details>"
    if len(listed) > room:
        yield f'<p class="soft">{len(listed) - room} more are left out here; the JSON report has all.</p>'


def _image(
    image: MergedImage, merged: Merged, loads: Sequence[MergedLoad], users: Iterable[int], worst: Severity | None
) -> Iterator[str]:
    tag = f'<span class="tag {worst.value}">{worst.value}</span>' if worst is not None else ""
    yield f'<details id="image-{image.key}"><summary>{tag}<code>{h(image.path)}</code></summary>\n<dl>'
    rows = [
        ("path", image.path),
        ("install name", image.install_name or ""),
        ("kind", image.file_type or ("part of macOS" if image.origin is Origin.OS else "")),
        ("run paths", ", ".join(image.run_paths)),
    ]
    for build in image.builds:
        facts = [
            f"{build.platform or ''} {build.minos or ''}".strip() and f"{build.platform} {build.minos} or newer",
            f"sdk {build.sdk}" if build.sdk is not None else "",
            f"version {build.current_version}" if build.current_version is not None else "",
            build.uuid or "",
        ]
        rows.append((build.arch, ", ".join(f for f in facts if f)))
    yield "".join(f"<dt>{h(name)}</dt><dd><code>{h(value)}</code></dd>" for name, value in rows if value)
    yield "</dl>"
    if loads:
        yield '<p class="soft">loads</p><ul class="plain">'
        for load in loads:
            yield f"<li>{_load(load, merged)}</li>"
        yield "</ul>"
    by = [merged.images[key] for key in users]
    if by:
        yield '<p class="soft">is loaded by</p><ul class="plain">'
        for user in by[:50]:
            yield f'<li><a href="#image-{user.key}"><code>{h(leaf(user.path))}</code></a></li>'
        yield f"<li>and {len(by) - 50} more</li></ul>" if len(by) > 50 else "</ul>"
    yield "</details>"


def _load(load: MergedLoad, merged: Merged) -> str:
    kinds = [
        word
        for word, on in (
            ("weak", load.weak),
            ("re-export", load.reexport),
            ("upward", load.upward),
            ("delayed", load.delayed),
        )
        if on
    ]
    words = f' <span class="soft">({", ".join(kinds)})</span>' if kinds else ""
    if load.to is not None:
        to = merged.images[load.to]
        target = "" if to.path == load.name else f" → {h(to.path)}"
        return f'<a href="#image-{to.key}"><code>{h(load.name)}</code></a><code>{target}</code>{words}'
    tone = {Outcome.UNKNOWN: "doubt", Outcome.WEAK_MISSING: "soft"}.get(load.outcome, "bad")
    state = "absent" if load.outcome is Outcome.WEAK_MISSING else load.outcome.value
    return f'<code>{h(load.name)}</code>{words} <span class="{tone}">{state} on macOS {h(releases(load.macos))}</span>'
