package plugin

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/krew/pkg/constants"
	"sigs.k8s.io/krew/pkg/index"
	"sigs.k8s.io/yaml"
)

var files = []File{{Name: Program, Content: []byte("program"), Executable: true}, {Name: "LICENSE", Content: []byte("text")}}

func archives(t *testing.T, folder string) []Archive {
	t.Helper()
	var all []Archive
	for _, text := range []string{"linux/amd64", "darwin/arm64", "windows/amd64"} {
		p, err := ParsePlatform(text)
		if err != nil {
			t.Fatal(err)
		}
		a, err := Write(folder, Program+"-"+p.OS+"-"+p.Architecture, p, files)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, a)
	}
	return all
}

func TestArchivesAreTheSameTwice(t *testing.T) {
	one, two := t.TempDir(), t.TempDir()
	first := archives(t, one)
	if second := archives(t, two); !slices.Equal(first, second) {
		t.Errorf("%v, and again %v", first, second)
	}
	for _, a := range first {
		b, err := os.ReadFile(filepath.Join(one, a.Name))
		if err != nil {
			t.Fatal(err)
		}
		modes := map[string]os.FileMode{}
		if strings.HasSuffix(a.Name, ".zip") {
			z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range z.File {
				modes[f.Name] = f.Mode()
			}
		} else {
			z, err := gzip.NewReader(bytes.NewReader(b))
			if err != nil {
				t.Fatal(err)
			}
			r := tar.NewReader(z)
			for {
				h, err := r.Next()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				modes[h.Name] = h.FileInfo().Mode()
			}
		}
		if len(modes) != 2 || modes[Program] != 0o755 || modes["LICENSE"] != 0o644 {
			t.Errorf("%s holds %v", a.Name, modes)
		}
	}
}

// TestKrewTakesTheManifest reads it by krew's own types, and holds it to what krew's validation asks for
// (internal/index/validation of krew 0.4.3, which nobody else may import).
func TestKrewTakesTheManifest(t *testing.T) {
	all := archives(t, t.TempDir())
	text, err := Manifest("v1.2.3", "https://example.com/v1.2.3", all)
	if err != nil {
		t.Fatal(err)
	}
	var p index.Plugin
	if err := yaml.UnmarshalStrict(text, &p); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if p.APIVersion != constants.CurrentAPIVersion || p.Kind != constants.PluginKind || p.Name != "switchboard" || p.Spec.Version != "v1.2.3" {
		t.Errorf("%s %s %s %s", p.APIVersion, p.Kind, p.Name, p.Spec.Version)
	}
	if d := p.Spec.ShortDescription; d == "" || len(d) > 50 || strings.ContainsAny(d, "\r\n") || p.Spec.Description == "" || p.Spec.Homepage == "" {
		t.Errorf("descriptions: %q (%d characters)", d, len(d))
	}
	if len(p.Spec.Platforms) != len(all) {
		t.Fatalf("%d platforms", len(p.Spec.Platforms))
	}
	for i, platform := range p.Spec.Platforms {
		a := all[i]
		labels := platform.Selector.MatchLabels
		if platform.URI != "https://example.com/v1.2.3/"+a.Name || platform.Sha256 != a.SHA256 || !regexp.MustCompile(`^[a-f0-9]{64}$`).MatchString(platform.Sha256) ||
			platform.Bin != a.Platform.Executable() || len(labels) != 2 || labels["os"] != a.Platform.OS || labels["arch"] != a.Platform.Architecture {
			t.Errorf("%+v, of %+v", platform, a)
		}
	}
	if all[2].Name != Program+"-windows-amd64.zip" || all[2].Platform.Executable() != Program+".exe" {
		t.Errorf("for Windows: %+v", all[2])
	}
	for _, of := range []string{"1.2.3", "v1", "latest", ""} {
		if _, err := Manifest(of, "https://example.com", all); err == nil {
			t.Errorf("%q passes as a version", of)
		}
	}
	if _, err := Manifest("v1.2.3", "http://example.com", all); err == nil {
		t.Error("an address without https passes")
	}
	for _, text := range []string{"linux", "linux/riscv64", "plan9/amd64", ""} {
		if _, err := ParsePlatform(text); err == nil {
			t.Errorf("%q passes as a platform", text)
		}
	}
}
