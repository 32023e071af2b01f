package signal

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// ChunkRows is the size of a chunk: the activations of a small net on that many
// rows stay in the cache.
const ChunkRows = 256

// Workers is the number of goroutines that [Chunks] uses for rows at most.
func Workers(rows int) int {
	return max(1, min(runtime.GOMAXPROCS(0), (rows+ChunkRows-1)/ChunkRows))
}

// Chunks calls f for consecutive chunks [from, to) of rows, which have a fixed
// size, so that no bit depends on how many processors there are. Chunks come in
// any order; those of different workers, numbered from 0 to [Workers] less 1, at
// once. One worker alone runs on the caller's goroutine.
func Chunks(rows int, f func(worker, from, to int)) {
	workers := Workers(rows)
	if workers == 1 {
		for from := 0; from < rows; from += ChunkRows {
			f(0, from, min(from+ChunkRows, rows))
		}
		return
	}
	var next atomic.Int64
	var wait sync.WaitGroup
	for w := range workers {
		wait.Go(func() {
			for {
				from := (int(next.Add(1)) - 1) * ChunkRows
				if from >= rows {
					return
				}
				f(w, from, min(from+ChunkRows, rows))
			}
		})
	}
	wait.Wait()
}
