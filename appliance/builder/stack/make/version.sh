#!/bin/bash
# version.sh writes what the stack consists of, and what it is called after
# that: the Debian release, the day of its newest package, and a digest of the
# list. The same packages give the same name.
set -euo pipefail
export NODE_DISABLE_COMPILE_CACHE=1 # npm would leave it in /tmp
cd /build/stack
{
	# shellcheck disable=SC2016 # dpkg's own
	dpkg-query -W -f '${db:Status-Status} ${Package} ${Version}\n' | sed -n 's/^installed //p'
	echo "node $(node --version | tr -d v)"
	echo "npm $(npm --version)"
	sed -n 's/^go/go /p' /usr/local/go/VERSION # go itself would take notes
} | LC_ALL=C sort >packages
printf 'debian-%s-%s-%.8s\n' "$(</etc/debian_version)" "$(date -u -d "@$(<epoch)" +%Y%m%d)" "$(sha256sum <packages)" >version
touch -d "@$(<epoch)" packages version .
