// Package file writes the files that the cluster's programs read.
package file

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Put makes a file say this. One that does already is left alone: kube-proxy ends itself when its configuration is written.
// Readers never see half a file.
func Put(path string, content []byte, mode fs.FileMode) error {
	if have, err := os.ReadFile(path); err == nil && bytes.Equal(have, content) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("making the folder of %s: %w", path, err)
	}
	part := path + ".part"
	if err := os.WriteFile(part, content, mode); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := os.Rename(part, path); err != nil {
		return fmt.Errorf("putting %s into its place: %w", path, err)
	}
	return nil
}
