package process

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

func TestEnsure(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	table := Table{Records: filepath.Join(dir, "run"), Logs: filepath.Join(dir, "logs")}
	input := filepath.Join(dir, "config")
	write := func(path, content string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(input, "one")
	program := Program{Name: "sleeper", Argv: []string{"sleep", "600"}, Inputs: []string{input}}
	t.Cleanup(func() { _ = table.Stop(ctx, program.Name) })
	ensure := func(want bool, why string) record {
		t.Helper()
		started, err := table.Ensure(ctx, program)
		if err != nil || started != want {
			t.Fatalf("%s: started %v (%v), want %v", why, started, err, want)
		}
		r, ok := table.running(program.Name)
		if !ok {
			t.Fatalf("%s: it does not run", why)
		}
		return r
	}

	first := ensure(true, "nothing runs yet")
	ensure(false, "it runs already")
	write(input, "two")
	second := ensure(true, "its input changed")
	if first.PID == second.PID {
		t.Error("a changed input did not restart the program")
	}
	if err := End(ctx, second.PID, 0); err != nil {
		t.Fatal(err)
	}
	if table.Running(program.Name) {
		t.Error("a killed program is said to run")
	}
	ensure(true, "it was killed")
	if err := table.Stop(ctx, program.Name); err != nil || table.Running(program.Name) {
		t.Errorf("the program still runs after Stop (%v)", err)
	}
}

func TestStopLeavesAStrangerAlone(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	table := Table{Records: dir, Logs: dir}
	// The record names this very test's process id, as if the kernel had handed it out again.
	content, err := json.Marshal(record{PID: os.Getpid(), Argv: []string{"kubelet", "--config=c"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(table.file("kubelet"), content, 0o644); err != nil {
		t.Fatal(err)
	}
	if table.Running("kubelet") {
		t.Error("a stranger is taken for the kubelet")
	}
	if err := table.Stop(ctx, "kubelet"); err != nil { // would end this test, were the stranger not left alone
		t.Fatal(err)
	}
}
