// Package termination tells a Job's result to the operator: one JSON document in
// the container's termination message.
package termination

import (
	"fmt"
	"os"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

// defaultPath is the kubelet's terminationMessagePath when a container sets none.
const defaultPath = "/dev/termination-log"

// maxError bounds an error's text, in bytes: well within a termination message.
const maxError = 1024

// Report tells what became of a Job: r, or err when there is one. It gives err back, or
// why r could not be told.
func Report(r contract.Result, err error) error {
	if err != nil {
		text := err.Error()
		if len(text) > maxError {
			text = text[:maxError] + " …"
		}
		r = contract.Result{Error: text}
	}
	if told := Write(r); err == nil {
		err = told
	}
	return err
}

// Write replaces the termination message by r, at most contract.TerminationLimit
// bytes, in the file that contract.EnvTerminationLog names.
func Write(r contract.Result) error {
	path := os.Getenv(contract.EnvTerminationLog)
	if path == "" {
		path = defaultPath
	}
	b, err := r.Encode()
	if err != nil {
		return fmt.Errorf("writing the termination message: %w", err)
	}
	// The file is the kubelet's: it is written to, never made anew by a rename.
	if err := os.WriteFile(path, b, 0o600); err != nil { //nolint:gosec // the operator names the path
		return fmt.Errorf("writing the termination message: %w; outside of a pod set %s to a writable file", err, contract.EnvTerminationLog)
	}
	return nil
}
