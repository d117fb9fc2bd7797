package command

import (
	"context"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/pipeline"
	"github.com/berthhq/berth/router"
)

// Metrics tells what the daemon counts, in Prometheus' text form: by a
// command, and by HTTP.
type Metrics struct {
	*pipeline.Pipeline
	Version string
	Started time.Time
}

// Commands returns the command that prints the metrics.
func (m Metrics) Commands() []Command {
	return []Command{
		{Name: "router:metrics", Short: "print what the router counts, for Prometheus", Reads: true, Run: func(ctx context.Context, c *Call) error {
			list, err := m.list(ctx)
			if err != nil {
				return err
			}
			return router.WriteMetrics(c.Stdout, list)
		}},
	}
}

// ServeHTTP answers /metrics.
func (m Metrics) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.URL.Path != "/metrics" {
		http.NotFound(w, req)
		return
	}
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		http.Error(w, "only GET", http.StatusMethodNotAllowed)
		return
	}
	list, err := m.list(req.Context())
	if err != nil {
		m.Log.ErrorContext(req.Context(), "metrics", "err", err)
		http.Error(w, "the metrics cannot be put together: see the daemon's log", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", router.MetricsType)
	// Whoever asked may have gone; there is nobody to tell.
	_ = router.WriteMetrics(w, list)
}

func (m Metrics) list(ctx context.Context) ([]router.Metric, error) {
	expiry, err := m.certificates(ctx)
	if err != nil {
		return nil, err
	}
	list := m.Router.Metrics()
	if err := m.name(ctx, list); err != nil {
		return nil, err
	}
	return append(m.daemon(), append(list, expiry)...), nil
}

// name gives apps that were renamed the name that they have now.
func (m Metrics) name(ctx context.Context, list []router.Metric) error {
	apps, err := m.Store.Apps(ctx)
	if err != nil {
		return err
	}
	names := map[string]string{}
	for _, app := range apps {
		names[m.Service(app.Name)] = string(app.Name)
	}
	for _, metric := range list {
		for i, sample := range metric.Samples {
			labels := slices.Clone(sample.Labels) // samples may share them
			for j, label := range labels {
				if name := names[label.Value]; label.Name == "app" && name != "" {
					labels[j].Value = name
				}
			}
			metric.Samples[i].Labels = labels
		}
	}
	return nil
}

// certificates tells for each host until when its certificate is good.
func (m Metrics) certificates(ctx context.Context) (router.Metric, error) {
	expiry := router.Metric{Name: "berth_certificate_expiry_timestamp_seconds", Help: "When the certificate of a host ends, in seconds since 1970.", Kind: router.Gauge}
	apps, err := m.Store.Apps(ctx)
	if err != nil {
		return expiry, err
	}
	seen := map[string]bool{}
	for _, app := range apps {
		hosts, err := m.Hosts(ctx, app.Name)
		if err != nil {
			return expiry, err
		}
		for _, host := range appliance.HostsOf(hosts) {
			s := m.Certificates.Status(host)
			if s.NotAfter.IsZero() || seen[host] {
				continue
			}
			seen[host] = true
			expiry.Add(float64(s.NotAfter.Unix()), router.Label{Name: "app", Value: string(app.Name)}, router.Label{Name: "host", Value: host}, router.Label{Name: "kind", Value: s.Kind})
		}
	}
	return expiry, nil
}

// daemon tells about the daemon itself, under the names that Prometheus' own
// libraries use.
func (m Metrics) daemon() []router.Metric {
	one := func(name, help string, kind router.MetricKind, value float64, labels ...router.Label) router.Metric {
		metric := router.Metric{Name: name, Help: help, Kind: kind}
		metric.Add(value, labels...)
		return metric
	}
	return []router.Metric{
		one("berth_build_info", "Which berth this is.", router.Gauge, 1, router.Label{Name: "version", Value: m.Version}, router.Label{Name: "goversion", Value: runtime.Version()}),
		one("process_start_time_seconds", "When the daemon started, in seconds since 1970.", router.Gauge, float64(m.Started.Unix())),
		one("process_resident_memory_bytes", "Memory of the daemon.", router.Gauge, float64(resident())),
		one("process_open_fds", "Files and connections that the daemon has open.", router.Gauge, float64(openFiles())),
		one("go_goroutines", "Goroutines of the daemon.", router.Gauge, float64(runtime.NumGoroutine())),
	}
}

// resident is the memory of this process, or 0 if nobody says.
func resident() int64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

func openFiles() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(entries) - 1 // reading it opens one
}
