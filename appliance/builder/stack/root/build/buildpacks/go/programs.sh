# shellcheck shell=bash
# Which programs are built, and which of them is the web process.
# shellcheck disable=SC2154 # module and flags are compile's

# mains PACKAGES… prints those of the packages that are programs, each with the
# path where it will be.
mains() { go list -find -tags heroku -f '{{if eq .Name "main"}}{{.ImportPath}}{{with .Target}} {{.}}{{end}}{{end}}' "$@" || true; }

# choose_programs sets packages, programs (their names) and web: what go.mod or
# the config names; else the main package in the root and those below cmd/;
# else every main package.
choose_programs() {
	local spec name own found=() file=go.mod
	[[ -f go.mod ]] || file=go.work
	spec=${GO_INSTALL_PACKAGE_SPEC:-$(sed -nE 's|^//[[:space:]]*\+heroku[[:space:]]+install[[:space:]]+||p' "$file" | head -n 1)}
	if [[ $spec ]]; then
		read -ra packages <<<"${spec//$'\n'/ }"
		((!${#packages[@]})) || mapfile -t found < <(mains "${packages[@]}")
	elif [[ $file == go.work ]]; then
		mapfile -t found < <(go work edit -json | jq -r '.Use[].DiskPath' | while IFS= read -r name; do mains -e "./${name#./}/..."; done)
		packages=("${found[@]%% *}")
	else
		packages=(.)
		[[ ! -d cmd ]] || packages+=(./cmd/...)
		mapfile -t found < <(mains -e "${packages[@]}")
		((${#found[@]})) || mapfile -t found < <(mains -e ./...)
		packages=("${found[@]%% *}")
	fi
	name="module $module has no main package"
	[[ $module ]] || name='no module that go.work uses has a main package'
	((${#packages[@]})) || fail "$name" 'add a package main to the root of the repository, or to cmd/web'

	# A web process is found before the work is done, not after.
	mapfile -t programs < <(printf '%s\n' "${found[@]##*/}" | sed '/^$/d' | sort -u)
	((${#programs[@]})) || fail "there is no main package in ${packages[*]}" "correct the line // +heroku install of $file"
	own=$module
	[[ ! $own =~ ^(.*)/v[0-9]+$ ]] || own=${BASH_REMATCH[1]}
	own=${own##*/}
	web=
	for name in web "${BERTH_APP:-}" "$own"; do
		[[ $name && " ${programs[*]} " == *" $name "* ]] && web=$name && break
	done
	((${#programs[@]} > 1)) || web=${programs[0]}
	[[ $web || -f Procfile ]] ||
		fail "there are several programs and none is the web process: ${programs[*]}" \
			"add a Procfile to the root of the repository with the line web: bin/${programs[0]}"
}

# process_types prints them for bin/release. Each program is one, as on Heroku.
process_types() {
	local name
	[[ ! $web ]] || printf '  web: bin/%s\n' "$web"
	for name in "${programs[@]}"; do
		[[ $name == "$web" || $name == web || ! $name =~ ^[A-Za-z0-9_-]+$ ]] || printf '  %s: bin/%s\n' "$name" "$name"
	done
}
