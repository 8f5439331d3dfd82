// Package postgres makes an image that keeps the contract of the official postgres image, from Debian's packages:
// no registry is needed to have a database in the local cluster.
package postgres

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/switchboard-operator/switchboard/hack/localcluster/internal/image"
)

const (
	suite   = "bookworm"
	version = "15"
	data    = "/var/lib/postgresql/data"
)

//go:embed docker-entrypoint.sh
var entrypoint []byte

// packages are what the image holds beyond Debian's essential ones.
var packages = []string{
	"postgresql-" + version,
	"libnss-wrapper", // a name for an arbitrary user id
	"locales",        // makes the locale below
	"tzdata",
	"xz-utils", "zstd", // packed init scripts
}

// dropped is what no server reads.
var dropped = []string{"/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*"}

// hooks are commands that mmdebstrap runs; $1 is the root of the image.
var (
	// The packages would give user postgres any free id; the contract says 999. CloudNativePG runs the server as user 26, who must have a name too.
	beforePackages = []string{
		`echo "postgres:x:999:" >>"$1/etc/group"`,
		`echo "postgres:x:999:999:PostgreSQL:/var/lib/postgresql:/bin/bash" >>"$1/etc/passwd"`,
		`echo "cnpg:x:26:" >>"$1/etc/group"`,
		`echo "cnpg:x:26:26:PostgreSQL:/var/lib/postgresql:/bin/bash" >>"$1/etc/passwd"`,
	}
	afterPackages = []string{
		`chroot "$1" localedef -i en_US -c -f UTF-8 en_US.UTF-8`,
		// The packages make a database, a key and logs, which must not be the same in every container.
		`rm -rf "$1"/var/lib/postgresql/* "$1"/etc/postgresql/* "$1"/etc/ssl/private/* "$1"/etc/ssl/certs/ssl-cert-snakeoil.pem "$1"/var/log/postgresql/*`,
		`rm -rf "$1"/usr/share/i18n "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/* "$1"/var/cache/debconf/*-old`,
		`sed -i "s/^#listen_addresses = 'localhost'/listen_addresses = '*'/" "$1"/usr/share/postgresql/` + version + `/postgresql.conf.sample`,
		`grep -q "^listen_addresses = '\*'" "$1"/usr/share/postgresql/` + version + `/postgresql.conf.sample`,
		`chroot "$1" install -d -o postgres -g postgres -m 1777 ` + data,
		`chroot "$1" install -d -o postgres -g postgres -m 3777 /run/postgresql`,
		`install -d "$1"/docker-entrypoint-initdb.d`,
	}
)

// config is what the image says about itself.
func config() v1.Config {
	return v1.Config{
		Entrypoint:   []string{"docker-entrypoint.sh"},
		Cmd:          []string{"postgres"},
		ExposedPorts: map[string]struct{}{"5432/tcp": {}},
		Volumes:      map[string]struct{}{data: {}},
		StopSignal:   "SIGINT", // a fast shutdown: it waits for no client
		Env: []string{
			"PATH=/usr/lib/postgresql/" + version + "/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
			"LANG=en_US.utf8", "PG_MAJOR=" + version, "PGDATA=" + data,
		},
	}
}

// Image is the image under this name. Its file system is made once and kept in the cache.
func Image(ctx context.Context, name, cache string, progress io.Writer) (image.Image, error) {
	full, err := image.FullName(name)
	if err != nil {
		return image.Image{}, err
	}
	img, err := image.Cached(filepath.Join(cache, "images", "postgres-"+key()), func(work string) (v1.Image, error) {
		fmt.Fprintf(progress, "making %s from Debian's packages\n", full)
		return build(ctx, full, work)
	})
	if err != nil {
		return image.Image{}, fmt.Errorf("making the image %s: %w", full, err)
	}
	return image.Image{Name: full, Image: img}, nil
}

func build(ctx context.Context, name, work string) (v1.Image, error) {
	script := filepath.Join(work, "docker-entrypoint.sh")
	if err := os.WriteFile(script, entrypoint, 0o755); err != nil {
		return nil, fmt.Errorf("writing the entrypoint: %w", err)
	}
	rootfs := filepath.Join(work, "rootfs.tar")
	cmd := exec.CommandContext(ctx, "mmdebstrap", arguments(script, rootfs)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("making its file system (mmdebstrap needs a Debian mirror): %w\n%s", err, out)
	}
	made, err := image.FromTar(name, rootfs, config())
	if err != nil {
		return nil, err
	}
	return made.Image, nil
}

func arguments(script, rootfs string) []string {
	args := []string{"--variant=essential", "--quiet", "--skip=cleanup/run", "--include=" + strings.Join(packages, ",")}
	for _, path := range dropped {
		args = append(args, "--dpkgopt=path-exclude="+path)
	}
	args = append(args, "--dpkgopt=path-include=/usr/share/locale/locale.alias")
	for _, hook := range beforePackages {
		args = append(args, "--essential-hook="+hook)
	}
	for _, hook := range afterPackages {
		args = append(args, "--customize-hook="+hook)
	}
	args = append(args, "--customize-hook=copy-in "+script+" /usr/local/bin")
	return append(args, suite, rootfs)
}

// key follows from everything that decides what the image holds, but for the packages' versions.
func key() string {
	return fmt.Sprintf("%x", sha256.Sum256(fmt.Appendf(nil, "%q %s %q", arguments("script", "rootfs"), entrypoint, config().Env)))[:12]
}
