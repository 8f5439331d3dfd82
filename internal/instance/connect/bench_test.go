package connect

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/twilio"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
	"github.com/switchboard-operator/switchboard/test/standin/twilio/standin"
)

// BenchmarkInbound measures webhooks per second made durable for 32 clients, each
// of a guest of its own, beside pgbench inserting the same rows with 32 clients on
// the same server, in turns. The flush to disk is on, as in production.
func BenchmarkInbound(b *testing.B) {
	const clients, duration = 32, 5 * time.Second
	d := pgtest.New(b)
	s := newStage(b, d)
	s.exec("ALTER SYSTEM SET fsync = on")
	s.exec("SELECT pg_reload_conf()")
	s.connector.Client().Transport.(*http.Transport).MaxIdleConnsPerHost = clients
	for b.Loop() {
		pg := pgbench(b, d, clients, duration)
		web := s.webhooks(clients, duration)
		b.ReportMetric(pg, "pgbench/s")
		b.ReportMetric(web, "webhooks/s")
		b.ReportMetric(web/pg, "ratio")
	}
}

func (s *stage) webhooks(clients int, duration time.Duration) float64 {
	before := s.count("SELECT count(*) FROM sb.message")
	start := time.Now()
	var n atomic.Int64
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for time.Since(start) < duration {
				f := form(newSID(), fmt.Sprintf("+1%010d", 2000000000+n.Add(1)+start.Unix()%1000*1_000_000), "When does the pool open tomorrow? Room four is asking, thank you.")
				signature, err := standin.Sign(token, publicURL+inboundPath, f)
				if err != nil {
					s.t.Error(err)
					return
				}
				request, err := http.NewRequest(http.MethodPost, s.connector.URL+inboundPath, bytes.NewReader([]byte(f.Encode())))
				if err != nil {
					s.t.Error(err)
					return
				}
				request.Header.Set(twilio.SignatureHeader, signature)
				request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				response, err := s.connector.Client().Do(request)
				if err != nil {
					s.t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, response.Body)
				_ = response.Body.Close()
				if response.StatusCode != http.StatusOK {
					s.t.Errorf("answered %d", response.StatusCode)
				}
			}
		})
	}
	all.Wait()
	return float64(s.count("SELECT count(*) FROM sb.message")-before) / time.Since(start).Seconds()
}

var tps = regexp.MustCompile(`(?m)^tps = ([0-9.]+) `)

func pgbench(b *testing.B, d *pgtest.Database, clients int, duration time.Duration) float64 {
	b.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/pgbench")
	if len(found) == 0 {
		b.Fatal("pgbench is not installed, and this benchmark needs it: apt-get install postgresql")
	}
	dir := d.Dir(b, contract.AdminRole)
	c := exec.Command(found[len(found)-1], "-n", "-M", "simple", "-c", strconv.Itoa(clients), "-j", "2", "-T", strconv.Itoa(int(duration.Seconds())),
		"-f", "../../../test/bench/inbound.pgbench.sql")
	c.Env = append(os.Environ(), "PGHOST=localhost", "PGPORT="+strconv.Itoa(d.Server.Port), "PGDATABASE="+d.Name, "PGUSER="+contract.AdminRole,
		"PGPASSWORD="+pgtest.Password, "PGSSLMODE=verify-full", "PGSSLROOTCERT="+filepath.Join(dir, contract.FileCA),
		"PGSSLCERT="+filepath.Join(dir, contract.FileTLSCert), "PGSSLKEY="+filepath.Join(dir, contract.FileTLSKey))
	out, err := c.CombinedOutput()
	m := tps.FindSubmatch(out)
	if err != nil || m == nil {
		b.Fatalf("running pgbench: %v\n%s", err, out)
	}
	rate, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		b.Fatal(err)
	}
	return rate
}
