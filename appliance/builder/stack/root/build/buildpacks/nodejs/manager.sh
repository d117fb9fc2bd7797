# shellcheck shell=bash
# Which of npm, yarn and pnpm installs what the app needs: the one whose lock
# file there is.
# shellcheck disable=SC2034 # use_npm and its like read version and the rest

# choose_manager sets manager, lock (a file, or ""), and the version that
# package.json asks for, which is exact when it comes from packageManager, and
# then may have the hash of what it stands for.
choose_manager() {
	local file named hash_pattern='^(npm|yarn|pnpm)@([0-9][0-9A-Za-z.-]*)(\+(sha[0-9]+)\.([0-9a-f]+))?$'
	local -A locks=([npm-shrinkwrap.json]=npm [package-lock.json]=npm [yarn.lock]=yarn [pnpm-lock.yaml]=pnpm)
	local found=()
	manager='' lock='' version='' version_from='' version_hash=''
	for file in npm-shrinkwrap.json package-lock.json yarn.lock pnpm-lock.yaml; do
		[[ ! -f $file ]] || found+=("$file")
	done

	named=$(package packageManager)
	if [[ $named =~ $hash_pattern ]]; then
		named=${BASH_REMATCH[1]}
		version=${BASH_REMATCH[2]} version_hash=${BASH_REMATCH[4]:+${BASH_REMATCH[4]} ${BASH_REMATCH[5]}} version_from='packageManager is'
	elif [[ $named =~ ^(npm|yarn|pnpm)(@|$) ]]; then
		fail "packageManager in package.json is \"$named\", which names no version" 'set it to one, as in "pnpm@10.34.8", or remove it'
	elif [[ $named ]]; then
		printf ' !     %s\n' "packageManager in package.json is \"$named\", which is not known here; it is left alone"
		named=
	fi

	for file in "${found[@]}"; do
		[[ ${#found[@]} -gt 1 && ${locks[$file]} != "$named" ]] || { lock=$file && break; }
	done
	if ((${#found[@]} > 1)); then
		[[ $lock ]] ||
			fail "there are lock files of several kinds: ${found[*]}" \
				"keep the one of the package manager that you use, as in: git rm ${found[*]:1}"
		printf ' !     %s\n' "there are several lock files, ${found[*]}; $lock is used, as packageManager in package.json says $named"
	fi
	manager=${locks[${lock:-none}]:-${named:-npm}}

	if [[ $named && $named != "$manager" ]]; then
		printf ' !     %s\n' "packageManager in package.json is $named, but there is $lock: $manager is used"
		version='' version_hash='' version_from=
	fi
	if [[ ! $version ]]; then
		version=$(package "engines.$manager") version_from="engines.$manager is"
	fi
	if [[ -f bun.lock || -f bun.lockb ]] && [[ ! $lock ]]; then
		printf ' !     %s\n' 'the lock file of bun is not read: npm installs, and versions may differ from yours'
	fi
}

# without tells whether a variable says that development dependencies are not
# even to be installed.
without_development() { [[ ${1:-} == true || ${1:-} == 1 ]]; }

# builds tells whether anything of the app runs between installing and pruning.
builds() { script heroku-prebuild || script heroku-postbuild || script build || [[ $(cache_directories) ]]; }

pruned=

# prunes tells whether development dependencies go after the build, by the
# rules of Heroku's buildpack.
prunes() {
	[[ ! $pruned ]] || return 1
	[[ $NODE_ENV == production ]] || return 1
	case $manager in
	npm) [[ ! ${NPM_CONFIG_PRODUCTION:-} ]] || return 1 ;;
	yarn) [[ ! ${YARN_PRODUCTION:-} && ${YARN2_SKIP_PRUNING:-} != true ]] || return 1 ;;
	pnpm) [[ ${PNPM_SKIP_PRUNING:-} != true ]] || return 1 ;;
	esac
	# Each of the packages of a workspace may have some.
	[[ -f pnpm-workspace.yaml || $surplus ]]
}
