package docker_test

import (
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/docker"
	"github.com/berthhq/berth/appliance/enginetest"
)

func TestSubnetsOverlapNothingThatIsTaken(t *testing.T) {
	tests := map[string]struct{ taken, want string }{
		"nothing is taken":             {"", "10.213.0.0/26"},
		"the first is":                 {"10.213.0.0/26", "10.213.0.64/26"},
		"a larger network covers some": {"10.213.0.0/23", "10.213.2.0/26"},
		"an address lies within":       {"10.213.0.70/32 10.213.0.0/26", "10.213.0.128/26"},
		"a whole pool is":              {"10.213.0.0/16", "10.214.0.0/26"},
		"a VPN has all of 10":          {"10.0.0.0/8", "172.30.0.0/26"},
		"everything is":                {"0.0.0.0/0", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var taken []netip.Prefix
			for s := range strings.FieldsSeq(test.taken) {
				taken = append(taken, netip.MustParsePrefix(s))
			}

			got, ok := docker.FreeSubnet(taken)

			if ok != (test.want != "") || ok && got.String() != test.want {
				t.Errorf("subnet = %v, %v, want %q", got, ok, test.want)
			}
		})
	}
}

func TestAddressesOfProcAreReadInTheOrderOfThisMachine(t *testing.T) {
	// As a little-endian machine prints them, like amd64 and arm64.
	for printed, want := range map[string]string{
		"0100007F:1F90":                         "127.0.0.1:8080",
		"00000000:0050":                         "0.0.0.0:80",
		"0B00007F:0035":                         "127.0.0.11:53",
		"00000000000000000000000000000000:1F90": "[::]:8080",
		"00000000000000000000000001000000:1F90": "[::1]:8080",
	} {
		if got, ok := docker.ParseAddrPort(printed); !ok || got.String() != want {
			t.Errorf("%s = %v, %v, want %s", printed, got, ok, want)
		}
	}
	for _, broken := range []string{"", "0100007F", "zz00007F:1F90", "01:1F90", "0100007F:123456"} {
		if got, ok := docker.ParseAddrPort(broken); ok {
			t.Errorf("%q = %v, want it refused", broken, got)
		}
	}
}

// The attack: an app that was broken into looks for the others.
func TestAnAppCannotReachAnother(t *testing.T) {
	e := newEngine(t)
	image := enginetest.Image(t, e)
	bank, err := e.Start(t.Context(), appliance.ProcessSpec{
		App: "bank", Type: "web", Image: image, Port: 8080, Replicas: 1, Env: []string{"PORT=8080"},
	})
	if err != nil {
		t.Fatal(err)
	}
	waitListening(t, e, bank[0].ID)
	get := []string{enginetest.Program, "get", "http://" + bank[0].Addr + "/env"}

	own, err := e.Run(t.Context(), appliance.RunSpec{App: "bank", Image: image, Command: get})
	if err != nil {
		t.Fatal(err)
	}
	other, err := e.Run(t.Context(), appliance.RunSpec{App: "thief", Image: image, Command: get})
	if err != nil {
		t.Fatal(err)
	}

	if own.Status != 0 {
		t.Errorf("the app itself got status %d, want an answer", own.Status)
	}
	if other.Status == 0 {
		t.Error("the other app got an answer, want none")
	}
}

func TestAnAppThatIsStartedTwiceAtOnceHasOneNetwork(t *testing.T) {
	e := newEngine(t)
	image := enginetest.Image(t, e)

	var all sync.WaitGroup
	for _, kind := range []string{"web", "worker", "clock"} {
		all.Go(func() {
			_, err := e.Start(t.Context(), appliance.ProcessSpec{App: "blog", Type: kind, Image: image, Replicas: 1})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()

	if n := countNetworks(t, e, "blog"); n != 1 {
		t.Errorf("there are %d networks, want 1", n)
	}
}

// Two engines of one instance are two processes of ours, as when a new daemon
// starts while the old one ends. Docker may then make two networks of one
// name, and can start nothing; but that does not last.
func TestTwoNetworksOfOneNameBecomeOne(t *testing.T) {
	first := newEngine(t)
	second := sameInstance(t, first)
	image := enginetest.Image(t, first)
	start := func(e *docker.Engine) error {
		_, err := e.Start(t.Context(), appliance.ProcessSpec{App: "blog", Type: "web", Image: image, Replicas: 1})
		return err
	}
	var both sync.WaitGroup
	for _, e := range []*docker.Engine{first, second} {
		both.Go(func() { _ = start(e) }) // may fail, see above
	}
	both.Wait()

	err := errors.Join(start(first), start(second))

	if err != nil {
		t.Error(err)
	}
	if n := countNetworks(t, first, "blog"); n != 1 {
		t.Errorf("there are %d networks, want 1", n)
	}
}
