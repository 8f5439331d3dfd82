// Package image makes the images of a release: a program, its licences, and nothing else.
package image

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Platform is what an image runs on.
type Platform struct{ OS, Architecture string }

// String is OS/ARCHITECTURE, as container engines write it.
func (p Platform) String() string { return p.OS + "/" + p.Architecture }

// ParsePlatform reads OS/ARCHITECTURE.
func ParsePlatform(text string) (Platform, error) {
	goos, arch, ok := strings.Cut(text, "/")
	if !ok || goos != "linux" || !slices.Contains([]string{"amd64", "arm64"}, arch) {
		return Platform{}, fmt.Errorf("%q is no platform of a release: want linux/amd64 or linux/arm64", text)
	}
	return Platform{goos, arch}, nil
}

// Index is one program's images for several platforms.
type Index struct {
	Name   string
	images []mutate.IndexAddendum
}

// user is one without rights and without a name, as in distroless' nonroot images.
const user = "65532:65532"

// Add adds the image for a platform: the program as /NAME, the licences as /licences.
func (i *Index) Add(p Platform, program string, licences []byte) error {
	layer, err := i.layer(program, licences)
	if err != nil {
		return fmt.Errorf("making the layer of image %s for %s: %w", i.Name, p, err)
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	if img, err = mutate.AppendLayers(img, layer); err != nil {
		return fmt.Errorf("making image %s for %s: %w", i.Name, p, err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		return fmt.Errorf("configuring image %s for %s: %w", i.Name, p, err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = p.OS, p.Architecture
	config.Config = v1.Config{User: user, Entrypoint: []string{"/" + i.Name}, Labels: map[string]string{
		"org.opencontainers.image.source":   "https://github.com/switchboard-operator/switchboard",
		"org.opencontainers.image.licenses": "Apache-2.0",
	}}
	if img, err = mutate.ConfigFile(img, config); err != nil {
		return fmt.Errorf("configuring image %s for %s: %w", i.Name, p, err)
	}
	i.images = append(i.images, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{
		MediaType: types.OCIManifestSchema1, Platform: &v1.Platform{OS: p.OS, Architecture: p.Architecture},
	}})
	return nil
}

func (i *Index) layer(program string, licences []byte) (v1.Layer, error) {
	content, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for _, e := range []struct {
		header tar.Header
		body   []byte
	}{
		{tar.Header{Name: i.Name, Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(content))}, content},
		{tar.Header{Name: "licences", Typeflag: tar.TypeReg, Mode: 0o444, Size: int64(len(licences))}, licences},
		{tar.Header{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o1777}, nil},
	} {
		if err := w.WriteHeader(&e.header); err != nil {
			return nil, err
		}
		if _, err := w.Write(e.body); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(archive.Bytes())), nil },
		tarball.WithMediaType(types.OCILayer))
}

// Write writes the images into a folder as an OCI layout, in place of what the folder held, and returns the digest of the
// index: sha256:….
func (i *Index) Write(folder string) (string, error) {
	if err := os.RemoveAll(folder); err != nil {
		return "", fmt.Errorf("removing the image of an earlier release: %w", err)
	}
	index := mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex), i.images...)
	path, err := layout.Write(folder, empty.Index)
	if err == nil {
		err = path.AppendIndex(index, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": i.Name}))
	}
	if err != nil {
		return "", fmt.Errorf("writing image %s to %s: %w", i.Name, folder, err)
	}
	digest, err := index.Digest()
	if err != nil {
		return "", fmt.Errorf("computing the digest of image %s: %w", i.Name, err)
	}
	return digest.String(), nil
}
