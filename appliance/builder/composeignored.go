package builder

import (
	"fmt"
)

// ignore notes that something of a service has no effect, or of the file as a
// whole for "".
func (r *composeReader) ignore(service, what string) {
	if service != "" {
		what = service + ": " + what
	}
	r.ignored = append(r.ignored, what)
}

// whyIgnored explains what people may miss.
var whyIgnored = map[string]string{
	"networks":       "all services of an app share one network",
	"network_mode":   "all services of an app share one network",
	"links":          "services reach each other by name anyway",
	"container_name": "services reach each other by the service's name",
	"hostname":       "services reach each other by the service's name",
	"deploy":         "ps:scale sets how many run",
	"scale":          "ps:scale sets how many run",
	"privileged":     "no process of an app has the machine's rights",
	"cap_add":        "no process of an app has the machine's rights",
	"devices":        "no process of an app has the machine's rights",
	"pid":            "no process of an app sees the machine's",
	"ipc":            "no process of an app sees the machine's",
	"secrets":        "config:set gives secrets to all services",
	"configs":        "commit the file, or use config:set",
	"labels":         "they mean nothing here",
	"logging":        "logs shows what every service prints",
	"develop":        "it is for development",
	"platform":       "images are those of this machine",
	"tmpfs":          "the file system of a container is gone with it anyway",
}

func why(key string) string {
	if why := whyIgnored[key]; why != "" {
		return key + " (" + why + ")"
	}
	return fmt.Sprintf("%.60s", key)
}
