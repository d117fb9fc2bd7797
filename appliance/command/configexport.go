package command

import (
	"archive/tar"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/berthhq/berth/appliance"
)

// exportFormats are the formats of config:export, as Dokku has them.
var exportFormats = []string{"exports", "shell", "envfile", "docker-args", "docker-args-keys", "pack-keys", "json", "json-list", "pretty"}

func (f config) export(ctx context.Context, c *Call) error {
	env, err := f.env(ctx, c)
	if err != nil {
		return err
	}
	format, err := c.Flags.GetString("format")
	if err != nil {
		return err
	}
	text, err := exported(env, format)
	if err != nil {
		return err
	}
	fmt.Fprint(c.Stdout, text)
	return nil
}

// exported prints an environment in a format. What a shell reads is quoted so
// that it never looks into a value.
func exported(env map[string]string, format string) (string, error) {
	each := func(separator, end string, one func(key, value string) string) (string, error) {
		var list []string
		for _, key := range slices.Sorted(maps.Keys(env)) {
			list = append(list, one(key, env[key]))
		}
		if len(list) == 0 {
			return "", nil
		}
		return strings.Join(list, separator) + end, nil
	}
	switch format {
	case "exports":
		return each("\n", "\n", func(key, value string) string { return "export " + key + "=" + shellQuote(value) })
	case "shell":
		return each(" ", " ", func(key, value string) string { return key + "=" + shellQuote(value) })
	case "envfile":
		return each("\n", "\n", func(key, value string) string { return key + `="` + envfileEscapes.Replace(value) + `"` })
	case "docker-args":
		return each(" ", "\n", func(key, value string) string { return "--env=" + key + "=" + shellQuote(value) })
	case "docker-args-keys":
		return each(" ", "\n", func(key, _ string) string { return "--env=" + key })
	case "pack-keys":
		return each(" ", "\n", func(key, _ string) string { return "--env " + key })
	case "pretty":
		return strings.Join(append(pretty(env), ""), "\n"), nil
	case "json":
		return marshal(env)
	case "json-list":
		type pair struct {
			Name  string `json:"name"`
			Value string `json:"value"`
		}
		list := []pair{}
		for _, key := range slices.Sorted(maps.Keys(env)) {
			list = append(list, pair{key, env[key]})
		}
		return marshal(list)
	default:
		return "", appliance.WithHint(fmt.Errorf("%w format %.40q", appliance.ErrInvalid, format), "it is one of: "+strings.Join(exportFormats, ", "))
	}
}

func marshal(v any) (string, error) {
	text, err := json.Marshal(v)
	return string(text) + "\n", err
}

// pretty returns an environment as rows of two columns.
func pretty(env map[string]string) (rows []string) {
	width := 0
	for key := range env {
		width = max(width, len(key)+1)
	}
	for _, key := range slices.Sorted(maps.Keys(env)) {
		rows = append(rows, fmt.Sprintf("%-*s  %s", width, key+":", env[key]))
	}
	return rows
}

// shellQuote has a shell read s as it is.
func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// envfileEscapes are as in .env files. A shell that reads one gets the same
// values, but for line ends.
var envfileEscapes = strings.NewReplacer("\\", `\\`, `"`, `\"`, "$", `\$`, "`", "\\`", "\n", `\n`, "\r", `\r`)

func (f config) bundle(ctx context.Context, c *Call) error {
	env, err := f.env(ctx, c)
	if err != nil {
		return err
	}
	archive := tar.NewWriter(c.Stdout)
	for _, key := range slices.Sorted(maps.Keys(env)) {
		if err := archive.WriteHeader(&tar.Header{Name: key, Mode: 0o600, Size: int64(len(env[key]))}); err != nil {
			return err
		}
		if _, err := archive.Write([]byte(env[key])); err != nil {
			return err
		}
	}
	return archive.Close()
}

func (f config) keys(ctx context.Context, c *Call) error {
	env, err := f.env(ctx, c)
	if err != nil {
		return err
	}
	keys := slices.Sorted(maps.Keys(env))
	if keys == nil {
		keys = []string{}
	}
	return c.List("", keys, keys)
}
