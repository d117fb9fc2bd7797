package static

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/spf13/pflag"
)

// Main is the command "berth static-serve [--root DIR] [--check]". It serves on
// $PORT until ctx is done, as static.json in the working directory says. With
// --check it only reads that, and prints what in it will not do what it says.
func Main(ctx context.Context, args []string) error {
	flags := pflag.NewFlagSet("static-serve", pflag.ContinueOnError)
	root := flags.String("root", "", "the directory to serve")
	check := flags.Bool("check", false, "read static.json, and serve nothing")
	if err := flags.Parse(args); err != nil {
		return err
	}
	config, warnings, err := ReadConfig("static.json", os.Getenv)
	if err != nil {
		return err
	}
	if os.Getenv("BASIC_AUTH_USERNAME") != "" && config.Auth == nil {
		config.Auth = &Auth{}
	}
	if config.Auth != nil {
		if err := config.Auth.read(os.Getenv); err != nil {
			return err
		}
		if len(config.Auth.Users) == 0 {
			warnings = append(warnings, "static.json wants a password, and there is no user: set BASIC_AUTH_USERNAME and BASIC_AUTH_PASSWORD; until then nobody is let in")
		}
	}
	if *root != "" {
		config.Root = *root
	}
	handler, err := New(config)
	if err != nil {
		return err
	}
	defer handler.Close()
	for _, warning := range warnings {
		fmt.Println(warning)
	}
	if *check {
		return nil
	}
	port := os.Getenv("PORT")
	if port == "" {
		port = "5000"
	}
	listener, err := net.Listen("tcp", ":"+port)
	if err != nil {
		return err
	}
	return Serve(ctx, listener, handler)
}

// Serve serves until ctx is done, and then finishes what it has begun.
func Serve(ctx context.Context, l net.Listener, h http.Handler) error {
	server := &http.Server{Handler: h, ReadHeaderTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute}
	stopped := make(chan error, 1)
	defer context.AfterFunc(ctx, func() {
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), 25*time.Second)
		defer cancel()
		stopped <- server.Shutdown(limit)
	})()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}
