#!/bin/bash
# packages.sh installs what the stack has of Debian. What building needs is
# also what running has: one image, one layer, which all apps share.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive DEBCONF_NOWARNINGS=yes
run=(
	bzip2 ca-certificates curl file git gnupg iproute2 jq less libdigest-sha-perl
	netbase openssh-client openssl patch procps rsync tzdata unzip wget xz-utils
	zip zlib1g zstd
)
build=(
	autoconf automake bison build-essential libtool pkg-config
	libbz2-dev libcurl4-openssl-dev libffi-dev libgmp-dev libicu-dev libjpeg-dev
	liblzma-dev libncurses-dev libpng-dev libpq-dev libreadline-dev libsqlite3-dev
	libssl-dev libwebp-dev libxml2-dev libxslt1-dev libyaml-dev zlib1g-dev
)
python=(python3 python3-venv libpython3-dev)
ruby=(ruby ruby-bundler ruby-dev)
php=(
	php-cli php-fpm composer apache2-bin nginx systemd-standalone-tmpfiles
	php-apcu php-bcmath php-curl php-gd php-gmp php-intl php-mbstring php-mysql
	php-pgsql php-redis php-soap php-sqlite3 php-xml php-zip
)
touch /tmp/begun
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
# Users that packages make get the day of this into /etc/shadow.
SOURCE_DATE_EPOCH=$(stat -c %Y /etc/debian_version)
export SOURCE_DATE_EPOCH
apt-get install -qq -y --no-install-recommends "${run[@]}" "${build[@]}" "${python[@]}" "${ruby[@]}" "${php[@]}" >/dev/null
apt-get clean

# What would tell when it was installed, or where, goes: the same packages are
# to give the same files. What a package brings has the date of the package;
# what its installation made gets that of the newest package.
rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/ldconfig/aux-cache \
	/var/cache/debconf/*-old /var/lib/dpkg/*-old /var/lib/ucf/*.[0-9] /etc/machine-id /var/lib/dbus/machine-id \
	/etc/passwd- /etc/group- /etc/shadow- /etc/gshadow- /etc/subuid- /etc/subgid-
find /var/log -type f -delete
awk -F: -v OFS=: -v day=$((SOURCE_DATE_EPOCH / 86400)) '{ $3 = day; print }' /etc/shadow >/tmp/shadow
cat /tmp/shadow >/etc/shadow
install -d /build/stack
epoch=$(stat -c %Y /var/lib/dpkg/info/*.md5sums | sort -n | tail -n 1)
echo "$epoch" >/build/stack/epoch
find / -xdev -newer /tmp/begun ! -path /tmp/begun -exec touch -h -d "@$epoch" {} +
rm -f /tmp/begun /tmp/shadow
touch -d "@$epoch" /tmp
