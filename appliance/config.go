package appliance

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

var configKey = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,254}$`)

// maxConfigValue is less than what Linux allows one environment string
// (128 KiB), so that a process with the value can be started at all.
const maxConfigValue = 120 << 10

// ParseConfigKey checks that s can name an environment variable.
func ParseConfigKey(s string) (string, error) {
	if !configKey.MatchString(s) {
		return "", WithHint(fmt.Errorf("%w config key %q", ErrInvalid, clip(s, 80)), keyHint)
	}
	return s, nil
}

const keyHint = "use letters, digits and underscores, not beginning with a digit, as in DATABASE_URL"

// ParseConfigPair checks a "KEY=value". The error never holds the value, nor
// what is no key: it may be a piece of a value with an = at its end.
func ParseConfigPair(s string) (key, value string, err error) {
	key, value, ok := strings.Cut(s, "=")
	if !ok {
		return "", "", WithHint(fmt.Errorf("%w config pair: no = in it", ErrInvalid), "write it as KEY=value")
	}
	if !configKey.MatchString(key) {
		return "", "", WithHint(fmt.Errorf("%w config key before =", ErrInvalid), keyHint)
	}
	if strings.ContainsRune(value, 0) {
		return "", "", fmt.Errorf("%w value of %s: it has a NUL byte", ErrInvalid, key)
	}
	if key == "PORT" {
		if _, err := ParsePort(value); err != nil {
			return "", "", WithHint(fmt.Errorf("%w value of PORT", ErrInvalid), "it is the port that web listens on: a number from 1 to 65535")
		}
	}
	if len(value) > maxConfigValue {
		return "", "", WithHint(fmt.Errorf("%w value of %s: %d bytes, of at most %d", ErrInvalid, key, len(value), maxConfigValue), "put large values into a file of the app")
	}
	return key, value, nil
}

// ParsePort checks that s is the number of a TCP port.
func ParsePort(s string) (int, error) {
	port, err := strconv.ParseUint(s, 10, 16)
	if err != nil || port == 0 {
		return 0, fmt.Errorf("%w port: it is a number from 1 to 65535", ErrInvalid)
	}
	return int(port), nil
}
