# shellcheck shell=bash
# What starts the app, where no Procfile says so: a server for the framework
# that the app is written with, or the one script that listens on PORT.

has_program() { [[ -x .heroku/python/bin/$1 || -x .apt/usr/bin/$1 ]]; }

# wsgi MODULE:NAME [DIR] prints the command for one of WSGI's kind.
wsgi() {
	if has_program gunicorn; then
		echo "gunicorn ${2:+--chdir $2 }--bind 0.0.0.0:\$PORT $1"
	elif has_program waitress-serve && [[ ! ${2:-} ]]; then
		echo "waitress-serve --port=\$PORT $1"
	fi
}

# asgi MODULE:NAME [DIR] prints the command for one of ASGI's kind.
asgi() {
	if has_program uvicorn; then
		echo "uvicorn ${2:+--app-dir $2 }--host 0.0.0.0 --port \$PORT $1"
	elif has_program hypercorn && [[ ! ${2:-} ]]; then
		echo "hypercorn --bind 0.0.0.0:\$PORT $1"
	elif has_program daphne && [[ ! ${2:-} ]]; then
		echo "daphne --bind 0.0.0.0 --port \$PORT $1"
	fi
}

# for_development SERVER says on stderr, for stdout is the command.
for_development() { printf ' !     %s is meant for development: add gunicorn to what the app requires\n' "$1" >&2; }

find_web() {
	local manage dir module file name command
	if [[ -f Procfile ]] && grep -q '^[[:space:]]*web[[:space:]]*:' Procfile; then return; fi
	manage=$(manage_py)
	if [[ $manage ]] && has_module django; then
		dir=$(dirname "$manage")
		[[ $dir != . ]] || dir=
		module=$(find "${dir:-.}" -maxdepth 2 -name wsgi.py -printf '%P\n' | sort | head -n 1)
		module=${module%.py}
		command=
		[[ ! $module ]] || command=$(wsgi "${module//\//.}" "$dir")
		if [[ ! $command && $module ]]; then command=$(asgi "$(dirname "$module" | tr / .).asgi:application" "$dir"); fi
		if [[ ! $command ]]; then
			for_development "Django's own server"
			command="python $manage runserver --noreload 0.0.0.0:\$PORT"
		fi
		echo "$command"
		return
	fi
	for file in app.py main.py wsgi.py asgi.py server.py application.py; do
		[[ -f $file ]] || continue
		module=${file%.py}
		name=$(sed -nE 's/^([A-Za-z_][A-Za-z0-9_]*)[[:space:]]*(:[^=]*)?=[[:space:]]*([A-Za-z_.]*\.)?(Flask|Bottle|default_app|App)\(.*/\1/p' "$file" | head -n 1)
		[[ $name || $file != wsgi.py ]] || name=$(sed -nE 's/^(application|app)[[:space:]]*=.*/\1/p; s/^from .* import .*\b(application|app)\b.*/\1/p' "$file" | head -n 1)
		if [[ $name ]]; then
			command=$(wsgi "$module:$name")
			if [[ ! $command ]] && has_program flask; then
				for_development "Flask's own server"
				command="flask --app $module:$name run --host 0.0.0.0 --port \$PORT"
			fi
		else
			name=$(sed -nE 's/^([A-Za-z_][A-Za-z0-9_]*)[[:space:]]*(:[^=]*)?=[[:space:]]*([A-Za-z_.]*\.)?(FastAPI|Starlette|Quart|Litestar)\(.*/\1/p' "$file" | head -n 1)
			command=
			[[ ! $name ]] || command=$(asgi "$module:$name")
		fi
		if [[ ! $command ]] && grep -qE "environ.*['\"]PORT['\"]|getenv\(['\"]PORT['\"]" "$file"; then command="python $file"; fi
		if [[ $command ]]; then
			echo "$command"
			return
		fi
	done
	# shellcheck disable=SC2016 # for when it runs
	detail 'Nothing is known that starts it: that is for a Procfile, as in web: gunicorn app:app --bind 0.0.0.0:$PORT' >&2
}
