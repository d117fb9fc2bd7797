package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/registry"
	"github.com/moby/buildkit/session/auth"
	"google.golang.org/grpc"

	"github.com/berthhq/berth/appliance"
)

// hubAddress is Docker Hub's name in Docker's API.
const hubAddress = "https://index.docker.io/v1/"

func authConfig(login *appliance.RegistryLogin) registry.AuthConfig {
	if login == nil {
		return registry.AuthConfig{}
	}
	server := login.Server
	if server == appliance.DockerHub {
		server = hubAddress
	}
	return registry.AuthConfig{Username: login.User, Password: login.Password, ServerAddress: server}
}

// Login asks a registry whether it knows a login. Docker remembers none.
func (e *Engine) Login(ctx context.Context, login appliance.RegistryLogin) error {
	_, err := e.api(ctx).RegistryLogin(ctx, authConfig(&login))
	return explain("log in to "+login.Server, err)
}

// Push sends an image to a registry, and returns its digest there. The name
// that it has there it has here only meanwhile: a build of another app would
// find it by that, and need no login.
func (e *Engine) Push(ctx context.Context, spec appliance.PushSpec) (digest string, err error) {
	doing := "push " + string(spec.As)
	back, err := e.borrow(ctx, spec.Image, spec.As)
	if err != nil {
		return "", explain(doing, err)
	}
	defer func() { err = errors.Join(err, explain(doing, back())) }()
	header, err := registry.EncodeAuthConfig(authConfig(spec.Login))
	if err != nil {
		return "", fmt.Errorf("%s: %w", doing, err)
	}
	answer, err := e.api(ctx).ImagePush(ctx, string(spec.As), image.PushOptions{RegistryAuth: header})
	if err != nil {
		return "", explain(doing, err)
	}
	defer answer.Close()
	err = readMessages(answer, func(m response) {
		if spec.Out != nil && m.ID != "" && (m.Status == "Pushed" || m.Status == "Layer already exists") {
			fmt.Fprintf(spec.Out, "%s: %s\n", m.ID, m.Status)
		}
		var aux struct{ Digest string }
		if m.Aux != nil && json.Unmarshal(m.Aux, &aux) == nil && aux.Digest != "" {
			digest = aux.Digest
		}
	})
	if ctx.Err() != nil {
		return "", fmt.Errorf("%s: %w", doing, context.Cause(ctx))
	}
	return digest, explain(doing, err)
}

// logins answer BuildKit when a registry wants to know who asks for an image.
// What a Dockerfile runs never sees them.
type logins struct {
	auth.UnimplementedAuthServer
	of []appliance.RegistryLogin
}

// Register has a session answer so.
func (l *logins) Register(server *grpc.Server) { auth.RegisterAuthServer(server, l) }

// Credentials returns the login for a host; without one it is empty.
func (l *logins) Credentials(_ context.Context, req *auth.CredentialsRequest) (*auth.CredentialsResponse, error) {
	server, err := appliance.ParseRegistry(req.Host)
	if err != nil {
		return &auth.CredentialsResponse{}, nil // nobody can have logged in to that
	}
	login := appliance.LoginFor(server, l.of)
	if login == nil {
		return &auth.CredentialsResponse{}, nil
	}
	return &auth.CredentialsResponse{Username: login.User, Secret: login.Password}, nil
}
