# shellcheck shell=bash
# Installing the gems. They are installed into the cache, where those of the
# last build are, and copied from there.
# shellcheck disable=SC2154 # build and cache are compile's

install_gems() {
	local kept=$cache/bundle key from=()
	key=$({ ruby --version && cat /build/stack/version Gemfile Gemfile.lock && env | grep '^BUNDLE_WITHOUT'; } 2>/dev/null | sha256sum)
	export BUNDLE_PATH=$kept
	# Gems that are in the repository need no index.
	if compgen -G 'vendor/cache/*.gem' >/dev/null && all_vendored; then
		from=(--local)
	fi
	if [[ -f $cache/key && $(<"$cache/key") == "$key" ]] && bundle check >/dev/null 2>&1; then
		step 'Using the gems of the last build: Gemfile.lock is the same'
	else
		rm -f "$cache/key"
		step "Installing gems: bundle install${from:+ --local (vendor/cache has them all)}"
		bundle install "${from[@]}" || {
			status=$?
			grep -A 20 '^PLATFORMS' Gemfile.lock | grep -qE "^  (ruby|$(uname -m)-linux)" ||
				fail "Gemfile.lock is not for Linux: its platforms are $(sed -n '/^PLATFORMS/,/^$/p' Gemfile.lock | sed -n 's/^  //p' | paste -sd ' ')" \
					"run bundle lock --add-platform $(uname -m)-linux, and commit Gemfile.lock"
			fail "bundle install ended with status $status" 'the lines above say why; if Gemfile and Gemfile.lock differ, run bundle lock and commit Gemfile.lock'
		}
		bundle clean
		printf '%s' "$key" >"$cache/key"
	fi
	mkdir -p vendor .heroku/bundle
	rm -rf vendor/bundle
	# What was downloaded is no use to the app, nor is what was compiled to get
	# there.
	mkdir vendor/bundle
	tar -C "$kept" --exclude='ruby/*/cache/*' --exclude='*/gem_make.out' --exclude='*/mkmf.log' -c . | tar -C vendor/bundle -x
}

# all_vendored tells whether vendor/cache has all gems that Gemfile.lock names.
all_vendored() {
	local name version
	while read -r name version; do
		compgen -G "vendor/cache/$name-$version*.gem" >/dev/null || return 1
	done < <(sed -nE '/^GEM/,/^$/s/^    ([^ ]+) \(([^)]+)\)$/\1 \2/p' Gemfile.lock)
}
