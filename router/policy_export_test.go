package router

// EncodersInUse is how many have not been given back.
func EncodersInUse() int64 { return encodersInUse.Load() }
