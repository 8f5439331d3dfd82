package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/switchboard-operator/switchboard/test/machine"
)

// result is one run's figures, as kept in JSON.
type result struct {
	At      time.Time `json:"at"`
	Commit  string    `json:"commit"`
	Machine string    `json:"machine"`

	// Onboarding in seconds from apply to Ready, one per round.
	Onboarding struct {
		Operator []float64 `json:"operatorSeconds"`
		Apply    []float64 `json:"applySeconds"`
	} `json:"onboarding"`
	// Inbound messages made durable per second, with 32 clients.
	Inbound inbound `json:"inbound"`
	// Memory is the peak resident set of idle processes in KiB.
	Memory memory `json:"memory"`
	// Retention is what deletion takes.
	Retention retention `json:"retention"`
}

type inbound struct {
	Webhooks        float64 `json:"webhooksPerSecond"`
	Pgbench         float64 `json:"pgbenchPerSecond"`
	PgbenchPrepared float64 `json:"pgbenchPreparedPerSecond"`
}

type memory struct {
	Operator int64 `json:"operatorKiB"`
	Serve    int64 `json:"serveKiB"`
	Connect  int64 `json:"connectKiB"`
}

func newResult(ctx context.Context, root string) result {
	return result{At: time.Now().UTC().Truncate(time.Second), Commit: machine.Commit(ctx, root), Machine: machine.Name()}
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	if len(sorted) == 0 {
		return 0
	}
	return sorted[len(sorted)/2]
}

func (r result) onboardingRatio() float64 {
	return median(r.Onboarding.Operator) / median(r.Onboarding.Apply)
}
func (r result) inboundRatio() float64 { return r.Inbound.Webhooks / r.Inbound.Pgbench }

// figure is one line of what a run prints.
type figure struct {
	name, ours, reference string
	value                 float64 // what the limit is about
	atMost                bool    // else at least
	limit                 float64
	unit                  string // of value and limit
}

func (f figure) missed() bool {
	return f.atMost && !(f.value <= f.limit) || !f.atMost && !(f.value >= f.limit)
}

func (f figure) bound() string {
	word := "at least"
	if f.atMost {
		word = "at most"
	}
	return fmt.Sprintf("%s %g%s", word, f.limit, f.unit)
}

// figures are those that were measured.
func (r result) figures() []figure {
	var all []figure
	if o := r.Onboarding; len(o.Operator) > 0 {
		all = append(all, figure{fmt.Sprintf("Tenant applied → Ready, median of %d", len(o.Operator)), fmt.Sprintf("%.1f s", median(o.Operator)),
			fmt.Sprintf("%.1f s (kubectl apply of the same manifests)", median(o.Apply)), r.onboardingRatio(), true, limitOnboarding, ""})
	}
	if i := r.Inbound; i.Webhooks > 0 {
		all = append(all, figure{fmt.Sprintf("Inbound messages durable, %d clients", clients), fmt.Sprintf("%.0f/s", i.Webhooks),
			fmt.Sprintf("%.0f/s (pgbench; %.0f/s with prepared statements)", i.Pgbench, i.PgbenchPrepared), r.inboundRatio(), false, limitInbound, ""})
	}
	if m := r.Memory; m.Operator > 0 {
		all = append(all, figure{"Peak RSS of the idle operator", "", "", mib(m.Operator), true, limitOperator, " MiB"},
			figure{"Peak RSS of an idle serve", "", "", mib(m.Serve), true, limitServe, " MiB"},
			figure{"Peak RSS of an idle connect", "", "", mib(m.Connect), true, limitConnect, " MiB"})
	}
	if t := r.Retention; t.Messages > 0 {
		all = append(all,
			figure{"24 months of a million messages shrunk to 3", milliseconds(median(t.Shrink.Retain)), t.Shrink.reference(), r.shrinkRatio(), false, limitShrink, ""},
			figure{"One day's messages of 24 months", milliseconds(median(t.Daily.Retain)), t.Daily.reference(), r.dailyRatio(), false, limitDaily, ""},
			figure{fmt.Sprintf("Inbound message durable during a shrink, p99 of %d", t.Inbound.Samples), fmt.Sprintf("%.1f ms", t.Inbound.ShrinkP99),
				fmt.Sprintf("%.1f ms (when idle)", t.Inbound.IdleP99), r.delayRatio(), true, limitDelay, ""},
			figure{"Disk given back by a shrink", fmt.Sprintf("%.0f MB", float64(t.GivenBack)/1e6), fmt.Sprintf("%.0f MB (what the rows had taken)", float64(t.Freed)/1e6), r.givenBackRatio(), false, limitGivenBack, ""},
			figure{"Peak RSS of retain", "", "", mib(t.Memory), true, limitRetain, " MiB"})
	}
	return all
}

func (d deletion) reference() string {
	return fmt.Sprintf("%s (DELETE in batches %s, VACUUM %s)", milliseconds(d.byHand()), milliseconds(median(d.Delete)), milliseconds(median(d.Vacuum)))
}

func milliseconds(seconds float64) string { return fmt.Sprintf("%.0f ms", seconds*1000) }

func (r result) shrinkRatio() float64 {
	return r.Retention.Shrink.byHand() / median(r.Retention.Shrink.Retain)
}
func (r result) dailyRatio() float64 {
	return r.Retention.Daily.byHand() / median(r.Retention.Daily.Retain)
}
func (r result) delayRatio() float64 {
	return r.Retention.Inbound.ShrinkP99 / r.Retention.Inbound.IdleP99
}
func (r result) givenBackRatio() float64 {
	return float64(r.Retention.GivenBack) / float64(r.Retention.Freed)
}

// table is what a person reads.
func (r result) table() string {
	b := []byte("\n| Figure | Ours | Reference | Ratio or value | Limit |\n|---|---|---|---|---|\n")
	for _, f := range r.figures() {
		b = fmt.Appendf(b, "| %s | %s | %s | %.2f%s | %s |\n", f.name, f.ours, f.reference, f.value, f.unit, f.bound())
	}
	return string(b)
}

func mib(kib int64) float64 { return float64(kib) / 1024 }

// judge names every limit that was missed.
func (r result) judge() error {
	var missed []error
	for _, f := range r.figures() {
		if f.missed() {
			missed = append(missed, fmt.Errorf("missed: %s: %.2f%s, %s", f.name, f.value, f.unit, f.bound()))
		}
	}
	return errors.Join(missed...)
}

// save keeps the run as JSON and adds a line to the table of all runs.
func (r result) save(folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("keeping the results: %w", err)
	}
	encoded, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("keeping the results: %w", err)
	}
	name := r.At.Format("20060102-150405") + ".json"
	if err := os.WriteFile(filepath.Join(folder, name), append(encoded, '\n'), 0o644); err != nil {
		return fmt.Errorf("keeping the results: %w", err)
	}
	path := filepath.Join(folder, "README.md")
	table, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		table = []byte(`# Results of make bench

Ratios are beside a reference measured in the same run; ../main.go has the limits.

| When (UTC) | Commit | Machine | Onboarding ÷ kubectl apply | Webhooks ÷ pgbench | Operator, serve, connect (MiB) | Shrink by hand ÷ retain | Daily by hand ÷ retain | Inbound p99, shrinking ÷ idle | Disk given back | Retain (MiB) |
|---|---|---|---|---|---|---|---|---|---|---|
`)
	} else if err != nil {
		return fmt.Errorf("keeping the results: %w", err)
	}
	table = fmt.Appendf(table, "| %s | %s | %s | %.1f s ÷ %.1f s = %.2f | %.0f/s ÷ %.0f/s = %.2f | %.1f, %.1f, %.1f | %.1f s ÷ %.2f s = %.1f | %.0f ms ÷ %.0f ms = %.2f | %.1f ms ÷ %.1f ms = %.2f | %.2f | %.1f |\n",
		r.At.Format(time.DateTime), r.Commit, r.Machine,
		median(r.Onboarding.Operator), median(r.Onboarding.Apply), r.onboardingRatio(),
		r.Inbound.Webhooks, r.Inbound.Pgbench, r.inboundRatio(),
		mib(r.Memory.Operator), mib(r.Memory.Serve), mib(r.Memory.Connect),
		r.Retention.Shrink.byHand(), median(r.Retention.Shrink.Retain), r.shrinkRatio(),
		r.Retention.Daily.byHand()*1000, median(r.Retention.Daily.Retain)*1000, r.dailyRatio(),
		r.Retention.Inbound.ShrinkP99, r.Retention.Inbound.IdleP99, r.delayRatio(), r.givenBackRatio(), mib(r.Retention.Memory))
	if err := os.WriteFile(path, table, 0o644); err != nil {
		return fmt.Errorf("keeping the results: %w", err)
	}
	return nil
}
