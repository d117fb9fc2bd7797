# shellcheck shell=bash
# Which Node.js the app gets: the stack's own when it will do, so that nothing
# is fetched and nothing copied; else one from the npm registry.
# shellcheck disable=SC2154 # build and cache are compile's, stack_npm is of tool.sh

# The versions of what the app has.
node_version='' npm_version=

# use_node RANGE puts the app's Node.js first on PATH.
use_node() {
	local range=$1 prefix
	node_version=$(node --version)
	read_npm_version "$stack_npm"
	if [[ ! $range ]]; then
		step "Using Node.js ${node_version#v} of the stack (package.json names none in engines.node)"
	elif [[ $(semver satisfies "$node_version" "$range") == true ]]; then
		step "Using Node.js ${node_version#v} of the stack (engines.node is $range)"
	elif [[ $(semver validRange "$range") == null ]]; then
		fail "engines.node in package.json is \"$range\", which is no range of versions" \
			"set it to one, as in \"node\": \"${node_version%%.*}.x\""
	else
		own_node "$range"
		node_version=$(node --version)
		read_npm_version "$(realpath "$(command -v npm)")"
	fi

	# Modules with native code compile against the headers that are here. npm
	# has passed this on under two names.
	prefix=${own_prefix:-}
	if [[ ! $prefix ]]; then
		prefix=$(realpath "$(command -v node)")
		prefix=${prefix%/*/*}
	fi
	if ((${npm_version%%.*} < 11)); then
		export npm_config_nodedir=$prefix
	else
		export npm_package_config_node_gyp_nodedir=$prefix
	fi
}

# read_npm_version NPM does not start npm to ask it, nor jq: npm writes its own
# package.json with a line for each key.
read_npm_version() { npm_version=$(sed -n 's/^  "version": "\([^"]*\)",*$/\1/p' "${1%/*}/../package.json"); }

# own_node RANGE installs a Node.js for this app.
own_node() {
	local range=$1 version='' arch
	# What was chosen for this range stays, so that a build needs no network.
	[[ ! -f $cache/node/.range || $(<"$cache/node/.range") != "$range" ]] || version=$(<"$cache/node/.version")
	if [[ ! $version ]]; then
		arch=$(uname -m)
		case $arch in x86_64) arch=x64 ;; aarch64) arch=arm64 ;; esac
		version=$(newest "node-linux-$arch" "$range") || true
		[[ $version ]] ||
			fail "there is no Node.js for engines.node \"$range\"" \
				'set engines.node in package.json to a version that was released, as in "node": "22.x", or remove it'
		step "Installing Node.js $version (engines.node is $range)"
		install_node "$arch" "$version"
		printf '%s' "$range" >"$cache/node/.range"
		printf '%s' "$version" >"$cache/node/.version"
	else
		step "Using Node.js $version (engines.node is $range), cached"
	fi
	# The headers are for building only, and stay behind.
	mkdir -p "$build/.heroku/node"
	cp -a "$cache/node/bin" "$cache/node/lib" "$build/.heroku/node"
	own_prefix=$cache/node
	export PATH=$build/.heroku/node/bin:$PATH
	hash -r
}

# install_node ARCH VERSION makes $cache/node of two packages: one that has
# node, and one that has npm.
install_node() {
	local npm new=$cache/node.new
	# npm says which versions of Node.js it runs on only by refusing.
	case ${2%%.*} in
	[0-9] | 1[0-5]) npm=npm@6 ;;
	16 | 17) npm=npm@8 ;;
	18 | 19 | 21) npm=npm@10 ;;
	*) npm=npm@$npm_version ;;
	esac
	rm -rf "$cache/node" "$new"
	mkdir -p "$new/lib/node_modules/npm" "$new/fetched"
	npm pack --silent --pack-destination "$new/fetched" "node-linux-$1@$2" "$npm" >/dev/null ||
		fail "Node.js $2 could not be fetched from the npm registry" 'push again; if it stays so, see whether the machine reaches the registry'
	tar -xzf "$new/fetched/node-linux-$1-$2.tgz" --strip-components 1 -C "$new" package/bin package/include
	tar -xzf "$new/fetched"/npm-*.tgz --strip-components 1 -C "$new/lib/node_modules/npm"
	ln -s ../lib/node_modules/npm/bin/npm-cli.js "$new/bin/npm"
	ln -s ../lib/node_modules/npm/bin/npx-cli.js "$new/bin/npx"
	chmod 755 "$new/bin/node" "$new/lib/node_modules/npm/bin"/*.js
	rm -rf "$new/fetched"
	mv "$new" "$cache/node"
}
