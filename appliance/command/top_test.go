package command_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/berthhq/berth/appliance"
)

var (
	colours = regexp.MustCompile("\x1b\\[[0-9]*m")
	clears  = regexp.MustCompile("\x1b\\[[0-9]*[HJK]")
)

// looks returns the rows of each look that top has drawn.
func looks(screen string) (all [][]string) {
	for i, look := range strings.Split(screen, "\x1b[H") {
		if i > 0 { // nothing is drawn before
			all = append(all, strings.Split(strings.TrimSuffix(clears.ReplaceAllString(colours.ReplaceAllString(look, ""), ""), "\n"), "\n"))
		}
	}
	return all
}

// What top shows fits into the terminal, however small that is, and follows it.
func TestTopFitsIntoTheTerminal(t *testing.T) {
	w := newWorld(t)
	w.deploy("blog", "")
	for i := range 30 {
		w.ok("apps:create", fmt.Sprintf("app-with-a-longer-name-%d", i))
	}
	s := w.sit(ada, "top", "--interval", "60")
	for n, tt := range []struct {
		size appliance.Size
		last string // row
		has  []string
	}{
		{appliance.Size{Rows: 24, Columns: 80}, "11 more: status shows all", []string{"app", "state", "processes", "live", "cpu", "memory", "req/s"}},
		{appliance.Size{Rows: 10, Columns: 40}, "26 more: status shows all", []string{"app", "state"}},
		{appliance.Size{Rows: 60, Columns: 200}, "", []string{"app", "state", "processes", "live", "cpu", "memory", "req/s", "restarts", "url"}},
		{appliance.Size{Rows: 2, Columns: 10}, "32 more: …", nil},
		{appliance.Size{Rows: 1, Columns: 1}, "…", nil},
	} {
		s.sizes <- tt.size
		var rows []string
		w.eventually("it is drawn in the new size", func() bool {
			all := looks(s.screen.String())
			if len(all) > 0 {
				rows = all[len(all)-1]
			}
			return len(rows) == int(tt.size.Rows) || tt.last == "" && len(all) > n && len(rows) > 30
		})
		for _, row := range rows {
			if utf8.RuneCountInString(row) > int(tt.size.Columns) {
				t.Errorf("%v: a row is wider: %q", tt.size, row)
			}
		}
		if last := rows[len(rows)-1]; tt.last != "" && last != tt.last {
			t.Errorf("%v: the last row is %q, want %q", tt.size, last, tt.last)
		}
		heading := slices.IndexFunc(rows, func(row string) bool { return strings.HasPrefix(row, "app ") || row == "app" })
		if tt.has != nil && (heading < 0 || !slices.Equal(strings.Fields(rows[heading]), sorted(tt.has, rows[heading]))) {
			t.Errorf("%v: columns of %q, want %q", tt.size, rows, tt.has)
		}
	}
	if row := looks(s.screen.String())[0][2]; !strings.HasPrefix(row, "blog ") {
		t.Errorf("the first app is %q, want the one that runs", row)
	}
	s.types("q")
	if status := s.status(); status != 0 {
		t.Errorf("status %d", status)
	}
}

// sorted returns headings in the order in which a row has them, if it has all.
func sorted(headings []string, row string) []string {
	if len(strings.Fields(row)) != len(headings) {
		return nil
	}
	for _, heading := range headings {
		if !strings.Contains(row, heading) {
			return nil
		}
	}
	return strings.Fields(row)
}

// At a terminal status too has the columns that fit, and all apps.
func TestStatusFitsIntoTheWidthOfTheTerminal(t *testing.T) {
	w := newWorld(t)
	w.ok("ps:set", "blog", "restart-policy", "no")
	w.deploy("blog", "")
	all, err := w.Engine.Processes(t.Context(), "blog")
	w.must(err)
	w.engine.Exit(all[0].ID, 3)
	w.eventually("it has ended", func() bool {
		all, err = w.Engine.Processes(t.Context(), "blog")
		return err == nil && !all[0].Running
	})
	w.must(w.Restore(t.Context(), "blog"))

	s := w.sitBefore(ada, appliance.Size{Rows: 5, Columns: 40}, "status")

	if status := s.status(); status != 0 {
		t.Errorf("status %d", status)
	}
	text := colours.ReplaceAllString(s.screen.String(), "")
	for line := range strings.Lines(text) {
		if utf8.RuneCountInString(strings.TrimSuffix(line, "\n")) > 40 {
			t.Errorf("a line is wider: %q", line)
		}
	}
	if !strings.HasPrefix(text, " !     blog: web.1 crashed: exited with\n       status 3 (ps:restart blog starts\n       it)\n=====> load") || !strings.Contains(text, "\napp ") || !strings.Contains(text, "\napi ") || !strings.Contains(text, "\nblog ") {
		t.Errorf("status shows\n%s", text)
	}
}
