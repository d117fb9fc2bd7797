# shellcheck shell=bash
# Installing what the app requires, into an environment of its own. What was
# installed is kept with all that decided it, and used again while that is the
# same.
# shellcheck disable=SC2154 # build, cache, here and prefix are compile's

# what_to_install sets from to the file that says what the app requires.
what_to_install() {
	local file
	from=
	for file in Pipfile.lock requirements.txt poetry.lock uv.lock pylock.toml Pipfile; do
		[[ ! -f $file ]] || { from=$file && return; }
	done
	if [[ -f setup.py ]]; then
		from=setup.py
	elif [[ -f pyproject.toml ]] && python3 -c 'import sys, tomllib; sys.exit("project" not in tomllib.load(open("pyproject.toml", "rb")))' 2>/dev/null; then
		from=pyproject.toml
	fi
}

# required_files FILE prints it and the requirement files that it includes.
required_files() {
	local file seen=$2
	[[ -f $1 && $seen != *"|$1|"* ]] || return 0
	echo "$1"
	while read -r file; do
		required_files "$(realpath -m --relative-to=. "$(dirname "$1")/$file")" "$seen|$1|"
	done < <(sed -nE 's/^[[:space:]]*(-r|-c|--requirement|--constraint)[[:space:]=]*([^[:space:]#]+).*/\2/p' "$1")
}

# fingerprint prints what decides what is installed, or nothing if something
# does that cannot be told by these files: the source of packages that are in
# the repository.
fingerprint() {
	local files=("$from") found
	case $from in
	requirements.txt)
		mapfile -t files < <(required_files requirements.txt '|')
		! grep -qE '^[[:space:]]*(-e|--editable|\.|file:|[A-Za-z0-9_.-]+ *@ *file:)' "${files[@]}" || return 0
		;;
	setup.py | pyproject.toml) return ;;
	*)
		[[ ! -f setup.py ]] || return 0
		[[ ! -f pyproject.toml ]] || files+=(pyproject.toml)
		! grep -oE '\b(path|editable|directory)"? *[=:] *"[^"]*"' "$from" | grep -vqE '"\."|\.whl"|\.tar\.gz"' || return 0
		;;
	esac
	{
		python3 --version
		cat /build/stack/version 2>/dev/null || true
		env | grep '^PIP_' | grep -v '^PIP_CACHE_DIR' | LC_ALL=C sort
		cat "$here"/*.py "${files[@]}"
		cat Aptfile 2>/dev/null || true
		# Directories with packages in them.
		sed -nE 's/^[[:space:]]*(-f|--find-links)[[:space:]=]*([^[:space:]#]+).*/\2/p' "${files[@]}" | while read -r found; do
			[[ ! -d $found ]] || find "$found" -type f -printf '%P %s\n' | LC_ALL=C sort
		done
	} | sha256sum
}

pip_install() {
	"$prefix/bin/python" -m pip install "$@" ||
		fail "pip install ended with status $?" "the lines above say why; an app's own packages are those of $from"
}

# install_locked installs what a lock file holds.
install_locked() {
	local list=$build/.heroku/locked
	rm -rf "$list"
	mkdir "$list"
	"$prefix/bin/python" "$here/locked.py" "$from" "$list" ||
		fail "$from cannot be used" 'the line above says why; make it anew with the tool that it is of, and commit it'
	[[ ! -s $list/hashed ]] || pip_install --no-deps --require-hashes -r "$list/hashed"
	[[ ! -s $list/others ]] || pip_install --no-deps -r "$list/others"
	[[ ! -s $list/wanted ]] || pip_install -r "$list/wanted"
	rm -rf "$list"
}

# prepare makes the environment, with all in it if it was kept.
prepare() {
	what_to_install
	key='' reused=
	if [[ ! $from ]]; then
		python3 -m venv --without-pip "$prefix"
		return
	fi
	key=$(fingerprint)
	if [[ $key && -d $cache/installed && -f $cache/key && $(<"$cache/key") == "$key" ]]; then
		reused=1
		cp -a "$cache/installed" "$build/.heroku/python"
		return
	fi
	rm -rf "$cache/key" "$cache/installed"
	python3 -m venv "$prefix"
}

install_packages() {
	case ${reused:+reused}$from in
	'') step 'Nothing to install: no requirements.txt and no lock file' ;;
	reused*)
		step "Using the packages of the last build: $from is the same"
		return
		;;
	requirements.txt)
		step 'Installing dependencies: pip install -r requirements.txt'
		pip_install -r requirements.txt
		;;
	setup.py | pyproject.toml)
		step "Installing the app and its dependencies: pip install -e . ($from)"
		pip_install -e .
		;;
	*)
		step "Installing dependencies: pip, with what $from holds"
		[[ $from != Pipfile ]] || detail 'There is no Pipfile.lock: versions may differ from build to build'
		install_locked
		;;
	esac
	if [[ $key ]]; then
		cp -a "$build/.heroku/python" "$cache/installed"
		printf '%s' "$key" >"$cache/key"
	fi
}
