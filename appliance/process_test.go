package appliance_test

import (
	"testing"

	"github.com/berthhq/berth/appliance"
)

func TestEndingNamesTheLimitAndThePeak(t *testing.T) {
	const mb = 1 << 20
	for want, p := range map[string]appliance.Process{
		"exited with status 3":                                                                         {ExitStatus: 3},
		"was ended: out of memory (limit 256 MB, peak 256 MB)":                                         {OOM: true, Limit: 256 * mb, Peak: 256*mb - 4096},
		"was ended: out of memory (limit 256 MB, peak at least 112 MB)":                                {OOM: true, Limit: 256 * mb, Peak: 112 * mb, PeakOpen: true},
		"was ended: out of memory (limit 256 MB, peak not seen)":                                       {OOM: true, Limit: 256 * mb},
		"was ended: out of memory (it has no limit: the machine had none left, peak at least 1800 MB)": {OOM: true, Peak: 1800 * mb, PeakOpen: true},
	} {
		if got := p.Ending(); got != want {
			t.Errorf("Ending() = %q, want %q", got, want)
		}
	}
}
