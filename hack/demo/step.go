package main

import (
	"context"
	"fmt"
	"io"
	"time"
)

// step is one line of the demo: what it does, how, and what to look at when it fails.
type step struct {
	name string
	hint string
	run  func(ctx context.Context, say func(format string, args ...any)) error
}

// runSteps runs the steps in order, prints each with its time and what it has to
// say, and stops at the first that fails.
func runSteps(ctx context.Context, w io.Writer, steps []step) error {
	begin := time.Now()
	for i, s := range steps {
		start := time.Now()
		fmt.Fprintf(w, "[%d/%d] %s …\n", i+1, len(steps), s.name)
		say := func(format string, args ...any) {
			fmt.Fprintf(w, "      "+format+"\n", args...)
		}
		if err := s.run(ctx, say); err != nil {
			return fmt.Errorf("step %d, %q: %w\nhint: %s", i+1, s.name, err, s.hint)
		}
		fmt.Fprintf(w, "      done in %.1f s\n", time.Since(start).Seconds())
	}
	fmt.Fprintf(w, "\nAll %d steps done in %.0f s.\n", len(steps), time.Since(begin).Seconds())
	return nil
}
