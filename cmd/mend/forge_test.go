package main

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// forge changes a policy file as Save never would. The layout is that of
// checkpoints/policy/format.md: magic, version, length, SHA-256, payload.
func forge(file []byte, change string) ([]byte, error) {
	const header = 8 + 4 + 4 + sha256.Size
	payload := append([]byte{}, file[header:]...)
	version := binary.LittleEndian.Uint32(file[8:])
	switch change {
	case "same": // proves that what follows is right
	case "version": // one that no build reads yet
		version = 3
	case "normalizer": // in a version whose readers would leave it out
		payload = protowire.AppendTag(payload, 10, protowire.BytesType)
		payload = protowire.AppendBytes(payload, nil)
	case "payload-version":
		payload = protowire.AppendTag(payload, 1, protowire.VarintType)
		payload = protowire.AppendVarint(payload, uint64(version)+1)
	case "guard-hold": // a guard that could forbid action 0, "hold"
		payload = appendGuard(payload, "hold", 0, 1)
	case "guard-never": // a guard that permits no value
		payload = appendGuard(payload, "restart", 1, 0)
	case "guard-unknown":
		payload = appendGuard(payload, "reboot", 0, 1)
	case "action": // more actions than the network has outputs
		payload = protowire.AppendTag(payload, 3, protowire.BytesType)
		payload = protowire.AppendString(payload, "extra")
	case "garbage":
		for i := range payload {
			payload[i] = byte(i*7 + 3)
		}
	default:
		return nil, fmt.Errorf("no change %q", change)
	}
	out := append([]byte{}, file[:8]...)
	out = binary.LittleEndian.AppendUint32(out, version)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(payload)))
	sum := sha256.Sum256(payload)
	return append(append(out, sum[:]...), payload...), nil
}

// appendGuard adds a guard on a feature of cluster worlds: field 5 of Policy,
// with name, feature, actions, min and max as its fields 1 to 5.
func appendGuard(payload []byte, action string, lo, hi float32) []byte {
	var g []byte
	for i, s := range []string{"forged", "free_space", action} {
		g = protowire.AppendTag(g, protowire.Number(i+1), protowire.BytesType)
		g = protowire.AppendString(g, s)
	}
	for i, x := range []float32{lo, hi} {
		g = protowire.AppendTag(g, protowire.Number(i+4), protowire.Fixed32Type)
		g = protowire.AppendFixed32(g, math.Float32bits(x))
	}
	payload = protowire.AppendTag(payload, 5, protowire.BytesType)
	return protowire.AppendBytes(payload, g)
}
