#!/bin/sh
# user.sh makes the user of all apps, where the base image has none of that
# number, and what belongs to it.
set -eu
getent group 1000 >/dev/null || groupadd --gid 1000 app
getent passwd 1000 >/dev/null ||
	useradd --uid 1000 --gid 1000 --home-dir /app --no-create-home --shell /bin/bash app
install -d -o 1000 -g 1000 /app /cache /tmp/build
install -d -m 1777 /build/env
