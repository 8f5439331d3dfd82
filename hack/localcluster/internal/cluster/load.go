package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/switchboard-operator/switchboard/hack/localcluster/internal/image"
	"github.com/switchboard-operator/switchboard/hack/localcluster/internal/postgres"
)

// GoImage is an image to make of a program of the project, or of a tool that a Go module of the project requires.
type GoImage struct {
	// Name is the image's name.
	Name string
	// Module is the folder of the Go module, below the project's root.
	Module string
	// Package is the program's, as go build takes it in that folder: ./cmd/operator.
	Package string
	// Link is another path of the program in the image; empty for none.
	Link string
}

// ParseGoImage reads IMAGE=PACKAGE_DIR.
func ParseGoImage(arg string) (GoImage, error) {
	name, dir, ok := strings.Cut(arg, "=")
	if !ok || name == "" || dir == "" {
		return GoImage{}, fmt.Errorf("%q is not IMAGE=PACKAGE_DIR, such as switchboard/operator:dev=./cmd/operator", arg)
	}
	if filepath.IsAbs(dir) || !filepath.IsLocal(dir) {
		return GoImage{}, fmt.Errorf("%q lies outside the project: name a folder such as ./cmd/operator", dir)
	}
	return GoImage{Name: name, Module: ".", Package: "./" + filepath.Clean(dir)}, nil
}

// ParseToolImage reads IMAGE=MODULE_DIR:PACKAGE[:LINK].
func ParseToolImage(arg string) (GoImage, error) {
	name, rest, _ := strings.Cut(arg, "=")
	dir, rest, ok := strings.Cut(rest, ":")
	pkg, link, linked := strings.Cut(rest, ":")
	if !ok || name == "" || pkg == "" || !filepath.IsLocal(dir) || linked && !filepath.IsLocal(link) {
		return GoImage{}, fmt.Errorf("%q is not IMAGE=MODULE_DIR:PACKAGE[:LINK], with a folder of the project that has a go.mod", arg)
	}
	return GoImage{Name: name, Module: filepath.Clean(dir), Package: pkg, Link: link}, nil
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

// goImage builds a program into an image. Nothing in it tells when or where it was built.
func (c Cluster) goImage(ctx context.Context, root string, p GoImage) (img image.Image, err error) {
	dir, err := os.MkdirTemp("", "switchboard-program-")
	if err != nil {
		return image.Image{}, fmt.Errorf("making a folder to build in: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	base := path.Base(p.Package)
	file := filepath.Join(dir, base)
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-gcflags=all=-l", "-o", file, p.Package)
	cmd.Dir = filepath.Join(root, p.Module)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	fmt.Fprintf(c.Progress, "building %s\n", p.Package)
	if out, err := cmd.CombinedOutput(); err != nil {
		return image.Image{}, fmt.Errorf("building %s for image %s: %w\n%s", p.Package, p.Name, err, out)
	}
	var links []string
	if p.Link != "" {
		links = append(links, p.Link)
	}
	return image.Program(p.Name, base, file, v1.Config{User: "65532:65532"}, links...)
}
