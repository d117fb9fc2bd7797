package router_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/berthhq/berth/router"
)

// The address decides who comes in, and is what apps log and ban by: nobody
// may choose it but those who are trusted, and of what they pass on nothing
// counts that is farther than the first who is not.
func TestTheVisitorsAddressIsWhatThoseSayWhoAreTrusted(t *testing.T) {
	d := open(t)
	addr, requests := seen(t)
	d.blog(addr)
	const real = "127.0.0.1"

	for _, c := range []struct {
		name    string
		trust   router.Trust
		headers string
		want    string
	}{
		{"nobody", router.Trust{}, "X-Forwarded-For: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\nCF-Connecting-IP: 6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\n", real},
		{"somebody else", router.Trust{Proxies: []string{"10.0.0.0/8", "cloudflare"}}, "X-Forwarded-For: 6.6.6.6\r\nCF-Connecting-IP: 6.6.6.6\r\n", real},
		{"says nothing", router.Trust{Proxies: []string{"127.0.0.1"}}, "", real},
		{"one hop", router.Trust{Proxies: []string{"127.0.0.1"}}, "X-Forwarded-For: 192.0.2.1\r\n", "192.0.2.1"},
		{"invented hops", router.Trust{Proxies: []string{"127.0.0.1"}}, "X-Forwarded-For: 6.6.6.6, 10.0.0.1, 192.0.2.1\r\n", "192.0.2.1"},
		{"two proxies", router.Trust{Proxies: []string{"127.0.0.1", "10.0.0.0/8"}}, "X-Forwarded-For: 6.6.6.6, 192.0.2.1, 10.0.0.1\r\n", "192.0.2.1"},
		{"in two lines", router.Trust{Proxies: []string{"127.0.0.1", "10.0.0.0/8"}}, "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 192.0.2.1,10.0.0.1\r\n", "192.0.2.1"},
		{"only proxies", router.Trust{Proxies: []string{"127.0.0.1", "10.0.0.0/8"}}, "X-Forwarded-For: 10.0.0.2, 10.0.0.1\r\n", "10.0.0.2"},
		{"nonsense behind a hop", router.Trust{Proxies: []string{"127.0.0.1", "10.0.0.0/8"}}, "X-Forwarded-For: 6.6.6.6, unknown, 10.0.0.1\r\n", "10.0.0.1"},
		{"nonsense", router.Trust{Proxies: []string{"127.0.0.1"}}, "X-Forwarded-For: 6.6.6.6, _hidden\r\n", real},
		{"IPv6", router.Trust{Proxies: []string{"127.0.0.1"}}, "X-Forwarded-For: 2001:DB8::1\r\n", "2001:db8::1"},
		{"IPv6 with a port", router.Trust{Proxies: []string{"127.0.0.1"}}, "X-Forwarded-For: [2001:db8::1]:1234\r\n", "2001:db8::1"},
		{"mapped", router.Trust{Proxies: []string{"127.0.0.1"}}, "X-Forwarded-For: ::ffff:192.0.2.1\r\n", "192.0.2.1"},
		{"the wrong header", router.Trust{Proxies: []string{"127.0.0.1"}}, "Forwarded: for=6.6.6.6\r\nCF-Connecting-IP: 6.6.6.6\r\nX_Forwarded_For: 6.6.6.6\r\n", real},
		{"Forwarded", router.Trust{Proxies: []string{"127.0.0.1"}, Header: "forwarded"}, "X-Forwarded-For: 6.6.6.6\r\nForwarded: for=6.6.6.6, For=\"[2001:db8::1]:99\";proto=https\r\n", "2001:db8::1"},
		{"Forwarded, IPv4", router.Trust{Proxies: []string{"127.0.0.1"}, Header: "Forwarded"}, "Forwarded: proto=https; for=192.0.2.1\r\n", "192.0.2.1"},
		{"Forwarded, torn", router.Trust{Proxies: []string{"127.0.0.1"}, Header: "Forwarded"}, "Forwarded: for=\"6.6.6.6, for=6.6.6.6\";proto=\"x\r\n", real},
		{"Forwarded, hidden", router.Trust{Proxies: []string{"127.0.0.1"}, Header: "Forwarded"}, "Forwarded: for=6.6.6.6, for=_hidden\r\n", real},
	} {
		if err := d.router.SetTrust(c.trust); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		d.raw("GET / HTTP/1.1\r\nHost: blog.test\r\nConnection: close\r\n" + c.headers + "\r\n")
		got := within(t, requests, c.name)
		if xff := got.Header["X-Forwarded-For"]; len(xff) != 1 || xff[0] != c.want {
			t.Errorf("%s: X-Forwarded-For = %q, want %q", c.name, xff, c.want)
		}
		for name, values := range got.Header {
			if strings.Contains(strings.Join(values, " "), "6.6.6.6") {
				t.Errorf("%s: the app got %s: %s", c.name, name, values)
			}
		}
	}
}

// Apps look for a visitor's address wherever some proxy has ever put it, and
// for a path where one has rewritten it. A visitor who sends such a header
// would be whom they like, and ask for what their path does not lead to.
func TestNothingThatOnlyProxiesSayComesFromAVisitor(t *testing.T) {
	d := open(t)
	addr, requests := seen(t)
	d.blog(addr)
	const said = "CF-Connecting-IP: 6.6.6.6\r\nTrue-Client-IP: 6.6.6.6\r\nClient-IP: 6.6.6.6\r\nX-Client-IP: 6.6.6.6\r\nX_Client_IP: 6.6.6.6\r\n" +
		"X-Cluster-Client-IP: 6.6.6.6\r\nFastly-Client-IP: 6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\nProxy: http://6.6.6.6\r\n" +
		"X-Original-URL: /6.6.6.6\r\nX-Rewrite-URL: /6.6.6.6\r\n"

	for _, c := range []struct {
		trust   router.Trust
		headers string
		want    []string // headers that come through
	}{
		{router.Trust{}, said, nil},
		{router.Trust{Proxies: []string{"127.0.0.1"}}, said, []string{"X-Original-Url", "X-Rewrite-Url"}},
		// What is true may be said, more than once it may not: who knows which one is read?
		{router.Trust{}, "X-Client-IP: 127.0.0.1\r\n", []string{"X-Client-Ip"}},
		{router.Trust{}, "X-Client-IP: 127.0.0.1\r\nX-Client-IP: 6.6.6.6\r\n", nil},
		{router.Trust{Proxies: []string{"127.0.0.1"}}, "CF-Connecting-IP: 192.0.2.1\r\nX-Forwarded-For: 192.0.2.1\r\n", []string{"Cf-Connecting-Ip"}},
	} {
		if err := d.router.SetTrust(c.trust); err != nil {
			t.Fatal(err)
		}
		d.raw("GET / HTTP/1.1\r\nHost: blog.test\r\nConnection: close\r\n" + c.headers + "\r\n")
		var got []string
		for name, values := range within(t, requests, "a request at the app").Header {
			if strings.Contains(c.headers, values[0]) && !strings.HasPrefix(name, "X-Forwarded") {
				got = append(got, name)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, c.want) {
			t.Errorf("%q by %v: the app got %v, want %v", c.headers, c.trust, got, c.want)
		}
	}
}

func TestATrustedProxySaysHowTheVisitorCame(t *testing.T) {
	d := open(t)
	addr, requests := seen(t)
	d.blog(addr)

	for _, c := range []struct{ trusted, headers, proto, port string }{
		{"127.0.0.1", "X-Forwarded-Proto: https\r\n", "https", "443"},
		{"127.0.0.1", "X-Forwarded-Proto: https\r\nX-Forwarded-Port: 8443\r\n", "https", "8443"},
		{"127.0.0.1", "X-Forwarded-Proto: https\r\nX-Forwarded-Port: 8443;evil\r\n", "https", "443"},
		{"127.0.0.1", "X-Forwarded-Proto: http, https\r\n", "https", "443"},
		{"127.0.0.1", "X-Forwarded-Proto: gopher\r\n", "http", ""},
		{"10.0.0.1", "X-Forwarded-Proto: https\r\nX-Forwarded-Port: 8443\r\n", "http", ""},
	} {
		if err := d.router.SetTrust(router.Trust{Proxies: []string{c.trusted}}); err != nil {
			t.Fatal(err)
		}
		d.raw("GET / HTTP/1.1\r\nHost: blog.test\r\nConnection: close\r\n" + c.headers + "\r\n")
		got := within(t, requests, "a request at the app")
		if c.port == "" {
			_, c.port, _ = strings.Cut(d.http, ":")
		}
		if proto, port := got.Header.Get("X-Forwarded-Proto"), got.Header.Get("X-Forwarded-Port"); proto != c.proto || port != c.port {
			t.Errorf("%q from %s: %s at %s, want %s at %s", c.headers, c.trusted, proto, port, c.proto, c.port)
		}
	}
}

func TestTrustThatMakesNoSenseIsRefused(t *testing.T) {
	for want, trust := range map[string]router.Trust{
		"neither an address": {Proxies: []string{"proxy.example.com"}},
		"PROXY protocol":     {ProxyProtocol: []string{"cloudflare"}},
		"is everybody":       {Proxies: []string{"0.0.0.0/0"}},
		"::/0 is everybody":  {ProxyProtocol: []string{"::/0"}},
		"X-Real-IP is not":   {Header: "X-Real-IP"},
	} {
		if err := trust.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Validate(%+v) = %v, want %q", trust, err, want)
		}
		if err := router.New(nil).SetTrust(trust); err == nil {
			t.Errorf("SetTrust(%+v) has taken it", trust)
		}
	}
	good := router.Trust{Proxies: []string{"Cloudflare", "10.0.0.0/8"}, Header: "x-forwarded-for", ProxyProtocol: []string{"10.0.0.1"}}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
}

// Cloudflare's own header counts when it comes from Cloudflare's networks. As
// they cannot come here, a PROXY protocol header says that they do.
func TestCloudflareSaysWhoTheVisitorIs(t *testing.T) {
	d := open(t, func(s *router.Server) { s.HTTP = s.Plain.(*router.Router).Listener(s.HTTP) })
	addr, requests := seen(t)
	d.blog(addr)
	if err := d.router.SetTrust(router.Trust{Proxies: []string{"cloudflare"}, ProxyProtocol: []string{"127.0.0.1"}}); err != nil {
		t.Fatal(err)
	}

	for from, want := range map[string]string{
		"162.158.1.1": "192.0.2.1", "172.71.255.255": "192.0.2.1", "104.27.0.1": "192.0.2.1",
		"104.28.0.1": "104.28.0.1", "172.72.0.1": "172.72.0.1", "6.6.6.6": "6.6.6.6",
	} {
		d.raw("PROXY TCP4 " + from + " 127.0.0.1 1234 80\r\nGET / HTTP/1.1\r\nHost: blog.test\r\nConnection: close\r\n" +
			"CF-Connecting-IP: 192.0.2.1\r\nX-Forwarded-For: 6.6.6.6, 192.0.2.2\r\n\r\n")
		if got := within(t, requests, from).Header.Get("X-Forwarded-For"); got != want {
			t.Errorf("from %s: the visitor is %s, want %s", from, got, want)
		}
	}
}
