# shellcheck shell=bash
# How PHP runs beside the web server: as many processes as memory allows.
# shellcheck disable=SC2154 # run, ini, fpm and app are serve's

# memory prints how many bytes the container, or else the machine, has.
memory() {
	local limit total
	total=$(awk '/^MemTotal:/ { printf "%.0f", $2 * 1024 }' /proc/meminfo)
	limit=$(cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null | head -n 1)
	if [[ $limit =~ ^[0-9]+$ ]] && ((${#limit} < 16 && limit < total)); then total=$limit; fi
	echo "$total"
}

# php_memory prints how many bytes one process of PHP may have.
# shellcheck disable=SC2016 # PHP's
php_memory() {
	php ${ini:+-c "$ini"} -r '$s = @parse_ini_file($argv[1])["memory_limit"] ?? get_cfg_var("memory_limit") ?: "128M";
		$n = (int) $s * (["k" => 1 << 10, "m" => 1 << 20, "g" => 1 << 30][strtolower(substr(trim($s), -1))] ?? 1);
		echo $n > 0 ? $n : 128 << 20;' "$DOCUMENT_ROOT/.user.ini"
}

children=${WEB_CONCURRENCY:-}
if [[ ! $children =~ ^[1-9][0-9]*$ ]]; then
	children=$(($(memory) / $(php_memory)))
	children=$((children < 2 ? 2 : children > 32 ? 32 : children))
fi

write_fpm_config() {
	cat <<END
[global]
error_log = /proc/self/fd/2
log_limit = 16384
daemonize = no
process_control_timeout = 25s
[www]
listen = $run/fpm.sock
listen.backlog = 511
pm = ondemand
pm.max_children = $children
pm.process_idle_timeout = 60s
pm.max_requests = 10000
clear_env = no
catch_workers_output = yes
decorate_workers_output = no
chdir = $app
php_admin_flag[expose_php] = off
php_admin_value[error_log] = /proc/self/fd/2
php_flag[log_errors] = on
php_flag[display_errors] = off
END
	# Includes cannot be given on the command line.
	if [[ $fpm ]]; then printf '\n[www]\n' && cat "$fpm"; fi
}
