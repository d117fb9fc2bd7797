package main

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// metricsServer answers Prometheus, which asks for little and reads fast.
func metricsServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 16 << 10,
	}
}

// serveMetrics serves until ctx is done, if there is a door for it.
func serveMetrics(ctx context.Context, doors *doors, server *http.Server) error {
	if doors.files[metricsDoor] == nil {
		return nil
	}
	ln, err := doors.listener(metricsDoor)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { server.Close() })()
	if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
