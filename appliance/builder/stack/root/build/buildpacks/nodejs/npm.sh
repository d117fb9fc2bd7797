# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # pruned is for prunes; npm_version is use_node's; lock, version and version_from are choose_manager's

# use_npm leaves the npm that came with Node.js, when it will do.
use_npm() {
	[[ $version ]] || return 0
	[[ $(semver satisfies "$npm_version" "$version") != true ]] || return 0
	use_tool npm npm "$version" "$version_from"
	read_npm_version "$(realpath "$(command -v npm)")"
}

kept_as=

install_with_npm() {
	local development=--include=dev
	! without_development "${NPM_CONFIG_PRODUCTION:-}" || development=--omit=dev
	if ((${npm_version%%.*} < 7)); then
		development=--production=$([[ $development == --omit=dev ]] && echo true || echo false)
	fi
	if [[ -d node_modules ]]; then
		printf ' !     %s\n' 'node_modules is part of the repository; leaving it out makes pushes smaller and builds surer'
		step 'Building what is in node_modules: npm rebuild'
		npm rebuild || fail "npm rebuild ended with status $?" 'the lines above say why'
		npm install "$development" || fail "npm install ended with status $?" 'the lines above say why'
	elif [[ $lock && ${USE_NPM_INSTALL:-false} != true ]]; then
		# Where nothing is built, what is left after pruning will do.
		kept_as=$development
		if prunes && ! builds; then
			kept_as=pruned
		fi
		if restore_modules "$kept_as"; then
			step "Using the installed dependencies of the same $lock and package.json"
			[[ $kept_as != pruned ]] || pruned=yes
			return
		fi
		step 'Installing dependencies: npm ci'
		npm ci "$development" ||
			fail "npm ci ended with status $?" "the lines above say why; if package.json and its lock file differ, run npm install and commit $lock"
		forget_modules
		if ! plain_modules; then
			kept_as=
		elif [[ $kept_as != pruned ]]; then
			keep_modules
		fi
	else
		step "Installing dependencies: npm install${lock:- (no package-lock.json: versions may differ from build to build)}"
		npm install "$development" ||
			fail "npm install ended with status $?" 'the lines above say why'
	fi
}

prune_with_npm() {
	local development=--omit=dev
	((${npm_version%%.*} >= 7)) || development=--production
	npm prune "$development" --ignore-scripts ||
		fail "npm prune ended with status $?" 'the lines above say why'
	[[ $kept_as != pruned ]] || keep_modules
}
