package termination_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/termination"
)

func TestTheMessageIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, []byte(strings.Repeat("what was there before ", 99)), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv(contract.EnvTerminationLog, path)
	if err := termination.Write(contract.Result{Migration: &contract.MigrationResult{SchemaVersion: 4}}); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got, err := contract.DecodeResult(string(b))
	if err != nil || got.Migration == nil || got.Migration.SchemaVersion != 4 {
		t.Errorf("read back %+v, %v from %s", got, err, b)
	}
}

func TestWhatFailedIsReportedWithinBounds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	t.Setenv(contract.EnvTerminationLog, path)
	cause := errors.New(strings.Repeat("very wrong ", 999))
	if err := termination.Report(contract.Result{Migration: &contract.MigrationResult{SchemaVersion: 4}}, cause); !errors.Is(err, cause) {
		t.Errorf("got %v", err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got, err := contract.DecodeResult(string(b))
	if err != nil || got.Migration != nil || !strings.HasPrefix(got.Error, "very wrong") {
		t.Errorf("read back %+v, %v", got, err)
	}
}

func TestAMessageThatCanNotBeWrittenSaysWhatToSet(t *testing.T) {
	t.Setenv(contract.EnvTerminationLog, filepath.Join(t.TempDir(), "no", "log"))
	if err := termination.Write(contract.Result{}); err == nil || !strings.Contains(err.Error(), "set "+contract.EnvTerminationLog) {
		t.Errorf("got %v", err)
	}
	t.Setenv(contract.EnvTerminationLog, filepath.Join(t.TempDir(), "log"))
	if err := termination.Write(contract.Result{Error: strings.Repeat("x", contract.TerminationLimit)}); err == nil {
		t.Error("a result beyond the kubelet's limit was written")
	}
}
