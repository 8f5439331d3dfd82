// Package mounts finds and removes the mounts below a folder.
package mounts

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// Below lists the mount points at or below a folder, the deepest last.
func Below(folder string) ([]string, error) {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("reading the table of mounts: %w", err)
	}
	return parse(string(table), folder), nil
}

// Remove detaches every mount at or below a folder, the newest first.
func Remove(folder string) error {
	points, err := Below(folder)
	if err != nil {
		return err
	}
	for i := len(points) - 1; i >= 0; i-- {
		err := syscall.Unmount(points[i], syscall.MNT_DETACH|0x8 /* UMOUNT_NOFOLLOW */)
		if err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOENT) { // gone with its parent
			return fmt.Errorf("unmounting %s: %w", points[i], err)
		}
	}
	return nil
}

// parse reads mountinfo, whose fifth field is the mount point with blanks written as octal numbers.
func parse(mountinfo, folder string) []string {
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	var points []string
	for line := range strings.Lines(mountinfo) {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		point := unescape.Replace(fields[4])
		if point == folder || strings.HasPrefix(point, folder+"/") {
			points = append(points, point)
		}
	}
	return points
}
