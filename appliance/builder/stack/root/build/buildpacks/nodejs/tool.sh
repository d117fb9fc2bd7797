# shellcheck shell=bash
# Package managers of the npm registry, in the versions that apps ask for.
# shellcheck disable=SC2154 # build, cache and version_hash are compile's

stack_npm=$(realpath "$(command -v npm)")
semver=${stack_npm%/*}/../node_modules/semver

# semver CALL VERSION-OR-RANGE… prints what npm's own semver says.
semver() { node -p 'require(process.argv[1])[process.argv[2]](...process.argv.slice(3))' "$semver" "$@"; }

# newest PACKAGE RANGE prints the newest version within a range.
newest() {
	npm view --json "$1@$2" version 2>/dev/null |
		jq -r 'if type == "array" then .[] else strings end' | sort -V | tail -n 1
}

# use_tool NAME PACKAGE RANGE WHY puts a package manager into the app, and
# first on PATH. What was chosen for a range stays, so that a build needs no
# network.
use_tool() {
	local name=$1 package=$2 range=$3 why=$4 kept=$cache/tools/$1 exact=
	[[ $(semver validRange "$range") != null ]] ||
		fail "package.json: $why \"$range\", which is no range of versions" "set it to one, as in \"$name\": \"$(tool_example "$name")\""
	if [[ -f $kept/.for && $(<"$kept/.for") == "$package@$range" ]]; then
		exact=$(<"$kept/.version")
		step "Using $name $exact ($why $range), cached"
	else
		exact=$(newest "$package" "$range") || true
		[[ $exact ]] ||
			fail "there is no $name as package.json asks for: $why \"$range\"" "set it to a version that was released, as in \"$(tool_example "$name")\""
		step "Installing $name $exact ($why $range)"
		fetch_tool "$name" "$package" "$exact"
		printf '%s' "$package@$range" >"$kept/.for"
		printf '%s' "$exact" >"$kept/.version"
	fi
	mkdir -p "$build/.heroku"
	rm -rf "$build/.heroku/$name"
	cp -a "$kept" "$build/.heroku/$name"
	export PATH=$build/.heroku/$name/bin:$PATH
	hash -r
}

tool_example() {
	case $1 in
	npm) echo 11.x ;;
	yarn) echo 1.22.x ;;
	pnpm) echo 10.x ;;
	esac
}

# fetch_tool NAME PACKAGE VERSION makes $cache/tools/NAME. All three managers
# are published with what they need inside.
fetch_tool() {
	local new=$cache/tools/$1.new target name
	rm -rf "$cache/tools/$1" "$new"
	mkdir -p "$new/package" "$new/fetched" "$new/bin"
	npm pack --silent --pack-destination "$new/fetched" "$2@$3" >/dev/null ||
		fail "$1 $3 could not be fetched from the npm registry" 'push again; if it stays so, see whether the machine reaches the registry'
	check_hash "$1" "$2" "$new"/fetched/*.tgz
	tar -xzf "$new"/fetched/*.tgz --strip-components 1 -C "$new/package"
	while read -r name target; do
		target=$(realpath -m --relative-base "$new/package" "$new/package/$target")
		chmod 755 "$new/package/$target"
		ln -s "../package/$target" "$new/bin/$name"
	done < <(jq -r '.bin | if type == "string" then {bin: .} else . end | to_entries[] | "\(.key) \(.value)"' "$new/package/package.json")
	rm -rf "$new/fetched"
	mv "$new" "$cache/tools/$1"
}

# check_hash NAME PACKAGE FILE compares what was fetched with the hash that
# packageManager may have. That of yarn 2 and newer is of another file than the
# one that the npm registry has, so npm's own check of it must do.
check_hash() {
	local kind hash
	[[ $version_hash && $2 != @yarnpkg/cli-dist ]] || return 0
	read -r kind hash <<<"$version_hash"
	[[ $("${kind}sum" "$3" 2>/dev/null) == "$hash "* ]] ||
		fail "$1 has another $kind than packageManager in package.json says" \
			"see which of them is right; corepack use $1 writes packageManager anew"
}
