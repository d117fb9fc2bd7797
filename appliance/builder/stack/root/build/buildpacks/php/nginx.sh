# shellcheck shell=bash
# nginx, with the app's own part of the server's configuration.
# shellcheck disable=SC2154 # run, root, app, config, port and web are serve's

write_config() {
	cat <<END
daemon off;
pid $run/nginx.pid;
error_log stderr;
worker_processes 1;
events { worker_connections 1024; }
http {
	include /etc/nginx/mime.types;
	default_type application/octet-stream;
	access_log off;
	server_tokens off;
	sendfile on;
	gzip on;
	gzip_types text/plain text/css text/xml text/javascript application/javascript application/json image/svg+xml;
	client_max_body_size 0;
	client_body_temp_path $run/body;
	proxy_temp_path $run/proxy;
	fastcgi_temp_path $run/fastcgi;
	uwsgi_temp_path $run/uwsgi;
	scgi_temp_path $run/scgi;
	fastcgi_read_timeout 600;
	map \$http_x_forwarded_proto \$berth_https { https on; default ''; }
	# This and @heroku-fcgi are what configurations for Heroku call PHP.
	upstream heroku-fcgi { server unix:$run/fpm.sock; }
	server {
		listen $port default_server;
		server_name _;
		port_in_redirect off;
		root $root;
		index index.php index.html index.htm;
		set_real_ip_from 10.0.0.0/8;
		set_real_ip_from 172.16.0.0/12;
		real_ip_header X-Forwarded-For;
		location ~ /\.(?!well-known(/|\$)) { deny all; }
END
	if [[ $root == "$app" ]]; then
		printf '\t\tlocation ~ ^/(vendor(/|$)|composer\\.(json|lock|phar)$|Procfile$|app\\.json$) { deny all; }\n'
	fi
	if [[ $config ]]; then
		printf '\t\tinclude %s;\n' "$(realpath "$config")"
	fi
	cat <<END
		location ~ \.php(/|\$) { try_files @heroku-fcgi @heroku-fcgi; }
		location @heroku-fcgi {
			fastcgi_split_path_info ^(.+?\.php)(/.*)\$;
			if (!-f \$document_root\$fastcgi_script_name) { return 404; }
			include /etc/nginx/fastcgi_params;
			fastcgi_param SCRIPT_FILENAME \$document_root\$fastcgi_script_name;
			fastcgi_param PATH_INFO \$fastcgi_path_info if_not_empty;
			fastcgi_param SERVER_NAME \$host;
			fastcgi_param HTTPS \$berth_https if_not_empty;
			fastcgi_pass heroku-fcgi;
		}
	}
}
END
}

start_server() { exec /usr/sbin/nginx -c "$run/nginx.conf" -e stderr; }

stop_server() { kill -QUIT "$web" 2>/dev/null || true; }
