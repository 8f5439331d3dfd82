// Package licence finds the licences of what is linked into a program, and refuses those that a release may not carry.
package licence

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/google/licensecheck"

	"github.com/switchboard-operator/switchboard/hack/release/internal/program"
)

// Allowed are the licences of which a release may hold code, by their SPDX names: all ask for no more than what Notices says,
// MPL-2.0 (its section 3.2) that whoever gets the program is told where the sources are.
var Allowed = []string{"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "MIT", "MIT-0", "MPL-2.0", "Unlicense"}

// least is the share of a file, in per cent of its words, that must be known text of licences: a copyright line is not, an added clause is.
const least = 75

// Text is the licence of a module.
type Text struct {
	program.Module
	// IDs are its SPDX names, sorted. A module whose folders have licences of their own has several, all of which hold.
	IDs []string
	// Files are the texts by their path within the module.
	Files []File
}

// File is a licence's text, or a notice that goes with it.
type File struct {
	Path string
	Body []byte
}

var (
	standard = program.Module{Path: "std"}
	names    = regexp.MustCompile(`(?i)^(licen[sc]e|copying|unlicense)([-._].*)?$`)
	notices  = regexp.MustCompile(`(?i)^(notice|patents)([-._].*)?$`)
)

// Of finds the licences of the modules and of Go's own library in the module cache. An error names each module whose
// licence is not found, not known or not allowed.
func Of(ctx context.Context, source string, modules []program.Module) ([]Text, error) {
	folders, err := folders(ctx, source, modules)
	if err != nil {
		return nil, err
	}
	var texts []Text
	var errs []error
	for _, m := range append([]program.Module{standard}, modules...) {
		text, err := read(m, folders[m.Path])
		errs = append(errs, err)
		texts = append(texts, text)
	}
	return texts, errors.Join(errs...)
}

// folders of the modules' sources by path.
func folders(ctx context.Context, source string, modules []program.Module) (map[string]string, error) {
	root := exec.CommandContext(ctx, "go", "env", "GOROOT")
	root.Dir = source
	goroot, err := root.Output()
	if err != nil {
		return nil, fmt.Errorf("asking go for its own folder: %w", err)
	}
	found := map[string]string{standard.Path: strings.TrimSpace(string(goroot))}
	args := []string{"mod", "download", "-json"}
	for _, m := range modules {
		args = append(args, m.Path+"@"+m.Version)
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = source
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("getting the sources of the modules: %w", err)
	}
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var m struct{ Path, Dir string }
		if err := decoder.Decode(&m); errors.Is(err, io.EOF) {
			return found, nil
		} else if err != nil {
			return nil, fmt.Errorf("reading where the sources of the modules are: %w", err)
		}
		found[m.Path] = m.Dir
	}
}

func read(m program.Module, folder string) (Text, error) {
	text := Text{Module: m}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return text, fmt.Errorf("reading the sources of %s: %w", m.Path, err)
	}
	for _, e := range entries {
		isLicence := names.MatchString(e.Name())
		if e.IsDir() || !isLicence && !notices.MatchString(e.Name()) {
			continue
		}
		body, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			return text, fmt.Errorf("reading a licence of %s: %w", m.Path, err)
		}
		text.Files = append(text.Files, File{e.Name(), body})
		if !isLicence {
			continue
		}
		ids, err := identify(body)
		if err != nil {
			return text, fmt.Errorf("%s of %s@%s: %w", e.Name(), m.Path, m.Version, err)
		}
		text.IDs = append(text.IDs, ids...)
	}
	if len(text.IDs) == 0 {
		return text, fmt.Errorf("%s@%s has no file with a licence: without one nobody may hand it on", m.Path, m.Version)
	}
	slices.Sort(text.IDs)
	text.IDs = slices.Compact(text.IDs)
	return text, nil
}

// identify gives the SPDX names of the licences in a text.
func identify(body []byte) ([]string, error) {
	coverage := licensecheck.Scan(body)
	if coverage.Percent < least {
		return nil, fmt.Errorf("only %.0f %% of it is the text of a known licence: read it", coverage.Percent)
	}
	var ids []string
	for _, match := range coverage.Match {
		if match.IsURL {
			continue
		}
		if !slices.Contains(Allowed, match.ID) {
			return nil, fmt.Errorf("licence %s is not one that a release may carry (%s)", match.ID, strings.Join(Allowed, ", "))
		}
		ids = append(ids, match.ID)
	}
	return ids, nil
}

// Notices is all texts as one file, with where the sources are, as the licences ask of whoever hands on the program.
func Notices(texts []Text) []byte {
	var b bytes.Buffer
	b.WriteString("Switchboard is under the Apache License, version 2.0. It holds code of the following projects, unchanged.\n")
	for _, t := range texts {
		fmt.Fprintf(&b, "\n%s\n%s %s\n", strings.Repeat("=", 80), t.Path, t.Version)
		if sources := t.Sources(); sources != "" {
			fmt.Fprintf(&b, "Sources: %s\n", sources)
		}
		for _, f := range t.Files {
			fmt.Fprintf(&b, "\n----- %s\n\n", f.Path)
			b.Write(bytes.TrimSpace(f.Body))
			b.WriteByte('\n')
		}
	}
	return b.Bytes()
}
