package router

import (
	"bufio"
	"io"
	"strconv"
	"strings"
)

// A Metric is one number, or one for each set of labels, that others watch.
type Metric struct {
	Name, Help string
	Kind       MetricKind
	Samples    []Sample
}

// A MetricKind is what Prometheus calls a type.
type MetricKind string

// The kinds of metrics.
const (
	Counter   MetricKind = "counter"
	Gauge     MetricKind = "gauge"
	Histogram MetricKind = "histogram"
)

// A Sample is a number with its labels. Only histograms have a Suffix.
type Sample struct {
	Suffix string
	Labels []Label
	Value  float64
}

// A Label is a name, which is ours, and a value, which is anybody's.
type Label struct{ Name, Value string }

// Add adds a sample.
func (m *Metric) Add(value float64, labels ...Label) {
	m.Samples = append(m.Samples, Sample{Labels: labels, Value: value})
}

// MetricsType is the media type of what WriteMetrics writes.
const MetricsType = "text/plain; version=0.0.4; charset=utf-8"

// Prometheus' text format, version 0.0.4
// (https://prometheus.io/docs/instrumenting/exposition_formats/).
var (
	helpEscapes  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	labelEscapes = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

// WriteMetrics writes metrics in Prometheus' text form.
func WriteMetrics(w io.Writer, metrics []Metric) error {
	b := bufio.NewWriter(w) // remembers the first error, which Flush returns
	for _, m := range metrics {
		if len(m.Samples) == 0 {
			continue
		}
		b.WriteString("# HELP " + m.Name + " " + helpEscapes.Replace(m.Help) + "\n# TYPE " + m.Name + " " + string(m.Kind) + "\n")
		for _, s := range m.Samples {
			b.WriteString(m.Name + s.Suffix)
			for i, l := range s.Labels {
				b.WriteString(map[bool]string{true: "{", false: ","}[i == 0])
				b.WriteString(l.Name + `="` + labelEscapes.Replace(strings.ToValidUTF8(l.Value, "\ufffd")) + `"`)
			}
			if len(s.Labels) > 0 {
				b.WriteByte('}')
			}
			b.WriteString(" " + strconv.FormatFloat(s.Value, 'g', -1, 64) + "\n")
		}
	}
	return b.Flush()
}
