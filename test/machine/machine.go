// Package machine says where a figure was measured, and with what.
package machine

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// Commit is the short hash of what is checked out at root, marked when the tree differs from it.
func Commit(ctx context.Context, root string) string {
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

// Name is processors, model and memory.
func Name() string {
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

// Starved is for how long in all something on the machine was ready to run and had no processor (PSI's "some"), 0 where the kernel
// does not tell. Of two figures, the one during which little was added says more.
func Starved() time.Duration {
	var microseconds int64
	forEachLine("/proc/pressure/cpu", func(line string) {
		if kind, rest, ok := strings.Cut(line, " "); ok && kind == "some" {
			_, total, _ := strings.Cut(rest, "total=")
			microseconds, _ = strconv.ParseInt(total, 10, 64)
		}
	})
	return time.Duration(microseconds) * time.Microsecond
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
