package router_test

import (
	"io"
	"net"
	"net/http"
	"strconv"
	"testing"

	"github.com/summerwind/h2spec/config"
	"github.com/summerwind/h2spec/generic"
	"github.com/summerwind/h2spec/hpack"
	"github.com/summerwind/h2spec/http2"
	"github.com/summerwind/h2spec/spec"

	"github.com/berthhq/berth/appliance/await"
	"github.com/berthhq/berth/router"
)

// Others have written down what RFC 7540 and RFC 7541 demand of a server, and
// ask for each of it, also for what is only recommended.
func TestH2specPasses(t *testing.T) {
	d := open(t)
	d.swap(router.Service{Name: "blog", Hosts: []string{"localhost"}, Targets: []string{app(t, func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body) // who breaks off is the test
		io.WriteString(w, "hello, h2spec")
	})}})
	_, port, _ := net.SplitHostPort(d.https)
	c := &config.Config{Host: "localhost", Path: "/", TLS: true, Insecure: true, Strict: true, Timeout: await.Patience, MaxHeaderLen: 4000}
	c.Port, _ = strconv.Atoi(port)

	passed := 0
	for _, group := range []*spec.TestGroup{generic.Spec(), http2.Spec(), hpack.Spec()} {
		group.Test(c)
		passed += judge(t, group)
	}

	if passed < 140 {
		t.Errorf("%d of h2spec's cases have passed, want all 146 or so", passed)
	}
}

// judge fails the test for each case that has not passed, and counts those that
// have.
func judge(t *testing.T, group *spec.TestGroup) (passed int) {
	t.Helper()
	for _, c := range group.Tests {
		if c.Result == nil || c.Result.Failed || c.Result.Skipped {
			t.Errorf("%s: %s: %s: %+v", group.ID(), group.Title(), c.Desc, c.Result)
			continue
		}
		passed++
	}
	for _, g := range group.Groups {
		passed += judge(t, g)
	}
	return passed
}
