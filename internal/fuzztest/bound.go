// Package fuzztest holds parsers of what comes from outside to a bound on the memory that they take.
package fuzztest

import (
	"runtime"
	"testing"
)

// Factor is how many times the size of its input a parser may allocate, besides a constant of its own.
const Factor = 4

// tries is how often a parser may be measured: what another goroutine allocates meanwhile counts, too.
const tries = 5

// Bounded runs a parser of an input of so many bytes, and fails when it allocates more than Factor times that and the constant, in
// bytes. The parser may run several times. Under the race detector, which has pools lose what they hold, it runs once and is not
// measured: make fuzz does that.
func Bounded(t *testing.T, input, constant int, parse func()) {
	t.Helper()
	if underRaceDetector {
		parse()
		return
	}
	most := uint64(Factor*input + constant) //nolint:gosec // sizes
	var took uint64
	for range tries {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		parse()
		runtime.ReadMemStats(&after)
		if took = after.TotalAlloc - before.TotalAlloc; took <= most {
			return
		}
	}
	t.Errorf("%d bytes were allocated for %d; at most %d may be", took, input, most)
}
