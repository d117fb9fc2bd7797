# shellcheck shell=bash
# shellcheck disable=SC2154 # build, cache, lock, version and version_from are compile's

use_pnpm() {
	# The store is on another disk than the app, as pnpm sees it, and so is
	# copied from: the app needs nothing of it.
	export npm_config_store_dir=$cache/pnpm pnpm_config_store_dir=$cache/pnpm
	if [[ ! $version ]]; then
		# Each format of the lock file has its versions of pnpm.
		case $(sed -nE "s/^lockfileVersion:[[:space:]]*'?([0-9.]+).*/\1/p" pnpm-lock.yaml 2>/dev/null | head -n 1) in
		5.[0-3]) version=6.x ;;
		5.*) version=7.x ;;
		6.*) version=8.x ;;
		*) version=10.x ;;
		esac
		version_from='pnpm-lock.yaml was written by'
		[[ $lock ]] || version_from='unless package.json names another'
	fi
	use_tool pnpm pnpm "$version" "$version_from"
}

install_with_pnpm() {
	local flags=(--prefer-offline --prod=false)
	[[ ! $lock ]] || flags+=(--frozen-lockfile)
	step 'Installing dependencies: pnpm install'
	# CI: nobody is there to answer.
	CI=true pnpm install "${flags[@]}" ||
		fail "pnpm install ended with status $?" 'the lines above say why; if package.json and pnpm-lock.yaml differ, run pnpm install and commit pnpm-lock.yaml'
}

# prune_with_pnpm cannot prune a workspace: there, all is linked anew from the
# store, which runs the scripts of its packages.
prune_with_pnpm() {
	local file
	if [[ ! -f pnpm-workspace.yaml ]] || ! grep -q '^packages:' pnpm-workspace.yaml; then
		CI=true pnpm prune --prod --ignore-scripts ||
			fail "pnpm prune ended with status $?" 'the lines above say why; PNPM_SKIP_PRUNING=true keeps development dependencies'
		return
	fi
	while IFS= read -r -d '' file; do
		if jq -e '.scripts // {} | keys | any(IN("pnpm:devPreinstall", "preinstall", "install", "postinstall", "prepare"))' "$file" >/dev/null; then
			detail "They stay: $file has scripts that would run again"
			return
		fi
	done < <(find . -name node_modules -prune -o -name package.json -print0)
	find . -name node_modules -prune -exec rm -rf {} +
	CI=true pnpm install --prod --frozen-lockfile --prefer-offline ||
		fail "pnpm install --prod ended with status $?" 'the lines above say why; PNPM_SKIP_PRUNING=true keeps development dependencies'
}
