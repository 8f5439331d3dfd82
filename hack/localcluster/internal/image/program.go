// Package image makes container images without a container engine and hands them to the nodes.
package image

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"path"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Image is an image and the name that pods know it by.
type Image struct {
	// Name is the whole name, as the kubelet asks for it: docker.io/library/postgres:15.
	Name string
	v1.Image
}

// FullName completes a short name the way the kubelet does: switchboard/operator:dev becomes docker.io/switchboard/operator:dev.
func FullName(short string) (string, error) {
	tag, err := name.NewTag(short)
	if err != nil {
		return "", fmt.Errorf("reading the image name %q (want NAME:TAG): %w", short, err)
	}
	registry := tag.RegistryStr()
	if registry == name.DefaultRegistry { // the library's name for Docker Hub is not the one that containerd uses
		registry = "docker.io"
	}
	return registry + "/" + tag.RepositoryStr() + ":" + tag.TagStr(), nil
}

// Program makes the image of one static program: the program as /BASE, run by a user without rights, and links to it from
// other paths. The same program makes the same image, byte for byte.
func Program(imageName, base, file string, config v1.Config, links ...string) (Image, error) {
	full, err := FullName(imageName)
	if err != nil {
		return Image{}, err
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return Image{}, fmt.Errorf("reading the program of image %s: %w", full, err)
	}
	layer, err := programLayer(base, content, links)
	if err != nil {
		return Image{}, fmt.Errorf("making the layer of image %s: %w", full, err)
	}
	config.Entrypoint = []string{"/" + base}
	return assemble(full, layer, config)
}

func programLayer(base string, content []byte, links []string) (v1.Layer, error) {
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	type entry struct {
		header tar.Header
		body   []byte
	}
	entries := []entry{
		{tar.Header{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o1777}, nil},
		{tar.Header{Name: base, Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(content))}, content},
	}
	for _, link := range links {
		entries = append(entries, entry{tar.Header{Name: path.Dir(link) + "/", Typeflag: tar.TypeDir, Mode: 0o755}, nil},
			entry{tar.Header{Name: link, Typeflag: tar.TypeSymlink, Linkname: "/" + base, Mode: 0o777}, nil})
	}
	for _, e := range entries {
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
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(archive.Bytes())), nil
	}, layerOptions...)
}

// layerOptions: the layers never travel over a network, so the least compression is the best.
var layerOptions = []tarball.LayerOption{tarball.WithMediaType(types.OCILayer), tarball.WithCompressionLevel(1)}

// FromTar makes the image of a root file system.
func FromTar(imageName, file string, config v1.Config) (Image, error) {
	full, err := FullName(imageName)
	if err != nil {
		return Image{}, err
	}
	layer, err := tarball.LayerFromFile(file, layerOptions...)
	if err != nil {
		return Image{}, fmt.Errorf("making the layer of image %s from %s: %w", full, file, err)
	}
	return assemble(full, layer, config)
}

func assemble(full string, layer v1.Layer, config v1.Config) (Image, error) {
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err := mutate.AppendLayers(img, layer)
	if err == nil {
		img, err = mutate.ConfigFile(img, withConfig(img, config))
	}
	if err != nil {
		return Image{}, fmt.Errorf("assembling image %s: %w", full, err)
	}
	return Image{Name: full, Image: img}, nil
}

// withConfig is the image's configuration for this machine's kind of processor, with no time stamp in it.
func withConfig(img v1.Image, config v1.Config) *v1.ConfigFile {
	file, err := img.ConfigFile()
	if err != nil {
		return nil
	}
	file = file.DeepCopy()
	file.OS, file.Architecture = "linux", architecture
	file.Config = config
	return file
}
