package binaries

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"time"

	"github.com/switchboard-operator/switchboard/hack/localcluster/internal/lock"
)

// Builder builds programs into a cache.
type Builder struct {
	// Source is the folder of this program's source.
	Source string
	// Cache is the cache folder.
	Cache string
	// Progress gets a line for each thing done.
	Progress io.Writer
}

// Folder is where the programs are, or will be. Its name follows from all that decides what they are.
func (b Builder) Folder() (string, error) {
	sum := sha256.New()
	fmt.Fprintln(sum, ldflags())
	for _, name := range []string{
		"modules/kubernetes/go.mod", "modules/kubernetes/go.sum",
		"modules/coredns/go.mod", "modules/coredns/go.sum", "modules/coredns/main.go",
	} {
		content, err := os.ReadFile(filepath.Join(b.Source, name))
		if err != nil {
			return "", fmt.Errorf("naming the folder of the programs: %w", err)
		}
		fmt.Fprintf(sum, "%s %d\n%s", name, len(content), content)
	}
	return filepath.Join(b.Cache, "bin", fmt.Sprintf("%s-%x", Kubernetes, sum.Sum(nil)[:6])), nil
}

// Build builds those of the programs that are not there yet and returns their folder.
func (b Builder) Build(ctx context.Context, programs []Program) (string, error) {
	folder, err := b.Folder()
	if err != nil {
		return "", err
	}
	if len(missing(folder, programs)) == 0 {
		return folder, nil
	}
	unlock, err := lock.Take(ctx, folder+".lock")
	if err != nil {
		return "", err
	}
	defer unlock()

	todo := missing(folder, programs) // again: another build may have made them while this one waited
	done := 0
	for len(todo) > 0 {
		batch := sameModule(todo)
		if err := b.buildBatch(ctx, folder, batch, done, done+len(todo)); err != nil {
			return "", err
		}
		done += len(batch)
		todo = todo[len(batch):]
	}
	return folder, nil
}

// buildBatch builds programs of one module in one go: they share most of their packages, and they link side by side.
func (b Builder) buildBatch(ctx context.Context, folder string, batch []Program, done, total int) (err error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("making the folder of the programs: %w", err)
	}
	work, err := os.MkdirTemp(folder, ".building-")
	if err != nil {
		return fmt.Errorf("making a folder to build in: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()

	args := []string{"build", "-trimpath", "-buildvcs=false", "-ldflags", ldflags(), "-o", work + "/"}
	for _, p := range batch {
		args = append(args, p.Package)
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = filepath.Join(b.Source, batch[0].Module)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=readonly", "GOWORK=off")
	cmd.Stdout, cmd.Stderr = b.Progress, b.Progress
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting go build (is Go on the PATH?): %w", err)
	}
	finished := make(chan error, 1)
	go func() { finished <- cmd.Wait() }()

	fmt.Fprintf(b.Progress, "building %s from %s (with a cold cache this takes minutes)\n", namesOf(batch), batch[0].Module)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	reported := map[string]bool{}
	for running := true; running; {
		select {
		case err := <-finished:
			if err != nil {
				return fmt.Errorf("building %s in %s: %w", namesOf(batch), cmd.Dir, err)
			}
			running = false
		case <-tick.C:
		}
		for _, p := range batch { // go build writes each program as soon as it is linked
			if _, err := os.Stat(filepath.Join(work, p.output())); err == nil && !reported[p.Name] {
				reported[p.Name] = true
				done++
				fmt.Fprintf(b.Progress, "building %s (%d/%d) ... %.0fs\n", p.Name, done, total, time.Since(start).Seconds())
			}
		}
	}
	for _, p := range batch {
		if err := os.Rename(filepath.Join(work, p.output()), filepath.Join(folder, p.Name)); err != nil {
			return fmt.Errorf("putting %s into its folder: %w", p.Name, err)
		}
	}
	return nil
}

// output is the file name that go build gives the program.
func (p Program) output() string {
	switch base := path.Base(p.Package); base {
	case ".":
		return p.Name
	case "v3":
		return path.Base(path.Dir(p.Package))
	default:
		return base
	}
}

// Own builds one of this module's own small programs; Go's cache makes that quick when nothing changed.
// The flags are those of `go run`, so that this program's packages are not compiled a second time.
func (b Builder) Own(ctx context.Context, name string) (string, error) {
	folder, err := b.Folder()
	if err != nil {
		return "", err
	}
	file := filepath.Join(folder, name)
	cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-ldflags", "-s -w", "-o", file, "./"+name)
	cmd.Dir = b.Source
	cmd.Env = append(os.Environ(), "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building %s in %s: %w\n%s", name, b.Source, err, out)
	}
	return file, nil
}

func missing(folder string, programs []Program) []Program {
	var absent []Program
	for _, p := range programs {
		if _, err := os.Stat(filepath.Join(folder, p.Name)); errors.Is(err, fs.ErrNotExist) {
			absent = append(absent, p)
		}
	}
	return absent
}

// sameModule is the longest beginning of the list whose programs share a module.
func sameModule(programs []Program) []Program {
	for i, p := range programs {
		if p.Module != programs[0].Module {
			return programs[:i]
		}
	}
	return programs
}

func namesOf(programs []Program) string {
	names := ""
	for i, p := range programs {
		if i > 0 {
			names += ", "
		}
		names += p.Name
	}
	return names
}
