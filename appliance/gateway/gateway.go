// Package gateway is the SSH door: git pushes and commands come in through
// it, from the network and, through a unix socket, from the machine itself.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

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
	Log      *slog.Logger

	pushes pushes // those that git is working on
}

// Limits of the door.
const (
	handshakeTime  = 20 * time.Second // to show a key
	maxConnections = 200              // from the network, at once
)

// Serve serves until ctx is done, then lets sessions finish for at most Grace.
func (g *Gateway) Serve(ctx context.Context) error {
	remote := g.server(g.handle)
	remote.PublicKeyHandler = g.authenticate
	remote.ConnCallback = limit(maxConnections)
	local := g.server(g.handleLocal)

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return ignoreClosed(remote.Serve(g.Remote)) })
	group.Go(func() error { return ignoreClosed(local.Serve(g.Local)) })
	group.Go(func() error {
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), g.Grace)
		defer cancel()
		// The hook of a push comes in locally: that door is closed last.
		err := shutdown(grace, remote)
		return errors.Join(err, shutdown(grace, local))
	})
	return group.Wait()
}

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
		ChannelHandlers: map[string]ssh.ChannelHandler{"session": ssh.DefaultSessionHandler}, // nothing is forwarded
		SubsystemHandlers: map[string]ssh.SubsystemHandler{
			"default": func(s ssh.Session) { s.Exit(1) },
		},
	}
	s.AddHostKey(g.HostKey)
	return s
}

// limit returns a callback that refuses connections beyond n, and those that
// show no key in time.
func limit(n int) ssh.ConnCallback {
	places := make(chan struct{}, n)
	return func(ctx ssh.Context, conn net.Conn) net.Conn {
		select {
		case places <- struct{}{}:
		default:
			conn.Close()
			return conn
		}
		c := &countedConn{Conn: conn, leave: sync.OnceFunc(func() { <-places })}
		c.SetDeadline(time.Now().Add(handshakeTime))
		ctx.SetValue(connKey{}, c)
		return c
	}
}

type connKey struct{}

// A countedConn gives its place back when it is closed.
type countedConn struct {
	net.Conn
	leave func()
}

func (c *countedConn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}

type actorKey struct{}

// authenticate remembers whose key was offered last. crypto/ssh asks again for
// the key that signs if another was offered in between, so the last one asked
// about is the one that comes in.
func (g *Gateway) authenticate(ctx ssh.Context, key ssh.PublicKey) bool {
	ctx.SetValue(actorKey{}, appliance.Actor{})
	fingerprint := gossh.FingerprintSHA256(key)
	known, err := g.Store.Key(ctx, fingerprint)
	if err == nil {
		err = command.Acceptable(key)
	}
	if err != nil {
		g.Log.InfoContext(ctx, "key refused", "key", fingerprint, "from", ctx.RemoteAddr(), "err", err)
		return false
	}
	ctx.SetValue(actorKey{}, appliance.Actor{
		Name: known.Name, Door: appliance.SSH, Admin: known.Admin, From: ctx.RemoteAddr().String(),
	})
	return true
}

func (g *Gateway) handleLocal(s ssh.Session) {
	s.Context().SetValue(actorKey{}, appliance.Actor{Name: s.User(), Door: appliance.Local, Admin: true})
	g.handle(s)
}

// handle serves one session: a push, a fetch, or a command.
func (g *Gateway) handle(s ssh.Session) {
	if c, ok := s.Context().Value(connKey{}).(*countedConn); ok {
		c.SetDeadline(time.Time{}) // the key is shown: from here on there is no hurry
	}
	actor, _ := s.Context().Value(actorKey{}).(appliance.Actor)
	ctx := appliance.WithActor(s.Context(), actor)
	err := g.dispatch(ctx, s, actor)
	if err != nil {
		show(s.Stderr(), err)
	}
	s.Exit(exitStatus(err))
}

func (g *Gateway) dispatch(ctx context.Context, s ssh.Session, actor appliance.Actor) error {
	args := s.Command()
	if len(args) > 0 && args[0] == "git" { // "git receive-pack" is another spelling of it
		args = append([]string{fmt.Sprintf("git-%s", first(args[1:]))}, args[min(2, len(args)):]...)
	}
	switch {
	case len(args) == 2 && args[0] == "git-receive-pack":
		return g.receivePack(ctx, s, actor, args[1])
	case len(args) == 2 && args[0] == "git-upload-pack":
		return g.uploadPack(ctx, s, actor, args[1])
	case len(args) >= 2 && args[0] == "git-hook" && actor.Door == appliance.Local:
		// A push that only deletes brings no objects, so has no quarantine.
		return g.hook(s, args[1], strings.Join(args[2:], ""))
	case len(args) == 0 && s.RawCommand() == "":
		fmt.Fprintf(s, "Hello %s. This is Berth; there is no shell here.\n\n", actor.Name)
	}
	_, _, tty := s.Pty()
	return g.Commands.Execute(ctx, &command.Session{
		Actor: actor, Stdin: s, Stdout: s, Stderr: s.Stderr(), TTY: tty,
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
