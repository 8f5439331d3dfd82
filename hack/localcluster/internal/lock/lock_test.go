package lock

import (
	"context"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestOnlyOneHoldsTheLock(t *testing.T) {
	file := filepath.Join(t.TempDir(), "lock")
	release, err := Take(context.Background(), file)
	if err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := Take(short, file); err == nil {
		t.Fatal("two hold the lock")
	}
	release()

	var inside, served atomic.Int32
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() { // the file goes with each holder and comes with the next
			release, err := Take(context.Background(), file)
			if err != nil {
				t.Error(err)
				return
			}
			if inside.Add(1) > 1 {
				t.Error("two hold the lock")
			}
			served.Add(1)
			inside.Add(-1)
			release()
		})
	}
	wait.Wait()
	if served.Load() != 4 {
		t.Errorf("%d of 4 got the lock", served.Load())
	}
}
