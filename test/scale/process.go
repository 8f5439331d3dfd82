package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a program that this one started.
type process struct {
	cmd   *exec.Cmd
	log   *os.File
	ended chan struct{} // closed when it has ended
	why   error         // and then set
}

// startProcess starts a program whose output goes to the end of a file.
func startProcess(ctx context.Context, log, program string, args, environment []string) (*process, error) {
	return startProcessIn(ctx, log, program, args, environment, 0)
}

// startProcessIn starts it in new namespaces of the kernel's.
func startProcessIn(ctx context.Context, log, program string, args, environment []string, namespaces uintptr) (*process, error) {
	file, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the log of %s: %w", program, err)
	}
	p := &process{cmd: exec.CommandContext(ctx, program, args...), log: file, ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.Env = file, file, append(os.Environ(), environment...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true, Cloneflags: namespaces}
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = 40 * time.Second
	if err := p.cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("starting %s: %w", program, err), file.Close())
	}
	go func() {
		p.why = p.cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// stop asks the program to end and waits until it has.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(40 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
	_ = p.log.Close()
}

// died says why a program ended that should go on; nil while it does.
func (p *process) died() error {
	select {
	case <-p.ended:
		return fmt.Errorf("%s ended: %w; see %s", p.cmd.Path, p.why, p.log.Name())
	default:
		return nil
	}
}

// memory gives what the kernel tells of a process's resident set in KiB: now, and at its highest.
func (p *process) memory() (now, peak int64, err error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(p.cmd.Process.Pid) + "/status")
	if err != nil {
		return 0, 0, fmt.Errorf("reading the memory of %s: %w", p.cmd.Path, err)
	}
	for line := range strings.Lines(string(b)) {
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &peak); err == nil {
			continue
		}
		_, _ = fmt.Sscanf(line, "VmRSS: %d kB", &now)
	}
	if peak == 0 {
		return 0, 0, fmt.Errorf("reading the memory of %s: the kernel tells none", p.cmd.Path)
	}
	return now, peak, nil
}

// processor gives the processor time that a process has taken.
func (p *process) processor() (time.Duration, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(p.cmd.Process.Pid) + "/stat")
	if err != nil {
		return 0, fmt.Errorf("reading the processor time of %s: %w", p.cmd.Path, err)
	}
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	user, err1 := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond, errors.Join(err1, err2)
}
