"""Which program a library or bundle is made for, by its name, its place and what it exports."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from machochain.model.host import PluginHost
from machochain.model.image import FileType
from machochain.model.paths import leaf
from machochain.model.result import LoadedImage

_PYTHON_MODULE: Final = r"\.(?:cpython-\d+[^.]*|abi3|pypy\d+[^.]*|cp\d+-[^.]*)\.so\Z"
_SITE_PACKAGES: Final = ("/site-packages/", "/dist-packages/")


def host_of(image: LoadedImage, exports: Callable[[str], bool]) -> PluginHost | None:
    """Return the program an image is a plug-in of; None if nothing tells.

    Args:
        image: A library or bundle that is asked about by itself.
        exports: Whether the image exports a symbol.
    """
    name = leaf(image.path)
    stem = name.partition(".")[0]
    if name.endswith(".node"):
        return PluginHost.NODE
    if re.search(_PYTHON_MODULE, name) or (name.endswith(".so") and exports(f"_PyInit_{stem}")):
        return PluginHost.PYTHON
    if name.endswith(".so") and (exports("_nif_init") or exports("_driver_init")):
        return PluginHost.ERLANG
    if name.endswith(".bundle") and exports(f"_Init_{stem}"):
        return PluginHost.RUBY
    if any(place in image.path for place in _SITE_PACKAGES):
        bundle = image.image is not None and image.image.file_type == FileType.MH_BUNDLE
        return PluginHost.PYTHON if bundle else PluginHost.PYTHON_LIBRARY
    if exports("_napi_register_module_v1"):
        return PluginHost.NODE
    return None
