package static

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/spf13/pflag"
)

// Main is the command "berth static-serve [--root DIR]". It serves on $PORT
// until ctx is done, as static.json in the working directory says.
func Main(ctx context.Context, args []string) error {
	flags := pflag.NewFlagSet("static-serve", pflag.ContinueOnError)
	root := flags.String("root", "", "the directory to serve")
	if err := flags.Parse(args); err != nil {
		return err
	}
	config, err := readConfig("static.json")
	if err != nil {
		return err
	}
	if *root != "" {
		config.Root = *root
	}
	handler, err := New(config)
	if err != nil {
		return err
	}
	defer handler.Close()
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

// readConfig reads as much of Heroku's static.json as there is here. What it
// does not know it leaves alone.
func readConfig(name string) (Config, error) {
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return Config{Root: "."}, nil
	}
	if err != nil {
		return Config{}, err
	}
	var file struct {
		Root      string            `json:"root"`
		CleanURLs bool              `json:"clean_urls"`
		ErrorPage string            `json:"error_page"`
		Routes    map[string]string `json:"routes"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return Config{}, fmt.Errorf("%s: %w", name, err)
	}
	c := Config{Root: file.Root, CleanURLs: file.CleanURLs, ErrorPage: file.ErrorPage, SPA: file.Routes["/**"] != ""}
	if c.Root == "" {
		c.Root = "."
	}
	return c, nil
}
