package docker

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/docker/docker/api/types/container"
)

// Details returns what docker inspect prints of a container of ours, but for
// the values of its environment.
func (e *Engine) Details(ctx context.Context, id string) ([]byte, error) {
	if _, err := e.inspect(ctx, id); err != nil {
		return nil, err
	}
	// As Docker says it: what this client does not know is there too.
	_, raw, err := e.api(ctx).ContainerInspectWithRaw(ctx, id, false)
	if err != nil {
		return nil, explain("container "+short(id), err)
	}
	return withoutValues(raw)
}

// withoutValues takes the values of the environment out of what Docker says of
// a container.
func withoutValues(raw []byte) ([]byte, error) {
	var typed container.InspectResponse
	if err := json.Unmarshal(raw, &typed); err != nil {
		return nil, fmt.Errorf("read what Docker says of a container: %w", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var all map[string]any
	if err := decoder.Decode(&all); err != nil {
		return nil, fmt.Errorf("read what Docker says of a container: %w", err)
	}
	if config, ok := all["Config"].(map[string]any); ok && typed.Config != nil {
		names := []string{}
		for _, pair := range typed.Config.Env {
			name, _, _ := strings.Cut(pair, "=")
			names = append(names, name)
		}
		config["Env"] = names
	}
	return json.Marshal(all)
}
