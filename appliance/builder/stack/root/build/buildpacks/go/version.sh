# shellcheck shell=bash
# Which Go compiles the app. All of them come through the Go module proxy, and
# stay in the app's cache.
# shellcheck disable=SC2034,SC2154 # cache is compile's, and module is for it

# choose_version sets module. GOVERSION, of the config, goes before a line of
# Heroku's in go.mod, and that before Go's own.
choose_version() {
	local file=go.mod asker json wanted chosen tab=$'\t' line=$'\n\t'
	if [[ ! -f go.mod ]]; then
		file=go.work module=
		json=$(GOTOOLCHAIN=local go work edit -json) ||
			fail 'go.work cannot be read' 'run go work sync and commit what it changes'
	else
		# With the stack's own Go: the one that go.mod asks for may not exist.
		json=$(GOTOOLCHAIN=local go mod edit -json) ||
			fail 'go.mod cannot be read' 'run go mod tidy and commit what it changes'
		module=null
		[[ ! $json =~ ${line}\"Module\":\ \{$line$tab\"Path\":\ \"([^\"]*)\" ]] || module=${BASH_REMATCH[1]}
	fi
	asker=$file
	# Go prints its JSON in one way, with a line for each key: no need for jq.
	wanted='go 1.16'
	[[ ! $json =~ $line\"Go\":\ \"([^\"]*)\" ]] || wanted="go ${BASH_REMATCH[1]}"
	[[ ! $json =~ $line\"Toolchain\":\ (\{$line$tab\"Name\":\ )?\"([^\"]*)\" ]] || wanted+=", toolchain ${BASH_REMATCH[2]}"
	# The version that go.mod asks for, when the stack's is older.
	export GOTOOLCHAIN=auto

	chosen=$(sed -nE 's|^//[[:space:]]*\+heroku[[:space:]]+goVersion[[:space:]]+([^[:space:]]+).*|\1|p' "$file" | head -n 1)
	[[ ! $chosen ]] || wanted="+heroku goVersion $chosen"
	if [[ ${GOVERSION:-} ]]; then
		chosen=$GOVERSION asker=GOVERSION wanted=$GOVERSION
	fi
	[[ ! $chosen ]] || exact_version "${chosen#go}"

	version=$(go env GOVERSION) ||
		fail "there is no Go as $asker asks for: $wanted" "correct the go and toolchain lines of $file"
	step "Using $version ($asker says $wanted)"
}

# exact_version VERSION sets GOTOOLCHAIN to the one Go that is asked for:
# of 1.24, the newest there is.
exact_version() {
	local list
	[[ $1 =~ ^1\.[0-9]+(\.[0-9]+|(rc|beta)[0-9]+)?$ ]] ||
		fail "$asker says $wanted, which is no version of Go" 'name one, as in go1.26 or go1.26.3'
	if [[ $1 =~ ^1\.[0-9]+$ ]]; then
		# What was chosen stays, so that a build needs no network.
		if [[ -f $cache/chosen && $(<"$cache/chosen") == "$1 "* ]]; then
			chosen=$(<"$cache/chosen")
			chosen=${chosen#* }
		else
			list=$(cd / && GOFLAGS='' GOTOOLCHAIN=local go list -m -versions golang.org/toolchain) || true
			chosen=$(tr ' ' '\n' <<<"$list" | sed -nE "s/^v0\.0\.1-go(${1//./\\.}\.[0-9]+)\.linux-$(go env GOARCH)\$/\1/p" | sort -V | tail -n 1)
			[[ $chosen ]] || fail "there is no Go as $asker asks for: $wanted" 'name a version that was released, as in go1.26'
			mkdir -p "$cache"
			printf '%s %s' "$1" "$chosen" >"$cache/chosen"
		fi
	else
		chosen=$1
	fi
	export GOTOOLCHAIN=go$chosen
}

# forget_toolchains removes those of other versions than the one in use.
forget_toolchains() {
	local old
	for old in "$cache"/mod/golang.org/toolchain@* "$cache"/mod/cache/download/golang.org/toolchain/@v/*.zip; do
		[[ -e $old && $old != *-"$version".linux-* ]] || continue
		chmod -R u+w "$old" # Go makes what it fetches unwritable
		rm -rf "$old"
	done
}
