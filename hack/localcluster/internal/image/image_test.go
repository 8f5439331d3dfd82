package image

import (
	"archive/tar"
	"errors"
	"os"
	"path/filepath"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func TestFullNameIsTheOneThatTheKubeletAsksFor(t *testing.T) {
	for short, want := range map[string]string{
		"switchboard/operator:dev":               "docker.io/switchboard/operator:dev",
		"postgres:15-bookworm":                   "docker.io/library/postgres:15-bookworm",
		"docker.io/library/postgres:15-bookworm": "docker.io/library/postgres:15-bookworm",
		"switchboard.localhost/pause:1":          "switchboard.localhost/pause:1",
		"postgres":                               "docker.io/library/postgres:latest",
	} {
		if got, err := FullName(short); err != nil || got != want {
			t.Errorf("FullName(%q) = %q, %v; want %q", short, got, err, want)
		}
	}
	if _, err := FullName("Not A Name"); err == nil {
		t.Error("a name that no registry would take was accepted")
	}
}

func program(t *testing.T, content string) Image {
	t.Helper()
	file := filepath.Join(t.TempDir(), "operator")
	if err := os.WriteFile(file, []byte(content), 0o755); err != nil {
		t.Fatal(err)
	}
	img, err := Program("switchboard/operator:dev", "operator", file, v1.Config{User: "65532:65532"})
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func digest(t *testing.T, img v1.Image) string {
	t.Helper()
	d, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return d.String()
}

func TestTheSameProgramMakesTheSameImage(t *testing.T) {
	one := program(t, "a program")
	if a, b := digest(t, one), digest(t, program(t, "a program")); a != b {
		t.Errorf("two builds differ: %s, %s", a, b)
	}
	if digest(t, one) == digest(t, program(t, "another program")) {
		t.Error("two programs make one image")
	}
	config, err := one.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if config.Config.User != "65532:65532" || len(config.Config.Entrypoint) != 1 || config.Config.Entrypoint[0] != "/operator" {
		t.Errorf("the image runs %v as %q", config.Config.Entrypoint, config.Config.User)
	}
}

func TestALinkLeadsToTheProgram(t *testing.T) {
	file := filepath.Join(t.TempDir(), "manager")
	if err := os.WriteFile(file, []byte("a program"), 0o755); err != nil {
		t.Fatal(err)
	}
	img, err := Program("manager:1", "manager", file, v1.Config{}, "operator/manager_amd64")
	if err != nil {
		t.Fatal(err)
	}
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	content, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = content.Close() }()
	for archive := tar.NewReader(content); ; {
		header, err := archive.Next()
		if err != nil {
			t.Fatalf("there is no link: %v", err)
		}
		if header.Name == "operator/manager_amd64" {
			if header.Typeflag != tar.TypeSymlink || header.Linkname != "/manager" {
				t.Errorf("it leads to %q", header.Linkname)
			}
			return
		}
	}
}

func TestParseImages(t *testing.T) {
	table := `REF                                    TYPE                                       DIGEST         SIZE     PLATFORMS   LABELS
docker.io/switchboard/operator:dev     application/vnd.oci.image.manifest.v1+json sha256:aa      1.0 MiB  linux/amd64 io.cri-containerd.image=managed
sha256:bb                              application/vnd.oci.image.manifest.v1+json sha256:aa      1.0 MiB  linux/amd64 io.cri-containerd.image=managed
`
	got := parseImages(table)
	if len(got) != 2 || got["docker.io/switchboard/operator:dev"] != "sha256:aa" {
		t.Errorf("parseImages = %v", got)
	}
}

func TestCachedMakesAnImageOnce(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "images", "x")
	made := 0
	get := func() v1.Image {
		t.Helper()
		img, err := Cached(folder, func(string) (v1.Image, error) { made++; return program(t, "cached").Image, nil })
		if err != nil {
			t.Fatal(err)
		}
		return img
	}
	if a, b := digest(t, get()), digest(t, get()); a != b || made != 1 {
		t.Errorf("made %d times: %s, %s", made, a, b)
	}
	if err := os.Remove(filepath.Join(folder, "index.json")); err != nil { // as a full disk might leave it
		t.Fatal(err)
	}
	get()
	if made != 2 {
		t.Errorf("a broken image was made %d times, want 2", made)
	}
	failure := errors.New("no mirror")
	if _, err := Cached(filepath.Join(t.TempDir(), "y"), func(string) (v1.Image, error) { return nil, failure }); !errors.Is(err, failure) {
		t.Errorf("the failure is hidden: %v", err)
	}
}
