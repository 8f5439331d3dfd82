package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
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
	return result{At: time.Now().UTC().Truncate(time.Second), Commit: commit(ctx, root), Machine: machine()}
}

// commit is the short hash, marked when the tree differs from it.
func commit(ctx context.Context, root string) string {
	hash, err := exec.CommandContext(ctx, "git", "-C", root, "rev-parse", "--short", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	name := strings.TrimSpace(string(hash))
	changes, err := exec.CommandContext(ctx, "git", "-C", root, "status", "--porcelain", "--untracked-files=no").Output()
	if err != nil || len(changes) > 0 {
		name += "+changes"
	}
	return name
}

func machine() string {
	model, memory := runtime.GOARCH, ""
	forEachLine("/proc/cpuinfo", func(line string) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			model = strings.TrimSpace(value)
		}
	})
	forEachLine("/proc/meminfo", func(line string) {
		var kib int64
		if _, err := fmt.Sscanf(line, "MemTotal: %d kB", &kib); err == nil {
			memory = fmt.Sprintf(", %d GiB", (kib+1<<19)>>20)
		}
	})
	return fmt.Sprintf("%d × %s%s", runtime.NumCPU(), model, memory)
}

func forEachLine(path string, do func(string)) {
	file, err := os.Open(path)
	if err != nil {
		return // not a Linux machine: the line just says less
	}
	defer func() { _ = file.Close() }()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		do(lines.Text())
	}
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

// table is what a person reads.
func (r result) table() string {
	return fmt.Sprintf(`
| Figure | Ours | Reference | Ratio | Limit |
|---|---|---|---|---|
| Tenant applied → Ready, median of %d | %.1f s | %.1f s (kubectl apply of the same manifests) | %.2f | at most %.1f |
| Inbound messages durable, 32 clients | %.0f/s | %.0f/s (pgbench; %.0f/s with prepared statements) | %.2f | at least %.1f |
| Peak RSS of the idle operator | %.1f MiB | | | at most %d MiB |
| Peak RSS of an idle serve | %.1f MiB | | | at most %d MiB |
| Peak RSS of an idle connect | %.1f MiB | | | at most %d MiB |
`, len(r.Onboarding.Operator), median(r.Onboarding.Operator), median(r.Onboarding.Apply), r.onboardingRatio(), limitOnboarding,
		r.Inbound.Webhooks, r.Inbound.Pgbench, r.Inbound.PgbenchPrepared, r.inboundRatio(), limitInbound,
		mib(r.Memory.Operator), limitOperator, mib(r.Memory.Serve), limitServe, mib(r.Memory.Connect), limitConnect)
}

func mib(kib int64) float64 { return float64(kib) / 1024 }

// judge names every limit that was missed.
func (r result) judge() error {
	var missed []error
	miss := func(is bool, format string, args ...any) {
		if is {
			missed = append(missed, fmt.Errorf("missed: "+format, args...))
		}
	}
	miss(!(r.onboardingRatio() <= limitOnboarding), "onboarding takes %.2f times kubectl apply, at most %.1f", r.onboardingRatio(), limitOnboarding)
	miss(!(r.inboundRatio() >= limitInbound), "inbound is %.2f of pgbench, at least %.1f", r.inboundRatio(), limitInbound)
	miss(mib(r.Memory.Operator) > limitOperator, "the operator peaks at %.1f MiB, at most %d", mib(r.Memory.Operator), limitOperator)
	miss(mib(r.Memory.Serve) > limitServe, "serve peaks at %.1f MiB, at most %d", mib(r.Memory.Serve), limitServe)
	miss(mib(r.Memory.Connect) > limitConnect, "connect peaks at %.1f MiB, at most %d", mib(r.Memory.Connect), limitConnect)
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

| When (UTC) | Commit | Machine | Onboarding ÷ kubectl apply | Webhooks ÷ pgbench | Operator, serve, connect (MiB) |
|---|---|---|---|---|---|
`)
	} else if err != nil {
		return fmt.Errorf("keeping the results: %w", err)
	}
	table = fmt.Appendf(table, "| %s | %s | %s | %.1f s ÷ %.1f s = %.2f | %.0f/s ÷ %.0f/s = %.2f | %.1f, %.1f, %.1f |\n",
		r.At.Format(time.DateTime), r.Commit, r.Machine,
		median(r.Onboarding.Operator), median(r.Onboarding.Apply), r.onboardingRatio(),
		r.Inbound.Webhooks, r.Inbound.Pgbench, r.inboundRatio(),
		mib(r.Memory.Operator), mib(r.Memory.Serve), mib(r.Memory.Connect))
	if err := os.WriteFile(path, table, 0o644); err != nil {
		return fmt.Errorf("keeping the results: %w", err)
	}
	return nil
}
