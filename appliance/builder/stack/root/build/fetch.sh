# shellcheck shell=bash
# Getting the buildpacks that are not built in. What was fetched stays in the
# app's cache, so that a build needs no network; where there is one, it is
# brought up to date. Addresses may hold credentials: they are in no argument
# and in no file.
# shellcheck disable=SC2034,SC2154 # env is builder's, and at is for it

# reach LIMIT COMMAND… runs what reaches out, by the proxy of the app's config
# if it has one, for at most so many seconds.
reach() (
	export_env "$env" '*_proxy' '*_PROXY'
	exec timeout -k 5 "$@"
)

# reason STATUS LIMIT reads what a tool has said, and prints the line that says
# why it failed.
reason() {
	local said
	said=$(grep -v '^[[:space:]]*$' | grep -m 1 -E '^(fatal|curl|tar|error):' || true)
	((${1} != 124)) || said="no answer within $2 seconds (CURL_TIMEOUT)"
	printf '%s' "${said:-status $1}" | tr -dc '[:print:]' | head -c 300
}

cannot() {
	fail "buildpack $1 cannot be fetched: $2" \
		'see whether the machine reaches that address, and whether it is right; a private one needs its credentials in BUILDPACK_URL, as in https://user:token@example.org/buildpack.git'
}

kept_instead() { printf ' !     buildpack %s cannot be brought up to date: %s\n       The copy of the last build is used.\n' "$1" "$2"; }

# repository URL COMMAND… runs git on the kept repository.
repository() {
	local url=$1
	shift
	GIT_DIR=$repo GIT_TERMINAL_PROMPT=0 GIT_ALLOW_PROTOCOL=http:https GIT_CONFIG_COUNT=3 \
		GIT_CONFIG_KEY_0=remote.origin.url GIT_CONFIG_VALUE_0=$url \
		GIT_CONFIG_KEY_1=http.lowSpeedLimit GIT_CONFIG_VALUE_1=1 \
		GIT_CONFIG_KEY_2=http.lowSpeedTime GIT_CONFIG_VALUE_2=$CURL_CONNECT_TIMEOUT "$@"
}

# fetch_git SHOWN URL REF KEPT DIR puts a repository's files into DIR, and the
# commit that they are of into at.
fetch_git() {
	local shown=$1 url=$2 ref=${3#-} repo=$4 dir=$5 said status=0 commit limit=$CURL_TIMEOUT have
	have=refs/kept/$(printf %s "${ref:-HEAD}" | sha256sum | head -c 16)
	if [[ ! -d $repo/objects ]]; then
		mkdir -p "$repo"
		git init -q --bare "$repo"
		git --git-dir="$repo" config core.bare false # submodules want a work tree
	fi
	step "Fetching buildpack $shown"
	if ! { [[ $ref =~ ^[0-9a-f]{40}$ ]] && repository "$url" git rev-parse -q --verify "$have^{commit}" >/dev/null; }; then
		! repository "$url" git rev-parse -q --verify "$have" >/dev/null 2>&1 || limit=$((limit < 20 ? limit : 20))
		said=$(repository "$url" reach "$limit" git fetch -q --no-tags --depth 1 origin "+${ref:-HEAD}:$have" 2>&1 | tr -d "\0") || status=$?
		# A server of plain files gives nothing less than all of it.
		if ((status)) && [[ $said == *'dumb http transport does not support'* ]]; then
			status=0
			said=$(repository "$url" reach "$limit" git fetch -q --no-tags origin "+${ref:-HEAD}:$have" 2>&1 | tr -d '\0') || status=$?
		fi
		# A commit by a part of its name is found only among all of them.
		if ((status)) && [[ $said == *"couldn't find remote ref"* && $ref =~ ^[0-9a-f]{4,40}$ ]]; then
			status=0
			said=$(repository "$url" reach "$limit" git fetch -q --no-tags --depth 2147483647 origin '+refs/heads/*:refs/all/heads/*' '+refs/tags/*:refs/all/tags/*' 2>&1 | tr -d "\0") || status=$?
			if ((!status)); then
				commit=$(repository "$url" git rev-parse -q --verify "$ref^{commit}") &&
					repository "$url" git update-ref "$have" "$commit" || status=128 said="fatal: couldn't find remote ref $ref"
			fi
		fi
	fi
	if ((status)); then
		[[ $said != *"couldn't find remote ref"* ]] ||
			fail "buildpack $shown: the repository has no branch, tag or commit \"${ref:-HEAD}\"" 'correct what follows the # of its address'
		repository "$url" git rev-parse -q --verify "$have" >/dev/null 2>&1 || cannot "$shown" "$(reason "$status" "$limit" <<<"$said")"
		kept_instead "$shown" "$(reason "$status" "$limit" <<<"$said")"
	fi
	commit=$(repository "$url" git rev-parse --verify "$have^{commit}")
	export GIT_WORK_TREE=$dir
	repository "$url" git checkout -q -f "$commit" -- . 2>&1
	if [[ -f $dir/.gitmodules ]]; then
		said=$(cd "$dir" && repository "$url" reach "$CURL_TIMEOUT" git submodule update -q --init --recursive 2>&1) || {
			status=$?
			cannot "$shown, with its submodules," "$(reason "$status" "$CURL_TIMEOUT" <<<"$said")"
		}
	fi
	unset GIT_WORK_TREE
	at=" at ${commit:0:7} ($from)"
}

# fetch_archive SHOWN URL KEPT DIR unpacks an archive into DIR. The files of a
# buildpack may stand in it, or in one directory in it.
fetch_archive() {
	local shown=$1 url=$2 kept=$3 dir=$4 said status=0 got inner
	mkdir -p "$kept"
	step "Fetching buildpack $shown"
	rm -f "$kept"/new*
	# The address on stdin: it may hold credentials.
	got=$(printf 'url = "%s"\n' "$url" | reach "$CURL_TIMEOUT" curl --config - -gsSfL --proto '=http,https' --connect-timeout "$CURL_CONNECT_TIMEOUT" \
		--etag-compare "$kept/etag" --etag-save "$kept/new.etag" -o "$kept/new" -w '%{http_code}' 2>"$kept/new.said") || status=$?
	said=$(<"$kept/new.said")
	if ((status)) && [[ ! -f $kept/archive ]]; then
		cannot "$shown" "$(reason "$status" "$CURL_TIMEOUT" <<<"$said")"
	elif ((status)); then
		kept_instead "$shown" "$(reason "$status" "$CURL_TIMEOUT" <<<"$said")"
	elif [[ $got != 304 || ! -f $kept/archive ]]; then
		unpack "$kept/new" "$dir" >/dev/null 2>&1 ||
			fail "buildpack $shown is no archive that can be unpacked: it is $(kind_of "$kept/new")" \
				'give the address of a .tgz, .tar.gz or .zip, or that of a git repository'
		mv "$kept/new" "$kept/archive"
		mv "$kept/new.etag" "$kept/etag" 2>/dev/null || true
	fi
	[[ -n $(ls -A "$dir") ]] || unpack "$kept/archive" "$dir"
	inner=("$dir"/*)
	if [[ ! -d $dir/bin && ${#inner[@]} == 1 && -d ${inner[0]}/bin ]]; then
		mv "${inner[0]}" "$dir.inner"
		rm -rf "$dir"
		mv "$dir.inner" "$dir"
	fi
	rm -f "$kept"/new*
}

unpack() {
	if [[ $(head -c 2 "$1") == PK ]]; then
		unzip -q "$1" -d "$2"
	else
		tar -xf "$1" -C "$2"
	fi
}
