package pipeline

import (
	"context"
	"strconv"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/builder"
)

// Properties of an app's repository: what is not set for the app holds for the
// machine, and then there is a default.
const (
	DeployBranchSetting    = "deploy-branch"     // main or master until it is set
	KeepGitDirSetting      = "keep-git-dir"      // "true" if a build sees the history
	RevEnvVarSetting       = "rev-env-var"       // what a process finds the commit in
	ArchiveMaxSizeSetting  = "archive-max-size"  // of the files together, in bytes
	ArchiveMaxFilesSetting = "archive-max-files" // in number
	PushMaxSizeSetting     = "push-max-size"
	PushMaxFilesSetting    = "push-max-files"
)

// Properties of how an app's processes are started, which hold in the same way.
const (
	SchedulerSetting        = "scheduler"               // the name of what starts them
	ShellSetting            = "shell"                   // what enter starts; bash or sh until it is set
	InitProcessSetting      = "init-process"            // "false" if a process is the first of its container itself
	ParallelScheduleSetting = "parallel-schedule-count" // how many process types start at once, or AllAtOnce
)

// BuildpacksAllowedSetting is "false" for an app that is not built with
// buildpacks.
const BuildpacksAllowedSetting = "buildpacks-allowed"

// KeepReleasesSetting is how many of an app's releases are kept.
const KeepReleasesSetting = "releases-keep"

// AllAtOnce is the ParallelScheduleSetting of an app whose process types all
// start at once.
const AllAtOnce = "all"

// DockerLocal is the name of what starts an app's processes: containers of the
// Docker of this machine.
const DockerLocal = "docker-local"

// NoRevEnvVar is the RevEnvVarSetting of an app that gets no such variable.
const NoRevEnvVar = "-"

// propertyDefaults are as in Dokku, but for those of pushes, which it leaves
// without a limit.
var propertyDefaults = map[string]string{
	KeepGitDirSetting:      "false",
	RevEnvVarSetting:       "GIT_REV",
	ArchiveMaxSizeSetting:  strconv.Itoa(1 << 30),
	ArchiveMaxFilesSetting: "10000",
	ImageMaxSizeSetting:    strconv.Itoa(10 << 30),
	ImageMaxFilesSetting:   "1000000",
	PushMaxSizeSetting:     strconv.Itoa(1 << 30),
	PushMaxFilesSetting:    "200000",
	KeepReleasesSetting:    "10",

	AppJSONSetting:           builder.AppJSONFile,
	SchedulerSetting:         DockerLocal,
	InitProcessSetting:       "true",
	ParallelScheduleSetting:  AllAtOnce,
	BuildpacksAllowedSetting: "true",
}

// Property returns what holds for the app.
func (p *Pipeline) Property(ctx context.Context, app appliance.AppName, name string) (string, error) {
	value, err := p.Store.AppSetting(ctx, app, name)
	if err != nil || value != "" {
		return value, err
	}
	return p.MachineProperty(ctx, name)
}

// MachineProperty returns what holds for an app of which nothing is set.
func (p *Pipeline) MachineProperty(ctx context.Context, name string) (string, error) {
	value, err := p.Store.Setting(ctx, name)
	if err != nil || value != "" {
		return value, err
	}
	return propertyDefaults[name], nil
}
