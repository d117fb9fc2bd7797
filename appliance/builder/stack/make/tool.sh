#!/bin/bash
# tool.sh PACKAGE installs one of Debian's, for a stage that only fetches.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive DEBCONF_NOWARNINGS=yes
apt-get update -qq
apt-get install -qq -y --no-install-recommends ca-certificates "$1" >/dev/null
