# shellcheck shell=bash
# What all buildpacks say, in Heroku's form. Tools may print as they like:
# Berth indents it.

step() { printf -- '-----> %s\n' "$*"; }

detail() { printf '       %s\n' "$*"; }

# fail WHAT ADVICE… ends the build. What is printed last, with this mark, is
# what the person who pushed gets as the error, and as the advice below it.
fail() {
	printf ' !     %s\n' "$@"
	exit 1
}

# export_env DIR PATTERN… exports the config whose keys match one of the
# patterns, but for what would turn the build's own tools or its scripts.
export_env() {
	local berth_file berth_key berth_pattern berth_dir=$1
	shift
	for berth_file in "$berth_dir"/*; do
		[[ -f $berth_file ]] || continue
		berth_key=${berth_file##*/}
		case $berth_key in
		PATH | HOME | TMPDIR | IFS | ENV | BASH_ENV | SHELLOPTS | BASHOPTS | PS4 | GIT_DIR | GIT_WORK_TREE | LD_PRELOAD | LD_LIBRARY_PATH | LIBRARY_PATH | CPATH) continue ;;
		esac
		# A variable that is set and not exported is the calling script's.
		[[ ! -v $berth_key || ${!berth_key@a} == *x* ]] || continue
		for berth_pattern; do
			# shellcheck disable=SC2053 # a pattern is meant
			if [[ $berth_key == $berth_pattern ]]; then
				# read, not $(<): a value may end in a newline.
				IFS= read -r -d '' "${berth_key?}" <"$berth_file" || true
				export "${berth_key?}"
				break
			fi
		done
	done
}

# last_line and first_line print a line of what they read that says something,
# without what would colour a terminal.
last_line() { said_lines | tail -n 1 | head -c 300; }
first_line() { said_lines | sed -n 1p | head -c 300; }
said_lines() { sed 's/\x1b\[[0-9;]*[A-Za-z]//g' | tr -dc '[:print:]\n' | sed '/^[[:space:]]*$/d'; }

# kind_of FILE says what a file is that should have been another.
kind_of() { (file -b "$1" 2>/dev/null || echo 'of another kind') | head -c 200; }
