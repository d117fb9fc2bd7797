package pipeline

import (
	"fmt"
	"maps"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/anmitsu/go-shlex"

	"github.com/berthhq/berth/appliance"
)

// A dockerOption is an option of docker run that an app's containers can have.
type dockerOption struct {
	set  func(c *contained, value string) error
	flag bool // it has no value, or true or false
	many bool // it can be there more than once
}

// dockerOptions are those there are. Everything that leads out of the container
// is missing on purpose: see refusals.
var dockerOptions = map[string]dockerOption{
	"--memory":             {set: func(c *contained, s string) (err error) { c.Memory, err = parseSize(s, 6*mb); return err }},
	"--memory-swap":        {set: func(c *contained, s string) (err error) { c.MemorySwap, err = parseSize(s, 6*mb); return err }},
	"--memory-reservation": {set: func(c *contained, s string) (err error) { c.ReservedMemory, err = parseSize(s, 6*mb); return err }},
	"--cpus":               {set: func(c *contained, s string) (err error) { c.CPUs, err = parseCPUs(s); return err }},
	"--pids-limit":         {set: func(c *contained, s string) (err error) { c.Pids, err = parseCount(s, 8, 4096); return err }},
	"--shm-size":           {set: func(c *contained, s string) (err error) { c.SharedMemory, err = parseSize(s, 64<<10); return err }},
	"--ulimit":             {set: setUlimit, many: true},
	"--tmpfs":              {set: setTmpfs, many: true},
	"--label":              {set: setLabel, many: true},
	"--cap-drop":           {set: setDropped, many: true},
	"--cap-add":            {set: setAdded, many: true},
	"--add-host":           {set: setHost, many: true},
	"--dns":                {set: setDNS, many: true},
	"--hostname":           {set: setHostname},
	"--user":               {set: setUser},
	"--read-only":          {set: func(c *contained, s string) (err error) { c.ReadOnly, err = parseFlag(s); return err }, flag: true},
	"--init": {set: func(c *contained, s string) error {
		on, err := parseFlag(s)
		c.NoInit = !on
		return err
	}, flag: true},
}

// otherNames are short for, or other spellings of, options.
var otherNames = map[string]string{"-m": "--memory", "-l": "--label", "-h": "--hostname", "-u": "--user", "-v": "--volume", "-e": "--env", "-p": "--publish", "--net": "--network"}

// refusals say why an option is not there, and what to do instead.
var refusals = map[string]string{
	"--privileged":       "it makes a container the machine's root",
	"--volume":           "directories are mounted with storage:mount",
	"--mount":            "directories are mounted with storage:mount",
	"--volumes-from":     "directories are mounted with storage:mount",
	"--network":          "an app has a network of its own; it joins others with network:set",
	"--network-alias":    "processes are found by the name of their type, as web",
	"--pid":              "it shows the processes of the machine, or of other apps",
	"--ipc":              "it shares the memory of the machine, or of other apps",
	"--uts":              "it shares the name of the machine",
	"--userns":           "it takes the bounds of users away",
	"--cgroupns":         "it shows the limits of the machine",
	"--cgroup-parent":    "it takes the limits of the machine away",
	"--device":           "it gives a device of the machine",
	"--gpus":             "it gives a device of the machine",
	"--security-opt":     "it takes the protection of the machine away",
	"--sysctl":           "it changes the kernel of the machine",
	"--runtime":          "it is of the machine",
	"--oom-kill-disable": "it lets one app take all memory",
	"--oom-score-adj":    "it lets the machine end something else first",
	"--publish":          "all apps are on port 80 and 443: give the app a domain (domains:add)",
	"--publish-all":      "all apps are on port 80 and 443: give the app a domain (domains:add)",
	"--env":              "the environment is set with config:set",
	"--env-file":         "the environment is set with config:set",
	"--restart":          "Berth restarts what ends",
	"--stop-timeout":     "Berth asks a process to end, and waits",
	"--rm":               "Berth removes what has ended",
	"--name":             "Berth names containers",
	"--detach":           "Berth starts containers",
	"--link":             "apps reach each other on a shared network: network:create",
	"--log-driver":       "Berth keeps the logs",
	"--log-opt":          "Berth keeps the logs",
	"--entrypoint":       "the command is that of the Procfile",
}

// parseDockerOptions reads options as people write them, in words or all in one.
func parseDockerOptions(args []string) (list []string, err error) {
	var words []string
	for _, arg := range args {
		if !strings.HasPrefix(arg, "-") || !strings.Contains(arg, " ") {
			words = append(words, arg)
			continue
		}
		split, err := shlex.Split(arg, true)
		if err != nil {
			return nil, badDockerOption("a quote is not closed")
		}
		words = append(words, split...)
	}
	for len(words) > 0 {
		name, value, has := strings.Cut(words[0], "=")
		words = words[1:]
		if other, ok := otherNames[name]; ok {
			name = other
		}
		if reason, ok := refusals[name]; ok {
			return nil, appliance.WithHint(fmt.Errorf("%w option: %s is refused", appliance.ErrInvalid, name), reason)
		}
		option, known := dockerOptions[name]
		if !known {
			return nil, badDockerOption(fmt.Sprintf("there is no %.40q here", name))
		}
		if !has && !option.flag && len(words) > 0 {
			value, words = words[0], words[1:]
		}
		if err := option.set(new(contained), value); err != nil {
			return nil, appliance.WithHint(fmt.Errorf("%w option %s %.80q", appliance.ErrInvalid, name, value), err.Error())
		}
		list = append(list, strings.TrimSpace(name+" "+value))
	}
	return list, nil
}

func badDockerOption(what string) error {
	return appliance.WithHint(fmt.Errorf("%w option: %s", appliance.ErrInvalid, what), "for deploy and run there are "+strings.Join(slices.Sorted(maps.Keys(dockerOptions)), ", "))
}

// setOption applies an option that is kept.
func setOption(c *contained, name, value string) error {
	option, ok := dockerOptions[name]
	if !ok {
		return refused("it is not known any more")
	}
	return option.set(c, value)
}

// replaces tells whether an option takes the place of one that is kept.
func replacesOption(option, kept string) bool {
	name, _, _ := strings.Cut(option, " ")
	other, _, _ := strings.Cut(kept, " ")
	return option == kept || name == other && !dockerOptions[name].many
}

func parseFlag(s string) (bool, error) {
	if s == "" {
		return true, nil
	}
	on, err := strconv.ParseBool(s)
	if err != nil {
		return false, refused("it takes no value, or true or false")
	}
	return on, nil
}

var ulimits = []string{"core", "cpu", "data", "fsize", "memlock", "msgqueue", "nofile", "nproc", "rss", "sigpending", "stack"}

func setUlimit(c *contained, s string) error {
	name, limits, _ := strings.Cut(s, "=")
	softText, hardText, has := strings.Cut(limits, ":")
	if !has {
		hardText = softText
	}
	soft, softErr := parseCount(softText, 0, 1<<40)
	hard, hardErr := parseCount(hardText, 0, 1<<40)
	if !slices.Contains(ulimits, name) || softErr != nil || hardErr != nil || soft > hard {
		return refused("write it as nofile=1024:4096, with one of " + strings.Join(ulimits, ", "))
	}
	if name == "nofile" && hard > 1<<20 {
		return refused("no process may have more than 1048576 files open")
	}
	c.Ulimits = append(c.Ulimits, appliance.Ulimit{Name: name, Soft: soft, Hard: hard})
	return nil
}

// parsePath checks a path inside a container that something is put at.
func parsePath(s string) error {
	odd := strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || strings.ContainsRune(`,:"\`, r) })
	if !path.IsAbs(s) || path.Clean(s) != s || s == "/" || odd || len(s) > maxContainerPath {
		return refused("give an absolute path inside the container, as in /app/data")
	}
	for _, of := range []string{"/proc", "/sys", "/dev"} {
		if s == of || strings.HasPrefix(s, of+"/") {
			return refused(of + " is the kernel's")
		}
	}
	return nil
}

// maxContainerPath is longer than what people mount.
const maxContainerPath = 250

var tmpfsOption = regexp.MustCompile(`^(size=[0-9]+[kmg]?|mode=[0-7]{3,4}|uid=[0-9]{1,6}|gid=[0-9]{1,6}|rw|ro|exec|noexec|nosuid|nodev)$`)

func setTmpfs(c *contained, s string) error {
	dir, options, has := strings.Cut(s, ":")
	if err := parsePath(dir); err != nil {
		return err
	}
	for option := range strings.SplitSeq(options, ",") {
		if has && !tmpfsOption.MatchString(option) {
			return refused("write it as /tmp:size=64m,mode=1777")
		}
	}
	if c.Tmpfs == nil {
		c.Tmpfs = map[string]string{}
	}
	c.Tmpfs[dir] = options
	return nil
}

var labelKey = regexp.MustCompile(`^[a-z0-9]([a-z0-9._/-]{0,126}[a-z0-9])?$`)

func setLabel(c *contained, s string) error {
	key, value, _ := strings.Cut(s, "=")
	if !labelKey.MatchString(key) || len(value) > 1000 {
		return refused("write it as key=value, the key in lower case")
	}
	if strings.HasPrefix(key, "berth.") || strings.HasPrefix(key, "com.docker.") || strings.HasPrefix(key, "io.docker.") {
		return refused("labels that begin with berth. or docker's own say what a container is")
	}
	if c.Labels == nil {
		c.Labels = map[string]string{}
	}
	c.Labels[key] = value
	return nil
}

var (
	droppable = []string{"ALL", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID"}
	addable   = []string{"CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "IPC_LOCK", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID", "SYS_NICE"}
)

func capability(s string) string { return strings.TrimPrefix(strings.ToUpper(s), "CAP_") }

func setDropped(c *contained, s string) error {
	name := capability(s)
	if !slices.Contains(droppable, name) {
		return refused("a container has only " + strings.Join(droppable[1:], ", ") + "; ALL drops all of them")
	}
	c.Dropped = append(c.Dropped, name)
	return nil
}

func setAdded(c *contained, s string) error {
	name := capability(s)
	if !slices.Contains(addable, name) {
		return refused("others than " + strings.Join(addable, ", ") + " lead out of the container")
	}
	c.Added = append(c.Added, name)
	return nil
}

var hostName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]{0,61}[A-Za-z0-9])?$`)

func setHost(c *contained, s string) error {
	name, address, _ := strings.Cut(s, ":")
	if _, err := netip.ParseAddr(address); err != nil || !hostName.MatchString(name) {
		return refused("write it as db.internal:10.0.0.5")
	}
	c.Hosts = append(c.Hosts, s)
	return nil
}

func setDNS(c *contained, s string) error {
	if _, err := netip.ParseAddr(s); err != nil {
		return refused("give the address of a name server")
	}
	c.DNS = append(c.DNS, s)
	return nil
}

func setHostname(c *contained, s string) error {
	if !hostName.MatchString(s) {
		return refused("give a host name of letters, digits, dots and hyphens")
	}
	c.Hostname = s
	return nil
}

var userName = regexp.MustCompile(`^([a-z_][a-z0-9_-]{0,31}|[0-9]{1,9})(:([a-z_][a-z0-9_-]{0,31}|[0-9]{1,9}))?$`)

func setUser(c *contained, s string) error {
	if !userName.MatchString(s) {
		return refused("write it as 1000:1000, or name a user of the image")
	}
	c.User = s
	return nil
}

// Phases are those that have docker options: those of builds are the builders'.
var Phases = map[string]string{"deploy": DeployOptionsSetting, "run": RunOptionsSetting}

// AddDockerOptions adds options to those that are kept, each in place of what
// says the same.
func AddDockerOptions(kept, args []string) ([]string, error) {
	options, err := parseDockerOptions(args)
	for _, option := range options {
		kept = slices.DeleteFunc(kept, func(k string) bool { return replacesOption(option, k) })
		kept = append(kept, option)
	}
	return kept, err
}

// RemoveDockerOptions takes options from those that are kept, or returns
// ErrNotFound.
func RemoveDockerOptions(kept, args []string) ([]string, error) {
	options, err := parseDockerOptions(args)
	for _, option := range options {
		i := slices.Index(kept, option)
		if i < 0 {
			return nil, fmt.Errorf("option %s %w", option, appliance.ErrNotFound)
		}
		kept = slices.Delete(kept, i, i+1)
	}
	return kept, err
}
