package git

// Followed returns the address that a submodule is fetched from.
func Followed(raw string, access Access) (string, error) {
	remote, err := followable(raw, "lib", access)
	return remote.url, err
}

// Public tells whether an address is one of the public Internet.
var Public = public
