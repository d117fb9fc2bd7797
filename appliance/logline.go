package appliance

import "time"

// A LogLine is a line that a process has printed, or that the appliance says
// of it.
type LogLine struct {
	At      time.Time
	Process string // "web.1", "release"
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
)

func (s LogStream) String() string {
	switch s {
	case Stdout:
		return "stdout"
	case Stderr:
		return "stderr"
	}
	return "berth"
}
