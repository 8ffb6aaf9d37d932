"""What a text means: the cause, the reasons for it, what helps, and what to run next."""

from __future__ import annotations

from enum import Enum

from machochain.model.cause import Cause
from machochain.model.evidence import Evidence, Tried
from machochain.model.notebook import table
from machochain.model.result import Confidence
from machochain.model.search import SearchRule
from machochain.model.value import frozen

Fact = str | int | bool | tuple[str, ...]
"""A value a text gives: as printed; several of one name as a tuple; numbers for what is counted."""


class PlaceKind(Enum):
    """What sort of place a path lies in."""

    GO_TEST = "go test"
    GO_RUN = "go run"
    GO_RUN_CACHED = "go run (cached)"
    HOMEBREW = "Homebrew"
    MACPORTS = "MacPorts"
    NIX = "Nix"
    CONDA = "conda"
    VENV = "virtual environment"
    PYTHON_PACKAGE = "Python package"
    NODE_MODULE = "Node module"
    RUBY_GEM = "Ruby gem"
    XCODE = "Xcode"
    APP_BUNDLE = "app bundle"
    CARGO_TARGET = "cargo target"
    TEMPORARY = "temporary folder"
    SYSTEM = "macOS"
    OTHER = "other"


@frozen
class Place:
    """Where a path lies, as far as the path itself tells.

    Attributes:
        kind: The innermost sort of place that matters.
        root: The folder that makes it one (Cellar keg, environment, bundle…); ``""`` for ``OTHER``.
        name: Formula, environment, bundle or test; ``""`` where there is none.
        version: The version the path names; ``""`` where there is none.
    """

    kind: PlaceKind
    root: str = ""
    name: str = ""
    version: str = ""


@frozen
class ExplainedAttempt:
    """One attempt and why dyld made it.

    Attributes:
        tried: What dyld printed.
        rule: dyld's step; None where several explain it.
        why: The step in plain words.
        run_path: The LC_RPATH text it implies; None if no run path is involved or it cannot be told.
        again: Whether it repeats an earlier attempt only because dyld walks the main executable twice,
            or tries the path again after the cryptex.
    """

    tried: Tried
    rule: SearchRule | None
    why: str
    run_path: str | None = None
    again: bool = False


@frozen
class ProcessFacts:
    """What the attempts give away about the process. None where they do not.

    Attributes:
        hardened: Whether dyld was restricted.
        cwd: The working directory.
        run_paths: LC_RPATH texts in the order walked, each once.
        library_path: Folders of DYLD_LIBRARY_PATH (or DYLD_FRAMEWORK_PATH).
        fallback_path: Folders of DYLD_FALLBACK_LIBRARY_PATH that replaced the default.
        old_sdk: Whether the image that asked was linked with an SDK older than 14 (only then dyld of
            macOS 13 and later falls back to /usr/local/lib).
        real_path: The library's path with links resolved, where dyld tried it too.
        notes: One sentence for each conclusion.
    """

    hardened: bool | None = None
    cwd: str | None = None
    run_paths: tuple[str, ...] = ()
    library_path: tuple[str, ...] = ()
    fallback_path: tuple[str, ...] = ()
    old_sdk: bool | None = None
    real_path: str | None = None
    notes: tuple[str, ...] = ()


@frozen
class Help:
    """One thing that helps.

    Attributes:
        kind: What sort of change it is: ``relink``, ``resign``, ``give-sdk``…
        text: A command with the facts filled in (what is not known stands in capitals), or a step in words.
        command: Whether the text is a command.
        evidence: Addresses of public threads in which it helped.
    """

    kind: str
    text: str
    command: bool = False
    evidence: tuple[str, ...] = ()


@frozen
class Sure:
    """How well an answer is founded.

    Attributes:
        form: How the wording is known: ``source`` (read in the program that prints it), ``seen`` (in public threads),
            ``named`` (from its documentation only).
        cause: How far the wording settles the cause: ``certain``, ``likely`` or ``guess``.
    """

    form: str
    cause: str


@frozen
class Answer:
    """What one message means.

    Attributes:
        evidence: What was read.
        headline: What happened, one sentence.
        cause: The class.
        confidence: Whether the text itself proves the class, or it is the usual one for such a text.
        because: What the class rests on, one sentence each.
        alternatives: Other classes the text allows, the likeliest first.
        attempts: Each attempt with its explanation.
        process: What the attempts give away.
        place: Where the image that asked lies.
        remedy: Commands or steps that worked for the class.
        avoid: What people try and should not.
        form: Which message it is: a row of the table of forms; None for a log that is no message.
        forms: All forms that belong to it: what wraps it, what it quotes, what only follows from it.
        sure: How well that is founded.
        facts: Every value of the message by name, as printed.
        helps: The remedies one by one, with their kind and the threads in which they helped.
        next: What to run next, at most two commands.
        notes: What was done to the text to read it: stripped, joined, unescaped; and what is cut or left out in it.
    """

    evidence: Evidence
    headline: str
    cause: Cause
    confidence: Confidence
    because: tuple[str, ...] = ()
    alternatives: tuple[Cause, ...] = ()
    attempts: tuple[ExplainedAttempt, ...] = ()
    process: ProcessFacts = ProcessFacts()
    place: Place = Place(PlaceKind.OTHER)
    remedy: tuple[str, ...] = ()
    avoid: tuple[str, ...] = ()
    form: str | None = None
    forms: tuple[str, ...] = ()
    sure: Sure = Sure("seen", "likely")
    facts: tuple[tuple[str, Fact], ...] = ()
    helps: tuple[Help, ...] = ()
    next: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_failure(self) -> bool:
        """Whether it tells of something that went wrong; a log or a remark does not."""
        return self.evidence.kind.is_failure and self.cause.is_failure

    @property
    def urls(self) -> tuple[str, ...]:
        """The public threads in which what helps has helped."""
        return tuple(dict.fromkeys(url for each in self.helps for url in each.evidence))

    def fact(self, name: str) -> Fact | None:
        """Return a value of the message by its name; None if the text does not give it."""
        return dict(self.facts).get(name)


@frozen
class Unread:
    """What can be said of a text that no form fits.

    Attributes:
        lines: The lines that look most like a message.
        nearest: The form that has most words in common with one of them; None if none has enough.
        producer: Who prints that form.
        differs: The words at which the line leaves the form.
        next: What to run to learn more.
        other_system: Whether the text comes from Linux or Windows.
    """

    lines: tuple[str, ...] = ()
    nearest: str | None = None
    producer: str | None = None
    differs: str | None = None
    next: tuple[str, ...] = ()
    other_system: bool = False


@frozen
class Diagnosis:
    """Everything a text tells.

    Attributes:
        answers: One for each failure, log or remark; what went wrong stands first, else in the order of the text.
        context: Facts from elsewhere in the text (the release, the processor, variables), as far as it states them.
        unread: What can be said where nothing was recognised, or only that something else failed; None where something
            was.
    """

    answers: tuple[Answer, ...] = ()
    context: tuple[tuple[str, Fact], ...] = ()
    unread: Unread | None = None

    @property
    def main(self) -> Answer | None:
        """The answer to begin with; None if nothing was recognised."""
        return self.answers[0] if self.answers else None

    def __repr__(self) -> str:
        number = len(self.answers)
        return f"<Diagnosis: {number} answer{'' if number == 1 else 's'}>"

    def _repr_html_(self) -> str:
        """Return a table for notebooks."""
        rows = [
            (a.headline, a.cause.value if a.evidence.kind.is_failure else "", "\n".join(a.remedy), "\n".join(a.next))
            for a in self.answers
        ]
        if not rows:
            seen = self.unread or Unread()
            rows = [("\n".join(("no message that is known", *seen.lines)), "", "", "\n".join(seen.next))]
        return table(("what happened", "cause", "what helps", "run next"), rows)
