"""The releases at which the kernel's answers change: the one table of this room.

Apple publishes xnu's source per tag; which tag a release carries is known from publication dates. Rules that all tags
from xnu-7195.50.7.100.1 (macOS 11) to xnu-11417.121.6 (macOS 15.6) have in common have no row here.
"""

from __future__ import annotations

from typing import Final

from machochain.model.version import Version

SIGNED_ARM64: Final = Version.of(11)
"""arm64 code must be signed, ad hoc at least (Apple, macOS 11 release notes)."""
CHECKS_SLICE_ENDS: Final = Version.of(12, 3)
"""A slice behind the end of the file refuses all of it (xnu-8020.101.4, ``fatfile_validate_fatarches``)."""
IGNORES_EMPTY_CRYPT: Final = Version.of(12)
"""``cryptsize`` 0 is ignored (xnu-8019.41.5, ``set_code_unprotect``)."""
EXACT_HASH_PAGES: Final = Version.of(13)
"""Hash pages are 4 KiB or the kernel's own page; before, anything between (xnu-8792, ``cs_validate_codedirectory``)."""
LAUNCH_CONSTRAINTS: Final = Version.of(13)
"""``mac_proc_check_launch_constraints`` (xnu-8792, ``process_signature``)."""
ONE_READ_ONLY_SEGMENT: Final = Version.of(14)
"""Two segments with SG_READ_ONLY are refused (xnu-10002.1.13, ``load_segment``)."""
LIBRARY_CONSTRAINT: Final = Version.of(14)
"""Slot 11 of a signature is looked at (xnu-10002.1.13, ``cs_validate_csblob``)."""
ARM64E_UNKNOWN: Final = Version.of(26)
"""The check for the preview ABI of arm64e is gone from ``exec_mach_imgact``; whether AMFI refuses is not known."""
HARDENED_PROCESS: Final = Version.of(26)
"""Both spellings of a hardened-process entitlement are refused (xnu-12377, ``load_machfile``)."""
FIRST_WITHOUT_INTEL: Final = Version.of(27)
"""No Intel Mac runs it: an x86_64 program means Rosetta there; an upgrade removes Rosetta until it is asked for."""
FIRST_WITHOUT_ROSETTA: Final = Version.of(28)
"""Rosetta is announced to serve only some older games from this release on."""
