// Package schema holds the protobuf messages inside checkpoints and policy
// files. The code is generated; packages checkpoints and checkpoints/policy
// translate it to plain structs and check what they read.
package schema

//go:generate go run -C ../../../tools ./genproto checkpoints/internal/schema
