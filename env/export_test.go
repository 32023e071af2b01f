package env

// ShareAll makes every Step one that helpers are started for, however little
// there is to do.
func (v *Vector) ShareAll() { v.crew.shareAll() }

func (c *crew) shareAll() { c.least, c.much = 0, 0 }
