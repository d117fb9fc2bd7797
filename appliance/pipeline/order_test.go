package pipeline

import (
	"reflect"
	"testing"

	"github.com/berthhq/berth/appliance"
)

func TestServicesStartAfterThoseTheyDependOn(t *testing.T) {
	after := func(types ...string) appliance.Service { return appliance.Service{After: types} }
	for name, tt := range map[string]struct {
		formation appliance.Formation
		services  map[string]appliance.Service
		want      [][]string
	}{
		"nothing":                  {appliance.Formation{"web": 0}, nil, nil},
		"no compose file":          {appliance.Formation{"web": 2, "worker": 1, "clock": 0}, nil, [][]string{{"web", "worker"}}},
		"a chain":                  {appliance.Formation{"web": 1, "api": 1, "db": 1}, map[string]appliance.Service{"web": after("api"), "api": after("db")}, [][]string{{"db"}, {"api"}, {"web"}}},
		"one that does not run":    {appliance.Formation{"web": 1, "db": 0}, map[string]appliance.Service{"web": after("db")}, [][]string{{"web"}}},
		"one that there is not":    {appliance.Formation{"web": 1}, map[string]appliance.Service{"web": after("gone")}, [][]string{{"web"}}},
		"a circle beside the rest": {appliance.Formation{"a": 1, "b": 1, "c": 1}, map[string]appliance.Service{"a": after("b"), "b": after("a")}, [][]string{{"c"}, {"a", "b"}}},
	} {
		if got := startOrder(tt.formation, tt.services); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: order = %q, want %q", name, got, tt.want)
		}
	}
}
