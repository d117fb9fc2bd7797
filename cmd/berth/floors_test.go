package main

import (
	"encoding/json"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// floors lists the packages from the ground up. A package imports only what
// stands on a lower floor.
var floors = [][]string{
	{"router/shelf", "router/wire"},
	{"router/http2"},
	{"appliance", "appliance/await", "appliance/progress", "appliance/static", "router", "tls"},
	{"db", "tls/acmetest", "appliance/builder", "appliance/docker", "appliance/drains", "appliance/enginetest", "appliance/git", "appliance/logs"},
	{"appliance/pipeline", "db/dbtest", "tls/acmetest/acmeserver"},
	{"appliance/command"},
	{"appliance/gateway", "appliance/web"},
	{"cmd/berth"},
}

// testOnly are the packages that must not be part of the binary.
var testOnly = []string{"appliance/await", "tls/acmetest", "appliance/enginetest", "db/dbtest"}

func TestTheBinaryHasNoTestCode(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(out))
	for _, p := range testOnly {
		if slices.Contains(deps, "github.com/berthhq/berth/"+p) {
			t.Errorf("cmd/berth imports %s", p)
		}
	}
}

func TestPackagesImportOnlyLowerFloors(t *testing.T) {
	const module = "github.com/berthhq/berth/"
	floor := map[string]int{}
	for i, packages := range floors {
		for _, p := range packages {
			floor[module+p] = i
		}
	}
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", module+"...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := d.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		at, ok := floor[p.ImportPath]
		if !ok {
			t.Errorf("%s stands on no floor: add it above", p.ImportPath)
		}
		for _, i := range slices.Sorted(slices.Values(p.Imports)) {
			if below, ours := floor[i]; ours && below >= at {
				t.Errorf("%s (floor %d) imports %s (floor %d)", p.ImportPath, at, i, below)
			}
		}
	}
}
