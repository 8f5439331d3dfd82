package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/plan"
	"github.com/switchboard-operator/switchboard/internal/transfer"
)

func reportCommand(c *connection) *cobra.Command {
	cmd := &cobra.Command{
		Use: "report", Short: "Report on tenants, for the record",
		Args: noCommand, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(reportTransfersCommand(c), reportUsageCommand(c))
	return cmd
}

const reportTransfers = `Lists every flow by which data of a tenant, or of all tenants, leaves the jurisdiction of its region: who receives it,
where, what for, under which transfer mechanism, and since when.

It reads custom resources and nothing else: the Regions' registers, the Channels, and what the operator saw of them in
the Tenants' status. States of the European Economic Area count as one place, and so do the parts of one country.

STATE  Open: data may go there. Stopped: a Channel asks for it and the operator has stopped its connector. Ended: it was
       asked for once; status remembers the newest 16 of each tenant.
FINDING
  NoMechanism    the place is outside of the jurisdiction, and the register names no mechanism under which data may go
                 there. While the operator looks after the tenant, such a flow is stopped.
  PlaceNotKnown  nobody has said under which law the place is: the sub-processor is not in the register any more, or the
                 store of an export is not the register's.

It can't know of files that people took out by "kubectl switchboard export", of what staff read by the API from elsewhere,
nor of what a sub-processor does with data beyond the place that the register says.

Exit codes: 0 every flow has a mechanism, or there is none; 1 a flow that has not ended has a finding; 2 wrong usage;
3 it could not be read.`

const reportExamples = `  # Of all tenants
  kubectl switchboard report transfers

  # Of one, for the record
  kubectl switchboard report transfers hotel-berlin -o yaml > transfers.yaml

  # Flows that somebody must see to
  kubectl switchboard report transfers -o json | jq '.flows[] | select(.finding and .state != "Ended")'`

func reportTransfersCommand(c *connection) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "transfers [TENANT]", Short: "List what leaves the jurisdiction of its region",
		Long: reportTransfers, Example: reportExamples,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return &usageError{fmt.Errorf("name one tenant or none, there are %d names", len(args))}
			}
			if output != "table" && output != "json" && output != "yaml" {
				return &usageError{fmt.Errorf("--output %q: write table, json or yaml", output)}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			report, err := transfers(cmd, c, args)
			if err != nil {
				return err
			}
			if err := printTransfers(cmd.OutOrStdout(), report, output); err != nil {
				return fmt.Errorf("printing the report: %w", err)
			}
			if report.Findings() > 0 {
				return errFindings
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "table", "`table`, json or yaml")
	return cmd
}

func transfers(cmd *cobra.Command, c *connection, args []string) (transfer.Report, error) {
	report := transfer.Report{AsOf: time.Now().UTC().Truncate(time.Second), Tenants: []string{}, Flows: []transfer.Flow{}, Notes: []string{}}
	ctx := cmd.Context()
	reader, _, err := c.open()
	if err != nil {
		return report, err
	}
	var tenants v1alpha1.TenantList
	if len(args) == 1 {
		tenants.Items = make([]v1alpha1.Tenant, 1)
		if err := reader.Get(ctx, client.ObjectKey{Name: args[0]}, &tenants.Items[0]); err != nil {
			return report, fmt.Errorf("reading Tenant %s: %w", args[0], err)
		}
	} else if err := reader.List(ctx, &tenants); err != nil {
		return report, fmt.Errorf("listing the Tenants: %w", err)
	}
	slices.SortFunc(tenants.Items, func(a, b v1alpha1.Tenant) int { return cmp.Compare(a.Name, b.Name) })
	regions := map[string]*v1alpha1.Region{}
	for i := range tenants.Items {
		t := &tenants.Items[i]
		region := regions[t.Spec.Region]
		if region == nil {
			region = &v1alpha1.Region{}
			err := reader.Get(ctx, client.ObjectKey{Name: t.Spec.Region}, region)
			if apierrors.IsNotFound(err) {
				return report, fmt.Errorf("tenant %s is of Region %s, which is not in this cluster: nobody can say what leaves it; apply the Region", t.Name, t.Spec.Region)
			}
			if err != nil {
				return report, fmt.Errorf("reading Region %s: %w", t.Spec.Region, err)
			}
			regions[t.Spec.Region] = region
		}
		var channels v1alpha1.ChannelList
		if err := reader.List(ctx, &channels, client.InNamespace(plan.Tenant{Tenant: t}.Namespace())); err != nil {
			return report, fmt.Errorf("listing the Channels of tenant %s: %w", t.Name, err)
		}
		report.Add(t, region, channels.Items)
	}
	return report, nil
}

func printTransfers(out io.Writer, r transfer.Report, output string) error {
	switch output {
	case "json":
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return e.Encode(r)
	case "yaml":
		b, err := yaml.Marshal(r)
		if err != nil {
			return err
		}
		_, err = out.Write(b)
		return err
	}
	text := bufio.NewWriter(out)
	if len(r.Flows) > 0 {
		w := tabwriter.NewWriter(text, 0, 8, 2, ' ', 0)
		fmt.Fprintln(w, "TENANT\tFROM\tFLOW\tTO\tLOCATION\tPURPOSE\tMECHANISM\tSTATE\tSINCE\tUNTIL\tFINDING")
		for _, f := range r.Flows {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", f.Tenant, f.Jurisdiction, flowName(f), f.Recipient, orDash(f.Location),
				orDash(f.Purpose), orDash(f.Mechanism), f.State, day(f.Since), day(f.Until), orDash(f.Finding))
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	for _, n := range r.Notes {
		fmt.Fprintf(text, "note: %s\n", n)
	}
	switch n := r.Findings(); {
	case len(r.Flows) == 0:
		fmt.Fprintf(text, "No data leaves its jurisdiction by a channel or an export; looked at %d tenants, as of %s.\n", len(r.Tenants), r.AsOf.Format(time.RFC3339))
	case n > 0:
		fmt.Fprintf(text, "%d of %d flows need somebody to see to them; as of %s.\n", n, len(r.Flows), r.AsOf.Format(time.RFC3339))
	default:
		fmt.Fprintf(text, "Every flow that has not ended has a mechanism; as of %s.\n", r.AsOf.Format(time.RFC3339))
	}
	return text.Flush()
}

func flowName(f transfer.Flow) string {
	if name, webhook := strings.CutPrefix(f.Channel, v1alpha1.WebhookPrefix); webhook {
		return "webhook " + name
	}
	if f.Channel == v1alpha1.StaffOIDCFlow {
		return "staff's sign-in"
	}
	if f.Channel != "" {
		return "channel " + f.Channel
	}
	return f.Kind
}

func orDash(s string) string { return cmp.Or(s, "-") }

func day(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.Format(time.DateOnly)
}
