package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/switchboard-operator/switchboard/test/machine"
)

// Limits of the figures, upper ones but where it says otherwise; a run that misses one says so and fails.
const (
	limitOnboarding = 1.5  // times the reference
	limitSpeed      = 16.0 // objects a second, at least
	limitOperator   = 150  // MiB
	limitCache      = 1.5  // times the reference
	limitReaction   = 5.0  // s
	limitAdmission  = 5.0  // ms
	limitWrites     = 0    //
	limitRestart    = 60.0 // s
	limitChange     = 1.0  // s
)

// result is one run's figures, as kept in JSON.
type result struct {
	At         time.Time   `json:"at"`
	Commit     string      `json:"commit"`
	Machine    string      `json:"machine"`
	Size       size        `json:"size"`
	Onboarding *onboarding `json:"onboarding,omitempty"`
	Memory     *memory     `json:"memory,omitempty"`
	Reaction   *reaction   `json:"reaction,omitempty"`
	Admission  *admission  `json:"admission,omitempty"`
	Idle       *idle       `json:"idle,omitempty"`
	Change     *change     `json:"change,omitempty"`
}

// figure is one line of what a run prints.
type figure struct {
	name, ours, reference string
	value, limit          float64
	unit                  string // of value and limit
	atLeast               bool   // the limit is a lower one
}

func (f figure) missed() bool {
	if f.atLeast {
		return !(f.value >= f.limit)
	}
	return !(f.value <= f.limit)
}

// figures are those that were measured.
func (r result) figures() []figure {
	var all []figure
	if o := r.Onboarding; o != nil {
		all = append(all, figure{
			fmt.Sprintf("%d tenants applied → all Ready", r.Size.Tenants), fmt.Sprintf("%.1f s, %d objects", o.Seconds, o.Objects),
			fmt.Sprintf("%.1f s (as many created by client-go at %d/s; measured on %d)", o.reference(), r.Size.QPS, o.ReferenceObjects), o.Seconds / o.reference(), limitOnboarding, "", false,
		}, figure{
			"Objects of the operator's a second meanwhile", fmt.Sprintf("%.1f s of a processor", o.Processor), "", float64(o.Objects) / o.Seconds, limitSpeed, "", true,
		})
	}
	if m := r.Memory; m != nil {
		all = append(all,
			figure{fmt.Sprintf("Peak RSS of the operator, %d pods", m.Pods), "", "", mib(m.Operator), limitOperator, " MiB", false},
			figure{"The same beside a bare cache", fmt.Sprintf("%.1f MiB", mib(m.Operator)), fmt.Sprintf("%.1f MiB (the same objects, whole)", mib(m.Cache)), mib(m.Operator) / mib(m.Cache), limitCache, "", false})
	}
	if e := r.Reaction; e != nil {
		all = append(all,
			figure{fmt.Sprintf("%d nodes with up to %d pods relabelled → the last of %d tenants not compliant", e.Nodes, e.Pods, e.Tenants), fmt.Sprintf("median %.1f s", e.Outside.Median), "", e.Outside.Worst, limitReaction, " s", false},
			figure{fmt.Sprintf("… and back → the last of %d compliant", e.Stayed), fmt.Sprintf("median %.1f s", e.Back.Median), "", e.Back.Worst, limitReaction, " s", false})
	}
	if a := r.Admission; a != nil {
		all = append(all, figure{
			fmt.Sprintf("Policies' part of a pod's creation, p99 of %d", a.Samples), fmt.Sprintf("%.1f ms (median %.1f)", a.With, a.WithHalf),
			fmt.Sprintf("%.1f ms (median %.1f, where no policy looks)", a.Without, a.WithoutHalf), a.With - a.Without, limitAdmission, " ms", false,
		})
	}
	if i := r.Idle; i != nil {
		all = append(all,
			figure{fmt.Sprintf("Writes in %.0f s with nothing changed", i.Seconds), fmt.Sprintf("%d reads, %.1f s of a processor", i.Requests.all()-i.Writes, i.Processor), "", float64(i.Writes), limitWrites, "", false},
			figure{"Writes of a restart", fmt.Sprintf("%d reads", i.RestartRequests.all()-i.RestartWrites), "", float64(i.RestartWrites), limitWrites, "", false},
			figure{"Restart → nothing left to do", "", "", i.Restart, limitRestart, " s", false})
	}
	if c := r.Change; c != nil {
		all = append(all,
			figure{fmt.Sprintf("A Tenant changed → its Deployment right, worst of %d", c.Tenants), fmt.Sprintf("median %.2f s", c.Alone.Median), "", c.Alone.Worst, limitChange, " s", false},
			figure{fmt.Sprintf("… while %d others fail", c.Failing), fmt.Sprintf("median %.2f s", c.WhileFailing.Median), "", c.WhileFailing.Worst, limitChange, " s", false})
	}
	return all
}

func newResult(ctx context.Context, root string, s size) result {
	return result{At: time.Now().UTC().Truncate(time.Second), Commit: machine.Commit(ctx, root), Machine: machine.Name(), Size: s}
}

func (f figure) bound() string {
	word := "at most"
	if f.atLeast {
		word = "at least"
	}
	return fmt.Sprintf("%s %g%s", word, f.limit, f.unit)
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

// save keeps the run: its figures as JSON, its table beside it.
func (r result) save(folder string) error {
	encoded, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("keeping the results: %w", err)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("keeping the results: %w", err)
	}
	base := filepath.Join(folder, r.At.Format("20060102-150405"))
	heading := fmt.Sprintf("%s, commit %s, %s; %d tenants with %d channels and %d policies each, %d nodes in each of two regions, the operator's client at %d/s (burst %d), GOMEMLIMIT=%s\n",
		r.At.Format(time.DateTime), r.Commit, r.Machine, r.Size.Tenants, r.Size.Channels, r.Size.Policies, r.Size.Nodes, r.Size.QPS, r.Size.Burst, r.Size.MemoryLimit)
	for name, content := range map[string][]byte{base + ".json": append(encoded, '\n'), base + ".md": []byte(heading + r.table())} {
		if err := os.WriteFile(name, content, 0o644); err != nil {
			return fmt.Errorf("keeping the results: %w", err)
		}
	}
	return nil
}
