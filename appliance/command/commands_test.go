package command_test

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/await"
	"github.com/berthhq/berth/appliance/pipeline"
)

func TestDestroyAsksForTheName(t *testing.T) {
	for answer, destroyed := range map[string]bool{"blog\n": true, "blog": true, " blog \n": true, "": false, "yes\n": false, "api\n": false, "\nblog\n": false, strings.Repeat("x", 1<<20): false} {
		w := newWorld(t)

		r := w.runWith(answer, ada, "apps:destroy", "blog")

		_, err := w.Store.App(t.Context(), "blog")
		if gone := errors.Is(err, appliance.ErrNotFound); gone != destroyed || (r.err == nil) != destroyed {
			t.Errorf("answer %.20q: destroyed %v, %v, want %v", answer, gone, r.err, destroyed)
		}
		if !strings.Contains(r.stderr, `type "blog"`) {
			t.Errorf("it did not ask: %q", r.stderr)
		}
	}
	w := newWorld(t)
	if out := w.ok("apps:destroy", "--force", "blog"); out != "Destroying blog\n" {
		t.Errorf("apps:destroy --force printed %q", out)
	}
	if r := w.run(ada, "apps:destroy", "blog", "--force"); !errors.Is(r.err, appliance.ErrNotFound) {
		t.Errorf("again: %v, want ErrNotFound", r.err)
	}
}

func TestConfigIsSetShownAndTakenBack(t *testing.T) {
	w := newWorld(t)
	w.deploy("blog", "")

	out := w.ok("config:set", "blog", "GREETING=hi there", "B=x=y")

	if !strings.HasPrefix(out, "-----> Setting B GREETING\n") || strings.Contains(out, "hi there") || !strings.Contains(out, "blog v2") {
		t.Errorf("config:set printed:\n%s", out)
	}
	if got := w.ok("config:get", "blog", "B"); got != "x=y\n" {
		t.Errorf("config:get = %q", got)
	}
	if got := w.ok("config", "blog"); got != "=====> blog env vars\nB:         x=y\nGREETING:  hi there\n" {
		t.Errorf("config = %q", got)
	}
	if got := w.ok("config:unset", "blog", "B", "--no-restart"); got != "-----> Unsetting B\n" {
		t.Errorf("config:unset = %q", got)
	}
	if r := w.run(ada, "config:get", "blog", "B"); !errors.Is(r.err, appliance.ErrNotFound) {
		t.Errorf("config:get of nothing: %v", r.err)
	}
	releases, err := w.Store.Releases(t.Context(), "blog", -1)
	if err != nil || len(releases) != 2 || releases[0].Reason != "config:set B GREETING" {
		t.Errorf("releases = %+v, %v", releases, err)
	}
	for _, bad := range []string{"1A=x", "A-B=x", "=x", "novalue"} {
		if r := w.run(ada, "config:set", "blog", "GOOD=1", bad); !errors.Is(r.err, appliance.ErrInvalid) {
			t.Errorf("config:set %s: %v, want ErrInvalid", bad, r.err)
		}
	}
	if r := w.run(ada, "config:get", "blog", "GOOD"); !errors.Is(r.err, appliance.ErrNotFound) {
		t.Errorf("what came with a bad pair was set: %v", r.err)
	}
}

func TestScaleTakesWhatMakesSense(t *testing.T) {
	w := newWorld(t)
	w.deploy("blog", "web: serve\nworker: serve\n")
	for arg, want := range map[string]error{
		"web": appliance.ErrInvalid, "web=": appliance.ErrInvalid, "web=-2": appliance.ErrInvalid, "web=+50": appliance.ErrInvalid, "web=+": appliance.ErrInvalid, "web=51": appliance.ErrInvalid, "web=1.5": appliance.ErrInvalid,
		"web=99999999999999999999": appliance.ErrInvalid, "=1": appliance.ErrInvalid, "web=1=2": appliance.ErrInvalid, "a b=1": appliance.ErrInvalid, "../x=1": appliance.ErrInvalid,
		"clock=1": appliance.ErrNotFound,
	} {
		if r := w.run(ada, "ps:scale", "blog", "worker=3", arg); !errors.Is(r.err, want) || appliance.HintOf(r.err) == "" {
			t.Errorf("ps:scale %q: %v, want %v with a hint", arg, r.err, want)
		}
	}
	if got := w.ok("ps:scale", "blog", "--quiet"); got != "web: 1\nworker: 0\n" {
		t.Errorf("ps:scale shows %q, want nothing changed", got)
	}

	w.ok("ps:scale", "blog", "web=2", "--skip-deploy")
	if got := w.ok("ps", "blog", "--quiet"); strings.Count(got, "\n") != 1 {
		t.Errorf("ps shows, before there is a deploy:\n%s", got)
	}
	out := w.ok("ps:scale", "blog", "web=+0", "worker=+1")

	if !strings.HasPrefix(out, "-----> Scaling web to 2\n-----> Scaling worker to 1\n") {
		t.Errorf("ps:scale printed:\n%s", out)
	}
	w.Wait()
	if got := w.ok("ps", "blog", "--quiet"); strings.Count(got, " running ") != 3 || !strings.Contains(got, "worker.1") {
		t.Errorf("ps shows:\n%s", got)
	}
	want := "=====> Scaling for blog\nproctype: qty\n--------: ---\nweb: 2\nworker: 1\n"
	if got := w.ok("ps:scale", "blog"); got != want {
		t.Errorf("ps:scale printed %q, want %q", got, want)
	}
	if got := w.ok("ps:scale", "blog", "--format", "json"); !strings.Contains(got, `{"process_type":"worker","quantity":1}`) {
		t.Errorf("ps:scale --format json printed %s", got)
	}
}

func TestWhatCrashedIsSeen(t *testing.T) {
	w := newWorld(t)
	w.deploy("blog", "")
	w.ok("ps:set", "blog", "restart-policy", "no")
	if r := w.run(ada, "ps:set", "blog", "restart-policy", "often"); !errors.Is(r.err, appliance.ErrInvalid) {
		t.Errorf("ps:set restart-policy often: %v, want ErrInvalid", r.err)
	}
	all, err := w.Engine.Processes(t.Context(), "blog")
	w.must(err)

	w.engine.Exit(all[0].ID, 3)
	await.That(t, "it has ended", func() bool {
		all, err = w.Engine.Processes(t.Context(), "blog")
		return err == nil && !all[0].Running
	})
	w.must(w.Restore(t.Context(), "blog"))

	if got := w.ok("ps", "blog", "--quiet"); !regexp.MustCompile(`^web.1 +v1 +crashed +restarts 0 +exited with status 3\n$`).MatchString(got) {
		t.Errorf("ps shows:\n%s", got)
	}
	report := w.ok("ps:report", "blog")
	for _, want := range []string{"Restart policy:                no\n", "Running:                       false\n", "Status web 1:                  crashed (CID: ", "Computed stop timeout seconds: 10\n"} {
		if !strings.Contains(report, want) {
			t.Errorf("ps:report lacks %q:\n%s", want, report)
		}
	}
	if got := w.ok("ps:report", "blog", "--ps-running"); got != "false\n" {
		t.Errorf("ps:report --ps-running = %q", got)
	}
	if got := w.ok("events", "blog"); !strings.Contains(got, "web.1: exited with status 3; it is not started again") {
		t.Errorf("events:\n%s", got)
	}
}

func TestAppIsStoppedAndStarted(t *testing.T) {
	w := newWorld(t)
	w.deploy("blog", "")

	out := w.ok("ps:stop", "blog")
	if got := w.ok("ps", "blog", "--quiet"); got != "" || !strings.Contains(out, "=====> blog is stopped (1 process ended in ") {
		t.Errorf("ps shows %q after:\n%s", got, out)
	}
	if out := w.ok("config:set", "blog", "KEY=v"); !strings.Contains(out, "blog is stopped: ps:start blog starts it") {
		t.Errorf("config:set printed:\n%s", out)
	}
	w.ok("ps:start", "blog")
	w.Wait()
	if got := w.ok("ps", "blog", "--quiet"); strings.Count(got, "running") != 1 {
		t.Errorf("ps shows:\n%s", got)
	}
	if out := w.ok("ps:restart", "blog", "web.1"); !strings.Contains(out, "web.1 of blog restarted in ") {
		t.Errorf("ps:restart web.1 printed:\n%s", out)
	}
	if r := w.run(ada, "ps:restart", "blog", "clock"); !errors.Is(r.err, appliance.ErrNotFound) {
		t.Errorf("ps:restart clock: %v, want ErrNotFound", r.err)
	}
}

func TestWhatWasNotDeployedYetIsSaidSo(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"ps:restart", "ps:start", "ps:stop", "logs"} {
		if r := w.run(ada, name, "blog"); r.err == nil || !strings.Contains(r.err.Error(), "blog has not been deployed") || !strings.Contains(appliance.HintOf(r.err), "git push") {
			t.Errorf("%s: %v", name, r.err)
		}
	}
	w.ok("ps:scale", "blog", "web=2") // for the first deploy
	w.deploy("blog", "")
	if got := w.ok("ps", "blog", "--quiet"); strings.Count(got, "running") != 2 {
		t.Errorf("ps shows:\n%s", got)
	}
}

func TestMissingAppIsItsOwnError(t *testing.T) {
	w := newWorld(t)
	for _, c := range w.All() {
		if !strings.HasPrefix(c.Args, "<app>") || c.Name == "apps:create" {
			continue
		}
		line := args(c)
		line[1] = "gone"
		line = append(line, map[string][]string{"apps:destroy": {"--force"}}[c.Name]...)
		if c.Name == "checks:set" {
			line[2], line[3] = "path", "/up"
		}

		r := w.run(ada, line...)

		if !errors.Is(r.err, appliance.ErrNotFound) {
			t.Errorf("%q: %v, want ErrNotFound", line, r.err)
		}
		if _, ok := errors.AsType[*appliance.NoAppError](r.err); !ok && !slices.Contains([]string{"domains:remove", "access:grant", "access:revoke"}, c.Name) {
			t.Errorf("%q: %v, want a NoAppError", line, r.err)
		}
	}
}

func TestLogsNameTheProcessOfEachLine(t *testing.T) {
	w := newWorld(t)
	w.ok("ps:scale", "blog", "web=2")
	w.deploy("blog", "")

	var out string
	await.That(t, "both have printed a line", func() bool {
		out = w.ok("logs", "blog")
		return strings.Count(out, "\n") == 2
	})

	line := regexp.MustCompile(`^\d{4}-\d\d-\d\dT[0-9:.]+Z app\[web\.[12]\]: listening on \[::\]:5000$`)
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	if len(lines) != 2 || !line.MatchString(lines[0]) || !line.MatchString(lines[1]) {
		t.Errorf("logs printed:\n%s", out)
	}
	if out := w.ok("logs", "blog", "-p", "web.2"); strings.Count(out, "\n") != 1 || !strings.Contains(out, "app[web.2]") {
		t.Errorf("logs -p web.2 printed:\n%s", out)
	}
	if out := w.ok("logs", "blog", "--ps=worker"); out != "" {
		t.Errorf("logs -p worker printed:\n%s", out)
	}
	if out := w.ok("logs", "blog", "-q", "-n", "1", "-p", "web.1"); out != "listening on [::]:5000\n" {
		t.Errorf("logs -q printed:\n%s", out)
	}
}

func TestEventsShowWhoDidWhat(t *testing.T) {
	w := newWorld(t)
	w.run(bob, "config:set", "blog", "KEY=v")
	w.run(eve, "config", "blog")
	w.run(ada, "apps:create", "shop")

	all, one, last := w.ok("events"), w.ok("events", "blog"), w.ok("events", "-n", "1")

	if !strings.Contains(all, "bob") || !strings.Contains(all, "config:set") || !strings.Contains(all, "config blog: permission denied") || !strings.Contains(all, "shop") {
		t.Errorf("events:\n%s", all)
	}
	if !strings.Contains(one, "KEY: ok (from 192.0.2.1)\n") {
		t.Errorf("events do not say where bob came from:\n%s", one)
	}
	if strings.Contains(one, "shop") || !strings.Contains(one, "bob") {
		t.Errorf("events of blog:\n%s", one)
	}
	if strings.Count(last, "\n") != 1 || !strings.Contains(last, "apps:create") {
		t.Errorf("last event:\n%s", last)
	}
}

// keygen makes a key pair and returns both files.
func keygen(t *testing.T, args ...string) (public, private string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key")
	if out, err := exec.Command("ssh-keygen", append([]string{"-q", "-N", "", "-C", "c", "-f", file}, args...)...).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen %v: %v\n%s", args, err, out)
	}
	a, err1 := os.ReadFile(file + ".pub")
	b, err2 := os.ReadFile(file)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	return string(a), string(b)
}

func TestKeysAreAddedOneByOne(t *testing.T) {
	w := newWorld(t)
	good, private := keygen(t, "-t", "ed25519")
	other, _ := keygen(t, "-t", "ecdsa")
	short, shortPrivate := keygen(t, "-t", "rsa", "-b", "1024")
	for name, tt := range map[string]struct{ stdin, want string }{
		"private":           {private, "this is a private key"},
		"private RSA":       {shortPrivate, "this is a private key"},
		"nothing":           {"", "no public key"},
		"no key":            {"hello\n", "no public key"},
		"broken":            {"ssh-ed25519 AAAA\n", "no public key"},
		"two":               {good + other, "more than one"},
		"two with comments": {good + "# and\n\n" + other, "more than one"},
		"short RSA":         {short, "RSA key below 2048 bits"},
		"DSA":               {"ssh-dss AAAAB3NzaC1kc3MAAACBAKHd1rpQUdv2h0SvqJ4PZPcZYzkkQTrZQGlNW0xlYyTn1kvNPGyPZTpfXqI7pCq2Wr4qZAf7eRvGFvJcUJ+5g8bTmV4E/MCyKkY6cDd0kPLWqvZEk0jB9mdp9nKRv0O3CF6g4uH7zbLbVJ5b3w9Fkn9P0xMPmvfVUBF1VbHa3b5LAAAAFQC7 x\n", "no public key"},
	} {
		r := w.runWith(tt.stdin, ada, "ssh-keys:add", "zoe")

		if r.err == nil || !strings.Contains(r.err.Error(), tt.want) || appliance.HintOf(r.err) == "" {
			t.Errorf("%s: %v, want %q", name, r.err, tt.want)
		}
		if strings.Contains(r.err.Error(), "BEGIN") {
			t.Errorf("%s: the error quotes the key: %v", name, r.err)
		}
	}
	for _, name := range []string{"", "-x", "../x", "a b", "a\nb", "a'b", strings.Repeat("a", 65)} {
		if r := w.runWith(good, ada, "ssh-keys:add", "--", name); !errors.Is(r.err, appliance.ErrInvalid) {
			t.Errorf("name %q: %v, want ErrInvalid", name, r.err)
		}
	}
	if keys, err := w.Store.Keys(t.Context()); err != nil || len(keys) != 5 {
		t.Fatalf("keys = %v, %v, want none added", keys, err)
	}

	first := w.runWith(good, ada, "ssh-keys:add", "zoe@laptop", "--admin")
	again := w.runWith(good, ada, "ssh-keys:add", "zoe@laptop", "--admin")
	lower := w.runWith(good, ada, "ssh-keys:add", "zoe@laptop")

	if first.err != nil || !strings.HasPrefix(first.stdout, "SHA256:") || again.err != nil || !strings.Contains(again.stdout, "there already") {
		t.Errorf("added: %+v, again: %+v", first, again)
	}
	if !errors.Is(lower.err, appliance.ErrExists) {
		t.Errorf("with other rights: %v, want ErrExists", lower.err)
	}
	if list := w.ok("ssh-keys:list"); !strings.Contains(list, `NAME="zoe@laptop" admin`) {
		t.Errorf("ssh-keys:list:\n%s", list)
	}
}

// An authorized_keys line may carry options that sshd obeys. We are not sshd:
// what they say is not stored, and gives nothing.
func TestOptionsOfAKeyAreNotKept(t *testing.T) {
	w := newWorld(t)
	good, _ := keygen(t, "-t", "ed25519")

	r := w.runWith(`command="rm -rf /",environment="ADMIN=1",no-pty `+good, ada, "ssh-keys:add", "zoe")

	if r.err != nil {
		return // refusing it is as good
	}
	key, err := w.Store.Key(t.Context(), strings.TrimSpace(r.stdout))
	if err != nil || key.Admin || !strings.HasPrefix(key.Public, "ssh-ed25519 ") || strings.Contains(key.Public, "command") {
		t.Errorf("key = %+v, %v, want the bare key", key, err)
	}
}

// To leave a limit away would let in more than was meant.
func TestKeyWithALimitThatIsNotKeptIsRefused(t *testing.T) {
	w := newWorld(t)
	good, _ := keygen(t, "-t", "ed25519")
	for _, option := range []string{`from="10.0.0.0/8"`, `restrict,EXPIRY-TIME="20300101"`, "cert-authority"} {
		if r := w.runWith(option+" "+good, ada, "ssh-keys:add", "zoe"); !errors.Is(r.err, appliance.ErrInvalid) || appliance.HintOf(r.err) == "" {
			t.Errorf("%s: %v, want it refused", option, r.err)
		}
	}
	if r := w.runWith("restrict,no-pty "+good, ada, "ssh-keys:add", "zoe"); r.err != nil {
		t.Errorf("with options that hold for all keys: %v", r.err)
	}
}

func TestKeyIsRenamedAndFoundByItsFingerprint(t *testing.T) {
	w := newWorld(t)

	w.ok("ssh-keys:rename", "bob", "robert")

	robert := appliance.Actor{Name: "robert", Door: appliance.SSH}
	if r := w.run(robert, "config", "blog"); r.err != nil {
		t.Errorf("under the new name: %v, want the access of before", r.err)
	}
	if r := w.run(bob, "config", "blog"); !errors.Is(r.err, appliance.ErrDenied) {
		t.Errorf("under the old name: %v, want ErrDenied", r.err)
	}
	for line, want := range map[string]error{"ssh-keys:rename bob x": appliance.ErrNotFound, "ssh-keys:rename robert eve": appliance.ErrExists, "ssh-keys:rename robert @x": appliance.ErrInvalid, "ssh-keys:remove --fingerprint robert": appliance.ErrNotFound, "ssh-keys:list bob": appliance.ErrNotFound} {
		if r := w.run(ada, strings.Fields(line)...); !errors.Is(r.err, want) {
			t.Errorf("%s: %v, want %v", line, r.err, want)
		}
	}
	w.ok("ssh-keys:remove", "--fingerprint", "SHA256:bob")
	if r := w.run(ada, "ssh-keys:list", "robert"); !errors.Is(r.err, appliance.ErrNotFound) {
		t.Errorf("after its removal: %v, want ErrNotFound", r.err)
	}
}

func TestWhoeverSharesAHostManagesAllOfItsApps(t *testing.T) {
	w := newWorld(t)
	w.deploy("blog", "")
	w.ok("domains:set-global", "apps.test")
	w.ok("domains:add", "blog", "example.test", "*.wild.test", "Bücher.test")
	w.ok("apps:create", "other")

	// A page below the path of a host can do what the host's own pages can do.
	for _, domain := range []string{"example.test/api", "blog.apps.test/login", "shop.wild.test", "shop.wild.test/x", "*.apps.test"} {
		if r := w.run(carol, "domains:add", "api", domain); !errors.Is(r.err, appliance.ErrDenied) {
			t.Errorf("domains:add api %s: %v, want ErrDenied for a key without access to blog", domain, r.err)
		}
	}
	for _, domain := range []string{"example.test", "*.wild.test", "xn--bcher-kva.test"} {
		r := w.run(carol, "domains:add", "api", domain)
		if !errors.Is(r.err, appliance.ErrExists) || !strings.Contains(r.err.Error(), "leads to the app blog") {
			t.Errorf("domains:add api %s: %v, want ErrExists that says where it leads", domain, r.err)
		}
	}
	w.ok("domains:add", "api", "example.test/api", "shop.wild.test", "*.apps.test", "mine.test/x")
	if r := w.run(carol, "domains:add", "api", "free.test", "*.free.test", "example.test.free.test/api"); r.err != nil {
		t.Errorf("domains:add of what is free: %v", r.err)
	}
	if r := w.run(ada, "domains:add", "other", "mine.test"); r.err != nil {
		t.Errorf("domains:add by an admin: %v", r.err)
	}
	if got := w.ok("url", "api"); got != "https://free.test\n" && got != "https://shop.wild.test\n" {
		t.Errorf("url = %q, want a host without a path", got)
	}
	if got := w.ok("urls", "api"); strings.Contains(got, "*") || !strings.Contains(got, "https://example.test/api\n") {
		t.Errorf("urls = %q, want what can be opened", got)
	}
	w.ok("domains:remove", "api", "EXAMPLE.test/api/")
	if r := w.run(ada, "apps:create", "fresh"); r.err != nil {
		t.Errorf("apps:create below a wildcard: %v", r.err)
	}
	w.ok("domains:add", "other", "taken.apps.test/path")
	if r := w.run(ada, "apps:create", "taken"); !errors.Is(r.err, appliance.ErrExists) {
		t.Errorf("apps:create of an app whose host another has a path of: %v, want ErrExists", r.err)
	}
}

func TestTheOverlapOfAnAppIsSetAsInDokku(t *testing.T) {
	w := newWorld(t)
	w.deploy("blog", "")

	w.ok("checks:disable", "blog")
	if got := w.ok("checks:report", "blog", "--format", "json"); !strings.Contains(got, `"overlap":"off"`) {
		t.Errorf("checks:report = %s, want overlap off", got)
	}
	w.ok("checks:enable", "blog")
	w.ok("checks:set", "blog", "path", "/up")
	if got := w.ok("checks:report", "blog", "--quiet"); !strings.Contains(got, "check-path       /up\n") || !strings.Contains(got, "overlap          unless app.json") {
		t.Errorf("checks:report = %q", got)
	}
	w.ok("checks:set", "blog", "overlap", "on")
	w.ok("checks:skip", "blog")
	if got := w.ok("checks:report", "blog", "--format", "json"); !strings.Contains(got, `"overlap":"","skipped":"true"`) {
		t.Errorf("checks:report = %s, want the checks skipped", got)
	}
	w.ok("checks:set", "blog", "path")
	if out := w.ok("checks:run", "blog", "web"); out != "-----> Running pre-flight checks\n-----> Attempting pre-flight checks (web.1)\n-----> All checks successful (web.1)\n" {
		t.Errorf("checks:run printed:\n%s", out)
	}
	w.ok("checks:set", "blog", "timeout", "1")
	w.ok("checks:set", "blog", "path", "/exit/1")
	if r := w.run(ada, "checks:run", "blog"); r.err == nil || !strings.Contains(r.err.Error(), "checks failed: web.1") {
		t.Errorf("checks:run of what does not answer: %v\n%s", r.err, r.stdout)
	}
	if r := w.run(ada, "checks:set", "blog", "wait-to-retire", "soon"); !errors.Is(r.err, appliance.ErrInvalid) {
		t.Errorf("checks:set wait-to-retire soon: %v, want ErrInvalid", r.err)
	}
	if r := w.run(ada, "checks:set", "blog", "overlap", "perhaps"); !errors.Is(r.err, appliance.ErrInvalid) {
		t.Errorf("checks:set overlap perhaps: %v, want ErrInvalid", r.err)
	}
}

func TestDomainsLeadWhereTheyAreFree(t *testing.T) {
	w := newWorld(t)
	w.deploy("blog", "")

	w.ok("domains:add", "blog", "WWW.example.test", "blog.example.test")
	w.ok("domains:add", "blog", "www.example.test") // as it is

	if got := w.ok("domains", "blog", "--quiet"); got != "blog.example.test\nwww.example.test\nblog.localhost\n" {
		t.Errorf("domains = %q", got)
	}
	if got := w.ok("url", "blog"); got != "https://blog.example.test\n" || !w.Router.Serves("www.example.test") {
		t.Errorf("url = %q, www is served: %v", got, w.Router.Serves("www.example.test"))
	}
	for host, want := range map[string]error{
		"www.example.test": appliance.ErrExists, "blog.localhost": appliance.ErrExists, "https://x.test": appliance.ErrInvalid, "localhost": appliance.ErrInvalid, "127.1": appliance.ErrInvalid,
	} {
		if r := w.run(carol, "domains:add", "api", host); !errors.Is(r.err, want) {
			t.Errorf("domains:add api %s: %v, want %v", host, r.err, want)
		}
	}
	w.ok("domains:remove", "blog", "www.example.test")
	if w.Router.Serves("www.example.test") {
		t.Error("www is still served")
	}
	// A domain of all apps must not give one app the host of another.
	w.ok("domains:add", "blog", "api.apps.test")
	if r := w.run(ada, "domains:set-global", "apps.test"); !errors.Is(r.err, appliance.ErrExists) || !strings.Contains(appliance.HintOf(r.err), "domains:remove blog api.apps.test") {
		t.Errorf("domains:set-global: %v (%s)", r.err, appliance.HintOf(r.err))
	}
	w.ok("domains:remove", "blog", "api.apps.test")
	w.ok("domains:set-global", "apps.test")
	if !w.Router.Serves("blog.apps.test") || w.Router.Serves("blog.localhost") {
		t.Error("the apps are not where they should be")
	}
	w.ok("domains:clear-global")
	if !w.Router.Serves("blog.localhost") {
		t.Error("the apps are not back")
	}
}

func TestSettingsTakeWhatMakesSense(t *testing.T) {
	w := newWorld(t)
	for line, ok := range map[string]bool{
		"git:set blog deploy-branch release/2026": true, "git:set blog deploy-branch": true, "git:set blog deploy-branch ../x": false, "git:set blog deploy-branch -x": false,
		"git:set blog deploy-branch a..b": false, "git:set blog deploy-branch x.lock": false, "git:set blog nope x": false,
		"checks:set blog path /up": true, "checks:set blog path tcp": true, "checks:set blog path": true, "checks:set blog path up": false, "checks:set blog path http://x": false,
		"checks:set blog timeout 120": true, "checks:set blog timeout 0": false, "checks:set blog timeout -5": false, "checks:set blog timeout 1h": false, "checks:set blog timeout 3601": false, "checks:set blog nope 1": false,
		"letsencrypt:set email ada@example.test": true, "letsencrypt:set --global email": true, "letsencrypt:set email nobody": false, "letsencrypt:set server http://x": false, "letsencrypt:set server https://acme.example.test/dir": true,
		"stack:set --global heroku/heroku:24-build": true, "stack:set --global": true, "stack:set blog heroku-24": true, "stack:set blog debian-12": true, "stack:set blog": true,
		"stack:set": false, "stack:set blog -x": false, "stack:set blog $(id)": false, "stack:set --global container": false, "stack:set heroku-24": false,
	} {
		if r := w.run(ada, strings.Fields(line)...); (r.err == nil) != ok {
			t.Errorf("%s: %v, want it taken: %v", line, r.err, ok)
		}
	}
	w.ok("checks:set", "blog", "timeout", "7")
	if v, err := w.Store.AppSetting(t.Context(), "blog", pipeline.CheckTimeoutSetting); err != nil || v != "7" {
		t.Errorf("setting = %q, %v", v, err)
	}
}

func TestStackStaysWhenAnImportFails(t *testing.T) {
	w := newWorld(t)
	w.Wait() // nothing else asks the engine
	w.engine.Refuse(func(string) error { return io.ErrUnexpectedEOF })
	w.ok("stack:set", "--global", "heroku/heroku:24-build")

	r := w.runWith("no tar", ada, "stack:import")
	w.engine.Refuse(nil)

	if set := w.ok("stack:report"); r.err == nil || set != "base: heroku/heroku:24-build\n" {
		t.Errorf("import: %v, then %q, want what was set", r.err, set)
	}
}

func TestReportTellsWhereToPush(t *testing.T) {
	w := newWorld(t)

	out := w.ok("report")

	for _, want := range []string{"version:      1.2.3", "https://<app>.localhost", ":2222/<app>", "SHA256:"} {
		if !strings.Contains(out, want) {
			t.Errorf("report lacks %q:\n%s", want, out)
		}
	}
	if got := w.ok("version"); got != "berth 1.2.3\n" {
		t.Errorf("version = %q", got)
	}
	if root := w.ok("certs:root"); !strings.HasPrefix(root, "-----BEGIN CERTIFICATE-----") || strings.Contains(root, "KEY") {
		t.Errorf("certs:root printed %.60q", root)
	}
}
