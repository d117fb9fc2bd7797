# shellcheck shell=bash
# Apache, with .htaccess, and no rights that it could lose.
# shellcheck disable=SC2154 # run, root, app, config, port, children and web are serve's

module() { printf 'LoadModule %s_module /usr/lib/apache2/modules/mod_%s.so\n' "$1" "$1"; }

write_config() {
	local name
	for name in mpm_event authn_core authn_file authz_core authz_host authz_user auth_basic access_compat alias deflate dir env \
		expires filter headers mime negotiation proxy proxy_fcgi remoteip rewrite setenvif status; do module "$name"; done
	cat <<END
ServerRoot $run
ServerName localhost
Listen $port
PidFile $run/apache2.pid
DefaultRuntimeDir $run
Mutex file:$run
ServerTokens Prod
ServerSignature Off
ErrorLog "|/usr/bin/env cat"
ErrorLogFormat "[%l] %M"
GracefulShutdownTimeout 25
StartServers 1
MinSpareThreads 5
MaxSpareThreads 50
ThreadsPerChild 25
MaxRequestWorkers 200
KeepAliveTimeout 75
ListenBacklog 511
TypesConfig /etc/mime.types
AddDefaultCharset Off
DirectoryIndex index.php index.html index.htm
AddOutputFilterByType DEFLATE text/html text/plain text/css text/xml text/javascript application/javascript application/json image/svg+xml
# The router says who asked, and that they asked by HTTPS.
RemoteIPHeader X-Forwarded-For
RemoteIPInternalProxy 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16
SetEnvIf X-Forwarded-Proto "^https$" HTTPS=on
DocumentRoot "$root"
<Directory />
	AllowOverride None
	Require all denied
</Directory>
<Directory "$root">
	AllowOverride All
	Options FollowSymLinks
	CGIPassAuth On
	Require all granted
</Directory>
# Nothing of what makes the app, and no secrets of it.
<LocationMatch "/\.(?!well-known(/|$))">
	Require all denied
</LocationMatch>
END
	if [[ $root == "$app" ]]; then
		printf '<LocationMatch "^/(vendor(/|$)|composer\\.(json|lock|phar)$|Procfile$|app\\.json$)">\n\tRequire all denied\n</LocationMatch>\n'
	fi
	cat <<END
<Proxy "unix:$run/fpm.sock|fcgi://heroku-fcgi">
	ProxySet timeout=600
</Proxy>
<FilesMatch "\.(php|phar)$">
	<If "-f %{REQUEST_FILENAME}">
		SetHandler "proxy:fcgi://heroku-fcgi"
	</If>
</FilesMatch>
END
	# As on Heroku, this is in the middle of the virtual host.
	if [[ $config ]]; then printf 'Include "%s"\n' "$(realpath "$config")"; fi
}

start_server() { exec /usr/sbin/apache2 -D FOREGROUND -f "$run/apache2.conf"; }

stop_server() { kill -WINCH "$web" 2>/dev/null || true; }
