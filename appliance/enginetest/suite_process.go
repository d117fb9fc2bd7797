package enginetest

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/berthhq/berth/appliance"
)

var processPromises = []promise{
	{"a started process is listed with all that was said of it", func(w *world) {
		began := time.Now().Add(-time.Second)
		started := w.start(appliance.ProcessSpec{Type: "web", Release: 7, Generation: "g7", Port: 8080, Replicas: 2, First: 3})

		listed := w.processes()

		if !slices.Equal(listed, started) {
			w.Errorf("Processes = %v, want what Start returned: %v", listed, started)
		}
		for i, p := range listed {
			if p.App != w.app || p.Type != "web" || p.Release != 7 || p.Generation != "g7" || p.Index != 3+i {
				w.Errorf("process = %+v, want what was asked for", p)
			}
			if !p.Running || p.Kept != appliance.Never || p.Restarting || p.Addr == "" || p.Started.Before(began) || p.Started.After(time.Now()) {
				w.Errorf("process = %+v, want one that has just started", p)
			}
		}
	}},

	{"a process is reached at its address, with its environment", func(w *world) {
		p := w.start(appliance.ProcessSpec{Port: 5000, Env: []string{"PORT=5000", "GREETING=engine"}})[0]

		w.eventually("it answers", func() bool { return get(p.Addr, "/") == "hello engine" })
	}},

	{"a process that listens on nothing has no address", func(w *world) {
		if p := w.start(appliance.ProcessSpec{Type: "worker"})[0]; p.Addr != "" {
			w.Errorf("address = %q, want none", p.Addr)
		}
	}},

	{"a process that is restarted runs again at once, whatever was said of its end", func(w *world) {
		p := w.start(appliance.ProcessSpec{Port: 8080})[0]

		if err := w.e.Restart(w.Context(), time.Minute, p.ID); err != nil {
			w.Fatal(err)
		}

		now := w.process(p.ID)
		if !now.Running || !now.Started.After(p.Started) || now.Restarts != 0 || now.Kept != appliance.Never {
			w.Errorf("process = %+v, want it running anew", now)
		}
		w.eventually("it answers", func() bool { return get(w.process(p.ID).Addr, "/") != "" })
		if err := w.e.Restart(w.Context(), time.Minute, "none"); !errors.Is(err, appliance.ErrNotFound) {
			w.Errorf("restart of nothing = %v, want ErrNotFound", err)
		}
	}},

	{"the restarts of a process that is restarted begin anew", func(w *world) {
		p := w.start(appliance.ProcessSpec{Port: 8080})[0]
		if err := w.e.Keep(w.Context(), appliance.Always, p.ID); err != nil {
			w.Fatal(err)
		}
		w.eventually("it answers", func() bool { return get(p.Addr, "/") != "" })
		get(p.Addr, "/exit/1")
		w.eventually("it runs again", func() bool {
			p = w.process(p.ID)
			return p.Running && p.Restarts == 1 && get(p.Addr, "/") != ""
		})

		if err := w.e.Restart(w.Context(), time.Minute, p.ID); err != nil {
			w.Fatal(err)
		}

		if now := w.process(p.ID); !now.Running || now.Restarts != 0 || now.Kept != appliance.Always {
			w.Errorf("process = %+v, want none of its restarts counted, and it kept", now)
		}
		w.eventually("it answers", func() bool { return get(w.process(p.ID).Addr, "/") != "" })
		get(w.process(p.ID).Addr, "/exit/1")
		w.eventually("it runs again", func() bool { p = w.process(p.ID); return p.Running && p.Restarts == 1 })
	}},

	{"Start touches no other generation", func(w *world) {
		old := w.start(appliance.ProcessSpec{Generation: "g1"})
		w.start(appliance.ProcessSpec{Generation: "g2"})

		if p := w.process(old[0].ID); !p.Running || p.Restarts != 0 || !p.Started.Equal(old[0].Started) {
			w.Errorf("old process = %+v, want it untouched", p)
		}
	}},

	{"a process can be started beside the one that it takes over from", func(w *world) {
		old := w.start(appliance.ProcessSpec{Generation: "g1", First: 2})[0]

		next := w.start(appliance.ProcessSpec{Generation: "g1", First: 2, Turn: "t1"})[0]

		if next.Turn != "t1" || next.Index != 2 || next.Generation != "g1" || len(w.processes()) != 2 {
			w.Errorf("processes = %+v, want both", w.processes())
		}
		if got := w.process(old.ID); got.Turn != "" || !got.Running {
			w.Errorf("old process = %+v, want it untouched", got)
		}
		if _, err := w.tryStart(appliance.ProcessSpec{Generation: "g1", First: 2, Turn: "t1"}); !errors.Is(err, appliance.ErrExists) {
			w.Errorf("error = %v, want ErrExists for the same turn", err)
		}
	}},

	{"Start of an image that is not there is ErrNotFound", func(w *world) {
		_, err := w.tryStart(appliance.ProcessSpec{Image: w.tag("nowhere"), Replicas: 2})

		if !errors.Is(err, appliance.ErrNotFound) {
			w.Errorf("error = %v, want ErrNotFound", err)
		}
		if left := w.processes(); len(left) != 0 {
			w.Errorf("processes = %v, want none", left)
		}
	}},

	{"Start that fails for one ends the others", func(w *world) {
		old := w.start(appliance.ProcessSpec{Generation: "g1", First: 2})

		// The second of them is there already.
		_, err := w.tryStart(appliance.ProcessSpec{Generation: "g1", Replicas: 3})

		if !errors.Is(err, appliance.ErrExists) || !strings.Contains(err.Error(), "web.2") {
			w.Errorf("error = %v, want ErrExists and which it is", err)
		}
		if left := w.processes(); !slices.Equal(left, old) {
			w.Errorf("processes = %v, want only %v", left, old)
		}
	}},

	{"apps can be started at the same time", func(w *world) {
		apps := []appliance.AppName{Name("contract"), Name("contract"), Name("contract")}
		errs := make([]error, len(apps))
		var all sync.WaitGroup
		for i, app := range apps {
			w.Cleanup(func() { w.destroy(app) })
			all.Go(func() { _, errs[i] = w.tryStart(appliance.ProcessSpec{App: app, Port: 8080}) })
		}
		all.Wait()

		if err := errors.Join(errs...); err != nil {
			w.Error(err)
		}
		found, err := w.e.Processes(w.Context(), "")
		if err != nil {
			w.Fatal(err)
		}
		for _, app := range apps {
			if !slices.ContainsFunc(found, func(p appliance.Process) bool { return p.App == app }) {
				w.Errorf("%s is not among all processes: %v", app, found)
			}
		}
	}},

	{"a process that ends is listed, and stays ended", func(w *world) {
		p := w.start(appliance.ProcessSpec{Command: []string{Program, "say", "3", "bye"}, Port: 8080})[0]

		w.eventually("it has ended", func() bool { return !w.process(p.ID).Running })

		if p = w.process(p.ID); p.ExitStatus != 3 || p.OOM || p.Restarts != 0 || p.Addr != "" {
			w.Errorf("process = %+v, want it ended with 3 and without an address", p)
		}
	}},

	{"a kept process is started again when it ends", func(w *world) {
		p := w.start(appliance.ProcessSpec{Port: 8080})[0]
		if err := w.e.Keep(w.Context(), appliance.Always, p.ID); err != nil {
			w.Fatal(err)
		}
		if w.process(p.ID).Kept != appliance.Always {
			w.Error("it is not said to be kept")
		}
		w.eventually("it answers", func() bool { return get(p.Addr, "/") != "" })

		get(p.Addr, "/exit/1")

		w.eventually("it runs again", func() bool { p = w.process(p.ID); return p.Running && p.Restarts == 1 })
		w.eventually("it answers again", func() bool { return get(w.process(p.ID).Addr, "/") != "" })
	}},

	{"Keep starts again what has just ended", func(w *world) {
		p := w.start(appliance.ProcessSpec{Command: []string{Program, "say", "1"}})[0]
		w.eventually("it has ended", func() bool { return !w.process(p.ID).Running })

		if err := w.e.Keep(w.Context(), appliance.Always, p.ID); err != nil {
			w.Fatal(err)
		}

		w.eventually("it is restarted", func() bool { return w.process(p.ID).Restarts > 0 })
		if err := w.e.Stop(w.Context(), 0, p.ID); err != nil {
			w.Fatal(err)
		}
		if left := w.processes(); len(left) != 0 {
			w.Errorf("processes = %v, want none: what is stopped stays so", left)
		}
	}},

	{"what is kept on failure is not started again when it has ended well", func(w *world) {
		p := w.start(appliance.ProcessSpec{Port: 8080})[0]
		if err := w.e.Keep(w.Context(), appliance.OnFailure, p.ID); err != nil {
			w.Fatal(err)
		}
		if got := w.process(p.ID).Kept; got != appliance.OnFailure {
			w.Errorf("it is kept %q, want on failure", got)
		}
		w.eventually("it answers", func() bool { return get(p.Addr, "/") != "" })

		get(p.Addr, "/exit/3")
		w.eventually("it runs again", func() bool { return w.process(p.ID).Restarts == 1 && get(w.process(p.ID).Addr, "/") != "" })
		get(w.process(p.ID).Addr, "/exit/0")

		w.eventually("it has ended", func() bool { p = w.process(p.ID); return !p.Running })
		if p.Restarting || p.ExitStatus != 0 || p.Ended.Before(p.Started) {
			w.Errorf("process = %+v, want it ended with 0 for good", p)
		}
		if err := w.e.Keep(w.Context(), appliance.OnFailure, p.ID); err != nil || w.process(p.ID).Running {
			w.Errorf("Keep = %v, process = %+v, want it to stay ended", err, w.process(p.ID))
		}
	}},

	{"what is kept no more stays ended", func(w *world) {
		p := w.start(appliance.ProcessSpec{Port: 8080})[0]
		w.eventually("it answers", func() bool { return get(p.Addr, "/") != "" })
		if err := errors.Join(w.e.Keep(w.Context(), appliance.Always, p.ID), w.e.Keep(w.Context(), appliance.Never, p.ID)); err != nil {
			w.Fatal(err)
		}

		get(p.Addr, "/exit/1")

		w.eventually("it has ended", func() bool { p = w.process(p.ID); return !p.Running })
		if p.Restarting || p.Kept != appliance.Never {
			w.Errorf("process = %+v, want it ended for good", p)
		}
	}},

	{"what is given up stays ended, and is listed with how it ended", func(w *world) {
		p := w.start(appliance.ProcessSpec{Command: []string{Program, "say", "3"}})[0]
		if err := w.e.Keep(w.Context(), appliance.Always, p.ID); err != nil {
			w.Fatal(err)
		}
		// By then it waits so long that it is not started just now.
		w.eventually("it waits for its restart", func() bool {
			p = w.process(p.ID)
			return p.Restarting && !p.Running && p.ExitStatus == 3 && p.Restarts >= 4
		})

		if err := w.e.GiveUp(w.Context(), p.ID, "gone"); err != nil {
			w.Fatal(err)
		}

		given := w.process(p.ID)
		if given.Running || given.Restarting || given.ExitStatus != 3 {
			w.Errorf("process = %+v, want it ended with 3 for good", given)
		}
		if again := w.process(p.ID); again.Restarts != given.Restarts || again.Running {
			w.Errorf("process = %+v, want it as it was", again)
		}
	}},

	{"a process that wants more memory than it may have is ended, and the limit is said", func(w *world) {
		p := w.start(appliance.ProcessSpec{Command: []string{Program, "eat"}, Fence: appliance.Fence{Memory: 32 << 20}})[0]

		w.eventually("it has ended", func() bool { p = w.process(p.ID); return !p.Running && p.OOM })

		if p.Limit != 32<<20 || p.ExitStatus != statusKilled {
			w.Errorf("process = %+v, want a limit of 32 MB and status 137", p)
		}
		if p.Peak < 31<<20 || p.Peak > 33<<20 || p.PeakOpen {
			w.Errorf("peak = %d, open = %v, want just the limit, and no more than that", p.Peak, p.PeakOpen)
		}
	}},

	{"how a process had ended is known also when it runs again", func(w *world) {
		p := w.start(appliance.ProcessSpec{Command: []string{Program, "relapse"}, Fence: appliance.Fence{Memory: 32 << 20}})[0]
		w.eventually("it has ended", func() bool { return !w.process(p.ID).Running })
		if err := w.e.Keep(w.Context(), appliance.Always, p.ID); err != nil {
			w.Fatal(err)
		}

		w.eventually("it runs again, after another end", func() bool {
			p = w.process(p.ID)
			return p.Running && p.Restarts > 0 && time.Since(p.Started) > time.Second
		})

		if want := "was ended: out of memory (limit 32 MB, peak 32 MB)"; !p.EndKnown || !p.OOM || p.ExitStatus != statusKilled || p.Ending() != want {
			w.Errorf("process = %+v, %s, want %s", p, p.Ending(), want)
		}
	}},

	{"Keep of a process that is gone is ErrNotFound", func(w *world) {
		if err := w.e.Keep(w.Context(), appliance.Always, "gone"); !errors.Is(err, appliance.ErrNotFound) {
			w.Errorf("error = %v, want ErrNotFound", err)
		}
	}},

	{"Stop asks first, and removes", func(w *world) {
		started := w.start(appliance.ProcessSpec{Replicas: 2})
		var out buffer
		followed := make(chan error, 1)
		go func() {
			followed <- w.e.Logs(w.Context(), started[0].ID, appliance.LogOptions{Follow: true}, &out)
		}()
		w.eventually("it is ready", func() bool { return strings.Contains(out.String(), "listening") })

		if err := w.e.Stop(w.Context(), time.Minute, started[0].ID); err != nil {
			w.Fatal(err)
		}

		if err := <-followed; err != nil {
			w.Error(err)
		}
		if !strings.Contains(out.String(), "told to finish") {
			w.Errorf("its last words = %q, want that it was told to finish", out.String())
		}
		if left := w.processes(); len(left) != 1 || left[0].ID != started[1].ID {
			w.Errorf("processes = %v, want only %v", left, started[1])
		}
	}},

	{"Stop waits no longer than grace, for all at once", func(w *world) {
		started := w.start(appliance.ProcessSpec{Command: []string{Program, "deaf"}, Replicas: 4})
		var ids []string
		for _, p := range started {
			w.listening(p.ID)
			ids = append(ids, p.ID)
		}
		began := time.Now()

		if err := w.e.Stop(w.Context(), 2*time.Second, ids...); err != nil {
			w.Fatal(err)
		}

		// One after the other would take eight seconds and more.
		if took := time.Since(began); took < 2*time.Second || took >= 8*time.Second {
			w.Errorf("it took %v, want a little more than the two seconds of grace", took)
		}
		if left := w.processes(); len(left) != 0 {
			w.Errorf("processes = %v, want none", left)
		}
	}},

	{"stopping what has gone is no error", func(w *world) {
		p := w.start(appliance.ProcessSpec{Command: []string{Program, "say", "0"}})[0]
		w.eventually("it has ended", func() bool { return !w.process(p.ID).Running })
		var both sync.WaitGroup
		errs := make([]error, 2)
		for i := range errs {
			both.Go(func() { errs[i] = w.e.Stop(w.Context(), time.Second, p.ID, "gone") })
		}
		both.Wait()

		if err := errors.Join(append(errs, w.e.Stop(w.Context(), time.Second, p.ID))...); err != nil {
			w.Error(err)
		}
		if left := w.processes(); len(left) != 0 {
			w.Errorf("processes = %v, want none", left)
		}
	}},

	{"a process is reached by its aliases, by processes of its own app alone", func(w *world) {
		w.start(appliance.ProcessSpec{Port: 5000, Env: []string{"PORT=5000", "GREETING=db"}, Aliases: []string{"db", "store"}})
		other := w.start(appliance.ProcessSpec{App: Name("contract")})[0]
		w.Cleanup(func() { w.destroy(other.App) })

		for _, alias := range []string{"db", "store"} {
			w.eventually(alias+" answers", func() bool {
				_, out := w.run(appliance.RunSpec{}, "get", "http://"+alias+":5000/")
				return strings.TrimSpace(out) == "hello db"
			})
		}
		status, err := w.e.Exec(w.Context(), other.ID, appliance.ExecSpec{Command: []string{Program, "get", "http://db:5000/"}})
		if err != nil || status == 0 {
			w.Errorf("another app: status %d, %v, want that it does not reach it", status, err)
		}
	}},

	{"a process has the health that its image's check says, and Watch tells when it changes", func(w *world) {
		if _, err := w.build("ENV PORT=5000\nHEALTHCHECK --interval=500ms --retries=1 " +
			"CMD [\"" + Program + "\", \"get\", \"http://127.0.0.1:5000/\"]"); err != nil {
			w.Fatal(err)
		}
		told := w.watch()
		told.of("")

		well := w.start(appliance.ProcessSpec{Image: w.tag("v1"), Port: 5000})[0]
		ill := w.start(appliance.ProcessSpec{Image: w.tag("v1"), Type: "ill", Command: []string{Program, "serve"}, Env: []string{"READY_AFTER=1h"}})[0]
		unchecked := w.start(appliance.ProcessSpec{Type: "unchecked"})[0]

		if well.Health != appliance.Starting || unchecked.Health != appliance.NoHealth {
			w.Errorf("health = %q and %q, want that it is starting, and none", well.Health, unchecked.Health)
		}
		// Every look is for some news, so this ends only if there are any.
		for w.process(well.ID).Health != appliance.Healthy || w.process(ill.ID).Health != appliance.Unhealthy {
			told.of(w.app)
		}
		if got := w.process(unchecked.ID).Health; got != appliance.NoHealth {
			w.Errorf("health without a check = %q, want none", got)
		}
	}},

	{"Details has the names of the environment and no values", func(w *world) {
		p := w.start(appliance.ProcessSpec{Port: 8080, Env: []string{"SECRET=hunter2=x"}})[0]

		text, err := w.e.Details(w.Context(), p.ID)

		var got struct {
			ID     string `json:"Id"`
			Config struct{ Env []string }
		}
		if err != nil || json.Unmarshal(text, &got) != nil || got.ID != p.ID || !slices.Contains(got.Config.Env, "SECRET") {
			w.Errorf("details = %s, %v, want those of %s with the name SECRET", text, err, p.ID)
		}
		if strings.Contains(string(text), "hunter2") {
			w.Errorf("details have the value: %s", text)
		}
		if _, err := w.e.Details(w.Context(), "none"); !errors.Is(err, appliance.ErrNotFound) {
			w.Errorf("details of what is not there: %v, want ErrNotFound", err)
		}
	}},

	{"Usage tells what the processes that run take", func(w *world) {
		p := w.start(appliance.ProcessSpec{Port: 8080})[0]
		w.eventually("it answers", func() bool { return get(p.Addr, "/") != "" })
		ended := w.start(appliance.ProcessSpec{Type: "ended", Command: []string{Program, "say", "0"}})[0]
		w.eventually("it has ended", func() bool { return !w.process(ended.ID).Running })

		before, err := w.e.Usage(w.Context(), w.app)
		if err != nil || len(before) != 1 {
			w.Fatalf("usage = %v, %v, want that of the one that runs", before, err)
		}
		if u := before[0]; u.ID != p.ID || u.App != w.app || u.CPU <= 0 || u.Memory <= 0 || u.At.IsZero() {
			w.Errorf("usage = %+v, want some of %s", u, p.ID)
		}
		w.eventually("it has used more", func() bool {
			get(p.Addr, "/")
			all, err := w.e.Usage(w.Context(), "")
			i := slices.IndexFunc(all, func(u appliance.Usage) bool { return u.ID == p.ID })
			return err == nil && i >= 0 && all[i].CPU > before[0].CPU && all[i].At.After(before[0].At)
		})
	}},

	{"Logs copies both streams, or the last lines", func(w *world) {
		p := w.start(appliance.ProcessSpec{Command: []string{Program, "say", "0", "one", "two", "three"}})[0]
		w.eventually("it has ended", func() bool { return !w.process(p.ID).Running })

		all := w.logs(p.ID, appliance.LogOptions{})
		last := w.logs(p.ID, appliance.LogOptions{Tail: 1})
		followed := w.logs(p.ID, appliance.LogOptions{Follow: true})
		stamped := w.logs(p.ID, appliance.LogOptions{Timestamps: true, Tail: 1})

		for _, line := range []string{"one\n", "two\n", "three\n"} {
			if !strings.Contains(all, line) || !strings.Contains(followed, line) {
				w.Errorf("logs = %q, followed %q, want %q in both", all, followed, line)
			}
		}
		if strings.Count(last, "\n") != 1 {
			w.Errorf("last line = %q", last)
		}
		stamp, _, _ := strings.Cut(stamped, " ")
		if _, err := time.Parse(time.RFC3339Nano, stamp); err != nil {
			w.Errorf("line with time = %q: %v", stamped, err)
		}
		var errs strings.Builder
		out := w.logs(p.ID, appliance.LogOptions{Timestamps: true, Err: &errs})
		if strings.Count(out, "\n") != 2 || !strings.HasSuffix(errs.String(), "two\n") {
			w.Errorf("stdout has %q, stderr %q, want that two is in the second", out, errs.String())
		}
		_, newest, _ := strings.Cut(out, "\n")
		newest = max(newest, errs.String())
		since, err := time.Parse(time.RFC3339Nano, newest[:30])
		if err != nil {
			w.Fatal(err)
		}
		if got := w.logs(p.ID, appliance.LogOptions{Timestamps: true, Since: since}); got != newest {
			w.Errorf("since %s there is %q, want %q", newest[:30], got, newest)
		}
		if err := w.e.Logs(w.Context(), "gone", appliance.LogOptions{}, io.Discard); !errors.Is(err, appliance.ErrNotFound) {
			w.Errorf("logs of nothing = %v, want ErrNotFound", err)
		}
	}},

	{"Listening tells where a process listens", func(w *world) {
		open := w.start(appliance.ProcessSpec{Env: []string{"PORT=5000"}, Port: 5000})[0]
		closed := w.start(appliance.ProcessSpec{Command: []string{Program, "loopback"}, Env: []string{"PORT=5000"}, Port: 5000})[0]

		reachable, unreachable := w.listening(open.ID), w.listening(closed.ID)

		if len(reachable) != 1 || !reachable[0].Addr().IsUnspecified() || reachable[0].Port() != 5000 {
			w.Errorf("it listens on %v, want port 5000 of all addresses", reachable)
		}
		if want := netip.MustParseAddrPort("127.0.0.1:5000"); len(unreachable) != 1 || unreachable[0] != want {
			w.Errorf("it listens on %v, want %v", unreachable, want)
		}
		if _, err := w.e.Listening(w.Context(), "gone"); !errors.Is(err, appliance.ErrNotFound) {
			w.Errorf("Listening of nothing = %v, want ErrNotFound", err)
		}
	}},
}

// listening waits until a process listens, and returns on what.
func (w *world) listening(id string) (found []netip.AddrPort) {
	w.Helper()
	w.eventually("it listens", func() bool {
		var err error
		if found, err = w.e.Listening(w.Context(), id); err != nil {
			w.Fatal(err)
		}
		return len(found) > 0
	})
	return found
}

func (w *world) logs(id string, opts appliance.LogOptions) string {
	w.Helper()
	var out strings.Builder
	if err := w.e.Logs(w.Context(), id, opts, &out); err != nil {
		w.Fatal(err)
	}
	return out.String()
}

// get returns what is answered at an address, or "" when nothing is.
func get(addr, path string) string {
	client := http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get("http://" + addr + path)
	if err != nil {
		return ""
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(body))
}
