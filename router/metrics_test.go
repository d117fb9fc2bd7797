package router_test

import (
	"bytes"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/berthhq/berth/router"
)

// A scraped is what a strict reader makes of metrics: numbers by name and
// labels, as "name{a=b,c=d}".
type scraped map[string]float64

var (
	metricName = regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*$`)
	labelName  = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)
	counting   = regexp.MustCompile(`(_bucket|_sum|_count)$`)
)

// scrape reads Prometheus' text form, and fails the test if it is not exactly
// that: each family in one piece, after its HELP and TYPE, no sample twice,
// and histograms that agree with themselves.
func scrape(t *testing.T, text string) scraped {
	t.Helper()
	if !strings.HasSuffix(text, "\n") {
		t.Error("the last line does not end")
	}
	all := scraped{}
	kinds, last := map[string]string{}, ""
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if rest, ok := strings.CutPrefix(line, "# HELP "); ok {
			name, help, ok := strings.Cut(rest, " ")
			if _, twice := kinds[name]; twice || !ok || help == "" || !metricName.MatchString(name) {
				t.Errorf("bad or second help: %q", line)
			}
			last, kinds[name] = name, ""
			continue
		}
		if rest, ok := strings.CutPrefix(line, "# TYPE "); ok {
			name, kind, _ := strings.Cut(rest, " ")
			if name != last || kinds[name] != "" || !slices.Contains([]string{"counter", "gauge", "histogram"}, kind) {
				t.Errorf("bad type: %q", line)
			}
			kinds[name] = kind
			continue
		}
		name, labels, value := sample(t, line)
		family := name
		if kinds[last] == "histogram" {
			family = counting.ReplaceAllString(name, "")
		}
		if family != last || kinds[last] == "" {
			t.Errorf("%q is not below its type", line)
		}
		if kinds[last] == "counter" && (!strings.HasSuffix(name, "_total") || value < 0) {
			t.Errorf("%q is no counter", line)
		}
		key := name + "{" + strings.Join(labels, ",") + "}"
		if _, twice := all[key]; twice {
			t.Errorf("%s is there twice", key)
		}
		all[key] = value
	}
	return all
}

// sample takes a line with a number apart.
func sample(t *testing.T, line string) (name string, labels []string, value float64) {
	t.Helper()
	i := strings.IndexAny(line, "{ ")
	if i < 0 {
		t.Fatalf("%q has no number", line)
	}
	name, line = line[:i], line[i:]
	if !metricName.MatchString(name) {
		t.Errorf("bad name %q", name)
	}
	if line[0] == '{' {
		for line = line[1:]; line[0] != '}'; line = strings.TrimPrefix(line, ",") {
			label, rest, _ := strings.Cut(line, "=")
			quoted, err := strconv.QuotedPrefix(rest)
			if err != nil || !labelName.MatchString(label) {
				t.Fatalf("bad label in %q", line)
			}
			text, err := strconv.Unquote(quoted)
			if err != nil {
				t.Fatalf("%s: %v", quoted, err)
			}
			labels, line = append(labels, label+"="+text), rest[len(quoted):]
		}
		line = line[1:]
	}
	value, err := strconv.ParseFloat(strings.TrimPrefix(line, " "), 64)
	if err != nil || line[0] != ' ' {
		t.Errorf("%q has a bad number", line)
	}
	return name, labels, value
}

func written(t *testing.T, metrics []router.Metric) scraped {
	t.Helper()
	var text bytes.Buffer
	if err := router.WriteMetrics(&text, metrics); err != nil {
		t.Fatal(err)
	}
	return scrape(t, text.String())
}

func TestMetricsCountWhatBecameOfRequests(t *testing.T) {
	d := open(t)
	d.swap(router.Service{Name: "blog", Hosts: []string{"blog.test"}, Targets: []string{app(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		status, _ := strconv.Atoi(req.URL.Path[1:])
		w.WriteHeader(status)
		fmt.Fprint(w, "12345")
	}))}})
	d.swap(router.Service{Name: "idle", Hosts: []string{"idle.test", "www.idle.test"}})
	d.swap(router.Service{Name: "unvisited", Hosts: []string{"unvisited.test"}})

	for range 3 {
		d.get("https://blog.test/200")
	}
	d.get("https://blog.test/404")
	d.get("https://blog.test/500")
	d.get("https://idle.test/")
	d.get("https://nowhere.test/")

	got := written(t, d.router.Metrics())
	for key, want := range map[string]float64{
		`berth_router_requests_total{app=blog,method=GET,class=2xx}`:     3,
		`berth_router_requests_total{app=blog,method=GET,class=4xx}`:     1,
		`berth_router_requests_total{app=blog,method=GET,class=5xx}`:     1,
		`berth_router_requests_total{app=idle,method=GET,class=5xx}`:     1,
		`berth_router_errors_total{app=idle,code=H14}`:                   1,
		`berth_router_response_bytes_total{app=blog}`:                    25,
		`berth_router_request_bytes_total{app=blog}`:                     0,
		`berth_router_request_duration_seconds_count{app=blog}`:          5,
		`berth_router_request_duration_seconds_bucket{app=blog,le=+Inf}`: 5,
		`berth_router_requests_in_flight{app=blog}`:                      0,
		`berth_router_requests_held{app=blog}`:                           0,
		`berth_router_targets{app=blog,state=in}`:                        1,
		`berth_router_targets{app=idle,state=in}`:                        0,
		`berth_router_targets{app=unvisited,state=out}`:                  0,
		`berth_router_failed_requests_total{app=blog}`:                   0,
		`berth_router_hosts{}`:                                           4,
		`berth_router_unknown_host_requests_total{}`:                     1,
	} {
		if n, ok := got[key]; !ok || n != want {
			t.Errorf("%s = %v, %v, want %v", key, n, ok, want)
		}
	}
	before := 0.0
	for _, le := range []string{"0.001", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "30", "+Inf"} {
		n, ok := got["berth_router_request_duration_seconds_bucket{app=blog,le="+le+"}"]
		if !ok || n < before {
			t.Errorf("bucket %s = %v, %v, want no less than %v", le, n, ok, before)
		}
		before = n
	}
	if sum := got[`berth_router_request_duration_seconds_sum{app=blog}`]; sum <= 0 {
		t.Errorf("sum = %v", sum)
	}
}

// Attack: a visitor who makes up methods makes as many time series.
func TestAVisitorMakesNoMetrics(t *testing.T) {
	l := &router.AccessLog{}
	r := logged(t, l)
	for i := range 100 {
		ask(r, "/", func(req *http.Request) { req.Method = fmt.Sprint("M", i) })
		ask(r, "/", func(req *http.Request) { req.Host = fmt.Sprint(i, ".test") })
	}

	got := written(t, r.Metrics())

	if n := got[`berth_router_requests_total{app=blog,method=other,class=5xx}`]; n != 100 {
		t.Errorf("other methods = %v, want 100", n)
	}
	if n := got[`berth_router_unknown_host_requests_total{}`]; n != 100 {
		t.Errorf("unknown hosts = %v, want 100", n)
	}
	if len(got) > 40 {
		t.Errorf("%d samples", len(got))
	}
}

func TestMetricsTextIsWhatItSaysWhateverIsInIt(t *testing.T) {
	m := router.Metric{Name: "odd_total", Help: "a \\ and\na line", Kind: router.Counter}
	values := []string{"", "a\"b", "a\\b", "a\nb", "ünï", `\n`}
	for i, v := range values {
		m.Add(float64(i), router.Label{Name: "v", Value: v}, router.Label{Name: "w", Value: "}"})
	}

	got := written(t, []router.Metric{m, {Name: "none", Help: "nothing", Kind: router.Gauge}})

	if len(got) != len(values) {
		t.Errorf("%v, want %d samples", got, len(values))
	}
	for i, v := range values {
		if got["odd_total{v="+v+",w=}}"] != float64(i) {
			t.Errorf("%q: %v", v, got)
		}
	}
}
