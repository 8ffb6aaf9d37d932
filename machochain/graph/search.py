"""One search as dyld4 makes it (dyld-1378, Loader.cpp: getLoader()), and the ways processes share."""

from __future__ import annotations

from typing import Final

from attrs import evolve

from machochain.dyld import messages
from machochain.dyld.atpaths import LoadRequest
from machochain.dyld.facts import (
    is_file_relative,
    might_be_in_shared_cache,
)
from machochain.dyld.plan import candidates
from machochain.graph.mac import Trail
from machochain.graph.process import Process, names_a_system_library
from machochain.graph.walked import Found
from machochain.model.filesystem import Node, NodeKind, Presence, SystemAnswer
from machochain.model.image import Slice
from machochain.model.ospaths import (
    LIBSYSTEM,
)
from machochain.model.result import LoadedImage, Unknown, UnknownKind
from machochain.model.search import Attempt, Candidate, Failure, FailureKind, Objection, ObjectionKind

PROTECTED: Final = frozenset(
    {LIBSYSTEM, "/usr/lib/system/libsystem_secinit.dylib", "/usr/lib/system/libsystem_sandbox.dylib"}
)
"""Libraries a hardened process never overrides (dyld-1378, isProtectedLibSystemPath())."""


class Search(Process):
    """The searches of macOS 12 and newer."""

    def _find_current(self, request: LoadRequest) -> Found:  # noqa: C901  # the order of its steps is the rule
        """Search as dyld4 does (Loader.cpp: getLoader())."""
        path = request.path
        known = self._loaded_by_run_path_name(request)
        if known is not None:
            return Found(known, None, (), None)
        trail = self._trails.get((self.mac.standpoint(request.chain[0]), path)) if request.static else None
        found = self._follow(trail, request) if trail is not None else None
        if found is not None:
            return found
        tried: list[Attempt] = []
        unknown: Unknown | None = None
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
        seen = next((a for a in tried if a.unseen), None)
        if seen is not None:
            unknown = Unknown(UnknownKind.UNSEEN_PATH, (request.path, seen.candidate.path))
        elif self._depends_on_process(request):
            unknown = Unknown(UnknownKind.UNKNOWN_PROCESS, (request.path, request.chain[0].path))
        return Found(None, None, tuple(tried), self._failure(request, tuple(tried)), unknown=unknown)

    def _follow(self, trail: Trail, request: LoadRequest) -> Found | None:
        """Take the way that led another process to a file; None if something loaded here answers on the way."""
        names = self._names
        if len(trail.tried) >= self._attempts_left or any(a.candidate.path in names for a in trail.tried):
            return None
        tried, candidate = trail.tried, trail.candidate
        requester = request.chain[0].id
        if trail.requester != requester:
            tried = tuple(evolve(a, candidate=asked_by(a.candidate, requester)) for a in tried)
            candidate = asked_by(candidate, requester)
        known = names.get(candidate.path)
        if known is None and trail.node.identity is not None:
            known = self._identities.get(trail.node.identity)
        if known is not None:
            return Found(self.images[known], candidate, tried, None)
        return self._take(trail.node, trail.piece, candidate, tried)

    def _remember(self, request: LoadRequest, found: Found, node: Node, piece: Slice) -> None:
        """Keep the way to a file if no other process of this kind can go another: see `Mac.trails`."""
        requester = request.chain[0]
        if not self._remembers or not request.static or request.inserted or request.path.startswith("@executable_path"):
            return
        if requester.image is None or any(r.path.startswith("@executable_path") for r in requester.image.run_paths):
            return
        assert found.candidate is not None
        if request.path.startswith("@rpath/") and found.candidate.image != requester.id:
            return  # the run paths of whoever led here came before
        ways = (found.candidate, *(attempt.candidate for attempt in found.tried))
        if any(c.image not in (None, requester.id) for c in ways):
            return
        if any(self.mac.find_system(c.path, self.config.macos).presence is Presence.PRESENT for c in ways):
            return  # whether the library of the OS that has this name is loaded differs
        asked = self.mac.standpoint(requester), request.path
        self._trails[asked] = Trail(requester.id, found.tried, found.candidate, node, piece)

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
        answer = self.mac.find_system(path, self.config.macos)
        if answer.presence is Presence.PRESENT:
            return answer
        real = self.mac.realpath(path, self.cwd)
        if real is None or real == path or not might_be_in_shared_cache(real):
            return None
        answer = self.mac.find_system(real, self.config.macos)
        return answer if answer.presence is Presence.PRESENT else None

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
        answer = self.mac.find_system(path, self.config.macos)
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
        found = self._take(node, chosen, candidate, tuple(tried))
        self._remember(request, found, node, chosen)
        return found


def asked_by(candidate: Candidate, requester: int) -> Candidate:
    """Return a candidate as another process has it, where the requester has another id."""
    if candidate.image is None:
        return candidate
    return Candidate(candidate.path, candidate.rule, requester, candidate.run_path)
