"""The list of flags held against Go's own check, taken from the toolchain and built with it."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
from pathlib import Path

import pytest

from machochain.golang.security import check_flags
from tests.toolchain import install

pytestmark = pytest.mark.toolchain

MAIN = """package main

import ("bufio"; "encoding/json"; "os"; "strings"; "regexp"; "sync")

type lazy struct { text string; once sync.Once; re *regexp.Regexp }
func (l *lazy) FindString(s string) string {
	l.once.Do(func() { l.re = regexp.MustCompile(l.text) })
	return l.re.FindString(s)
}
func newLazy(s string) *lazy { return &lazy{text: s} }
func getenv(string) string { return "" }
func safeArg(name string) bool {
	if name == "" { return false }
	c := name[0]
	if '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' { return true }
	return c == '.' || c == '_' || c == '/' || c >= 0x80
}
func main() {
	in := bufio.NewScanner(os.Stdin); in.Buffer(nil, 1<<20)
	out := bufio.NewWriter(os.Stdout); defer out.Flush()
	for in.Scan() {
		var row struct { Verb string; Words []string }
		json.Unmarshal(in.Bytes(), &row)
		var err error
		switch row.Verb {
		case "LDFLAGS": err = checkLinkerFlags("LDFLAGS", "#cgo LDFLAGS", row.Words)
		case "pkg-config": err = checkPkgConfigFlags("", "pkg-config", row.Words)
		default: err = checkCompilerFlags(row.Verb, "#cgo "+row.Verb, row.Words)
		}
		text := ""
		if err != nil { text = err.Error() }
		data, _ := json.Marshal(text)
		out.WriteString(strings.TrimSpace(string(data)) + "\\n")
	}
}
"""
ENDS = ["", "x", "-x", "@x", "=x", "=-x", ",x", ",-x", "/a b", "=a=b", "2", ".5", "\u00e9", "a,b", "\n"]
BEHIND = ["x", "-x", "@x", "/abs", "=/x", "$SYSROOT/x", "-Wl,x", "-Wl,a,b", "-Wl,-x", "", "_x", ".x"]
FILES = ["x.a", "x.o", "x.obj", "x.dylib", "x.so", "x.tbd", "./x.a", "../x.a", "-x.a", "@x.o", "/a/x.so.1", "_x.dll"]


def stems(text: str) -> list[str]:
    """Return flags that Go's patterns begin with, taken from the patterns themselves."""
    found = re.findall(r"re\(`([^`]+)`\)", text) + re.findall(r'^\t"(-[^"]+)",$', text, re.MULTILINE)
    plain = [re.split(r"[(\[\\*+?|]", each)[0] for each in found]
    whole = [re.sub(r"\(no-\)\?", "", each) for each in found]
    return sorted({*plain, *(re.sub(r"[()?\\]", "", w).split("|")[0] for w in whole), "-fno-", "-Wl,", "-lto_library"})


def test_20000_lists_are_taken_or_refused_with_the_same_words(tmp_path: Path) -> None:
    chain = install()
    text = (chain.goroot / "src" / "cmd" / "go" / "internal" / "work" / "security.go").read_text()
    body = re.sub(r"import \(.*?\)\n", 'import ("fmt"; "regexp"; "strings")\n', text, count=1, flags=re.DOTALL)
    body = body.replace("package work", "package main").replace("lazyregexp.New", "newLazy")
    body = (
        body.replace("*lazyregexp.Regexp", "*lazy").replace("cfg.Getenv", "getenv").replace("load.SafeArg", "safeArg")
    )
    (tmp_path / "security.go").write_text(body)
    (tmp_path / "main.go").write_text(MAIN)
    (tmp_path / "go.mod").write_text("module check\n\ngo 1.21\n")
    env = {
        **os.environ,
        "GOFLAGS": "-mod=mod",
        "GOTOOLCHAIN": "local",
        "GOPROXY": "off",
        "GOCACHE": str(tmp_path / "c"),
    }
    subprocess.run([str(chain.go_binary), "build", "-o", "check", "."], cwd=tmp_path, env=env, check=True)

    chance = random.Random(11)
    known = stems(text)
    rows = []
    for _ in range(20_000):
        words = []
        for _ in range(chance.choice((1, 1, 1, 2, 3))):
            word = chance.choice(known) + chance.choice(ENDS) if chance.random() < 0.85 else chance.choice(FILES)
            words.append(word)
            if chance.random() < 0.4:
                words.append(chance.choice(BEHIND))
        rows.append({"Verb": chance.choice(["CFLAGS", "CXXFLAGS", "LDFLAGS", "LDFLAGS", "pkg-config"]), "Words": words})
    asked = "".join(json.dumps(row) + "\n" for row in rows)
    done = subprocess.run([str(tmp_path / "check")], input=asked, capture_output=True, text=True, check=True)
    theirs = [json.loads(line) for line in done.stdout.splitlines()]
    differences = []
    for row, their in zip(rows, theirs, strict=True):
        verb = str(row["Verb"])
        source = "pkg-config" if verb == "pkg-config" else f"#cgo {verb}"
        found = check_flags(verb, source, list(row["Words"]))
        mine = found[0].message if found else ""
        if mine != their:
            differences.append((row, mine, their))
    assert sum(not t for t in theirs) > 1000
    assert sum(bool(t) for t in theirs) > 1000
    assert not differences, f"{len(differences)} of {len(rows)}: {differences[:3]}"
