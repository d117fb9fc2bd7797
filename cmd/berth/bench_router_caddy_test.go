package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
)

type object = map[string]any

var caddyDoor = &door{
	name:    "caddy",
	prepare: caddyModule.build,
	version: func(*lab) string { return caddyModule.version },
	open: func(l *lab, address string, hosts []string) *opened {
		admin := l.address()
		var routes []object
		for _, host := range hosts {
			routes = append(routes, caddyRoute(host, l.app))
		}
		config := must(json.Marshal(object{
			"admin":   object{"listen": admin},
			"logging": object{"logs": object{"default": object{"level": "ERROR"}}},
			"apps": object{
				"http": object{"servers": object{"door": object{
					"listen":          []string{address},
					"protocols":       []string{"h1", "h2"},
					"automatic_https": object{"disable": true},
					"routes":          routes,
					// Without one it would serve plain HTTP.
					"tls_connection_policies": []object{{}},
				}}},
				"tls": object{"certificates": object{"load_files": []object{{"certificate": l.cert, "key": l.key}}}},
			},
		}))
		cmd := exec.Command(caddyModule.program(l), "run", "--config", l.write("caddy.json", config))
		cmd.Env = append(cmd.Environ(), "HOME="+l.dir, "XDG_DATA_HOME="+filepath.Join(l.dir, "caddy"), "XDG_CONFIG_HOME="+filepath.Join(l.dir, "caddy"))
		return &opened{pinned: l.start(l.doorCPU, cmd), address: address, add: func(host string) error {
			return postJSON("http://"+admin+"/config/apps/http/servers/door/routes", must(json.Marshal(caddyRoute(host, l.app))))
		}}
	},
}

func caddyRoute(host, app string) object {
	return object{
		"match":    []object{{"host": []string{host}}},
		"terminal": true,
		"handle": []object{{
			"handler":   "reverse_proxy",
			"upstreams": []object{{"dial": app}},
			"transport": object{"protocol": "http", "keep_alive": object{"max_idle_conns_per_host": 256}},
		}},
	}
}

func postJSON(url string, body []byte) error {
	r, err := http.Post(url, "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err == nil && r.StatusCode != http.StatusOK {
		err = fmt.Errorf("post %s: %s: %s", url, r.Status, text)
	}
	return err
}
