package lock

import (
	"context"
	"path/filepath"
	"sync"
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

	inside := 0
	var wait sync.WaitGroup
	for range 4 { // the race detector sees it when two are inside, also while the file comes and goes
		wait.Go(func() {
			release, err := Take(context.Background(), file)
			if err != nil {
				t.Error(err)
				return
			}
			inside++
			release()
		})
	}
	wait.Wait()
	if inside != 4 {
		t.Errorf("%d of 4 got the lock", inside)
	}
}
