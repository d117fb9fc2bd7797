package enginetest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/berthhq/berth/appliance"
)

var buildPromises = []promise{
	{"Build makes an image that Inspect knows", func(w *world) {
		dir := w.T.TempDir()
		write(w, filepath.Join(dir, "Dockerfile"), "FROM "+string(w.image)+"\nEXPOSE 9000 53/udp 8000/tcp\nENTRYPOINT [\"/entry\", \"point\"]\nCMD [\""+Program+"\", \"env\"]\n")

		image, err := w.e.Build(w.Context(), appliance.BuildSpec{App: w.app, Tag: w.tag("v1"), Dir: dir})
		if err != nil {
			w.Fatal(err)
		}

		info, err := w.e.Inspect(w.Context(), image)
		if err != nil {
			w.Fatal(err)
		}
		if want := []int{8000, 9000}; !slices.Equal(info.Ports, want) {
			w.Errorf("ports = %v, want %v", info.Ports, want)
		}
		if want := []string{Program, "env"}; !slices.Equal(info.Cmd, want) {
			w.Errorf("command = %q, want %q", info.Cmd, want)
		}
		if want := []string{"/entry", "point"}; !slices.Equal(info.Entrypoint, want) {
			w.Errorf("entrypoint = %q, want %q", info.Entrypoint, want)
		}
		if info.ID == "" || info.Size <= 0 {
			w.Errorf("id = %q, size = %d, want both", info.ID, info.Size)
		}
	}},

	{"Build takes a Dockerfile of another name", func(w *world) {
		dir := w.T.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "deploy"), 0o755); err != nil {
			w.Fatal(err)
		}
		write(w, filepath.Join(dir, "deploy", "App.dockerfile"), "FROM "+string(w.image)+"\nEXPOSE 7000\n")

		_, err := w.e.Build(w.Context(), appliance.BuildSpec{App: w.app, Tag: w.tag("v1"), Dir: dir, Dockerfile: "deploy/App.dockerfile"})
		if err != nil {
			w.Fatal(err)
		}

		if info, err := w.e.Inspect(w.Context(), w.tag("v1")); err != nil || !slices.Equal(info.Ports, []int{7000}) {
			w.Errorf("Inspect = %v, %v, want port 7000", info, err)
		}
	}},

	{"Build stops at the stage that is asked for", func(w *world) {
		dir := w.T.TempDir()
		write(w, filepath.Join(dir, "Dockerfile"), "FROM "+string(w.image)+" AS first\nEXPOSE 7001\n"+
			"FROM first AS second\nEXPOSE 7002\nFROM second\nEXPOSE 7003\n")
		ports := func(target string) []int {
			image, err := w.e.Build(w.Context(), appliance.BuildSpec{App: w.app, Tag: w.tag("v1"), Dir: dir, Target: target})
			if err != nil {
				w.Fatal(err)
			}
			info, err := w.e.Inspect(w.Context(), image)
			if err != nil {
				w.Fatal(err)
			}
			return info.Ports
		}

		if got, want := ports("second"), []int{7001, 7002}; !slices.Equal(got, want) {
			w.Errorf("ports of the second stage = %v, want %v", got, want)
		}
		if got, want := ports(""), []int{7001, 7002, 7003}; !slices.Equal(got, want) {
			w.Errorf("ports = %v, want those of all stages: %v", got, want)
		}
	}},

	{"Inspect knows an image's environment, labels and health check", func(w *world) {
		if _, err := w.build("ENV SHADE=dark\nLABEL made.of=wool\nHEALTHCHECK CMD [\"" + Program + "\", \"say\", \"0\"]"); err != nil {
			w.Fatal(err)
		}

		info, err := w.e.Inspect(w.Context(), w.tag("v1"))
		plain, plainErr := w.e.Inspect(w.Context(), w.image)

		if err != nil || !slices.Contains(info.Env, "SHADE=dark") || info.Labels["made.of"] != "wool" || !info.Health {
			w.Errorf("Inspect = %+v, %v, want all of it", info, err)
		}
		if plainErr != nil || plain.Health {
			w.Errorf("Inspect of the test image = %+v, %v, want no health check", plain, plainErr)
		}
	}},

	// A password for a private registry, which everybody with the image could
	// read if it stayed in a layer.
	{"Build shows a secret to the step that asks for it, and keeps nothing of it", func(w *world) {
		const secret = "sesame-open-up"
		dir := w.T.TempDir()
		write(w, filepath.Join(dir, "Dockerfile"), "FROM "+string(w.image)+"\nENV APP="+string(w.app)+"\n"+
			"RUN --mount=type=secret,id=token [\""+Program+"\", \"read\", \"/run/secrets/token\"]\n")
		var out strings.Builder

		image, err := w.e.Build(w.Context(), appliance.BuildSpec{
			App: w.app, Tag: w.tag("v1"), Dir: dir, Secrets: map[string][]byte{"token": []byte(secret)}, Out: &out,
		})
		if err != nil {
			w.Fatalf("%v\n%s", err, &out)
		}
		_, left := w.run(appliance.RunSpec{Image: image}, "read", "/run/secrets/token")
		_, env := w.run(appliance.RunSpec{Image: image}, "env")

		if !strings.Contains(out.String(), secret) {
			w.Errorf("output = %q, want that the step has read the secret", out.String())
		}
		if strings.Contains(left+env, secret) {
			w.Errorf("the image has the secret: %q, %q", left, env)
		}
	}},

	{"Build does everything again when it is told to", func(w *world) {
		dir := w.T.TempDir()
		said := "carding wool for " + string(w.app)
		write(w, filepath.Join(dir, "Dockerfile"), "FROM "+string(w.image)+"\nRUN [\""+Program+"\", \"say\", \"0\", \""+said+"\"]\n")
		for range 2 {
			var out strings.Builder
			_, err := w.e.Build(w.Context(), appliance.BuildSpec{App: w.app, Tag: w.tag("v1"), Dir: dir, Fresh: true, Out: &out})
			if err != nil || !strings.Contains(out.String(), "\n"+said+"\n") {
				w.Errorf("build = %v, %q, want that the step has run", err, &out)
			}
		}
	}},

	{"Build writes what its steps say", func(w *world) {
		said := "gathering wool for " + string(w.app) // never said before, so never cached
		out, err := w.build("RUN [\"" + Program + "\", \"say\", \"0\", \"" + said + "\"]")
		if err != nil {
			w.Fatal(err)
		}
		if !strings.Contains(out, "RUN") || !strings.Contains(out, "\n"+said+"\n") {
			w.Errorf("output = %q, want the step and what it said", out)
		}
	}},

	{"Build says which step failed", func(w *world) {
		out, err := w.build("RUN [\"" + Program + "\", \"say\", \"7\", \"no wool\"]")
		if err == nil {
			w.Fatal("a failing step made no error")
		}
		if errors.Is(err, appliance.ErrInvalid) || !strings.Contains(err.Error(), "RUN") || !strings.Contains(err.Error(), "exit status 7") {
			w.Errorf("error = %v, want the step and its status", err)
		}
		if !strings.Contains(out, "no wool\n") {
			w.Errorf("output = %q, want what the step said", out)
		}
		if _, err := w.e.Inspect(w.Context(), w.tag("v1")); !errors.Is(err, appliance.ErrNotFound) {
			w.Errorf("Inspect after a failed build = %v, want ErrNotFound", err)
		}
	}},

	{"Build refuses a Dockerfile that makes no sense", func(w *world) {
		if _, err := w.build("KNIT wool"); !errors.Is(err, appliance.ErrInvalid) || !strings.Contains(err.Error(), "KNIT") {
			w.Errorf("error = %v, want ErrInvalid and the word", err)
		}
	}},

	{"Build refuses a directory without a Dockerfile", func(w *world) {
		_, err := w.e.Build(w.Context(), appliance.BuildSpec{App: w.app, Tag: w.tag("v1"), Dir: w.T.TempDir()})
		if !errors.Is(err, appliance.ErrInvalid) {
			w.Errorf("error = %v, want ErrInvalid", err)
		}
	}},

	// The attack: a repository whose Dockerfile, or a file that it copies,
	// is a link to a file of the machine, which the build then prints or
	// serves.
	{"Build does not follow a link out of the directory", func(w *world) {
		const secret = "sesame-open-up"
		outside := filepath.Join(w.T.TempDir(), "secret")
		write(w, outside, "FROM scratch\n# "+secret+"\nKNIT "+secret+"\n")
		for _, target := range []string{outside, "../" + filepath.Base(filepath.Dir(outside)) + "/secret"} {
			dir := w.T.TempDir()
			link(w, target, filepath.Join(dir, "Dockerfile"))
			w.buildMustNotTell(dir, secret)

			dir = w.T.TempDir()
			write(w, filepath.Join(dir, "Dockerfile"), "FROM "+string(w.image)+"\nCOPY stolen /stolen\n")
			link(w, target, filepath.Join(dir, "stolen"))
			w.buildMustNotTell(dir, secret)

			dir = w.T.TempDir()
			write(w, filepath.Join(dir, "Dockerfile"), "FROM "+string(w.image)+"\nCOPY dir/secret /stolen\n")
			link(w, filepath.Dir(target), filepath.Join(dir, "dir"))
			w.buildMustNotTell(dir, secret)
		}
	}},

	{"a build that is cancelled ends", func(w *world) {
		ctx, cancel := context.WithCancel(w.Context())
		defer cancel()
		dir := w.T.TempDir()
		write(w, filepath.Join(dir, "Dockerfile"), "FROM "+string(w.image)+"\nRUN [\""+Program+"\", \"serve\"]\n")
		var out buffer
		ended := make(chan error, 1)
		go func() {
			_, err := w.e.Build(ctx, appliance.BuildSpec{App: w.app, Tag: w.tag("v1"), Dir: dir, Out: &out})
			ended <- err
		}()
		w.eventually("the step runs", func() bool { return strings.Contains(out.String(), "listening") })

		cancel()

		if err := <-ended; !errors.Is(err, context.Canceled) {
			w.Errorf("error = %v, want context.Canceled", err)
		}
	}},
}

// build builds an image from the test image and some more lines.
func (w *world) build(lines string) (string, error) {
	w.Helper()
	dir := w.T.TempDir()
	write(w, filepath.Join(dir, "Dockerfile"), "FROM "+string(w.image)+"\n"+lines+"\n")
	var out strings.Builder
	_, err := w.e.Build(w.Context(), appliance.BuildSpec{App: w.app, Tag: w.tag("v1"), Dir: dir, Out: &out})
	return out.String(), err
}

// buildMustNotTell builds a directory, and checks that the secret is neither
// in what the build says nor in what it makes, if it makes anything.
func (w *world) buildMustNotTell(dir, secret string) {
	w.Helper()
	var out strings.Builder
	image, err := w.e.Build(w.Context(), appliance.BuildSpec{App: w.app, Tag: w.tag("v1"), Dir: dir, Out: &out})
	if err != nil {
		out.WriteString(err.Error())
	} else if _, err := w.tryRun(w.Context(), appliance.RunSpec{Image: image, Out: &out}, "read", "/stolen"); err != nil {
		w.Error(err)
	}
	if strings.Contains(out.String(), secret) {
		w.Errorf("the build told what is outside of its directory: %s", out.String())
	}
}

func link(w *world, target, name string) {
	w.Helper()
	if err := os.Symlink(target, name); err != nil {
		w.Fatal(err)
	}
}
