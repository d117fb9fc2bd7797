package builder

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A scheduleField is one of the five of a cron schedule.
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

var scheduleNames = []string{"@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually"}

// checkSchedule checks that s is a cron schedule: five fields, or the name of
// one. Its error is advice.
func checkSchedule(s string) error {
	if slices.Contains(scheduleNames, s) {
		return nil
	}
	texts := strings.Fields(s)
	if len(texts) != len(scheduleFields) {
		return fmt.Errorf("a schedule has five fields: minute, hour, day of the month, month, day of the week, as in 0 3 * * *")
	}
	for i, text := range texts {
		for part := range strings.SplitSeq(text, ",") {
			if !scheduleFields[i].has(part) {
				return fmt.Errorf("%.40q is no %s: it is a number from %d to %d, a range as in 1-5, *, or one of these with a step as in */10",
					part, scheduleFields[i].name, scheduleFields[i].least, scheduleFields[i].most)
			}
		}
	}
	return nil
}

var schedulePart = regexp.MustCompile(`^(?:\*|([0-9a-z]+)(?:-([0-9a-z]+))?)(?:/([0-9]+))?$`)

// has reports whether the field can be a part: "*", "5", "1-5", "*/10".
func (f scheduleField) has(part string) bool {
	m := schedulePart.FindStringSubmatch(strings.ToLower(part))
	if m == nil {
		return false
	}
	if m[3] != "" {
		if n, err := strconv.Atoi(m[3]); err != nil || n < 1 || n > f.most {
			return false
		}
	}
	from, to := f.number(m[1]), f.number(m[2])
	switch {
	case m[1] == "":
		return true
	case m[2] == "":
		return from >= 0
	}
	return from >= 0 && to >= from
}

// number returns what a number or a name stands for, or -1.
func (f scheduleField) number(s string) int {
	if i := slices.Index(f.words, s); i >= 0 {
		return f.least + i
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < f.least || n > f.most {
		return -1
	}
	return n
}
