"""Small stubs of every version, written for the tests: no line of them comes from an SDK."""

V1 = b"""---
archs:           [ i386, x86_64 ]
platform:        macosx
install-name:    /usr/lib/libdemo.1.dylib
current-version: 12.3.4
compatibility-version: 1.1
swift-version:   1.1
exports:
  - archs:           [ i386, x86_64 ]
    allowed-clients: [ ClientA ]
    re-exports:      [ /usr/lib/libinner.dylib ]
    symbols:         [ '$ld$hide$os10.4$_b', '_OBJC_EHTYPE_$_Demo', _a, _b ]
    objc-classes:    [ _Demo ]
    objc-ivars:      [ _Demo._x ]
    weak-def-symbols: [ _weak ]
    thread-local-symbols: [ _tlv ]
  - archs:           [ x86_64 ]
    symbols:         [ _intel64 ]
...
"""

V2 = b"""--- !tapi-tbd-v2
archs:           [ x86_64 ]
uuids:           [ 'x86_64: 11111111-2222-3333-4444-555555555555' ]
platform:        macosx
flags:           [ flat_namespace ]
install-name:    /usr/lib/libdemo.1.dylib
current-version: 12.3.4
objc-constraint: none
parent-umbrella: System
exports:
  - archs:           [ x86_64 ]
    allowable-clients: [ ClientA, ClientB ]
    symbols:         [ _a,
                       _b ]
    objc-classes:    [ _Demo ]
undefineds:
  - archs:           [ x86_64 ]
    symbols:         [ _wanted ]
    weak-ref-symbols: [ _maybe ]
...
"""

V3 = b"""--- !tapi-tbd-v3
archs:           [ i386, x86_64 ]
platform:        zippered
install-name:    '/usr/lib/libdemo.1.dylib'
swift-abi-version: 5
exports:
  - archs:           [ i386, x86_64 ]
    symbols:         [ _a ]
    objc-classes:    [ Demo ]
    objc-eh-types:   [ Demo ]
    objc-ivars:      [ Demo._x ]
...
"""

V4 = b"""--- !tapi-tbd
tbd-version:     4
targets:         [ x86_64-macos, x86_64-maccatalyst, arm64-macos ]
uuids:
  - target:          x86_64-macos
    value:           11111111-2222-3333-4444-555555555555
flags:           [ not_app_extension_safe ]
install-name:    '/usr/lib/libdemo.1.dylib'
current-version: 12.3.4
compatibility-version: 1.1
swift-abi-version: 5
parent-umbrella:
  - targets:         [ x86_64-macos, arm64-macos ]
    umbrella:        System
allowable-clients:
  - targets:         [ arm64-macos ]
    clients:         [ ClientA, ClientB ]
reexported-libraries:
  - targets:         [ x86_64-macos, arm64-macos ]
    libraries:       [ '/usr/lib/libinner.dylib' ]
exports:
  - targets:         [ x86_64-macos ]
    symbols:         [ '$ld$hide$os10.4$_b', _intel ]
  - targets:         [ x86_64-macos, arm64-macos ]
    symbols:         [ _a, _b,
                       _c ]
    objc-classes:    [ Demo ]
    objc-eh-types:   [ Demo ]
    objc-ivars:      [ Demo._x ]
    weak-symbols:    [ _weak ]
    thread-local-symbols: [ _tlv ]
reexports:
  - targets:         [ arm64-macos ]
    symbols:         [ _moved ]
undefineds:
  - targets:         [ arm64-macos ]
    symbols:         [ _wanted ]
--- !tapi-tbd
tbd-version:     4
targets:         [ x86_64-macos, arm64-macos ]
install-name:    '/usr/lib/libinner.dylib'
exports:
  - targets:         [ x86_64-macos, arm64-macos ]
    symbols:         [ _inner ]
...
"""

V5 = b"""{
  "tapi_tbd_version": 5,
  "main_library": {
    "target_info": [{"target": "x86_64-macos", "min_deployment": "11.0"}, {"target": "arm64-macos"}],
    "install_names": [{"name": "/usr/lib/libdemo.1.dylib"}],
    "current_versions": [{"version": "12.3.4"}],
    "compatibility_versions": [{"version": "1.1"}],
    "flags": [{"attributes": ["not_app_extension_safe"]}],
    "swift_abi": [{"abi": 5}],
    "rpaths": [{"targets": ["x86_64-macos"], "paths": ["@executable_path/.../Frameworks"]}],
    "parent_umbrellas": [{"umbrella": "System"}],
    "allowable_clients": [{"clients": ["ClientA"]}],
    "reexported_libraries": [{"names": ["/usr/lib/libinner.dylib"]}],
    "exported_symbols": [
      {"targets": ["x86_64-macos"], "data": {"global": ["_intel", "$ld$hide$os10.4$_b"]}},
      {"text": {"global": ["_a"], "weak": ["_weak"]},
       "data": {"global": ["_b"], "thread_local": ["_tlv"], "objc_class": ["Demo"], "objc_eh_type": ["Demo"],
                "objc_ivar": ["Demo._x"]}}
    ],
    "reexported_symbols": [{"targets": ["arm64-macos"], "data": {"global": ["_moved"]}}]
  },
  "libraries": [
    {"target_info": [{"target": "x86_64-macos"}], "install_names": [{"name": "/usr/lib/libinner.dylib"}]}
  ]
}
"""

ALL = {"v1": V1, "v2": V2, "v3": V3, "v4": V4, "v5": V5}
