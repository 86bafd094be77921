#!/bin/bash
# Makes the instance usable for repairs, then starts the agent of Systems Manager. orion-bastion.service starts this
# script again until it succeeds, so every step can be repeated.
#
# The agent does not start before the file $usable is there (its unit has the condition). A command therefore never
# reaches an instance without kubectl, without access to the cluster, or with an agent that is too old.
set -euo pipefail

. /etc/orion/bastion.env
usable=/var/lib/orion/usable

fail() {
  echo "orion-bastion: $1" >&2
  exit 1
}

# Whether version $1 is at least version $2.
at_least() {
  [ "$(printf '%s\n' "$1" "$2" | sort --version-sort | head --lines=1)" = "$2" ]
}

agent_version() {
  rpm --query --queryformat '%{VERSION}' amazon-ssm-agent
}

mkdir -p "$HOME"
chmod 700 "$HOME"

dnf install --assumeyes kubectl || fail "kubectl $KUBERNETES_MINOR could not be installed"
kubectl version --client >/dev/null || fail "kubectl does not run"

# The repositories are locked to the release of the image, where there may be no newer agent.
if ! at_least "$(agent_version)" "$LEAST_AGENT"; then
  dnf upgrade --assumeyes --releasever=latest amazon-ssm-agent || fail "amazon-ssm-agent could not be upgraded"
fi
at_least "$(agent_version)" "$LEAST_AGENT" || fail "amazon-ssm-agent $(agent_version) is older than $LEAST_AGENT"

# kubectl asks the cluster itself for its version, so this needs the network, the credentials and the access entry.
versions=$(kubectl version --request-timeout=20s 2>&1) || fail "the cluster cannot be used: $versions"
case $versions in
  *"exceeds the supported minor version skew"*) fail "kubectl does not fit the cluster: $versions" ;;
esac

touch "$usable"
systemctl restart amazon-ssm-agent || {
  rm -f "$usable"
  fail "amazon-ssm-agent does not start"
}
echo "orion-bastion: usable"
