package logs

import (
	"bytes"
	"strconv"
	"time"

	"github.com/berthhq/berth/appliance"
)

// A record is a line as a file has it:
//
//	2026-11-27T10:00:00.000000000Z web.1 v12 0f3c5a…o 5 hello
//
// when, of which process, of which release, of which container and stream, how
// many bytes, and these. The length tells a whole line from what a crash has
// left of one.
type record struct {
	line   []byte
	at     []byte // in timeForm, which sorts as the times do
	prefix []byte // process, release, container and stream: as a source writes them
	text   []byte
}

// timeForm is how Docker writes times, all of the same length.
const timeForm = "2006-01-02T15:04:05.000000000Z"

// idLength is how much of a container's id is kept.
const idLength = 12

// appendRecord appends a record, with its line end.
func appendRecord(b, at, prefix, text []byte) []byte {
	b = append(b, at...)
	b = append(b, ' ')
	b = append(b, prefix...)
	b = append(b, ' ')
	b = strconv.AppendInt(b, int64(len(text)), 10)
	b = append(b, ' ')
	b = append(b, text...)
	return append(b, '\n')
}

// parse takes a line apart, and reports whether it is a whole record.
func parse(line []byte) (r record, ok bool) {
	r.line = line
	if len(line) < len(timeForm)+1 || line[len(timeForm)] != ' ' {
		return r, false
	}
	r.at = line[:len(timeForm)]
	rest := line[len(timeForm)+1:]
	at := 0
	for range 3 {
		i := bytes.IndexByte(rest[at:], ' ')
		if i < 0 {
			return r, false
		}
		at += i + 1
	}
	r.prefix = rest[:at-1]
	size, text, ok := bytes.Cut(rest[at:], []byte(" "))
	n, err := strconv.Atoi(string(size))
	if !ok || err != nil || n != len(text) || len(r.prefix) < 1 {
		return r, false
	}
	r.text = text
	return r, true
}

func (r record) process() []byte {
	process, _, _ := bytes.Cut(r.prefix, []byte(" "))
	return process
}

func (r record) release() int {
	_, rest, _ := bytes.Cut(r.prefix, []byte(" v"))
	digits, _, _ := bytes.Cut(rest, []byte(" "))
	n, _ := strconv.Atoi(string(digits)) // of ours it is a number
	return n
}

// source is the container and the stream.
func (r record) source() []byte { return r.prefix[bytes.LastIndexByte(r.prefix, ' ')+1:] }

// isOf reports whether a container has printed it.
func (r record) isOf(id string) bool {
	source := r.source()
	return string(source[:len(source)-1]) == short(id)
}

func (r record) stream() appliance.LogStream {
	return appliance.LogStream(r.prefix[len(r.prefix)-1])
}

func (r record) logLine() appliance.LogLine {
	at, _ := time.Parse(timeForm, string(r.at)) // of ours it is a time
	return appliance.LogLine{At: at, Process: string(r.process()), Release: r.release(), Stream: r.stream(), Text: string(r.text)}
}
