package docs

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

// vocabulary reads the conditions, with the kinds that bear each, and the reasons from their source.
func vocabulary(t *testing.T) (conditions map[string]string, reasons []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../api/v1alpha1/conditions.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	conditions = map[string]string{}
	kinds := regexp.MustCompile(`^Condition\w+ \(([^)]*)\)`)
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		switch name := spec.Names[0].Name; {
		case strings.HasPrefix(name, "Reason"):
			reasons = append(reasons, value)
		case strings.HasPrefix(name, "Condition"):
			m := kinds.FindStringSubmatch(spec.Doc.Text())
			if m == nil {
				t.Fatalf("the comment of %s names no kinds", name)
			}
			conditions[value] = m[1]
		}
		return true
	})
	if len(conditions) < 16 || len(reasons) < 25 {
		t.Fatalf("read %d conditions and %d reasons: the test reads conditions.go wrongly", len(conditions), len(reasons))
	}
	return conditions, reasons
}

// rows of the table under a heading: the cells of each, without back-ticks.
func rows(t *testing.T, page, heading string) [][]string {
	t.Helper()
	_, text, ok := strings.Cut(pages(t)[page], "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("%s has no heading %q", page, heading)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	var found [][]string
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "|---") {
			continue
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(strings.ReplaceAll(cells[i], "`", ""))
		}
		found = append(found, cells)
	}
	if len(found) < 2 {
		t.Fatalf("%s has no table under %q", page, heading)
	}
	return found[1:]
}

func TestConditionsAndReasonsAreThoseOfTheCode(t *testing.T) {
	conditions, reasons := vocabulary(t)
	told := map[string]string{}
	for _, r := range rows(t, "concepts.md", "Conditions") {
		told[r[0]] = r[1]
	}
	for condition, kinds := range conditions {
		if told[condition] != kinds {
			t.Errorf("concepts.md says that condition %s is of %q, the code %q", condition, told[condition], kinds)
		}
	}
	for condition := range told {
		if conditions[condition] == "" {
			t.Errorf("concepts.md has a condition %s, which the code does not have", condition)
		}
	}
	var explained []string
	for _, r := range rows(t, "concepts.md", "Reasons") {
		explained = append(explained, r[0])
	}
	slices.Sort(explained)
	slices.Sort(reasons)
	if !slices.Equal(explained, reasons) {
		t.Errorf("concepts.md explains the reasons\n%v, the code has\n%v", explained, reasons)
	}
}

func TestEveryReasonSaysWhatToDo(t *testing.T) {
	_, reasons := vocabulary(t)
	var told []string
	for _, r := range rows(t, "operations.md", "When something is not Ready") {
		for reason := range strings.SplitSeq(r[0], ",") {
			told = append(told, strings.TrimSpace(reason))
		}
	}
	for _, reason := range reasons {
		if reason != "Ready" && !slices.Contains(told, reason) {
			t.Errorf("operations.md does not say what to do about %s", reason)
		}
	}
	for _, reason := range told {
		if !slices.Contains(reasons, reason) {
			t.Errorf("operations.md has a reason %s, which the code does not have", reason)
		}
	}
}

func source(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestWordsAndCodesAreThoseOfTheCode(t *testing.T) {
	words := source(t, "../internal/instance/optout/optout.go")
	quoted := regexp.MustCompile(`"([^"]+)"`)
	for _, r := range rows(t, "channels-twilio.md", "STOP, START, HELP") {
		_, list, _ := strings.Cut(words, "\t"+strings.ToLower(r[0])+"Words ")
		list, _, _ = strings.Cut(list, "}\n")
		var want []string
		for _, m := range quoted.FindAllStringSubmatch(list, -1) {
			want = append(want, m[1])
		}
		told := strings.Split(r[1], ", ")
		slices.Sort(want)
		slices.Sort(told)
		if len(want) == 0 || !slices.Equal(told, want) {
			t.Errorf("channels-twilio.md has for %s\n%v, the code\n%v", r[0], told, want)
		}
	}
	var told, want []string
	for _, r := range rows(t, "channels-twilio.md", "Error codes that staff see") {
		if _, err := strconv.Atoi(r[0]); err == nil {
			told = append(told, r[0])
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^\t([0-9]{5}): +"`).FindAllStringSubmatch(source(t, "../internal/instance/twilio/outcome.go"), -1) {
		want = append(want, m[1])
	}
	if len(want) == 0 || !slices.Equal(told, want) {
		t.Errorf("channels-twilio.md has the codes\n%v, the code\n%v", told, want)
	}
}

func TestWhatsAppsCodesAreThoseOfTheCode(t *testing.T) {
	var told, want []string
	for _, r := range rows(t, "channels-whatsapp.md", "Error codes that staff see") {
		if _, err := strconv.Atoi(r[0]); err == nil {
			told = append(told, r[0])
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^\t([0-9]{3,6}): +"`).FindAllStringSubmatch(source(t, "../internal/instance/whatsapp/outcome.go"), -1) {
		want = append(want, m[1])
	}
	slices.Sort(want)
	slices.Sort(told)
	if len(want) == 0 || !slices.Equal(told, want) {
		t.Errorf("channels-whatsapp.md has the codes\n%v, the code\n%v", told, want)
	}
}

func TestMessengersCodesAreThoseOfTheCode(t *testing.T) {
	told := []string{}
	for _, r := range rows(t, "channels-messenger.md", "Error codes that staff see") {
		if r[0] != "unanswered" && r[0] != "http-NNN" {
			told = append(told, r[0])
		}
	}
	var want []string
	for _, m := range regexp.MustCompile(`(?m)^\t(?i:code\w+ += )?"([a-z]+-[a-z-]+|[0-9]{3})"`).FindAllStringSubmatch(source(t, "../internal/instance/messenger/outcome.go"), -1) {
		want = append(want, m[1])
	}
	slices.Sort(want)
	slices.Sort(told)
	if len(want) == 0 || !slices.Equal(told, want) {
		t.Errorf("channels-messenger.md has the codes\n%v, the code\n%v", told, want)
	}
}

func TestTelegramsCodesAreThoseOfTheCode(t *testing.T) {
	told := []string{}
	for _, r := range rows(t, "channels-telegram.md", "Error codes that staff see") {
		if strings.Contains(r[0], "-") {
			told = append(told, r[0])
		}
	}
	var want []string
	for _, m := range regexp.MustCompile(`(?m)^\tcode\w+ += "([a-z-]+)"`).FindAllStringSubmatch(source(t, "../internal/instance/telegram/outcome.go"), -1) {
		want = append(want, m[1])
	}
	slices.Sort(want)
	slices.Sort(told)
	if len(want) == 0 || !slices.Equal(told, want) {
		t.Errorf("channels-telegram.md has the codes\n%v, the code\n%v", told, want)
	}
}

func TestTheProtocolOfWebChatsIsThatOfTheCode(t *testing.T) {
	told, want := []string{}, []string{}
	for _, r := range rows(t, "webchat-protocol.md", "Errors") {
		told = append(told, strings.Split(r[0], ", ")...)
	}
	for _, m := range regexp.MustCompile(`(?m)^\tcode\w+ += "([a-z-]+)"`).FindAllStringSubmatch(source(t, "../internal/instance/webchat/frame.go"), -1) {
		want = append(want, m[1])
	}
	for _, r := range rows(t, "webchat-protocol.md", "Why a socket closes") {
		told = append(told, regexp.MustCompile(`44[0-9]{2}`).FindAllString(r[0], -1)...)
	}
	for _, m := range regexp.MustCompile(`websocket.StatusCode = (44[0-9]{2})`).FindAllStringSubmatch(source(t, "../internal/instance/webchat/socket.go"), -1) {
		want = append(want, m[1])
	}
	slices.Sort(want)
	slices.Sort(told)
	if len(want) == 0 || !slices.Equal(told, want) {
		t.Errorf("webchat-protocol.md has\n%v, the code\n%v", told, want)
	}
}

// sourcesOfMetrics are the files that make them.
func sourcesOfMetrics(t *testing.T) (files []string) {
	t.Helper()
	for _, pattern := range []string{"../controllers/*/metrics.go", "../internal/*/metrics.go", "../internal/instance/*/metrics.go"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) < 2 {
			t.Fatalf("%s: found %v, %v", pattern, found, err)
		}
		files = append(files, found...)
	}
	return files
}

type metric struct{ name, help, kind string }

// metrics reads what the code tells: a vector or gauge by its options, or a description of what a collector tells.
func metrics(t *testing.T) (found []metric) {
	t.Helper()
	options := regexp.MustCompile(`prometheus\.(Counter|Gauge|Histogram)Opts\{\s*Name:\s+("\w+"),\s*Help:\s+("(?:[^"\\]|\\.)*")`)
	described := regexp.MustCompile(`NewDesc\(("\w+"),\s*("(?:[^"\\]|\\.)*")`)
	unquoted := func(quoted string) string {
		text, err := strconv.Unquote(quoted)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	for _, file := range sourcesOfMetrics(t) {
		text := source(t, file)
		for _, m := range options.FindAllStringSubmatch(text, -1) {
			found = append(found, metric{unquoted(m[2]), unquoted(m[3]), strings.ToLower(m[1])})
		}
		for _, m := range described.FindAllStringSubmatch(text, -1) {
			kind := "gauge"
			if strings.HasSuffix(m[1], `_total"`) {
				kind = "counter" // that it is one, the collectors' own tests see
			}
			found = append(found, metric{unquoted(m[1]), unquoted(m[2]), kind})
		}
	}
	return found
}

// Names, units and words are as Prometheus advises, by its own lint.
func TestMetricsAreAsPrometheusAdvises(t *testing.T) {
	var text strings.Builder
	for _, m := range metrics(t) {
		fmt.Fprintf(&text, "# HELP %[1]s %[2]s\n# TYPE %[1]s %[3]s\n", m.name, m.help, m.kind)
		if m.kind == "histogram" {
			fmt.Fprintf(&text, "%[1]s_bucket{le=\"+Inf\"} 0\n%[1]s_sum 0\n%[1]s_count 0\n", m.name)
		} else {
			fmt.Fprintf(&text, "%s 0\n", m.name)
		}
	}
	problems, err := promlint.New(strings.NewReader(text.String())).Lint()
	if err != nil {
		t.Fatalf("%v\n%s", err, text.String())
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestMetricsAreThoseOfTheCode(t *testing.T) {
	var told, want []string
	for _, r := range rows(t, "operations.md", "Metrics and probes") {
		if strings.HasPrefix(r[0], "switchboard_") {
			told = append(told, strings.Split(strings.TrimSuffix(r[0], " (operator)"), ", ")...)
		}
	}
	for _, m := range metrics(t) {
		want = append(want, m.name)
	}
	slices.Sort(told)
	slices.Sort(want)
	if len(want) == 0 || !slices.Equal(told, want) {
		t.Errorf("operations.md has the metrics\n%v, the code\n%v", told, want)
	}
}

// Whoever was woken has no time for a command that can't be: conditions, components, fields and files of ours that a runbook names are
// there, and so are the objects.
func TestRunbooksNameWhatThereIs(t *testing.T) {
	conditions, reasons := vocabulary(t)
	components := source(t, "../internal/plan/isolation.go") + source(t, "../internal/contract/role.go")
	names := source(t, "../internal/name/name.go") + source(t, "../internal/contract/role.go")
	fields := pages(t)["api.md"]
	checked := 0
	for page, text := range pages(t) {
		if !strings.HasPrefix(page, "runbooks/") {
			continue
		}
		each := func(pattern string, known func(string) bool) {
			for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
				checked++
				if !known(m[1]) {
					t.Errorf("%s names %s, which is not there", page, m[0])
				}
			}
		}
		each(`@\.type=="(\w+)"`, func(s string) bool { return conditions[s] != "" })
		each("(?:reason|reasons) `(\\w+)`", func(s string) bool { return slices.Contains(reasons, s) })
		each(`app\.kubernetes\.io/component=(\w+)`, func(s string) bool { return strings.Contains(components, `"`+s+`"`) })
		each(`cronjob/(\w+)[ -]`, func(s string) bool { return strings.Contains(names, `"`+s) })
		each(`deploy/(\w+)[ -]`, func(s string) bool { return strings.Contains(names, `"`+s) })
		each(`jsonpath='\{\.(?:spec|status)\.(\w+)`, func(s string) bool { return strings.Contains(fields, "`"+s+"`") })
	}
	if checked < 40 {
		t.Errorf("checked %d names only: the test reads runbooks wrongly", checked)
	}
}

// A promise is kept with a test, or not built yet; nothing between.
func TestEveryPromiseIsTestedOrNotBuiltYet(t *testing.T) {
	page := pages(t)["promises.md"]
	row := regexp.MustCompile(`(?m)^\| ([0-9]+) \|(.*)\|(.*)\|(.*)\|$`)
	found := row.FindAllStringSubmatch(page, -1)
	if len(found) != 22 {
		t.Fatalf("promises.md has %d promises, 22 were made", len(found))
	}
	for i, m := range found {
		if m[1] != strconv.Itoa(i+1) {
			t.Errorf("promise %s stands at place %d", m[1], i+1)
		}
		if !strings.Contains(m[4], "_test.go`") && !strings.Contains(m[3], "**Not built yet**") {
			t.Errorf("promise %s has no test and does not say that it is not built yet", m[1])
		}
	}
}

func TestEveryThreatHasATest(t *testing.T) {
	for _, r := range rows(t, "security.md", "Who, what, how refused, where tested") {
		if len(r) != 4 || !strings.Contains(r[3], "_test.go") {
			t.Errorf("security.md has no test for: %s", strings.Join(r, " | "))
		}
	}
}
