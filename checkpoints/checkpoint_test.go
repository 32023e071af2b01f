package checkpoints

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"mend/checkpoints/internal/disk"
)

var rewrite = flag.Bool("rewrite", false, "write testdata anew")

// content is all that a file holds, in memory.
type content struct {
	Meta     Meta
	Sections []named
}

type named struct {
	Name string
	Data []byte
}

// sections is what Write takes.
func (c *content) sections() []Section {
	list := make([]Section, len(c.Sections))
	for i, s := range c.Sections {
		list[i] = Section{s.Name, uint64(len(s.Data)), func(w io.Writer) error {
			_, err := w.Write(s.Data)
			return err
		}}
	}
	return list
}

// contentOf reads all sections of a checkpoint.
func contentOf(t testing.TB, c *Checkpoint) *content {
	t.Helper()
	all := &content{Meta: c.Meta}
	for _, s := range c.Sections {
		err := s.Read(func(r io.Reader, size uint64) error {
			b, err := io.ReadAll(r)
			if uint64(len(b)) != size {
				t.Errorf("section %q has %d bytes, it announced %d", s.Name, len(b), size)
			}
			all.Sections = append(all.Sections, named{s.Name, b})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// sample is what testdata/v1.ckpt holds. It must not change.
func sample() *content {
	return &content{
		Meta: Meta{
			Env: "RackBursts-v0", EnvDigest: strings.Repeat("ab", 32), Algo: "ppo",
			Seed: 1<<64 - 1, Step: 12345, Update: 12, Episode: 3,
			Config: []byte("seed: 18446744073709551615\n"),
			Tool:   "v0.1.0", Go: "go1.26.8", CPU: "amd64 avx512",
		},
		Sections: []named{
			{"agent", []byte{0, 1, 2, 254, 255}},
			{"vector", nil},
			{"replay", bytes.Repeat([]byte("ring"), 8)},
		},
	}
}

func encoded(t testing.TB, c *content) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := encode(&b, &c.Meta, c.sections()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func write(path string, c *content) error { return Write(path, c.Meta, c.sections()...) }

// sealed is b with its digest after it.
func sealed(b []byte) []byte {
	sum := sha256.Sum256(b)
	return append(bytes.Clone(b), sum[:]...)
}

func put(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatal(err)
	}
}

func wantContent(t *testing.T, got *Checkpoint, want *content) {
	t.Helper()
	if d := cmp.Diff(want, contentOf(t, got), cmpopts.EquateEmpty()); d != "" {
		t.Errorf("checkpoint differs (-want +got):\n%s", d)
	}
}

func TestRoundTrip(t *testing.T) {
	kernel := sample()
	kernel.Meta.Kernel = "avx2"
	for name, c := range map[string]*content{
		"sample": sample(),
		"kernel": kernel,
		"empty":  {},
		"large":  {Sections: []named{{"a", bytes.Repeat([]byte{7}, 300_000)}, {"b", make([]byte, 65536)}}},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.ckpt")
			if err := write(path, c); err != nil {
				t.Fatal(err)
			}
			got, err := Read(path)
			if err != nil {
				t.Fatal(err)
			}
			wantContent(t, got, c)

			// Equal runs give equal files.
			again := filepath.Join(t.TempDir(), "y.ckpt")
			if err := write(again, contentOf(t, got)); err != nil {
				t.Fatal(err)
			}
			a, _ := os.ReadFile(path)
			b, _ := os.ReadFile(again)
			if !bytes.Equal(a, b) {
				t.Error("what was read is written with other bytes")
			}
		})
	}
}

func TestSection(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.ckpt")
	if err := write(path, sample()); err != nil {
		t.Fatal(err)
	}
	c, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.Section("agent")
	if err != nil || s.Size != 5 {
		t.Fatalf("agent: %+v, %v", s, err)
	}
	_, err = c.Section("agnet")
	wantError(t, err, `checkpoints: no section "agnet", want one of agent, vector, replay`)
	_, err = new(Checkpoint).Section("agent")
	wantError(t, err, "has none")

	where := fmt.Sprintf("checkpoints: read %q: section \"agent\": ", path)
	wantError(t, s.Read(func(r io.Reader, _ uint64) error {
		_, err := io.ReadFull(r, make([]byte, 3))
		return err
	}), where+"2 of 5 bytes were left unread")
	own := errors.New("own")
	if err := s.Read(func(io.Reader, uint64) error { return own }); !errors.Is(err, own) {
		t.Errorf("%v does not wrap the reader's error", err)
	}

	// Between Read and the section's data the file changes.
	all := func(r io.Reader, _ uint64) error {
		_, err := io.Copy(io.Discard, r)
		return err
	}
	if err := s.Read(all); err != nil {
		t.Error(err)
	}
	other := sample()
	other.Sections[0].Data[2]++
	if err := write(path, other); err != nil {
		t.Fatal(err)
	}
	wantError(t, s.Read(all), where+"the file changed after it was verified")
	put(t, path, nil)
	wantError(t, s.Read(all), where+"the file changed after it was verified")
	os.Remove(path)
	if err := s.Read(all); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v does not wrap fs.ErrNotExist", err)
	}
}

// A large section passes through: neither writing nor reading it allocates what
// depends on its size. 1 MB is room for the buffers, of 64 kB each, the digests
// and the names; the section is 128 times that.
func TestSectionsStream(t *testing.T) {
	const size, room = 128 << 20, 1 << 20
	path := filepath.Join(t.TempDir(), "x.ckpt")
	chunk := make([]byte, 32<<10)
	allocated := func(f func() error) uint64 {
		t.Helper()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if err := f(); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	if n := allocated(func() error {
		return Write(path, Meta{}, Section{"replay", size, func(w io.Writer) error {
			for range size / len(chunk) {
				if _, err := w.Write(chunk); err != nil {
					return err
				}
			}
			return nil
		}})
	}); n > room {
		t.Errorf("writing a section of %d bytes allocates %d, want at most %d", size, n, room)
	}
	read := 0
	if n := allocated(func() error {
		c, err := Read(path)
		if err != nil {
			return err
		}
		return c.Sections[0].Read(func(r io.Reader, _ uint64) error {
			for {
				n, err := r.Read(chunk)
				read += n
				if err == io.EOF {
					return nil
				}
				if err != nil {
					return err
				}
			}
		})
	}); n > room || read != size {
		t.Errorf("reading %d bytes of a section of %d allocates %d, want at most %d", read, size, n, room)
	}
}

// Files of every version ever released load forever.
func TestGolden(t *testing.T) {
	path := filepath.Join("testdata", "v1.ckpt")
	if *rewrite {
		put(t, path, encoded(t, sample()))
	}
	got, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	wantContent(t, got, sample())
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b, encoded(t, sample())) {
		t.Error("the same checkpoint is now written with other bytes: a new format needs a new version")
	}
}

func TestEveryDamageIsRefused(t *testing.T) {
	whole := encoded(t, sample())
	if _, err := decode(bytes.NewReader(whole), int64(len(whole))); err != nil {
		t.Fatal(err)
	}
	refuse := func(t *testing.T, b []byte, what string, at int) {
		t.Helper()
		c, err := decode(bytes.NewReader(b), int64(len(b)))
		if err == nil || c != nil {
			t.Fatalf("%s %d of %d was accepted", what, at, len(whole))
		}
		if strings.Contains(err.Error(), "\n") {
			t.Fatalf("%s %d: error of several lines: %q", what, at, err)
		}
	}
	t.Run("byte", func(t *testing.T) {
		for i := range whole {
			for bit := range 8 {
				b := bytes.Clone(whole)
				b[i] ^= 1 << bit
				refuse(t, b, fmt.Sprintf("bit %d of byte", bit), i)
			}
		}
	})
	t.Run("truncation", func(t *testing.T) {
		for n := range whole {
			refuse(t, whole[:n], "truncation at", n)
		}
	})
	t.Run("appended", func(t *testing.T) {
		refuse(t, append(bytes.Clone(whole), 0), "a byte appended at", len(whole))
		refuse(t, append(bytes.Clone(whole), whole...), "a second file appended at", len(whole))
	})
	t.Run("removed", func(t *testing.T) {
		for i := range whole {
			refuse(t, append(bytes.Clone(whole[:i]), whole[i+1:]...), "removal of byte", i)
		}
	})
}

func TestReadErrors(t *testing.T) {
	whole := encoded(t, sample())
	newer := bytes.Clone(whole)
	newer[8] = 2
	absurd := bytes.Clone(whole)
	copy(absurd[12:], "\xff\xff\xff\xff")
	bomb := append([]byte(Magic), 1, 0, 0, 0, 0, 0, 0, 0, 'S', 1, 0, 'x', 0, 0, 0, 0, 0, 0, 0, 0x80)
	bomb = append(bomb, make([]byte, 32)...)
	altered := bytes.Clone(whole)
	altered[len(altered)-40] ^= 1

	dir := t.TempDir()
	for name, tt := range map[string]struct {
		data []byte
		want string
	}{
		"empty":     {nil, "empty file, want a checkpoint"},
		"junk":      {bytes.Repeat([]byte{0xde, 0xad}, 500), "not a checkpoint: wrong magic bytes"},
		"text":      {[]byte("seed: 1\n"), "not a checkpoint: wrong magic bytes"},
		"short":     {whole[:5], "truncated: 5 bytes"},
		"newer":     {newer, "format version 2, this build reads 1"},
		"truncated": {whole[:len(whole)-33], "truncated or damaged"},
		"absurd":    {absurd, "truncated or damaged: meta message of 4294967295 bytes"},
		"bomb":      {bomb, `truncated or damaged: section "x" of 9223372036854775808 bytes, 0 left in the file`},
		"unnamed":   {sealed(append([]byte(Magic), 1, 0, 0, 0, 0, 0, 0, 0, 'S', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 'E')), "section 0 has no name"},
		"tag":       {sealed(append([]byte(Magic), 1, 0, 0, 0, 0, 0, 0, 0, 'X', 'E')), "damaged: byte 16 is 0x58, want a section or the end"},
		"meta":      {sealed(append([]byte(Magic), 1, 0, 0, 0, 1, 0, 0, 0, 0xff, 'E')), "meta message: proto"},
		"altered":   {altered, "damaged: the content has SHA-256 "},
		"policy":    {[]byte(policyMagic + "...................................................."), "is a policy, want a checkpoint"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, name+".ckpt")
			put(t, path, tt.data)
			_, err := Read(path)
			wantError(t, err, fmt.Sprintf("checkpoints: read %q: ", path)+tt.want)
		})
	}
	t.Run("folder", func(t *testing.T) {
		_, err := Read(dir)
		wantError(t, err, "is a folder, want a checkpoint file")
	})
	t.Run("missing", func(t *testing.T) {
		_, err := Read(filepath.Join(dir, "none.ckpt"))
		wantError(t, err, "none.ckpt\": ")
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v does not wrap fs.ErrNotExist", err)
		}
	})
}

func TestWriteErrors(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.ckpt")
	bytesOf := func(n int, err error) func(io.Writer) error {
		return func(w io.Writer) error {
			w.Write(make([]byte, n))
			return err
		}
	}
	for name, tt := range map[string]struct {
		meta     Meta
		sections []Section
		want     string
	}{
		"unnamed":  {Meta{}, []Section{{}}, "section 0 has no name"},
		"repeated": {Meta{}, []Section{{Name: "a"}, {Name: "a"}}, `two sections "a"`},
		"long":     {Meta{}, []Section{{Name: strings.Repeat("n", 65536)}}, "name of 65536 bytes"},
		"name":     {Meta{}, []Section{{Name: "\xff"}}, "want UTF-8"},
		"meta":     {Meta{Env: "\xff"}, nil, "UTF-8"},
		"fails":    {Meta{}, []Section{{"a", 1, bytesOf(1, errors.New("no data"))}}, "no data"},
		"short":    {Meta{}, []Section{{"a", 2, bytesOf(1, nil)}}, `section "a" wrote 1 bytes, it announced 2`},
		"more":     {Meta{}, []Section{{"a", 2, bytesOf(3, nil)}}, `section "a" wrote 3 bytes, it announced 2`},
	} {
		t.Run(name, func(t *testing.T) {
			wantError(t, Write(path, tt.meta, tt.sections...), tt.want)
		})
	}
	t.Run("onto a folder", func(t *testing.T) {
		onto := filepath.Join(dir, "taken")
		if err := os.MkdirAll(filepath.Join(onto, "inside"), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := write(onto, sample()); err == nil {
			t.Error("a folder was replaced")
		}
	})
	t.Run("missing folder", func(t *testing.T) {
		err := write(filepath.Join(dir, "none", "x.ckpt"), sample())
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v does not wrap fs.ErrNotExist", err)
		}
	})
	// None of it left anything behind.
	wantFiles(t, dir, "taken")
}

func TestUnwritableFolder(t *testing.T) {
	dir := t.TempDir()
	if runtime.GOOS == "windows" {
		t.Skip("folder permissions do not forbid writing here")
	}
	if os.Geteuid() == 0 {
		dir = "/proc" // permissions do not bind root, but nobody writes here
		if _, err := os.Stat(dir); err != nil {
			t.Skip("running as root without /proc: no folder is unwritable")
		}
	} else {
		if err := os.Chmod(dir, 0o555); err != nil {
			t.Fatal(err)
		}
		defer os.Chmod(dir, 0o777)
	}
	wantError(t, write(filepath.Join(dir, "x.ckpt"), sample()), "checkpoints: write ")
	wantError(t, WriteFile(filepath.Join(dir, "x.json"), []byte("{}")), "checkpoints: write ")
}

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "manifest.json")
	for _, want := range []string{"{}", "", "[1, 2]"} {
		if err := WriteFile(path, []byte(want)); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Fatalf("read %q, %v, want %q", got, err, want)
		}
	}
	wantFiles(t, dir, "manifest.json")
}

func TestName(t *testing.T) {
	for step, want := range map[uint64]string{
		0:             "step-000000000000.ckpt",
		12345:         "step-000000012345.ckpt",
		1e12:          "step-1000000000000.ckpt",
		1<<64 - 1:     "step-18446744073709551615.ckpt",
		999999999999:  "step-999999999999.ckpt",
		1000000000001: "step-1000000000001.ckpt",
	} {
		if got := Name(step); got != want {
			t.Errorf("Name(%d) is %q, want %q", step, got, want)
		}
	}
}

func at(step uint64) *content {
	c := sample()
	c.Meta.Step = step
	return c
}

func TestLatest(t *testing.T) {
	dir := t.TempDir()
	_, _, _, err := Latest(dir)
	wantError(t, err, "no checkpoint in")
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v does not wrap fs.ErrNotExist", err)
	}

	// Steps order by number, not by text.
	for _, step := range []uint64{5, 999_999_999_999, 1_000_000_000_000} {
		if err := write(filepath.Join(dir, Name(step)), at(step)); err != nil {
			t.Fatal(err)
		}
	}
	// None of these is a checkpoint.
	put(t, filepath.Join(dir, "."+Name(1e15)+".tmp-1-1"), nil)
	put(t, filepath.Join(dir, "step-0000000000000000099.ckpt"), nil)
	put(t, filepath.Join(dir, "step-99999999999999999999.ckpt"), nil)
	put(t, filepath.Join(dir, Name(2e15)+".bak"), nil)
	path, c, skipped, err := Latest(dir)
	if err != nil || len(skipped) != 0 || filepath.Base(path) != Name(1e12) || c.Meta.Step != 1e12 {
		t.Fatalf("latest is %s with %v, %v", path, skipped, err)
	}

	// Newer damaged ones are passed over and reported.
	put(t, filepath.Join(dir, Name(3e12)), []byte("junk"))
	if err := os.Mkdir(filepath.Join(dir, Name(2e12)), 0o777); err != nil {
		t.Fatal(err)
	}
	path, _, skipped, err = Latest(dir)
	if err != nil || len(skipped) != 2 || filepath.Base(path) != Name(1e12) {
		t.Fatalf("latest is %s with %v, %v", path, skipped, err)
	}
	wantError(t, skipped[0], Name(3e12))
	wantError(t, skipped[1], "is a folder")

	// Nothing readable.
	only := t.TempDir()
	put(t, filepath.Join(only, Name(1)), nil)
	_, c, skipped, err = Latest(only)
	wantError(t, err, "none of the 1 checkpoints in")
	if c != nil || len(skipped) != 1 {
		t.Errorf("got %v and %v", c, skipped)
	}
	_, _, _, err = Latest(filepath.Join(dir, "none"))
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v does not wrap fs.ErrNotExist", err)
	}
}

func TestPrune(t *testing.T) {
	good := func(t *testing.T, dir string, steps ...uint64) {
		for _, s := range steps {
			put(t, filepath.Join(dir, Name(s)), encoded(t, at(s)))
		}
	}
	bad := func(t *testing.T, dir string, steps ...uint64) {
		for _, s := range steps {
			b := encoded(t, at(s))
			put(t, filepath.Join(dir, Name(s)), b[:len(b)-1])
		}
	}
	t.Run("keeps the newest", func(t *testing.T) {
		dir := t.TempDir()
		good(t, dir, 1, 2, 3, 4)
		put(t, filepath.Join(dir, "notes.txt"), nil)
		put(t, filepath.Join(dir, "."+Name(4)+".tmp-77-1"), []byte("half"))
		put(t, filepath.Join(dir, ".notes.txt.tmp-77-1"), nil)
		if err := Prune(dir, 2); err != nil {
			t.Fatal(err)
		}
		wantFiles(t, dir, ".notes.txt.tmp-77-1", "notes.txt", Name(3), Name(4))
	})
	t.Run("spares the only readable one", func(t *testing.T) {
		dir := t.TempDir()
		good(t, dir, 1, 2)
		bad(t, dir, 3, 4, 5)
		if err := Prune(dir, 2); err != nil {
			t.Fatal(err)
		}
		wantFiles(t, dir, Name(2), Name(4), Name(5))
	})
	t.Run("fewer than keep", func(t *testing.T) {
		dir := t.TempDir()
		good(t, dir, 1)
		bad(t, dir, 2)
		if err := Prune(dir, 5); err != nil {
			t.Fatal(err)
		}
		wantFiles(t, dir, Name(1), Name(2))
	})
	t.Run("keep", func(t *testing.T) {
		wantError(t, Prune(t.TempDir(), 0), "keep is 0, want at least 1")
	})
}

// Prune knows a file that is being written by its name; Latest does not take it
// for a checkpoint.
func TestTempName(t *testing.T) {
	dir := t.TempDir()
	err := disk.Replace(filepath.Join(dir, Name(7)), func(w io.Writer) error {
		if err := encode(w, &Meta{}, sample().sections()); err != nil {
			return err
		}
		if _, _, _, err := Latest(dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("latest: %v, want no checkpoint", err)
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
			t.Errorf("%d files, %v, want 1", len(entries), err)
		}
		return Prune(dir, 1)
	})
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v after the temporary file was pruned", err)
	}
	wantFiles(t, dir)
}

func FuzzRead(f *testing.F) {
	whole := encoded(f, sample())
	f.Add(whole, false)
	f.Add(whole[:len(whole)-sha256.Size], true)
	f.Add(whole[:len(whole)/2], false)
	f.Add(encoded(f, &content{}), false)
	f.Add([]byte(Magic), true)
	f.Fuzz(func(t *testing.T, b []byte, seal bool) {
		if seal { // so that the digest does not stop everything
			b = sealed(b)
		}
		c, err := decode(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		all := &content{Meta: c.Meta}
		for _, s := range c.Sections {
			data := b[s.offset:][:s.Size]
			if sha256.Sum256(data) != s.digest {
				t.Fatalf("section %q: its digest is of something else", s.Name)
			}
			all.Sections = append(all.Sections, named{s.Name, data})
		}
		again := encoded(t, all)
		if _, err := decode(bytes.NewReader(again), int64(len(again))); err != nil {
			t.Fatalf("written again: %v", err)
		}
	})
}

func BenchmarkWrite(b *testing.B) {
	c := &content{Sections: []named{{"agent", make([]byte, 1<<20)}}}
	path := filepath.Join(b.TempDir(), "x.ckpt")
	b.SetBytes(1 << 20)
	for b.Loop() {
		if err := write(path, c); err != nil {
			b.Fatal(err)
		}
	}
}

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case err == nil:
		t.Errorf("no error, want %q", want)
	case !strings.Contains(err.Error(), want):
		t.Errorf("error %q, want %q", err, want)
	case strings.Contains(err.Error(), "\n"):
		t.Errorf("error of several lines: %q", err)
	}
}

func wantFiles(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
		t.Errorf("files in the folder (-want +got):\n%s", d)
	}
}
