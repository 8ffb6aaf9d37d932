"""Programs that open plug-ins: how they open them, and what they bring along for them to bind to."""

from __future__ import annotations

import re
from enum import Enum
from functools import cache
from typing import Final


class PluginHost(Enum):
    """The kind of program a library or bundle is made for."""

    PYTHON = "Python"
    PYTHON_LIBRARY = "Python (ctypes, or a library of its own)"
    NODE = "Node.js"
    RUBY = "Ruby"
    ERLANG = "Erlang"

    @property
    def binds_now(self) -> bool | None:
        """Whether it opens a plug-in with RTLD_NOW, so that lazily bound functions are looked up at once.

        CPython opens modules with RTLD_NOW (Python/pystate.c, ``dlopenflags``; 3.x), the Erlang VM NIFs and drivers
        (erts/emulator/sys/unix/erl_unix_sys_ddll.c, erts_sys_ddll_open_noext()). None where that is settled from case
        to case: Node.js takes RTLD_LAZY unless `process.dlopen` is told otherwise (src/node_binding.h, kDefaultFlags),
        Ruby takes RTLD_LAZY (dln.c, dln_open()), and a library in a wheel is opened by ctypes with RTLD_NOW
        (Modules/_ctypes/callproc.c, py_dl_open()) or by other code as that likes.
        """
        return True if self in _NOW else None

    def provides(self, symbol: str) -> bool:
        """Whether the program itself may well define a symbol for its plug-ins."""
        return _pattern(self).match(symbol) is not None


_NOW: Final = (PluginHost.PYTHON, PluginHost.ERLANG)

_PYTHON: Final = r"_+Py|_PyPy"
_PATTERNS: Final = {
    PluginHost.PYTHON: _PYTHON,
    PluginHost.PYTHON_LIBRARY: _PYTHON,
    # Node exports V8, libuv, OpenSSL, zlib, ICU and more of what is linked into it.
    PluginHost.NODE: (
        r"_napi_|_node_|__ZN?.*(?:2v8|4node|5cppgc|4cppgc|8v8_inspector|6simdutf)|_uv_|_[A-Z][A-Z0-9]*_|_SSL|_BIO|_EVP"
        r"|_RSA|_EC|_CRYPTO|_OPENSSL|_ERR_|_X509|_ASN1|_PEM|_BN_|_HMAC|_MD5|_SHA|_RAND|_DH|_DSA|_AES|_i2|_d2i"
        r"|_inflate|_deflate|_crc32|_adler32|_compress|_uncompress|_zlib|_nghttp|_ares_|_u[a-z]*_.*_\d+\Z"
    ),
    PluginHost.RUBY: r"_rb_|_ruby_|_onig|_Onig|_st_|_ruby|__ZN?.*rb_|_setproctitle|_explicit_bzero",
    PluginHost.ERLANG: r"_enif_|_erl_|_driver_|_erts_|_ei_",
}


@cache
def _pattern(host: PluginHost) -> re.Pattern[str]:
    return re.compile(_PATTERNS[host])
