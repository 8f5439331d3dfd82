package evidence

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

// maxLine bounds a line of an exported file: every byte of a body escaped, and the rest.
const maxLine = 6*MaxBody + 1024

// WriteLine appends a receipt to an export: one JSON object per line.
func WriteLine(w io.Writer, s Sealed) error {
	if err := json.NewEncoder(w).Encode(s); err != nil {
		return fmt.Errorf("exporting receipt %d: %w", s.Sequence, err)
	}
	return nil
}

// ReadLines hands the receipts of an export to add, in their order. It fails at
// the first line that is none, naming it, and with an error of add.
func ReadLines(r io.Reader, add func(Sealed) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 4096), maxLine)
	n := 1
	for ; lines.Scan(); n++ {
		var s Sealed
		d := json.NewDecoder(strings.NewReader(lines.Text()))
		d.DisallowUnknownFields()
		if err := d.Decode(&s); err != nil {
			return fmt.Errorf("reading line %d: it is no exported receipt; was the file written by `instance verify --export`?", n)
		}
		if _, err := d.Token(); !errors.Is(err, io.EOF) {
			return fmt.Errorf("reading line %d: something follows the receipt; write one receipt a line", n)
		}
		if err := add(s); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("reading line %d: %w", n, err)
	}
	return nil
}

// ParseAnchor reads an anchor as it is written on the command line: SEQUENCE:DIGEST.
func ParseAnchor(s string) (contract.ChainLink, error) {
	number, digest, _ := strings.Cut(s, ":")
	sequence, err := strconv.ParseInt(number, 10, 64)
	if err != nil || sequence < 1 {
		return contract.ChainLink{}, fmt.Errorf("anchor %q: write SEQUENCE:DIGEST, as the status of the RetentionPolicy shows them", s)
	}
	if _, err := Digest(digest, nil); err != nil {
		return contract.ChainLink{}, fmt.Errorf("anchor %q: the digest has 64 lower-case hexadecimal digits", s)
	}
	return contract.ChainLink{Sequence: sequence, Digest: digest}, nil
}
