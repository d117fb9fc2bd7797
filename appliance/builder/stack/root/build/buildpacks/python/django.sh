# shellcheck shell=bash
# Django's static files.

has_module() { python -c 'import importlib.util, sys; sys.exit(importlib.util.find_spec(sys.argv[1]) is None)' "$1" 2>/dev/null; }

# manage_py prints the path of Django's manage.py, the least deep one.
manage_py() { find . -maxdepth 3 -name manage.py -type f ! -path './.heroku/*' -printf '%d %P\n' | sort -n | sed -n '1s/^[0-9]* //p'; }

collect_static() {
	local manage said
	manage=$(manage_py)
	if [[ ! $manage ]] || ! has_module django; then return; fi
	if [[ -f .heroku/collectstatic_disabled || ${DISABLE_COLLECTSTATIC:-0} != 0 ]]; then
		step 'Leaving static files alone (DISABLE_COLLECTSTATIC)'
		return
	fi
	step "python $manage collectstatic --noinput"
	if said=$(python "$manage" collectstatic --noinput 2>&1); then
		printf '%s\n' "$said" | grep -v '^[[:space:]]*$' | tail -n 3
		return
	fi
	case $said in
	*"Unknown command: 'collectstatic'"*)
		detail 'There is nothing to do: django.contrib.staticfiles is not among INSTALLED_APPS'
		;;
	*'without having set the STATIC_ROOT'*)
		printf ' !     static files are not collected: the settings say no STATIC_ROOT\n'
		;;
	*)
		printf '%s\n' "$said" | tail -n 20
		fail "collectstatic failed: $(last_line <<<"$said")" \
			"correct the settings, or set what they want with config:set; to do without: config:set $BERTH_APP DISABLE_COLLECTSTATIC=1"
		;;
	esac
}
