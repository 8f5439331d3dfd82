// Command release makes what a release of Switchboard consists of: an image for each program and processor, a list of what is
// in it (SPDX), and the licences of that. Nothing in it tells when or where it was made: whoever builds the same commit with
// the same Go gets the same digests.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/switchboard-operator/switchboard/hack/release/internal/image"
	"github.com/switchboard-operator/switchboard/hack/release/internal/plugin"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	source := flag.String("source", "../..", "the folder of the checkout")
	out := flag.String("out", "../../build/release", "the folder to write into; what it holds of an earlier release is replaced")
	platforms := flag.String("platforms", "linux/amd64,linux/arm64", "operating systems and processors, separated by commas")
	plugins := flag.String("plugin-platforms", "linux/amd64,linux/arm64,darwin/amd64,darwin/arm64,windows/amd64,windows/arm64", "those of the plugin of kubectl; empty for none")
	version := flag.String("version", "v0.0.0", "the version that krew is told, as in v1.2.3")
	from := flag.String("from", "https://github.com/switchboard-operator/switchboard/releases/download", "the address under which krew finds VERSION/ARCHIVE")
	flag.Usage = func() {
		fmt.Fprint(flag.CommandLine.Output(), `Makes the images of the operator and of the instance, without a container engine:

  OUT/NAME/                     the image of all platforms, an OCI layout that skopeo, crane and oras push
  OUT/NAME-OS-ARCH.spdx.json    what is in it: SPDX 2.3, each module with its version, sum and licence
  OUT/NAME-OS-ARCH.licences     the licences' texts; the image has them as /licences too
  OUT/digests                   name and digest of each image, to sign and to pin

and archives of the plugin of kubectl:

  OUT/kubectl-switchboard-OS-ARCH.tar.gz, for Windows .zip: the program, what completes it, and the licences
  OUT/krew.yaml                 the manifest by which krew installs them

`)
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() > 0 {
		return fmt.Errorf("%q is no flag: see -help", flag.Arg(0))
	}
	release := Release{Source: *source, Out: *out, Progress: os.Stderr}
	for _, text := range strings.Split(*platforms, ",") {
		p, err := image.ParsePlatform(text)
		if err != nil {
			return err
		}
		release.Platforms = append(release.Platforms, p)
	}
	release.Plugin = Plugin{Version: *version, From: *from + "/" + *version}
	for text := range strings.SplitSeq(*plugins, ",") {
		if text == "" {
			continue
		}
		p, err := plugin.ParsePlatform(text)
		if err != nil {
			return err
		}
		release.Plugin.Platforms = append(release.Plugin.Platforms, p)
	}
	digests, err := release.Make(ctx)
	if err != nil {
		return err
	}
	for _, d := range digests {
		fmt.Println(d)
	}
	return nil
}
