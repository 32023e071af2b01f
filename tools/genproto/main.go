// Command genproto writes the Go code of protobuf files, without protoc:
//
//	go run -C tools ./genproto checkpoints/internal/schema
//
// regenerates every .pb.go in that folder of the main module. It compiles the
// .proto files itself and speaks the plugin protocol with the protoc-gen-go
// that tools/go.mod pins, so equal inputs give equal bytes everywhere.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/protoutil"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

// root is the main module, seen from the folder of the tools module, where
// go run -C starts the program. Imports between .proto files start there too.
const root = ".."

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "genproto:", err)
		os.Exit(1)
	}
}

func run(folders []string) error {
	if len(folders) == 0 {
		return errors.New("no folder given, want paths such as checkpoints/internal/schema")
	}
	for _, folder := range folders {
		files, err := generate(folder)
		if err != nil {
			return err
		}
		for name, content := range files {
			if err := os.WriteFile(filepath.Join(root, name), content, 0o666); err != nil {
				return err
			}
		}
	}
	return nil
}

// generate returns the generated files of a folder by their path from root.
func generate(folder string) (map[string][]byte, error) {
	sources, err := filepath.Glob(filepath.Join(root, folder, "*.proto"))
	if err != nil {
		return nil, err
	}
	if len(sources) == 0 {
		return nil, fmt.Errorf("%s: no .proto file", folder)
	}
	req := &pluginpb.CodeGeneratorRequest{Parameter: proto.String("paths=source_relative")}
	for _, s := range sources {
		req.FileToGenerate = append(req.FileToGenerate, path.Join(filepath.ToSlash(folder), filepath.Base(s)))
	}
	compiler := protocompile.Compiler{
		Resolver:       protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: []string{root}}),
		SourceInfoMode: protocompile.SourceInfoStandard, // comments become doc comments
	}
	compiled, err := compiler.Compile(context.Background(), req.FileToGenerate...)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, f := range compiled {
		req.ProtoFile = appendWithImports(req.ProtoFile, f, seen)
	}

	in, err := proto.MarshalOptions{Deterministic: true}.Marshal(req)
	if err != nil {
		return nil, err
	}
	plugin := exec.Command("go", "tool", "protoc-gen-go")
	plugin.Stdin, plugin.Stderr = bytes.NewReader(in), os.Stderr
	out, err := plugin.Output()
	if err != nil {
		return nil, fmt.Errorf("protoc-gen-go: %w", err)
	}
	var res pluginpb.CodeGeneratorResponse
	if err := proto.Unmarshal(out, &res); err != nil {
		return nil, fmt.Errorf("protoc-gen-go: %w", err)
	}
	if res.Error != nil {
		return nil, fmt.Errorf("protoc-gen-go: %s", res.GetError())
	}
	files := map[string][]byte{}
	for _, f := range res.File {
		files[f.GetName()] = []byte(f.GetContent())
	}
	return files, nil
}

// appendWithImports appends f after everything that it imports, the order that
// plugins rely on.
func appendWithImports(list []*descriptorpb.FileDescriptorProto, f protoreflect.FileDescriptor, seen map[string]bool) []*descriptorpb.FileDescriptorProto {
	if seen[f.Path()] {
		return list
	}
	seen[f.Path()] = true
	for i := range f.Imports().Len() {
		list = appendWithImports(list, f.Imports().Get(i).FileDescriptor, seen)
	}
	return append(list, protoutil.ProtoFromFileDescriptor(f))
}
