package appliance_test

import (
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/berthhq/berth/appliance"
)

func TestScheduleIsDueWhenCronSaysSo(t *testing.T) {
	for _, tt := range []struct{ schedule, place, after, want string }{
		{"*/15 * * * *", "UTC", "2026-03-01T10:14:59Z", "2026-03-01T10:15:00Z"},
		{"0 3 * * *", "UTC", "2026-03-01T03:00:00Z", "2026-03-02T03:00:00Z"},
		{"@daily", "Europe/Berlin", "2026-01-01T00:00:00Z", "2026-01-01T23:00:00Z"},
		{"@hourly", "Asia/Kolkata", "2026-01-01T00:00:00Z", "2026-01-01T00:30:00Z"},
		{"30 9 * * mon-fri", "America/New_York", "2026-07-03T14:00:00Z", "2026-07-06T13:30:00Z"},
		{"0 0 * * 7", "UTC", "2026-01-01T00:00:00Z", "2026-01-04T00:00:00Z"},
		{"0 0 13 * 5", "UTC", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"}, // a Friday, not the 13th
		{"0 0 13 * */2", "UTC", "2026-01-01T00:00:00Z", "2026-01-13T00:00:00Z"},
		{"0 0 29 feb *", "UTC", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z"},
		{"5/20 8-9 1,15 1,jul *", "UTC", "2026-01-02T00:00:00Z", "2026-01-15T08:05:00Z"},
		// The clocks go from 2:00 to 3:00: what is due in between is due then.
		{"30 2 * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z"},
		{"30 2 * * *", "Europe/Berlin", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"},
		{"*/30 * * * *", "Europe/Berlin", "2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z"},
		// They go from 3:00 back to 2:00: what names an hour is due once.
		{"30 2 * * *", "Europe/Berlin", "2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z"},
		{"30 2 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"},
		{"30 * * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"},
		{"0 0 30 2 *", "UTC", "2026-01-01T00:00:00Z", "0001-01-01T00:00:00Z"},
	} {
		s, err := appliance.ParseSchedule(tt.schedule)
		if err != nil {
			t.Fatal(err)
		}
		place, err := time.LoadLocation(tt.place)
		if err != nil {
			t.Fatal(err)
		}
		after, err := time.Parse(time.RFC3339, tt.after)
		if err != nil {
			t.Fatal(err)
		}

		if got := s.Next(after, place).UTC().Format(time.RFC3339); got != tt.want {
			t.Errorf("%s in %s after %s is due at %s, want %s", tt.schedule, tt.place, tt.after, got, tt.want)
		}
	}
}

func TestScheduleRefusesWhatIsNone(t *testing.T) {
	for _, text := range []string{"", "* * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "5-1 * * * *", "*/0 * * * *", "* * * * mon-", "@reboot", "a * * * *"} {
		if _, err := appliance.ParseSchedule(text); err == nil {
			t.Errorf("%q is taken for a schedule", text)
		}
	}
}
