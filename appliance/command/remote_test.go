package command

import "testing"

func TestRemoteIsWhatGitTakes(t *testing.T) {
	for _, c := range []struct {
		host string
		port int
		want string
	}{
		{"203.0.113.7", 22, "berth@203.0.113.7:<app>"},
		{"203.0.113.7", 2222, "ssh://berth@203.0.113.7:2222/<app>"},
		{"2001:db8::7", 22, "berth@[2001:db8::7]:<app>"},
		{"2001:db8::7", 2222, "ssh://berth@[2001:db8::7]:2222/<app>"},
		{"box", 22, "berth@box:<app>"},
	} {
		if got := remote(c.host, c.port); got != c.want {
			t.Errorf("remote(%q, %d) = %q, want %q", c.host, c.port, got, c.want)
		}
	}
}
