package image

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/empty"
	ocilayout "github.com/google/go-containerregistry/pkg/v1/layout"

	"github.com/switchboard-operator/switchboard/hack/localcluster/internal/run"
)

const architecture = runtime.GOARCH

// Load hands the images to the containerd behind a socket and returns the names of those that were not there already.
func Load(ctx context.Context, socket string, images []Image) ([]string, error) {
	have, err := present(ctx, socket)
	if err != nil {
		return nil, err
	}
	var loaded []string
	for _, img := range images {
		digest, err := img.Digest()
		if err != nil {
			return loaded, fmt.Errorf("computing the digest of %s: %w", img.Name, err)
		}
		if have[img.Name] == digest.String() {
			continue
		}
		if err := send(ctx, socket, img); err != nil {
			return loaded, fmt.Errorf("loading %s into %s: %w", img.Name, socket, err)
		}
		loaded = append(loaded, img.Name)
	}
	return loaded, nil
}

// ctr is containerd's own client, in the namespace that the kubelet uses.
func ctr(socket string, args ...string) []string {
	return append([]string{"ctr", "--address", socket, "--namespace", "k8s.io"}, args...)
}

// present maps the names of the images that containerd has to their digests.
func present(ctx context.Context, socket string) (map[string]string, error) {
	out, err := run.Output(ctx, ctr(socket, "images", "list")...)
	if err != nil {
		return nil, fmt.Errorf("listing the images (is the cluster up?): %w", err)
	}
	return parseImages(out), nil
}

// parseImages reads the table of `ctr images list`: reference, type, digest and more.
func parseImages(table string) map[string]string {
	digests := map[string]string{}
	for line := range strings.Lines(table) {
		if fields := strings.Fields(line); len(fields) > 2 && strings.HasPrefix(fields[2], "sha256:") {
			digests[fields[0]] = fields[2]
		}
	}
	return digests
}

// send pipes the image, as an archive in the OCI layout, into containerd.
func send(ctx context.Context, socket string, img Image) (err error) {
	dir, err := os.MkdirTemp("", "switchboard-image-")
	if err != nil {
		return fmt.Errorf("making a folder for the image: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path, err := ocilayout.Write(dir, empty.Index)
	if err != nil {
		return fmt.Errorf("starting the image layout: %w", err)
	}
	annotations := map[string]string{"io.containerd.image.name": img.Name}
	if err := path.AppendImage(img.Image, ocilayout.WithAnnotations(annotations)); err != nil {
		return fmt.Errorf("writing the image layout: %w", err)
	}

	reader, writer := io.Pipe()
	go func() {
		archive := tar.NewWriter(writer)
		writer.CloseWithError(errors.Join(archive.AddFS(os.DirFS(dir)), archive.Close()))
	}()
	argv := ctr(socket, "images", "import", "-")
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdin = reader
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("importing: %w: %s", err, out)
	}
	return nil
}
