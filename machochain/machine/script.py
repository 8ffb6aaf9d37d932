r"""A POSIX shell script that records a Mac without Python, and the reader of what it prints.

Records are framed: ``@@ KIND NAME RC OUT ERR`` with byte counts, then the bytes and a newline. ``/bin/sh`` of macOS
never sees ``DYLD_`` variables; their values are given as arguments.
"""

from __future__ import annotations

import re
from typing import Final

from machochain.machine.asked import NOTHING, Asked, quoted
from machochain.machine.probes import IN_BREW, IN_DEVELOPER_DIR, LISTED, PROBES, SETTINGS, VEILED, veiled
from machochain.machine.snapshot import (
    KINDS,
    LARGEST_OUTPUT,
    LARGEST_TEXT,
    MOST_NAMES,
    SECONDS,
    Recorded,
    RecordedFile,
    Snapshot,
)
from machochain.model.errors import InputError

_PROGRAMS: Final = {
    "{cc}": "${CC:-clang}", "{cxx}": "${CXX:-clang++}", "{pkg_config}": "${PKG_CONFIG:-pkg-config}", "{go}": '"$go"',
    "{cc0}": '"$cc0"', "{pkg_config0}": '"$pc0"',
}  # fmt: skip
_HEAD: Final = r"""#!/bin/sh
# Records this Mac for "machochain doctor": sh collect.sh > mac.txt, then machochain snapshot --import mac.txt.
# It runs a fixed list of commands that print facts and changes nothing. Arguments: DYLD_NAME=VALUE of your shell.
LC_ALL=C
export LC_ALL
d=$(mktemp -d "${TMPDIR:-/tmp}/machochain.XXXXXX") || exit 1
trap 'rm -rf "$d"; exit 1' INT
size() { wc -c < "$1" | tr -d ' '; }
emit() { # kind name rc
  head -c @OUTPUT@ "$d/o" > "$d/oo"; head -c @OUTPUT@ "$d/e" > "$d/ee"
  printf '@@ %s %s %s %s %s\n' "$1" "$2" "$3" "$(size "$d/oo")" "$(size "$d/ee")"
  cat "$d/oo" "$d/ee"; echo
}
run() { # id command...
  id=$1; shift
  "$@" > "$d/o" 2> "$d/e" < /dev/null &
  p=$!
  ( sleep @SECONDS@; kill "$p" ) > /dev/null 2>&1 &
  w=$!
  wait "$p" 2> /dev/null; rc=$?
  kill "$w" > /dev/null 2>&1
  emit command "$id" "$rc"
}
hide() { # of what go env says: that a value is set, not what it is
  for n in GOPROXY GOAUTH GOSUMDB GONOPROXY GONOSUMDB GOPRIVATE GOINSECURE; do
    printf '%s\n' "s/^\([[:space:]]*\"$n\": \"\)..*\(\",\{0,1\}\)\$/\1(set)\2/" "s/^\($n=\)..*\$/\1(set)/"
  done > "$d/s"
  sed -f "$d/s" "$@"
}
veil() { # command...
  "$@" > "$d/v"; r=$?
  hide "$d/v"
  return "$r"
}
text() { # path
  if [ -f "$1" ]; then
    printf '%s' "$1" > "$d/e"; head -c @TEXT@ "$1" 2> /dev/null | hide > "$d/o"; emit text - 0
  else look "$1"; fi
}
settings() { # SDK: three fields of its settings
  [ -f "$1/SDKSettings.json" ] || return 0
  printf '%s' "$1/SDKSettings.json" > "$d/e"
  for n in @SETTINGS@; do
    tr ',{}' '\n\n\n' < "$1/SDKSettings.json" |
      sed -n "s/^[[:space:]]*\(\"$n\"\)[[:space:]]*:[[:space:]]*\(\"[^\"]*\"\)[[:space:]]*\$/\1: \2/p" |
      head -n 1
  done | sed '$!s/$/,/' | tr '\n' ' ' > "$d/v"
  printf '{%s}' "$(cat "$d/v")" > "$d/o"; emit text - 0
}
look() { # path
  printf '%s' "$1" > "$d/e"; kind=absent
  if [ -L "$1" ]; then kind=link; elif [ -d "$1" ]; then kind=directory; elif [ -f "$1" ]; then kind=file; fi
  printf '%s' "$kind" > "$d/o"; emit file - 0
}
list() { # path
  [ -d "$1" ] || { look "$1"; return 0; }
  printf '%s' "$1" > "$d/e"; ls -1 "$1" 2> /dev/null | head -n @NAMES@ > "$d/o"; emit list - 0
}
pcs() { # packages: their .pc files, and those of what they require
  dirs=${PKG_CONFIG_LIBDIR:-$($pc0 --variable pc_path pkg-config 2> /dev/null)}
  dirs=$PKG_CONFIG_PATH${PKG_CONFIG_PATH:+:}$dirs
  done=' '; todo="$*"
  while [ -n "$todo" ]; do
    n=${todo%% *}; case $todo in *' '*) todo=${todo#* } ;; *) todo= ;; esac
    case $done in *" $n "*) continue ;; esac
    done="$done$n "
    f=
    o=$IFS; IFS=:
    for p in $dirs; do [ -z "$f" ] && [ -f "$p/$n.pc" ] && f=$p/$n.pc; done
    IFS=$o
    [ -n "$f" ] || continue
    text "$f"
    more=$(sed -n 's/^Requires[.a-z]*:[[:space:]]*//p' "$f" | tr ',' ' ' | tr '\n' ' ' |
      sed 's/[<>=!][<>=]*[[:space:]]*[^[:space:]]*//g' | tr -s ' ')
    more=${more# }; more=${more% }
    [ -z "$more" ] || todo="$more${todo:+ }$todo"
  done
  o=$IFS; IFS=:
  for p in $dirs; do [ -z "$p" ] || list "$p"; done
  IFS=$o
}
go=$(command -v go 2> /dev/null) || go=go
set -f
cc0=${CC:-clang}; cc0=${cc0%% *}
pc0=${PKG_CONFIG:-pkg-config}; pc0=${pc0%% *}
echo '@@ machochain-snapshot 1'
"""
_TAIL: Final = r"""for n in $(env | sed -n 's/^\([A-Za-z_][A-Za-z0-9_]*\)=.*/\1/p' | sort -u); do
  case $n in
    GOPROXY|GOAUTH|GOSUMDB|GONO*|GOPRIVATE|GOINSECURE) printf '(set)' > "$d/o" ;;
    CGO_*|CC|CXX|AR|GO*|SDKROOT|DEVELOPER_DIR|TOOLCHAINS|MACOSX_DEPLOYMENT_TARGET|CPATH|C_INCLUDE_PATH|\
CPLUS_INCLUDE_PATH|OBJC_INCLUDE_PATH|LIBRARY_PATH|DYLD_*|PKG_CONFIG*|NIX_CC|NIX_CFLAGS_COMPILE|NIX_LDFLAGS|\
IN_NIX_SHELL|HOMEBREW_PREFIX|DIRENV_DIR|PATH|TMPDIR|GITHUB_ACTIONS|ImageOS|ImageVersion|RUNNER_OS|RUNNER_ARCH|LANG)
      printenv "$n" > "$d/o" ;;
    *) continue ;;
  esac
  : > "$d/e"; emit env "$n" 0
done
for a in "$@"; do
  case $a in DYLD_*=*) printf '%s' "${a#*=}" > "$d/o"; : > "$d/e"; emit dyld "${a%%=*}" 0 ;; esac
done
rm -rf "$d"
echo '@@ end'
"""


def script(asked: Asked = NOTHING) -> str:
    """Return the script; it records what a module asks for besides."""
    lines = []
    for probe in PROBES:
        words = " ".join(_PROGRAMS.get(w, w) for w in probe.words)
        veil = "veil " if probe.id in VEILED else ""
        lines.append(f"run {probe.id} {veil}{words.replace('-###', chr(39) + '-###' + chr(39))}")
    lines.append("dev=$(xcode-select -p 2> /dev/null)")
    lines.append(
        f'[ -n "$dev" ] && {{ look "$dev"; list "$dev/{IN_DEVELOPER_DIR}"; text "${{dev%/*}}/version.plist"; }}'
    )
    lines.append(
        'for s in "$(xcrun --show-sdk-path 2> /dev/null)" "$(xcrun --sdk macosx --show-sdk-path 2> /dev/null)"; do'
    )
    lines.append('  [ -n "$s" ] && { look "$s"; settings "$s"; }')
    lines.append("done")
    lines += [f'list "{path}"' for path in LISTED]
    lines.append('[ -n "$DEVELOPER_DIR" ] && look "$DEVELOPER_DIR"')
    lines.append("b=$(brew --prefix 2> /dev/null)")
    lines += [f'[ -n "$b" ] && list "$b/{name}"' for name in IN_BREW]
    lines.append("g=$(go env GOENV 2> /dev/null)")
    lines.append('[ -n "$g" ] && text "$g"')
    lines += [f"list {quoted([path])}" for path in asked.directories]
    if asked.packages:
        lines.append(f"pcs {quoted(asked.packages)}")
    body = "\n".join(lines) + "\n"
    head = _HEAD
    for key, value in (
        ("@OUTPUT@", LARGEST_OUTPUT), ("@SECONDS@", SECONDS), ("@TEXT@", LARGEST_TEXT), ("@NAMES@", MOST_NAMES),
        ("@SETTINGS@", " ".join(SETTINGS)),
    ):  # fmt: skip
        head = head.replace(key, str(value))
    return head + body + _TAIL


_FRAME: Final = re.compile(rb"@@ (command|env|dyld|text|file|list) (\S+) ([0-9]{1,9}) ([0-9]{1,9}) ([0-9]{1,9})\n")
START: Final = b"@@ machochain-snapshot 1\n"


def read_framed(data: bytes, path: str) -> Snapshot:
    """Read what the script printed; a text that was cut off is read as far as it goes.

    Raises:
        InputError: It is no output of the script.
    """
    at = data.find(START)
    if at < 0:
        raise InputError("neither a snapshot nor the output of its script", path=path)
    at += len(START)
    found = Snapshot(collector={"name": "machochain", "version": "", "shell": True})
    words = {probe.id: probe.words for probe in PROBES}
    while True:
        frame = _FRAME.match(data, at)
        if frame is None:
            break
        kind, name, rc = frame[1].decode(), frame[2].decode(errors="replace"), int(frame[3])
        start = frame.end()
        middle, end = start + int(frame[4]), start + int(frame[4]) + int(frame[5])
        if end > len(data):
            break
        out, err = (data[a:b].decode(errors="replace") for a, b in ((start, middle), (middle, end)))
        at = end + 1
        if kind == "command":
            # A command that is not there: 127; one that was stopped: 128 and its signal.
            stopped = rc in (137, 143)
            code = None if stopped or rc in (126, 127) else rc
            cut = max(int(frame[4]), int(frame[5])) >= LARGEST_OUTPUT
            out = veiled(out) if name in VEILED else out
            found.commands[name] = Recorded(words.get(name, ()), code, out, err, stopped, cut)
        elif kind == "env":
            found.environment[name] = out.removesuffix("\n")
        elif kind == "dyld":
            found.environment[name] = out
            found.dyld_seen = True
        elif kind == "text":
            found.files[err] = RecordedFile("file", len(out), text=out)
        elif kind == "file":
            if out not in KINDS:
                continue
            known = found.files.get(err)
            found.files[err] = RecordedFile(out, text=known.text if known else None)
        else:
            found.listings[err] = tuple((line, "", None, None) for line in out.split("\n") if line)
    if not data[at:].startswith(b"@@ end"):
        found.more["truncated"] = True
    return found
