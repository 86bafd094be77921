#!/bin/bash
# Prints the credential for the cluster, as kubectl asks for it. All commands share one, kept in a file: each kubectl would
# otherwise start an AWS CLI of its own.
#
# A credential is kept for less than five minutes: EC2 renews the role's credentials that early before they end, and a
# token signed with them ends with them, whatever its own expiry says.
set -euo pipefail
umask 077

. /etc/orion/bastion.env
kept=/run/orion/credential.json
keep_seconds=240

current() {
  local age
  [ -s "$kept" ] || return 1
  age=$(($(date +%s) - $(stat --format=%Y "$kept")))
  # A clock that was set back gives a negative age.
  [ "$age" -ge 0 ] && [ "$age" -lt "$keep_seconds" ]
}

if ! current; then
  mkdir -p "${kept%/*}"
  exec 9>"$kept.lock"
  flock --wait 60 9
  # Another command may have got one meanwhile.
  if ! current; then
    new=$(mktemp "$kept.XXXXXX")
    trap 'rm -f "$new"' EXIT
    aws eks get-token --region "$REGION" --cluster-name "$CLUSTER" --output json >"$new"
    mv "$new" "$kept"
  fi
fi
cat "$kept"
