package builder_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

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

// Somebody else's image may have nothing of what ours has: no jq, no git, no
// languages and no certificates.
func TestStackOnAnotherImageBuildsWhatNeedsNoLanguage(t *testing.T) {
	w := newWorld(t)
	other := builder.Stack{Instance: "berth-builder-test", Base: appliance.Image(testInstance(t) + base), Binary: "/bin/true", CAs: w.TempDir()}
	if err := os.WriteFile(filepath.Join(other.CAs, "ours.crt"), selfSigned(t), 0o644); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	image, err := other.Ensure(t.Context(), w.engine, &out)
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	info, err := w.engine.Inspect(t.Context(), image)
	if err != nil {
		t.Fatal(err)
	}
	request := builder.Request{App: w.app, Tag: "berth-builder-test/other:1", Commit: "c0ffee", Stack: image, Out: &out, Step: func(string, ...any) {}}
	request.Source = source(t, map[string]string{"Procfile": "web: id -u && pwd && cat /etc/ssl/certs/ca-certificates.crt | head -n 1\n"})

	r, err := builder.Buildpacks{}.Build(t.Context(), w.engine, request)
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	request.Source = source(t, map[string]string{"package.json": `{"scripts": {"start": "node ."}}`})
	_, nodeErr := builder.Buildpacks{}.Build(t.Context(), w.engine, request)

	if said := w.run(r, "/start", "web"); said != "1000\n/app\n-----BEGIN CERTIFICATE-----\n" || r.Stack != image {
		t.Errorf("it says %q, built on %s", said, r.Stack)
	}
	if version := info.Labels[builder.StackVersion]; version != string(other.Base) || !strings.Contains(string(image), "/stack:"+strings.NewReplacer("/", "-", ":", "-").Replace(version)) {
		t.Errorf("version = %q of %s", version, image)
	}
	if nodeErr == nil || !strings.Contains(nodeErr.Error(), "no Node.js") {
		t.Errorf("a Node.js app: %v, want that there is none", nodeErr)
	}
}

func TestImageThatNothingCanBeBuiltOnIsRefusedWithWhatItLacks(t *testing.T) {
	w := newWorld(t)
	dir := source(t, map[string]string{"Dockerfile": "FROM " + testInstance(t) + base + "\nRUN rm -f /usr/bin/awk /usr/bin/mawk /bin/tar\n"})
	poor, err := w.engine.Build(t.Context(), appliance.BuildSpec{Tag: "berth-builder-test/poor:1", Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer

	_, err = builder.Stack{Instance: "berth-builder-test", Base: poor, Binary: "/bin/true", CAs: t.TempDir()}.Ensure(t.Context(), w.engine, &out)

	if err == nil || !strings.Contains(err.Error()+out.String(), "the image lacks what building needs: awk tar") || !strings.Contains(appliance.HintOf(err), "stack:set") {
		t.Errorf("error = %v (%s)\n%s", err, appliance.HintOf(err), out.String())
	}
}

func TestStackIsNamedAfterItsVersionAndKeepsTheListOfItsPackages(t *testing.T) {
	w := newWorld(t)
	s, err := stack()
	if err != nil {
		t.Fatal(err)
	}

	info, err := w.engine.Inspect(t.Context(), s)
	version := w.run(builder.Result{Image: s}, "cat", "/build/stack/version")
	packages := w.run(builder.Result{Image: s}, "cat", "/build/stack/packages")

	if err != nil || !regexp.MustCompile(`^debian-12\.[0-9]+-20[0-9]{6}-[0-9a-f]{8}$`).MatchString(info.Labels[builder.StackVersion]) {
		t.Errorf("labels = %q, %v", info.Labels, err)
	}
	if version != info.Labels[builder.StackVersion]+"\n" || !strings.Contains(string(s), "/stack:"+strings.TrimSpace(version)+"-") {
		t.Errorf("version = %q in %s", version, s)
	}
	for _, want := range []string{"\nlibc6 2.36-", "\nnode 24.", "\ngo 1.", "\nruby3.1 3.1.", "\nphp8.2-fpm 8.2."} {
		if !strings.Contains(packages, want) {
			t.Errorf("the list lacks %q:\n%s", want, packages)
		}
	}
}

// Everything twice, without what the first has left: minutes of both cores.
func TestStackOfTheSamePackagesHasTheSameFiles(t *testing.T) {
	if os.Getenv("BERTH_TEST_STACK") == "" {
		t.Skip("set BERTH_TEST_STACK=1 to make the stack twice from nothing")
	}
	w := newWorld(t)
	// Each with an authority of its own: it is in no file that is compared,
	// and what is fetched with its help is fetched again.
	list := func() (appliance.Image, []string) {
		cas := t.TempDir()
		there, err := filepath.Glob(builder.DefaultCAs + "/*.crt")
		if err != nil {
			t.Fatal(err)
		}
		for _, ca := range there {
			text, err := os.ReadFile(ca)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(cas, filepath.Base(ca)), text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(cas, "ours.crt"), selfSigned(t), 0o644); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		begun := time.Now()
		image, err := builder.Stack{Instance: testInstance(t), Edition: t.Name() + time.Now().String(), Binary: "/bin/true", CAs: cas}.Ensure(t.Context(), w.engine, &out)
		if err != nil {
			t.Fatalf("%v\n%s", err, out.String())
		}
		t.Logf("%s after %s", image, time.Since(begun))
		out.Reset()
		run, err := w.engine.Run(t.Context(), appliance.RunSpec{App: w.app, Image: image, User: "0:0", Out: &out, Command: []string{"bash", "-c",
			`cd /; find . -xdev \( -path ./dev -o -path ./etc/hosts -o -path ./etc/hostname -o -path ./etc/resolv.conf -o -path ./.dockerenv -o -path ./etc/ssl/certs -o -path ./usr/local/share/ca-certificates \) -prune -o -type f -printf '%m %U:%G %T@ ' -exec sha256sum {} \; -o -printf '%y %m %U:%G %p -> %l\n'`}})
		if err != nil || run.Status != 0 {
			t.Fatalf("status %d, %v", run.Status, err)
		}
		// A layer holds whole seconds.
		lines := strings.Split(regexp.MustCompile(`(?m)^(\d+ \S+ \d+)\.\d+ `).ReplaceAllString(out.String(), "$1 "), "\n")
		slices.Sort(lines)
		return image, lines
	}

	first, a := list()
	second, b := list()

	if first == second || len(a) < 10000 {
		t.Fatalf("stacks = %s, %s, of %d files: this shows nothing", first, second, len(a))
	}
	var differ []string
	for _, pair := range [][2][]string{{a, b}, {b, a}} {
		for _, line := range pair[0] {
			if _, found := slices.BinarySearch(pair[1], line); !found {
				differ = append(differ, line)
			}
		}
	}
	if len(differ) > 0 {
		t.Errorf("%d lines of %d differ:\n%s", len(differ), len(a), strings.Join(differ[:min(len(differ), 60)], "\n"))
	}
}
