"""Why dyld tried each path: its own search order, read backwards.

The order is that of dyld-1378 dyld/DyldProcessConfig.cpp PathOverrides::forEachPathVariant() and dyld/Loader.cpp
forEachResolvedAtPathVar(); what differs before macOS 13 is noted where it matters.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from machochain.diagnosis.elision import is_elided
from machochain.model.diagnosis import ExplainedAttempt, ProcessFacts
from machochain.model.evidence import Era, Evidence, Request, Tried
from machochain.model.ospaths import CRYPTEX
from machochain.model.paths import directory, leaf
from machochain.model.search import SearchRule
from machochain.model.value import define, field

_FRAMEWORK: Final = re.compile(r"(?:^|/)(?P<partial>(?P<name>[^/]+)\.framework/(?:.*/)?(?P=name))$")
_NEW_ERAS: Final = (Era.DYLD4,)


def explain_attempts(evidence: Evidence) -> tuple[tuple[ExplainedAttempt, ...], ProcessFacts]:
    """Explain every attempt of a message, and say what the attempts give away about the process."""
    search = _Search(evidence)
    search.walk()
    return tuple(search.explained), search.facts()


def framework_partial(path: str) -> str | None:
    """Return ``Foo.framework/…/Foo`` of a framework path, None for any other (dyld: ``getFrameworkPartialPath``)."""
    match = _FRAMEWORK.search(path)
    return match["partial"] if match else None


@define
class _Search:
    """The attempts of one message, explained from the first to the last."""

    evidence: Evidence
    explained: list[ExplainedAttempt] = field(factory=list)
    run_paths: list[str] = field(factory=list)
    overrides: list[str] = field(factory=list)
    custom: list[str] = field(factory=list)
    cwd: str | None = None
    real: str | None = None
    defaults: set[str] = field(factory=set)

    @property
    def library(self) -> str:
        return self.evidence.library or ""

    def walk(self) -> None:
        items = self.evidence.attempts
        library = self.library
        if not items:
            return
        if not library:
            for tried in items:
                self._add(tried, None, "the message does not say which library was asked for")
        elif library.startswith("@rpath/"):
            self._run_path(items)
        elif library.startswith(("@loader_path", "@executable_path")):
            self._at_path(items)
        else:
            self._plain(items)

    def _add(
        self, tried: Tried, rule: SearchRule | None, why: str, run_path: str | None = None, *, again: bool = False
    ) -> None:
        self.explained.append(ExplainedAttempt(tried, rule, why, run_path, again))

    # --- plain paths ----------------------------------------------------------------------------------------------

    def _plain(self, items: Sequence[Tried]) -> None:  # noqa: C901, PLR0912  # the order of its steps is the rule
        """P on disk, cryptex + P, P; fallbacks; then the same for the real path of P."""
        library = self.library
        base = library
        started = False
        for index, tried in enumerate(items):
            path = tried.path
            new = any(t.path == CRYPTEX + base for t in items)
            if self._hidden(tried):
                continue
            if path == base:
                seen = any(e.tried.path == base and not e.again for e in self.explained)
                if not seen:
                    rule = SearchRule.RAW_PATH_ON_DISK if new else SearchRule.RAW_PATH
                    self._add(
                        tried, rule, "the load path as it is written" if base == library else self._real_words(path)
                    )
                else:
                    self._add(
                        tried, SearchRule.RAW_PATH, "the load path once more, now in the dyld cache too", again=True
                    )
                started = True
            elif path == CRYPTEX + base:
                self._add(tried, SearchRule.CRYPTEX_PREFIX, "the same path in the OS cryptex")
            elif path.endswith(_SIMULATED + base):
                self._add(tried, None, "the same path below the simulator's root")
            elif (fallback := self._fallback(path)) is not None and started:
                self._add(tried, SearchRule.STANDARD_FALLBACK, fallback)
            elif (self._searches_run_paths(items[:index]) and leaf(path) == library and path.startswith("/")) or (
                not started and self._searches_early(items[index:]) and leaf(path) == library and path.startswith("/")
            ):
                text = directory(path)
                self.run_paths.append(text)
                why = "a bare name given to dlopen is looked for along the run paths"
                self._add(tried, SearchRule.IMPLICIT_RPATH, why, text)
            elif not started:
                self._override(tried)
            elif path == "/private" + base or self._opened_by_path(path, base):
                self.real = base = path
                self._add(tried, SearchRule.RAW_PATH, self._real_words(path))
            elif self._is_real_path(path, base, items[index:]):
                base = self.real = path
                if not library.startswith("/"):
                    self.cwd = path[: -len(library.removeprefix("./")) - 1]
                self._add(
                    tried,
                    SearchRule.RAW_PATH_ON_DISK if self._new(items, path) else SearchRule.RAW_PATH,
                    self._real_words(path),
                )
            elif self._tells and self._is_clean(path) and leaf(path) == leaf(library):
                folder = directory(path)
                self.custom.append(folder)
                self._add(tried, SearchRule.CUSTOM_FALLBACK, f"perhaps DYLD_FALLBACK_LIBRARY_PATH has {folder}")
            else:
                self._add(tried, None, "nothing in the text explains it")

    @property
    def _tells(self) -> bool:
        """Whether the list is whole and as dyld printed it: only then an attempt tells of a variable."""
        evidence = self.evidence
        return (
            not evidence.truncated
            and not any(is_elided(t.path) or not t.path for t in evidence.attempts)
            and not is_elided(evidence.library)
            and not is_elided(evidence.referenced_from)
        )

    def _hidden(self, tried: Tried) -> bool:
        """Take an attempt whose path was removed or shortened: it may be shown, and tells nothing."""
        if not tried.path:
            if NO_PATH.search(tried.reason or ""):
                self._add(tried, SearchRule.RAW_PATH, "the path as it was given")
            else:
                self._add(tried, None, "the crash reporter removed this path")
        elif is_elided(tried.path):
            self._add(tried, None, "a path that was shortened")
        elif ".simruntime/Contents/Resources/RuntimeRoot/" in tried.path:
            self._add(tried, None, "the same path below the simulator's own root")
        else:
            return False
        return True

    def _opened_by_path(self, path: str, base: str) -> bool:
        """Whether it is the real path of a file given to dlopen by its path: for such nothing else is searched."""
        opened = self.evidence.request is Request.DLOPEN and self.library == self.evidence.dlopen_path
        alike = leaf(path) == leaf(base) or (len(self.explained) == 1 and path.startswith("/") and self._tells)
        return opened and base.startswith("/") and self.real is None and alike

    def _searches_early(self, rest: Sequence[Tried]) -> bool:
        """Whether run paths stand before the bare name itself: so up to macOS 12, which knows no cryptex (dyld-960)."""
        if self.evidence.request is not Request.DLOPEN or "/" in self.library:
            return False
        paths = [t.path for t in rest]
        return self.library in paths and CRYPTEX + self.library not in paths

    def _searches_run_paths(self, before: Sequence[Tried]) -> bool:
        """Whether a bare name given to dlopen is being looked for along run paths: between the name and /usr/lib."""
        if self.evidence.request is not Request.DLOPEN or "/" in self.library:
            return False
        paths = [t.path for t in before]
        return self.library in paths and paths.count(self.library) == 1 and f"/usr/lib/{self.library}" not in paths

    def _new(self, items: Sequence[Tried], path: str) -> bool:
        return any(t.path == CRYPTEX + path for t in items)

    def _real_words(self, path: str) -> str:
        if not self.library.startswith("/"):
            return f"the relative path below the working directory {self.cwd or directory(path)}"
        return "the same path with its symbolic links resolved"

    def _is_real_path(self, path: str, base: str, rest: Sequence[Tried]) -> bool:
        """Whether the list starts over with the resolved path: it has the leaf, and is no fallback folder."""
        if leaf(path) != leaf(base) or not path.startswith("/") or self.real is not None:
            return False
        if not self.library.startswith("/"):
            return path.endswith("/" + self.library.removeprefix("./"))
        if any(t.path == CRYPTEX + path for t in rest) or self.evidence.era in _NEW_ERAS:
            return True
        return "/Cellar/" in path or "/Versions/" in path or bool(self.defaults)

    def _is_clean(self, path: str) -> bool:
        """Whether a path may tell of a variable: an absolute one, in a list that dyld4 printed whole."""
        return path.startswith("/") and not _DIRTY.search(path) and "Did find" not in (self.evidence.reason or "")

    def _override(self, tried: Tried) -> None:
        folder = directory(tried.path)
        partial = framework_partial(self.library)
        if not self._tells or leaf(tried.path) != leaf(self.library) or not self._is_clean(tried.path):
            self._add(tried, None, "nothing in the text explains it")
            return
        name = "DYLD_FRAMEWORK_PATH" if partial else "DYLD_LIBRARY_PATH"
        if partial and tried.path.endswith("/" + partial):
            folder = tried.path[: -len(partial) - 1]
        self.overrides.append(folder)
        self._add(tried, SearchRule.PATH_DIR_OVERRIDE, f"perhaps {name} has {folder or 'an empty entry'}")

    def _fallback(self, path: str) -> str | None:
        """Say which default fallback a path is; None if it is none."""
        name = leaf(self.library)
        partial = framework_partial(self.real or self.library)
        table = (
            {
                f"{d}/{partial}": d
                for d in ("/Library/Frameworks", "/Network/Library/Frameworks", "/System/Library/Frameworks")
            }
            if partial
            else {}
        ) | {f"{d}/{n}": d for d in ("/usr/local/lib", "/usr/lib") for n in {name, self.library if partial else name}}
        folder = table.get(path)
        if folder is None:
            return None
        self.defaults.add(folder)
        return f"the default fallback folder {folder}"

    # --- @-paths --------------------------------------------------------------------------------------------------

    def _at_path(self, items: Sequence[Tried]) -> None:
        word, _, _ = self.library.partition("/")
        rule = SearchRule.LOADER_PATH if word == "@loader_path" else SearchRule.EXECUTABLE_PATH
        whose = "the image that asks" if rule is SearchRule.LOADER_PATH else "the main executable"
        for index, tried in enumerate(items):
            if self._hidden(tried):
                continue
            fallback = self._fallback(tried.path) if index else None
            if fallback is not None:
                self._add(tried, SearchRule.STANDARD_FALLBACK, fallback)
            elif tried.path == CRYPTEX + self.library:
                self._add(
                    tried, SearchRule.CRYPTEX_PREFIX, "the unexpanded path in the cryptex (macOS 13.0 to 13.2 only)"
                )
            elif leaf(tried.path) == leaf(self.library):
                self._add(tried, rule, f"{word} is the folder of {whose}", again=index > 0)
            else:
                self._add(tried, None, "nothing in the text explains it")

    def _run_path(self, items: Sequence[Tried]) -> None:
        """Every LC_RPATH of the chain that asks; main twice; then the fallbacks."""
        tail = self.library.removeprefix("@rpath/")
        body = list(items)
        fallbacks: list[Tried] = []
        wanted = self._trailing(items)
        if wanted:
            body, fallbacks = body[:-wanted], body[-wanted:]
        repeated = _second_pass([t.path for t in body])
        for index, tried in enumerate(body):
            if self._hidden(tried):
                continue
            path = tried.path
            again = repeated is not None and index >= repeated
            before = body[index - 1].path if index else ""
            if path == CRYPTEX + self.library:
                self._add(
                    tried, SearchRule.CRYPTEX_PREFIX, "the unexpanded path in the cryptex (macOS 13.0 to 13.2 only)"
                )
            elif before and path == CRYPTEX + before:
                self._add(tried, SearchRule.CRYPTEX_PREFIX, "the same path in the OS cryptex", again=again)
            elif path.endswith("/" + tail) or path == tail:
                text, why = self._run_path_text(path, tail, body[index + 1].path if index + 1 < len(body) else "")
                if again:
                    why = "the run paths of the main executable once more: dyld has it on its list twice"
                elif text is not None and text not in self.run_paths:
                    self.run_paths.append(text)
                self._add(tried, SearchRule.RPATH, why, text, again=again)
            elif leaf(path) == leaf(tail):
                self._override(tried)
            else:
                self._add(tried, None, "nothing in the text explains it")
        for tried in fallbacks:
            self._add(tried, SearchRule.STANDARD_FALLBACK, self._fallback(tried.path) or "a default fallback folder")

    def _trailing(self, items: Sequence[Tried]) -> int:
        """Return how many attempts at the end are default fallbacks: none, the one of restricted processes, or both."""
        paths = [t.path for t in items]
        partial = framework_partial(self.library)
        pair = (
            [f"/Library/Frameworks/{partial}", f"/System/Library/Frameworks/{partial}"]
            if partial
            else [f"/usr/local/lib/{leaf(self.library)}", f"/usr/lib/{leaf(self.library)}"]
        )
        if paths[-2:] == pair:
            return 2
        if self.evidence.truncated and self.evidence.era not in _NEW_ERAS and paths[-1:] == pair[:1]:
            # Cut between the two. Were it a run path, the main executable's second turn would show it again.
            return int(paths.count(pair[0]) == 1)
        return 1 if paths[-1:] == pair[1:] and paths.count(pair[1]) == 1 else 0

    def _run_path_text(self, path: str, tail: str, following: str) -> tuple[str | None, str]:
        """Work the LC_RPATH out of the path it gave: text and words."""
        folder = path[: -len(tail)].removesuffix("/") if path != tail else ""
        if path.startswith("/usr/lib/system/introspection/"):
            return None, "a folder of Xcode's own run, or an LC_RPATH"
        if path.startswith("~"):
            return None, "an LC_RPATH, or a folder of DYLD_LIBRARY_PATH"
        if not path.startswith("/"):
            return folder, "an LC_RPATH taken as it is, below the working directory"
        if following == CRYPTEX + path:
            return folder, "an absolute LC_RPATH"
        home = directory(self.evidence.referenced_from or "")
        if home and (folder == home or folder.startswith(home + "/")):
            rest = folder[len(home) :]
            return f"@loader_path{rest}", "an LC_RPATH; the folder lies beside the image that asks"
        _, mark, rest = folder.partition("/../")
        if mark:
            return f"@loader_path/../{rest}", "an LC_RPATH below @loader_path or @executable_path"
        return (None if self.evidence.era in _NEW_ERAS else folder), "an LC_RPATH"

    # --- conclusions ----------------------------------------------------------------------------------------------

    def facts(self) -> ProcessFacts:
        notes: list[str] = []
        hardened = self._hardened(notes)
        if self.cwd is not None:
            notes.append(f"The process ran in {self.cwd}.")
        if self.overrides:
            notes.append("Perhaps DYLD_LIBRARY_PATH (or DYLD_FRAMEWORK_PATH) was set.")
        if self.custom:
            notes.append("Perhaps DYLD_FALLBACK_LIBRARY_PATH was set: it replaces /usr/local/lib and /usr/lib.")
        return ProcessFacts(
            hardened=hardened,
            cwd=self.cwd,
            run_paths=tuple(self.run_paths),
            library_path=tuple(dict.fromkeys(self.overrides)),
            fallback_path=tuple(dict.fromkeys(self.custom)),
            old_sdk=self._old_sdk(),
            real_path=self.real,
            notes=tuple(notes),
        )

    def _hardened(self, notes: list[str]) -> bool | None:
        """Whether dyld says that it restricts the process, or did what it does for no such process."""
        evidence = self.evidence
        texts = [evidence.reason or "", *(t.reason or "" for t in evidence.attempts)]
        if any(_RESTRICTED.search(t) for t in texts):
            notes.append(
                "The process is restricted (hardened runtime, SIP or setuid), by what dyld refuses: DYLD_* is ignored."
            )
            return True
        wide = self.defaults & {"/usr/local/lib", "/Library/Frameworks"}
        return False if self.overrides or self.custom or wide else None

    def _old_sdk(self) -> bool | None:
        """Tell on which side of SDK 14 the requester is (dyld-1042 and later, Policy ``pre2022``)."""
        evidence = self.evidence
        if evidence.era is not Era.DYLD4 or not self._tells or evidence.request is not Request.LAUNCH:
            return None
        if any(not _ABSENT.match(t.reason or "") for t in evidence.attempts):
            return None  # a file that is there and refused may have ended the list, or the poster did
        if self.defaults:
            return True
        return False if evidence.attempts and not self.custom else None


_ABSENT: Final = re.compile(r"no such file|not a file|$")
_SIMULATED: Final = "/RuntimeRoot"
"""End of what dyld puts before every path in a simulator (dyld-1066.8, DyldProcessConfig.cpp simRootPath)."""
_DIRTY: Final = re.compile(r"[\[\]<>|\t]| {2}|: ")
"""What is hardly part of a path: a log's or a runner's prefix is."""
NO_PATH: Final = re.compile(r"^file system relative paths not allowed")
_RESTRICTED: Final = re.compile(r"in hardened program|security policy does not allow|with restricted binary")
"""What dyld says of a process it restricts. Library validation is none of it: a process may have it and keep DYLD_*."""


def _second_pass(paths: Sequence[str]) -> int | None:
    """Return where the repeated tail of a list begins (``a b b`` -> 2); None if nothing is repeated."""
    count = len(paths)
    for size in range(count // 2, 0, -1):
        if paths[count - size :] == paths[count - 2 * size : count - size]:
            return count - size
    return None
