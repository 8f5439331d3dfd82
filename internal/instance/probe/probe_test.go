package probe_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/probe"
)

// quick leaves a busy machine time enough, and does not wait for what stays as it is.
var quick = probe.Prober{Attempt: 5 * time.Second, Patience: 0, Pause: time.Millisecond}

// listen is a server on loopback, and closed a port where nobody listens.
func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func closed(t *testing.T) string {
	t.Helper()
	l := listen(t)
	_ = l.Close()
	return l.Addr().String()
}

func target(name, address string) contract.Target {
	return contract.Target{Name: name, Address: address}
}

// call runs the command as a pod does.
func call(t *testing.T, what string) (contract.Result, error) {
	t.Helper()
	log := filepath.Join(t.TempDir(), "termination")
	t.Setenv(contract.EnvProbe, what)
	t.Setenv(contract.EnvNode, "eu-1")
	t.Setenv(contract.EnvTerminationLog, log)
	failed := probe.Command(t.Context(), slog.New(slog.DiscardHandler), quick)
	content, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	result, err := contract.DecodeResult(string(content))
	if err != nil {
		t.Fatal(err)
	}
	return result, failed
}

func TestWhatAnswersIsTold(t *testing.T) {
	server, nobody := listen(t).Addr().String(), closed(t)
	for name, c := range map[string]struct {
		tried           contract.Probe
		reached, missed []string
	}{
		"closed as it should be": {contract.Probe{Open: []contract.Target{target("database", server)}, Closed: []contract.Target{target("kubernetes-api", nobody)}}, nil, nil},
		"open that should be closed": {
			contract.Probe{Open: []contract.Target{target("database", server)}, Closed: []contract.Target{target("kubernetes-api", server), target("neighbour-1-api", nobody), target("forbidden-metadata", server)}},
			[]string{"kubernetes-api", "forbidden-metadata"}, nil,
		},
		"closed that should be open": {contract.Probe{Open: []contract.Target{target("database", nobody)}, Closed: []contract.Target{target("kubernetes-api", nobody)}}, nil, []string{"database"}},
		// Two dots are no name: no resolver is asked.
		"a name that nobody knows was not tried": {contract.Probe{Open: []contract.Target{target("database", server)}, Closed: []contract.Target{target("kubernetes-api", "kubernetes..svc:443")}}, nil, []string{"kubernetes-api"}},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := json.Marshal(c.tried)
			if err != nil {
				t.Fatal(err)
			}
			result, err := call(t, string(b))
			if err != nil || result.Probe == nil {
				t.Fatalf("told %+v, %v", result, err)
			}
			p := result.Probe
			if !slices.Equal(p.Reached, c.reached) || !slices.Equal(p.Missed, c.missed) || p.Tried != len(c.tried.Closed) || p.Node != "eu-1" || p.FinishedAt.IsZero() {
				t.Errorf("told %+v, want reached %v and missed %v", *p, c.reached, c.missed)
			}
		})
	}
}

// A network that takes a moment to know a new pod, and lets everything through until then, is given that moment.
func TestWhatIsNotAsItShouldBeIsTriedAgain(t *testing.T) {
	patient := probe.Prober{Attempt: 5 * time.Second, Patience: time.Minute, Pause: time.Millisecond}
	late, soonShut, shut := listen(t), listen(t), make(chan struct{})
	go func() { // shuts once somebody has been through
		defer close(shut)
		if conn, err := soonShut.Accept(); err == nil {
			_ = conn.Close()
		}
		_ = soonShut.Close()
	}()
	result := patient.Run(t.Context(), contract.Probe{
		Open: []contract.Target{target("database", late.Addr().String())}, Closed: []contract.Target{target("kubernetes-api", soonShut.Addr().String())},
	})
	<-shut
	if len(result.Reached) > 0 || len(result.Missed) > 0 {
		t.Errorf("told %+v of what had become as it should be", result)
	}
}

func TestWhatCanNotBeTriedIsRefused(t *testing.T) {
	many := strings.TrimSuffix(strings.Repeat(`{"name":"a","address":"127.0.0.1:1"},`, contract.MaxTargets+1), ",")
	one := `[{"name":"a","address":"127.0.0.1:1"}]`
	for name, what := range map[string]string{
		"nothing": "", "no JSON": "{", "no open target": `{"closed":` + one + `}`, "no closed target": `{"open":` + one + `}`,
		"too many":        fmt.Sprintf(`{"open":%s,"closed":[%s]}`, one, many),
		"no port":         `{"open":` + one + `,"closed":[{"name":"a","address":"127.0.0.1"}]}`,
		"port 0":          `{"open":` + one + `,"closed":[{"name":"a","address":"127.0.0.1:0"}]}`,
		"no such port":    `{"open":` + one + `,"closed":[{"name":"a","address":"127.0.0.1:65536"}]}`,
		"no name":         `{"open":` + one + `,"closed":[{"address":"127.0.0.1:1"}]}`,
		"no host":         `{"open":` + one + `,"closed":[{"name":"a","address":":80"}]}`,
		"a name too long": `{"open":` + one + `,"closed":[{"name":"` + strings.Repeat("a", 80) + `","address":"127.0.0.1:1"}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			if result, err := call(t, what); err == nil || result.Probe != nil || result.Error == "" {
				t.Errorf("told %+v, %v", result, err)
			}
		})
	}
}

// The longest outcome that can be fits a termination message.
func TestAResultFitsAMessage(t *testing.T) {
	p := contract.ProbeResult{FinishedAt: time.Now(), Node: strings.Repeat("n", 253), Tried: contract.MaxTargets}
	for range contract.MaxTargets {
		p.Reached = append(p.Reached, "forbidden-"+strings.Repeat("x", 63))
	}
	if _, err := (contract.Result{Probe: &p}).Encode(); err != nil {
		t.Error(err)
	}
}
