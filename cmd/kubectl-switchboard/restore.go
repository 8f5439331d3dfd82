package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

const restoreAbout = `Puts a backup of a tenant's database in the place of what is there: the operator stops the database, unpacks the backup,
and starts the database again. What is there now is gone afterwards, if the backup is whole; else it stays as it is.

Before anyone is served, what has happened since the backup is carried out again: erasures, opt-outs, holds, retention.
Messages since then are lost. See docs/restore.md.

It asks by an annotation on the Tenant, for which you need the right to patch Tenants.

Exit codes: 0 it was asked for, 2 wrong usage, 3 it could not be.`

const restoreExamples = `  # What there is
  kubectl get tenant hotel-berlin -o jsonpath='{.status.backup}'

  kubectl switchboard restore hotel-berlin --backup latest
  kubectl get tenant hotel-berlin -o jsonpath='{.status.restore}' --watch`

func restoreCommand(c *connection) *cobra.Command {
	var backup string
	cmd := &cobra.Command{
		Use: "restore TENANT --backup FILE|latest", Short: "Put a backup of a tenant's database back",
		Long: restoreAbout, Example: restoreExamples,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return &usageError{fmt.Errorf("name one tenant, there are %d names", len(args))}
			}
			if backup == "" {
				return &usageError{fmt.Errorf("say which backup: --backup latest, or a file's name")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			reader, _, err := c.open()
			if err != nil {
				return err
			}
			t := &v1alpha1.Tenant{}
			if err := reader.Get(cmd.Context(), client.ObjectKey{Name: args[0]}, t); err != nil {
				return fmt.Errorf("reading Tenant %s: %w", args[0], err)
			}
			if t.Status.Backup == nil || t.Status.Backup.File == "" {
				return fmt.Errorf("tenant %s has no backup that its status knows of", args[0])
			}
			before := t.DeepCopy()
			if t.Annotations == nil {
				t.Annotations = map[string]string{}
			}
			t.Annotations[v1alpha1.AnnotationRestore] = backup + " " + time.Now().UTC().Format(time.RFC3339)
			if err := reader.Patch(cmd.Context(), t, client.MergeFrom(before)); err != nil {
				return fmt.Errorf("asking for the restore: %w", err)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "Asked for. Follow it by:\n  kubectl get tenant %s -o jsonpath='{.status.restore}' --watch\n", args[0])
			return err
		},
	}
	cmd.Flags().StringVar(&backup, "backup", "", "the `FILE` to put back, as status.backup shows it, or latest")
	return cmd
}
