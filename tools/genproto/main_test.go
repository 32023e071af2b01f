package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// The committed code is what the committed .proto files give, byte for byte.
func TestCommittedCodeIsCurrent(t *testing.T) {
	t.Chdir("..") // where go run -C tools starts the program
	folder := filepath.Join("checkpoints", "internal", "schema")
	files, err := generate(folder)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 2 {
		t.Errorf("%d files generated, want 2", len(files))
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is stale: run go generate ./...", name)
		}
	}
}
