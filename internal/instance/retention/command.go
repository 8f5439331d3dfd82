package retention

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"syscall"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/objectstore"
	"github.com/switchboard-operator/switchboard/internal/instance/store"
	"github.com/switchboard-operator/switchboard/internal/instance/termination"
)

// Command is `instance retain`: one run of the policy in contract.EnvRetention,
// its result, or why there is none, in the termination message.
func Command(ctx context.Context, log *slog.Logger) error {
	result, err := command(ctx, log)
	return termination.Report(contract.Result{Retention: &result}, err)
}

func command(ctx context.Context, log *slog.Logger) (contract.RetentionResult, error) {
	var policy contract.Retention
	value := os.Getenv(contract.EnvRetention)
	if value == "" {
		return contract.RetentionResult{}, fmt.Errorf("reading the policy: %s is not set; it holds the policy as JSON", contract.EnvRetention)
	}
	if err := json.Unmarshal([]byte(value), &policy); err != nil {
		return contract.RetentionResult{}, fmt.Errorf("reading the policy from %s: %w", contract.EnvRetention, err)
	}
	pool, err := store.Open(ctx, log)
	if err != nil {
		return contract.RetentionResult{}, err
	}
	defer pool.Close()
	objects, err := objectstore.FromEnvironment()
	if err != nil { // the database is cleared all the same
		log.Error("the object store can't be used", "error", err)
	}
	result, err := Run(ctx, pool, policy, os.Getenv(contract.EnvTenant), Options{Log: log, Objects: objects, StoreClass: objectstore.Class(err)})
	if err != nil {
		return contract.RetentionResult{}, fmt.Errorf("retention run of policy %s: %w", policy.Policy, err)
	}
	for _, c := range result.Categories {
		log.Info("retention", "policy", result.Policy, "sequence", result.Sequence, "category", c.Category,
			"cutoff", c.Cutoff, "deleted", c.Deleted, "overdue", c.Overdue)
	}
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		log.Warn("retention: the kernel doesn't say how much memory the run took", "error", err)
		return result, nil
	}
	// Linux counts in KiB, and from before exec: what the container's runtime
	// took can only raise it.
	log.Info("retention", "policy", result.Policy, "sequence", result.Sequence, "peak_rss_kib", usage.Maxrss)
	return result, nil
}
