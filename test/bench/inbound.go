package main

import (
	"context"
	_ "embed"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/test/cluster"
	"github.com/switchboard-operator/switchboard/test/fixture"
	"github.com/switchboard-operator/switchboard/test/guest"
)

// clients that write at once.
const clients = 32

//go:embed inbound.pgbench.sql
var pgbenchScript string

// measureInbound compares webhooks per second with pgbench storing the same rows on the same server,
// in turns of the same length: pgbench, webhooks, pgbench.
func (t *subject) measureInbound(ctx context.Context, duration time.Duration, result *inbound) error {
	var err error
	fmt.Printf("pgbench, %d clients, %s …\n", clients, duration)
	if result.Pgbench, err = t.pgbench(ctx, duration, "simple"); err != nil {
		return err
	}
	fmt.Printf("  %.0f/s\nwebhooks, %d clients, %s …\n", result.Pgbench, clients, duration)
	if result.Webhooks, err = t.webhooks(ctx, duration); err != nil {
		return err
	}
	fmt.Printf("  %.0f/s\npgbench with prepared statements …\n", result.Webhooks)
	if result.PgbenchPrepared, err = t.pgbench(ctx, duration, "prepared"); err != nil {
		return err
	}
	fmt.Printf("  %.0f/s\n", result.PgbenchPrepared)
	return nil
}

var tps = regexp.MustCompile(`(?m)^tps = ([0-9.]+) `)

// pgbench runs inside of the database's pod, by the socket: nothing but the database is measured.
func (t *subject) pgbench(ctx context.Context, duration time.Duration, protocol string) (float64, error) {
	pod, err := t.cluster.ReadyPod(ctx, namespace, "postgres")
	if err != nil {
		return 0, err
	}
	script := fmt.Sprintf("PATH=$PATH:$(ls -d /usr/lib/postgresql/*/bin | tail -n 1); "+cluster.AsAdmin+"pgbench -n -M %s -c %d -j 2 -T %d -U postgres -f /dev/stdin switchboard",
		protocol, clients, int(duration.Seconds()))
	out, err := t.cluster.Exec(ctx, namespace, pod.Name, "postgres", strings.NewReader(pgbenchScript), "sh", "-c", script)
	if err != nil {
		return 0, err
	}
	m := tps.FindStringSubmatch(out)
	if m == nil {
		return 0, fmt.Errorf("running pgbench: it printed no rate: %s", out)
	}
	return strconv.ParseFloat(m[1], 64)
}

// webhooks posts signed messages of distinct guests and ids straight to the connector's pod, and gives
// the rate of those that the database holds afterwards.
func (t *subject) webhooks(ctx context.Context, duration time.Duration) (float64, error) {
	line, err := t.directLine(ctx)
	if err != nil {
		return 0, err
	}
	before, err := t.cluster.Count(ctx, namespace, "SELECT count(*) FROM sb.message")
	if err != nil {
		return 0, err
	}
	var sent, refused atomic.Int64
	var firstError atomic.Pointer[error]
	until := time.Now().Add(duration)
	start := time.Now()
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for time.Now().Before(until) && firstError.Load() == nil {
				n := sent.Add(1)
				status, err := line.Write(ctx, guest.NewSID(), fmt.Sprintf("+1415%07d", 2000000+n), "When does the pool open tomorrow? Room four is asking, thank you.")
				if err != nil {
					firstError.Store(&err)
					return
				}
				if status != http.StatusOK {
					refused.Add(1)
				}
			}
		})
	}
	all.Wait()
	spent := time.Since(start)
	if err := firstError.Load(); err != nil {
		return 0, *err
	}
	after, err := t.cluster.Count(ctx, namespace, "SELECT count(*) FROM sb.message")
	if err != nil {
		return 0, err
	}
	if acknowledged := sent.Load() - refused.Load(); after-before != acknowledged {
		return 0, fmt.Errorf("%d webhooks were acknowledged, but the database holds %d more messages", acknowledged, after-before)
	}
	if refused.Load() > 0 {
		fmt.Printf("  %d of %d were refused\n", refused.Load(), sent.Load())
	}
	return float64(after-before) / spent.Seconds(), nil
}

// directLine leads to the connector's pod by its address: a port-forward would be the bottleneck.
func (t *subject) directLine(ctx context.Context) (*guest.Line, error) {
	pod, err := t.cluster.ReadyPod(ctx, namespace, "connector-front-desk")
	if err != nil {
		return nil, err
	}
	ca, err := fixture.SecretKey(ctx, t.cluster, namespace, "connector-front-desk-tls", "ca.crt")
	if err != nil {
		return nil, err
	}
	tenant := &v1alpha1.Tenant{}
	if err := t.cluster.Get(ctx, client.ObjectKey{Name: tenantName}, tenant); err != nil {
		return nil, fmt.Errorf("reading the Tenant: %w", err)
	}
	address := net.JoinHostPort(pod.Status.PodIP, "8443")
	probe, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("reaching the connector's pod: run the benchmark where pods can be reached by their addresses: %w", err)
	}
	_ = probe.Close()
	return guest.NewLine("https://"+tenant.Spec.Hostname, "front-desk", accountSID, authToken, number, ca,
		func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, address)
		})
}
