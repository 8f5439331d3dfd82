package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

// requests are the operator's, by verb and resource: "patch tenants/status".
type requests map[string]int

// auditMark is a place in the API server's audit log.
func (p *plane) auditMark() (int64, error) {
	info, err := os.Stat(p.auditLog())
	if err != nil {
		return 0, fmt.Errorf("looking at the audit log: %w", err)
	}
	return info.Size(), nil
}

// requestsSince counts what the operator has asked for since a mark.
func (p *plane) requestsSince(mark int64) (requests, error) {
	file, err := os.Open(p.auditLog())
	if err != nil {
		return nil, fmt.Errorf("reading the audit log: %w", err)
	}
	defer func() { _ = file.Close() }()
	if _, err := file.Seek(mark, io.SeekStart); err != nil {
		return nil, fmt.Errorf("reading the audit log: %w", err)
	}
	counted := requests{}
	lines := bufio.NewReaderSize(file, 1<<20)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return counted, nil // the last one may be half written
		}
		var entry struct {
			Verb      string
			ObjectRef struct{ Resource, Subresource, Namespace, Name string }
		}
		if json.Unmarshal(line, &entry) != nil {
			continue
		}
		key := entry.Verb + " " + entry.ObjectRef.Resource
		if entry.ObjectRef.Subresource != "" {
			key += "/" + entry.ObjectRef.Subresource
		}
		counted[key]++
	}
}

// writes counts those that change something, but for events.
func (r requests) writes() (n int) {
	for key, count := range r {
		verb, resource, _ := strings.Cut(key, " ")
		if verb != "get" && verb != "list" && verb != "watch" && resource != "events" && !strings.Contains(resource, "subjectaccessreviews") {
			n += count
		}
	}
	return n
}

func (r requests) all() (n int) {
	for _, count := range r {
		n += count
	}
	return n
}

// String lists the most frequent.
func (r requests) String() string {
	keys := slices.SortedFunc(maps.Keys(r), func(a, b string) int { return r[b] - r[a] })
	var all []string
	for _, key := range keys[:min(len(keys), 25)] {
		all = append(all, fmt.Sprintf("%s %d", key, r[key]))
	}
	return fmt.Sprintf("%d requests: %s", r.all(), strings.Join(all, ", "))
}
