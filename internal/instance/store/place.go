package store

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

// place is where the database is, of one that is not the operator's own: it stands beside the login, so that another one
// counts for the next connection. What is empty is as the Config says.
type place struct {
	host     string
	port     uint16
	database string
}

func readPlace(dir string) (place, error) {
	var p place
	for file, into := range map[string]*string{contract.FileHost: &p.host, contract.FileDatabase: &p.database} {
		word, err := readWord(dir, file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return p, err
		}
		*into = word
	}
	word, err := readWord(dir, contract.FilePort)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return p, err
	}
	port, err := strconv.ParseUint(word, 10, 16)
	if err != nil || port == 0 {
		return p, fmt.Errorf("reading where the database is: %s is no port", filepath.Join(dir, contract.FilePort))
	}
	p.port = uint16(port)
	return p, nil
}
