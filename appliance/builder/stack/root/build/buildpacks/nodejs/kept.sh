# shellcheck shell=bash
# What one build keeps for the next, beside the package manager's own cache.
# shellcheck disable=SC2154 # cache, lock and directories are compile's

# pack FILE PATH… keeps files, in one: reading one is many times faster than
# copying ten thousand. A build must not fail for want of a cache.
pack() {
	local file=$1
	shift
	[[ ${NODE_MODULES_CACHE:-true} != false ]] && command -v zstd >/dev/null || return 0
	mkdir -p "$(dirname "$file")"
	if tar -c --warning=no-file-changed -- "$@" | zstd -1 -T0 -q -f -o "$file.new"; then
		mv "$file.new" "$file"
	else
		rm -f "$file.new"
	fi
}

# unpack FILE puts back what pack has kept, or fails.
unpack() {
	[[ ${NODE_MODULES_CACHE:-true} != false && -f $1 ]] || return 1
	zstd -dcq "$1" | tar -x
}

# modules_key FLAG names all that decides what npm ci installs, as long as
# nothing runs while it does. The config may hold secrets: only the hash is
# kept.
modules_key() {
	{
		printf '%s\0' "$1" "$lock" "$node_version" "$npm_version" "$HOSTTYPE"
		cat package.json "$lock" /etc/os-release
		[[ ! -f .npmrc ]] || cat .npmrc
		env -0 | grep -zi '^npm_config_' | sort -z
	} | sha256sum
}

key=

# restore_modules FLAG brings node_modules back, or fails. Where nothing is built
# it is as it goes into the app: /build/keep can make a layer of it, and then a
# build finds it where it will be, and only has to leave it there.
restore_modules() {
	local file there=$APP_DIR/node_modules as_it_goes=
	key=$(modules_key "$1")
	key=${key%% *}
	builds || as_it_goes=yes
	file=$cache/modules/$key.tar.zst
	if [[ $as_it_goes && ${NODE_MODULES_CACHE:-true} != false && -f $there/.berth-kept && $(<"$there/.berth-kept") == "$key" ]]; then
		ln -s "$there" node_modules
		: >/tmp/buildpacks/inherited
		return
	fi
	if unpack "$file" 2>/dev/null; then
		[[ ! $as_it_goes ]] || echo "$key" >/tmp/buildpacks/keeps
		return
	fi
	rm -rf node_modules "$file"
	return 1
}

# keep_modules keeps them as what restore_modules has looked for: since then, npm
# may have written the lock file anew.
keep_modules() { [[ ! -d node_modules ]] || pack "$cache/modules/$key.tar.zst" node_modules; }

forget_modules() { rm -rf "$cache/modules"; }

# plain_modules tells whether npm ci would install the same again: nothing has
# run that may have looked at the app's own files, and nothing links to them.
plain_modules() {
	[[ ! -f binding.gyp && -f node_modules/.package-lock.json ]] || return 1
	jq -e '.scripts // {} | keys | any(IN("preinstall", "install", "postinstall", "prepublish", "preprepare", "prepare", "postprepare")) | not' package.json >/dev/null || return 1
	jq -e '.packages | to_entries | all(
		(.key | startswith("node_modules/")) and (.value | (.link | not) and
			(.inBundle == true or .resolved == null or (.resolved | test("^https?://")))))' node_modules/.package-lock.json >/dev/null || return 1
	# shellcheck disable=SC2016 # it is JavaScript
	jq -r '.packages | keys[]' node_modules/.package-lock.json | node -e '
		const fs = require("fs")
		const dirs = fs.readFileSync(0, "utf8").split("\n").filter(Boolean)
		process.exit(dirs.some(dir => {
			const { scripts = {} } = JSON.parse(fs.readFileSync(`${dir}/package.json`, "utf8"))
			return scripts.preinstall || scripts.install || scripts.postinstall || fs.existsSync(`${dir}/binding.gyp`)
		}) ? 1 : 0)' 2>/dev/null
}

# cache_directories prints what cacheDirectories in package.json names, as
# Heroku has it, less what leads out of the app and what is kept anyway.
cache_directories() {
	local directory
	while IFS= read -r directory; do
		[[ $directory ]] || continue
		directory=$(realpath -ms --relative-base . "$directory")
		case $directory in
		/* | . | node_modules | .heroku | .heroku/*) ;;
		*) printf '%s\n' "$directory" ;;
		esac
	done <<<"$directories"
}

# restore_directories WHERE does it for those inside of node_modules, which
# must be there first, or for those outside of it.
restore_directories() {
	local directory where
	while IFS= read -r directory; do
		where=outside
		[[ $directory != node_modules/* ]] || where=inside
		[[ $where == "$1" && ! -e $directory ]] || continue
		! unpack "$cache/directories/$(kept_name "$directory")" || detail "Restored $directory"
	done < <(cache_directories)
}

keep_directories() {
	local directory
	[[ ! -d $cache/directories ]] || rm -rf "$cache/directories"
	while IFS= read -r directory; do
		[[ -d $directory ]] || continue
		pack "$cache/directories/$(kept_name "$directory")" "$directory"
		detail "Kept $directory for the next build"
	done < <(cache_directories)
}

kept_name() { printf '%s.tar.zst' "$(sha256sum <<<"$1" | cut -d' ' -f1)"; }
