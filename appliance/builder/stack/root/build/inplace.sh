# shellcheck shell=bash
# Builds without Berth, as buildstep had them: the source is in /app, its config
# in the environment and in /app/.env, and the app stays in /app, for "docker
# commit". The cache is /cache, if there is a volume.
# shellcheck disable=SC2034,SC2154 # build, env and plan are builder's

# As Berth asks them; see detectionOrder.
built_in=(ruby nodejs python go php static procfile)

# take_app moves the source to where it is built, writes down its config, and
# plans the buildpacks: the one of BUILDPACK_URL, or what wants the source.
take_app() {
	local pair name url
	[[ $(find /app -mindepth 1 -maxdepth 1 -print -quit) ]] || fail '/app is empty' 'put the source there first: … | docker run -i IMAGE tar -xC /app'
	find "$build" -mindepth 1 -maxdepth 1 -exec rm -rf {} +
	find /app -mindepth 1 -maxdepth 1 -exec mv -t "$build" {} +
	mkdir -p "$env"
	while IFS= read -r -d '' pair; do
		name=${pair%%=*}
		case $name in _ | PWD | OLDPWD | SHLVL | HOME | PATH | HOSTNAME) continue ;; esac
		[[ ! $name =~ ^[A-Za-z_][A-Za-z0-9_]*$ ]] || printf %s "${pair#*=}" >"$env/$name"
	done < <(
		cd "$build" || exit
		set +u -a
		# shellcheck disable=SC1091 # it is the app's
		[[ ! -f .env ]] || source ./.env >&2
		env -0
	)
	[[ ! -s $env/BUILDPACK_URL ]] || url=$(<"$env/BUILDPACK_URL")
	if [[ ! ${url:-} ]]; then
		for name in "${built_in[@]}"; do echo "try $name - - $name"; done >"$plan"
		return
	fi
	name=$(printf %s "$url" | sed 's|//.*@|//|')
	case ${url%%#*} in
	*.tgz | *.tar.gz | *.tar) printf 'from BUILDPACK_URL\narchive %s %s - x\n' "$name" "$url" >"$plan" ;;
	*)
		[[ $url == *'#'* ]] || url=$url'#-'
		printf 'from BUILDPACK_URL\ngit %s %s %s x\n' "$name" "${url%%#*}" "${url#*#}" >"$plan"
		;;
	esac
}

none_wants() { fail 'no buildpack wants what is in /app' "built in are: ${built_in[*]}; BUILDPACK_URL names another"; }
