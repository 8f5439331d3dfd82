package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/switchboard-operator/switchboard/hack/release/internal/image"
	"github.com/switchboard-operator/switchboard/hack/release/internal/licence"
	"github.com/switchboard-operator/switchboard/hack/release/internal/program"
	"github.com/switchboard-operator/switchboard/hack/release/internal/sbom"
)

// programs are what a release has images of.
var programs = []string{"operator", "instance"}

// Release says what to make, of what, and where to.
type Release struct {
	Source    string // a checkout of the project
	Out       string
	Platforms []image.Platform
	Progress  io.Writer
}

// Make writes the release into its folder and returns a line for each image: NAME@sha256:….
func (r Release) Make(ctx context.Context) (digests []string, err error) {
	made, err := program.CommitTime(ctx, r.Source)
	if err != nil {
		return nil, err
	}
	work, err := os.MkdirTemp("", "switchboard-release-")
	if err != nil {
		return nil, fmt.Errorf("making a folder to build in: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	if err := os.MkdirAll(r.Out, 0o755); err != nil {
		return nil, fmt.Errorf("making the folder of the release: %w", err)
	}
	for _, name := range programs {
		index := image.Index{Name: name}
		for _, platform := range r.Platforms {
			fmt.Fprintf(r.Progress, "building %s for %s\n", name, platform)
			built, err := program.Build(ctx, r.Source, work, name, platform.OS, platform.Architecture)
			if err != nil {
				return nil, err
			}
			texts, err := licence.Of(built)
			if err != nil {
				return nil, err
			}
			base := filepath.Join(r.Out, fmt.Sprintf("%s-%s-%s", name, platform.OS, platform.Architecture))
			if err := sbom.Write(base+".spdx.json", sbom.Document(built, texts, made)); err != nil {
				return nil, err
			}
			notices := licence.Notices(texts)
			if err := os.WriteFile(base+".licences", notices, 0o644); err != nil {
				return nil, fmt.Errorf("writing the licences of %s: %w", name, err)
			}
			if err := index.Add(platform, built.File, notices); err != nil {
				return nil, err
			}
		}
		digest, err := index.Write(filepath.Join(r.Out, name))
		if err != nil {
			return nil, err
		}
		digests = append(digests, name+"@"+digest)
	}
	if err := os.WriteFile(filepath.Join(r.Out, "digests"), []byte(strings.Join(digests, "\n")+"\n"), 0o644); err != nil {
		return nil, fmt.Errorf("writing the digests: %w", err)
	}
	return digests, nil
}
