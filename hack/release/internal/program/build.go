// Package program builds the programs of a release and tells what they are made of.
package program

import (
	"context"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/module"
)

// Program is a program that was built.
type Program struct {
	Name   string
	File   string
	SHA256 string // of the file, in hexadecimal
	Go     string // the version of Go, as in go1.26.8
	// Modules are those whose code is linked into the program, in order of their path; the project's own is none of them.
	Modules []Module
	folders map[string]Folders
}

// Module is a Go module at a version.
type Module struct {
	Path    string
	Version string
	Sum     string // as in go.sum: h1:…
}

// Sources is where the module's sources are to be had: its archive at Go's public proxy. It is "" for Go's own library.
func (m Module) Sources() string {
	path, err := module.EscapePath(m.Path)
	if err != nil || m.Sum == "" {
		return ""
	}
	version, err := module.EscapeVersion(m.Version)
	if err != nil {
		return ""
	}
	return "https://proxy.golang.org/" + path + "/@v/" + version + ".zip"
}

// Build builds a program of the checkout as the Dockerfile does, for one platform, into the folder.
func Build(ctx context.Context, source, folder, name, goos, goarch string) (Program, error) {
	file, err := filepath.Abs(filepath.Join(folder, name+"-"+goos+"-"+goarch))
	if err != nil {
		return Program{}, fmt.Errorf("finding the folder to build in: %w", err)
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-mod=readonly", "-ldflags", "-s -w -buildid=", "-gcflags=all=-l",
		"-o", file, "./cmd/"+name)
	cmd.Dir = source
	cmd.Env = environment(goos, goarch)
	if out, err := cmd.CombinedOutput(); err != nil {
		return Program{}, fmt.Errorf("building %s for %s/%s: %w\n%s", name, goos, goarch, err, out)
	}
	p, err := Read(name, file)
	if err != nil {
		return Program{}, err
	}
	p.folders, err = folders(ctx, source, name, goos, goarch)
	return p, err
}

// environment sets whatever of the builder's own settings would change the program.
func environment(goos, goarch string) []string {
	return append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=", "GOEXPERIMENT=", "GOAMD64=v1", "GOARM64=v8.0", "GOOS="+goos, "GOARCH="+goarch)
}

// Read tells what a program is made of: the linker wrote it into the file.
func Read(name, file string) (Program, error) {
	info, err := buildinfo.ReadFile(file)
	if err != nil {
		return Program{}, fmt.Errorf("reading what %s is made of: %w", file, err)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return Program{}, fmt.Errorf("reading the program: %w", err)
	}
	sum := sha256.Sum256(content)
	p := Program{Name: name, File: file, SHA256: hex.EncodeToString(sum[:]), Go: info.GoVersion}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		p.Modules = append(p.Modules, Module{Path: m.Path, Version: m.Version, Sum: m.Sum})
	}
	slices.SortFunc(p.Modules, func(a, b Module) int { return strings.Compare(a.Path, b.Path) })
	return p, nil
}

// CommitTime is when the checkout's commit was made: the only time that a release tells, the same for everyone who builds it.
// SOURCE_DATE_EPOCH (https://reproducible-builds.org/specs/source-date-epoch/) replaces it where there is no repository.
func CommitTime(ctx context.Context, source string) (time.Time, error) {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		cmd := exec.CommandContext(ctx, "git", "log", "-1", "--format=%ct")
		cmd.Dir = source
		out, err := cmd.Output()
		if err != nil {
			return time.Time{}, fmt.Errorf("asking git when the commit in %s was made (set SOURCE_DATE_EPOCH where there is no repository): %w", source, err)
		}
		text = strings.TrimSpace(string(out))
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("reading the time of the release (want seconds since 1970): %w", err)
	}
	return time.Unix(seconds, 0).UTC(), nil
}
