package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/switchboard-operator/switchboard/internal/audit"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/evidence"
)

func auditCommand(c *connection) *cobra.Command {
	cmd := &cobra.Command{
		Use: "audit", Short: "Check the evidence of what was deleted, and ask who looked at what",
		Args: noCommand, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(auditVerifyCommand(c), auditReportCommand(c), auditCertificateCommand(c), auditAccessCommand(c))
	return cmd
}

const auditVerify = `Checks that a tenant's receipts are those that its retention runs and requests left, none more and none less.

Three things are held against each other:
  receipts  of every run and request, chained in the tenant's own database
  ledger    statements about the newest receipts, signed by the operator, in ConfigMaps ledger-TENANT-YEAR of its
            namespace, which the tenant's database and namespace can't reach
  keys      the public keys of the operator, in the ConfigMap switchboard-signing-keys

Each is read from the cluster, unless a file of it is given. With --ledger and --keys nothing is read from a cluster:
so whoever doesn't trust it can check elsewhere what --export wrote. Keep the IDs of the keys where nobody who can write
to the cluster can change them, and compare them with those that are printed.

What can be found, each by a name of its own: the oldest receipts are gone (StartTruncated), the newest are gone
(HeadTruncated), one was edited (Edited, Replaced), some are missing in the middle (Missing, SequenceGap), the rules
were swapped (SwappedPolicy), the chain was sealed anew by someone with the database (Resealed), a statement is signed
by a key that is not known (UnknownKey) or was changed (BadSignature), statements are missing from the ledger
(LedgerGap, LedgerTruncated), and a few more. Lines that begin with "note" tell of nothing wrong.

Reading receipts from the cluster runs "instance verify --export" in a pod of Deployment serve, for which you need the
right to create pods/exec in the tenant's namespace. By hand:
  kubectl -n tenant-hotel-berlin exec deploy/serve -- /instance verify --export > receipts.jsonl

Exit codes: 0 the evidence is whole, 1 something was found, 2 wrong usage, 3 it could not be checked.`

const auditExamples = `  # Check a tenant in the cluster
  kubectl switchboard audit verify hotel-berlin

  # Take all that is needed along, and check it on another machine
  kubectl switchboard audit verify hotel-berlin --export evidence
  kubectl switchboard audit verify hotel-berlin --ledger evidence/ledger.jsonl --keys evidence/keys.pem \
    --receipts evidence/receipts.jsonl

  # For a program
  kubectl switchboard audit verify hotel-berlin -o json | jq -r '.findings[] | select(.problem) | .code'`

// auditOptions are the flags of audit verify.
type auditOptions struct {
	receipts, ledger, keys, anchor, export, output string
}

func auditVerifyCommand(c *connection) *cobra.Command {
	var o auditOptions
	cmd := &cobra.Command{
		Use:     "verify TENANT",
		Short:   "Check receipts, ledger and signatures of a tenant, in the cluster or offline",
		Long:    auditVerify,
		Example: auditExamples,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return &usageError{fmt.Errorf("name one tenant, there are %d names", len(args))}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return runAuditVerify(cmd, c, args[0], o)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.receipts, "receipts", "", "read receipts from `FILE`, as instance verify --export writes them, or - for standard input")
	flags.StringVar(&o.ledger, "ledger", "", "read the ledger from `FILE`, as --export writes it")
	flags.StringVar(&o.keys, "keys", "", "read the public keys from `FILE` in PEM form")
	flags.StringVar(&o.anchor, "anchor", "", "newest receipt known to be countersigned, as `SEQUENCE:DIGEST`; from the Tenant's status unless given")
	flags.StringVar(&o.export, "export", "", "write receipts, ledger and keys into the folder `DIR`, which must not exist or be empty, before they are checked")
	flags.StringVarP(&o.output, "output", "o", "text", "`text` or json")
	return cmd
}

func runAuditVerify(cmd *cobra.Command, c *connection, tenant string, o auditOptions) error {
	if o.output != "text" && o.output != "json" {
		return &usageError{fmt.Errorf("--output %q: write text or json", o.output)}
	}
	var anchor *contract.ChainLink
	if o.anchor != "" {
		link, err := evidence.ParseAnchor(o.anchor)
		if err != nil {
			return &usageError{fmt.Errorf("--%w", err)}
		}
		anchor = &link
	}
	found, err := gather(cmd.Context(), c, tenant, o, cmd.InOrStdin())
	if err != nil {
		return err
	}
	if anchor != nil {
		found.Status = anchor
	}
	if o.export != "" {
		if err := export(o.export, &found); err != nil {
			return err
		}
	}
	report, err := audit.Verify(cmd.Context(), found)
	if err != nil {
		return fmt.Errorf("checking the receipts: %w", err)
	}
	if err := printReport(cmd.OutOrStdout(), report, o); err != nil {
		return fmt.Errorf("printing the report: %w", err)
	}
	if !report.OK {
		return errFindings
	}
	return nil
}
