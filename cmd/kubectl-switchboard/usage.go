package main

import (
	"cmp"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

const reportUsage = `Lists what tenants are billed by: of every month and channel, the messages that guests sent and those that a provider
took, and the most that the tenant stored. Days are whole days by UTC; the instance counts them when they have ended.

It reads the Tenants' status and nothing else. Status has this month and the two before; keep the CSV of older ones.

A message that was deleted before its day was counted, by a request of the guest's, is in no count, and so is one that was
imported. COUNTED UNTIL is the day before which all days are counted: a month is whole when the day is in a later one.

Exit codes: 0 it is all there; 1 a tenant has not counted all of the month that was asked for, though it has ended, or has
counted nothing, or status does not tell of it any more; 2 wrong usage; 3 it could not be read.`

const reportUsageExamples = `  # All that is known, of all tenants
  kubectl switchboard report usage

  # The bill of a month
  kubectl switchboard report usage --month 2026-10 -o csv > usage-2026-10.csv

  # Of one tenant
  kubectl switchboard report usage hotel-berlin -o json`

// usageLine is one line of the report. Channel is "" for a month in which the tenant stored something and sent nothing.
type usageLine struct {
	Tenant       string `json:"tenant"`
	Region       string `json:"region"`
	Month        string `json:"month"`
	Channel      string `json:"channel,omitempty"`
	Received     int64  `json:"received"`
	Sent         int64  `json:"sent"`
	StoredBytes  int64  `json:"storedBytes"` // of the tenant, the same on each of a month's lines
	CountedUntil string `json:"countedUntil"`
}

func reportUsageCommand(c *connection) *cobra.Command {
	var output, month string
	cmd := &cobra.Command{
		Use: "usage [TENANT]", Short: "List what tenants are billed by",
		Long: reportUsage, Example: reportUsageExamples,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return &usageError{fmt.Errorf("name one tenant or none, there are %d names", len(args))}
			}
			if !slices.Contains([]string{"table", "csv", "json", "yaml"}, output) {
				return &usageError{fmt.Errorf("--output %q: write table, csv, json or yaml", output)}
			}
			if _, err := time.Parse("2006-01", month); month != "" && err != nil {
				return &usageError{fmt.Errorf("--month %q: write it as in 2026-10", month)}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			var tenants v1alpha1.TenantList
			reader, _, err := c.open()
			if err != nil {
				return err
			}
			if len(args) == 1 {
				tenants.Items = make([]v1alpha1.Tenant, 1)
				if err := reader.Get(cmd.Context(), client.ObjectKey{Name: args[0]}, &tenants.Items[0]); err != nil {
					return fmt.Errorf("reading Tenant %s: %w", args[0], err)
				}
			} else if err := reader.List(cmd.Context(), &tenants); err != nil {
				return fmt.Errorf("listing the Tenants: %w", err)
			}
			lines, short := usageLines(tenants.Items, month, time.Now())
			if err := printUsage(cmd.OutOrStdout(), lines, output); err != nil {
				return fmt.Errorf("printing the report: %w", err)
			}
			for _, s := range short {
				fmt.Fprintln(cmd.ErrOrStderr(), s)
			}
			if len(short) > 0 {
				return errFindings
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "table", "`table`, csv, json or yaml")
	cmd.Flags().StringVar(&month, "month", "", "only this `month`, as in 2026-10")
	return cmd
}

// usageLines lists what is known of a month, or of all when it is "", and says of whom a bill would fall short, and what to do.
func usageLines(tenants []v1alpha1.Tenant, month string, now time.Time) (lines []usageLine, short []string) {
	lines = []usageLine{}
	ended := month != "" && month < now.UTC().Format("2006-01")
	slices.SortFunc(tenants, func(a, b v1alpha1.Tenant) int { return cmp.Compare(a.Name, b.Name) })
	for i := range tenants {
		t := &tenants[i]
		u := t.Status.Usage
		if u == nil {
			short = append(short, fmt.Sprintf("tenant %s has counted nothing yet: the first day is counted when it has ended; if it has, see kubectl describe tenant %s", t.Name, t.Name))
			continue
		}
		if oldest := oldestMonth(u); month != "" && month < oldest {
			short = append(short, fmt.Sprintf("tenant %s tells of %s and later alone: look into the CSV of that month", t.Name, oldest))
		} else if ended && u.Until < nextMonth(month) {
			short = append(short, fmt.Sprintf("tenant %s has counted the days before %s alone: its instance has not answered since; see kubectl describe tenant %s", t.Name, u.Until, t.Name))
		}
		for _, m := range u.Months {
			if month != "" && m.Month != month {
				continue
			}
			line := usageLine{Tenant: t.Name, Region: t.Spec.Region, Month: m.Month, StoredBytes: m.StoredBytes, CountedUntil: u.Until}
			if len(m.Channels) == 0 {
				lines = append(lines, line)
			}
			for _, c := range m.Channels {
				line.Channel, line.Received, line.Sent = c.Channel, c.Received, c.Sent
				lines = append(lines, line)
			}
		}
	}
	return lines, short
}

// oldestMonth is the first that status still tells of.
func oldestMonth(u *v1alpha1.Usage) string {
	if len(u.Months) == 0 {
		return ""
	}
	return u.Months[len(u.Months)-1].Month
}

// nextMonth gives the first day of the month after one, which is well formed.
func nextMonth(month string) string {
	at, _ := time.Parse("2006-01", month)
	return at.AddDate(0, 1, 0).Format(time.DateOnly)
}

func printUsage(out io.Writer, lines []usageLine, output string) error {
	switch output {
	case "json":
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return e.Encode(lines)
	case "yaml":
		b, err := yaml.Marshal(lines)
		if err != nil {
			return err
		}
		_, err = out.Write(b)
		return err
	case "csv":
		w := csv.NewWriter(out)
		_ = w.Write([]string{"tenant", "region", "month", "channel", "received", "sent", "stored_bytes", "counted_until"}) // Error tells
		for _, l := range lines {
			_ = w.Write([]string{l.Tenant, l.Region, l.Month, l.Channel, strconv.FormatInt(l.Received, 10), strconv.FormatInt(l.Sent, 10),
				strconv.FormatInt(l.StoredBytes, 10), l.CountedUntil})
		}
		w.Flush()
		return w.Error()
	}
	if len(lines) == 0 {
		_, err := fmt.Fprintln(out, "Nothing is counted of that yet.")
		return err
	}
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "TENANT\tREGION\tMONTH\tCHANNEL\tRECEIVED\tSENT\tSTORED\tCOUNTED UNTIL")
	for _, l := range lines {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\t%s\t%s\n", l.Tenant, l.Region, l.Month, orDash(l.Channel), l.Received, l.Sent, mebibytes(l.StoredBytes), l.CountedUntil)
	}
	return w.Flush()
}

func mebibytes(n int64) string { return strconv.FormatInt(n>>20, 10) + " MiB" }
