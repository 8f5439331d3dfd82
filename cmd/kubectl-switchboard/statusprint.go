package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
	"k8s.io/apimachinery/pkg/util/duration"
	"sigs.k8s.io/yaml"

	"github.com/switchboard-operator/switchboard/internal/overview"
)

// screen is what is printed on.
type screen struct {
	width int // in columns; 0 when lines may have any length
	color bool
	now   time.Time
}

// screenOf looks whether a person reads along: a file or pipe gets whole lines, and no colour.
func screenOf(out io.Writer) screen {
	s := screen{now: time.Now()}
	file, ok := out.(*os.File)
	if !ok {
		return s
	}
	descriptor := int(file.Fd()) //nolint:gosec // a small number
	if !term.IsTerminal(descriptor) {
		return s
	}
	if width, _, err := term.GetSize(descriptor); err == nil {
		s.width = width
	}
	s.color = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	return s
}

func printStatus(out io.Writer, nodes []overview.Node, one bool, output string, s screen) error {
	var what any = nodes
	if one {
		what = nodes[0]
	}
	switch output {
	case "json":
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return e.Encode(what)
	case "yaml":
		b, err := yaml.Marshal(what)
		if err != nil {
			return err
		}
		_, err = out.Write(b)
		return err
	}
	w := bufio.NewWriter(out)
	if one {
		tree(w, nodes[0], s)
	} else if err := table(w, nodes, s); err != nil {
		return err
	}
	return w.Flush()
}

// same compares what is told, which has no ages in it.
func same(a, b []overview.Node) bool { return reflect.DeepEqual(a, b) }

var colors = map[overview.Mark]string{overview.OK: "32", overview.Waiting: "33", overview.Broken: "31", overview.Unknown: "35"}

// paint colours a mark.
func (s screen) paint(m overview.Mark, text string) string {
	if !s.color {
		return text
	}
	return "\x1b[" + colors[m] + "m" + text + "\x1b[0m"
}

// markWidth is that of the longest mark, in columns.
const markWidth = len("waiting")

// tree prints a tenant: a line for each node, its mark first, and below it what is not fine.
func tree(w io.Writer, root overview.Node, s screen) {
	branch(w, root, s, "", "")
}

// branch prints a node whose own line begins with first, and all lines below it with rest.
func branch(w io.Writer, n overview.Node, s screen, first, rest string) {
	mark := s.paint(n.Mark, fmt.Sprintf("%-*s", markWidth, n.Mark))
	text := first + n.Title()
	if facts := s.facts(n); facts != "" {
		text += ": " + facts
	}
	below := rest + "  "
	if len(n.Parts) > 0 {
		below = rest + "│ "
	}
	for i, line := range s.wrap(text, rest+"    ") {
		if i > 0 {
			mark = strings.Repeat(" ", markWidth)
		}
		fmt.Fprintf(w, "%s  %s\n", mark, line)
	}
	for _, p := range n.Problems {
		for i, line := range s.wrap(below+s.problem(p), below+"  ") {
			indent := strings.Repeat(" ", markWidth)
			if i == 0 && p.Mark != overview.OK {
				line = strings.Replace(line, p.Reason, s.paint(p.Mark, p.Reason), 1)
			}
			fmt.Fprintf(w, "%s  %s\n", indent, line)
		}
	}
	for i, part := range n.Parts {
		if i < len(n.Parts)-1 {
			branch(w, part, s, rest+"├─ ", rest+"│  ")
		} else {
			branch(w, part, s, rest+"└─ ", rest+"   ")
		}
	}
}

// problem is a sentence: the reason, since when, and what to do.
func (s screen) problem(p overview.Problem) string {
	text := p.Reason
	if p.Condition != "" && p.Condition != p.Reason {
		text = p.Condition + ", " + p.Reason
	}
	if p.Since != nil {
		text += " for " + duration.HumanDuration(s.now.Sub(*p.Since))
	}
	return printable(text + ": " + p.Message)
}

// printable takes from a text what would steer a terminal: messages quote others, and names for people are theirs to write.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r):
			return unicode.ReplacementChar
		default:
			return r
		}
	}, text)
}

// units say what a number of a fact counts, where its name alone would read badly.
var units = map[string]string{"limitDays": "kept for %v days", "count": "%v", "schema": "schema %v"}

// facts are those of a node, for people: without names where the value tells.
func (s screen) facts(n overview.Node) string {
	var words []string
	for _, f := range n.Facts {
		value := fmt.Sprint(f.Value)
		if at, ok := f.Value.(time.Time); ok {
			value = s.when(at)
		}
		switch unit := units[f.Name]; {
		case f.Name == "head" && len(value) > 24:
			words = append(words, "receipt "+value[:strings.Index(value, ":")+13]+"…")
		case unit != "":
			words = append(words, fmt.Sprintf(unit, value))
		case f.Name == "type" || f.Name == "phase" || f.Name == "jurisdiction" || f.Name == "displayName" || f.Name == "mode" || f.Name == "outcome":
			words = append(words, value)
		default:
			words = append(words, spaced(f.Name)+" "+value)
		}
	}
	return printable(strings.Join(words, ", "))
}

// spaced writes lastRun as last run.
func spaced(name string) string {
	var b strings.Builder
	for _, r := range name {
		if r >= 'A' && r <= 'Z' {
			b.WriteByte(' ')
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return b.String()
}

// when tells a time by how far away it is.
func (s screen) when(at time.Time) string {
	if at.After(s.now) {
		return "in " + duration.HumanDuration(at.Sub(s.now))
	}
	return duration.HumanDuration(s.now.Sub(at)) + " ago"
}

// narrowest is the width, in columns, below which lines are not broken: more would be lost than won.
const narrowest = 40

// wrap breaks a line at blanks, where it would be wider than the screen; those that follow begin with rest.
func (s screen) wrap(line, rest string) []string {
	width := s.width - markWidth - 2
	if s.width < narrowest || utf8.RuneCountInString(line) <= width {
		return []string{line}
	}
	var lines []string
	current := ""
	for i, word := range strings.SplitAfter(line, " ") {
		if i > 0 && strings.TrimSpace(current) != "" && utf8.RuneCountInString(current)+utf8.RuneCountInString(strings.TrimSpace(word)) > width {
			lines, current = append(lines, strings.TrimRight(current, " ")), rest
		}
		current += word
	}
	return append(lines, current)
}

// roomy is the width, in columns, from which a line for each tenant has room for counts.
const roomy = 140

// table prints a line for each tenant, and what is the matter with it.
func table(out io.Writer, nodes []overview.Node, s screen) error {
	if len(nodes) == 0 {
		_, err := fmt.Fprintln(out, "There are no tenants. To make one: kubectl switchboard onboard NAME")
		return err
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	head, counted := []string{"STATUS", "TENANT", "REGION"}, []string{overview.KindChannels, overview.KindRetention, overview.KindHolds, overview.KindRequests}
	if s.width > 0 && s.width < roomy {
		counted = nil // what is the matter is worth more
	} else {
		head = append(head, "DATABASE", "CHANNELS", "POLICIES", "HOLDS", "REQUESTS")
	}
	fmt.Fprintln(w, strings.Join(append(head, "WHAT"), "\t"))
	for _, n := range nodes {
		row := []string{string(n.Mark), n.Name, part(n, overview.KindRegion).Name}
		if counted != nil {
			row = append(row, part(n, overview.KindDatabase).Name)
		}
		for _, kind := range counted {
			row = append(row, fmt.Sprint(len(part(n, kind).Parts)))
		}
		what := ""
		if path, p := n.First(); p != nil {
			what = strings.Join(append(path[max(0, len(path)-1):], s.problem(*p)), ": ")
		}
		for i := range row {
			row[i] = orDash(row[i])
		}
		fmt.Fprintln(w, strings.Join(append(row, what), "\t"))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for i, line := range strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n") {
		if runes := []rune(line); s.width >= narrowest && len(runes) > s.width {
			line = string(runes[:s.width-1]) + "…"
		}
		line = strings.TrimRight(line, " ")
		if i > 0 {
			mark := nodes[i-1].Mark
			line = strings.Replace(line, string(mark), s.paint(mark, string(mark)), 1)
		}
		if _, err := fmt.Fprintln(out, line); err != nil {
			return err
		}
	}
	return nil
}

func part(n overview.Node, kind string) overview.Node {
	for _, p := range n.Parts {
		if p.Kind == kind {
			return p
		}
	}
	return overview.Node{}
}
