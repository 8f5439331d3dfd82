package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// What serve and connect may need at most with next to nothing to do, in KiB.
const (
	maxServeRSS   = 30 << 10
	maxConnectRSS = 25 << 10
)

var (
	readiness = fmt.Sprintf("http://127.0.0.1:%d/readyz", contract.PortProbe)
	public    = fmt.Sprintf("https://127.0.0.1:%d", contract.PortHTTPS)
	// A client certificate serves here as the server's.
	client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} //nolint:gosec // see above
)

// program is a running instance.
type program struct {
	*exec.Cmd
	errs   bytes.Buffer
	served map[string]any // the line of the log that says so
	rest   chan string    // the log after it
}

// launch builds and runs a subcommand and returns once it serves.
func launch(t *testing.T, command string) *program {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "instance")
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-gcflags=all=-l", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as in the image
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	p := &program{Cmd: exec.Command(binary, command), rest: make(chan string, 1)}
	p.Stderr = &p.errs
	stdout, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Process.Kill() }) // an error says that it ended before
	logged := bufio.NewReader(stdout)
	for p.served["msg"] != "serving" {
		line, err := logged.ReadBytes('\n')
		if err != nil {
			t.Fatalf("it ended before it served: %s", p.errs.String())
		}
		p.served = nil
		if err := json.Unmarshal(line, &p.served); err != nil {
			t.Fatalf("a line of the log is not JSON: %s", line)
		}
	}
	go func() {
		b, _ := io.ReadAll(logged)
		p.rest <- string(b)
	}()
	waitForStatus(t, http.DefaultClient, readiness, http.StatusOK)
	return p
}

// terminate ends the program as the kubelet does, and returns its log.
func (p *program) terminate(t *testing.T) string {
	t.Helper()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	log := <-p.rest
	if err := p.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v\n%s", err, p.errs.String())
	}
	if !strings.Contains(log, `"draining"`) {
		t.Errorf("the log says nothing of draining:\n%s", log)
	}
	return log
}

// follows checks that a program is ready exactly while its database answers.
func (p *program) follows(t *testing.T, d *pgtest.Database) {
	t.Helper()
	d.Refuse(t)
	waitForStatus(t, http.DefaultClient, readiness, http.StatusServiceUnavailable)
	d.Accept(t)
	waitForStatus(t, http.DefaultClient, readiness, http.StatusOK)
}

func (p *program) staysWithin(t *testing.T, limit int) {
	t.Helper()
	peak := peakRSS(t, p.Process.Pid)
	t.Logf("peak RSS: %.1f MiB", float64(peak)/1024)
	if peak > limit {
		t.Errorf("peak RSS is %d KiB, more than %d", peak, limit)
	}
}

func TestAServingPod(t *testing.T) {
	d := pgtest.New(t)
	d.Setenv(t, contract.LoginRole(contract.ComponentServe, 1))
	t.Setenv(contract.EnvTenant, "hotel-berlin")
	t.Setenv("SWITCHBOARD_TLS_DIR", d.Dir(t, "localhost"))
	p := launch(t, "serve")
	if p.served["tenant"] != "hotel-berlin" {
		t.Errorf("the log does not name the tenant: %v", p.served)
	}
	for range 10 { // the dearest thing that it does
		response, err := client.Post(public+"/api/v1/sessions", "application/json",
			strings.NewReader(fmt.Sprintf(`{"email":%q,"password":%q}`, pgtest.StaffEmail, pgtest.Password)))
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusCreated {
			t.Fatalf("signing in: %s", response.Status)
		}
	}
	p.staysWithin(t, maxServeRSS)
	p.follows(t, d)
	log := p.terminate(t)
	for _, secret := range []string{pgtest.StaffEmail, pgtest.Password, "127.0.0.1"} {
		if strings.Contains(log, secret) {
			t.Errorf("the log holds %s", secret)
		}
	}
}

func TestAConnectingPod(t *testing.T) {
	d := pgtest.New(t)
	d.Setenv(t, contract.LoginRole(contract.ComponentConnector(pgtest.Channel), 1))
	keys, credentials := t.TempDir(), t.TempDir()
	for path, content := range map[string]string{
		filepath.Join(keys, contract.FileHashKeyPrefix+"1"): strings.Repeat("k", 32),
		filepath.Join(credentials, contract.FileAuthToken):  "an-auth-token-of-a-test",
	} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	channel, err := json.Marshal(contract.Channel{Name: pgtest.Channel, Type: contract.ChannelTypeTwilioSMS, TwilioSMS: &contract.TwilioSMS{
		AccountSID: "AC" + strings.Repeat("0", 32), From: "+4930901820", APIBaseURL: "https://127.0.0.1:1",
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(contract.EnvTenant, "hotel-berlin")
	t.Setenv(contract.EnvPublicURL, "https://hotel-berlin.example")
	t.Setenv(contract.EnvChannel, string(channel))
	t.Setenv("SWITCHBOARD_TLS_DIR", d.Dir(t, "localhost"))
	t.Setenv("SWITCHBOARD_KEYS_DIR", keys)
	t.Setenv("SWITCHBOARD_CHANNEL_DIR", credentials)
	p := launch(t, "connect")
	waitForStatus(t, client, public+"/webhooks/"+pgtest.Channel+"/twilio/nothing", http.StatusNotFound)
	// What its provider says of the credentials is told to the operator alone.
	waitForStatus(t, client, public+contract.PathCheck, http.StatusNotFound)
	waitForStatus(t, bearing(t, d, "another"), public+contract.PathCheck, http.StatusNotFound)
	waitForStatus(t, bearing(t, d, contract.OperatorName), public+contract.PathCheck, http.StatusOK)
	p.staysWithin(t, maxConnectRSS)
	p.follows(t, d)
	p.terminate(t)
}

// bearing is a client with a certificate of the tenant's authority in a name.
func bearing(t *testing.T, d *pgtest.Database, name string) *http.Client {
	t.Helper()
	dir := d.Dir(t, name)
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, contract.FileTLSCert), filepath.Join(dir, contract.FileTLSKey))
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{
		InsecureSkipVerify: true, Certificates: []tls.Certificate{pair}, //nolint:gosec // as for client
	}}}
}

func waitForStatus(t *testing.T, client *http.Client, url string, want int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var got string
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if response, err := client.Do(request); err != nil {
			got = err.Error()
		} else {
			response.Body.Close()
			if response.StatusCode == want {
				return
			}
			got = response.Status
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: waited for %d, got %s", url, want, got)
		case <-tick.C:
		}
	}
}

// peakRSS is the most memory that a process has had in use, in KiB.
func peakRSS(t *testing.T, pid int) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "VmHWM:" {
			n, err := strconv.Atoi(fields[1])
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatal("no VmHWM in the process's status")
	return 0
}
