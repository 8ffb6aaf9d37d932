"""Make the recorded Macs of this folder: ``python -m testdata.macs`` from the root of the checkout.

Nobody's Mac was recorded: each is a folder of programs that print what those of such a Mac print (`tests.machine.faking`),
recorded by both collectors. What each is for stands in README.md beside this script.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

from machochain.machine.snapshot import Snapshot, document, redact
from tests.machine.faking import FakeMac, Said, imported, reframed

HERE = Path(__file__).resolve().parent / "snapshots"
CLT = "/Library/Developer/CommandLineTools"
XCODE = "/Applications/Xcode.app/Contents/Developer"
_IN_XCODE = "Platforms/MacOSX.platform/Developer/SDKs"
_LICENCE = "You have not agreed to the Xcode license agreements. Please run 'sudo xcodebuild -license'.\n"


def _compiler(sdk: str, *, arch: str = "arm64", version: str = "17.0.0 (clang-1700.4.4.1)", shim: bool = True) -> dict[str, Said]:
    """Return what a clang says of itself and of where it looks."""
    toolchain = sdk.partition("/SDKs/")[0] if sdk.startswith(CLT) else XCODE + "/Toolchains/XcodeDefault.xctoolchain"
    folders = [
        *(["/usr/local/include"] if shim else []), f"{toolchain}/usr/lib/clang/17/include",
        *([f"{sdk}/usr/include", f"{toolchain}/usr/include", f"{sdk}/System/Library/Frameworks (framework directory)"] if sdk else []),
    ]  # fmt: skip
    name = f"Apple clang version {version}" if shim else f"clang version {version}"
    head = f"{name}\nTarget: {arch}-apple-darwin25.1.0\nThread model: posix\n"
    listed = '#include "..." search starts here:\n#include <...> search starts here:\n' + "".join(f" {f}\n" for f in folders)
    search = f"{head}{listed}End of search list.\n"
    libraries = " -L/usr/local/lib" if shim else ""
    link = f'{head} "/usr/bin/ld" "-arch" "{arch}" "-syslibroot" "{sdk}"{libraries} "-o" "/dev/null" "-lSystem"\n'
    return {
        "--version": Said(head), "-v -E -x c /dev/null": Said("# 1 \"/dev/null\"\n", search),
        "-v -E -x c++ /dev/null": Said("# 1 \"/dev/null\"\n", search), "-### -x c /dev/null -o /dev/null": Said(err=link),
        "--print-prog-name=strip": Said(f"{toolchain}/usr/bin/strip\n"),
    }  # fmt: skip


def _go(
    place: str, version: str = "1.27.3", arch: str = "arm64", *, hardened: bool = True, **env: str
) -> dict[str, dict[str, Said]]:
    """Return a go command, and what codesign says of it."""
    home = "/Users/dev"
    told = {
        "CC": "clang", "CGO_CFLAGS": "-O2 -g", "CGO_CPPFLAGS": "", "CGO_CXXFLAGS": "-O2 -g", "CGO_ENABLED": "1",
        "CGO_LDFLAGS": "-O2 -g", "CXX": "clang++", "GOARCH": arch, "GOCACHE": f"{home}/Library/Caches/go-build",
        "GOENV": f"{home}/Library/Application Support/go/env", "GOFLAGS": "", "GOHOSTARCH": arch, "GOHOSTOS": "darwin",
        "GOMODCACHE": f"{home}/go/pkg/mod", "GOOS": "darwin", "GOPATH": f"{home}/go", "GOPROXY": "https://proxy.example.org,direct",
        "GOROOT": place.removesuffix("/bin/go"), "GOTOOLCHAIN": "auto", "GOVERSION": f"go{version}", "PKG_CONFIG": "pkg-config", **env,
    }  # fmt: skip
    lines = json.dumps(dict(sorted(told.items())), indent="\t")
    flags = "0x10000(runtime)" if hardened else "0x20002(adhoc,linker-signed)"
    team = "EQHXZ8M8AV" if hardened else "not set"
    signature = f"Executable={place}\nIdentifier=org.golang.go\nCodeDirectory v=20500 size=1 flags={flags} hashes=1+7\nTeamIdentifier={team}\n"
    said = {
        "version": Said(f"go version go{version} darwin/{arch}\n"), "env -json": Said(lines + "\n"), "env -changed": Said(),
        "env GOENV": Said(told["GOENV"] + "\n"),
        f"version -m {place}": Said(f"{place}: go{version}\n\tpath\tcmd/go\n\tbuild\tCGO_ENABLED=1\n\tbuild\tGOARCH={arch}\n"),
    }  # fmt: skip
    return {place: said, "/usr/bin/codesign": {"*": Said(err=signature)}}


def _apple(
    developer: str, sdk: str, *, macos: str = "26.1", sdk_version: str = "26.1", arch: str = "arm64", xcode: str = "",
    clt: str = "26.1.0.0.1", ld: str = "1221.4", translated: bool = False,
) -> dict[str, dict[str, Said]]:  # fmt: skip
    """Return Apple's tools of a Mac that has them."""
    kernel = f"Darwin {int(macos.partition('.')[0]) - 1}.1.0 {arch}\n"
    no_xcode = f"xcode-select: error: tool 'xcodebuild' requires Xcode, but active developer directory '{developer}' is a command line tools instance\n"
    build = Said(f"Xcode {xcode}\nBuild version 17B55\n") if xcode else Said(err=no_xcode, rc=1)
    package = Said(f"package-id: com.apple.pkg.CLTools_Executables\nversion: {clt}\nvolume: /\n") if clt else Said(err="No receipt.\n", rc=1)
    clang = _compiler(sdk, arch=arch)
    return {
        "/usr/bin/sw_vers": {"": Said(f"ProductName:\t\tmacOS\nProductVersion:\t\t{macos}\nBuildVersion:\t\t25B78\n")},
        "/usr/bin/uname": {"*": Said(kernel)},
        "/usr/bin/sysctl": {"*": Said(f"{int(translated)}\n") if arch == "arm64" or translated else Said(err="unknown oid\n", rc=1)},
        "/usr/bin/csrutil": {"*": Said("System Integrity Protection status: enabled.\n")},
        "/usr/bin/xcode-select": {"-p": Said(developer + "\n")},
        "/usr/bin/xcrun": {
            "--show-sdk-path": Said(sdk + "\n"), "--show-sdk-version": Said(sdk_version + "\n"),
            "--sdk macosx --show-sdk-path": Said(sdk + "\n"), "--sdk macosx --show-sdk-version": Said(sdk_version + "\n"),
            "--find clang": Said(f"{developer}/usr/bin/clang\n"), "--find ld": Said(f"{developer}/usr/bin/ld\n"),
        },
        "/usr/bin/xcodebuild": {"-version": build},
        "/usr/sbin/pkgutil": {"*": package},
        "/usr/bin/ld": {"-v": Said(err=f"@(#)PROGRAM:ld PROJECT:ld-{ld}\nBUILD 18:00:00 Oct  3 2025\n")},
        "/usr/bin/clang": clang, "/usr/bin/clang++": clang,
        "/usr/bin/locale": {"": Said('LANG="en_US.UTF-8"\n')},
    }  # fmt: skip


def _brew(prefix: str, *formulae: str) -> dict[str, dict[str, Said]]:
    """Return Homebrew with pkg-config."""
    path = f"{prefix}/lib/pkgconfig:{prefix}/share/pkgconfig:/usr/lib/pkgconfig\n"
    program = f"{prefix}/bin/brew"
    return {
        program: {
            "--prefix": Said(prefix + "\n"), "config": Said(f"HOMEBREW_VERSION: 5.0.1\nHOMEBREW_PREFIX: {prefix}\n"),
            "list --versions": Said("".join(f"{f}\n" for f in formulae)),
        },
        f"{prefix}/bin/pkg-config": {"--version": Said("2.5.1\n"), "--variable pc_path pkg-config": Said(path)},
    }  # fmt: skip


def _files(sdk: str, developer: str, version: str = "26.1") -> dict[str, str]:
    whole = {"CanonicalName": f"macosx{version}", "DisplayName": f"macOS {version}", "IsBaseSDK": "YES",
             "MaximumDeploymentTarget": f"{version}.99", "SupportedTargets": {"macosx": {"Archs": ["arm64", "x86_64"]}},
             "Version": version}  # fmt: skip
    plist = "<plist><dict><key>CFBundleShortVersionString</key><string>26.1</string></dict></plist>\n"
    return {
        f"{developer}/": "", f"{developer.rpartition('/')[0]}/version.plist": plist,
        f"{sdk}/usr/include/stdio.h": "", f"{sdk}/SDKSettings.json": json.dumps(whole),
    }  # fmt: skip


def _prefix(prefix: str, *names: str) -> dict[str, str]:
    return {f"{prefix}/{name}": "" for name in names}


_SDK = f"{CLT}/SDKs/MacOSX.sdk"
_BREWED = (
    "include/openssl/ssl.h", "lib/libcrypto.3.dylib", "lib/libcrypto.dylib", "lib/libssl.3.dylib", "lib/libssl.dylib",
    "lib/libzmq.dylib", "lib/pkgconfig/libzmq.pc", "opt/openssl@3/",
)  # fmt: skip
_NIX = "/nix/store/s3-apple-sdk-14.4"
_NIX_SDK = f"{_NIX}/{_IN_XCODE}/MacOSX14.4.sdk"
_PATH = "/opt/homebrew/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
_XCODE_SDK = f"{XCODE}/{_IN_XCODE}/MacOSX26.1.sdk"


def _image(xcode: str, macos: str, image: str, version: str) -> FakeMac:
    sdk = f"{XCODE}/{_IN_XCODE}/MacOSX{xcode}.sdk"
    return FakeMac(
        {**_apple(XCODE, sdk, macos=macos, sdk_version=xcode, xcode=xcode, clt=f"{xcode}.0.0.1"),
         **_go("/Users/runner/hostedtoolcache/go/1.27.3/arm64/bin/go"),
         **_brew("/opt/homebrew", "openssl@3 3.6.0", "pkgconf 2.5.1")},
        {**_files(sdk, XCODE, xcode), **_prefix("/opt/homebrew", *_BREWED[:5])},
        {"PATH": f"/Users/runner/hostedtoolcache/go/1.27.3/arm64/bin:{_PATH}", "GITHUB_ACTIONS": "true", "ImageOS": image,
         "ImageVersion": version, "RUNNER_OS": "macOS", "RUNNER_ARCH": "ARM64"},
    )  # fmt: skip


_HEALTHY = FakeMac(
    {**_apple(CLT, _SDK), **_go("/opt/homebrew/bin/go", hardened=False),
     **_brew("/opt/homebrew", "go 1.27.3", "openssl@3 3.6.0", "pkgconf 2.5.1", "zeromq 4.3.5_2")},
    {**_files(_SDK, CLT), **_prefix("/opt/homebrew", *_BREWED), f"{CLT}/SDKs/MacOSX26.1.sdk": "-> MacOSX.sdk"},
    {"PATH": _PATH, "LANG": "en_US.UTF-8"},
)  # fmt: skip
MACS: Mapping[str, FakeMac] = {
    "healthy-arm64": _HEALTHY,
    "clt-only": FakeMac(
        {**_apple(CLT, _SDK), **_go("/usr/local/go/bin/go")}, _files(_SDK, CLT),
        {"PATH": "/usr/local/go/bin:/usr/bin:/bin:/usr/sbin:/sbin"},
    ),
    "broken-developer-dir": FakeMac(
        {**_apple(XCODE, _XCODE_SDK), **_go("/usr/local/go/bin/go"),
         **{f"/usr/bin/{name}": {"*": Said(err=f"xcrun: error: invalid active developer path ({XCODE}), missing xcrun at: "
                                           f"{XCODE}/usr/bin/xcrun\n", rc=1)}
            for name in ("xcrun", "clang", "clang++", "ld", "xcodebuild")}},
        {}, {"PATH": "/usr/local/go/bin:/usr/bin:/bin:/usr/sbin:/sbin"},
    ),
    "nix-shell": FakeMac(
        {**_apple(_NIX, _NIX_SDK, sdk_version="14.4"), **_go("/nix/store/q1-go-1.27.3/bin/go", hardened=False, CC="clang"),
         "/nix/store/c2-clang-wrapper-21.1.2/bin/clang":
             _compiler(_NIX_SDK,
                       version="21.1.2", shim=False),
         "/nix/store/p4-pkg-config-wrapper-0.29.2/bin/pkg-config":
             {"--version": Said("0.29.2\n"), "--variable pc_path pkg-config": Said("\n")}},
        {**_files(_SDK, CLT), f"{_NIX_SDK}/": ""},
        {"PATH": "/nix/store/c2-clang-wrapper-21.1.2/bin:/nix/store/q1-go-1.27.3/bin:"
                 "/nix/store/p4-pkg-config-wrapper-0.29.2/bin:/usr/bin:/bin:/usr/sbin",
         "CC": "clang", "IN_NIX_SHELL": "impure", "NIX_CC": "/nix/store/c2-clang-wrapper-21.1.2",
         "DEVELOPER_DIR": _NIX, "MACOSX_DEPLOYMENT_TARGET": "14.0",
         "SDKROOT": _NIX_SDK},
    ),
    "rosetta": FakeMac(
        {**_apple(CLT, _SDK, arch="x86_64", translated=True), **_go("/usr/local/bin/go", arch="amd64", hardened=False),
         **_brew("/usr/local", "go 1.27.3", "openssl@3 3.5.0", "pkgconf 2.5.1")},
        {**_files(_SDK, CLT), **_prefix("/usr/local", *_BREWED)}, {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin"},
    ),
    "github-macos-15": _image("26.0", "15.7", "macos15", "20261103.1"),
    "github-macos-26": _image("26.1", "26.1", "macos26", "20261117.2"),
}  # fmt: skip
PERSON = {
    **_HEALTHY.environment, "CGO_LDFLAGS": "-L/Users/jane.doe/prefix/lib", "GOPROXY": "https://jane:secret@proxy.example.org",
}  # fmt: skip


def make() -> dict[str, bytes]:
    """Return all files by name."""
    made: dict[str, bytes] = {}
    for name, mac in MACS.items():
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder).resolve() / "mac"
            mac.build(root)
            made[f"{name}.json"] = written(mac.by_python(root))
            if name == "healthy-arm64":
                framed = mac.by_script(root)
                whole = reframed(framed, root)
                made["by-script.txt"] = whole
                made["truncated.txt"] = whole[: whole.index(b"@@ command find_clang ") + 40]
                made["by-script.json"] = written(imported(framed, root))
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve() / "mac"
        owned = FakeMac(_HEALTHY.programs, _HEALTHY.files, PERSON)
        owned.build(root)
        made["redacted.json"] = written(
            redact(owned.by_python(root), home="/Users/jane.doe", user="jane.doe", host="janes-mac")
        )
    return made


def written(snapshot: Snapshot) -> bytes:
    """Return a snapshot as a file."""
    return (json.dumps(document(snapshot), indent=1) + "\n").encode()


if __name__ == "__main__":
    HERE.mkdir(exist_ok=True)
    for title, data in make().items():
        (HERE / title).write_bytes(data)
        print(f"{title}: {len(data)} bytes")
