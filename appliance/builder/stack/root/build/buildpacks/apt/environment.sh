# shellcheck shell=bash
# Where programs and libraries are found that are not where Debian meant them
# to be: while the app runs, and for the buildpacks that follow.
# shellcheck disable=SC2154 # build and here are compile's

write_environment() {
	local triplet
	triplet=$(uname -m)-linux-gnu
	mkdir -p .profile.d
	# shellcheck disable=SC2016 # for when it runs
	environment "$triplet" '$HOME/.apt' >.profile.d/000_apt.sh
	[[ ! -w $here ]] || environment "$triplet" "$build/.apt" >"$here/export"
	# Those tell where the headers and libraries are while something compiles.
	find .apt -type f -path '*/pkgconfig/*.pc' -exec sed -i "s|^prefix=/|prefix=$build/.apt/|" {} +
}

# environment TRIPLET DIR prints it, for packages that are in DIR.
environment() {
	local include="$2/usr/include:$2/usr/include/$1"
	line PATH "$2/usr/bin:$2/usr/sbin:$2/bin:$2/sbin:$2/usr/games"
	line LD_LIBRARY_PATH "$2/usr/lib/$1:$2/usr/lib:$2/lib/$1:$2/lib"
	line LIBRARY_PATH "$2/usr/lib/$1:$2/usr/lib:$2/lib/$1:$2/lib"
	line INCLUDE_PATH "$include"
	line CPATH "$include"
	line CPPPATH "$include"
	line PKG_CONFIG_PATH "$2/usr/lib/$1/pkgconfig:$2/usr/lib/pkgconfig:$2/usr/share/pkgconfig"
	# Git looks for its other half where it was built to be.
	[[ ! -d .apt/usr/lib/git-core ]] || printf 'export GIT_EXEC_PATH="%s/usr/lib/git-core"\n' "$2"
}

# line NAME DIRS puts directories before those that a variable has. An empty
# one among them would mean the working directory.
# shellcheck disable=SC2016 # for when it runs
line() { printf 'export %s="%s${%s:+:$%s}"\n' "$1" "$2" "$1" "$1"; }
