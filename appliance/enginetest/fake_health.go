package enginetest

import "github.com/berthhq/berth/appliance"

// SetHealth has the check of a process's image say something. What runs from
// an image with a HEALTHCHECK begins as Starting.
func (f *Fake) SetHealth(id string, h appliance.Health) {
	f.mu.Lock()
	p := f.find(id)
	if p != nil {
		p.Health = h
	}
	f.mu.Unlock()
	if p != nil {
		f.tell(p.App)
	}
}

// firstHealth returns what a process that has just started has for health.
func (p *fakeProcess) firstHealth() appliance.Health {
	if p.image.info.Health {
		return appliance.Starting
	}
	return appliance.NoHealth
}
