# shellcheck shell=bash
# shellcheck disable=SC2034 # compile reads what is set here

# read_aptfile sets packages, archives (addresses of .deb files) and
# repositories (lines for sources.list).
read_aptfile() {
	local line word number=0 name='^[a-z0-9][a-z0-9+.-]*(:[a-z0-9]+)?([=/][A-Za-z0-9.+:~*-]+)?$'
	while IFS= read -r line || [[ $line ]]; do
		number=$((number + 1))
		line=$(sed -E 's/\r$//; s/^\xef\xbb\xbf//; s/^[[:space:]]+//; s/(^|[[:space:]]+)#.*//; s/[[:space:]]+$//' <<<"$line")
		case $line in
		'') ;;
		:repo:*)
			[[ $line =~ ^:repo:[[:space:]]*(deb[[:space:]].+)$ ]] || senseless "$number" "$line"
			repositories+=("${BASH_REMATCH[1]}")
			;;
		http://*.deb | https://*.deb) archives+=("$line") ;;
		*)
			for word in $line; do
				[[ $word =~ $name ]] || senseless "$number" "$line"
				packages+=("$word")
			done
			;;
		esac
	done <Aptfile
}

senseless() {
	fail "Aptfile, line $1 makes no sense: $2" \
		'a line is the name of a package, the http or https address of a .deb file, or :repo:deb and what sources.list has after it'
}
