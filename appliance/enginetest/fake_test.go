package enginetest_test

import (
	"testing"

	"github.com/berthhq/berth/appliance"
	"github.com/berthhq/berth/appliance/enginetest"
)

func TestFakeIsAnEngine(t *testing.T) {
	f := new(enginetest.Fake)
	t.Cleanup(f.Close)
	f.AddImage("program", appliance.ImageInfo{Cmd: []string{enginetest.Program}})

	enginetest.Test(t, f, "program")
}
