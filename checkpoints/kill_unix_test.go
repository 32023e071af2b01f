//go:build unix

package checkpoints

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The tests in this file run themselves as a child process, which finds the
// folder to write to here.
const childFolder = "MEND_CHECKPOINTS_TEST_FOLDER"

func child(test, dir string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], "-test.run=^"+test+"$")
	cmd.Env = append(os.Environ(), childFolder+"="+dir)
	return cmd
}

// Killed at any moment, a writer leaves a folder whose newest checkpoint reads
// whole and is no older than the last one that Write reported as stored.
func TestKilledWriter(t *testing.T) {
	if dir := os.Getenv(childFolder); dir != "" {
		writeForever(dir)
		return
	}
	const kills, seed = 40, 1
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(seed, 0))
	var reached uint64
	stored, leftovers := 0, 0
	// Go on until one was hit in mid-write, which most kills miss.
	for kill := 0; kill < kills || leftovers == 0 && kill < 10*kills; kill++ {
		cmd := child(t.Name(), dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// Kill somewhere within the first few writes, or the start-up.
		lines := bufio.NewScanner(out)
		for range rng.IntN(6) {
			if !lines.Scan() {
				break
			}
			stored += observe(t, lines.Text(), &reached)
		}
		time.Sleep(time.Duration(rng.IntN(4000)) * time.Microsecond)
		cmd.Process.Kill()
		for lines.Scan() { // what it had reported and we had not yet read
			stored += observe(t, lines.Text(), &reached)
		}
		if err := cmd.Wait(); err == nil {
			t.Fatalf("kill %d (seed %d): the child ended by itself", kill, seed)
		}

		temps, _ := filepath.Glob(filepath.Join(dir, ".*.tmp-*"))
		leftovers += len(temps)
		_, c, skipped, err := Latest(dir)
		if errors.Is(err, fs.ErrNotExist) && reached == 0 {
			continue
		}
		if err != nil || len(skipped) != 0 {
			t.Fatalf("kill %d (seed %d): latest: %v, skipped %v", kill, seed, err, skipped)
		}
		if c.Meta.Step < reached {
			t.Fatalf("kill %d (seed %d): latest is of step %d, step %d was reported stored", kill, seed, c.Meta.Step, reached)
		}
		reached = c.Meta.Step
	}
	if stored < kills/2 || leftovers == 0 {
		t.Errorf("%d writes seen, %d temporary files left by the killed: too few to prove anything", stored, leftovers)
	}
	if err := Prune(dir, 1); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, dir, Name(reached))
}

func observe(t *testing.T, line string, reached *uint64) int {
	t.Helper()
	var step uint64
	if _, err := fmt.Sscanf(line, "stored %d", &step); err != nil {
		t.Fatalf("child says %q", line)
	}
	if step <= *reached {
		t.Fatalf("child stored step %d after step %d", step, *reached)
	}
	*reached = step
	return 1
}

func writeForever(dir string) {
	var step uint64
	if _, c, _, err := Latest(dir); err == nil {
		step = c.Meta.Step
	}
	for {
		step++
		c := at(step)
		c.Sections = append(c.Sections, named{"weights", bytes.Repeat([]byte{byte(step)}, 200_000)})
		if err := write(filepath.Join(dir, Name(step)), c); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("stored", step)
		if step%8 == 0 { // not always, so that temporary files survive to be seen
			if err := Prune(dir, 2); err != nil {
				fmt.Println(err)
				os.Exit(1)
			}
		}
	}
}

// A disk that fills up is an error, and the old file stays. A limit on the size
// of files stands in for the full disk: both make write fail half-way.
func TestFullDisk(t *testing.T) {
	if dir := os.Getenv(childFolder); dir != "" {
		signal.Ignore(syscall.SIGXFSZ)
		var usual syscall.Rlimit
		err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &usual)
		if err == nil {
			limit := usual
			limit.Cur = 1000
			err = syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit)
		}
		if err != nil {
			fmt.Println("skip:", err)
			return
		}
		defer syscall.Setrlimit(syscall.RLIMIT_FSIZE, &usual) // for files of the test framework
		c := at(2)
		c.Sections = append(c.Sections, named{"large", make([]byte, 100_000)})
		fmt.Println("Write:", write(filepath.Join(dir, "x.ckpt"), c))
		fmt.Println("WriteFile:", WriteFile(filepath.Join(dir, "x.json"), make([]byte, 2000)))
		return
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "x.ckpt")
	if err := write(path, at(1)); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(filepath.Join(dir, "x.json"), []byte("old")); err != nil {
		t.Fatal(err)
	}
	cmd := child(t.Name(), dir)
	cmd.Stderr = io.Discard
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("child: %v\n%s", err, out)
	}
	if s, ok := strings.CutPrefix(string(out), "skip:"); ok {
		t.Skipf("no limit on file sizes: %s", s)
	}
	for _, want := range []string{`Write: checkpoints: write "`, `WriteFile: checkpoints: write "`} {
		if !strings.Contains(string(out), want) {
			t.Errorf("child says %q, want %q", out, want)
		}
	}
	if strings.Contains(string(out), "<nil>") {
		t.Errorf("child says %q, want two errors", out)
	}
	c, err := Read(path)
	if err != nil || c.Meta.Step != 1 {
		t.Errorf("after the failed write: %v, want step 1", err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "x.json")); err != nil || string(b) != "old" {
		t.Errorf("after the failed write: %q, %v, want the old content", b, err)
	}
	wantFiles(t, dir, "x.ckpt", "x.json")
}
