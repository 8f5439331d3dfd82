package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/audit"
	"github.com/switchboard-operator/switchboard/internal/evidence"
	"github.com/switchboard-operator/switchboard/internal/evidence/statement"
	"github.com/switchboard-operator/switchboard/internal/name"
	"github.com/switchboard-operator/switchboard/internal/plan"
	"github.com/switchboard-operator/switchboard/internal/signing"
)

const auditCertificate = `Checks the certificate that a tenant with deletionPolicy Erase left behind: that the operator signed it, and that it shows
what was signed. It tells what there was of the tenant, what went, and what the operator could not know.

With --file and --keys nothing is read from a cluster. The public keys are in the ConfigMap switchboard-signing-keys of
the operator's namespace.

What can be found: the certificate shows something else than was signed (CertificateEdited), its envelope was changed
(BadSignature), or it is signed by a key that is not known (UnknownKey). Lines that begin with "note" tell of nothing wrong.

Exit codes: 0 the certificate is genuine, 1 something was found, 2 wrong usage, 3 it could not be checked.`

const certificateExamples = `  # Which tenants were erased
  kubectl get erasurecertificates

  # Check one of them
  kubectl switchboard audit certificate hotel-berlin-3f9b1c64

  # Elsewhere
  kubectl get erasurecertificate hotel-berlin-3f9b1c64 -o yaml > certificate.yaml
  kubectl switchboard audit certificate --file certificate.yaml --keys keys.pem`

// certificateOptions are the flags of audit certificate.
type certificateOptions struct{ file, keys, output string }

// checkedCertificate is the outcome for programs.
type checkedCertificate struct {
	Certificate string             `json:"certificate"`
	OK          bool               `json:"ok"`
	Key         string             `json:"key,omitempty"` // that signed it
	Shown       statement.Erasure  `json:"shown"`
	Findings    []evidence.Finding `json:"findings"`
}

func auditCertificateCommand(c *connection) *cobra.Command {
	var o certificateOptions
	cmd := &cobra.Command{
		Use: "certificate [NAME]", Short: "Check the certificate of a tenant that was erased, in the cluster or offline",
		Long: auditCertificate, Example: certificateExamples,
		Args: func(_ *cobra.Command, args []string) error {
			if (o.file == "") != (len(args) == 1) || len(args) > 1 {
				return &usageError{errors.New("name one certificate, or give --file")}
			}
			if o.output != "text" && o.output != "json" {
				return &usageError{fmt.Errorf("--output %q: write text or json", o.output)}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return runAuditCertificate(cmd, c, strings.Join(args, ""), o)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.file, "file", "", "read the certificate from `FILE`, as kubectl get -o yaml or -o json writes it")
	flags.StringVar(&o.keys, "keys", "", "read the public keys from `FILE` in PEM form")
	flags.StringVarP(&o.output, "output", "o", "text", "`text` or json")
	return cmd
}

func runAuditCertificate(cmd *cobra.Command, c *connection, certificate string, o certificateOptions) error {
	object, keys, err := readCertificate(cmd.Context(), c, certificate, o)
	if err != nil {
		return err
	}
	checked := checkedCertificate{Certificate: object.Name, Shown: plan.ErasureOf(object.Spec), Findings: []evidence.Finding{}}
	key, found := audit.Certificate(cmd.Context(), checked.Shown, []byte(object.Spec.Envelope), keys)
	checked.Key, checked.Findings = key, append(checked.Findings, found...)
	checked.OK = !slices.ContainsFunc(found, func(f evidence.Finding) bool { return f.Problem })
	if err := printCertificate(cmd.OutOrStdout(), checked, o); err != nil {
		return fmt.Errorf("printing the certificate: %w", err)
	}
	if !checked.OK {
		return errFindings
	}
	return nil
}

// readCertificate reads the certificate and the keys, each from its file or from the cluster.
func readCertificate(ctx context.Context, c *connection, certificate string, o certificateOptions) (*v1alpha1.ErasureCertificate, statement.Keys, error) {
	object := &v1alpha1.ErasureCertificate{}
	if o.file != "" {
		b, err := os.ReadFile(o.file)
		if err != nil {
			return nil, nil, fmt.Errorf("reading the certificate: %w", err)
		}
		if err := yaml.UnmarshalStrict(b, object); err != nil || object.Kind != "ErasureCertificate" {
			return nil, nil, fmt.Errorf("file %s is no ErasureCertificate: was it written by kubectl get erasurecertificate NAME -o yaml?", o.file)
		}
	}
	if o.file != "" && o.keys != "" {
		keys, err := keysOf(o.keys)
		return object, keys, err
	}
	reader, _, err := c.open()
	if err != nil {
		return nil, nil, err
	}
	if o.file == "" {
		err := reader.Get(ctx, client.ObjectKey{Name: certificate}, object)
		if apierrors.IsNotFound(err) {
			return nil, nil, fmt.Errorf("there is no ErasureCertificate %s: see kubectl get erasurecertificates", certificate)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("reading ErasureCertificate %s: %w", certificate, err)
		}
	}
	if o.keys != "" {
		keys, err := keysOf(o.keys)
		return object, keys, err
	}
	published := &corev1.ConfigMap{}
	if err := reader.Get(ctx, client.ObjectKey{Namespace: c.operatorNamespace, Name: name.SigningKeys}, published); err != nil {
		return nil, nil, fmt.Errorf("reading the public keys: %w", err)
	}
	keys, err := signing.PublicKeys(published)
	return object, keys, err
}

// keysOf reads a file of public keys.
func keysOf(file string) (statement.Keys, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the public keys: %w", err)
	}
	keys, err := statement.ParseKeys(b)
	if err != nil {
		return nil, fmt.Errorf("file %s: %w", file, err)
	}
	return keys, nil
}

func printCertificate(out io.Writer, c checkedCertificate, o certificateOptions) error {
	if o.output == "json" {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return e.Encode(c)
	}
	w := bufio.NewWriter(out)
	fmt.Fprintf(w, "tenant     %s (%s), region %s\n", c.Shown.Tenant, c.Shown.TenantUID, c.Shown.Region)
	fmt.Fprintf(w, "erased     %s, asked for %s\n", c.Shown.FinishedAt.Format(time.RFC3339), c.Shown.RequestedAt.Format(time.RFC3339))
	fmt.Fprintf(w, "counted    %s\n", audit.Sum(c.Shown))
	for _, n := range c.Shown.Counts {
		fmt.Fprintf(w, "           %-16s %d\n", n.Category, n.Rows)
	}
	for i, what := range c.Shown.Destroyed {
		title := ""
		if i == 0 {
			title = "destroyed"
		}
		fmt.Fprintf(w, "%-10s %s\n", title, what)
	}
	if m := c.Shown.Moved; m != nil {
		under := ""
		if m.TransferMechanism != "" {
			under = ", under " + m.TransferMechanism
		}
		fmt.Fprintf(w, "moved      to region %s%s, by plan %s\n", m.To, under, m.Plan)
		fmt.Fprintf(w, "           the same there: %d rows in %d tables, sha256 %s\n", m.Rows, m.Tables, m.Digest)
	}
	if x := c.Shown.Export; x != nil {
		fmt.Fprintf(w, "exported   %s in bucket %s of %s, as of %s\n", x.Object, x.Bucket, x.Endpoint, x.SnapshotAt.Format(time.RFC3339))
		fmt.Fprintf(w, "           %d bytes, sha256 %s, to %s\n", x.Bytes, x.SHA256, x.Recipient)
	}
	if c.Shown.Head != nil {
		fmt.Fprintf(w, "receipts   up to %d:%s, in the ledger\n", c.Shown.Head.Sequence, c.Shown.Head.Digest)
	}
	if c.Key != "" {
		fmt.Fprintf(w, "key        %s\n", c.Key)
	}
	printFindings(w, c.Findings)
	if c.OK {
		fmt.Fprintln(w, "The certificate is genuine.")
	} else {
		fmt.Fprintln(w, "The certificate can't be relied upon.")
	}
	return w.Flush()
}
