# shellcheck shell=bash
# What package.json says. It is the app's, and so may say anything.
# shellcheck disable=SC2034,SC2154 # here, build and manager are compile's; surplus is for prunes

# The strings of package.json, at the top, in engines and in scripts: by name,
# as in main and scripts.build. They are read at once, and with them, as
# directories and surplus, what cacheDirectories names, a line for each, and
# whether there is something to prune: asking for each costs more than all that
# a warm build does besides.
declare -A strings
package_text='' directories='' surplus=

# read_package reads them, anew after anything that may have changed them, and
# fails if it cannot.
read_package() {
	local name text
	{ text=$(<package.json); } 2>/dev/null || true
	[[ ! $package_text || $text != "$package_text" ]] || return 0
	package_text=$text strings=() directories='' surplus=
	while IFS= read -r -d '' name && IFS= read -r -d '' text; do
		case $name in
		string:*) strings[${name#*:}]=$text ;;
		directory:) directories+=$text$'\n' ;;
		surplus:) surplus=yes ;;
		esac
	done < <(jq -j '
		def text: split("\u0000") | join("");
		def pair($name): ($name, . | text) + "\u0000";
		def named($group): to_entries[] | (.key | text) as $key | select($key != "") | .value | strings | pair("string:" + $group + $key);
		if type == "object" then . else error("it is no object") end |
		named(""), (.engines | objects | named("engines.")), (.scripts | objects | named("scripts.")),
		((.cacheDirectories // .cache_directories // []) | if type == "array" then .[] else . end |
			strings | select(. != "" and (contains("\n") | not)) | pair("directory:")),
		((try ((.devDependencies // {} | length > 0) or has("workspaces")) catch false) | select(.) | "" | pair("surplus:"))' package.json 2>/dev/null)
	wait $!
}

# package NAME prints one of them, or nothing.
package() { printf '%s' "${strings[$1]:-}"; }

check_package() {
	local problem main others
	if ! read_package; then
		problem=$(jq 'if type == "object" then empty else error("it is no object") end' package.json 2>&1 >/dev/null) || true
		fail "package.json is not valid JSON: ${problem#jq: }" 'correct it, push again; node -p "require('"'./package.json'"')" shows the place'
	fi
	[[ ! -e .heroku || -d .heroku ]] ||
		fail 'the repository has a file .heroku, where Node.js belongs' 'git rm .heroku'
	main=$(package main)
	# With other buildpacks beside this one, the app may be theirs.
	others=("$here"/../*/bin/compile)
	((${#others[@]} > 1)) || script start || [[ -f server.js || -f Procfile ]] ||
		fail 'nothing starts this app: package.json has no "start" script, and there is no server.js and no Procfile' \
			"add \"scripts\": {\"start\": \"node ${main:-index.js}\"} to package.json"
}

script() { [[ ${strings[scripts.$1]:-} ]]; }

# run SCRIPT FLAG… runs a script of package.json, with the manager that the
# app uses. npm alone wants to be told where its own flags end.
run() {
	local name=$1 command=("$manager" run "$1")
	shift
	(($# == 0)) || case $manager in
	npm) command+=(-- "$@") ;;
	*) command+=("$@") ;;
	esac
	[[ $manager == yarn ]] || command=("${command[0]}" run --silent "${command[@]:2}")
	step "$manager run $name"
	"${command[@]}" ||
		fail "the script \"$name\" of package.json ended with status $?" "run $manager run $name on your own machine, or correct the script"
	read_package || true
}

# write_types says it to bin/release.
write_types() {
	local web=
	if script start; then
		web='npm start'
		# Only yarn knows how to start what has no node_modules.
		[[ ! -f .pnp.cjs && ! -f .pnp.js ]] || web='yarn start'
	elif [[ -f server.js ]]; then
		web='node server.js'
	fi
	mkdir -p .heroku
	printf '%s' "${web:+  web: $web}" >.heroku/node-types
}

# write_export says it to the buildpacks that follow.
write_export() { [[ ! -w $here ]] || printf 'export PATH=%q\n' "$PATH:$build/node_modules/.bin" >"$here/export"; }

# write_profile says what the app's processes find in their environment.
write_profile() {
	mkdir -p .profile.d
	# npm passes SIGTERM on to the shell of its script. Debian's sh keeps it
	# from the app; bash becomes the app.
	cat >.profile.d/nodejs.sh <<'END'
for berth_tool in node npm yarn pnpm; do
	[[ ! -d $HOME/.heroku/$berth_tool/bin ]] || PATH=$HOME/.heroku/$berth_tool/bin:$PATH
done
unset berth_tool
export PATH="$PATH:$HOME/bin:$HOME/node_modules/.bin"
export NODE_ENV="${NODE_ENV:-production}"
export npm_config_script_shell="${npm_config_script_shell:-/bin/bash}"
export npm_config_update_notifier="${npm_config_update_notifier:-false}"
END
	# What is installed was installed elsewhere, in /tmp/build: pnpm 11 would
	# take it for out of date and install it again at each start.
	# shellcheck disable=SC2016 # for when it runs
	[[ $manager != pnpm ]] ||
		printf 'export %s="${%s:-%s}"\n' \
			pnpm_config_verify_deps_before_run pnpm_config_verify_deps_before_run warn \
			pnpm_config_script_shell pnpm_config_script_shell /bin/bash >>.profile.d/nodejs.sh
}
