package pipeline

import (
	"context"
	"strconv"

	"github.com/berthhq/berth/appliance"
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

// KeepReleasesSetting is how many of an app's releases are kept.
const KeepReleasesSetting = "releases-keep"

// NoRevEnvVar is the RevEnvVarSetting of an app that gets no such variable.
const NoRevEnvVar = "-"

// propertyDefaults are as in Dokku, but for those of pushes, which it leaves
// without a limit.
var propertyDefaults = map[string]string{
	KeepGitDirSetting:      "false",
	RevEnvVarSetting:       "GIT_REV",
	ArchiveMaxSizeSetting:  strconv.Itoa(1 << 30),
	ArchiveMaxFilesSetting: "10000",
	PushMaxSizeSetting:     strconv.Itoa(1 << 30),
	PushMaxFilesSetting:    "200000",
	KeepReleasesSetting:    "10",
}

// Property returns what holds for the app.
func (p *Pipeline) Property(ctx context.Context, app appliance.AppName, name string) (string, error) {
	value, err := p.Store.AppSetting(ctx, app, name)
	if err != nil || value != "" {
		return value, err
	}
	if value, err = p.Store.Setting(ctx, name); err != nil || value != "" {
		return value, err
	}
	return propertyDefaults[name], nil
}
