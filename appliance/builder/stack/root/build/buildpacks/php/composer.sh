# shellcheck shell=bash
# What Composer installs.
# shellcheck disable=SC2154 # build, cache and version are compile's

# check_platform ends the build when the app asks for another PHP than there
# is, or for extensions that are not there.
check_platform() {
	local asked missing semver=/usr/share/php/Composer/Semver/autoload.php
	asked=$(jq -r '.require.php // .require["php-64bit"] // empty | strings' composer.json)
	# shellcheck disable=SC2016 # PHP's
	local satisfies='require $argv[1]; exit(Composer\Semver\Semver::satisfies($argv[2], $argv[3]) ? 0 : 1);'
	if [[ ! $asked ]]; then
		step "Using PHP $version of the stack (composer.json asks for none)"
	elif [[ ! -f $semver ]] || php -r "$satisfies" "$semver" "$version" "$asked" 2>/dev/null; then
		step "Using PHP $version of the stack (composer.json asks for $asked)"
	else
		fail "the app asks for PHP $asked (composer.json), and the stack has $version" \
			"if it runs on that, write \"php\": \"^${version%.*}\" into composer.json and run composer update --lock; else have Heroku's buildpack fetch it: buildpacks:set $BERTH_APP heroku/php"
	fi
	# shellcheck disable=SC2016 # PHP's
	missing=$(jq -r '.require // {} | keys[] | select(startswith("ext-")) | .[4:]' composer.json |
		php -r 'foreach (file("php://stdin", FILE_IGNORE_NEW_LINES) as $e) if (!extension_loaded(strtolower($e) === "zend-opcache" || strtolower($e) === "opcache" ? "Zend OPcache" : $e)) echo "ext-$e ";')
	[[ ! $missing ]] ||
		fail "the stack's PHP lacks what composer.json requires: ${missing% }" \
			"have Heroku's buildpack fetch it: buildpacks:set $BERTH_APP heroku/php; or use a Dockerfile"
}

install_dependencies() {
	local problem vendor
	problem=$(jq -e 'if type == "object" then empty else error("it is no object") end' composer.json 2>&1 >/dev/null) || true
	[[ ! $problem ]] || fail "composer.json is not valid JSON: ${problem#jq: }" 'correct it; composer validate shows the place'
	check_platform
	vendor=$(jq -r '.config["vendor-dir"] // "vendor"' composer.json)
	if [[ ! -f composer.lock ]] && jq -e '.require // {} | keys | any(contains("/"))' composer.json >/dev/null; then
		[[ -d $vendor ]] || fail 'there is a composer.json and no composer.lock' 'run composer update, and commit composer.lock'
		detail "There is no composer.lock: $vendor stays as it is in the repository"
		return
	fi
	command -v composer >/dev/null || fail 'the stack has no Composer' "use the stack that Berth makes itself: stack:set $BERTH_APP debian-12"
	export COMPOSER_HOME=$cache/home COMPOSER_CACHE_DIR=$cache/composer COMPOSER_NO_INTERACTION=1 COMPOSER_PROCESS_TIMEOUT=0
	# What is there already is not fetched, and Composer sees what has changed.
	if [[ ! -e $vendor && -d $cache/vendor ]]; then cp -a "$cache/vendor" "$vendor"; fi
	step 'composer install --no-dev'
	composer install --no-dev --no-progress --no-interaction --prefer-dist --optimize-autoloader ||
		fail "composer install ended with status $?" 'the lines above say why; if composer.json and composer.lock differ, run composer update --lock and commit composer.lock'
	rm -rf "$cache/vendor"
	if [[ -d $vendor ]]; then cp -a "$vendor" "$cache/vendor"; fi
	if jq -e '.scripts.compile' composer.json >/dev/null; then
		step 'composer compile'
		composer run-script --no-dev compile || fail "the script \"compile\" of composer.json ended with status $?" 'the lines above say why'
	fi
}
