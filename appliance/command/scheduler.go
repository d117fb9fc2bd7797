package command

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/pipeline"
)

// Scheduler returns Dokku's commands about what starts an app's processes, and
// how.
func Scheduler(p *pipeline.Pipeline) []Command {
	return slices.Concat(
		propertyGroup{p, "scheduler", "what starts an app's processes, and its shell", []property{
			{"selected", pipeline.SchedulerSetting, parseScheduler, "the next deploy"},
			{"shell", pipeline.ShellSetting, parseShell, "the next enter"},
		}}.commands(),
		propertyGroup{p, "scheduler-docker-local", "how an app's processes are started", []property{
			{"init-process", pipeline.InitProcessSetting, parseTrueFalse, "the next deploy or ps:restart"},
			{"parallel-schedule-count", pipeline.ParallelScheduleSetting, parseParallel, "the next deploy or ps:restart"},
		}}.commands(),
	)
}

// parseScheduler takes the one there is.
func parseScheduler(name string) (string, error) {
	if name != pipeline.DockerLocal {
		return "", appliance.WithHint(fmt.Errorf("scheduler %.40q %w", name, appliance.ErrNotFound),
			"there is "+pipeline.DockerLocal+": containers of this machine's Docker")
	}
	return name, nil
}

// shellLine is a program and its arguments, in words that mean the same to
// everybody.
var shellLine = regexp.MustCompile(`^[A-Za-z0-9_/][A-Za-z0-9_./+-]*( [A-Za-z0-9_./+=:,@%-]+)*$`)

// maxShell is longer than any shell is called.
const maxShell = 200

func parseShell(line string) (string, error) {
	if !shellLine.MatchString(line) || len(line) > maxShell {
		return "", appliance.WithHint(fmt.Errorf("%w shell %.80q", appliance.ErrInvalid, line), "give a program of the image, as in /bin/sh or \"bash --login\"; nothing in it is quoted")
	}
	return line, nil
}

// maxSchedules is more process types than an app has.
const maxSchedules = 100

func parseParallel(text string) (string, error) {
	if n, err := strconv.Atoi(text); text != pipeline.AllAtOnce && (err != nil || n < 1 || n > maxSchedules) {
		return "", fmt.Errorf("%w parallel-schedule-count %.40q: give a number from 1 to %d, or all", appliance.ErrInvalid, text, maxSchedules)
	}
	return text, nil
}
