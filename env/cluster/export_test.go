package cluster

// RackBursts is what the tests play as RackBursts-v0.
func RackBursts() Config { return rackBursts() }
