package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/auditreport"
	"github.com/switchboard-operator/switchboard/internal/evidence"
	"github.com/switchboard-operator/switchboard/internal/plan"
	"github.com/switchboard-operator/switchboard/internal/transfer"
)

const auditReport = `Writes one file about a tenant and a period: policies in force and their changes, runs, deletions by category and month,
what was overdue, holds, requests and their clocks, restores, residency, transfers, certificates of erasure, and findings.
As HTML it needs nothing else, runs nothing and loads nothing: it is read in a browser and printed from there. As JSON it
says the same, in the form that docs/audit-report.md tells.

The evidence is verified first, as "audit verify" does it. Only receipts and statements that the operator's signatures vouch
for are counted; what does not verify is told as a finding, and counted nowhere. Holds, requests, residency and transfers
come from custom resources, which nothing signs: the report says so wherever it shows them. Nothing personal is in it.

The period is whole days in UTC, --to inclusive: --from 2026-10-01 --to 2026-10-31 is October. A run belongs to the day on
which it ended. Without both, it is the last full month.

A tenant that was erased is reported on by its ledger and certificate. With --ledger and --keys nothing is read from a
cluster: then holds, requests, residency and transfers are told as far as receipts do.

WEIGHT   Problem: evidence that can't be relied upon. Breach: what is relied upon says that something promised was not
         kept, as rows left after their time, a request that was late, a transfer without a mechanism. Note: nothing wrong.

Exit codes: 0 the report is written, and has neither problem nor breach; 1 it is written, and has; 2 wrong usage; 3 it
could not be made.`

const auditReportExamples = `  # The last full month, to read and to print
  kubectl switchboard audit report hotel-berlin --out hotel-berlin.html

  # A quarter, for a program, with the evidence itself beside it
  kubectl switchboard audit report hotel-berlin --from 2026-07-01 --to 2026-09-30 --out q3.json -o json --export q3-evidence

  # Elsewhere, from what --export wrote
  kubectl switchboard audit report hotel-berlin --ledger q3-evidence/ledger.jsonl --keys q3-evidence/keys.pem \
    --receipts q3-evidence/receipts.jsonl --from 2026-07-01 --to 2026-09-30 --out q3.html`

// auditReportOptions are the flags of audit report.
type auditReportOptions struct {
	auditOptions
	from, to, out, certificate, uid string
	force                           bool
	period                          auditreport.Period
	now                             time.Time
}

func auditReportCommand(c *connection) *cobra.Command {
	var o auditReportOptions
	cmd := &cobra.Command{
		Use: "report TENANT --out FILE", Short: "Write what is proven of a tenant in a period, as one page or as JSON",
		Long: auditReport, Example: auditReportExamples,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return &usageError{fmt.Errorf("name one tenant, there are %d names", len(args))}
			}
			return o.check()
		},
		RunE: func(cmd *cobra.Command, args []string) error { return runAuditReport(cmd, c, args[0], o) },
	}
	flags := cmd.Flags()
	flags.StringVar(&o.from, "from", "", "first `DAY`, in UTC, as 2026-10-01")
	flags.StringVar(&o.to, "to", "", "last `DAY`, inclusive")
	flags.StringVar(&o.out, "out", "", "write the report into `FILE`")
	flags.BoolVar(&o.force, "force", false, "write over FILE if it is there")
	flags.StringVarP(&o.output, "output", "o", "html", "`html` or json")
	flags.StringVar(&o.uid, "uid", "", "the Tenant of this `UID`, where the ledger has several of that name; the one in the cluster, else the newest, unless given")
	flags.StringVar(&o.receipts, "receipts", "", "read receipts from `FILE`, as instance verify --export writes them, or - for standard input")
	flags.StringVar(&o.ledger, "ledger", "", "read the ledger from `FILE`, as --export writes it")
	flags.StringVar(&o.keys, "keys", "", "read the public keys from `FILE` in PEM form")
	flags.StringVar(&o.certificate, "certificate", "", "take the certificate of erasure from `FILE`, as kubectl get -o yaml writes it")
	flags.StringVar(&o.anchor, "anchor", "", "newest receipt known to be countersigned, as `SEQUENCE:DIGEST`; from the Tenant's status unless given")
	flags.StringVar(&o.export, "export", "", "write receipts, ledger and keys into the folder `DIR`, which must not exist or be empty, before they are checked")
	return cmd
}

func (o *auditReportOptions) check() error {
	if o.output != "html" && o.output != "json" {
		return &usageError{fmt.Errorf("--output %q: write html or json", o.output)}
	}
	if o.out == "" {
		return &usageError{errors.New("say where the report goes: --out FILE")}
	}
	if o.anchor != "" {
		if _, err := evidence.ParseAnchor(o.anchor); err != nil {
			return &usageError{fmt.Errorf("--%w", err)}
		}
	}
	o.now = time.Now().UTC()
	var err error
	if o.period, err = auditreport.ParsePeriod(o.from, o.to, o.now); err != nil {
		return &usageError{err}
	}
	if _, err := os.Lstat(o.out); err == nil && !o.force {
		return &usageError{fmt.Errorf("file %s is there: name another, or give --force to write over it", o.out)}
	}
	return nil
}

func runAuditReport(cmd *cobra.Command, c *connection, tenant string, o auditReportOptions) error {
	s := auditreport.Sources{Version: version(), MadeAt: o.now, Period: o.period}
	var err error
	if s.Objects, s.Certificates, err = objectsOf(cmd.Context(), c, tenant, o); err != nil {
		return err
	}
	if s.Evidence, err = gather(cmd.Context(), c, tenant, o.auditOptions, cmd.InOrStdin()); err != nil {
		return err
	}
	s.Evidence.UID = o.uid
	if o.uid == "" && s.Objects != nil && s.Objects.Tenant != nil {
		s.Evidence.UID = string(s.Objects.Tenant.UID)
	}
	if o.anchor != "" {
		link, err := evidence.ParseAnchor(o.anchor)
		if err != nil {
			return &usageError{fmt.Errorf("--%w", err)}
		}
		s.Evidence.Status = &link
	}
	if o.export != "" {
		if err := export(o.export, &s.Evidence); err != nil {
			return err
		}
	}
	s.CheckAgain = checkAgain(tenant, s, o)
	report, err := auditreport.Build(cmd.Context(), s)
	if err != nil {
		return fmt.Errorf("checking the receipts: %w", err)
	}
	var b bytes.Buffer
	render := report.WriteHTML
	if o.output == "json" {
		render = report.WriteJSON
	}
	if err := render(&b); err != nil {
		return err
	}
	if err := writeReport(o.out, b.Bytes(), o.force); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return tellReport(cmd.OutOrStdout(), report, o)
}

// objectsOf reads what the cluster says of the tenant; nil when all that is needed comes from files.
func objectsOf(ctx context.Context, c *connection, tenant string, o auditReportOptions) (*auditreport.Objects, []v1alpha1.ErasureCertificate, error) {
	var certificates []v1alpha1.ErasureCertificate
	if o.certificate != "" {
		b, err := os.ReadFile(o.certificate)
		if err != nil {
			return nil, nil, fmt.Errorf("reading the certificate: %w", err)
		}
		var given v1alpha1.ErasureCertificate
		if err := yaml.UnmarshalStrict(b, &given); err != nil || given.Kind != "ErasureCertificate" {
			return nil, nil, fmt.Errorf("file %s is no ErasureCertificate: was it written by kubectl get erasurecertificate NAME -o yaml?", o.certificate)
		}
		certificates = append(certificates, given)
	}
	if o.ledger != "" && o.keys != "" {
		return nil, certificates, nil
	}
	reader, _, err := c.open()
	if err != nil {
		return nil, nil, err
	}
	objects, found, err := readObjects(ctx, reader, tenant)
	if o.certificate == "" {
		certificates = found
	}
	return objects, certificates, err
}

func readObjects(ctx context.Context, reader client.Reader, name string) (*auditreport.Objects, []v1alpha1.ErasureCertificate, error) {
	objects, tenant := &auditreport.Objects{}, &v1alpha1.Tenant{}
	err := reader.Get(ctx, client.ObjectKey{Name: name}, tenant)
	switch {
	case apierrors.IsNotFound(err):
		tenant.Name = name // its namespace may have been retained
	case err != nil:
		return nil, nil, fmt.Errorf("reading Tenant %s: %w", name, err)
	default:
		objects.Tenant = tenant
	}
	in := client.InNamespace(plan.Tenant{Tenant: tenant}.Namespace())
	var policies v1alpha1.RetentionPolicyList
	var holds v1alpha1.LegalHoldList
	var requests v1alpha1.DataSubjectRequestList
	var channels v1alpha1.ChannelList
	var certificates v1alpha1.ErasureCertificateList
	for _, l := range []struct {
		what  string
		into  client.ObjectList
		where []client.ListOption
	}{
		{"RetentionPolicies", &policies, []client.ListOption{in}}, {"LegalHolds", &holds, []client.ListOption{in}},
		{"DataSubjectRequests", &requests, []client.ListOption{in}}, {"Channels", &channels, []client.ListOption{in}}, {"ErasureCertificates", &certificates, nil},
	} {
		if err := reader.List(ctx, l.into, l.where...); err != nil {
			return nil, nil, fmt.Errorf("listing the %s: %w; ClusterRole switchboard-auditor lets you read them", l.what, err)
		}
	}
	objects.Policies, objects.Holds, objects.Requests = policies.Items, holds.Items, requests.Items
	if objects.Tenant != nil {
		region := &v1alpha1.Region{}
		if err := reader.Get(ctx, client.ObjectKey{Name: tenant.Spec.Region}, region); err == nil {
			objects.Transfers = &transfer.Report{}
			objects.Transfers.Add(tenant, region, channels.Items)
		} else if !apierrors.IsNotFound(err) {
			return nil, nil, fmt.Errorf("reading Region %s: %w", tenant.Spec.Region, err)
		}
	}
	return objects, slices.DeleteFunc(certificates.Items, func(c v1alpha1.ErasureCertificate) bool { return c.Spec.Tenant != name }), nil
}

// writeReport writes the file as a whole or not at all.
func writeReport(file string, content []byte, force bool) (err error) {
	if !force {
		return write(file, func(w io.Writer) error { _, err := w.Write(content); return err })
	}
	temporary, err := os.CreateTemp(filepath.Dir(file), ".report-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(temporary.Name()))
		}
	}()
	_, err = temporary.Write(content)
	if err = errors.Join(err, temporary.Close()); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), file)
}

func tellReport(out io.Writer, r auditreport.Report, o auditReportOptions) error {
	counted := map[string]int{}
	for _, f := range r.Findings {
		counted[f.Weight]++
	}
	fmt.Fprintf(out, "Wrote %s: tenant %s, %s to %s, %d runs, %d rows deleted; %d problems, %d breaches, %d notes.\n",
		o.out, r.Tenant.Name, r.Period.From, r.Period.To, len(r.Runs), r.Deletions.Total, counted[auditreport.WeightProblem], counted[auditreport.WeightBreach], counted[auditreport.WeightNote])
	if counted[auditreport.WeightProblem] > 0 {
		fmt.Fprintf(out, "The evidence is not whole: what does not verify is in the report as a finding, and counted nowhere. Look into it with kubectl switchboard audit verify %s.\n", r.Tenant.Name)
	}
	if r.Heaviest() != auditreport.WeightNote {
		return errFindings
	}
	return nil
}

// checkAgain are the commands by which a reader checks the report, from the cluster or from what --export wrote.
func checkAgain(tenant string, s auditreport.Sources, o auditReportOptions) []auditreport.Command {
	where := ""
	if o.export != "" {
		where = fmt.Sprintf(" --ledger %s/%s --keys %s/%s", o.export, fileLedger, o.export, fileKeys)
		if s.Evidence.Receipts != nil {
			where += fmt.Sprintf(" --receipts %s/%s", o.export, fileReceipts)
		}
	}
	commands := []auditreport.Command{
		{Does: "Verify chain, signatures and policies", Run: "kubectl switchboard audit verify " + tenant + where},
		{Does: "Make the report again", Run: fmt.Sprintf("kubectl switchboard audit report %s%s --from %s --to %s -o %s --out again.%s",
			tenant, where, o.period.From.Format(time.DateOnly), o.period.To.Format(time.DateOnly), o.output, o.output)},
	}
	for _, c := range s.Certificates {
		commands = append(commands, auditreport.Command{Does: "Check the certificate of erasure", Run: "kubectl switchboard audit certificate " + c.Name})
	}
	return commands
}

// version is that of the module, or the commit that the program was built from.
func version() string {
	build, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := strings.TrimSpace(build.Main.Version); v != "" && v != "(devel)" {
		return v
	}
	for _, s := range build.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return "unknown"
}
