package builder_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/builder"
)

// small makes an image of ours of which a stack is quickly made, in the way
// that a stack is made of a registry's image.
func (w *world) small(binary string) builder.Stack {
	w.Helper()
	name := filepath.Join(w.TempDir(), "berth")
	if err := os.WriteFile(name, []byte(binary), 0o755); err != nil {
		w.Fatal(err)
	}
	s, err := stack()
	if err != nil {
		w.Fatal(err)
	}
	return builder.Stack{Instance: "berth-builder-test", Base: s, Binary: name, CAs: w.TempDir()}
}

func TestStackIsBuiltOnceAndAgainWhenSomethingInItChanges(t *testing.T) {
	w := newWorld(t)
	s := w.small("#!/bin/sh\necho one")
	ensure := func(s builder.Stack) (appliance.Image, string) {
		t.Helper()
		var out bytes.Buffer
		image, err := s.Ensure(t.Context(), w.engine, &out)
		if err != nil {
			t.Fatalf("%v\n%s", err, out.String())
		}
		return image, out.String()
	}

	first, built := ensure(s)
	second, nothing := ensure(s)
	third, _ := ensure(w.small("#!/bin/sh\necho two"))
	if err := os.WriteFile(filepath.Join(s.CAs, "ours.crt"), selfSigned(t), 0o644); err != nil {
		t.Fatal(err)
	}
	fourth, _ := ensure(s)

	if built == "" || second != first || nothing != "" {
		t.Errorf("first = %s, second = %s, which says %q", first, second, nothing)
	}
	if third == first || fourth == first || fourth == third {
		t.Errorf("images = %s, %s, %s, want three", first, third, fourth)
	}
	if said := w.run(builder.Result{Image: third}, "berth"); said != "two\n" {
		t.Errorf("berth in it says %q", said)
	}
	if found := w.run(builder.Result{Image: fourth}, "sh", "-c", "openssl storeutl -noout -text -certs /etc/ssl/certs/ca-certificates.crt | grep -c 'Subject: CN *= *ours.test'"); found != "1\n" {
		t.Errorf("the machine's own authority is there %q times", found)
	}
}

func selfSigned(t *testing.T) []byte {
	t.Helper()
	dir := t.TempDir()
	out, err := exec.Command("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
		"-subj", "/CN=ours.test", "-days", "2", "-keyout", dir+"/key", "-out", dir+"/cert").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cert, err := os.ReadFile(dir + "/cert")
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestMissingBaseImageIsExplained(t *testing.T) {
	w := newWorld(t)

	_, err := builder.Stack{Instance: "berth-builder-test-none"}.Ensure(t.Context(), w.engine, &bytes.Buffer{})

	if err == nil || !strings.Contains(err.Error(), "berth-builder-test-none/base:debian-12 is missing") || !strings.Contains(appliance.HintOf(err), "bootstrap.sh") {
		t.Errorf("error = %v, hint %q", err, appliance.HintOf(err))
	}
}

func TestProcessesOfTheStackAreUnprivileged(t *testing.T) {
	w := newWorld(t)
	s, err := stack()
	if err != nil {
		t.Fatal(err)
	}

	said := w.run(builder.Result{Image: s}, "sh", "-c", "id -u; id -g; echo $HOME; pwd; touch /etc/x 2>&1; touch /build/lib.sh /usr/local/bin/berth 2>&1; true")

	if !strings.HasPrefix(said, "1000\n1000\n/app\n/app\n") || strings.Count(said, "Permission denied") != 3 {
		t.Errorf("it says %q", said)
	}
}
