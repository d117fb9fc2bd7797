package appliance

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// A Schedule says at which minutes something is due, as cron does. A schedule
// that names hours is about the clock on the wall: where that is put forward
// over the time, it is due right after, and where it is put back, only once.
type Schedule struct {
	fields             [5]uint64 // minute, hour, day of the month, month, day of the week: a bit for each number
	anyDay, anyWeekday bool      // that field begins with *
	everyHour          bool
}

// A scheduleField is one of the five of a schedule.
type scheduleField struct {
	name  string
	least int
	most  int
	words []string // names for the numbers from least on
}

var scheduleFields = []scheduleField{
	{"minute", 0, 59, nil},
	{"hour", 0, 23, nil},
	{"day of the month", 1, 31, nil},
	{"month", 1, 12, []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
	{"day of the week", 0, 7, []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}},
}

var scheduleNames = map[string]string{
	"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0",
	"@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *",
}

// ParseSchedule reads a cron schedule: five fields, or the name of one. Its
// error is advice.
func ParseSchedule(text string) (s Schedule, err error) {
	if named, ok := scheduleNames[text]; ok {
		text = named
	}
	texts := strings.Fields(text)
	if len(texts) != len(scheduleFields) {
		return s, fmt.Errorf("a schedule has five fields: minute, hour, day of the month, month, day of the week, as in 0 3 * * *")
	}
	for i, field := range scheduleFields {
		for part := range strings.SplitSeq(texts[i], ",") {
			bits := field.bits(part)
			if bits == 0 {
				return s, fmt.Errorf("%.40q is no %s: it is a number from %d to %d, a range as in 1-5, *, or one of these with a step as in */10",
					part, field.name, field.least, field.most)
			}
			s.fields[i] |= bits
		}
	}
	if s.fields[4]&(1<<7) != 0 { // Sunday, too
		s.fields[4] |= 1
	}
	s.everyHour = strings.HasPrefix(texts[1], "*")
	s.anyDay, s.anyWeekday = strings.HasPrefix(texts[2], "*"), strings.HasPrefix(texts[4], "*")
	return s, nil
}

var schedulePart = regexp.MustCompile(`^(?:\*|([0-9a-z]+)(?:-([0-9a-z]+))?)(?:/([0-9]+))?$`)

// bits returns the numbers that a part stands for, "*", "5", "1-5", "*/10"; 0
// if it is none.
func (f scheduleField) bits(part string) (bits uint64) {
	m := schedulePart.FindStringSubmatch(strings.ToLower(part))
	if m == nil {
		return 0
	}
	from, to, step := f.least, f.most, 1
	if m[1] != "" {
		from = f.number(m[1])
		switch {
		case m[2] != "":
			to = f.number(m[2])
		case m[3] == "": // "5/10" is from 5 on
			to = from
		}
	}
	if m[3] != "" {
		n, err := strconv.Atoi(m[3])
		if err != nil || n < 1 || n > f.most {
			return 0
		}
		step = n
	}
	if from < 0 || to < from {
		return 0
	}
	for n := from; n <= to; n += step {
		bits |= 1 << n
	}
	return bits
}

// number returns what a number or a name stands for, or -1.
func (f scheduleField) number(s string) int {
	for i, word := range f.words {
		if s == word {
			return f.least + i
		}
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < f.least || n > f.most {
		return -1
	}
	return n
}

// Due reports whether the schedule is due in the minute that begins at m, where
// the clocks are those of a place.
func (s Schedule) Due(m time.Time, place *time.Location) bool {
	now := wall(m, place)
	if s.everyHour {
		return s.matches(now)
	}
	before := wall(m.Add(-time.Minute), place)
	if !now.After(before) { // the clock was put back, in this minute
		return false
	}
	if again := wall(m.Add(-time.Hour), place); again.Equal(now) { // or within the last hour
		return false
	}
	for t := before.Add(time.Minute); !t.After(now); t = t.Add(time.Minute) {
		if s.matches(t) {
			return true
		}
	}
	return false
}

// Next returns when the schedule is due for the first time after a moment; the
// zero time if that is never, as on a 30th of February.
func (s Schedule) Next(after time.Time, place *time.Location) time.Time {
	t := after.Truncate(time.Minute).Add(time.Minute)
	for end := t.AddDate(9, 0, 0); t.Before(end); {
		local := t.In(place)
		if !s.onDay(local) && !s.onDay(local.Add(-time.Hour)) {
			next := time.Date(local.Year(), local.Month(), local.Day()+1, 0, 0, 0, 0, place)
			if next.After(t) {
				t = next
				continue
			}
		}
		if s.Due(t, place) {
			return t
		}
		t = t.Add(time.Minute)
	}
	return time.Time{}
}

// matches reports whether a clock that shows t is at one of the minutes.
func (s Schedule) matches(t time.Time) bool {
	return s.fields[0]&(1<<t.Minute()) != 0 && s.fields[1]&(1<<t.Hour()) != 0 && s.onDay(t)
}

// onDay reports whether it is due on the day of t. As in every cron, two days
// that are given are one or the other.
func (s Schedule) onDay(t time.Time) bool {
	day, weekday := s.fields[2]&(1<<t.Day()) != 0, s.fields[4]&(1<<t.Weekday()) != 0
	if s.fields[3]&(1<<int(t.Month())) == 0 {
		return false
	}
	if s.anyDay || s.anyWeekday {
		return day && weekday
	}
	return day || weekday
}

// wall is what the clocks of a place show at a moment, in minutes.
func wall(t time.Time, place *time.Location) time.Time {
	l := t.In(place)
	return time.Date(l.Year(), l.Month(), l.Day(), l.Hour(), l.Minute(), 0, 0, time.UTC)
}
