package docker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path"
	"strings"
	"time"

	"github.com/docker/docker/api/types/build"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/filesync"
	"github.com/moby/buildkit/session/secrets/secretsprovider"

	"github.com/berthhq/berth/appliance"
)

// Build makes an image from a directory that holds a Dockerfile, with
// BuildKit. BuildKit asks for the files that it needs and has not got over a
// session; no archive of the directory is sent.
func (e *Engine) Build(ctx context.Context, spec appliance.BuildSpec) (image appliance.Image, err error) {
	root, err := os.OpenRoot(spec.Dir)
	if err != nil {
		return "", fmt.Errorf("build: %w", err)
	}
	defer root.Close()
	dockerfile := path.Clean(first(spec.Dockerfile, "Dockerfile"))
	if err := checkDockerfile(root, dockerfile); err != nil {
		return "", err
	}
	id := strings.ToLower(rand.Text())
	mark := newMark(id)
	defer mark.close()
	outer, began := ctx, time.Now()
	ctx, ended, err := e.fenceBuild(ctx, mark, spec.Fence)
	if err != nil {
		return "", err
	}
	defer func() {
		exceeded := ended(err != nil)
		if exceeded == nil || outer.Err() != nil {
			return // who hung up has no use for another reason
		}
		err = exceeded
		if exceeded.Resource == appliance.Disk {
			err = errors.Join(err, e.forget(ctx, began))
		}
	}()
	sent, stop, err := e.send(ctx, root, spec)
	if err != nil {
		return "", err
	}
	defer stop()

	// Hanging up asks BuildKit to stop; this makes sure of it.
	defer context.AfterFunc(ctx, func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tidyTime)
		defer cancel()
		_ = e.api(ctx).BuildCancel(ctx, id) // nobody is left to be told
	})()
	args := map[string]*string{}
	for k, v := range spec.Args {
		args[k] = &v
	}
	mark.args(args)
	answer, err := e.api(ctx).ImageBuild(ctx, nil, build.ImageBuildOptions{
		Version:       build.BuilderBuildKit,
		RemoteContext: "client-session",
		SessionID:     sent.ID(),
		BuildID:       id,
		Tags:          []string{string(spec.Tag)},
		Dockerfile:    dockerfile,
		Target:        spec.Target,
		NoCache:       spec.Fresh,
		BuildArgs:     args,
		Labels:        e.labels(kindImage, spec.App),
	})
	if err != nil {
		return "", explain("build", err)
	}
	defer answer.Body.Close()

	out := spec.Out
	if out == nil {
		out = io.Discard
	}
	p := newProgress(out)
	err = readMessages(answer.Body, p.message)
	if ctx.Err() != nil {
		return "", fmt.Errorf("build: %w", context.Cause(ctx))
	}
	if r, ok := errors.AsType[refusal](err); ok {
		return "", p.explain(r)
	}
	if err != nil {
		return "", explain("build", err)
	}
	return spec.Tag, nil
}

// checkDockerfile says what BuildKit would say less clearly.
func checkDockerfile(root *os.Root, name string) error {
	info, err := root.Stat(name)
	if err != nil {
		return appliance.WithHint(fmt.Errorf("%w: the Dockerfile cannot be read: %w", appliance.ErrInvalid, err),
			"the Dockerfile must be a file in the repository")
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%w: %s is no file", appliance.ErrInvalid, name)
	}
	return nil
}

// send offers the files of root, and the secrets of a build, to BuildKit until
// stop is called.
func (e *Engine) send(ctx context.Context, root *os.Root, spec appliance.BuildSpec) (sent *session.Session, stop func(), err error) {
	files, err := newContext(root)
	if err != nil {
		return nil, nil, fmt.Errorf("build: %w", err)
	}
	// The same key each time: BuildKit then asks only for what has changed
	// since the app's last build.
	sent, err = session.NewSession(ctx, e.networkName(spec.App))
	if err != nil {
		return nil, nil, fmt.Errorf("build: %w", err)
	}
	sent.Allow(filesync.NewFSSyncProvider(filesync.StaticDirSource{"context": files, "dockerfile": files}))
	sent.Allow(secretsprovider.FromMap(spec.Secrets))
	sent.Allow(&logins{of: spec.Logins})

	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		// When this fails the build does, and says so: it gets no files.
		_ = sent.Run(ctx, e.dial)
	}()
	return sent, func() {
		cancel()
		_ = sent.Close() // it has served its time
		<-done
	}, nil
}

// dial opens the connection over which BuildKit calls back.
func (e *Engine) dial(ctx context.Context, proto string, meta map[string][]string) (net.Conn, error) {
	return e.api(ctx).DialHijack(ctx, "/session", proto, meta)
}
