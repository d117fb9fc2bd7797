# shellcheck shell=bash
# Which Python the app asks for, and whether the stack has it.

# asked_version prints the version that the app asks for, and where.
asked_version() {
	local line
	if [[ -f runtime.txt ]]; then
		line=$(tr -d '[:space:]' <runtime.txt)
		printf '%s runtime.txt' "${line#python-}"
	elif [[ -f .python-version ]]; then
		# pyenv takes several, the first of them first.
		line=$(sed 's/#.*//' .python-version | tr -s '[:space:]' '\n' | grep -m 1 .) || return 0
		line=${line#cpython-}
		printf '%s .python-version' "${line#python-}"
	elif [[ -f Pipfile.lock ]]; then
		line=$(jq -r '._meta.requires | .python_full_version // .python_version // empty' Pipfile.lock 2>/dev/null) || return 0
		[[ ! $line ]] || printf '%s Pipfile.lock' "$line"
	fi
}

check_version() {
	local have asked from
	have=$(python3 -c 'import platform; print(platform.python_version())')
	read -r asked from < <(asked_version && echo) || true
	if [[ ! $asked ]]; then
		step "Using Python $have of the stack (no .python-version says which)"
		return
	fi
	[[ $asked =~ ^[0-9]+(\.[0-9]+){0,2}$ ]] ||
		fail "$from says \"${asked:0:80}\", which is no version of Python" "write ${have%.*} into .python-version"
	if [[ $have != "$asked" && $have. != "$asked".* && ${have%.*} != "${asked%.*}" ]]; then
		fail "the app asks for Python $asked ($from), and the stack has $have" \
			"if it runs on that, write ${have%.*} into .python-version; else have Heroku's buildpack fetch it: buildpacks:set $BERTH_APP heroku/python"
	fi
	step "Using Python $have of the stack ($from asks for $asked)"
}
