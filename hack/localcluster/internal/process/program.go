// Package process runs the cluster's programs in the background and finds them again.
//
// There is no supervisor: `up` starts what is not running and ends, and a later `up` starts what has died since.
// A record on disk says which process is whose; no process is ever touched before its command line proves that it is ours,
// because the kernel hands process ids out again.
package process

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// Program is a program that runs in the background.
type Program struct {
	// Name names the program's record and its log.
	Name string
	// Argv is the command line.
	Argv []string
	// Inputs are the files that the program reads at its start alone: when one changes, the program is restarted.
	Inputs []string
}

// Table holds the records of what runs.
type Table struct {
	// Records is the folder of the records.
	Records string
	// Logs is the folder of the logs.
	Logs string
}

// record is what is kept about a running program.
type record struct {
	PID         int      `json:"pid"`
	Argv        []string `json:"argv"`
	Fingerprint string   `json:"fingerprint"`
}

// Ensure starts the program unless it runs already just as it should, and reports whether it had to.
func (t Table) Ensure(ctx context.Context, p Program) (bool, error) {
	want, err := p.fingerprint()
	if err != nil {
		return false, err
	}
	if have, ok := t.running(p.Name); ok {
		if have.Fingerprint == want {
			return false, nil
		}
		if err := t.Stop(ctx, p.Name); err != nil {
			return false, err
		}
	}
	return true, t.start(p, want)
}

// Running reports whether the program of this name runs.
func (t Table) Running(name string) bool {
	_, ok := t.running(name)
	return ok
}

// Log is the file that the program of this name writes to.
func (t Table) Log(name string) string { return filepath.Join(t.Logs, name+".log") }

func (t Table) file(name string) string { return filepath.Join(t.Records, name+".json") }

func (t Table) running(name string) (record, bool) {
	content, err := os.ReadFile(t.file(name))
	if err != nil {
		return record{}, false
	}
	var r record
	if err := json.Unmarshal(content, &r); err != nil {
		return record{}, false
	}
	argv, alive := commandLine(r.PID)
	return r, alive && matches(r.Argv, argv)
}

func (t Table) start(p Program, fingerprint string) error {
	for _, dir := range []string{t.Records, t.Logs} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("starting %s: %w", p.Name, err)
		}
	}
	// One older log is kept, so that a program that dies again and again can't fill the disk.
	if err := os.Rename(t.Log(p.Name), t.Log(p.Name)+".old"); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("starting %s: keeping its last log: %w", p.Name, err)
	}
	log, err := os.OpenFile(t.Log(p.Name), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("starting %s: %w", p.Name, err)
	}
	defer log.Close()

	cmd := exec.Command(p.Argv[0], p.Argv[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // outlives the terminal and this program
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", p.Name, err)
	}
	content, err := json.Marshal(record{PID: cmd.Process.Pid, Argv: p.Argv, Fingerprint: fingerprint})
	if err != nil {
		return fmt.Errorf("recording %s: %w", p.Name, err)
	}
	if err := os.WriteFile(t.file(p.Name), content, 0o644); err != nil {
		return fmt.Errorf("recording %s: %w", p.Name, err)
	}
	go cmd.Wait() //nolint:errcheck // reaps the process should it die while this program still runs; its log says why
	return nil
}

func (p Program) fingerprint() (string, error) {
	sum := sha256.New()
	fmt.Fprintf(sum, "%q\n", p.Argv)
	for _, name := range p.Inputs {
		content, err := os.ReadFile(name)
		if err != nil {
			return "", fmt.Errorf("reading what %s starts from: %w", p.Name, err)
		}
		fmt.Fprintf(sum, "%s %d\n", name, len(content))
		sum.Write(content)
	}
	return fmt.Sprintf("%x", sum.Sum(nil)), nil
}
