package appliance

import "time"

// An AppJSON is what a repository's app.json says of the app, in Heroku's
// format with Dokku's additions. The zero value is that of a repository
// without one.
type AppJSON struct {
	Buildpacks   []string           `json:"buildpacks,omitempty"`
	Stack        string             `json:"stack,omitempty"`
	Env          map[string]EnvVar  `json:"env,omitempty"`
	Formation    map[string]Wanted  `json:"formation,omitempty"`    // by process type
	Healthchecks map[string][]Check `json:"healthchecks,omitempty"` // by process type
	Cron         []CronJob          `json:"cron,omitempty"`
	Scripts      Scripts            `json:"scripts,omitzero"`

	// Ignored are the keys that mean nothing here, for the person who pushes.
	Ignored []string `json:"-"`
}

// An EnvVar is a config variable that an app wants to have.
type EnvVar struct {
	Value     string `json:"value,omitempty"`
	Required  bool   `json:"required,omitempty"`
	Generator string `json:"generator,omitempty"` // "secret": 64 hexadecimal digits are made up
	Sync      bool   `json:"sync,omitempty"`      // set at every deploy, not only at the first
}

// A Wanted is how an app wants a process type to run: nil is what app.json does
// not say.
type Wanted struct {
	Quantity *int  `json:"quantity,omitempty"`
	Overlap  *bool `json:"overlap,omitempty"` // whether the old and the new may run side by side
}

// A Check is one of the checks that a process must pass before it gets
// traffic: a command, a path, listening or an uptime.
type Check struct {
	Name         string            `json:"name,omitempty"`
	Type         string            `json:"type,omitempty"` // "startup", or another, which a deploy leaves alone
	Path         string            `json:"path,omitempty"`
	Scheme       string            `json:"scheme,omitempty"`  // "https", or "http" if ""
	Port         int               `json:"port,omitempty"`    // the process type's own if 0
	Headers      map[string]string `json:"headers,omitempty"` // to ask for Path with
	Content      string            `json:"content,omitempty"` // must be in the answer's body
	Command      []string          `json:"command,omitempty"` // must end with 0 inside the container
	Listening    bool              `json:"listening,omitempty"`
	Uptime       time.Duration     `json:"uptime,omitempty"`
	Attempts     int               `json:"attempts"`
	Timeout      time.Duration     `json:"timeout"` // for one attempt
	Wait         time.Duration     `json:"wait"`    // between two attempts
	InitialDelay time.Duration     `json:"initialDelay,omitempty"`
	Warn         bool              `json:"warn,omitempty"` // a failure is no failure of the deploy
}

// StartupCheck is the type of the checks that decide about a deploy.
const StartupCheck = "startup"

// A CronJob is a command that runs on a schedule.
type CronJob struct {
	Command     string `json:"command"`
	Schedule    string `json:"schedule"`
	Concurrency string `json:"concurrency,omitempty"` // "allow", "forbid", "replace"
	Suspended   bool   `json:"suspended,omitempty"`
	Timezone    string `json:"timezone,omitempty"` // "Europe/Berlin"; "" for UTC
}

// Scripts are commands that run around a deploy, in the app's image.
type Scripts struct {
	Predeploy       string `json:"predeploy,omitempty"`       // before it; what it changes is part of the release
	Postdeploy      string `json:"postdeploy,omitempty"`      // after every deploy
	FirstPostdeploy string `json:"firstPostdeploy,omitempty"` // after the first deploy only
}

// MaxProcesses is more of one type than one machine can use, and less than
// the addresses of an app's network.
const MaxProcesses = 50
