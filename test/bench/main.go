// Command bench prints Switchboard's figures as ratios beside a reference in the same run, so that
// they mean something on any machine: onboarding beside kubectl apply, webhooks beside pgbench, the
// memory of idle processes, and retention runs beside DELETE and VACUUM by hand. It keeps them in
// test/bench/results.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/switchboard-operator/switchboard/test/cluster"
	"github.com/switchboard-operator/switchboard/test/fixture"
)

// Limits of the figures; a run that misses one says so and fails.
const (
	limitOnboarding = 1.3
	limitInbound    = 0.6
	limitOperator   = 45 // MiB
	limitServe      = 30
	limitConnect    = 25
	limitShrink     = 15  // times faster than by hand
	limitDaily      = 0.9 // of the speed by hand
	limitDelay      = 2.0 // times the delay of inbound messages when idle
	limitRetain     = 40  // MiB
	limitGivenBack  = 0.9
)

func main() {
	rounds := flag.Int("rounds", 3, "how often a tenant is onboarded each way; the median counts")
	histories := flag.Int("histories", 3, "how often a history of 24 months is filled in and deleted; the median counts")
	seconds := flag.Int("seconds", 20, "how long webhooks and pgbench write")
	root := flag.String("root", ".", "the repository's root")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := bench(ctx, *root, scale{*rounds, *histories, time.Duration(*seconds) * time.Second})
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// scale is how much of each figure is measured; none of what is zero, and then the run is not kept.
type scale struct {
	rounds, histories int
	duration          time.Duration
}

func (s scale) whole() bool { return s.rounds > 0 && s.histories > 0 && s.duration > 0 }

func bench(ctx context.Context, root string, s scale) error {
	c, err := cluster.Open()
	if err != nil {
		return err
	}
	result := newResult(ctx, root)
	fmt.Printf("%s, commit %s\n", result.Machine, result.Commit)

	fmt.Println("preparing: operator, hands on the nodes, stand-in …")
	if err := fixture.InstallOperator(ctx, c, root); err != nil {
		return err
	}
	if err := c.LayHands(ctx, fixture.PostgresImage()); err != nil {
		return err
	}
	standin, err := fixture.StartStandin(ctx, c)
	if err != nil {
		return err
	}
	t := newSubject(c, standin)
	err = errors.Join(measure(ctx, t, &result, s), t.remove(ctx), c.RemoveHands(ctx))
	if err != nil {
		return err
	}
	fmt.Print(result.table())
	if !s.whole() {
		fmt.Println("\nNot everything was measured: the run is not kept.")
	} else if err := result.save(root + "/test/bench/results"); err != nil {
		return err
	}
	return result.judge()
}

// measure takes the figures on one subject.
func measure(ctx context.Context, t *subject, result *result, s scale) error {
	if err := t.prepare(ctx); err != nil {
		return err
	}
	for round := 1; round <= s.rounds; round++ {
		operator, err := t.onboard(ctx)
		if err != nil {
			return fmt.Errorf("onboarding by the operator: %w", err)
		}
		plain, err := t.onboardPlainly(ctx)
		if err != nil {
			return fmt.Errorf("onboarding by kubectl apply: %w", err)
		}
		fmt.Printf("onboarding %d of %d: %.1f s by the operator, %.1f s by kubectl apply of the same manifests\n",
			round, s.rounds, operator.Seconds(), plain.Seconds())
		result.Onboarding.Operator = append(result.Onboarding.Operator, operator.Seconds())
		result.Onboarding.Apply = append(result.Onboarding.Apply, plain.Seconds())
	}
	if _, err := t.onboard(ctx); err != nil {
		return fmt.Errorf("onboarding for the other figures: %w", err)
	}
	if s.duration > 0 {
		if err := t.measureMemory(ctx, &result.Memory); err != nil {
			return err
		}
		fmt.Printf("idle: operator %d, serve %d, connect %d MiB\n", result.Memory.Operator>>10, result.Memory.Serve>>10, result.Memory.Connect>>10)
		if err := t.measureInbound(ctx, s.duration, &result.Inbound); err != nil {
			return err
		}
	}
	if s.histories > 0 {
		return t.measureRetention(ctx, s.histories, &result.Retention)
	}
	return nil
}
