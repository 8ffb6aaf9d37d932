#!/usr/bin/env bash
# Installs machochain as it is at the action's own revision, apart from the job's Python, and audits.
# Inputs come as variables and are never part of a command's text.
set -euo pipefail

venv="${RUNNER_TEMP:?}/machochain"
if [ ! -x "$venv/bin/machochain" ]; then
  python3 -m venv "$venv"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$MC_ACTION/../../.."
fi

options=(--format text)
[ -z "$MC_MACOS" ] || options+=("--macos=$MC_MACOS")
[ -z "$MC_PROFILE" ] || options+=("--profile=$MC_PROFILE")
[ -z "$MC_FAIL_ON" ] || options+=("--fail-on=$MC_FAIL_ON")
[ -z "$MC_SARIF" ] || options+=("--format=sarif:$MC_SARIF")
[ -z "$MC_ANCHOR" ] || options+=("--sarif-anchor=$MC_ANCHOR")
[ -z "$MC_HTML" ] || options+=("--format=html:$MC_HTML")
while IFS= read -r line; do
  [ -z "$line" ] || options+=("$line")
done <<<"$MC_ARGUMENTS"

paths=()
while IFS= read -r line; do
  [ -n "$line" ] || continue
  found=()
  # A pattern that matches nothing stays as it is, for the audit to name what is not there.
  while IFS= read -r each; do found+=("$each"); done < <(compgen -G "$line" || printf '%s\n' "$line")
  paths+=("${found[@]}")
done <<<"$MC_PATHS"

code=0
"$venv/bin/machochain" audit "${options[@]}" -- "${paths[@]}" || code=$?
case "$code" in
  0) result=passed ;;
  1) result=failed ;;
  3) result=incomplete ;;
  *) result=error ;;
esac
echo "result=$result" >>"$GITHUB_OUTPUT"
exit "$code"
