package appliance

import (
	"fmt"
	"time"
)

// A OneOff is a command that runs, or ran, once beside an app's processes.
type OneOff struct {
	ID       int64 // of what is detached; 0 for what somebody is connected to
	App      AppName
	Name     string   // "run.1234"; unique within the app
	Cron     string   // the id of the cron job that it is a run of; "" for what somebody ran
	Command  []string // as it was asked for
	Release  int
	Actor    string
	Attached bool      // somebody is connected to it, and it ends with them
	Due      time.Time // the minute that a cron job was due at; zero if somebody ran it
	Started  time.Time
	Deadline time.Time // when it is ended if it has not by then
	Ended    time.Time // zero while it runs
	Status   int       // what it ended with
	Error    string    // why it ended that it did not do by itself; "" otherwise
}

// FullName is what people and Docker call it: "blog.run.1234".
func (o OneOff) FullName() string { return string(o.App) + "." + o.Name }

// Result says in a few words how it stands.
func (o OneOff) Result() string {
	switch {
	case o.Ended.IsZero():
		return "running"
	case o.Error != "":
		return o.Error
	default:
		return fmt.Sprintf("exited with %d", o.Status)
	}
}

// Failed reports whether it has ended otherwise than it should.
func (o OneOff) Failed() bool { return !o.Ended.IsZero() && (o.Status != 0 || o.Error != "") }
