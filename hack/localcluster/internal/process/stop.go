package process

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"time"
)

// patience is how long a program gets to end by itself before it is killed.
const patience = 5 * time.Second

// Stop ends the program of this name, if it runs, and forgets it.
func (t Table) Stop(ctx context.Context, name string) error {
	if r, ok := t.running(name); ok {
		if err := End(ctx, r.PID, patience); err != nil {
			return fmt.Errorf("ending %s: %w", name, err)
		}
	}
	if err := os.Remove(t.file(name)); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("forgetting %s: %w", name, err)
	}
	return nil
}

// End asks a process to end, kills it when its time is over, and returns when it is gone.
// The caller has made sure that the process is ours.
func End(ctx context.Context, pid int, patience time.Duration) error {
	argv, alive := commandLine(pid)
	if !alive {
		return nil
	}
	same := func() bool {
		now, alive := commandLine(pid)
		return alive && matches(now, argv)
	}
	if patience > 0 {
		if err := signal(pid, syscall.SIGTERM); err != nil {
			return err
		}
		if gone(ctx, same, patience) {
			return nil
		}
	}
	if err := signal(pid, syscall.SIGKILL); err != nil {
		return err
	}
	if !gone(ctx, same, 10*time.Second) {
		return fmt.Errorf("process %d (%s) does not end, though it was killed", pid, argv[0])
	}
	return nil
}

func signal(pid int, s syscall.Signal) error {
	if err := syscall.Kill(pid, s); err != nil && err != syscall.ESRCH {
		return fmt.Errorf("sending %s to process %d: %w", s, pid, err)
	}
	return nil
}

func gone(ctx context.Context, alive func() bool, limit time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for alive() {
		select {
		case <-ctx.Done():
			return !alive()
		case <-tick.C:
		}
	}
	return true
}
