// Package docs holds the documentation to the tree that it speaks of.
package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// pages are README.md, CONTRIBUTING.md and everything in docs.
func pages(t *testing.T) map[string]string {
	t.Helper()
	files := []string{"../README.md", "../CONTRIBUTING.md"}
	for _, pattern := range []string{"*.md", "*/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	text := map[string]string{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		text[f] = string(b)
	}
	if len(text) < 8 {
		t.Fatalf("found %d pages only: the test looks in the wrong place", len(text))
	}
	return text
}

func TestEveryLinkLeadsToAFile(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:\s]+)(#[^)]*)?\)`)
	for page, text := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), m[1])); err != nil {
				t.Errorf("%s links to %s, which is not there", page, m[1])
			}
		}
	}
}

func TestEveryMakeTargetExists(t *testing.T) {
	makefile, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	target := regexp.MustCompile("(?m)(?:^|`)make ([a-z][a-z0-9-]*)")
	for page, text := range pages(t) {
		for _, m := range target.FindAllStringSubmatch(text, -1) {
			if !strings.Contains(string(makefile), "\n"+m[1]+":") {
				t.Errorf("%s names make %s, which the Makefile does not have", page, m[1])
			}
		}
	}
}

func TestEveryDirectDependencyHasItsReason(t *testing.T) {
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	required := regexp.MustCompile(`(?m)^\t(\S+) v\S+$`) // indirect ones end in a comment
	found := required.FindAllStringSubmatch(string(mod), -1)
	if len(found) < 10 {
		t.Fatalf("read %d direct dependencies only: the test reads go.mod wrongly", len(found))
	}
	for _, m := range found {
		if !strings.Contains(string(page), "`"+m[1]+"`") {
			t.Errorf("docs/dependencies.md has no reason for %s", m[1])
		}
	}
}

// Every reason that a condition can have must be findable by who reads it.
func TestEveryStallIsExplained(t *testing.T) {
	operations, retention := pages(t)["operations.md"], pages(t)["retention.md"]
	for _, reason := range []string{
		"RegionNotFound", "NamespaceNotAdoptable", "NamespaceOfOtherTenant", "SecretMissing", "KeyMissing", "SubProcessorNotRegistered",
		"MigrationFailed", "OutsideRegion", "OutOfBounds", "InvalidSchedule", "ObjectsRemain", "VolumesRemain",
		"NeverRun", "RunFailed", "Overdue", "NotChecked",
	} {
		if !strings.Contains(operations+retention, "`"+reason+"`") {
			t.Errorf("no page says what to do about %s", reason)
		}
	}
}
