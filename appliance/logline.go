package appliance

import "time"

// A LogLine is a line that a process has printed, or that the appliance says
// of it, or of a request.
type LogLine struct {
	At      time.Time
	Process string // "web.1", "release", "router"
	Release int
	Stream  LogStream
	Text    string
}

// A LogStream is where a line comes from.
type LogStream byte

// The streams.
const (
	Stdout LogStream = 'o'
	Stderr LogStream = 'e'
	Remark LogStream = 'b' // the appliance's own

	Requested LogStream = 'r' // of a request; only on its way to a drain
)

func (s LogStream) String() string {
	switch s {
	case Stdout:
		return "stdout"
	case Stderr:
		return "stderr"
	case Requested:
		return "router"
	}
	return "berth"
}
