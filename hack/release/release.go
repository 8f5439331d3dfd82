package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/switchboard-operator/switchboard/hack/release/internal/image"
	"github.com/switchboard-operator/switchboard/hack/release/internal/licence"
	"github.com/switchboard-operator/switchboard/hack/release/internal/plugin"
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
	Plugin    Plugin
	Progress  io.Writer
}

// Plugin says what archives of the plugin of kubectl to make.
type Plugin struct {
	Platforms []plugin.Platform
	Version   string // as in v1.2.3
	From      string // the address of the folder that the archives are fetched from
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
	if err := r.makePlugin(ctx, work, made); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(r.Out, "digests"), []byte(strings.Join(digests, "\n")+"\n"), 0o644); err != nil {
		return nil, fmt.Errorf("writing the digests: %w", err)
	}
	return digests, nil
}

// makePlugin writes an archive of the plugin for each platform, and the manifest by which krew installs them.
func (r Release) makePlugin(ctx context.Context, work string, made time.Time) error {
	own, err := os.ReadFile(filepath.Join(r.Source, "LICENSE"))
	if err != nil {
		return fmt.Errorf("reading the project's licence: %w", err)
	}
	complete, err := os.ReadFile(filepath.Join(r.Source, "cmd", plugin.Program, plugin.Completion))
	if err != nil {
		return fmt.Errorf("reading what completes the plugin: %w", err)
	}
	var archives []plugin.Archive
	for _, platform := range r.Plugin.Platforms {
		fmt.Fprintf(r.Progress, "building %s for %s\n", plugin.Program, platform)
		built, err := program.Build(ctx, r.Source, work, plugin.Program, platform.OS, platform.Architecture)
		if err != nil {
			return err
		}
		texts, err := licence.Of(built)
		if err != nil {
			return err
		}
		base := fmt.Sprintf("%s-%s-%s", plugin.Program, platform.OS, platform.Architecture)
		if err := sbom.Write(filepath.Join(r.Out, base+".spdx.json"), sbom.Document(built, texts, made)); err != nil {
			return err
		}
		binary, err := os.ReadFile(built.File)
		if err != nil {
			return fmt.Errorf("reading the plugin: %w", err)
		}
		archive, err := plugin.Write(r.Out, base, platform, []plugin.File{
			{Name: platform.Executable(), Content: binary, Executable: true}, {Name: plugin.Completion, Content: complete, Executable: true},
			{Name: "LICENSE", Content: own}, {Name: "licences", Content: licence.Notices(texts)},
		})
		if err != nil {
			return err
		}
		archives = append(archives, archive)
	}
	if len(archives) == 0 {
		return nil
	}
	manifest, err := plugin.Manifest(r.Plugin.Version, r.Plugin.From, archives)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(r.Out, "krew.yaml"), manifest, 0o644); err != nil {
		return fmt.Errorf("writing krew's manifest: %w", err)
	}
	return nil
}
