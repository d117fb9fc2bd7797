# shellcheck shell=bash
# What an app's process types are, and what config its buildpacks want: of
# bin/release and the Procfile, into .release.
# shellcheck disable=SC2154 # build, packs and names are builder's

# section NAME reads what bin/release says, YAML, and prints the mapping NAME
# of it as lines of "key value". It knows mappings of plain and quoted values,
# and values that go on over several lines, which is what buildpacks write.
section() {
	awk -v section="$1" -v q="'" '
		function give() {
			if (key == "") return
			sub(/[ \t\r]+$/, "", value)
			quote = substr(value, 1, 1)
			if (length(value) > 1 && (quote == "\"" || quote == q) && substr(value, length(value)) == quote) {
				value = substr(value, 2, length(value) - 2)
				if (quote == q) gsub(q q, q, value)
				else { gsub(/\\"/, "\"", value); gsub(/\\\\/, "\\", value) }
			} else if (quote != "\"" && quote != q) {
				sub(/[ \t]+#.*$/, "", value)
			}
			if (value ~ /^[|>][-+]?[ ]/) sub(/^[|>][-+]?[ ]+/, "", value)
			print key " " value
			key = ""
		}
		/^[ \t]*(#|\r?$)/ { next }
		/^[^ \t]/ { give(); within = $0 ~ "^" section ":"; depth = 0; next }
		!within { next }
		{
			match($0, /^[ \t]+/)
			if (depth && RLENGTH > depth) {
				line = substr($0, RLENGTH + 1); sub(/[ \t\r]+$/, "", line)
				value = value " " line
				next
			}
			give()
			depth = RLENGTH
			line = substr($0, RLENGTH + 1)
			if (!match(line, /^["'\''"]?[A-Za-z0-9_-]+["'\''"]?:([ \t]+|\r?$)/)) next
			key = substr(line, 1, RLENGTH); gsub(/[ \t\r:"'\''"]/, "", key)
			value = substr(line, RLENGTH + 1); sub(/[ \t\r]+$/, "", value)
		}
		END { give() }'
}

# mapping NAME TEXT is section for all of what bin/release says, which may be
# JSON, as YAML allows.
mapping() {
	local flow=${2#---}
	[[ $flow == *"$1"* ]] || return 0
	if [[ $flow =~ ^[[:space:]]*\{ ]]; then
		jq -r --arg name "$1" '.[$name] // {} | to_entries[] | "\(.key) \(.value | tostring | gsub("\\s+"; " "))"' <<<"$flow" 2>/dev/null ||
			fail "bin/release of buildpack $shown says what is no YAML: $(last_line <<<"$flow")" 'tell those who make it'
		return
	fi
	section "$1" <<<"$2"
}

# procfile_types prints the Procfile as lines of "type command". It reads what
# Berth's own ParseProcfile reads.
procfile_types() {
	local line number=0
	while IFS= read -r line || [[ $line ]]; do
		number=$((number + 1))
		line=${line#$'\xef\xbb\xbf'}
		if [[ $line =~ ^[[:space:]]*([A-Za-z0-9_-]+)[[:space:]]*:[[:space:]]*(.*[^[:space:]])[[:space:]]*$ ]]; then
			printf '%s %s\n' "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"
		elif [[ $line =~ ^[[:space:]]*[^#[:space:]] ]]; then
			fail "Procfile, line $number makes no sense: $line" \
				"a line is a process type, a colon and a command, as in web: node server.js"
		fi
	done <"$1"
}

# release DIR… writes .release. As on Heroku, the process types are those of
# the last buildpack that has any, and what the Procfile says, also one that a
# buildpack wrote, goes before.
release() {
	local -A types=() config=() secrets=()
	local i shown said found own='' listed key value status
	for i in "${!dirs[@]}"; do
		[[ -f ${dirs[i]}/bin/release ]] || continue
		shown=${names[i]} status=0
		said=$("${dirs[i]}/bin/release" "$build") || status=$?
		((!status)) || fail "bin/release of buildpack $shown ended with status $status" 'the lines above say why'
		found=$(mapping default_process_types "$said") || { printf '%s\n' "$found" && exit 1; }
		[[ ! $found ]] || types=()
		while read -r key value; do
			[[ ! $key || ! $value ]] || types[$key]=$value
		done <<<"$found"
		while read -r key value; do
			[[ ! $key =~ ^[A-Za-z_][A-Za-z0-9_]*$ ]] || config[$key]=$value
		done < <(mapping config_vars "$said")
		while read -r key value; do
			[[ ! $key =~ ^[A-Za-z_][A-Za-z0-9_]*$ ]] || secrets[$key]=$value
		done < <(mapping config_secrets "$said")
	done
	[[ ! -f $build/Procfile ]] || own=$(procfile_types "$build/Procfile") || {
		printf '%s\n' "$own"
		exit 1
	}
	while read -r key value; do
		[[ ! $key ]] || types[$key]=$value
	done <<<"$own"
	[[ ! -e $build/.release && ! -L $build/.release ]] || rm -rf "$build/.release"
	{
		printf -- '---\n'
		((!${#config[@]})) || printf 'config_vars:\n'
		for key in "${!config[@]}"; do printf "  %s: '%s'\n" "$key" "${config[$key]//\'/\'\'}"; done
		((!${#secrets[@]})) || printf 'config_secrets:\n'
		for key in "${!secrets[@]}"; do printf "  %s: '%s'\n" "$key" "${secrets[$key]//\'/\'\'}"; done
		[[ ! -f $packs/keeps ]] || printf "keeps:\n  modules: '%s'\n" "$(<"$packs/keeps")"
		[[ ! -f $packs/inherited ]] || printf "inherits:\n  modules: 'yes'\n"
		printf 'process_types:\n'
		for key in "${!types[@]}"; do printf "  %s: '%s'\n" "$key" "${types[$key]//\'/\'\'}"; done
	} >"$build/.release"
	listed=$(printf '%s\n' "${!types[@]}" | sort)
	listed=${listed//$'\n'/, }
	step "Process types: ${listed:-none}"
}
