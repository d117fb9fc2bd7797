# shellcheck shell=bash
# What was fetched stays in the app's cache, unpacked and in one file.
# shellcheck disable=SC2034,SC2154 # build, cache, key and the Aptfile's are compile's

# A day: in that time a build needs no network, and no fix of Debian's is
# older than that when it is built in.
fresh() { same && [[ $(find "$cache/key" -mmin -1440) ]]; }

same() { [[ -f $cache/key && $(<"$cache/key") == "$key" ]]; }

age() { date -u -r "$cache/key" '+on %Y-%m-%d at %H:%M UTC'; }

restore() {
	tar -xf "$cache/tree.tar" 2>/dev/null && return
	rm -rf .apt "$cache/tree.tar"
	return 1
}

# apt COMMAND… is apt-get with lists and archives of its own. What is
# installed it reads from the stack: that need not be fetched.
apt() {
	apt-get -qq -y -o Debug::NoLocking=true -o Dir::Cache="$cache/cache" -o Dir::State="$cache/state" \
		-o Dir::State::status=/var/lib/dpkg/status -o Dir::Etc::SourceList="$cache/sources.list" \
		-o Acquire::Languages=none -o Acquire::GzipIndexes=true -o Acquire::Retries=2 -o Acquire::http::Timeout=30 \
		-o APT::Update::Error-Mode=any "$@" 2>&1
}

# fetch fills $cache/cache/archives, or sets problem and advice, and fails.
fetch() {
	local said address file
	rm -rf "$cache/cache/archives"
	mkdir -p "$cache/cache/archives/partial" "$cache/state/lists/partial"
	{
		cat /etc/apt/sources.list 2>/dev/null || true
		((!${#repositories[@]})) || printf '%s\n' "${repositories[@]}"
	} >"$cache/sources.list"
	if ((${#packages[@]})); then
		step "Fetching ${packages[*]}, and what they need"
		said=$(apt update) || {
			problem="the lists of packages could not be fetched: $(worst <<<"$said")"
			advice='see whether the machine reaches the mirror, and whether the :repo: lines of the Aptfile are right'
			return 1
		}
		said=$(apt --download-only --reinstall --allow-downgrades --allow-change-held-packages install "${packages[@]}") || {
			problem="apt cannot get what the Aptfile names: $(worst <<<"$said")"
			advice='correct the Aptfile; packages.debian.org knows the names of Debian 12'
			return 1
		}
	fi
	for address in "${archives[@]}"; do
		file=$cache/cache/archives/own-$(sha256sum <<<"$address" | head -c 12).deb
		step "Fetching $(shown "$address")"
		# The address on stdin: it may hold credentials.
		said=$(printf 'url = "%s"\n' "${address//[\"\\]/}" |
			curl --config - -gsSfL --proto '=http,https' --retry 2 --connect-timeout 30 --max-time 600 -o "$file" 2>&1) || {
			problem="$(shown "$address") could not be fetched: $(last_line <<<"$said")"
			advice='see whether the address in the Aptfile is right'
			return 1
		}
		dpkg-deb --info "$file" >/dev/null 2>&1 || {
			problem="$(shown "$address") is no Debian package"
			advice='see whether the address in the Aptfile is right'
			return 1
		}
	done
}

# shown hides the credentials of an address.
shown() { sed -E 's#//[^/]*@#//…@#' <<<"$1"; }

# worst prints apt's first error.
worst() { sed -nE 's/^E: //p' | head -n 1 | tr -dc '[:print:]' | head -c 300; }

install_fetched() {
	local archive count=0
	mkdir .apt
	for archive in "$cache"/cache/archives/*.deb; do
		[[ -f $archive ]] || continue
		dpkg-deb -x "$archive" .apt || fail "${archive##*/} could not be unpacked" 'push again'
		count=$((count + 1))
	done
	# Nobody reads manuals inside a container.
	rm -rf .apt/usr/share/{doc,man,info,locale,lintian}
	detail "Installed $count packages, $(du -sm .apt | cut -f1) MB"
	rm -rf "$cache/cache"
	if tar -cf "$cache/tree.tar.new" .apt; then
		mv "$cache/tree.tar.new" "$cache/tree.tar"
		printf '%s' "$key" >"$cache/key"
	else
		rm -f "$cache/tree.tar.new" "$cache/key"
	fi
}
