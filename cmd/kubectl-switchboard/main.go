// Command kubectl-switchboard is a plugin of kubectl: in the PATH, it is called as
// kubectl switchboard.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes. What could not be checked is neither whole nor broken.
const (
	exitWhole    = 0
	exitFindings = 1
	exitUsage    = 2
	exitFailed   = 3
)

const about = `kubectl switchboard answers what auditors, privacy officers and operators ask of tenants of Switchboard.

It is a plugin: put kubectl-switchboard into a folder of your PATH. It reads what your own rights let it read, by the
kubeconfig that kubectl uses, and changes nothing unless a command says so.`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	code := execute(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// usageError is a mistake on the command line.
type usageError struct{ error }

// errFindings says that something is wrong; it was printed already.
var errFindings = errors.New("findings")

func execute(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	root := command() //nolint:contextcheck // cobra hands it to the commands
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	ran, err := root.ExecuteContextC(ctx)
	var usage *usageError
	switch {
	case err == nil:
		return exitWhole
	case errors.Is(err, errFindings):
		return exitFindings
	case errors.As(err, &usage):
		fmt.Fprintf(errs, "%s: %v\nSee: %s --help\n", ran.CommandPath(), err, ran.CommandPath())
		return exitUsage
	default:
		fmt.Fprintf(errs, "%s: %v\n", ran.CommandPath(), err)
		return exitFailed
	}
}

func command() *cobra.Command {
	root := &cobra.Command{
		Use:           "kubectl-switchboard",
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl switchboard"},
		Short:         "Answer questions about tenants of Switchboard",
		Long:          about,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          noCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	c := newConnection(root.PersistentFlags())
	root.AddCommand(auditCommand(c), restoreCommand(c), exportCommand(c), importCommand(c), reportCommand(c), statusCommand(c), onboardCommand(c), requestCommand(c), logsCommand(c), completionCommand())
	complete(root, c)
	return root
}

// noCommand refuses a word that is no command of a group of commands.
func noCommand(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return &usageError{fmt.Errorf("there is no command %q", args[0])}
	}
	return nil
}
