"""Commands for places that cannot be written: a mounted disk image, the store of nix."""

from __future__ import annotations

import re
from typing import Final

from machochain.model.diagnosis import Answer, Help
from machochain.model.value import evolve

_WRITES: Final = re.compile(
    r"^(?:BIN=|(?:[^\n]*: )?(?:codesign -f|codesign --force|install_name_tool|xattr -\w*[cd]|chmod ))"
)
_ON_IMAGE: Final = re.compile(r"/Volumes/[^/\n']+/(?P<app>[^/\n]+\.app)(?=[/'\s]|$)")
"""An app at the top of a volume, as on the image it is handed out on."""
_COPY: Final = "copy {app} to /Applications first: what is on a disk image cannot be changed"
_NIX: Final = "/nix/store cannot be written: do it in the derivation (postFixup, fixDarwinDylibNames), and build again"


def at_writable_places(answer: Answer) -> Answer:
    """Return an answer whose commands are for the copy that can be changed, with what to do before them."""
    texts = [*answer.remedy, *(h.text for h in answer.helps)]
    writing = [t for t in texts if _WRITES.match(t)]
    on_image = next((m for t in writing if (m := _ON_IMAGE.search(t))), None)
    first = _COPY.format(app=on_image["app"]) if on_image else ""
    if not first and any("/nix/store/" in t for t in writing):
        first = _NIX
    if not first:
        return answer
    return evolve(
        answer,
        remedy=(first, *(_moved(t) for t in answer.remedy)),
        helps=(Help("none", first), *(evolve(h, text=_moved(h.text)) for h in answer.helps)),
    )


def _moved(text: str) -> str:
    return _ON_IMAGE.sub(r"/Applications/\g<app>", text) if _WRITES.match(text) else text
