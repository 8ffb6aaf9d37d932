"""How what lies somewhere is built or fetched anew: who looks after a place is told by its path."""

from __future__ import annotations

import re
from typing import Final

from machochain.diagnosis.places import place_of
from machochain.model.diagnosis import PlaceKind
from machochain.model.shell import quoted

_OF_JAVA: Final = re.compile(r"/(jna|jffi)[-\d][^/]*\.(?:tmp|dylib)$")
"""Files that libraries of Java write out before they load them."""
_GEM: Final = re.compile(r"-\d[\w.]*(?:-[\w.-]*darwin[\w.-]*)?$")
_R_PACKAGE: Final = re.compile(r"/library/([A-Za-z][\w.]*)/libs/[^/]+\.so$")
_MANAGERS: Final = (
    (re.compile(r"/\.asdf/installs/([\w-]+)/([\w.-]+)/"), r"asdf uninstall \1 \2 && asdf install \1 \2"),
    (re.compile(r"/\.rbenv/versions/([\w.-]+)/"), r"rbenv install --force \1"),
    (re.compile(r"/\.pyenv/versions/([\w.-]+)/"), r"pyenv install --force \1"),
    (re.compile(r"/\.rvm/rubies/([\w.-]+)/"), r"rvm reinstall \1"),
)
"""Managers of versions, which build what they install."""
_PERL: Final = re.compile(r"/auto/((?:[A-Za-z]\w*/)+)[^/]+\.bundle$")
_PYTHON: Final = re.compile(r"/bin/(?:python|pypy)[\d.]*$")


def anew_of(path: str) -> str:
    """Return the command, or the words, for a file; ``""`` where its path does not tell."""
    place = place_of(path)
    match place.kind:
        case PlaceKind.PYTHON_PACKAGE:
            return "pip install --force-reinstall --no-cache-dir PACKAGE"
        case PlaceKind.NODE_MODULE:
            return f"npm rebuild {quoted(place.name)}"
        case PlaceKind.RUBY_GEM:
            return f"gem pristine {quoted(_GEM.sub('', place.name))}"
        case _:
            pass
    if path.startswith(("/opt/X11/", "/usr/X11")):
        return "the newest XQuartz, from xquartz.org"
    if match := _OF_JAVA.search(path):
        return f"a newer {match[1].upper()}, which writes this file"
    return _by_installer(path)


def _by_installer(path: str) -> str:
    for pattern, command in _MANAGERS:
        if match := pattern.search(path):
            return match.expand(command)
    if match := _R_PACKAGE.search(path):
        return f"""Rscript -e 'install.packages("{match[1]}", type = "source")'"""
    if match := _PERL.search(path):
        return f"cpan -f -i {quoted('::'.join(match[1].rstrip('/').split('/')))}"
    if _PYTHON.search(path) and place_of(path).kind is not PlaceKind.HOMEBREW:
        return "make the environment anew: python3 -m venv --clear FOLDER"
    return ""
