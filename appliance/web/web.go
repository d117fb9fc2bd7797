// Package web is the HTTP door: the commands that SSH has, asked for in JSON and
// answered in lines of JSON while they run.
package web

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/command"
	"github.com/berthhq/berth/db"
)

// A Site answers at the appliance's own host. Whoever asks shows a token, which
// stands for a key; without one nothing is answered but that.
type Site struct {
	Commands *command.Set
	Store    *db.Store
	Version  string
	Log      *slog.Logger
}

// Paths of the site.
const (
	CommandsPath = "/v1/commands/" // followed by a command's name: POST runs it
	OpenAPIPath  = "/v1/openapi.json"
)

// ServeHTTP is the one way in: who asks is known before anything else is looked
// at.
func (s *Site) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	actor, err := s.actor(req)
	if err != nil {
		w.Header().Set("WWW-Authenticate", `Bearer realm="berth"`)
		refuse(w, http.StatusUnauthorized, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	name, isCommand := strings.CutPrefix(req.URL.Path, CommandsPath)
	switch {
	case isCommand && name != "" && !strings.Contains(name, "/"):
		if allowed(w, req, http.MethodPost) {
			s.run(w, req, actor, name)
		}
	case req.URL.Path == OpenAPIPath:
		if allowed(w, req, http.MethodGet, http.MethodHead) {
			answer(w, http.StatusOK, s.OpenAPI(req.Host))
		}
	default:
		refuse(w, http.StatusNotFound, appliance.WithHint(errors.New("there is nothing at this path"),
			"GET "+OpenAPIPath+" describes what there is; POST "+CommandsPath+"apps:list runs a command"))
	}
}

func allowed(w http.ResponseWriter, req *http.Request, methods ...string) bool {
	for _, m := range methods {
		if req.Method == m {
			return true
		}
	}
	w.Header().Set("Allow", strings.Join(methods, ", "))
	refuse(w, http.StatusMethodNotAllowed, errors.New("this path is asked by "+strings.Join(methods, " or ")))
	return false
}

var errNoToken = appliance.WithHint(errors.New("no valid token"),
	"make one with tokens:create over SSH, and send it as in: Authorization: Bearer berth_…")

// actor returns who asks. What a token may do is looked up each time: it ends
// with its key, and changes with it.
func (s *Site) actor(req *http.Request) (appliance.Actor, error) {
	scheme, text, _ := strings.Cut(req.Header.Get("Authorization"), " ")
	hash := appliance.HashToken(strings.TrimSpace(text))
	if !strings.EqualFold(scheme, "bearer") || hash == "" {
		return appliance.Actor{}, errNoToken
	}
	key, err := s.Store.UseToken(req.Context(), hash, time.Now())
	if errors.Is(err, appliance.ErrNotFound) {
		return appliance.Actor{}, errNoToken
	}
	if err != nil {
		s.Log.ErrorContext(context.WithoutCancel(req.Context()), "token", "err", err)
		return appliance.Actor{}, errNoToken
	}
	return appliance.Actor{Name: key.Name, Admin: key.Admin, Door: appliance.HTTP, From: req.RemoteAddr}, nil
}

// An outcome is how a command ended, and the last line of what is answered.
type outcome struct {
	Exit  int    `json:"exit"` // as over SSH; see docs/exit-codes.md
	Error string `json:"error,omitempty"`
	Hint  string `json:"hint,omitempty"`
}

func outcomeOf(err error) outcome {
	if err == nil {
		return outcome{}
	}
	return outcome{command.ExitStatus(err), err.Error(), appliance.HintOf(err)}
}

// refuse answers with an error alone.
func refuse(w http.ResponseWriter, status int, err error) {
	o := outcomeOf(err)
	if status == http.StatusUnauthorized {
		o.Exit = command.ExitDenied
	}
	answer(w, status, o)
}

func answer(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = encoder(w).Encode(value) // who asked has gone
}

func encoder(w io.Writer) *json.Encoder {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false) // people read it too
	return e
}
