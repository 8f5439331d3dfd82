// Package step runs a reconciler's story: steps in order, until one says that the
// rest must wait.
package step

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// Step is one act of a reconciler.
type Step struct {
	Name string // continues "could not …"
	Do   func(context.Context) error
}

// Run takes the steps in order and ends at the first that returns an error: a
// Wait, a Stall, or a failure, which names its step.
func Run(ctx context.Context, steps []Step) error {
	for _, s := range steps {
		err := s.Do(ctx)
		var wait *Wait
		var stall *Stall
		switch {
		case err == nil:
		case errors.As(err, &wait), errors.As(err, &stall):
			return err
		default:
			return fmt.Errorf("could not %s: %w", s.Name, err)
		}
	}
	return nil
}

// Wait ends a story for now: something is on its way.
type Wait struct {
	Condition string // the condition that it concerns
	Reason    string
	Message   string
	After     time.Duration // ask again then; 0 when a watch will tell
}

func (w *Wait) Error() string { return w.Message }

// Stall ends a story until somebody does what the message says.
type Stall struct {
	Condition string
	Reason    string
	Message   string
	After     time.Duration // look again then, where no watch can tell; 0 otherwise
}

func (s *Stall) Error() string { return s.Message }

// afterConflict lets the cache catch up.
const afterConflict = 100 * time.Millisecond

// Result tells controller-runtime when to come again after an outcome of Run: when a
// Wait or a Stall says so, with growing delays after a failure, else when a watch tells.
// That somebody wrote at the same time is no failure: the pass is made again on what is
// there now.
func Result(outcome error) (reconcile.Result, error) {
	var wait *Wait
	var stall *Stall
	switch {
	case errors.As(outcome, &wait):
		return reconcile.Result{RequeueAfter: wait.After}, nil
	case errors.As(outcome, &stall):
		return reconcile.Result{RequeueAfter: stall.After}, nil
	case apierrors.IsConflict(outcome):
		return reconcile.Result{RequeueAfter: afterConflict}, nil
	default:
		return reconcile.Result{}, outcome
	}
}
