package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"
	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

const exportAbout = `Takes a tenant out as a file that only the recipient can read: all that has not expired, as of one instant, and what a
LegalHold keeps; with its receipts, suppressions, consent, holds, keys of hashes, and what the platform asked for, as
resources.yaml. Passwords of staff are not in it. docs/export.md has its form.

The file is written to standard output as it comes; it is encrypted in the tenant's pod, and nowhere on a disk before.
Nothing changes: the tenant is served on, so that messages come in after that instant. Progress, and the file's SHA-256,
go to standard error. A file of a command that failed is not whole: remove it.

You need the rights to read the tenant's objects and Jobs, and to create, get and delete pods, and to create pods/exec, in its
namespace. Whoever has these has the tenant's data.

Exit codes: 0 the file is whole, 2 wrong usage, 3 it is not.`

const exportExamples = `  age-keygen -o key.txt                     # prints the recipient, age1…
  kubectl switchboard export hotel-berlin --to age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kudzmv8s9skgpha > hotel-berlin.tar.gz.age`

func exportCommand(c *connection) *cobra.Command {
	var to string
	cmd := &cobra.Command{
		Use: "export TENANT --to RECIPIENT", Short: "Take a tenant out as an encrypted file",
		Long: exportAbout, Example: exportExamples,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return &usageError{fmt.Errorf("name one tenant, there are %d names", len(args))}
			}
			if recipients, err := age.ParseRecipients(strings.NewReader(to)); err != nil || len(recipients) != 1 {
				return &usageError{errors.New("--to: write an age public key, as age-keygen prints it (age1…)")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return runExport(cmd, c, args[0], to) },
	}
	cmd.Flags().StringVar(&to, "to", "", "the age public key that the file is encrypted to (`age1…`)")
	return cmd
}

func runExport(cmd *cobra.Command, c *connection, tenant, to string) error {
	reader, config, err := c.open()
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	t := &v1alpha1.Tenant{}
	if err := reader.Get(ctx, client.ObjectKey{Name: tenant}, t); err != nil {
		return fmt.Errorf("reading Tenant %s: %w", tenant, err)
	}
	resources, err := resourcesOf(ctx, reader, t)
	if err != nil {
		return err
	}
	return withPod(ctx, reader, t, contract.ComponentExport, cmd.ErrOrStderr(), func(pod client.ObjectKey) error {
		return exportFromPod(ctx, config, pod, to, resources, cmd.OutOrStdout(), cmd.ErrOrStderr())
	})
}

func resourcesOf(ctx context.Context, reader client.Reader, t *v1alpha1.Tenant) ([]byte, error) {
	namespace := client.InNamespace(plan.Tenant{Tenant: t}.Namespace())
	var channels v1alpha1.ChannelList
	var policies v1alpha1.RetentionPolicyList
	var holds v1alpha1.LegalHoldList
	if err := errors.Join(reader.List(ctx, &channels, namespace), reader.List(ctx, &policies, namespace), reader.List(ctx, &holds, namespace)); err != nil {
		return nil, fmt.Errorf("reading what the platform asked for: %w", err)
	}
	return plan.ResourcesOf(t, channels.Items, policies.Items, holds.Items)
}

// exportFromPod runs the export, and holds what came against what the pod says that it wrote.
func exportFromPod(ctx context.Context, config *rest.Config, pod client.ObjectKey, to string, resources []byte, out, errs io.Writer) error {
	sum, size := sha256.New(), &counted{}
	progress := &progress{to: errs}
	err := run(ctx, config, pod, contract.ComponentExport, []string{"/instance", "export", "--to", to}, remotecommand.StreamOptions{
		Stdin: bytes.NewReader(resources), Stdout: io.MultiWriter(out, sum, size), Stderr: progress,
	})
	if err != nil {
		return fmt.Errorf("running instance export in pod %s: %w: %s; what was written is not whole", pod, err, progress.last)
	}
	digest := hex.EncodeToString(sum.Sum(nil))
	if told := progress.result; told == nil || told.SHA256 != digest || told.Bytes != size.n {
		return errors.New("what came is not what the pod wrote: the connection broke, or its image is of another release; export again")
	}
	fmt.Fprintf(errs, "as of    %s, receipts up to %d\nbytes    %d\nsha256   %s\n",
		progress.result.SnapshotAt.Format("2006-01-02T15:04:05Z07:00"), progress.result.Head.Sequence, size.n, digest)
	return nil
}

type counted struct{ n int64 }

func (c *counted) Write(b []byte) (int, error) { c.n += int64(len(b)); return len(b), nil }

// progress shows what a pod logs, and keeps its outcome.
type progress struct {
	to      io.Writer
	pending []byte
	last    string // that was no entry of a log: why it failed
	result  *contract.ExportResult
}

// maxLogLine bounds what is kept of a line that does not end, in bytes.
const maxLogLine = 64 << 10

func (p *progress) Write(b []byte) (int, error) {
	p.pending = append(p.pending, b...)
	for {
		i := bytes.IndexByte(p.pending, '\n')
		if i < 0 {
			break
		}
		p.line(p.pending[:i])
		p.pending = p.pending[i+1:]
	}
	if len(p.pending) > maxLogLine {
		p.pending = nil
	}
	return len(b), nil
}

func (p *progress) line(line []byte) {
	var entry struct {
		Message string                 `json:"msg"`
		Table   string                 `json:"table"`
		Rows    int64                  `json:"rows"`
		Result  *contract.ExportResult `json:"result"`
	}
	switch err := json.Unmarshal(line, &entry); {
	case err != nil:
		if text := strings.TrimSpace(string(line)); text != "" {
			p.last = text
		}
	case entry.Result != nil:
		p.result = entry.Result
	case entry.Table != "":
		fmt.Fprintf(p.to, "%-9s %s: %d rows\n", entry.Message, entry.Table, entry.Rows)
	}
}

// lines reads what is left of a text, for those who read line by line.
func lines(text string) *bufio.Scanner { return bufio.NewScanner(strings.NewReader(text)) }
