// Package licence finds the licences of what is linked into a program, and refuses those that a release may not carry.
package licence

import (
	"bytes"
	"errors"
	"fmt"
	"os"
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
	// IDs are its SPDX names, sorted. A module with folders that have licences of their own has several, all of which hold.
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
	names   = regexp.MustCompile(`(?i)^(licen[sc]e|copying|unlicense)([-._].*)?$`)
	notices = regexp.MustCompile(`(?i)^(notice|patents)([-._].*)?$`)
)

// Of finds the licences of what is linked into a program, Go's own library first: in the folders of its packages, and in those above
// up to the modules' roots. An error names each module whose licence is not found, not known or not allowed.
func Of(p program.Program) ([]Text, error) {
	var texts []Text
	var errs []error
	for _, m := range append([]program.Module{{Path: program.Standard}}, p.Modules...) {
		text, err := read(m, p.Folders(m.Path))
		errs = append(errs, err)
		texts = append(texts, text)
	}
	return texts, errors.Join(errs...)
}

func read(m program.Module, folders program.Folders) (Text, error) {
	text := Text{Module: m}
	for _, folder := range folders.All {
		if err := text.readFolder(folders.Root, folder); err != nil {
			return text, fmt.Errorf("reading the licences of %s@%s: %w", m.Path, m.Version, err)
		}
	}
	if len(text.IDs) == 0 {
		return text, fmt.Errorf("%s@%s has no file with a licence: without one nobody may hand it on", m.Path, m.Version)
	}
	slices.Sort(text.IDs)
	text.IDs = slices.Compact(text.IDs)
	return text, nil
}

func (t *Text) readFolder(root, folder string) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, e := range entries {
		isLicence := names.MatchString(e.Name())
		if e.IsDir() || strings.HasSuffix(e.Name(), ".go") || !isLicence && !notices.MatchString(e.Name()) {
			continue
		}
		file := filepath.Join(folder, e.Name())
		body, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		path, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		t.Files = append(t.Files, File{path, body})
		if !isLicence {
			continue
		}
		ids, err := identify(body)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		t.IDs = append(t.IDs, ids...)
	}
	return nil
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
