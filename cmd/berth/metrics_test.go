package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestPrometheusIsToldAtAnAddressOfItsOwn(t *testing.T) {
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	m := serving(t, "", "BERTH_METRICS="+address)
	m.must(t, "/", "berth", "apps:create", "blog")
	if _, err := m.get("https://blog.localhost"); err != nil {
		t.Fatal(err)
	}

	for path, want := range map[string]int{"/metrics": 200, "/": 404, "/debug/pprof/": 404} {
		res, err := http.Get("http://" + address + path)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != want {
			t.Errorf("%s: %s, %v, want %d", path, res.Status, err, want)
		}
		if want == 200 && !strings.Contains(string(text), `berth_router_errors_total{app="blog",code="H14"} 1`) {
			t.Errorf("%s does not tell of the request:\n%s", path, text)
		}
	}
	// The same numbers, by the command; and none by the front door.
	if text, err := m.run("/", "berth", "router:metrics"); err != nil || !strings.Contains(text, "berth_build_info{") {
		t.Errorf("router:metrics: %v\n%s", err, text)
	}
	if text, err := m.get("https://blog.localhost/metrics"); err != nil || strings.Contains(text, "berth_build_info") {
		t.Errorf("by the front door: %v\n%s", err, text)
	}
}
