"""The page's side of machochain: one question in, one answer out, both JSON. Runs in the browser's worker.

Nothing here knows the browser, so the tests ask it in CPython. What is said is said by machochain's own reports; HTML
comes escaped (`machochain.report.html`, `docs.page.cards`).
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal

from docs.page.cards import audit_card, diagnosis_card, one_release
from machochain.api import diagnose, render
from machochain.auditing import audit
from machochain.graph.resolve import Target
from machochain.macho.foreign import Foreign, foreign_kind
from machochain.model.artifact import Limits
from machochain.model.audit import AuditReport
from machochain.model.diagnosis import Diagnosis
from machochain.model.errors import MachochainError
from machochain.model.paths import HostPath, TargetPath
from machochain.model.value import evolve, field, frozen
from machochain.report.html import render_fragment
from machochain.report.style import Style
from machochain.report.text import render_resolution
from machochain.world.archives.opening import is_artifact
from machochain.world.archives.packages.form import DOWNLOADS
from machochain.world.placement import World

LONGEST_MESSAGE: Final = 16 << 20
LONGEST_TREE: Final = 200_000
WIDTH: Final = 92
ELSEWHERE: Final = ("/Applications", "/Library", "/Users", "/Volumes", "/opt", "/private", "/usr/local")
"""Where a Mac has what Apple did not put there."""

Others = Literal["absent", "unknown"]


@frozen
class Question:
    """What is asked about some files.

    Attributes:
        folder: Where they are; the working directory, so that they go by the names people gave them.
        names: Files and folders in it, as they were dropped.
        macos: A release or a range; empty for each program's own minimum and everything after it.
        arch: A slice; empty for all.
        at: Where the input lies on the modelled Mac; empty for where such a thing usually lies.
        others: Whether what was not dropped is absent from that Mac, or nobody knows.
        profile: The rules to hold it against.
        empty: An empty folder: the modelled Mac's ``/`` before anything is put on it.
        room: Bytes that may be unpacked.
    """

    folder: str
    names: tuple[str, ...] = field(converter=tuple)
    macos: str = ""
    arch: str = ""
    at: str = ""
    others: Others = "absent"
    profile: str = "release"
    empty: str = "/empty"
    room: int = 1 << 30

    @property
    def target(self) -> Target:
        """The process that is asked about."""
        return Target(macos=self.macos or (), arch=self.arch or None)

    def world(self, at: str) -> World:
        """Return the modelled Mac: macOS, and what was dropped."""
        unseen = tuple(map(TargetPath, ELSEWHERE)) if self.others == "unknown" else ()
        limits = Limits(
            total_bytes=4 * self.room, disk_bytes=self.room, file_bytes=self.room // 2, memory_bytes=128 << 20
        )
        return World(
            root=HostPath(self.empty), at=TargetPath(at) if at else None, unseen=unseen, limits=limits,
        )  # fmt: skip


class Desk:
    """Answers questions, and keeps the last answer for whoever wants it in another form."""

    def __init__(self) -> None:
        """Begin with nothing asked."""
        self._last: AuditReport | Diagnosis | None = None

    def handle(self, request: str) -> str:
        """Answer one request; whatever is wrong with it is an answer, too."""
        asked = json.loads(request)
        known: Mapping[str, Callable[[Any], dict[str, Any]]] = {
            "files": self._files, "text": self._text, "render": self._render,
        }  # fmt: skip
        try:
            answer = known[asked.pop("kind")](asked)
        except MachochainError as error:
            answer = {"kind": "refused", "reason": str(error)}
        return json.dumps(answer)

    def _text(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        return self._told(diagnose(str(asked["text"])))

    def _told(self, diagnosis: Diagnosis) -> dict[str, Any]:
        self._last = diagnosis
        return {"kind": "diagnosis", "state": "message", "card": diagnosis_card(diagnosis), "forms": ["text", "json"]}

    def _files(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        question = Question(**asked)
        os.makedirs(question.empty, exist_ok=True)  # noqa: PTH103
        os.chdir(question.folder)
        if len(question.names) == 1 and (message := read_message(question.names[0])) is not None:
            return self._told(diagnose(message))
        inputs, at = placed(question)
        report = audit(inputs, profile=question.profile, target=question.target, world=question.world(at))
        self._last = report
        card = audit_card(report, fresh=question.others == "absent")
        examined = bool(report.results)
        return {
            "kind": "audit",
            "state": card.state,
            "card": card.html,
            "report": render_fragment(report, banner=False) if examined else "",
            "tree": tree_of(report),
            "command": command_of(question, inputs, at),
            "forms": ["text", "markdown", "json", "sarif", "html"],
        }

    def _render(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        if self._last is None:
            return {"kind": "refused", "reason": "nothing was asked yet"}
        form = str(asked["form"])
        return {"kind": "rendered", "form": form, "text": render(self._last, form, width=WIDTH)}


def read_message(name: str) -> bytes | None:
    """Return a file that is text: a message, a log or a crash report. None for anything else."""
    if os.path.isdir(name) or not 0 < os.path.getsize(name) <= LONGEST_MESSAGE:  # noqa: PTH112, PTH202
        return None
    with open(name, "rb") as file:  # noqa: PTH123
        data = file.read(4096)
        if foreign_kind(data) is not Foreign.TEXT:
            return None
        return data + file.read()


def placed(question: Question) -> tuple[list[str], str]:
    """Return what is looked at, and where it lies: empty where the way it is packed says so.

    Loose files lie in one folder, as they did when they were dropped: they are one input. Archives are one each.
    """
    names = list(question.names)
    if all(not os.path.isdir(name) and is_artifact(name) is not None for name in names):  # noqa: PTH112
        return names, question.at
    if len(names) > 1:
        return ["."], question.at or DOWNLOADS
    name = names[0]
    if name.endswith(".app") and os.path.isdir(name):  # noqa: PTH112
        return names, question.at or f"/Applications/{name}"
    return names, question.at or f"{DOWNLOADS}/{name}"


def tree_of(report: AuditReport) -> str:
    """Return the load trees as text, each on the one release that tells most; those that fail stand first."""
    archives = [f"{each.path}:" for each in report.inputs if each.archive]
    rank = {False: 0, None: 1, True: 2}
    parts: list[str] = []
    room = LONGEST_TREE
    results = sorted(one_release(report.results), key=lambda r: rank[r.launches])
    for number, result in enumerate(results):
        name = next((result.input.removeprefix(a) for a in archives if result.input.startswith(a)), result.input)
        text = render_resolution([evolve(result, input=name, findings=())], (), Style(width=WIDTH))
        room -= len(text)
        if room < 0:
            parts.append(f"and {len(results) - number} more, which the JSON report has\n")
            break
        parts.append(text)
    return "\n".join(parts)


def command_of(question: Question, inputs: Sequence[str], at: str) -> str:
    """Return what asks the same on a command line."""
    words = ["machochain", "audit", *(question.names if inputs == ["."] and len(question.names) == 1 else inputs)]
    for option, value in (("--macos", question.macos), ("--arch", question.arch), ("--at", at)):
        words += [option, value] if value else []
    words += ["--profile", question.profile] if question.profile != "release" else []
    words += [word for path in ELSEWHERE for word in ("--unseen", path)] if question.others == "unknown" else []
    return shlex.join([*words, "--root", "EMPTY_FOLDER"])


_DESK: Final = Desk()


def handle(request: str) -> str:
    """Answer one request of the page."""
    return _DESK.handle(request)
