package state

import (
	"encoding/binary"
	"reflect"
	"unsafe"
)

// encode writes the elements of s to dst, which has room for exactly them. It
// looks at their bits as unsigned integers of their size, so that one loop
// serves every type of that size, on machines of either byte order.
func encode[T Number](dst []byte, s []T) {
	p := unsafe.Pointer(unsafe.SliceData(s))
	switch unsafe.Sizeof(s[0]) {
	case 1: // a bool is 0 or 1 in memory
		copy(dst, unsafe.Slice((*uint8)(p), len(s)))
	case 2:
		for i, x := range unsafe.Slice((*uint16)(p), len(s)) {
			binary.LittleEndian.PutUint16(dst[2*i:], x)
		}
	case 4:
		for i, x := range unsafe.Slice((*uint32)(p), len(s)) {
			binary.LittleEndian.PutUint32(dst[4*i:], x)
		}
	case 8:
		for i, x := range unsafe.Slice((*uint64)(p), len(s)) {
			binary.LittleEndian.PutUint64(dst[8*i:], x)
		}
	}
}

// decode is the inverse of encode. A bool is true for any byte but 0.
func decode[T Number](s []T, src []byte) {
	p := unsafe.Pointer(unsafe.SliceData(s))
	switch unsafe.Sizeof(s[0]) {
	case 1:
		to := unsafe.Slice((*uint8)(p), len(s))
		copy(to, src)
		if reflect.TypeFor[T]().Kind() == reflect.Bool {
			for i, x := range to {
				to[i] = (x | -x) >> 7 // 0 stays, all else becomes 1: no other byte may be a bool
			}
		}
	case 2:
		to := unsafe.Slice((*uint16)(p), len(s))
		for i := range to {
			to[i] = binary.LittleEndian.Uint16(src[2*i:])
		}
	case 4:
		to := unsafe.Slice((*uint32)(p), len(s))
		for i := range to {
			to[i] = binary.LittleEndian.Uint32(src[4*i:])
		}
	case 8:
		to := unsafe.Slice((*uint64)(p), len(s))
		for i := range to {
			to[i] = binary.LittleEndian.Uint64(src[8*i:])
		}
	}
}
