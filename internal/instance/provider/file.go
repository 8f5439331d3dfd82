package provider

import (
	"context"
	"io"
)

// Media is a file that came with a message of a guest's.
type Media struct {
	Source string // what the provider calls it: an address or an id, at most media.MaxSource bytes
	Name   string // "" when it has none
}

// Fetcher is a Provider that hands out files of guests' messages.
type Fetcher interface {
	// Fetch opens a file by its Source. It fails with *MediaError for good; any other error may pass.
	Fetch(ctx context.Context, source string) (io.ReadCloser, error)
}

// MediaError says that a file will not come.
type MediaError struct{ Reason string } // a word of package media

func (e *MediaError) Error() string { return "the file will not come: " + e.Reason }

// File is one that goes with a message.
type File struct {
	ID        string
	Name      string // with the end that belongs to its type
	MediaType string
	Size      int64 // bytes
	Open      func(ctx context.Context) (io.ReadCloser, error)
	// Link gives an address at which the provider may fetch it for a short time.
	Link func() (string, error)
}

// Linker is a Provider that fetches files by their File.Link instead of taking their bytes.
type Linker interface{ FetchesLinks() }

// Template is one of a provider's, by which guests may be written to at any time.
type Template struct {
	Name       string   `json:"name"`
	Language   string   `json:"language"`
	Parameters []string `json:"parameters,omitempty"` // of its body, in their order
}
