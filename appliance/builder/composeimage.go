package builder

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var userName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,31})?$`)

func (r *composeReader) user(s *composeService, v any) error {
	name, _ := v.(string)
	if !userName.MatchString(name) {
		return errors.New("neither a name nor a number")
	}
	s.lines = append(s.lines, "USER "+name)
	return nil
}

func (r *composeReader) workingDir(s *composeService, v any) error {
	dir, _ := v.(string)
	if !path.IsAbs(dir) || strings.ContainsFunc(dir, func(c rune) bool { return c < ' ' || strings.ContainsRune(`$\"'`, c) }) {
		return errors.New("no absolute path")
	}
	s.lines = append(s.lines, "WORKDIR "+path.Clean(dir))
	return nil
}

// healthcheck becomes that of the image.
func (r *composeReader) healthcheck(s *composeService, v any) error {
	fields, ok := v.(map[string]any)
	if !ok {
		return errors.New("a mapping")
	}
	test, isList := words(fields["test"])
	if line, ok := fields["test"].(string); ok {
		test, isList = []string{"CMD-SHELL", line}, true
	}
	if fields["disable"] == "true" || len(test) > 0 && test[0] == "NONE" {
		s.lines = append(s.lines, "HEALTHCHECK NONE")
		return nil
	}
	if !isList || len(test) < 2 {
		r.ignore(s.name, "healthcheck (it has no test)")
		return nil
	}
	run := test[1:]
	if test[0] == "CMD-SHELL" {
		run = []string{"/bin/sh", "-c", strings.Join(run, " ")}
	}
	line := "HEALTHCHECK"
	for _, key := range []string{"interval", "timeout", "start_period"} {
		text, ok := fields[key].(string)
		if !ok {
			continue
		}
		d, err := time.ParseDuration(text)
		if err != nil || d <= 0 {
			return fmt.Errorf("%s %.40q is no time, as in 10s", key, text)
		}
		line += fmt.Sprintf(" --%s=%s", strings.ReplaceAll(key, "_", "-"), d)
	}
	if text, ok := fields["retries"].(string); ok {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return fmt.Errorf("retries %.40q is no number", text)
		}
		line += fmt.Sprintf(" --retries=%d", n)
	}
	argv, err := json.Marshal(run)
	if err != nil {
		return err
	}
	s.lines = append(s.lines, line+" CMD "+string(argv))
	return nil
}
