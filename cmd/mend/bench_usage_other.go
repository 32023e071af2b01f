//go:build !unix

package main

import (
	"os"
	"time"
)

// processorTime is the time on the wall since the start: here the nearest to
// the time that this process has kept processors busy.
func processorTime() time.Duration { return wallTime() }

const knowsPeakMemory = false

// peakMemory is never asked for here.
func peakMemory(*os.ProcessState) int64 { panic("mend: peak memory is not known here") }
