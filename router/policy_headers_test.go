package router_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/berthhq/berth/router"
)

func TestHeadersAreSetOnTheAppsAnswersAndTakenAway(t *testing.T) {
	addr := app(t, func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("X-Frame-Options", "SAMEORIGIN")
		w.Header().Set("Server", "secret/1.2.3")
		w.Header()["X-Powered-By"] = []string{"a", "b"}
		w.Header()["Set-Cookie"] = []string{"a=1", "b=2"}
		if req.URL.Path == "/error" {
			w.WriteHeader(500)
		}
	})
	d := guarded(t, router.Policy{Headers: map[string]string{
		"x-frame-options": "DENY", "Server": "", "X-Powered-By": "", "Permissions-Policy": "camera=()", "X-Absent": "",
	}}, addr)

	for _, path := range []string{"/", "/error"} {
		res, _ := d.come("GET", "https://blog.test"+path)
		for name, want := range map[string][]string{
			"X-Frame-Options": {"DENY"}, "Permissions-Policy": {"camera=()"}, "Server": nil, "X-Powered-By": nil, "X-Absent": nil, "Set-Cookie": {"a=1", "b=2"},
		} {
			if got := res.Header[name]; !slices.Equal(got, want) {
				t.Errorf("%s: %s = %q, want %q", path, name, got, want)
			}
		}
	}
}
