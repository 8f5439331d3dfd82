package file

import (
	"os"
	"path/filepath"
	"testing"
)

func TestPutLeavesAFileThatSaysSoAlready(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "file")
	put := func(content string) os.FileInfo {
		t.Helper()
		if err := Put(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	first := put("one")
	if !os.SameFile(first, put("one")) {
		t.Error("the same content was written again")
	}
	if os.SameFile(first, put("two")) {
		t.Error("new content was written into the old file, where a reader may see half of it")
	}
}
