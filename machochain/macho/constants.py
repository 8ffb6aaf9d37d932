"""Numbers of <mach-o/loader.h> and <mach-o/fat.h>, under their own names."""

from __future__ import annotations

from typing import Final

MH_MAGIC: Final = 0xFEEDFACE
MH_CIGAM: Final = 0xCEFAEDFE
MH_MAGIC_64: Final = 0xFEEDFACF
MH_CIGAM_64: Final = 0xCFFAEDFE
FAT_MAGIC: Final = 0xCAFEBABE
FAT_MAGIC_64: Final = 0xCAFEBABF
ARCHIVE_MAGIC: Final = b"!<arch>\n"

LC_REQ_DYLD: Final = 0x80000000
LC_SEGMENT: Final = 0x1
LC_SYMTAB: Final = 0x2
LC_SYMSEG: Final = 0x3
LC_THREAD: Final = 0x4
LC_UNIXTHREAD: Final = 0x5
LC_LOADFVMLIB: Final = 0x6
LC_IDFVMLIB: Final = 0x7
LC_IDENT: Final = 0x8
LC_FVMFILE: Final = 0x9
LC_PREPAGE: Final = 0xA
LC_DYSYMTAB: Final = 0xB
LC_LOAD_DYLIB: Final = 0xC
LC_ID_DYLIB: Final = 0xD
LC_LOAD_DYLINKER: Final = 0xE
LC_ID_DYLINKER: Final = 0xF
LC_PREBOUND_DYLIB: Final = 0x10
LC_ROUTINES: Final = 0x11
LC_SUB_FRAMEWORK: Final = 0x12
LC_SUB_UMBRELLA: Final = 0x13
LC_SUB_CLIENT: Final = 0x14
LC_SUB_LIBRARY: Final = 0x15
LC_TWOLEVEL_HINTS: Final = 0x16
LC_PREBIND_CKSUM: Final = 0x17
LC_LOAD_WEAK_DYLIB: Final = 0x18 | LC_REQ_DYLD
LC_SEGMENT_64: Final = 0x19
LC_ROUTINES_64: Final = 0x1A
LC_UUID: Final = 0x1B
LC_RPATH: Final = 0x1C | LC_REQ_DYLD
LC_CODE_SIGNATURE: Final = 0x1D
LC_SEGMENT_SPLIT_INFO: Final = 0x1E
LC_REEXPORT_DYLIB: Final = 0x1F | LC_REQ_DYLD
LC_LAZY_LOAD_DYLIB: Final = 0x20
LC_ENCRYPTION_INFO: Final = 0x21
LC_DYLD_INFO: Final = 0x22
LC_DYLD_INFO_ONLY: Final = 0x22 | LC_REQ_DYLD
LC_LOAD_UPWARD_DYLIB: Final = 0x23 | LC_REQ_DYLD
LC_VERSION_MIN_MACOSX: Final = 0x24
LC_VERSION_MIN_IPHONEOS: Final = 0x25
LC_FUNCTION_STARTS: Final = 0x26
LC_DYLD_ENVIRONMENT: Final = 0x27
LC_MAIN: Final = 0x28 | LC_REQ_DYLD
LC_DATA_IN_CODE: Final = 0x29
LC_SOURCE_VERSION: Final = 0x2A
LC_DYLIB_CODE_SIGN_DRS: Final = 0x2B
LC_ENCRYPTION_INFO_64: Final = 0x2C
LC_LINKER_OPTION: Final = 0x2D
LC_LINKER_OPTIMIZATION_HINT: Final = 0x2E
LC_VERSION_MIN_TVOS: Final = 0x2F
LC_VERSION_MIN_WATCHOS: Final = 0x30
LC_NOTE: Final = 0x31
LC_BUILD_VERSION: Final = 0x32
LC_DYLD_EXPORTS_TRIE: Final = 0x33 | LC_REQ_DYLD
LC_DYLD_CHAINED_FIXUPS: Final = 0x34 | LC_REQ_DYLD
LC_FILESET_ENTRY: Final = 0x35 | LC_REQ_DYLD
LC_ATOM_INFO: Final = 0x36
LC_FUNCTION_VARIANTS: Final = 0x37
LC_FUNCTION_VARIANT_FIXUPS: Final = 0x38
LC_TARGET_TRIPLE: Final = 0x39
LC_LAZY_LOAD_DYLIB_INFO: Final = 0x3A

DYLIB_USE_MARKER: Final = 0x1A741800
"""In the time stamp's place of a dylib_use_command (dyld-1160.6 and later)."""
DYLIB_USE_WEAK: Final = 1
DYLIB_USE_REEXPORT: Final = 2
DYLIB_USE_UPWARD: Final = 4
DYLIB_USE_DELAYED: Final = 8

VM_PROT_READ: Final = 1
VM_PROT_WRITE: Final = 2
VM_PROT_EXECUTE: Final = 4

SG_HIGHVM: Final = 0x1
SG_NORELOC: Final = 0x4
SG_PROTECTED_VERSION_1: Final = 0x8
SG_READ_ONLY: Final = 0x10

_COMMAND_NAMES: Final = {
    value: name for name, value in list(globals().items()) if name.startswith("LC_") and name != "LC_REQ_DYLD"
}


def command_name(cmd: int) -> str:
    """Return ``LC_RPATH`` and the like; ``LC_0x…`` with the number in hexadecimal for one without a name."""
    return _COMMAND_NAMES.get(cmd) or f"LC_{cmd:#x}"
