// Package alerts holds the alerts and dashboards to Prometheus' own parser and engine, and to the metrics that the code has.
// It is a module of its own: Prometheus' dependencies stay out of the project's.
package alerts

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"sigs.k8s.io/yaml"
)

const (
	rulesFile = "../../config/monitoring/alerts.yaml"
	testsFile = "testdata/alerts.yaml"
	runbooks  = "../../docs/runbooks"
	// where the runbooks are read; the chart puts another address in its place.
	address = "https://github.com/switchboard-operator/switchboard/blob/main/docs/runbooks"
)

type rule struct {
	Alert       string            `json:"alert"`
	Expr        string            `json:"expr"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

func rules(t *testing.T) []rule {
	t.Helper()
	var file struct {
		Groups []struct {
			Rules []rule `json:"rules"`
		} `json:"groups"`
	}
	if err := yaml.Unmarshal([]byte(read(t, rulesFile)), &file); err != nil {
		t.Fatal(err)
	}
	var all []rule
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	if len(all) < 20 {
		t.Fatalf("read %d alerts only: the test reads %s wrongly", len(all), rulesFile)
	}
	return all
}

// promtool runs Prometheus' own, without the clients of clouds that it finds targets by.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	run := exec.Command("go", append([]string{"run", "-tags", "remove_all_sd", "github.com/prometheus/prometheus/cmd/promtool"}, args...)...)
	if out, err := run.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestEveryAlertFiresOnTheBadSeriesAlone(t *testing.T) {
	promtool(t, "check", "rules", "--lint=all", "--lint-fatal", rulesFile)
	promtool(t, "test", "rules", testsFile)

	text := read(t, testsFile)
	well, bad, ok := strings.Cut(strings.SplitN(text, "name: all is well", 2)[1], "- interval:")
	if !ok || !strings.Contains(well, "exp_samples: []") {
		t.Fatal("no test says that nothing fires when all is well")
	}
	for _, r := range rules(t) {
		if !strings.Contains(bad, `{alertname="`+r.Alert+`"`) {
			t.Errorf("no test has %s fire", r.Alert)
		}
		// Nothing fires where there is no series either: that would prove nothing.
		for _, s := range selectors(t, r.Expr) {
			if !strings.Contains(well, s.name) {
				t.Errorf("when all is well there is no %s, which %s looks at", s.name, r.Alert)
			}
		}
	}
}

func TestEveryAlertHasARunbookAndTheOtherWayRound(t *testing.T) {
	var named []string
	for _, r := range rules(t) {
		named = append(named, r.Alert+".md")
		if r.Annotations["runbook_url"] != address+"/"+r.Alert+".md" {
			t.Errorf("the runbook of %s is at %s", r.Alert, r.Annotations["runbook_url"])
		}
		for _, needed := range []string{"summary", "description"} {
			if !strings.HasSuffix(r.Annotations[needed], ".") {
				t.Errorf("the %s of %s is no sentence: %s", needed, r.Alert, r.Annotations[needed])
			}
		}
		if s := r.Labels["severity"]; s != "critical" && s != "warning" {
			t.Errorf("the severity of %s is %q", r.Alert, s)
		}
	}
	slices.Sort(named)
	if len(slices.Compact(slices.Clone(named))) != len(named) {
		t.Errorf("an alert stands twice among %v", named)
	}
	files, err := filepath.Glob(runbooks + "/*.md")
	if err != nil {
		t.Fatal(err)
	}
	var there []string
	for _, f := range files {
		there = append(there, filepath.Base(f))
		page := read(t, f)
		if !strings.HasPrefix(page, "# "+strings.TrimSuffix(filepath.Base(f), ".md")+"\n") {
			t.Errorf("%s is headed otherwise", f)
		}
		for _, part := range []string{"**Means.** ", "**Guests.** ", "**First.**", "**Heals.** "} {
			if !strings.Contains(page, part) {
				t.Errorf("%s lacks %s", f, part)
			}
		}
		commands := regexp.MustCompile("(?s)```sh\n(.*?)\n```").FindStringSubmatch(page)
		if commands == nil || len(strings.Split(commands[1], "\n")) != 3 {
			t.Errorf("%s has not three commands to begin with", f)
		}
	}
	if !slices.Equal(named, there) {
		t.Errorf("the alerts have\n%v\nthe runbooks are\n%v", named, there)
	}
}

func TestTheChartCarriesTheAlerts(t *testing.T) {
	if read(t, rulesFile) != read(t, "../../charts/switchboard/alerts.yaml") {
		t.Error("the chart has other alerts than config/monitoring: run make generate")
	}
}

func TestAlertsLookAtWhatTheCodeTells(t *testing.T) {
	known := metrics(t)
	for _, r := range rules(t) {
		judge(t, known, r.Alert, r.Expr)
	}
}

// metric is one that the code has: its labels, and the values that are known of a label.
type metric struct {
	labels []string
	values map[string][]string
}

// metrics are those that the operator tells, by the source of its collectors, and those of controller-runtime that are looked at.
func metrics(t *testing.T) map[string]metric {
	t.Helper()
	found := map[string]metric{}
	list := regexp.MustCompile(`"([a-z_]+)"`)
	for _, pattern := range []string{"../../controllers/*/metrics.go", "../../internal/*/metrics.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("there is no %s: %v", pattern, err)
		}
		for _, f := range files {
			for _, m := range regexp.MustCompile(`(?s)(?:Name:\s+|NewDesc\()"(switchboard_\w+)",.*?\[\]string\{(.*?)\}`).FindAllStringSubmatch(read(t, f), -1) {
				var of metric
				for _, l := range list.FindAllStringSubmatch(m[2], -1) {
					of.labels = append(of.labels, l[1])
				}
				found[m[1]] = of
			}
		}
	}
	if len(found) < 18 {
		t.Fatalf("found %d metrics only: the test reads the code wrongly", len(found))
	}
	conditions := func(file string) (types []string) {
		declared := regexp.MustCompile(`(?s)var told = \[\]string\{(.*?)\n?\}`).FindStringSubmatch(read(t, file))
		for _, m := range regexp.MustCompile(`v1alpha1\.Condition(\w+)`).FindAllStringSubmatch(declared[1], -1) {
			types = append(types, m[1]) // each is named as it is spelt
		}
		return types
	}
	listed := func(variable string) (values []string) {
		declared := regexp.MustCompile(variable + `\s+= \[\]string\{(.*?)\}`).FindStringSubmatch(read(t, "../../internal/contract/check.go"))
		for _, m := range list.FindAllStringSubmatch(declared[1], -1) {
			values = append(values, m[1])
		}
		return values
	}
	set := func(name, label string, values []string) {
		if len(values) == 0 || !slices.Contains(found[name].labels, label) {
			t.Fatalf("%s has no label %s, or no values of it are known", name, label)
		}
		m := found[name]
		m.values = map[string][]string{label: values}
		found[name] = m
	}
	set("switchboard_tenant_condition", "type", conditions("../../controllers/tenant/metrics.go"))
	set("switchboard_channel_condition", "type", conditions("../../controllers/channel/metrics.go"))
	set("switchboard_channel_received_total", "result", listed("Results"))
	set("switchboard_channel_sends_total", "outcome", listed("Outcomes"))
	set("switchboard_requests", "state", []string{"open", "due_soon", "past_due"})
	reasons := regexp.MustCompile(`Failure\w+\s+= "(\w+)"`).FindAllStringSubmatch(read(t, "../../internal/contract/check.go"), -1)
	var failures []string
	for _, m := range reasons {
		failures = append(failures, m[1])
	}
	set("switchboard_channel_failed_total", "reason", failures)

	theirs := read(t, filepath.Join(module(t, "sigs.k8s.io/controller-runtime"), "pkg/internal/controller/metrics/metrics.go"))
	for _, name := range []string{"controller_runtime_active_workers", "controller_runtime_reconcile_total", "controller_runtime_reconcile_errors_total"} {
		if !strings.Contains(theirs, `"`+name+`"`) {
			t.Errorf("controller-runtime has no %s any more", name)
		}
		found[name] = metric{labels: []string{"controller", "result"}}
	}
	for _, name := range []string{"process_resident_memory_bytes", "process_cpu_seconds_total"} { // of client_golang's own collector
		found[name] = metric{labels: []string{"container"}}
	}
	return found
}

// module is where the project has the source of a module of its own.
func module(t *testing.T, path string) string {
	t.Helper()
	list := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", path)
	list.Dir = "../.."
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

type selector struct {
	name     string
	matchers []*labels.Matcher
}

// selectors of an expression, by Prometheus' own parser.
func selectors(t *testing.T, expr string) []selector {
	t.Helper()
	parsed, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
	if err != nil {
		t.Fatalf("%s: %v", expr, err)
	}
	var found []selector
	parser.Inspect(parsed, func(node parser.Node, _ []parser.Node) error {
		if v, ok := node.(*parser.VectorSelector); ok {
			found = append(found, selector{v.Name, v.LabelMatchers})
		}
		return nil
	})
	return found
}

// judge holds the metrics, labels and values that an expression names to those that there are.
func judge(t *testing.T, known map[string]metric, who, expr string) {
	t.Helper()
	all := selectors(t, expr)
	if len(all) == 0 {
		t.Errorf("%s looks at nothing: %s", who, expr)
	}
	for _, s := range all {
		m, ok := known[s.name]
		if !ok {
			t.Errorf("%s looks at %s, which nobody tells", who, s.name)
			continue
		}
		for _, matcher := range s.matchers {
			if matcher.Name == labels.MetricName {
				continue
			}
			if !slices.Contains(m.labels, matcher.Name) {
				t.Errorf("%s looks at label %s of %s, which has none", who, matcher.Name, s.name)
			}
			for _, value := range strings.Split(matcher.Value, "|") {
				if values := m.values[matcher.Name]; values != nil && !strings.HasPrefix(value, "$") && value != anything && !slices.Contains(values, value) {
					t.Errorf("%s looks at %s with %s %s, which is never told", who, s.name, matcher.Name, value)
				}
			}
		}
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
