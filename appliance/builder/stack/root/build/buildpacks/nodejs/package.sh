# shellcheck shell=bash
# What package.json says. It is the app's, and so may say anything.
# shellcheck disable=SC2154 # here, build and manager are compile's

# The strings of package.json, at the top, in engines and in scripts: by name,
# as in main and scripts.build. They are read at once, because asking for each
# costs more than all that a warm build does besides.
declare -A strings

# read_package reads them, anew after anything that may have changed them.
read_package() {
	local name text
	strings=()
	while IFS= read -r -d '' name && IFS= read -r -d '' text; do
		strings[$name]=$text
	done < <(jq -j '
		def named($group): to_entries[] | select((.value | type == "string") and .key != "") |
			$group + .key, .value | gsub("\u0000"; "") + "\u0000";
		named(""), (.engines | objects | named("engines.")), (.scripts | objects | named("scripts."))' package.json 2>/dev/null)
}

# package NAME prints one of them, or nothing.
package() { printf '%s' "${strings[$1]:-}"; }

check_package() {
	local problem main others
	problem=$(jq -e 'if type == "object" then empty else error("it is no object") end' package.json 2>&1 >/dev/null) || true
	[[ ! $problem ]] ||
		fail "package.json is not valid JSON: ${problem#jq: }" 'correct it, push again; node -p "require('"'./package.json'"')" shows the place'
	read_package
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
	read_package
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
