// Command demo does Switchboard's main job on a real cluster: two hotels in two regions are
// onboarded by kubectl apply, guests' text messages arrive, staff answer, a guest says STOP,
// and what is past its limit is deleted and proven. `make demo` sees to the cluster and images.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "\nThe demo stopped at %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	root, err := findRoot()
	if err != nil {
		return err
	}
	d := &demo{root: root}
	if err := runSteps(ctx, os.Stdout, d.steps()); err != nil {
		return err
	}
	fmt.Print(d.farewell())
	return nil
}

// findRoot gives the repository's root: the nearest folder upwards with config/samples in it.
func findRoot() (string, error) {
	folder, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("looking for the repository: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(folder, "config", "samples")); err == nil {
			return folder, nil
		}
		if folder == filepath.Dir(folder) {
			return "", fmt.Errorf("looking for the repository: run `make demo` inside of it")
		}
		folder = filepath.Dir(folder)
	}
}
