package enginetest

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/berthhq/berth/appliance"
)

// simulateWithin does what the test program would do within a fence. A machine
// that is simulated has none to hurt, so what has no limit just runs on.
func simulateWithin(ctx context.Context, s simulation, f appliance.Fence) (appliance.RunResult, error) {
	if f.Time > 0 {
		exceeded := &appliance.ExceededError{Resource: appliance.Time, Limit: f.Time.String()}
		limited, cancel := context.WithTimeoutCause(ctx, f.Time, exceeded)
		defer cancel()
		ctx = limited
	}
	result, err := s.take(ctx, f)
	if exceeded, ok := errors.AsType[*appliance.ExceededError](context.Cause(ctx)); ok {
		return result, exceeded
	}
	return result, err
}

// take does what the modes do that want much of something.
func (s simulation) take(ctx context.Context, f appliance.Fence) (appliance.RunResult, error) {
	var mode, arg string
	if len(s.args) > 1 && s.args[0] == Program {
		mode = s.args[1]
		arg = append(s.args, "")[2]
	}
	memory := appliance.RunResult{Status: statusKilled, OOM: true, Limit: f.Memory, Peak: f.Memory}
	switch mode {
	case "eat":
		return memory, exceeded(f.Memory, appliance.Memory)
	case "take":
		if megabytes, _ := strconv.ParseInt(arg, 10, 64); f.Memory > 0 && megabytes<<20 > f.Memory {
			return memory, exceeded(f.Memory, appliance.Memory)
		}
		return appliance.RunResult{}, nil
	case "fork":
		return s.until(ctx, exceeded(f.Pids, appliance.Processes))
	case "fill":
		return s.until(ctx, exceeded(f.Free, appliance.Disk))
	case "child":
		return s.child(ctx, f)
	}
	return appliance.RunResult{Status: simulate(ctx, s)}, nil
}

// until ends with an error, or when ctx does.
func (s simulation) until(ctx context.Context, err error) (appliance.RunResult, error) {
	if err == nil {
		<-ctx.Done()
	}
	return appliance.RunResult{Status: statusKilled}, err
}

// child does something else in a child.
func (s simulation) child(ctx context.Context, f appliance.Fence) (appliance.RunResult, error) {
	status, _ := strconv.Atoi(s.args[2])
	inner := s
	inner.args = append([]string{Program}, s.args[3:]...)
	result, err := inner.take(ctx, f)
	if result.OOM {
		fmt.Fprintln(s.out, "the child has ended: signal: killed")
	}
	if status == 0 {
		err = nil // it gets on
	}
	result.Status = status
	return result, err
}

// exceeded returns the error of a limit, or nil where there is none.
func exceeded(limit int64, r appliance.Resource) error {
	switch {
	case limit == 0:
		return nil
	case r == appliance.Processes:
		return &appliance.ExceededError{Resource: r, Limit: strconv.FormatInt(limit, 10)}
	}
	return &appliance.ExceededError{Resource: r, Limit: strconv.FormatInt(limit>>20, 10) + " MB"}
}
