// Package gateway is the SSH door: git pushes and commands come in through
// it, from the network and, through a unix socket, from the machine itself.
package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gliderlabs/ssh"
	gossh "golang.org/x/crypto/ssh"
	"golang.org/x/sync/errgroup"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/command"
	"github.com/berthhq/berth/appliance/pipeline"
	"github.com/berthhq/berth/db"
)

// A Gateway serves SSH.
type Gateway struct {
	Remote   net.Listener // the network; who comes in here shows a key
	Local    net.Listener // the unix socket; whoever may open it is an admin
	HostKey  gossh.Signer
	Store    *db.Store
	Commands *command.Set
	Pipeline *pipeline.Pipeline
	Grace    time.Duration // for sessions to finish when the appliance ends
	Busy     func() bool   // whether something is under way that must not be cut even then; nil if nothing ever is
	Log      *slog.Logger

	HandshakeTime  time.Duration // to show a key; 20 s if 0
	MaxConnections int           // from the network, at once; 200 if 0

	pushes pushes // those that git is working on
}

// Serve serves until ctx is done, then lets sessions finish for at most Grace.
func (g *Gateway) Serve(ctx context.Context) error {
	remote := g.server(g.handleRemote)
	remote.PublicKeyHandler = g.authenticate
	remote.ConnCallback = limit(cmp.Or(g.MaxConnections, defaultMaxConnections), cmp.Or(g.HandshakeTime, defaultHandshakeTime))
	local := g.server(g.handleLocal)

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return ignoreClosed(remote.Serve(g.Remote)) })
	group.Go(func() error { return ignoreClosed(local.Serve(g.Local)) })
	group.Go(func() error {
		<-ctx.Done()
		grace, cancel := g.grace(ctx)
		defer cancel()
		// The hook of a push comes in locally: that door is closed last.
		err := shutdown(grace, remote)
		return errors.Join(err, shutdown(grace, local))
	})
	return group.Wait()
}

// grace returns a context that ends after Grace, and not while Busy.
func (g *Gateway) grace(ctx context.Context) (context.Context, context.CancelFunc) {
	grace, cancel := context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		wait := time.NewTimer(g.Grace)
		defer wait.Stop()
		for {
			select {
			case <-wait.C:
			case <-grace.Done():
				return
			}
			if g.Busy == nil || !g.Busy() {
				cancel()
				return
			}
			wait.Reset(100 * time.Millisecond)
		}
	}()
	return grace, cancel
}

// Pushing tells whether a push is under way.
func (g *Gateway) Pushing() bool { return g.pushes.any() }

// shutdown lets connections end, and cuts those that do not.
func shutdown(ctx context.Context, s *ssh.Server) error {
	err := s.Shutdown(ctx)
	if ctx.Err() != nil {
		return ignoreClosed(s.Close())
	}
	return ignoreClosed(err)
}

// server returns a server with today's algorithms only: no SHA-1, no CBC, no
// finite-field key exchange.
func (g *Gateway) server(handle ssh.Handler) *ssh.Server {
	s := &ssh.Server{
		Version: "berth",
		Handler: handle,
		ServerConfigCallback: func(ssh.Context) *gossh.ServerConfig {
			c := &gossh.ServerConfig{
				MaxAuthTries:            10, // agents offer every key they have
				PublicKeyAuthAlgorithms: publicKeyAlgorithms,
			}
			c.KeyExchanges = keyExchanges
			c.Ciphers = ciphers
			c.MACs = macs
			return c
		},
		ChannelHandlers: map[string]ssh.ChannelHandler{"session": session}, // nothing is forwarded
	}
	s.AddHostKey(g.HostKey)
	return s
}

type fingerprintKey struct{}

// authenticate remembers which key was offered last. crypto/ssh asks again for
// the key that signs if another was offered in between, so the last one asked
// about is the one that comes in.
func (g *Gateway) authenticate(ctx ssh.Context, key ssh.PublicKey) bool {
	fingerprint := gossh.FingerprintSHA256(key)
	ctx.SetValue(fingerprintKey{}, fingerprint)
	_, err := g.Store.Key(ctx, fingerprint)
	if err == nil {
		err = command.Acceptable(key)
	}
	if err != nil {
		g.Log.InfoContext(ctx, "key refused", "key", fingerprint, "from", ctx.RemoteAddr(), "err", err)
		return false
	}
	return true
}

// handleRemote serves a session from the network. Whose key it is, and what
// that may do, is looked up for each: a connection can outlast both.
func (g *Gateway) handleRemote(s ssh.Session) {
	if c, ok := s.Context().Value(connKey{}).(*countedConn); ok {
		c.welcome()
	}
	fingerprint, _ := s.Context().Value(fingerprintKey{}).(string)
	known, err := g.Store.Key(s.Context(), fingerprint)
	if err != nil {
		show(s.Stderr(), fmt.Errorf("%w: your key: %w", appliance.ErrDenied, err))
		s.Exit(command.ExitDenied)
		return
	}
	g.handle(s, appliance.Actor{
		Name: known.Name, Door: appliance.SSH, Admin: known.Admin, From: s.RemoteAddr().String(),
	})
}

func (g *Gateway) handleLocal(s ssh.Session) {
	g.handle(s, appliance.Actor{Name: s.User(), Door: appliance.Local, Admin: true})
}

// handle serves one session: a push, a fetch, or a command.
func (g *Gateway) handle(s ssh.Session, actor appliance.Actor) {
	err := g.guarded(appliance.WithActor(s.Context(), actor), s, actor)
	if err != nil {
		show(stderr(s), err)
	}
	s.Exit(exitStatus(err))
}

// guarded is dispatch that does not take the whole appliance with it when a
// session meets a bug.
func (g *Gateway) guarded(ctx context.Context, s ssh.Session, actor appliance.Actor) (err error) {
	defer func() {
		if r := recover(); r != nil {
			g.Log.ErrorContext(ctx, "panic", "actor", actor.Name, "panic", r, "stack", string(debug.Stack()))
			err = appliance.WithHint(errors.New("something is broken inside Berth"), "the machine's log says more; please report it")
		}
	}()
	return g.dispatch(ctx, s, actor)
}

func (g *Gateway) dispatch(ctx context.Context, s ssh.Session, actor appliance.Actor) error {
	args := s.Command()
	if len(args) > 0 && args[0] == "git" { // "git receive-pack" is another spelling of it
		args = append([]string{fmt.Sprintf("git-%s", first(args[1:]))}, args[min(2, len(args)):]...)
	}
	switch {
	case !utf8.ValidString(s.RawCommand()): // splitting it into words would change it
		return appliance.WithHint(fmt.Errorf("%w: the command line is not UTF-8", command.ErrUsage), "give a value of other bytes on stdin, or in base64: config:set <app> --encoded <key=value>")
	case len(args) == 0 && s.RawCommand() != "":
		return fmt.Errorf("%w: the command line is empty", command.ErrUsage)
	case len(args) <= 2 && first(args) == "git-receive-pack":
		return g.receivePack(ctx, s, actor, first(args[1:]))
	case len(args) <= 2 && first(args) == "git-upload-pack":
		return g.uploadPack(ctx, s, actor, first(args[1:]))
	case len(args) >= 2 && args[0] == "git-hook" && actor.Door == appliance.Local:
		// A push that only deletes brings no objects, so has no quarantine.
		return g.hook(s, args[1], strings.Join(args[2:], ""))
	case len(args) == 0:
		fmt.Fprintf(s, "Hello %s. This is Berth; there is no shell here.\n\n", actor.Name)
	}
	terminal, screen := terminal(s)
	return g.Commands.Execute(ctx, &command.Session{
		Actor: actor, Line: s.RawCommand(), Stdin: s, Stdout: s, Stderr: stderr(s), TTY: terminal != nil, Terminal: terminal, Screen: screen,
	}, args)
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

func ignoreClosed(err error) error {
	if errors.Is(err, ssh.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
