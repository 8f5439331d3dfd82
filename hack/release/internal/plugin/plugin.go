// Package plugin makes the archives of the plugin of kubectl, and the manifest by which krew installs them.
package plugin

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template"
)

// What an archive holds, beside licences.
const (
	Program    = "kubectl-switchboard"
	Completion = "kubectl_complete-switchboard"
)

// Platform is what a plugin runs on.
type Platform struct{ OS, Architecture string }

// String is OS/ARCHITECTURE.
func (p Platform) String() string { return p.OS + "/" + p.Architecture }

// Executable is what the program is called on the platform.
func (p Platform) Executable() string {
	if p.OS == "windows" {
		return Program + ".exe"
	}
	return Program
}

// ParsePlatform reads OS/ARCHITECTURE.
func ParsePlatform(text string) (Platform, error) {
	goos, arch, ok := strings.Cut(text, "/")
	if !ok || !slices.Contains([]string{"linux", "darwin", "windows"}, goos) || !slices.Contains([]string{"amd64", "arm64"}, arch) {
		return Platform{}, fmt.Errorf("%q is no platform of the plugin: want linux, darwin or windows, a slash, and amd64 or arm64", text)
	}
	return Platform{goos, arch}, nil
}

// File of an archive.
type File struct {
	Name       string
	Content    []byte
	Executable bool
}

func (f File) mode() os.FileMode {
	if f.Executable {
		return 0o755
	}
	return 0o644
}

// Archive that was written.
type Archive struct {
	Platform Platform
	Name     string // of the file, without its folder
	SHA256   string // in hexadecimal
}

// Write packs files, as .zip for Windows and as .tar.gz elsewhere. It tells no times, owners or folders of the builder.
func Write(folder, base string, p Platform, files []File) (Archive, error) {
	a := Archive{Platform: p, Name: base + ".tar.gz"}
	pack := packTar
	if p.OS == "windows" {
		a.Name, pack = base+".zip", packZip
	}
	var b bytes.Buffer
	if err := pack(&b, files); err != nil {
		return a, fmt.Errorf("packing %s: %w", a.Name, err)
	}
	sum := sha256.Sum256(b.Bytes())
	a.SHA256 = hex.EncodeToString(sum[:])
	if err := os.WriteFile(filepath.Join(folder, a.Name), b.Bytes(), 0o644); err != nil {
		return a, fmt.Errorf("writing %s: %w", a.Name, err)
	}
	return a, nil
}

func packTar(to io.Writer, files []File) error {
	z, err := gzip.NewWriterLevel(to, gzip.BestCompression)
	if err != nil {
		return err
	}
	w := tar.NewWriter(z)
	for _, f := range files {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: f.Name, Size: int64(len(f.Content)), Mode: int64(f.mode()), Format: tar.FormatUSTAR}); err != nil {
			return err
		}
		if _, err := w.Write(f.Content); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	return z.Close()
}

func packZip(to io.Writer, files []File) error {
	w := zip.NewWriter(to)
	for _, f := range files {
		h := &zip.FileHeader{Name: f.Name, Method: zip.Deflate}
		h.SetMode(f.mode())
		part, err := w.CreateHeader(h)
		if err != nil {
			return err
		}
		if _, err := part.Write(f.Content); err != nil {
			return err
		}
	}
	return w.Close()
}

//go:embed krew.yaml
var manifest string

// version as krew takes it: a semantic version after a v.
var version = regexp.MustCompile(`^v(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(-[0-9A-Za-z.-]+)?$`)

// Manifest tells krew where the archives of a version are, in a folder at an address.
func Manifest(of, from string, archives []Archive) ([]byte, error) {
	if !version.MatchString(of) {
		return nil, fmt.Errorf("%q is no version: write it as v1.2.3", of)
	}
	if !strings.HasPrefix(from, "https://") {
		return nil, fmt.Errorf("%q is no address by https", from)
	}
	t, err := template.New("krew.yaml").Option("missingkey=error").Parse(manifest)
	if err != nil {
		return nil, fmt.Errorf("reading the template of krew's manifest: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, map[string]any{"Version": of, "From": from, "Archives": archives}); err != nil {
		return nil, fmt.Errorf("writing krew's manifest: %w", err)
	}
	return b.Bytes(), nil
}
