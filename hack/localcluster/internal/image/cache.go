package image

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	ocilayout "github.com/google/go-containerregistry/pkg/v1/layout"
)

// Cached returns the image that a folder holds, and makes it first when there is none.
// What makes it gets a folder to work in, which stays until the image is kept.
func Cached(folder string, make func(work string) (v1.Image, error)) (img v1.Image, err error) {
	if img, err := open(folder); err == nil {
		return img, nil
	}
	if err := os.MkdirAll(filepath.Dir(folder), 0o755); err != nil {
		return nil, fmt.Errorf("making the cache of images: %w", err)
	}
	work, err := os.MkdirTemp(filepath.Dir(folder), ".making-")
	if err != nil {
		return nil, fmt.Errorf("making the cache of images: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	img, err = make(work)
	if err != nil {
		return nil, err
	}
	part := filepath.Join(work, "layout")
	path, err := ocilayout.Write(part, empty.Index)
	if err == nil {
		err = path.AppendImage(img)
	}
	if err != nil {
		return nil, fmt.Errorf("keeping the image in %s: %w", folder, err)
	}
	if err := os.RemoveAll(folder); err != nil { // one that could not be opened
		return nil, fmt.Errorf("replacing the image in %s: %w", folder, err)
	}
	if err := os.Rename(part, folder); err != nil {
		return nil, fmt.Errorf("keeping the image in %s: %w", folder, err)
	}
	return open(folder)
}

func open(folder string) (v1.Image, error) {
	index, err := ocilayout.ImageIndexFromPath(folder)
	if err != nil {
		return nil, err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	if len(manifest.Manifests) != 1 {
		return nil, fmt.Errorf("%s holds %d images instead of one", folder, len(manifest.Manifests))
	}
	return index.Image(manifest.Manifests[0].Digest)
}
