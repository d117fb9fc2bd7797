#!/bin/bash
# packages.sh installs what the stack has of Debian. What building needs is
# also what running has: one image, one layer, which all apps share.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive DEBCONF_NOWARNINGS=yes
run=(
	bzip2 ca-certificates curl file git gnupg iproute2 jq less libdigest-sha-perl
	netbase openssh-client openssl patch procps python3 python3-venv rsync tzdata
	unzip wget xz-utils zip zlib1g zstd
)
build=(
	autoconf automake bison build-essential libtool pkg-config
	libbz2-dev libcurl4-openssl-dev libffi-dev libgmp-dev libicu-dev libjpeg-dev
	liblzma-dev libncurses-dev libpng-dev libpq-dev libreadline-dev libsqlite3-dev
	libssl-dev libwebp-dev libxml2-dev libxslt1-dev libyaml-dev zlib1g-dev
)
# A base that debootstrap made knows the main archive only. Where its mirror
# has the security archive beside that, as most do, the fixes come in.
list=/etc/apt/sources.list.d/security.list
if ! grep -rqs -e -security /etc/apt/sources.list /etc/apt/sources.list.d; then
	sed -n 's|^deb \([^ ]*/debian\)/* \([a-z]*\) main.*|deb \1-security \2-security main|p' /etc/apt/sources.list >"$list"
fi
apt-get update -qq -o APT::Update::Error-Mode=any || {
	rm -f "$list"
	apt-get update -qq
}
apt-get upgrade -qq -y >/dev/null
apt-get install -qq -y --no-install-recommends "${run[@]}" "${build[@]}" >/dev/null
apt-get clean
rm -rf /var/lib/apt/lists/* /var/log/*.log /var/log/apt/*
