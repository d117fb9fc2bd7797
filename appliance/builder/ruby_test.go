package builder_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
)

// gem makes a Ruby gem of files. Those in ext/ are compiled.
func gem(t *testing.T, name, version string, files map[string]string) string {
	t.Helper()
	extensions := "[]"
	if files["ext/extconf.rb"] != "" {
		extensions = "[ext/extconf.rb]"
	}
	spec := fmt.Sprintf(`--- !ruby/object:Gem::Specification
name: %s
version: !ruby/object:Gem::Version
  version: %s
platform: ruby
authors: [us]
summary: for a test
extensions: %s
require_paths: [lib]
required_ruby_version: !ruby/object:Gem::Requirement
  requirements: [[">=", !ruby/object:Gem::Version {version: '0'}]]
required_rubygems_version: !ruby/object:Gem::Requirement
  requirements: [[">=", !ruby/object:Gem::Version {version: '0'}]]
rubygems_version: 3.3.15
specification_version: 4
`, name, version, extensions)
	pack := func(files map[string]string) []byte {
		var b bytes.Buffer
		tw := tar.NewWriter(&b)
		for file, content := range files {
			if err := tw.WriteHeader(&tar.Header{Name: file, Mode: 0o644, Size: int64(len(content)), Typeflag: tar.TypeReg, Format: tar.FormatUSTAR}); err != nil {
				t.Fatal(err)
			}
			if _, err := tw.Write([]byte(content)); err != nil {
				t.Fatal(err)
			}
		}
		if err := tw.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	zip := func(content []byte) string {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		if _, err := z.Write(content); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	return string(pack(map[string]string{"metadata.gz": zip([]byte(spec)), "data.tar.gz": zip(pack(files))}))
}

// debianGem makes a gem of one that Debian's Ruby comes with, so that it can
// be in a repository's vendor/cache as from RubyGems.
func (w *world) debianGem(name string) (file, content string) {
	w.Helper()
	s, err := stack()
	if err != nil {
		w.Fatal(err)
	}
	var out bytes.Buffer
	run, err := w.engine.Run(w.Context(), appliance.RunSpec{
		App: w.app, Image: s, Out: &out, Collect: "/tmp/gem", Command: []string{"ruby", "-rfileutils", "-rrubygems/package", "-e",
			"s = Gem::Specification.find_by_name(ARGV[0]).dup; FileUtils.cp_r s.gem_dir, '/tmp/src'; Dir.chdir '/tmp/src'; FileUtils.mkdir_p 'lib';" +
				// Debian has the files elsewhere.
				" FileUtils.cp_r Dir[\"/usr/lib/ruby/vendor_ruby/#{ARGV[0]}{,.rb}\"], 'lib';" +
				" s.require_paths = ['lib']; s.files = Dir['**/*'].select { |f| File.file? f };" +
				" STDERR.puts s.version; Gem::Package.build s, true, false, '/tmp/gem' rescue (STDERR.puts $!; exit 1)", name},
	})
	if err != nil || run.Status != 0 {
		w.Fatalf("%v\n%s", err, out.String())
	}
	version, _, _ := strings.Cut(strings.TrimSpace(out.String()), "\n")
	return name + "-" + version + ".gem", string(run.Collected)
}

// gemfile is a Gemfile.lock, and the Gemfile that it is of.
func gemfile(more string, gems ...string) map[string]string {
	files := map[string]string{"Gemfile": "source \"https://rubygems.org\"\n"}
	lock := "GEM\n  remote: https://rubygems.org/\n  specs:\n"
	wants := ""
	for _, g := range gems {
		g = strings.TrimSuffix(g, ".gem")
		i := strings.LastIndex(g, "-")
		lock += fmt.Sprintf("    %s (%s)\n", g[:i], g[i+1:])
		wants += "  " + g[:i] + "\n"
		files["Gemfile"] += fmt.Sprintf("gem %q\n", g[:i])
	}
	files["Gemfile.lock"] = lock + "\nPLATFORMS\n  ruby\n\nDEPENDENCIES\n" + wants + more + "\nBUNDLED WITH\n   2.6.2\n"
	return files
}

func TestRubyAppWithItsGemsInTheRepositoryAnswers(t *testing.T) {
	w := newWorld(t)
	webrick, content := w.debianGem("webrick")
	files := gemfile("", "greeting-1.0.0.gem", webrick)
	files["vendor/cache/"+webrick] = content
	files["vendor/cache/greeting-1.0.0.gem"] = gem(t, "greeting", "1.0.0", map[string]string{
		"ext/extconf.rb": "require 'mkmf'; create_makefile 'greeting'",
		"ext/greeting.c": "#include <ruby.h>\nstatic VALUE text(VALUE self) { return rb_str_new_cstr(\"compiled\"); }\nvoid Init_greeting(void) { rb_define_singleton_method(rb_define_module(\"Greeting\"), \"text\", text, 0); }\n",
	})
	files[".bundle/config"] = "---\nBUNDLE_PATH: \"/nowhere\"\n"
	files["Procfile"] = "web: bundle exec ruby server.rb\n"
	files["server.rb"] = "require 'webrick'; require 'greeting'\ns = WEBrick::HTTPServer.new(Port: ENV['PORT']); s.mount_proc('/') { |q, r| r.body = Greeting.text + ' ' + ENV['RACK_ENV'] }; trap('TERM') { s.shutdown }; s.start\n"

	r, first := w.mustBuild(source(t, files), nil)
	_, body := w.get(w.start(r, "web"), "/")
	_, second := w.mustBuild(source(t, files), nil)

	if body != "compiled production" {
		t.Errorf("answer = %q\n%s", body, first)
	}
	if !strings.HasPrefix(first, "-----> Ruby app (Gemfile), buildpack ruby (built in)\n") || !strings.Contains(first, "vendor/cache has them all") {
		t.Errorf("the first build:\n%s", first)
	}
	if !strings.Contains(second, "-----> Using the gems of the last build") || strings.Contains(second, "Installing greeting") {
		t.Errorf("the second build installs again:\n%s", second)
	}
}

func TestRakeCompilesAssets(t *testing.T) {
	w := newWorld(t)
	rake, content := w.debianGem("rake")
	files := gemfile("", rake)
	files["vendor/cache/"+rake] = content
	files["Procfile"] = "web: true\n"
	files["Rakefile"] = `task "assets:precompile" do
  mkdir_p "public/assets"; mkdir_p "tmp/cache/assets"
  File.write "public/assets/site.css", [ENV["RAILS_ENV"], ENV["TOKEN"], !!ENV["SECRET_KEY_BASE"], File.exist?("tmp/cache/assets/kept")].join(" ")
  File.write "tmp/cache/assets/kept", ""
end
`

	r, out := w.mustBuild(source(t, files), map[string]string{"TOKEN": "t0"})
	first := w.run(r, "cat", "/app/public/assets/site.css")
	r, _ = w.mustBuild(source(t, files), map[string]string{"TOKEN": "t0"})
	second := w.run(r, "cat", "/app/public/assets/site.css")
	files["public/assets/manifest-1.json"] = "{}"
	_, there := w.mustBuild(source(t, files), nil)
	delete(files, "public/assets/manifest-1.json")
	files["Rakefile"] = `task("assets:precompile") { abort "no such image" }`

	if first != "production t0 true false" || second != "production t0 true true" || !strings.Contains(out, "-----> rake assets:precompile") {
		t.Errorf("assets = %q, then %q\n%s", first, second, out)
	}
	if !strings.Contains(there, "Assets are there already") || strings.Contains(there, "-----> rake") {
		t.Errorf("with a manifest:\n%s", there)
	}
	w.mustFail(source(t, files), "rake assets:precompile ended with status 1", "the lines above say why")
}

func TestRackAppsStartWithTheServerThatIsThere(t *testing.T) {
	w := newWorld(t)
	for name, test := range map[string]struct{ gems, file, web string }{
		"rack":  {"rack-3.1.0", "config.ru", "bundle exec rackup -o 0.0.0.0 -p $PORT config.ru"},
		"puma":  {"rack-3.1.0 puma-6.4.0", "config.ru", "bundle exec puma -b tcp://0.0.0.0:$PORT config.ru"},
		"rails": {"railties-7.1.0", "bin/rails", "bin/rails server -b 0.0.0.0 -p $PORT -e $RAILS_ENV"},
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{T: t, engine: w.engine, app: "blog"}
			files := gemfile("", strings.Fields(test.gems)...)
			files[test.file] = "# nothing\n"
			for g := range strings.FieldsSeq(test.gems) {
				i := strings.LastIndex(g, "-")
				files["vendor/cache/"+g+".gem"] = gem(t, g[:i], g[i+1:], map[string]string{"lib/x.rb": ""})
			}

			r, out := w.mustBuild(source(t, files), nil)

			if r.Procfile["web"] != test.web || slices.Contains(r.Secrets, "SECRET_KEY_BASE") != (name == "rails") {
				t.Errorf("web = %q, want %q; secrets: %q\n%s", r.Procfile["web"], test.web, r.Secrets, out)
			}
		})
	}
}

func TestRubyAppSaysWhatItLacks(t *testing.T) {
	w := newWorld(t)
	with := func(change func(files map[string]string)) string {
		files := gemfile("", "missing-1.0.0")
		files["Procfile"] = "web: true\n"
		change(files)
		return source(t, files)
	}

	w.mustFail(with(func(f map[string]string) { delete(f, "Gemfile.lock") }), "no Gemfile.lock", "bundle lock")
	w.mustFail(with(func(f map[string]string) { f["Gemfile.lock"] += "\nRUBY VERSION\n   ruby 3.3.0p0\n" }), "asks for Ruby 3.3.0 (Gemfile.lock), and the stack has 3.1.", "buildpacks:set blog heroku/ruby")
	w.mustFail(with(func(f map[string]string) { f["Gemfile"] += "ruby '~> 2.7'\n" }), "asks for Ruby ~> 2.7 (Gemfile)", "buildpacks:set blog heroku/ruby")
	w.mustFail(with(func(f map[string]string) {
		f["vendor/cache/missing-1.0.0.gem"] = gem(t, "missing", "1.0.0", map[string]string{"lib/missing.rb": ""})
		f["Gemfile.lock"] = strings.ReplaceAll(f["Gemfile.lock"], "  ruby\n", "  arm64-darwin-23\n")
	}), "Gemfile.lock is not for Linux: its platforms are arm64-darwin-23", "bundle lock --add-platform")
}
