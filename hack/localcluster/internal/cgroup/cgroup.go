// Package cgroup makes a node's control group in every hierarchy of the host, and removes it with all that is in it.
// Both layouts are known: one hierarchy for each controller (version 1) and one for all (version 2).
package cgroup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	root   = "/sys/fs/cgroup"
	parent = "switchboard"
)

// Path is the control group of a node, as the kubelet's cgroupRoot names it.
func Path(node string) string { return "/" + parent + "/" + node }

// Up makes the control group of a node.
func Up(node string) error {
	trees, err := hierarchies()
	if err != nil {
		return err
	}
	for _, tree := range trees {
		for _, group := range []string{filepath.Join(tree, parent), filepath.Join(tree, parent, node)} {
			if err := makeGroup(group); err != nil {
				return fmt.Errorf("making the control group %s: %w", group, err)
			}
		}
	}
	return nil
}

func makeGroup(group string) error {
	if err := os.MkdirAll(group, 0o755); err != nil {
		return err
	}
	// Version 1: a cpuset without processors and memory nodes holds no process.
	for _, name := range []string{"cpuset.cpus", "cpuset.mems"} {
		inherited, err := os.ReadFile(filepath.Join(filepath.Dir(group), name))
		if err != nil || unified() {
			continue
		}
		if err := os.WriteFile(filepath.Join(group, name), inherited, 0o644); err != nil {
			return err
		}
	}
	if !unified() {
		return nil
	}
	// Version 2: a group hands its controllers down only when told.
	controllers, err := os.ReadFile(filepath.Join(group, "cgroup.controllers"))
	if err != nil {
		return err
	}
	for controller := range strings.FieldsSeq(string(controllers)) {
		if err := os.WriteFile(filepath.Join(group, "cgroup.subtree_control"), []byte("+"+controller), 0o644); err != nil {
			return fmt.Errorf("handing down %s: %w", controller, err)
		}
	}
	return nil
}

// Kill ends every process in the cluster's control groups: the containers.
func Kill(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		pids, err := members()
		if err != nil {
			return err
		}
		if len(pids) == 0 {
			return nil
		}
		for _, pid := range pids { // again and again: a process may fork while it is being killed
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("killing process %d of a container: %w", pid, err)
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("processes of containers do not end though they were killed: %v", pids)
		case <-tick.C:
		}
	}
}

// Down removes the cluster's control groups; they must be empty.
func Down(ctx context.Context) error {
	var groups []string
	err := walk(func(group string) error { groups = append(groups, group); return nil })
	if err != nil {
		return err
	}
	for i := len(groups) - 1; i >= 0; i-- {
		if err := remove(ctx, groups[i]); err != nil {
			return fmt.Errorf("removing the control group %s: %w", groups[i], err)
		}
	}
	return nil
}

// remove waits for the kernel, which lets go of a group only a moment after its last process.
func remove(ctx context.Context, group string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := syscall.Rmdir(group)
		if err == nil || errors.Is(err, syscall.ENOENT) {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}

// Left lists the cluster's control groups that are still there.
func Left() []string {
	var left []string
	_ = walk(func(group string) error { left = append(left, "control group "+group); return nil })
	return left
}

func members() ([]int, error) {
	var pids []int
	err := walk(func(group string) error {
		content, err := os.ReadFile(filepath.Join(group, "cgroup.procs"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENODEV) {
			return fmt.Errorf("listing the processes of %s: %w", group, err)
		}
		for field := range strings.FieldsSeq(string(content)) {
			if pid, err := strconv.Atoi(field); err == nil && pid > 0 {
				pids = append(pids, pid)
			}
		}
		return nil
	})
	return pids, err
}

// walk visits the cluster's groups in every hierarchy, parents first.
func walk(visit func(group string) error) error {
	trees, err := hierarchies()
	if err != nil {
		return err
	}
	for _, tree := range trees {
		err := filepath.WalkDir(filepath.Join(tree, parent), func(path string, entry fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil || !entry.IsDir() {
				return err
			}
			return visit(path)
		})
		if err != nil {
			return fmt.Errorf("walking the control groups below %s: %w", tree, err)
		}
	}
	return nil
}

func unified() bool {
	_, err := os.Stat(filepath.Join(root, "cgroup.controllers"))
	return err == nil
}

func hierarchies() ([]string, error) {
	if unified() {
		return []string{root}, nil
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil, fmt.Errorf("listing the control group hierarchies: %w", err)
	}
	var trees []string
	for _, entry := range entries {
		if entry.IsDir() { // links such as cpu,cpuacct lead to a directory that is listed too
			trees = append(trees, filepath.Join(root, entry.Name()))
		}
	}
	if len(trees) == 0 {
		return nil, fmt.Errorf("no control groups are mounted at %s: mount them and try again", root)
	}
	return trees, nil
}
