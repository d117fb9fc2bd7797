package docker

// What the tests of this package look at from inside.
var (
	FreeSubnet    = freeSubnet
	ParseAddrPort = parseAddrPort
	OutOfMemory   = (*Engine).outOfMemory
)
