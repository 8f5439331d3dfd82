// Package probe finds out from a tenant's pod what its network lets through. It connects, and says nothing to who answers.
package probe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/termination"
)

// Prober tries targets.
type Prober struct {
	// Attempt is how long one connection may take. The second SYN of a lost first one must still fit.
	Attempt time.Duration
	// Patience is how long what should answer and does not, and what should not and does, is tried again: networks take a
	// moment to know a new pod, and some let everything through until then.
	Patience time.Duration
	// Pause between two attempts.
	Pause time.Duration
}

// Default is what a pod tries with.
var Default = Prober{Attempt: 4 * time.Second, Patience: 20 * time.Second, Pause: 500 * time.Millisecond}

// Command is `instance probe`. What it finds is an outcome, not a failure.
func Command(ctx context.Context, log *slog.Logger, p Prober) error {
	tried, err := fromEnvironment()
	if err != nil {
		return termination.Report(contract.Result{}, fmt.Errorf("reading %s: %w", contract.EnvProbe, err))
	}
	result := p.Run(ctx, tried)
	if err := ctx.Err(); err != nil {
		return termination.Report(contract.Result{}, fmt.Errorf("probing: %w", err))
	}
	result.FinishedAt, result.Node = time.Now().UTC().Truncate(time.Second), os.Getenv(contract.EnvNode)
	log.Info("probed", "tried", result.Tried, "reached", result.Reached, "missed", result.Missed)
	return termination.Report(contract.Result{Probe: &result}, nil)
}

func fromEnvironment() (contract.Probe, error) {
	var p contract.Probe
	if err := json.Unmarshal([]byte(os.Getenv(contract.EnvProbe)), &p); err != nil {
		return p, errors.New("it is not the JSON of a probe")
	}
	if len(p.Open) == 0 || len(p.Closed) == 0 || len(p.Open) > contract.MaxTargets || len(p.Closed) > contract.MaxTargets {
		return p, fmt.Errorf("it has %d open and %d closed targets: 1 to %d of each can be tried", len(p.Open), len(p.Closed), contract.MaxTargets)
	}
	for _, t := range append(p.Open[:len(p.Open):len(p.Open)], p.Closed...) {
		host, port, err := net.SplitHostPort(t.Address)
		number, bad := strconv.ParseUint(port, 10, 16)
		if err != nil || host == "" || bad != nil || number == 0 || t.Name == "" || len(t.Name) > 63+len("forbidden-") {
			return p, fmt.Errorf("target %.80q has no name, or not host:port as its address", t.Name)
		}
	}
	return p, nil
}

// Run tries the open targets, and then, once the network knows the pod, the closed ones.
func (p Prober) Run(ctx context.Context, tried contract.Probe) contract.ProbeResult {
	result := contract.ProbeResult{Tried: len(tried.Closed)}
	for i, o := range p.all(ctx, tried.Open, true) {
		if o != reached {
			result.Missed = append(result.Missed, tried.Open[i].Name)
		}
	}
	for i, o := range p.all(ctx, tried.Closed, false) {
		switch o {
		case reached:
			result.Reached = append(result.Reached, tried.Closed[i].Name)
		case unknown:
			result.Missed = append(result.Missed, tried.Closed[i].Name)
		case silent:
		}
	}
	return result
}

// outcome of trying a target.
type outcome int

const (
	unknown outcome = iota // its name could not be looked up: nothing was tried
	silent                 // no connection came about, whatever refused it
	reached
)

// all tries targets side by side until each is as it should be, or patience is over.
func (p Prober) all(ctx context.Context, targets []contract.Target, open bool) []outcome {
	over := time.Now().Add(p.Patience)
	outcomes := make([]outcome, len(targets))
	var group sync.WaitGroup
	for i, t := range targets {
		group.Go(func() {
			for {
				outcomes[i] = p.try(ctx, t.Address)
				if (outcomes[i] == reached) == open && outcomes[i] != unknown || !time.Now().Before(over) || !pause(ctx, p.Pause) {
					return
				}
			}
		})
	}
	group.Wait()
	return outcomes
}

func (p Prober) try(ctx context.Context, address string) outcome {
	ctx, cancel := context.WithTimeout(ctx, p.Attempt)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	var lookup *net.DNSError
	switch {
	case err == nil:
		_ = conn.Close()
		return reached
	case errors.As(err, &lookup):
		return unknown
	default:
		return silent
	}
}

// pause waits, and reports whether there is still somebody who wants to know.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
