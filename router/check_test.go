package router_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/router"
)

func TestAHealthCheckAsksWithWhatItIsTold(t *testing.T) {
	target := app(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Host == "blog.example.test" && r.URL.String() == "/up?deep=1" && r.Header.Get("X-Key") == "value" {
			io.WriteString(w, "all is well")
		}
	})

	err := router.HealthCheck{
		Path: "/up?deep=1", Host: "blog.example.test", Header: http.Header{"X-Key": {"value"}}, Content: "is well",
	}.Ask(t.Context(), target)

	if err != nil {
		t.Error(err)
	}
}

func TestAHealthCheckWantsItsContent(t *testing.T) {
	for name, body := range map[string]string{
		"another":       "it is not",
		"none":          "",
		"much too late": strings.Repeat(".", 2<<20) + "is well",
	} {
		target := app(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, body) })

		err := router.HealthCheck{Path: "/", Content: "is well"}.Ask(t.Context(), target)

		if err == nil || !strings.Contains(err.Error(), `GET / answered 200 OK without "is well" in it`) {
			t.Errorf("%s: error = %v, want that it is not there", name, err)
		}
	}
}

func TestAHealthCheckGivesUpAnAnswerThatNeverEnds(t *testing.T) {
	target := app(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(200)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	start := time.Now()

	err := router.HealthCheck{Path: "/", Content: "is well", Attempt: 50 * time.Millisecond}.Ask(t.Context(), target)

	if err == nil || time.Since(start) > 4*time.Second {
		t.Errorf("error = %v after %s, want one within the attempt's time", err, time.Since(start))
	}
}

func TestAHealthCheckAsksOverTLSWhateverTheCertificate(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}))
	t.Cleanup(server.Close)
	target := server.Listener.Addr().String()

	if err := (router.HealthCheck{Path: "/", TLS: true, Host: "blog.example.test"}).Ask(t.Context(), target); err != nil {
		t.Error(err)
	}
	if err := (router.HealthCheck{Path: "/"}).Ask(t.Context(), target); err == nil {
		t.Error("it passes without TLS too")
	}
}
