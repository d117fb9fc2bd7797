package command

import "strings"

// Why there is nothing of a kind, for several groups and commands each.
const (
	noScheduler = "apps run as containers of this machine's Docker: ps:scale, resource:limit and scheduler-docker-local:set say how"
	noBuilder   = "apps are built by buildpacks, a Dockerfile, a compose file or Cloud Native Buildpacks: builder:set <app> selected chooses"
	noProxy     = "the router is built in, and runs with the daemon: router:set and router:report, logs <app> --router"
	noPlugins   = "there are no plugins: certificates, maintenance pages, passwords and redirects are built in (help letsencrypt, maintenance, http-auth, redirects)"
	noShipper   = "drains:add <app> <url> sends the log of an app to a service; nothing is to be started for it"
	noEntries   = "storage:mount <app> <name>:<path> makes a volume when it is first needed; storage:list <app> shows those there are"
	noSteps     = "every domain gets a certificate by itself, and a new one in time: certs:report <app> shows how they stand, certs:retry <app> orders at once"
	noService   = "run it as a service of a compose file, or as an app of its own: git:from-image <app> <image>, storage:mount, network:set; its address goes to others with config:set"
	noFiles     = "the router has no configuration files: nginx:show-config <app> shows what it does"
	noWeb       = "ports:list <app>, ports:set <app> http:80:<port>"
)

// instead says what there is in place of what Dokku has and we have not: of a
// command, or of all of a group.
var instead = map[string]string{
	"scheduler-k3s": noScheduler, "scheduler-nomad": noScheduler, "scheduler-kubernetes": noScheduler, "scheduler-null": noScheduler,
	"builder-lambda": noBuilder, "builder-nixpacks": noBuilder, "builder-railpack": noBuilder,
	"caddy": noProxy, "haproxy": noProxy, "openresty": noProxy, "traefik": noProxy,
	"nginx:start": noProxy, "nginx:stop": noProxy, "nginx:reload": noFiles, "nginx:validate": "it is nginx:validate-config", "nginx:show-conf": "it is nginx:show-config",
	"plugin": noPlugins, "plugin:installed": noPlugins,
	"logs:vector-logs": noShipper, "logs:vector-start": noShipper, "logs:vector-stop": noShipper,
	"storage:create": noEntries, "storage:destroy": noEntries, "storage:exec": noEntries, "storage:info": noEntries, "storage:list-entries": noEntries, "storage:migrate": noEntries, "storage:set": noEntries, "storage:wait": noEntries, "storage:annotations": noEntries, "storage:labels": noEntries,
	"certs:chain": "certs:add <app> takes the certificate with its chain, and the key, as a tar archive on stdin", "certs:key": "certs:add <app> takes the certificate and its key, as a tar archive on stdin", "certs:rollback": "certs:add <app> with the certificate from before",
	"deploy":    "ps:rebuild <app> builds and deploys again, ps:restart <app> starts the processes anew",
	"ps:retire": "old processes end by themselves when they have answered their last requests: checks:set <app> wait-to-retire", "run:retire": "a run ends by itself at its --ttl-seconds; run:stop <app> ends it before",
	"proxy:ports": noWeb, "proxy:ports-add": noWeb, "proxy:ports-clear": noWeb, "proxy:ports-remove": noWeb, "proxy:ports-set": noWeb,
	"domains:setup": "domains:set-global <domain> gives every app a host below it",

	"letsencrypt:active": noSteps, "letsencrypt:auto-renew": noSteps, "letsencrypt:cleanup": noSteps, "letsencrypt:cron-job": noSteps, "letsencrypt:disable": noSteps, "letsencrypt:enable": noSteps, "letsencrypt:list": noSteps, "letsencrypt:revoke": noSteps,
	"http-auth:show-config": "http-auth:report <app>",

	"clickhouse": noService, "couchdb": noService, "elasticsearch": noService, "graphite": noService, "mariadb": noService, "meilisearch": noService, "memcached": noService, "mongo": noService, "mysql": noService, "nats": noService, "omnisci": noService,
	"postgres": noService, "pushpin": noService, "rabbitmq": noService, "redis": noService, "rethinkdb": noService, "solr": noService, "typesense": noService,
}

// insteadOf is a line about what there is in place of a command of Dokku's, or
// "".
func insteadOf(name string) string {
	for name = strings.TrimSuffix(name, ":help"); name != ""; {
		if why, ok := instead[name]; ok {
			return "instead: " + why + "\n"
		}
		name = name[:max(0, strings.LastIndexByte(name, ':'))]
	}
	return ""
}

// insteadOfProperty is insteadOf for what Dokku's commands set, by the name of
// the property.
var insteadOfProperty = map[string]string{
	"skip-cleanup":        "what a build leaves behind is always removed",
	"detected":            "builds:explain <app> shows what a build would use",
	"mailto":              "cron:logs <app> has what each run printed, and events how it went",
	"mailfrom":            "cron:logs <app> has what each run printed, and events how it went",
	"app-label-alias":     noShipper,
	"vector-sink":         noShipper,
	"vector-cron-sink":    noShipper,
	"vector-image":        noShipper,
	"vector-networks":     noShipper,
	"bind-all-interfaces": "only the router is reached from outside: domains:add <app> <domain>",
	"static-web-listener": "git:from-image deploys what is to be reached; the router leads to processes of apps",
	"tld":                 "on a shared network an app is <app> and <app>.<type>",
	"proxy-port":          "all apps are on port 80 and 443; the port inside is set with ports:set",
	"proxy-ssl-port":      "all apps are on port 80 and 443; the port inside is set with ports:set",
	"restore":             "what was stopped with ps:stop stays so after a restart of the machine, all else starts",
	"skip-deploy":         "tell the command: config:set --no-restart, ps:scale --skip-deploy",
	"source-image":        "git:from-image <app> <image>",
}
