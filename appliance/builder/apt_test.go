package builder_test

import (
	"strings"
	"testing"
)

// lzo is a Go program that needs a library and its headers, which the stack
// does not have.
var lzo = map[string]string{
	"go.mod": "module example.com/lzo\n\ngo 1.24\n",
	"main.go": `package main

// #cgo LDFLAGS: -llzo2
// #include <lzo/lzoconf.h>
import "C"

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
)

func main() {
	hello, _ := exec.Command("hello").Output()
	http.ListenAndServe(":"+os.Getenv("PORT"), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "%d %s", C.__lzo_init_v2(C.LZO_VERSION, -1, -1, -1, -1, -1, -1, -1, -1, -1), hello)
	}))
}
`,
	"Aptfile": "# for compression\r\n\nliblzo2-dev # and its library\nhello\n",
}

func TestPackagesOfTheAptfileAreThereForTheBuildAndForTheApp(t *testing.T) {
	w := newWorld(t)
	dir := source(t, lzo)

	r, first := w.mustBuild(dir, nil)
	_, body := w.get(w.start(r, "web"), "/")
	_, second := w.mustBuild(dir, offline)

	if !strings.HasPrefix(body, "0 Hello, world!\n") {
		t.Errorf("answer = %q\n%s", body, first)
	}
	if !strings.HasPrefix(first, "-----> Debian packages (Aptfile), buildpack apt (built in)\n-----> Fetching liblzo2-dev hello, and what they need\n") {
		t.Errorf("the first build says:\n%s", first)
	}
	if !strings.Contains(second, "-----> Using the packages of the same Aptfile") {
		t.Errorf("the second build says:\n%s", second)
	}
}

func TestAptfileThatCannotBeFollowedIsExplained(t *testing.T) {
	w := newWorld(t)
	for name, test := range map[string]struct {
		aptfile, what, advice string
	}{
		"a package that there is not": {"cowsay\nno-such-package\n", "Unable to locate package no-such-package", "packages.debian.org"},
		// apt-get would take it for one of its options.
		"an option":                  {"\n-oDPkg::Pre-Invoke=id\n", "Aptfile, line 2 makes no sense: -oDPkg", "name of a package"},
		"a repository of nothing":    {":repo:http://127.0.0.1:1/ x y\n", "Aptfile, line 1 makes no sense", ":repo:deb"},
		"a repository out of reach":  {":repo:deb [trusted=yes] http://127.0.0.1:1/ x y\ncowsay\n", "the lists of packages could not be fetched", ":repo: lines"},
		"an archive out of reach":    {"http://me:S3CRET@127.0.0.1:1/x.deb\n", "http://…@127.0.0.1:1/x.deb could not be fetched", "address in the Aptfile"},
		"an archive of another kind": {"file:///etc/x.deb\n", "Aptfile, line 1 makes no sense", "http or https"},
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{T: t, engine: w.engine, app: w.app}
			out := w.mustFail(source(t, map[string]string{"Aptfile": test.aptfile, "Procfile": "web: true"}), test.what, test.advice)

			if strings.Contains(out, "S3CRET") {
				t.Errorf("the password is shown:\n%s", out)
			}
		})
	}
}
