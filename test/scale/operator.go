package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// environment is what config/manager gives the operator, with a GOMEMLIMIT for as many tenants as there are.
func environment(memoryLimit string) []string {
	return []string{"GOMEMLIMIT=" + memoryLimit, "GOGC=15"}
}

// operator is the program under test, as a process of its own with the rights of its service account.
type operator struct {
	*process
	metrics string // URL
}

// buildOperator builds it as the Dockerfile does.
func buildOperator(ctx context.Context, root, into string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", into, "./cmd/operator")
	cmd.Dir, cmd.Env = root, append(cmd.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building the operator: %w\n%s", err, out)
	}
	return nil
}

// startOperator starts it where /etc/hosts leads to the stand-ins.
func startOperator(ctx context.Context, p *plane, hosts, memoryLimit string, args []string) (*operator, error) {
	metrics, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	args = append([]string{
		"-c", `mount --make-rprivate / && mount --bind "$0" /etc/hosts && exec "$@"`, hosts, filepath.Join(p.folder, "operator"),
		"--leader-elect=false", "--metrics-bind-address=" + metrics, "--health-probe-bind-address=0",
	}, args...)
	proc, err := startProcessIn(ctx, p.file("operator.log"), "/bin/sh", args, append([]string{"KUBECONFIG=" + p.kubeconfig("operator")}, environment(memoryLimit)...), syscall.CLONE_NEWNS)
	if err != nil {
		return nil, err
	}
	return &operator{process: proc, metrics: "http://" + metrics + "/metrics"}, nil
}

func freeAddress(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("finding a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}

// sums gives the sum over all labels of each metric.
func (o *operator) sums(ctx context.Context) (map[string]float64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, o.metrics, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("reading the operator's metrics: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	all := map[string]float64{}
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		line := lines.Text()
		space := strings.LastIndexByte(line, ' ')
		if space < 0 || strings.HasPrefix(line, "#") {
			continue
		}
		value, err := strconv.ParseFloat(line[space+1:], 64)
		if err != nil {
			continue
		}
		name, labels, _ := strings.Cut(line[:space], "{")
		all[name] += value
		if _, rest, ok := strings.Cut(labels, `controller="`); ok {
			controller, _, _ := strings.Cut(rest, `"`)
			all[name+" "+controller] += value
		}
	}
	return all, nil
}

// rest waits until the operator has made at least a pass over every tenant and has had nothing left to do for a while: its queues
// are empty, and it works less than half of the time. Of a thousand tenants there is always one whose Secrets are to be looked at
// again. It gives when that while began.
func (o *operator) rest(ctx context.Context, tenants int, patience time.Duration) (time.Time, error) {
	const looks = 15 // a while of 3 s
	limit := time.Now().Add(patience)
	var since time.Time
	quiet, working := 0, 0
	seen := ""
	for time.Now().Before(limit) {
		if err := o.died(); err != nil {
			return since, err
		}
		m, err := o.sums(ctx)
		seen = fmt.Sprintf("%.0f passes over tenants, %.0f queued", m["controller_runtime_reconcile_total tenant"], m["workqueue_depth"])
		if err != nil || m["controller_runtime_reconcile_total tenant"] < float64(tenants) || m["workqueue_depth"] > 0 {
			quiet, working = 0, 0
		} else {
			if quiet == 0 {
				since = time.Now()
			}
			quiet++
			if m["controller_runtime_active_workers"] > 0 {
				working++
			}
		}
		switch {
		case quiet < looks:
		case working < looks/2:
			return since, nil
		default:
			quiet, working = 0, 0
		}
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return since, err
		}
	}
	return since, errors.New("the operator does not come to rest: " + seen)
}

// pause waits between two looks.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
