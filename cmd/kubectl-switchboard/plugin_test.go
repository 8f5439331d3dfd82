package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/switchboard-operator/switchboard/internal/audit"
)

// outcome is what the program answered.
type outcome struct {
	code      int
	out, errs string
}

func plugin(t *testing.T, in string, args ...string) outcome {
	t.Helper()
	var out, errs bytes.Buffer
	code := execute(t.Context(), args, strings.NewReader(in), &out, &errs)
	return outcome{code, out.String(), errs.String()}
}

func (o outcome) says(t *testing.T, code int, parts ...string) {
	t.Helper()
	if o.code != code {
		t.Errorf("exit code %d, want %d\n%s%s", o.code, code, o.out, o.errs)
	}
	for _, part := range parts {
		if !strings.Contains(o.out+o.errs, part) {
			t.Errorf("it doesn't say %q\n%s%s", part, o.out, o.errs)
		}
	}
}

func TestHelpTeaches(t *testing.T) {
	for _, args := range [][]string{{}, {"--help"}, {"audit"}, {"audit", "--help"}, {"audit", "verify", "--help"}, {"audit", "certificate", "--help"}, {"audit", "access", "--help"}, {"audit", "report", "--help"}, {"restore", "--help"}, {"export", "--help"}, {"import", "--help"}, {"report"}, {"report", "transfers", "--help"}, {"report", "usage", "--help"}, {"status", "--help"}, {"onboard", "--help"}, {"request", "--help"}, {"logs", "--help"}, {"completion", "--help"}} {
		o := plugin(t, "", args...)
		o.says(t, exitWhole, "kubectl switchboard")
		if o.errs != "" || strings.Contains(o.out, "kubectl-switchboard audit") {
			t.Errorf("%v: %s%s", args, o.errs, o.out)
		}
	}
	plugin(t, "", "audit", "verify", "--help").says(t, exitWhole, "Examples:", "Exit codes:", "StartTruncated", "HeadTruncated", "Resealed", "SwappedPolicy", "--operator-namespace", "--kubeconfig", "--context")
}

func TestMistakesAreToldAsSuch(t *testing.T) {
	for _, args := range [][]string{
		{"adit"}, {"audit", "verfy"}, {"audit", "verify"}, {"audit", "verify", "a", "b"}, {"audit", "verify", "a", "--nonsense"},
		{"export"}, {"export", "a"}, {"export", "a", "--to", "age1nobody"}, {"export", "a", "b", "--to", "age1nobody"},
		{"import"}, {"import", "a"}, {"import", "a", "--identity", "key.txt", "--digest", "xyz"},
		{"restore"}, {"restore", "a"}, {"restore", "a", "b", "--backup", "latest"},
		{"audit", "report"}, {"audit", "report", "a"}, {"audit", "access"}, {"audit", "access", "a", "-o", "yaml"}, {"audit", "access", "a", "--since", "yesterday"},
		{"audit", "certificate"}, {"audit", "certificate", "a", "-o", "yaml"}, {"audit", "certificate", "a", "--file", "b"},
		{"report", "transfer"}, {"audit", "verify", "a", "-o", "yaml"}, {"audit", "verify", "a", "--anchor", "x"},
	} {
		o := plugin(t, "", args...)
		o.says(t, exitUsage, "--help")
		if o.out != "" {
			t.Errorf("%v: on standard output: %s", args, o.out)
		}
	}
}

// files are a tenant's evidence as --export writes it.
type files struct{ folder, tenant string }

func (f files) file(name string) string { return filepath.Join(f.folder, name) }

func (f files) verify(t *testing.T, more ...string) outcome {
	t.Helper()
	return plugin(t, "", append([]string{"audit", "verify", f.tenant, "--ledger", f.file(fileLedger), "--keys", f.file(fileKeys), "--receipts", f.file(fileReceipts)}, more...)...)
}

// change rewrites the lines of a file.
func (f files) change(t *testing.T, name string, how func([]string) []string) {
	t.Helper()
	b, err := os.ReadFile(f.file(name))
	if err != nil {
		t.Fatal(err)
	}
	lines := how(strings.Split(strings.TrimSpace(string(b)), "\n"))
	if err := os.WriteFile(f.file(name), []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestOffline needs nothing but files: no cluster can be reached.
func TestOffline(t *testing.T) {
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	for name, c := range map[string]struct {
		tamper func(files)
		code   int
		says   []string
	}{
		"untouched":             {func(files) {}, exitWhole, []string{"tenant    hotel-berlin", "ledger    4 statements, the newest is 5:", "receipts  5", "The evidence is whole."}},
		"cut off at the start":  {func(f files) { f.change(t, fileReceipts, func(l []string) []string { return l[2:] }) }, exitFindings, []string{"PROBLEM   StartTruncated: ", "not whole"}},
		"cut off at the end":    {func(f files) { f.change(t, fileReceipts, func(l []string) []string { return l[:3] }) }, exitFindings, []string{"PROBLEM   HeadTruncated: "}},
		"an edited receipt":     {func(f files) { f.change(t, fileReceipts, edited) }, exitFindings, []string{"PROBLEM   Edited: Receipt 2"}},
		"a swapped policy":      {func(f files) { writeReceipts(t, f, "swapped") }, exitFindings, []string{"PROBLEM   SwappedPolicy: ", "PROBLEM   Resealed: "}},
		"a chain sealed anew":   {func(f files) { writeReceipts(t, f, "anew") }, exitFindings, []string{"PROBLEM   Resealed: Receipts 1 to 5"}},
		"another's signatures":  {func(f files) { foreignKey(t, f) }, exitFindings, []string{"PROBLEM   UnknownKey: 4 statements"}},
		"a changed statement":   {func(f files) { f.change(t, fileLedger, resigned) }, exitFindings, []string{"PROBLEM   BadSignature: "}},
		"a line that is none":   {func(f files) { f.change(t, fileReceipts, func(l []string) []string { return append(l, "SELECT") }) }, exitFailed, []string{"line 6"}},
		"a ledger that is none": {func(f files) { f.change(t, fileLedger, func([]string) []string { return []string{"{}", "x"} }) }, exitFailed, []string{"line 2 is no statement"}},
		"keys that are none":    {func(f files) { f.change(t, fileKeys, func([]string) []string { return []string{"x"} }) }, exitFailed, []string{"keys.pem", "there is none in PEM form"}},
		"no file of that name":  {func(f files) { remove(t, f, fileReceipts) }, exitFailed, []string{"opening the receipts"}},
		"statements in any order": {func(f files) {
			f.change(t, fileLedger, func(l []string) []string { l[0], l[3] = l[3], l[0]; return l })
		}, exitWhole, []string{"The evidence is whole."}},
		"a private key among them": {func(f files) { privateKey(t, f) }, exitFailed, []string{"it should be"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFiles(t)
			c.tamper(f)
			f.verify(t).says(t, c.code, c.says...)
		})
	}
}

func TestAnAnchorKeptElsewhereCounts(t *testing.T) {
	f := newFiles(t)
	f.verify(t, "--anchor", "9:"+strings.Repeat("ab", 32)).says(t, exitFindings, "LedgerTruncated")
	f.verify(t, "--anchor", "3:"+strings.Repeat("ab", 32)).says(t, exitFindings, "LedgerReplaced")
}

func TestJSONIsForPrograms(t *testing.T) {
	f := newFiles(t)
	f.change(t, fileReceipts, func(l []string) []string { return l[:3] })
	o := f.verify(t, "-o", "json")
	var report audit.Report
	if err := json.Unmarshal([]byte(o.out), &report); err != nil || o.code != exitFindings || o.errs != "" {
		t.Fatalf("%v: exit code %d: %s%s", err, o.code, o.out, o.errs)
	}
	if report.OK || len(report.Findings) != 1 || report.Findings[0].Code != "HeadTruncated" || report.Findings[0].Sequence != 5 || report.Receipts != 3 || len(report.Keys) != 1 {
		t.Errorf("report %+v", report)
	}
}

func TestReceiptsFromStandardInput(t *testing.T) {
	f := newFiles(t)
	b, err := os.ReadFile(f.file(fileReceipts))
	if err != nil {
		t.Fatal(err)
	}
	plugin(t, string(b), "audit", "verify", f.tenant, "--ledger", f.file(fileLedger), "--keys", f.file(fileKeys), "--receipts", "-").says(t, exitWhole, "receipts  5")
	plugin(t, "", "audit", "verify", f.tenant, "--ledger", f.file(fileLedger), "--keys", f.file(fileKeys)).says(t, exitWhole, "NoReceipts", "The ledger is whole.")
}

func TestNoClusterIsToldPlainly(t *testing.T) {
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	plugin(t, "", "audit", "verify", "hotel-berlin").says(t, exitFailed, "KUBECONFIG")
}

// TestThePageListsEveryCommand holds docs/kubectl-plugin.md to the commands that there are.
func TestThePageListsEveryCommand(t *testing.T) {
	page, err := os.ReadFile("../../docs/kubectl-plugin.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "\n## Commands\n")
	table, _, _ = strings.Cut(table, "\n## ")
	var told, want []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z -]+)` \\|").FindAllStringSubmatch(table, -1) {
		told = append(told, m[1])
	}
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			if sub.HasSubCommands() {
				walk(sub)
				continue
			}
			want = append(want, strings.TrimPrefix(sub.CommandPath(), "kubectl switchboard "))
			if sub.Long == "" || sub.Example == "" || !strings.Contains(sub.Long, "Exit codes: ") {
				t.Errorf("%s --help does not teach: it needs a story, examples and exit codes", sub.CommandPath())
			}
		}
	}
	walk(command())
	slices.Sort(told)
	slices.Sort(want)
	if !slices.Equal(told, want) {
		t.Errorf("docs/kubectl-plugin.md lists\n%q, the program has\n%q", told, want)
	}
}
