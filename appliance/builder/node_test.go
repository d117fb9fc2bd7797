package builder_test

import (
	"strings"
	"testing"
)

const nodeServer = `require("http").createServer((q, r) => r.end(require("ms")("2 days") + " " + process.version)).listen(process.env.PORT)`

func nodeApp(t *testing.T, engines string) string {
	return source(t, map[string]string{
		"package.json": `{"name": "blog", "version": "1.0.0", ` + engines + ` "scripts": {"start": "node web.js"}, "dependencies": {"ms": "2.1.3"}}`,
		"web.js":       nodeServer,
	})
}

func TestNodeAppWithADependencyAnswers(t *testing.T) {
	w := newWorld(t)

	r, out := w.mustBuild(nodeApp(t, ""), nil)
	_, body := w.get(w.start(r, "web"), "/")

	t.Log(out)
	if !strings.HasPrefix(body, "172800000 v24.") {
		t.Errorf("answer = %q", body)
	}
	if !strings.HasPrefix(out, "-----> Node.js app (package.json), buildpack nodejs (built in)\n") {
		t.Errorf("output starts otherwise:\n%s", out)
	}
	if strings.Contains(out, "       ----->") || strings.Contains(out, "              ") {
		t.Errorf("output is indented twice:\n%s", out)
	}
}
