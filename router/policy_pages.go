package router

import "strconv"

// isPageName reports whether Policy.Pages can have a page by that name.
func isPageName(name string) bool {
	if name == "default" {
		return true
	}
	if status, err := strconv.Atoi(name); err == nil {
		return 400 <= status && status <= 599
	}
	for _, p := range allPages {
		if p.Code == name {
			return true
		}
	}
	return false
}
