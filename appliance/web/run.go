package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/command"
)

// maxBody bounds a request: enough for an app's whole config, and for a page. An
// archive to deploy goes over SSH.
const maxBody = 8 << 20

// A request is what a command is asked with. All of it may be left out.
type request struct {
	App   string         `json:"app"`
	Args  []string       `json:"args"`  // what follows the app
	Flags map[string]any `json:"flags"` // by name, without hyphens: a string, a number, true, or a list of strings
	Stdin string         `json:"stdin"`
}

var flagName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,60}$`)

// line returns the command line that a request stands for.
func (r request) line(name string) ([]string, error) {
	line := []string{name}
	for _, flag := range sortedKeys(r.Flags) {
		if !flagName.MatchString(flag) {
			return nil, fmt.Errorf("%w: flags are named as in \"format\", without hyphens before it", command.ErrUsage)
		}
		values := []any{r.Flags[flag]}
		if list, ok := r.Flags[flag].([]any); ok {
			values = list
		}
		for _, v := range values {
			switch v := v.(type) {
			case string:
				line = append(line, "--"+flag+"="+v)
			case json.Number:
				line = append(line, "--"+flag+"="+v.String())
			case bool:
				line = append(line, fmt.Sprintf("--%s=%t", flag, v))
			default:
				return nil, fmt.Errorf("%w: flag %s is a string, a number, true or false, or a list of strings", command.ErrUsage, flag)
			}
		}
	}
	args := r.Args
	if r.App != "" {
		args = append([]string{r.App}, args...)
	}
	if slices.ContainsFunc(args, func(s string) bool { return strings.HasPrefix(s, "-") }) {
		line = append(line, "--")
	}
	return append(line, args...), nil
}

func readRequest(w http.ResponseWriter, req *http.Request) (r request, err error) {
	d := json.NewDecoder(http.MaxBytesReader(w, req.Body, maxBody))
	d.UseNumber()
	d.DisallowUnknownFields()
	err = d.Decode(&r)
	if errors.Is(err, io.EOF) {
		return request{}, nil // all of it is left out
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return r, fmt.Errorf("%w: the request has more than %d bytes", command.ErrUsage, maxBody)
	}
	if err != nil {
		// The error could quote what is a secret.
		return r, appliance.WithHint(fmt.Errorf("%w: the request is not what a command is asked with", command.ErrUsage),
			`send JSON, as in {"app": "blog", "args": ["web=2"], "flags": {"format": "json"}, "stdin": ""}`)
	}
	return r, nil
}

// run runs a command. What it prints is answered while it runs, a JSON object in
// each line, and how it ended is the last. A command that fails before it prints
// is answered with a status of HTTP's that says so.
func (s *Site) run(w http.ResponseWriter, req *http.Request, actor appliance.Actor, name string) {
	asked, err := readRequest(w, req)
	if err == nil {
		var line []string
		if line, err = asked.line(name); err == nil {
			out := newStream(w)
			session := &command.Session{
				Actor: actor, Stdin: strings.NewReader(asked.Stdin), Stdout: out.writer("stdout"), Stderr: out.writer("stderr"),
			}
			err = s.Commands.Execute(req.Context(), session, line)
			if out.begun() || err == nil {
				out.end(outcomeOf(err))
				return
			}
		}
	}
	refuse(w, statusOf(err), err)
}

// statusOf returns HTTP's word for a command's error.
func statusOf(err error) int {
	switch {
	case errors.Is(err, command.ErrUsage), errors.Is(err, appliance.ErrInvalid):
		return http.StatusBadRequest
	case errors.Is(err, appliance.ErrDenied):
		return http.StatusForbidden
	case errors.Is(err, appliance.ErrNotFound):
		return http.StatusNotFound
	case errors.Is(err, appliance.ErrExists), errors.Is(err, appliance.ErrBusy):
		return http.StatusConflict
	default:
		return http.StatusUnprocessableEntity
	}
}
