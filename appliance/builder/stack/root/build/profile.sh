# shellcheck shell=bash
# The environment of every process of an app, and of one-off commands.
export HOME=/app
cd /app || exit 1

# Node.js has its own list of certificate authorities. Only where the machine
# has more of them is reading the long list worth its time.
if compgen -G '/usr/local/share/ca-certificates/*.crt' >/dev/null; then
	export NODE_EXTRA_CA_CERTS="${NODE_EXTRA_CA_CERTS:-/etc/ssl/certs/ca-certificates.crt}"
fi

for berth_file in .profile.d/*.sh .profile; do
	if [[ -r $berth_file && -f $berth_file ]]; then
		# shellcheck disable=SC1090 # it is the app's
		source "$berth_file"
	fi
done
unset berth_file
