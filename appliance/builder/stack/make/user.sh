#!/bin/sh
# user.sh makes the user of all apps, where the image has none of that number,
# and what belongs to it. It is the first to run on an image of somebody else's,
# so it says what that lacks.
set -eu
missing=
for tool in awk bash env find grep gzip head id install mktemp paste sed sha256sum sort tail tar timeout tr; do
	command -v "$tool" >/dev/null || missing="$missing $tool"
done
if [ "$missing" ]; then
	echo "the image lacks what building needs:$missing"
	exit 1
fi
grep -q '^[^:]*:[^:]*:1000:' /etc/group || echo 'app:x:1000:' >>/etc/group
grep -q '^[^:]*:[^:]*:1000:' /etc/passwd || echo 'app:x:1000:1000::/app:/bin/bash' >>/etc/passwd
# The date of this day would make each build another one.
touch -r /bin/sh /etc/group /etc/passwd
install -d -o 1000 -g 1000 /app /cache /tmp/build
install -d -m 1777 /build/env
