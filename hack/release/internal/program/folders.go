package program

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Standard is the module that Go's own library counts as.
const Standard = "std"

// Folders are where the linked packages of a module are, and those above them up to the module's root.
type Folders struct {
	Root string
	All  []string // sorted, Root first
}

// Folders of a module that is linked into the program; the zero value for one that is not.
func (p Program) Folders(module string) Folders { return p.folders[module] }

// folders of all modules that are linked into a program, by their paths.
func folders(ctx context.Context, source, name, goos, goarch string) (map[string]Folders, error) {
	ask := func(args ...string) (string, error) {
		cmd := exec.CommandContext(ctx, "go", args...)
		cmd.Dir = source
		cmd.Env = environment(goos, goarch)
		out, err := cmd.Output()
		if err != nil {
			return "", fmt.Errorf("asking go for the packages of %s: %w", name, err)
		}
		return strings.TrimSpace(string(out)), nil
	}
	goroot, err := ask("env", "GOROOT")
	if err != nil {
		return nil, err
	}
	packages, err := ask("list", "-deps", "-mod=readonly", "-f", "{{if not .Standard}}{{.Module.Path}}\t{{.Module.Dir}}\t{{.Dir}}{{end}}", "./cmd/"+name)
	if err != nil {
		return nil, err
	}
	// One licence holds for all of Go's library. Another lies beside BoringSSL's object code, which the environment leaves out.
	found := map[string]Folders{Standard: {Root: goroot, All: []string{goroot}}}
	for line := range strings.Lines(packages) {
		f := strings.Split(strings.TrimSpace(line), "\t")
		if len(f) != 3 {
			return nil, fmt.Errorf("go tells of a package of %s in another form than asked for: %q", name, line)
		}
		module, root, dir := f[0], f[1], f[2]
		at := found[module]
		at.Root = root
		for ; len(dir) >= len(root); dir = filepath.Dir(dir) {
			if !slices.Contains(at.All, dir) {
				at.All = append(at.All, dir)
			}
		}
		found[module] = at
	}
	for _, at := range found {
		slices.Sort(at.All)
	}
	return found, nil
}
