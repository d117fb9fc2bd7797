// Command acmeserver runs the ACME test server as a process, for scripts. It prints
// the URL of its directory when it is ready, and runs until a signal ends it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/berthhq/berth/tls/acmetest"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "acmeserver:", err)
		os.Exit(1)
	}
}

func run() error {
	options := acmetest.Options{Log: os.Stderr}
	flag.IntVar(&options.HTTPPort, "http", 80, "port of this machine where HTTP-01 is asked")
	flag.IntVar(&options.TLSPort, "tls", 443, "port of this machine where TLS-ALPN-01 is asked")
	root := flag.String("root", "", "file to write the certificate to that the directory is trusted by")
	flag.Parse()

	os.Setenv("PEBBLE_VA_NOSLEEP", "1")
	s, err := acmetest.New(options)
	if err != nil {
		return err
	}
	defer s.Close()
	if *root != "" {
		if err := os.WriteFile(*root, s.RootPEM, 0o644); err != nil {
			return err
		}
	}
	fmt.Println(s.Directory)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	<-ctx.Done()
	return nil
}
