//go:build browser

package browser_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestTheAuditReport opens the golden pages of the auditors' report as files, and prints them: the PDF and its picture come into
// test/output/browser.
func TestTheAuditReport(t *testing.T) {
	folder, err := filepath.Abs("../../internal/auditreport/testdata")
	if err != nil {
		t.Fatal(err)
	}
	output, err := filepath.Abs("../output/browser")
	if err != nil {
		t.Fatal(err)
	}
	settings, err := json.Marshal(map[string]any{"folder": folder, "pages": []string{"report", "erased"}, "output": output})
	if err != nil {
		t.Fatal(err)
	}
	node := exec.CommandContext(t.Context(), "node", "report.mjs")
	node.Env = append(os.Environ(), "SETTINGS="+string(settings))
	out, err := node.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatalf("the browser's test failed: %v", err)
	}
}
