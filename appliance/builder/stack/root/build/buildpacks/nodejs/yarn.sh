# shellcheck shell=bash
# Yarn 1, and Yarn 2 and newer, which it calls Berry: two programs, with one
# name and one name for their lock files.
# shellcheck disable=SC2154 # build, cache, lock, version and version_from are compile's

# yarnrc KEY prints a plain value of .yarnrc.yml.
yarnrc() { [[ ! -f .yarnrc.yml ]] || sed -nE "s/^$1:[[:space:]]*[\"']?([^\"'#]*[^\"'# ])[\"']?[[:space:]]*(#.*)?$/\1/p" .yarnrc.yml | head -n 1; }

use_yarn() {
	local lock_version path
	lock_version=$(sed -nE '/^__metadata:/,/^[^ ]/s/^  version: ([0-9]+).*/\1/p' yarn.lock 2>/dev/null | head -n 1) || true
	path=$(yarnrc yarnPath)
	berry=
	if [[ $path || $lock_version || ($version && $(semver validRange "$version") != null && $(semver subset "$version" '>=2') == true) ]]; then
		berry=yes
	fi

	export YARN_CACHE_FOLDER=$cache/yarn
	if [[ $berry ]]; then
		[[ ! ${YARN_PRODUCTION:-} ]] ||
			fail 'YARN_PRODUCTION is set, which yarn 2 and newer refuse' 'unset it; YARN2_SKIP_PRUNING=true keeps development dependencies'
		export YARN_ENABLE_GLOBAL_CACHE=false YARN_ENABLE_TELEMETRY=false YARN_CACHE_FOLDER=$cache/berry
		# Without node_modules the app runs from yarn's cache.
		if plug_and_play || [[ -d .yarn/cache ]]; then
			export YARN_CACHE_FOLDER=$build/.yarn/cache
		fi
	fi
	if [[ $path ]]; then
		use_yarn_of_the_repository "$path"
		return
	fi
	if [[ ! $version ]]; then
		# Each format of the lock file has its versions of yarn. A newer one
		# would change the file, and then refuse to.
		case $lock_version in
		'') version=1.22.x ;;
		[0-4]) version=3.0.x ;;
		5) version=3.1.x ;;
		[67]) version='>=3.2 <4' ;;
		8) version='>=4 <4.14' ;;
		9) version=4.14.x ;;
		*) version=4.x ;;
		esac
		version_from='yarn.lock was written by'
		[[ $lock ]] || version_from='unless package.json names another'
	fi
	if [[ $berry ]]; then
		# It is in the registry under this name since version 2.
		use_tool yarn @yarnpkg/cli-dist "$version" "$version_from"
	else
		use_tool yarn yarn "$version" "$version_from"
	fi
}

plug_and_play() { [[ $(yarnrc nodeLinker) != node-modules && $(yarnrc nodeLinker) != pnpm ]]; }

# use_yarn_of_the_repository PATH uses the one that is committed, from where it
# will be when the app runs, too.
use_yarn_of_the_repository() {
	[[ -f $1 && $(realpath "$1") == "$build"/* ]] ||
		fail "yarnPath in .yarnrc.yml is $1, and there is no such file in the repository" "git add -f $1, or remove yarnPath"
	mkdir -p .heroku/yarn/bin
	# shellcheck disable=SC2016 # for when it runs
	printf '#!/bin/sh\nexec node "$(dirname "$(realpath "$0")")"/../../../%q "$@"\n' "$1" >.heroku/yarn/bin/yarn
	chmod 755 .heroku/yarn/bin/yarn
	export PATH=$build/.heroku/yarn/bin:$PATH
	hash -r
	step "Using yarn $(yarn --version) of the repository (yarnPath is $1)"
}

install_with_yarn() {
	if [[ $berry ]]; then
		install_with_berry
		return
	fi
	if [[ -d node_modules && ${SKIP_NODE_MODULES_CHECK:-} != true ]]; then
		printf ' !     %s\n' 'node_modules is part of the repository; it is not used'
		rm -rf node_modules
	fi
	local flags=(--ignore-engines --prefer-offline --non-interactive --no-progress)
	[[ ! $lock ]] || flags+=(--frozen-lockfile)
	if without_development "${YARN_PRODUCTION:-}"; then flags+=(--production=true); else flags+=(--production=false); fi
	step 'Installing dependencies: yarn install'
	NODE_OPTIONS="${NODE_OPTIONS:-} --no-deprecation" yarn install "${flags[@]}" ||
		fail "yarn install ended with status $?" 'the lines above say why; if package.json and yarn.lock differ, run yarn install and commit yarn.lock'
}

install_with_berry() {
	local kept=$cache/berry.tar.zst
	# Where the cache is part of the app, a copy of it waits for the next build.
	if [[ $YARN_CACHE_FOLDER == "$build"/* && ! -d .yarn/cache ]]; then
		unpack "$kept" || true
	fi
	step 'Installing dependencies: yarn install'
	if [[ $lock ]]; then yarn install --immutable; else yarn install; fi ||
		fail "yarn install ended with status $?" 'the lines above say why; if package.json and yarn.lock differ, run yarn install and commit yarn.lock'
	if [[ $YARN_CACHE_FOLDER == "$build"/* ]]; then
		pack "$kept" .yarn/cache
	fi
}

prune_with_yarn() {
	if [[ ! $berry ]]; then
		NODE_OPTIONS="${NODE_OPTIONS:-} --no-deprecation" yarn install --production --ignore-scripts --frozen-lockfile --ignore-engines --prefer-offline --non-interactive --no-progress ||
			fail "yarn install --production ended with status $?" 'the lines above say why'
		return
	fi
	# Yarn 2 and 3 have it as a plugin.
	if ! yarn workspaces focus --help >/dev/null 2>&1; then
		detail "Yarn $(yarn --version) cannot remove them without its plugin workspace-tools; they stay"
		return
	fi
	yarn workspaces focus --all --production ||
		fail "yarn workspaces focus ended with status $?" 'the lines above say why; YARN2_SKIP_PRUNING=true keeps development dependencies'
	# Yarn itself leaves in the cache what nothing needs any more.
	[[ -f .pnp.cjs ]] || return 0
	local archive
	for archive in .yarn/cache/*.zip; do
		grep -qF "${archive##*/}" .pnp.cjs || rm -f "$archive"
	done
}
