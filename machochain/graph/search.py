"""One search as dyld4 makes it (dyld-1378, Loader.cpp: getLoader()), and the ways processes share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from machochain.dyld import messages
from machochain.dyld.atpaths import LoadRequest
from machochain.dyld.facts import (
    is_file_relative,
    might_be_in_shared_cache,
)
from machochain.dyld.plan import candidates
from machochain.graph.mac import RESPELT
from machochain.graph.process import Process, names_a_system_library
from machochain.graph.sharing import Asked
from machochain.graph.walked import BY_NAME, Found, Trail
from machochain.model.filesystem import Node, NodeKind, Presence, SystemAnswer
from machochain.model.image import Slice
from machochain.model.ospaths import (
    LIBSYSTEM,
)
from machochain.model.paths import TargetPath
from machochain.model.result import LoadedImage, Origin, Unknown, UnknownKind
from machochain.model.search import Attempt, Candidate, Failure, FailureKind, Objection, ObjectionKind
from machochain.model.value import evolve

PROTECTED: Final = frozenset(
    {LIBSYSTEM, "/usr/lib/system/libsystem_secinit.dylib", "/usr/lib/system/libsystem_sandbox.dylib"}
)
"""Libraries a hardened process never overrides (dyld-1378, isProtectedLibSystemPath())."""


# A tuple: to hash a member costs a call.
_FILELESS: Final = (ObjectionKind.NO_SUCH_FILE, ObjectionKind.STAT_FAILED, ObjectionKind.NOT_A_FILE)
"""Why nothing is taken at a path where there is no file to be judged."""


class Search(Process):
    """The searches of macOS 12 and newer."""

    def _find_current(self, request: LoadRequest) -> Found:
        """Search as dyld4 does, by a way that another process has found if there is one."""
        known = self._loaded_by_run_path_name(request)
        if known is not None:
            return Found(known, None, (), None, trail=BY_NAME)
        for asked in self._asked(request):
            trail = self._trails.get(asked)
            if trail is not None and self._holds(trail, request):
                found = self._follow(trail, request)
                if found is not None:
                    return found
        return self._remember(request, self._explore(request))

    def _explore(self, request: LoadRequest) -> Found:
        """Search without knowing the way (Loader.cpp: getLoader())."""
        path = request.path
        tried: list[Attempt] = []
        self._answers.clear()
        for _ in range(2):
            answer = self._canonical(path)
            if answer is not None and answer.path is not None and answer.path != path:
                path = answer.path
            current = request if path == request.path else evolve(request, path=path)
            for candidate in self._affordable(candidates(self.config, current)):
                found = self._probe(candidate, request, path, tried)
                if found is not None:
                    return found
            if self.config.hardened and is_file_relative(request.path):
                known_id = self._names.get(path)
                if known_id is not None:
                    return Found(self.images[known_id], None, tuple(tried), None)
                break
            if path.startswith("@") or (not request.static and "/" not in path):
                break
            real = self.mac.realpath(path, self.cwd)
            if real is None or path.startswith(real):
                break
            path = real
        return self._failed(request, tuple(tried), None, None)

    def _failed(
        self, request: LoadRequest, tried: tuple[Attempt, ...], failure: Failure | None, trail: Trail | None
    ) -> Found:
        """Return that nothing serves; dyld's words are not made up where nobody can tell whether it says them."""
        unknown = self._unknown(request, tried)
        if unknown is not None and request.static and not request.inserted:
            failure = None
        elif failure is None:
            failure = self._failure(request, tried)
        return Found(None, None, tried, failure, unknown=unknown, trail=trail)

    def _unknown(self, request: LoadRequest, tried: Sequence[Attempt]) -> Unknown | None:
        """Return why nobody can tell that a search fails."""
        seen = next((a for a in tried if a.unseen), None)
        if seen is not None:
            return Unknown(UnknownKind.UNSEEN_PATH, (request.path, seen.candidate.path))
        if self._depends_on_process(request):
            return Unknown(UnknownKind.UNKNOWN_PROCESS, (request.path, request.chain[0].path))
        return None

    def _asked(self, request: LoadRequest) -> Iterator[Asked]:
        """Yield by what a way is known: who asks and for what, then also whose run paths count."""
        if not request.static or request.inserted or not self._remembers:
            return
        path, main_path = request.path, self.config.main_path
        yield (
            self.mac.standpoint(request.chain[0], main_path),
            path,
            main_path if path.startswith("@executable_path") else None,
        )
        if path.startswith("@rpath/"):
            if self._chain[0] is not request.chain:
                self._chain = request.chain, self.mac.standpoints(request.chain, main_path)
            yield self._chain[1], path, None

    def _holds(self, trail: Trail, request: LoadRequest) -> bool:
        """Whether a way is one of this release too: so it is if files are missing alike, and the OS answers alike."""
        if trail in self._trails.gone:
            return True
        macos = self.config.macos
        for path, presence, name in trail.answers:
            answer = self.mac.find_system(path, macos)
            if answer.presence is not presence or answer.path != name:
                return False
        if not all(attempt.kind in _FILELESS for attempt in trail.tried):
            return False
        node, candidate = trail.node, trail.candidate
        takes = self._choose(node, candidate, request) if trail.piece and node and candidate else None
        if takes is not trail.piece:
            return False
        self._trails.gone.add(trail)
        return True

    def _follow(self, trail: Trail, request: LoadRequest) -> Found | None:
        """Go the way another process went; None if something loaded here answers on the way."""
        names = self._names
        if len(trail.tried) >= self._attempts_left or not names.keys().isdisjoint(trail.passed):
            return None
        tried, candidate = trail.seen_by(tuple(image.id for image in request.chain))
        if candidate is None:
            return self._failed(request, tried, trail.failure, trail)
        known = names.get(candidate.path)
        if known is None and trail.system is not None:
            known = names.get(trail.system)
        if known is None and trail.node is not None and trail.node.identity is not None:
            known = self._identities.get(trail.node.identity)
        if known is not None:
            return Found(self.images[known], candidate, tried, None, trail=trail)
        if trail.loads_system and trail.system is not None:
            return self._take_system(trail.system, candidate, tried, trail)
        if trail.node is not None and trail.piece is not None:
            return self._take(trail.node, trail.piece, candidate, tried, trail)
        return None

    def _remember(self, request: LoadRequest, found: Found) -> Found:
        """Keep the way of a search if every process of this kind goes it in which nothing answers before."""
        ways = list(self._asked(request))
        if not ways or self._given_up is not None or not _is_plain(request, found, self.config.hardened):
            return found
        # The run paths of whoever led here matter unless the image's own led to something.
        first = request.chain[0].id
        own = (
            found.candidate is not None
            and found.candidate.image == first
            and all(attempt.candidate.image in (None, first) for attempt in found.tried)
        )
        asked = ways[0] if own or len(ways) == 1 else ways[1]
        trail = self._trails.add(asked, self._trail(request, found))
        return Found(found.image, found.candidate, found.tried, found.failure, found.fresh, found.unknown, trail)

    def _trail(self, request: LoadRequest, found: Found) -> Trail:
        """Return the way a search went."""
        candidate, fresh = found.candidate, found.fresh
        passed = dict.fromkeys(a.candidate.path for a in found.tried)
        passed |= {a.path: None for path, a in self._answers.items() if path in passed and a.path is not None}
        node: Node | None = None
        piece: Slice | Objection | None = None
        system: TargetPath | None = None
        loads_system = False
        if candidate is not None and found.image is not None:
            answer = self.mac.find_system(candidate.path, self.config.macos)
            system = (answer.path or TargetPath(candidate.path)) if answer.presence is Presence.PRESENT else None
            if found.image.origin is Origin.OS:
                loads_system = fresh
            else:
                node = self.mac.look(candidate.path, self.cwd)
                piece = self._choose(node, candidate, request) if fresh else None
        return Trail(
            tuple(image.id for image in request.chain),
            found.tried,
            candidate,
            tuple(passed),
            node,
            piece if isinstance(piece, Slice) else None,
            system,
            loads_system,
            found.failure,
            tuple((path, answer.presence, answer.path) for path, answer in self._answers.items()),
        )

    def _failure(self, request: LoadRequest, tried: tuple[Attempt, ...]) -> Failure | None:
        """Return why a search failed; None if dyld has no words and goes on in silence."""
        config = self.config
        note = messages.not_expanded_note(config, request.path)
        text = messages.tried_text(config.profile, tried) + note
        if text:
            return Failure(FailureKind.NOT_EXPANDED if note else FailureKind.NOT_FOUND, text)
        if request.may_be_missing:
            return None
        has_run_paths = any(i.image is not None and i.image.run_paths for i in request.chain)
        return messages.nothing_tried(config.profile, request.path, has_run_paths=has_run_paths)

    def _loaded_by_run_path_name(self, request: LoadRequest) -> LoadedImage | None:
        """Return an image loaded already under the very ``@rpath/`` name, before any run path is looked at."""
        name = request.path
        if not name.startswith("@rpath/"):
            if request.static or name.startswith("@") or "/" in name:
                return None
            name = "@rpath/" + name
        known = self._names.get(name)
        return self.images[known] if known is not None else None

    def _canonical(self, path: str) -> SystemAnswer | None:
        """Return the OS library a path or its real path stands for (canonicalDylibPathInCache())."""
        if path.startswith("@"):
            return None
        answer = self._system(path)
        if answer.presence is Presence.PRESENT:
            return answer
        real = self.mac.realpath(path, self.cwd)
        if real is None or real == path or not might_be_in_shared_cache(real):
            return None
        answer = self._system(real)
        return answer if answer.presence is Presence.PRESENT else None

    def _system(self, path: str) -> SystemAnswer:
        """Ask the OS for a library, and keep in mind that the way of the search depends on it."""
        answer = self.mac.find_system(path, self.config.macos)
        if answer is not RESPELT:  # which no release answers otherwise
            self._answers[path] = answer
        return answer

    def _probe(self, candidate: Candidate, request: LoadRequest, load_path: str, tried: list[Attempt]) -> Found | None:  # noqa: PLR0911  # one answer a case
        """Try one path; return what it gave, or note why it did not serve."""
        path = candidate.path
        profile = self.config.profile
        known = self._names.get(path)
        if known is not None:
            return Found(self.images[known], candidate, tuple(tried), None)
        if self.config.hardened and is_file_relative(path):
            reason = "relative path not allowed in hardened program"
            tried.append(Attempt(candidate, Objection(ObjectionKind.RELATIVE_PATH, reason)))
            return None
        answer = self._system(path)
        if answer.presence is Presence.PRESENT:
            # An alias of a cached library that is loaded counts even where only the disk is searched.
            known = self._names.get(answer.path or path)
            if known is not None:
                return Found(self.images[known], candidate, tuple(tried), None)
            if not candidate.rule.on_disk_only:
                return self._load_system(answer, candidate, tried)
        node = self.mac.look(path, self.cwd)
        if node.presence is Presence.UNSEEN:
            tried.append(Attempt(candidate, messages.miss(profile, candidate, messages.ENOENT), unseen=True))
            return None
        if node.presence is Presence.ABSENT or node.kind is not NodeKind.FILE:
            errno = messages.ENOTAFILE if node.presence is Presence.PRESENT else node.errno
            unseen = (
                node.presence is Presence.ABSENT
                and answer.presence is Presence.UNSEEN
                and not candidate.rule.on_disk_only
                and names_a_system_library(candidate, load_path, known=self.mac.knows_system(path))
            )
            tried.append(Attempt(candidate, messages.miss(profile, candidate, errno), unseen=unseen))
            return None
        known = self._identities.get(node.identity) if node.identity else None
        if known is not None:
            return Found(self.images[known], candidate, tuple(tried), None)
        if profile.protects_libsystem and self.config.hardened and load_path in PROTECTED:
            reason = "cannot override a protected system dylib"
            suffix = ", not in dyld cache" if might_be_in_shared_cache(path) else ""
            tried.append(Attempt(candidate, Objection(ObjectionKind.PROTECTED, reason), suffix))
            return None
        return self._load_file(node, candidate, request, tried)

    def _load_file(self, node: Node, candidate: Candidate, request: LoadRequest, tried: list[Attempt]) -> Found | None:
        """Read a file and load its slice, or note dyld's reason for refusing it."""
        chosen = self._choose(node, candidate, request)
        if isinstance(chosen, Objection):
            tried.append(Attempt(candidate, chosen))
            if chosen.kind is ObjectionKind.ABORTS and not self._aborted:
                self._abort(chosen.text)
            return None
        return self._take(node, chosen, candidate, tuple(tried))


def _is_plain(request: LoadRequest, found: Found, hardened: bool) -> bool:
    """Whether the way of a search says all about it: nothing was asked by name at its end, and something was tried."""
    if found.candidate is None and (found.image is not None or not found.tried):
        return False
    if hardened and is_file_relative(request.path):
        return False
    return not any(attempt.kind is ObjectionKind.ABORTS for attempt in found.tried)
