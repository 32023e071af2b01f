# Each target is one command; see .ci/run for all that must hold.
.PHONY: build quickstart test long lint generate bench

build:
	go build -o mend ./cmd/mend

quickstart:
	go run ./cmd/mend train -c configs/quickstart.yaml

test:
	go test ./...

long:
	MEND_LONG=1 go test ./...

lint:
	go vet ./... && go tool -modfile=tools/go.mod staticcheck ./...

generate:
	go generate ./...

bench:
	go run ./cmd/mend bench
