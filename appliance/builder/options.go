package builder

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/anmitsu/go-shlex"

	"github.com/berthhq/berth/appliance"
)

// An Option is a docker option of the build phase, as docker-options:add takes
// it: "--build-arg KEY". Its text is always the same for the same option.
type Option struct {
	Name  string // "--build-arg"
	Key   string // what it sets: the argument, the secret's id; "" for the others
	Value string // the rest
}

// OptionsHelp lists the options that there are.
const OptionsHelp = `--build-arg KEY          an argument, with the app's config value of that name
--build-arg KEY=VALUE    an argument
--secret id=ID,env=KEY   a secret for RUN --mount=type=secret,id=ID, with the config value of KEY
--target STAGE           the stage to stop at
--no-cache               use nothing of earlier builds`

var (
	secretID  = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)
	stageName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$`)
)

// ParseOptions reads options as people write them, in words or all in one.
// What is not known is refused: docker build can also read the machine's files,
// join its network and be given its devices.
func ParseOptions(args []string) (list []Option, err error) {
	var words []string
	for _, arg := range args {
		if !strings.HasPrefix(arg, "--") || !strings.Contains(arg, " ") {
			words = append(words, arg)
			continue
		}
		split, err := shlex.Split(arg, true)
		if err != nil {
			return nil, badOption("a quote is not closed")
		}
		words = append(words, split...)
	}
	for len(words) > 0 {
		name, value, has := strings.Cut(words[0], "=")
		words = words[1:]
		if !has && name != "--no-cache" && len(words) > 0 {
			value, words = words[0], words[1:]
		}
		o, err := parseOption(name, value)
		if err != nil {
			return nil, err
		}
		list = append(list, o)
	}
	return list, nil
}

func parseOption(name, value string) (Option, error) {
	switch name {
	case "--no-cache":
		if value != "" && value != "true" {
			return Option{}, badOption("--no-cache takes no value")
		}
		return Option{Name: name}, nil
	case "--target":
		if !stageName.MatchString(value) {
			return Option{}, badOption("--target wants the name of a stage, as in --target production")
		}
		return Option{Name: name, Value: value}, nil
	case "--build-arg":
		key, _, has := strings.Cut(value, "=")
		if !has {
			_, err := appliance.ParseConfigKey(key)
			return Option{Name: name, Key: key}, err
		}
		_, _, err := appliance.ParseConfigPair(value)
		return Option{Name: name, Key: key, Value: value[len(key):]}, err
	case "--secret":
		return parseSecret(value)
	}
	if !strings.HasPrefix(name, "--") {
		return Option{}, badOption("an option begins with two hyphens; a value with a blank in it needs quotes")
	}
	return Option{}, badOption(fmt.Sprintf("no such option for builds: %.40q", name))
}

// parseSecret reads what follows --secret. A file of the machine cannot be one.
func parseSecret(value string) (Option, error) {
	var id, key string
	for part := range strings.SplitSeq(value, ",") {
		switch name, v, _ := strings.Cut(part, "="); {
		case name == "id":
			id = v
		case name == "env":
			key = v
		case part == "type=env":
		default:
			return Option{}, badOption("--secret takes its value from the app's config only, as in --secret id=npm,env=NPM_TOKEN")
		}
	}
	if key == "" {
		key = id
	}
	if !secretID.MatchString(id) {
		return Option{}, badOption("--secret wants an id of letters, digits and . _ -, as in --secret id=npm,env=NPM_TOKEN")
	}
	_, err := appliance.ParseConfigKey(key)
	return Option{Name: "--secret", Key: id, Value: key}, err
}

// badOption never quotes a value.
func badOption(what string) error {
	return appliance.WithHint(fmt.Errorf("%w option: %s", appliance.ErrInvalid, what), "for the build phase there are\n"+OptionsHelp)
}

// String returns the option as it is kept and listed.
func (o Option) String() string {
	switch o.Name {
	case "--build-arg":
		return o.Name + " " + o.Key + o.Value
	case "--secret":
		return fmt.Sprintf("%s id=%s,env=%s", o.Name, o.Key, o.Value)
	case "--target":
		return o.Name + " " + o.Value
	}
	return o.Name
}

// Replaces tells whether o takes the place of an option that is kept: both set
// the same thing.
func (o Option) Replaces(kept string) bool {
	other, err := keptOption(kept)
	return err == nil && o.Name == other.Name && o.Key == other.Key
}

// keptOption reads what String has written.
func keptOption(s string) (Option, error) {
	name, value, _ := strings.Cut(s, " ")
	return parseOption(name, value)
}

// apply tells a build what the options of the request say. What they take from
// the config must be there.
func (req Request) apply(spec *appliance.BuildSpec) error {
	for _, kept := range req.Settings.Options {
		o, err := keptOption(kept)
		if err != nil {
			return err
		}
		switch o.Name {
		case "--no-cache":
			spec.Fresh = true
		case "--target":
			spec.Target = o.Value
		case "--build-arg":
			value, given := strings.CutPrefix(o.Value, "=")
			if !given {
				value, err = req.config(o, o.Key)
			}
			put(&spec.Args, o.Key, value)
		case "--secret":
			var value string
			value, err = req.config(o, o.Value)
			put(&spec.Secrets, o.Key, []byte(value))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// config returns the app's config value that an option takes.
func (req Request) config(o Option, key string) (string, error) {
	value, ok := req.Env[key]
	if !ok {
		return "", appliance.WithHint(errors.New("the build option "+o.String()+" takes its value from the config, which has no "+key),
			fmt.Sprintf("set it: config:set --no-restart %s %s=…; or take the option back: docker-options:remove %s build '%s'", req.App, key, req.App, o))
	}
	return value, nil
}

func put[V any](m *map[string]V, key string, value V) {
	if *m == nil {
		*m = map[string]V{}
	}
	(*m)[key] = value
}
