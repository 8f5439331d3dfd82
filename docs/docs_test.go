// Package docs holds the documentation to the tree that it speaks of.
package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// pages are README.md, CONTRIBUTING.md, those of the local cluster and the chart, and everything in docs.
func pages(t *testing.T) map[string]string {
	t.Helper()
	files := []string{"../README.md", "../CONTRIBUTING.md", "../hack/localcluster/README.md", "../charts/switchboard/README.md"}
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
	if len(text) < 14 {
		t.Fatalf("found %d pages only: the test looks in the wrong place", len(text))
	}
	return text
}

func TestEveryLinkLeadsSomewhere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:\s]*)(?:#([^)\s]*))?\)`)
	all, checked := pages(t), 0
	for page, text := range all {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			target, anchor := page, m[2]
			if m[1] != "" {
				target = filepath.Join(filepath.Dir(page), m[1])
			}
			checked++
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s, which is not there", page, m[1])
				continue
			}
			if anchor != "" && !slices.Contains(headings(all[strings.TrimPrefix(target, "../docs/")]), anchor) {
				t.Errorf("%s links to %s#%s, where no such heading is", page, m[1], anchor)
			}
		}
	}
	if checked < 50 {
		t.Errorf("checked %d links only: the test reads pages wrongly", checked)
	}
}

// headings of a page as they are linked to.
func headings(text string) []string {
	var found []string
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(text, -1) {
		slug := regexp.MustCompile(`[^a-z0-9 _-]`).ReplaceAllString(strings.ToLower(m[1]), "")
		found = append(found, strings.ReplaceAll(slug, " ", "-"))
	}
	return found
}

func TestEveryFileNamedIsThere(t *testing.T) {
	named := regexp.MustCompile("(?m)(?:^|[ `=])((?:api|charts|cmd|config|controllers|docs|hack|internal|test)/[A-Za-z0-9_./-]+)")
	checked := 0
	for page, text := range pages(t) {
		if page == "../hack/localcluster/README.md" {
			continue // its paths are within its own folder
		}
		for _, m := range named.FindAllStringSubmatch(text, -1) {
			path := strings.TrimRight(m[1], "./")
			if strings.Contains(path, "KIND") {
				continue // stands for one of several
			}
			checked++
			if _, err := os.Stat(filepath.Join("..", path)); err != nil {
				t.Errorf("%s names %s, which is not there", page, path)
			}
		}
	}
	if checked < 60 {
		t.Errorf("checked %d paths only: the test reads pages wrongly", checked)
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
	page := pages(t)["dependencies.md"]
	required := regexp.MustCompile(`(?m)^\t(\S+) v\S+$`) // indirect ones end in a comment
	for file, least := range map[string]int{"../go.mod": 20, "../hack/localcluster/go.mod": 8, "../hack/release/go.mod": 5, "../test/alerts/go.mod": 2, "../test/chart/go.mod": 3, "../test/network/go.mod": 3, "../test/openid/go.mod": 4,
		"../test/traces/go.mod": 3} {
		mod, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found := required.FindAllStringSubmatch(string(mod), -1)
		if len(found) < least {
			t.Fatalf("read %d direct dependencies only: the test reads %s wrongly", len(found), file)
		}
		for _, m := range found {
			if m[1] != "github.com/switchboard-operator/switchboard" && !strings.Contains(page, "`"+m[1]+"`") {
				t.Errorf("docs/dependencies.md has no reason for %s of %s", m[1], file)
			}
		}
	}
}
