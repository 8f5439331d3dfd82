//go:build browser

package openid

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/zitadel/oidc/v3/example/server/storage"
)

// TestThePageSignsStaffIn by the directory's own page, in a real browser.
func TestThePageSignsStaffIn(t *testing.T) {
	s := start(t, nil)
	s.people["4713"] = &storage.User{ID: "4713", Username: "noor", Password: password, Email: "noor@hotel.example", EmailVerified: true}
	output, err := filepath.Abs("../output/browser")
	if err != nil {
		t.Fatal(err)
	}
	settings, err := json.Marshal(map[string]string{"origin": s.server.URL, "directory": s.directory.URL, "password": password, "output": output})
	if err != nil {
		t.Fatal(err)
	}
	node := exec.CommandContext(t.Context(), "node", "provider.mjs")
	node.Dir = "../browser"
	node.Env = append(os.Environ(), "SETTINGS="+string(settings))
	out, err := node.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatalf("the browser's test failed: %v", err)
	}
}
