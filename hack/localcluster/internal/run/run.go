// Package run runs the machine's own commands to their end.
package run

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"
)

// Output runs a command and returns what it wrote to its standard output.
func Output(ctx context.Context, argv ...string) (string, error) {
	return Input(ctx, nil, argv...)
}

// Do runs a command for its effect.
func Do(ctx context.Context, argv ...string) error {
	_, err := Output(ctx, argv...)
	return err
}

// Input runs a command that reads stdin. An error holds all that the command said.
func Input(ctx context.Context, stdin io.Reader, argv ...string) (string, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &stdout, &stderr
	if err := cmd.Run(); err != nil {
		said := strings.TrimSpace(stderr.String() + "\n" + stdout.String())
		return stdout.String(), fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, said)
	}
	return stdout.String(), nil
}
