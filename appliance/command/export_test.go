package command

// Manual returns for each command in the manual what it says, and how many
// examples it has.
func Manual() map[string]struct {
	Long     string
	Examples int
} {
	all := map[string]struct {
		Long     string
		Examples int
	}{}
	for name, e := range manual() {
		all[name] = struct {
			Long     string
			Examples int
		}{e.long, len(e.examples)}
	}
	return all
}
