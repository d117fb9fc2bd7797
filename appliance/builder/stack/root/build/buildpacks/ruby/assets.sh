# shellcheck shell=bash
# rake assets:precompile, for whoever has that task.
# shellcheck disable=SC2154 # cache is compile's

compile_assets() {
	local tasks
	if ! grep -qE '^    rake \(' Gemfile.lock || ! compgen -G '[Rr]akefile*' >/dev/null; then return; fi
	if compgen -G 'public/assets/.sprockets-manifest-*.json' >/dev/null || compgen -G 'public/assets/manifest-*.json' >/dev/null || [[ -f public/assets/.manifest.json ]]; then
		step 'Assets are there already: public/assets has a manifest'
		return
	fi
	# Rails wants secrets and a database even for what needs neither.
	export SECRET_KEY_BASE_DUMMY=1 SECRET_KEY_BASE=${SECRET_KEY_BASE:-of-the-build-only}
	if grep -qE '^    pg \(' Gemfile.lock; then export DATABASE_URL=${DATABASE_URL:-postgresql://nobody:nothing@127.0.0.1/none}; fi
	tasks=$(bundle exec rake -P 2>&1) || {
		printf '%s\n' "$tasks" | tail -n 10
		fail "the Rakefile cannot be read: $(last_line <<<"$tasks")" \
			'bundle exec rake -P shows the same on your own machine; gems of the groups development and test are not there'
	}
	grep -q '^rake assets:precompile$' <<<"$tasks" || return 0
	step 'rake assets:precompile'
	restore tmp/cache/assets
	restore public/assets
	bundle exec rake assets:precompile ||
		fail "rake assets:precompile ended with status $?" 'the lines above say why'
	if grep -q '^rake assets:clean$' <<<"$tasks"; then bundle exec rake assets:clean >/dev/null || true; fi
	keep tmp/cache/assets
	keep public/assets
}

restore() {
	[[ -d $cache/$1 && ! -e $1 ]] || return 0
	mkdir -p "$(dirname "$1")"
	cp -a "$cache/$1" "$1"
}

keep() {
	rm -rf "${cache:?}/$1"
	[[ -d $1 ]] || return 0
	mkdir -p "$(dirname "$cache/$1")"
	cp -a "$1" "$cache/$1"
}
