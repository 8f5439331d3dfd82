package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/switchboard-operator/switchboard/hack/localcluster/internal/image"
	"github.com/switchboard-operator/switchboard/hack/localcluster/internal/postgres"
)

// GoImage is an image to make of a program of the project.
type GoImage struct {
	// Name is the image's name.
	Name string
	// Module is the folder of the program's module, below the project's root; empty for the project itself.
	Module string
	// Package is the program's: a folder of the project, such as cmd/operator, or an import path that Module requires.
	Package string
}

// ParseGoImage reads IMAGE=PACKAGE_DIR, or IMAGE=MODULE_DIR:IMPORT_PATH.
func ParseGoImage(arg string) (GoImage, error) {
	name, dir, ok := strings.Cut(arg, "=")
	if !ok || name == "" || dir == "" {
		return GoImage{}, fmt.Errorf("%q is not IMAGE=PACKAGE_DIR, such as switchboard/operator:dev=./cmd/operator", arg)
	}
	if filepath.IsAbs(dir) || !filepath.IsLocal(dir) {
		return GoImage{}, fmt.Errorf("%q lies outside the project: name a folder such as ./cmd/operator", dir)
	}
	if module, path, ok := strings.Cut(dir, ":"); ok {
		if module == "" || path == "" {
			return GoImage{}, fmt.Errorf("%q is not MODULE_DIR:IMPORT_PATH, such as ./test/standin/s3:github.com/versity/versitygw/cmd/versitygw", dir)
		}
		return GoImage{Name: name, Module: filepath.Clean(module), Package: path}, nil
	}
	return GoImage{Name: name, Package: "./" + filepath.Clean(dir)}, nil
}

// Load makes the images and hands them to both nodes; a node that has an image already is left alone.
// An empty postgresName means no PostgreSQL.
func (c Cluster) Load(ctx context.Context, root, cache string, programs []GoImage, postgresName string) error {
	var images []image.Image
	for _, p := range programs {
		img, err := c.goImage(ctx, root, p)
		if err != nil {
			return err
		}
		images = append(images, img)
	}
	if postgresName != "" {
		img, err := postgres.Image(ctx, postgresName, cache, c.Progress)
		if err != nil {
			return err
		}
		images = append(images, img)
	}
	return c.load(ctx, images)
}

// goImage builds a program of the project into an image. Nothing in it tells when or where it was built.
func (c Cluster) goImage(ctx context.Context, root string, p GoImage) (img image.Image, err error) {
	dir, err := os.MkdirTemp("", "switchboard-program-")
	if err != nil {
		return image.Image{}, fmt.Errorf("making a folder to build in: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	base := filepath.Base(p.Package)
	file := filepath.Join(dir, base)
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", file, p.Package)
	cmd.Dir = filepath.Join(root, p.Module)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	fmt.Fprintf(c.Progress, "building %s\n", p.Package)
	if out, err := cmd.CombinedOutput(); err != nil {
		return image.Image{}, fmt.Errorf("building %s for image %s: %w\n%s", p.Package, p.Name, err, out)
	}
	return image.Program(p.Name, base, file, v1.Config{User: "65532:65532"})
}
