package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
)

const auditAccess = `Tells who among a tenant's staff looked at what, newest first, from the tenant's access log: which guest's thread, when,
and what was answered. The log is under retention like everything else, and that it was asked is written into it.

A guest is named by --person: a file, or - for standard input, with an address in each line after its kind (phone,
whatsapp, messenger, telegram, webchat, email). So no address stands on a command line. It is compared as a keyed hash, inside of
the tenant; what was erased with the guest is not there any more.

It runs "instance access" in a pod of Deployment serve, for which you need the right to create pods/exec in the tenant's
namespace.

Exit codes: 0 it was told, 2 wrong usage, 3 it could not be asked.`

const accessExamples = `  # Who looked at a guest's threads in November
  echo "phone +4915112345678" | kubectl switchboard audit access hotel-berlin --person - --since 2026-11-01T00:00:00Z

  # What one account looked at
  kubectl switchboard audit access hotel-berlin --staff 0198c1f2-5a6b-7c8d-9e0f-112233445566 -o json`

// accessOptions are the flags of audit access.
type accessOptions struct {
	person, object, staff, since, until, output string
	limit                                       int
}

func auditAccessCommand(c *connection) *cobra.Command {
	var o accessOptions
	cmd := &cobra.Command{
		Use: "access TENANT", Short: "Tell who among the staff looked at what",
		Long: auditAccess, Example: accessExamples,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return &usageError{fmt.Errorf("name one tenant, there are %d names", len(args))}
			}
			return o.check()
		},
		RunE: func(cmd *cobra.Command, args []string) error { return runAuditAccess(cmd, c, args[0], o) },
	}
	flags := cmd.Flags()
	flags.StringVar(&o.person, "person", "", "about the guest whose addresses are in `FILE`, or - for standard input")
	flags.StringVar(&o.object, "object", "", "about the contact or conversation of this `ID`")
	flags.StringVar(&o.staff, "staff", "", "by the account of this `ID`")
	flags.StringVar(&o.since, "since", "", "at or after this `TIME`, as 2026-11-01T00:00:00Z")
	flags.StringVar(&o.until, "until", "", "before this `TIME`")
	flags.IntVar(&o.limit, "limit", 1000, "at most so many `ENTRIES`")
	flags.StringVarP(&o.output, "output", "o", "text", "`text` or json")
	return cmd
}

func (o accessOptions) check() error {
	if o.output != "text" && o.output != "json" {
		return &usageError{fmt.Errorf("--output %q: write text or json", o.output)}
	}
	for flag, value := range map[string]string{"since": o.since, "until": o.until} {
		if _, err := time.Parse(time.RFC3339, value); value != "" && err != nil {
			return &usageError{fmt.Errorf("--%s %q: write a time as 2026-11-01T00:00:00Z", flag, value)}
		}
	}
	return nil
}

// command is what runs in the pod.
func (o accessOptions) command() []string {
	command := []string{"/instance", "access", "--limit", strconv.Itoa(o.limit)}
	if o.person != "" {
		command = append(command, "--person")
	}
	for _, flag := range [][2]string{{"object", o.object}, {"staff", o.staff}, {"since", o.since}, {"until", o.until}} {
		if flag[1] != "" {
			command = append(command, "--"+flag[0], flag[1])
		}
	}
	return command
}

func runAuditAccess(cmd *cobra.Command, c *connection, tenant string, o accessOptions) error {
	var about io.Reader
	switch o.person {
	case "":
	case "-":
		about = cmd.InOrStdin()
	default:
		b, err := os.ReadFile(o.person)
		if err != nil {
			return fmt.Errorf("reading the guest's addresses: %w", err)
		}
		about = bytes.NewReader(b)
	}
	reader, config, err := c.open()
	if err != nil {
		return err
	}
	t := &v1alpha1.Tenant{}
	if err := reader.Get(cmd.Context(), client.ObjectKey{Name: tenant}, t); err != nil {
		return fmt.Errorf("reading Tenant %s: %w", tenant, err)
	}
	entries, err := accessFromPod(cmd.Context(), reader, config, t, o.command(), about)
	if err != nil {
		return err
	}
	if err := printAccess(cmd.OutOrStdout(), entries, o); err != nil {
		return fmt.Errorf("printing the entries: %w", err)
	}
	return nil
}

// maxLine bounds an entry as the pod writes it, in bytes.
const maxLine = 16 << 10

// accessFromPod runs the command in a pod that serves the tenant.
func accessFromPod(
	ctx context.Context, reader client.Reader, config *rest.Config, tenant *v1alpha1.Tenant, command []string, about io.Reader,
) ([]contract.Access, error) {
	pod, err := servingPod(ctx, reader, tenant)
	if err != nil {
		return nil, err
	}
	var out, errs bytes.Buffer
	if err := run(ctx, config, pod, contract.ComponentServe, command, remotecommand.StreamOptions{Stdin: about, Stdout: &out, Stderr: &errs}); err != nil {
		return nil, fmt.Errorf("running instance access in pod %s: %w: %s", pod, err, lastLine(errs.String()))
	}
	entries := []contract.Access{}
	lines := bufio.NewScanner(&out)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		var a contract.Access
		if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
			return nil, errors.New("the pod wrote something else than entries: is its image as new as this program?")
		}
		entries = append(entries, a)
	}
	return entries, lines.Err()
}

func printAccess(out io.Writer, entries []contract.Access, o accessOptions) error {
	if o.output == "json" {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return e.Encode(entries)
	}
	if len(entries) == 0 {
		_, err := fmt.Fprintln(out, "The access log has no such entry; what has expired, or was erased with a guest, is not in it.")
		return err
	}
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "TIME\tSTAFF\tDID\tOBJECT\tANSWER")
	for _, a := range entries {
		who := cmp.Or(a.Staff, "-")
		if a.Email != nil {
			who = *a.Email
		}
		fmt.Fprintf(w, "%s\t%s\t%s %s\t%s\t%d\n", a.At.Format(time.RFC3339), who, a.Method, a.Route, cmp.Or(a.Object, "-"), a.Status)
	}
	if len(entries) == o.limit {
		fmt.Fprintf(w, "There may be more: these are the newest %d; give --until or --limit.\n", o.limit)
	}
	return w.Flush()
}
