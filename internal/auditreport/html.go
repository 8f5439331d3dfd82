package auditreport

import (
	"bufio"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

//go:embed report.css
var style string

//go:embed report.html
var page string

// policy lets the page load nothing, run nothing and send nothing; its one style sheet is named by its digest.
func policy() string {
	sum := sha256.Sum256([]byte(style))
	return fmt.Sprintf("default-src 'none'; style-src 'sha256-%s'; base-uri 'none'; form-action 'none'", base64.StdEncoding.EncodeToString(sum[:]))
}

var pages = template.Must(template.New("report").Funcs(template.FuncMap{
	"policy": policy,
	"style":  func() template.CSS { return template.CSS(style) }, //nolint:gosec // ours, and held by its digest
	"n":      number,
	"at":     func(v any) string { return stamp(v, "2006-01-02 15:04:05") },
	"day":    func(v any) string { return stamp(v, time.DateOnly) },
	"yes":    func(b bool) string { return map[bool]string{true: "yes", false: "no"}[b] },
	"join":   strings.Join,
	"rule":   ruleText,
	"ruleOf": func(r Rule) string { return ruleText(&r) },
	"counts": countsText,
	"some":   func(n *int64) string { return known(n, "not counted") },
	"dash": func(s string) string {
		if s == "" {
			return "–"
		}
		return s
	},
	"deletionChart": deletionChart, "overdueChart": overdueChart, "timeline": timeline,
}).Parse(page))

// WriteHTML writes the page: one file that needs no other.
func (r Report) WriteHTML(w io.Writer) error {
	b := bufio.NewWriter(w)
	if err := pages.Execute(b, r); err != nil {
		return fmt.Errorf("writing the page: %w", err)
	}
	return b.Flush()
}

// WriteJSON writes the same for programs.
func (r Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// number groups thousands.
func number(v any) string {
	if p, is := v.(*int64); is {
		v = *p
	}
	s := fmt.Sprint(v)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// known renders a count that may not be.
func known(n *int64, otherwise string) string {
	if n == nil {
		return otherwise
	}
	return number(*n)
}

// stamp renders an instant in UTC, or a dash for none.
func stamp(v any, layout string) string {
	switch t := v.(type) {
	case time.Time:
		return t.UTC().Format(layout)
	case *time.Time:
		if t != nil {
			return t.UTC().Format(layout)
		}
	}
	return "–"
}

func ruleText(r *Rule) string {
	if r == nil {
		return "no rule"
	}
	text := strconv.Itoa(int(r.RetainDays)) + " days, then " + strings.ToLower(r.Action)
	if r.LegalBasis != "" {
		text += " (" + r.LegalBasis + ")"
	}
	return text
}

func countsText(counts []contract.CategoryCount) string {
	var parts []string
	for _, c := range counts {
		parts = append(parts, c.Category+" "+number(c.Rows))
	}
	if len(parts) == 0 {
		return "–"
	}
	return strings.Join(parts, ", ")
}
