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

// maxServeRSS is what serve may need at most with next to nothing to do, in KiB.
const maxServeRSS = 30 << 10

func build(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "instance")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return binary
}

// TestAServingPod runs the program as a pod does: it becomes ready, says not ready
// while its database is away, and ends cleanly on SIGTERM.
func TestAServingPod(t *testing.T) {
	d := pgtest.New(t)
	d.Setenv(t, contract.LoginRole(contract.ComponentServe, 1))
	t.Setenv(contract.EnvTenant, "hotel-berlin")
	t.Setenv("SWITCHBOARD_TLS_DIR", d.Dir(t, "localhost"))
	var errs bytes.Buffer
	serve := exec.Command(build(t), "serve")
	serve.Stderr = &errs
	stdout, err := serve.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	defer serve.Process.Kill()
	logged := bufio.NewScanner(stdout)
	line := map[string]any{}
	for line["msg"] != "serving" {
		if !logged.Scan() {
			t.Fatalf("it ended before it served: %s", errs.String())
		}
		if err := json.Unmarshal(logged.Bytes(), &line); err != nil {
			t.Fatalf("a line of the log is not JSON: %s", logged.Text())
		}
	}
	rest := make(chan string)
	go func() {
		b, _ := io.ReadAll(stdout)
		rest <- string(b)
	}()

	probe := fmt.Sprintf("http://127.0.0.1:%d/readyz", contract.PortProbe)
	waitForStatus(t, http.DefaultClient, probe, http.StatusOK)
	if line["tenant"] != "hotel-berlin" {
		t.Errorf("the log does not name the tenant: %v", line)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} //nolint:gosec // a client certificate serves here
	waitForStatus(t, client, fmt.Sprintf("https://127.0.0.1:%d/api/v1/openapi.yaml", contract.PortHTTPS), http.StatusOK)
	for range 10 { // the dearest thing that it does
		response, err := client.Post(fmt.Sprintf("https://127.0.0.1:%d/api/v1/sessions", contract.PortHTTPS), "application/json",
			strings.NewReader(fmt.Sprintf(`{"email":%q,"password":%q}`, pgtest.StaffEmail, pgtest.Password)))
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusCreated {
			t.Fatalf("signing in: %s", response.Status)
		}
	}
	if peak := peakRSS(t, serve.Process.Pid); peak > maxServeRSS {
		t.Errorf("peak RSS is %d KiB, more than %d", peak, maxServeRSS)
	} else {
		t.Logf("peak RSS, ten sign-ins included: %.1f MiB", float64(peak)/1024)
	}

	d.Refuse(t)
	waitForStatus(t, http.DefaultClient, probe, http.StatusServiceUnavailable)
	d.Accept(t)
	waitForStatus(t, http.DefaultClient, probe, http.StatusOK)

	if err := serve.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	waitForStatus(t, http.DefaultClient, probe, http.StatusServiceUnavailable)
	log := <-rest
	if err := serve.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v\n%s", err, errs.String())
	}
	if !strings.Contains(log, `"draining"`) {
		t.Errorf("the log says nothing of draining:\n%s", log)
	}
}

func waitForStatus(t *testing.T, client *http.Client, url string, want int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	got := "nothing"
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
