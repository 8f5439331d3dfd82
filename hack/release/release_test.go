package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	spdxjson "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdxlib"

	"github.com/switchboard-operator/switchboard/hack/release/internal/image"
	"github.com/switchboard-operator/switchboard/hack/release/internal/plugin"
)

// makeRelease makes a release of a checkout for this machine's processor.
func makeRelease(t *testing.T, source string) (folder string, digests []string) {
	t.Helper()
	folder = t.TempDir()
	release := Release{Source: source, Out: folder, Platforms: []image.Platform{{OS: "linux", Architecture: runtime.GOARCH}}, Progress: io.Discard}
	release.Plugin = Plugin{Platforms: []plugin.Platform{{OS: "linux", Architecture: runtime.GOARCH}}, Version: "v1.2.3", From: "https://example.com/v1.2.3"}
	digests, err := release.Make(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return folder, digests
}

// copied is a copy of the checkout in another place, with files of another age.
func copied(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", `git ls-files -z --cached --others --exclude-standard | tar -c --null --ignore-failed-read -T - | tar -x -m -C "$0"`, folder)
	cmd.Dir = "../.."
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("copying the checkout: %v\n%s", err, out)
	}
	return folder
}

// TestRelease makes the release twice, and looks into it.
func TestRelease(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1764000000")
	one, digests := makeRelease(t, "../..")
	two, again := makeRelease(t, copied(t))
	t.Run("the same sources make the same release", func(t *testing.T) {
		if len(digests) != 2 || !slices.Equal(digests, again) {
			t.Errorf("digests %v, and from another folder %v", digests, again)
		}
		files, err := filepath.Glob(filepath.Join(one, "*.*"))
		if err != nil || len(files) != 7 {
			t.Fatalf("files %v, %v", files, err)
		}
		for _, f := range files {
			if !bytes.Equal(content(t, f), content(t, filepath.Join(two, filepath.Base(f)))) {
				t.Errorf("%s is another one from another folder", filepath.Base(f))
			}
		}
	})
	for _, name := range programs {
		t.Run("what the list says is in "+name, func(t *testing.T) { listsWhatIsIn(t, one, name) })
	}
	t.Run("code that a module took from elsewhere has its licence along", func(t *testing.T) {
		texts := content(t, filepath.Join(one, "operator-linux-"+runtime.GOARCH+".licences"))
		if !bytes.Contains(texts, []byte("\n----- third_party/forked/golang/LICENSE\n")) {
			t.Error("that of what apimachinery took from Go's library is not there")
		}
	})
	t.Run("a reader without a library", func(t *testing.T) {
		var doc struct {
			SPDXVersion  string `json:"spdxVersion"`
			CreationInfo struct{ Created string }
		}
		if err := json.Unmarshal(content(t, filepath.Join(one, "instance-linux-"+runtime.GOARCH+".spdx.json")), &doc); err != nil {
			t.Fatal(err)
		}
		if doc.SPDXVersion != "SPDX-2.3" || doc.CreationInfo.Created != "2025-11-24T16:00:00Z" {
			t.Errorf("%+v", doc)
		}
	})
}

func content(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// listsWhatIsIn compares the list with what `go version -m` tells of the image's own program.
func listsWhatIsIn(t *testing.T, folder, name string) {
	files := inImage(t, filepath.Join(folder, name))
	program := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(program, files[name], 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "go", "version", "-m", program).Output()
	if err != nil {
		t.Fatal(err)
	}
	var linked []string
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) > 2 && f[0] == "dep" {
			linked = append(linked, f[1]+"@"+f[2])
		}
	}
	doc, err := spdxjson.Read(bytes.NewReader(content(t, filepath.Join(folder, name+"-linux-"+runtime.GOARCH+".spdx.json"))))
	if err != nil {
		t.Fatal(err)
	}
	if err := spdxlib.ValidateDocument(doc); err != nil {
		t.Error(err)
	}
	var listed []string
	for _, p := range doc.Packages {
		if p.PackageLicenseConcluded == "" || p.PackageLicenseConcluded == "NOASSERTION" {
			t.Errorf("%s has no licence", p.PackageName)
		}
		if p.PrimaryPackagePurpose == "LIBRARY" && p.PackageName != "std" {
			listed = append(listed, p.PackageName+"@"+p.PackageVersion)
		}
		if p.PackageName != name && !bytes.Contains(files["licences"], []byte("\n"+p.PackageName+" ")) {
			t.Errorf("the image of %s lacks the licence of %s", name, p.PackageName)
		}
	}
	slices.Sort(linked)
	slices.Sort(listed)
	if len(linked) < 20 || !slices.Equal(linked, listed) {
		t.Errorf("%s is made of\n%v\nand the list says\n%v", name, linked, listed)
	}
}

// inImage are the files of the only image in a layout.
func inImage(t *testing.T, folder string) map[string][]byte {
	t.Helper()
	index, err := layout.ImageIndexFromPath(folder)
	if err != nil {
		t.Fatal(err)
	}
	outer, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	inner, err := index.ImageIndex(outer.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := inner.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	img, err := inner.Image(manifest.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if c := config.Config; c.User != "65532:65532" || len(c.Entrypoint) != 1 || len(c.Env) != 0 {
		t.Errorf("image %s runs as %q, starts %v, with %v", folder, c.User, c.Entrypoint, c.Env)
	}
	layers := mutate.Extract(img)
	defer layers.Close()
	files := map[string][]byte{}
	for archive := tar.NewReader(layers); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[header.Name], err = io.ReadAll(archive); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPlatforms(t *testing.T) {
	for text, ok := range map[string]bool{"linux/amd64": true, "linux/arm64": true, "linux": false, "windows/amd64": false, "linux/riscv64": false, "": false} {
		if _, err := image.ParsePlatform(text); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}
