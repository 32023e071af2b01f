package env

// ShareAll has every Step shared, however little there is to do.
func (v *Vector) ShareAll() { v.crew.always = true }
