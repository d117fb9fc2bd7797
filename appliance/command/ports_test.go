package command_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
)

func TestPortOfWebIsSetAndTakenBack(t *testing.T) {
	w := newWorld(t)
	w.deploy("blog", "web: serve\n")

	w.ok("ports:set", "blog", "http:80:3000", "https:443:3000")

	if out := w.ok("ports:list", "blog", "--quiet"); !strings.Contains(out, "http           80         3000\nhttps          443        3000\n") {
		t.Errorf("list = %q", out)
	}
	if out := w.ok("ports:report", "blog", "--ports-map"); out != "http:80:3000 https:443:3000\n" {
		t.Errorf("report = %q", out)
	}
	if r, err := w.Store.Release(t.Context(), "blog", 2); err != nil || r.WebPort() != 3000 {
		t.Errorf("release = %+v, %v, want it on 3000", r, err)
	}
	if r := w.run(bob, "ports:remove", "blog", "http:80:4000"); !errors.Is(r.err, appliance.ErrNotFound) {
		t.Errorf("remove of another: %v", r.err)
	}
	w.ok("ports:remove", "blog", "http:80:3000")
	if out := w.ok("ports:report", "blog"); !strings.Contains(out, "Ports map detected:            http:80:5000 https:443:5000") {
		t.Errorf("report = %q", out)
	}
}

func TestPortsThatTheRouterHasNotAreRefused(t *testing.T) {
	w := newWorld(t)
	for _, line := range []string{
		"http:8080:5000", "https:80:5000", "tcp:5432:5432", "http:80", "http:80:0", "http:80:70000", "80:5000", "http:80:5000:1", "", "http:80:5000 https:443:6000", "http:-80:5000", "http:80:5\n000",
	} {
		args := append([]string{"ports:set", "blog"}, strings.Split(line, " ")...)
		if r := w.run(ada, args...); !errors.Is(r.err, appliance.ErrInvalid) || appliance.HintOf(r.err) == "" {
			t.Errorf("%q: %v, want it refused with the reason", line, r.err)
		}
	}
	if env, err := w.Store.Config(t.Context(), "blog"); len(env) != 0 || err != nil {
		t.Errorf("config = %v, %v, want nothing changed", env, err)
	}
}

func TestProxyOfAnAppIsSwitchedOff(t *testing.T) {
	w := newWorld(t)
	w.ok("proxy:disable", "blog")
	if out := w.ok("proxy:report", "blog", "--proxy-enabled"); out != "false\n" || w.Pipeline.Router.Serves("blog.localhost") {
		t.Errorf("report = %q", out)
	}
	w.ok("proxy:enable", "blog")
	if !w.Pipeline.Router.Serves("blog.localhost") {
		t.Error("it is not served again")
	}
	for _, line := range []string{"type nginx", "proxy-port 8080", "nope 1"} {
		if r := w.run(ada, append([]string{"proxy:set", "blog"}, strings.Fields(line)...)...); r.err == nil {
			t.Errorf("proxy:set %s went well", line)
		}
	}
	w.ok("proxy:set", "--global", "type", "berth")
	w.ok("proxy:build-config", "--all")
}
