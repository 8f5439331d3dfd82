package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/switchboard-operator/switchboard/test/guest"
)

// Messages that come in while a shrink runs: at a steady pace, whatever becomes of those before.
const (
	watchPace  = 5 * time.Millisecond // 200 a second
	watchAhead = 15 * time.Second     // so long before, to compare with
)

// inboundDelay is how long a guest's message takes to be durable, in milliseconds.
type inboundDelay struct {
	Idle      []float64 `json:"-"`
	Shrinking []float64 `json:"-"`
	IdleP99   float64   `json:"idleP99Milliseconds"`
	ShrinkP99 float64   `json:"shrinkP99Milliseconds"`
	Samples   int       `json:"samplesWhileShrinking"`
}

// sample is one message, from the instant when it was due.
type sample struct {
	due   time.Time
	delay time.Duration
}

// watcher writes messages until it is stopped.
type watcher struct {
	cancel  context.CancelFunc
	done    sync.WaitGroup
	failed  atomic.Pointer[error]
	mu      sync.Mutex
	samples []sample
}

// watchInbound begins to write, and comes back when there is enough to compare with.
func (t *subject) watchInbound(ctx context.Context) (*watcher, error) {
	line, err := t.directLine(ctx)
	if err != nil {
		return nil, err
	}
	writing, cancel := context.WithCancel(ctx)
	w := &watcher{cancel: cancel}
	w.done.Go(func() {
		pace := time.NewTicker(watchPace)
		defer pace.Stop()
		for n := 0; ; n++ {
			select {
			case <-writing.Done():
				return
			case due := <-pace.C:
				w.done.Go(func() { w.write(ctx, line, due, n) })
			}
		}
	})
	ahead := time.NewTimer(watchAhead)
	defer ahead.Stop()
	select {
	case <-ctx.Done():
	case <-ahead.C:
	}
	return w, ctx.Err()
}

func (w *watcher) write(ctx context.Context, line *guest.Line, due time.Time, n int) {
	status, err := line.Write(ctx, guest.NewSID(), fmt.Sprintf("+1415%07d", 3000000+n%1000), "When does the pool open tomorrow? Room four is asking, thank you.")
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("a message that came in while a run was under way was answered with %d", status)
	}
	if err != nil {
		w.failed.CompareAndSwap(nil, &err)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.samples = append(w.samples, sample{due, time.Since(due)})
}

// stop ends the writing; its error is the first of any message.
func (w *watcher) stop() error {
	w.cancel()
	w.done.Wait()
	if err := w.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// sort adds what was written while the run was under way, and what was before its pod was started.
func (w *watcher) sort(run retainRun, d *inboundDelay) {
	first := w.samples[0].due
	for _, s := range w.samples {
		ms := float64(s.delay.Microseconds()) / 1000
		switch {
		case s.due.Sub(first) < watchAhead:
			d.Idle = append(d.Idle, ms)
		case s.due.Add(s.delay).After(run.began) && s.due.Before(run.ended):
			d.Shrinking = append(d.Shrinking, ms)
		}
	}
	d.IdleP99, d.ShrinkP99, d.Samples = percentile(d.Idle, 99), percentile(d.Shrinking, 99), len(d.Shrinking)
}

// percentile of unsorted values: the smallest that so many percent do not exceed.
func percentile(values []float64, percent int) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[max(0, (len(sorted)*percent+99)/100-1)]
}
