package pipeline

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	kb = 1 << 10
	mb = 1 << 20
	gb = 1 << 30
	tb = 1 << 40
)

var sizeText = regexp.MustCompile(`^([0-9]{1,15})(?:\.([0-9]))?([bkmgt]?)b?$`)

// parseSize reads a size as Docker's users write it: 512m, 2g, 1.5g, 1048576.
func parseSize(s string, least int64) (int64, error) {
	m := sizeText.FindStringSubmatch(strings.ToLower(s))
	if m == nil {
		return 0, errors.New("write it as 512m or 2g")
	}
	unit := map[string]int64{"": 1, "b": 1, "k": kb, "m": mb, "g": gb, "t": tb}[m[3]]
	whole, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil || whole > math.MaxInt64/2/unit {
		return 0, errors.New("that is more than any machine has")
	}
	tenths, _ := strconv.ParseInt(m[2], 10, 64) // "" is 0
	n := whole*unit + tenths*unit/10
	if n < least {
		return 0, fmt.Errorf("give at least %s; without a letter it is in bytes", short(least))
	}
	return n, nil
}

func parseCPUs(s string) (float64, error) {
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || !(n >= 0.1 && n <= 1024) {
		return 0, errors.New("give how many CPUs, from 0.1 on, as in 1.5")
	}
	return n, nil
}

func parseCount(s string, least, most int64) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("give a number from %d to %d", least, most)
	}
	return n, nil
}

func parseTime(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil || d < 10*time.Second || d > 24*time.Hour {
		return 0, errors.New("write it as 45m or 1h30m, from 10s to 24h")
	}
	return d, nil
}

// shortTime prints a time without its zeros: 30m, 1h.
func shortTime(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// short prints a size as parseSize reads it, in the largest unit that it has
// at least two of, or is a whole number of.
func short(n int64) string {
	for _, u := range []struct {
		bytes int64
		name  string
	}{{tb, "t"}, {gb, "g"}, {mb, "m"}, {kb, "k"}} {
		if n >= 2*u.bytes || n >= u.bytes && n%u.bytes == 0 {
			tenths := (n*10 + u.bytes/2) / u.bytes
			if tenths%10 == 0 || n >= 10*u.bytes {
				return fmt.Sprintf("%d%s", tenths/10, u.name)
			}
			return fmt.Sprintf("%d.%d%s", tenths/10, tenths%10, u.name)
		}
	}
	return strconv.FormatInt(n, 10)
}

// size prints a size as people read it: 768 MB, 1.5 GB.
func size(n int64) string {
	text := strings.ToUpper(short(n))
	unit := strings.TrimLeft(text, "0123456789.")
	return strings.TrimSuffix(text, unit) + " " + unit + "B"
}
