package policy

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"

	"google.golang.org/protobuf/proto"

	"mend/agents/mlp"
	"mend/checkpoints/internal/disk"
	"mend/checkpoints/internal/schema"
)

const (
	magic           = "\x89MENDP\r\n"
	checkpointMagic = "\x89MENDC\r\n" // of package checkpoints, for a better error
	newest          = 2               // schema version
	headerBytes     = 8 + 4 + 4 + sha256.Size
)

// versionOf is the schema version of a file with that network: the oldest whose
// readers act by it as is meant.
func versionOf(n *mlp.Net) uint32 {
	if n.Input != nil {
		return 2
	}
	return 1
}

// Load reads the artifact at path. It refuses a file that is not one, is of a
// newer version, is incomplete, was altered or does not make sense.
func Load(path string) (*Artifact, error) {
	b, err := readFile(path)
	if err == nil {
		var a *Artifact
		if a, err = decode(b); err == nil {
			return a, nil
		}
	}
	return nil, fmt.Errorf("policy: read %q: %w", path, err)
}

// Decode is [Load] for the bytes of a file.
func Decode(b []byte) (*Artifact, error) {
	a, err := decode(b)
	if err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	return a, nil
}

// Save writes the artifact to path, whole or not at all and durably. Equal
// artifacts give equal bytes.
func (a *Artifact) Save(path string) error {
	b, digest, err := a.encode()
	if err == nil {
		err = disk.Replace(path, func(w io.Writer) error {
			_, err := w.Write(b)
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("policy: write %q: %w", path, err)
	}
	a.digest = digest
	return nil
}

// readFile reads no more of a file than its size, so a file that only claims
// to be a policy costs no more than it holds.
func readFile(path string) ([]byte, error) {
	f, size, err := disk.Open(path, "policy file")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	start := make([]byte, min(size, headerBytes))
	if _, err := io.ReadFull(f, start); err != nil {
		return nil, disk.Bare(err)
	}
	if err := checkHeader(start, size); err != nil {
		return nil, err // before reading what may be a large checkpoint
	}
	b := make([]byte, size)
	copy(b, start)
	if _, err := io.ReadFull(f, b[headerBytes:]); err != nil {
		return nil, disk.Bare(err)
	}
	return b, nil
}

// checkHeader checks everything in the header of a file of the given size but
// the digest.
func checkHeader(b []byte, size int64) error {
	switch {
	case len(b) == 0:
		return errors.New("empty file, want a policy")
	case len(b) >= len(magic) && string(b[:len(magic)]) == checkpointMagic:
		return errors.New("is a checkpoint, want a policy")
	case string(b[:min(len(b), len(magic))]) != magic[:min(len(b), len(magic))]:
		return errors.New("not a policy: wrong magic bytes")
	case len(b) < 12:
		return fmt.Errorf("truncated: %d bytes, want at least %d", size, headerBytes)
	}
	if v := binary.LittleEndian.Uint32(b[8:]); v < 1 || v > newest {
		return fmt.Errorf("schema version %d, this build reads 1 to %d", v, newest)
	}
	if len(b) < headerBytes {
		return fmt.Errorf("truncated: %d bytes, want at least %d", size, headerBytes)
	}
	want := headerBytes + int64(binary.LittleEndian.Uint32(b[12:]))
	switch {
	case size < want:
		return fmt.Errorf("truncated: %d bytes, want %d", size, want)
	case size > want:
		return fmt.Errorf("damaged: %d bytes, want %d", size, want)
	}
	return nil
}

func decode(b []byte) (*Artifact, error) {
	if err := checkHeader(b[:min(len(b), headerBytes)], int64(len(b))); err != nil {
		return nil, err
	}
	payload, want := b[headerBytes:], b[headerBytes-sha256.Size:headerBytes]
	got := sha256.Sum256(payload)
	if string(got[:]) != string(want) {
		return nil, fmt.Errorf("damaged: the payload has SHA-256 %x, want %x as recorded", got[:8], want[:8])
	}
	var m schema.Policy
	if err := proto.Unmarshal(payload, &m); err != nil {
		return nil, fmt.Errorf("payload: %w", err)
	}
	header := binary.LittleEndian.Uint32(b[8:])
	if m.GetSchema() != header {
		return nil, fmt.Errorf("schema version %d in the payload, %d in the header", m.GetSchema(), header)
	}
	a, err := artifact(&m)
	if err != nil {
		return nil, err
	}
	if want := versionOf(a.Net); header != want {
		return nil, fmt.Errorf("schema version %d, want %d: a normalizer makes it 2", header, want)
	}
	a.digest = hex.EncodeToString(got[:])
	if err := a.validate(); err != nil {
		return nil, err
	}
	return a, nil
}

// encode returns the bytes of the file and the digest of its payload.
func (a *Artifact) encode() (file []byte, digest string, err error) {
	if err := a.validate(); err != nil {
		return nil, "", err
	}
	m := a.message()
	options := proto.MarshalOptions{Deterministic: true}
	if n := options.Size(m); uint64(n) > math.MaxInt32 {
		return nil, "", fmt.Errorf("payload of %d bytes, want at most %d", n, math.MaxInt32)
	}
	file, err = options.MarshalAppend(make([]byte, headerBytes), m)
	if err != nil {
		return nil, "", err
	}
	sum := sha256.Sum256(file[headerBytes:])
	copy(file, magic)
	binary.LittleEndian.PutUint32(file[8:], m.GetSchema())
	binary.LittleEndian.PutUint32(file[12:], uint32(len(file)-headerBytes))
	copy(file[16:], sum[:])
	return file, hex.EncodeToString(sum[:]), nil
}
