package appliance

import "fmt"

// Name is what people call a process: "web.1".
func (p Process) Name() string { return fmt.Sprintf("%s.%d", p.Type, p.Index) }
