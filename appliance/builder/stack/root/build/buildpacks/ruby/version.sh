# shellcheck shell=bash
# Which Ruby the app asks for, and whether the stack has it.

# asked_version prints what the app asks for, as requirements of RubyGems, and
# where it says so.
asked_version() {
	local asked
	asked=$(awk '/^RUBY VERSION/ { getline; sub(/^ *ruby /, ""); sub(/p[0-9]+.*/, ""); print; exit }' Gemfile.lock)
	if [[ $asked ]]; then
		printf '%s\tGemfile.lock' "$asked"
		return
	fi
	asked=$(sed -nE "s/^[[:space:]]*ruby[[:space:](]+[\"']([^\"']+)[\"'].*/\1/p" Gemfile | head -n 1)
	[[ ! $asked ]] || printf '%s\tGemfile' "$asked"
}

check_version() {
	local have asked from
	have=$(ruby -e 'print RUBY_VERSION')
	IFS=$'\t' read -r asked from < <(asked_version && echo) || true
	if [[ ! $asked ]]; then
		step "Using Ruby $have of the stack (Gemfile names none)"
	elif ruby -e 'exit Gem::Requirement.new(ARGV[0]).satisfied_by?(Gem::Version.new(ARGV[1]))' "$asked" "$have" 2>/dev/null; then
		step "Using Ruby $have of the stack ($from asks for $asked)"
	else
		fail "the app asks for Ruby $asked ($from), and the stack has $have" \
			"if it runs on that, write ruby \"~> ${have%.*}\" into the Gemfile and run bundle lock; else have Heroku's buildpack fetch it: buildpacks:set $BERTH_APP heroku/ruby"
	fi
}
