package auditreport_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
)

// parsed is the golden report's page.
func parsed(t *testing.T) (*html.Node, string) {
	t.Helper()
	var b bytes.Buffer
	if err := golden(t).WriteHTML(&b); err != nil {
		t.Fatal(err)
	}
	root, err := html.Parse(bytes.NewReader(b.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	return root, b.String()
}

func all(root *html.Node, tag string) []*html.Node {
	var found []*html.Node
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && n.Data == tag {
			found = append(found, n)
		}
	}
	return found
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func text(n *html.Node) string {
	var b strings.Builder
	for c := range n.Descendants() {
		if c.Type == html.TextNode {
			b.WriteString(c.Data)
		}
	}
	return b.String()
}

// TestThePageNeedsNothingElse: no script, no request, no style but the one that its policy names.
func TestThePageNeedsNothingElse(t *testing.T) {
	root, _ := parsed(t)
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		if slices.Contains([]string{"script", "link", "img", "iframe", "object", "embed", "form", "base", "image", "use", "foreignobject", "foreignObject"}, n.Data) {
			t.Errorf("there is a %s", n.Data)
		}
		for _, a := range n.Attr {
			if a.Key == "style" || strings.HasPrefix(a.Key, "on") || a.Key == "src" || a.Key == "href" && !strings.HasPrefix(a.Val, "#") {
				t.Errorf("%s has %s=%q", n.Data, a.Key, a.Val)
			}
		}
	}
	styles := all(root, "style")
	if len(styles) != 1 || strings.Contains(text(styles[0]), "url(") || strings.Contains(text(styles[0]), "@import") {
		t.Fatalf("%d style sheets", len(styles))
	}
	sum := sha256.Sum256([]byte(text(styles[0])))
	want := fmt.Sprintf("default-src 'none'; style-src 'sha256-%s'; base-uri 'none'; form-action 'none'", base64.StdEncoding.EncodeToString(sum[:]))
	metas := all(root, "meta")
	at := slices.IndexFunc(metas, func(m *html.Node) bool { return attribute(m, "http-equiv") == "Content-Security-Policy" })
	if at != 1 || attribute(metas[at], "content") != want {
		t.Errorf("the policy is not second in the head, or not %s", want)
	}
}

func TestThePageCanBeReadByEverybody(t *testing.T) {
	root, _ := parsed(t)
	if attribute(all(root, "html")[0], "lang") != "en" || len(all(root, "h1")) != 1 || text(all(root, "title")[0]) != text(all(root, "h1")[0]) {
		t.Error("no language, title or heading")
	}
	tables := all(root, "table")
	if len(tables) < 9 {
		t.Errorf("%d tables", len(tables))
	}
	for _, table := range tables {
		if len(all(table, "caption")) != 1 || len(all(table, "thead")) != 1 {
			t.Errorf("a table has no caption or head: %.80s", text(table))
		}
		for _, th := range all(table, "th") {
			if attribute(th, "scope") == "" {
				t.Errorf("a heading has no scope: %s", text(th))
			}
		}
	}
	charts := all(root, "svg")
	if len(charts) != 3 {
		t.Errorf("%d charts", len(charts))
	}
	for _, svg := range charts {
		if attribute(svg, "role") != "img" || !strings.Contains(attribute(svg, "aria-label"), "The table below has") {
			t.Errorf("a chart says nothing to those who can't see it: %v", svg.Attr)
		}
	}
	ids := map[string]bool{}
	for n := range root.Descendants() {
		if id := attribute(n, "id"); n.Type == html.ElementNode && id != "" {
			ids[id] = true
		}
	}
	for _, a := range all(root, "a") {
		if !ids[strings.TrimPrefix(attribute(a, "href"), "#")] {
			t.Errorf("%s leads nowhere", attribute(a, "href"))
		}
	}
}

// TestThePageSaysWhatTheJSONSays looks for every word, number and time of the JSON on the page.
func TestThePageSaysWhatTheJSONSays(t *testing.T) {
	root, _ := parsed(t)
	page := text(all(root, "body")[0])
	var b bytes.Buffer
	if err := golden(t).WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(&b)
	d.UseNumber()
	var told any
	if err := d.Decode(&told); err != nil {
		t.Fatal(err)
	}
	shown := 0
	var look func(path string, v any)
	look = func(path string, v any) {
		switch x := v.(type) {
		case map[string]any:
			for k, y := range x {
				look(path+"."+k, y)
			}
		case []any:
			for _, y := range x {
				look(path+"[]", y)
			}
		case string:
			want := x
			if at, err := time.Parse(time.RFC3339, x); err == nil {
				want = at.UTC().Format("2006-01-02 15:04:05")
			}
			if path == ".period.start" || path == ".period.end" || strings.HasSuffix(path, ".action") || strings.HasSuffix(path, "[].code") && path != ".findings[].code" {
				return // told as days, and in other words
			}
			shown++
			if !strings.Contains(page, want) {
				t.Errorf("%s: %q is not on the page", path, want)
			}
		case json.Number:
			shown++
			if !strings.Contains(page, x.String()) && !strings.Contains(page, grouped(x.String())) {
				t.Errorf("%s: %s is not on the page", path, x)
			}
		}
	}
	look("", told)
	if shown < 300 {
		t.Errorf("looked for %d values only", shown)
	}
}

func grouped(s string) string {
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// TestWordsOfOthersStayWords: what a custom resource says can't become markup.
func TestWordsOfOthersStayWords(t *testing.T) {
	s := sources(newHistory(t, autumn()), quarter())
	s.Objects = objects()
	s.Objects.Holds[0].Spec.Reason = `</td><script>alert(1)</script><img src=x onerror=alert(1)>`
	var b bytes.Buffer
	if err := build(t, s).WriteHTML(&b); err != nil {
		t.Fatal(err)
	}
	root, err := html.Parse(&b)
	if err != nil {
		t.Fatal(err)
	}
	if len(all(root, "script"))+len(all(root, "img")) > 0 || !strings.Contains(text(root), "</td><script>alert(1)") {
		t.Error("a hold's reason became markup, or is not told")
	}
}
