package main

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
)

const completionAbout = `Prints what lets the Tab key complete commands, flags, and the names of tenants, regions and channels.

kubectl itself completes its plugins: it calls an executable kubectl_complete-PLUGIN in the PATH. "completion kubectl" prints
that one, for "kubectl switchboard <Tab>" in every shell that kubectl's own completion is set up for. bash, zsh and fish
print the script for those who call the program by its own name, kubectl-switchboard.

Exit codes: 0 it was printed, 2 wrong usage.`

const completionExamples = `  # For kubectl switchboard, in any shell
  kubectl switchboard completion kubectl > /usr/local/bin/kubectl_complete-switchboard
  chmod +x /usr/local/bin/kubectl_complete-switchboard

  # For kubectl-switchboard
  source <(kubectl switchboard completion bash)
  kubectl switchboard completion zsh > "${fpath[1]}/_kubectl-switchboard"
  kubectl switchboard completion fish > ~/.config/fish/completions/kubectl-switchboard.fish`

// completeByKubectl is the executable that kubectl calls; release archives have it too.
//
//go:embed kubectl_complete-switchboard
var completeByKubectl string

func completionCommand() *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "kubectl"}
	return &cobra.Command{
		Use: "completion " + strings.Join(shells, "|"), Short: "Print what lets the Tab key complete",
		Long: completionAbout, Example: completionExamples, ValidArgs: shells,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return &usageError{fmt.Errorf("name one of %s", strings.Join(shells, ", "))}
			}
			for _, shell := range shells {
				if args[0] == shell {
					return nil
				}
			}
			return &usageError{fmt.Errorf("%q: name one of %s", args[0], strings.Join(shells, ", "))}
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			root, out := cmd.Root(), cmd.OutOrStdout()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(out, true)
			case "zsh":
				return root.GenZshCompletion(out)
			case "fish":
				return root.GenFishCompletion(out, true)
			default:
				_, err := io.WriteString(out, completeByKubectl)
				return err
			}
		},
	}
}

// completeTimeout bounds how long a Tab waits for the cluster.
const completeTimeout = 3 * time.Second

// complete gives every command what the Tab key offers.
func complete(root *cobra.Command, c *connection) {
	for _, cmd := range root.Commands() {
		complete(cmd, c)
		if first, _, _ := strings.Cut(strings.TrimPrefix(cmd.Use, cmd.Name()+" "), " "); strings.Trim(first, "[]") == "TENANT" {
			cmd.ValidArgsFunction = completeArgs(c)
		}
		for flag, complete := range map[string]cobra.CompletionFunc{
			"region": names(c, func() client.ObjectList { return &v1alpha1.RegionList{} }),
			"output": outputs(cmd), "type": requestKinds, "retention": categories, "channel": channelKinds,
			"validate": cobra.FixedCompletions([]string{validateAuto, validateServer, validateNone}, cobra.ShellCompDirectiveNoFileComp),
		} {
			if cmd.Flags().Lookup(flag) != nil {
				_ = cmd.RegisterFlagCompletionFunc(flag, complete)
			}
		}
	}
}

// completeArgs offers tenants, and for logs components and channels after one.
func completeArgs(c *connection) cobra.CompletionFunc {
	tenants := names(c, func() client.ObjectList { return &v1alpha1.TenantList{} })
	return func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		switch {
		case len(args) == 0:
			return tenants(cmd, args, word)
		case len(args) == 1 && cmd.Name() == "logs":
			return components(cmd, c, args[0]), cobra.ShellCompDirectiveNoFileComp
		default:
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
	}
}

func components(cmd *cobra.Command, c *connection, tenant string) []string {
	ctx, cancel := context.WithTimeout(cmd.Context(), completeTimeout)
	defer cancel()
	reader, _, err := c.open()
	if err != nil {
		return nil
	}
	pods, err := podsOf(ctx, reader, tenant, "")
	if err != nil {
		return nil
	}
	var offered []string
	for _, l := range pods {
		offered = append(offered, l.title)
	}
	return offered
}

// names offers the names of objects of the whole cluster; nothing when it can't be asked.
func names(c *connection, list func() client.ObjectList) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(cmd.Context(), completeTimeout)
		defer cancel()
		reader, _, err := c.open()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		found := list()
		if err := reader.List(ctx, found); err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var offered []string
		switch l := found.(type) {
		case *v1alpha1.TenantList:
			for _, t := range l.Items {
				offered = append(offered, t.Name)
			}
		case *v1alpha1.RegionList:
			for _, r := range l.Items {
				offered = append(offered, cobra.CompletionWithDesc(r.Name, r.Spec.Jurisdiction))
			}
		}
		return offered, cobra.ShellCompDirectiveNoFileComp
	}
}

// outputs offers the forms that a command's flag names: "`table`, json or yaml".
func outputs(cmd *cobra.Command) cobra.CompletionFunc {
	var forms []string
	if flag := cmd.Flags().Lookup("output"); flag != nil {
		usage, _, _ := strings.Cut(flag.Usage, " on ")
		for _, word := range strings.Fields(usage) {
			if word = strings.Trim(word, "`,;"); word != "or" {
				forms = append(forms, word)
			}
		}
	}
	return cobra.FixedCompletions(forms, cobra.ShellCompDirectiveNoFileComp)
}

func requestKinds(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var offered []string
	for _, t := range requestTypes {
		offered = append(offered, string(t))
	}
	return offered, cobra.ShellCompDirectiveNoFileComp
}

// categories offers what a limit can be for, after those that stand there already.
func categories(_ *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
	before := word[:strings.LastIndex(word, ",")+1]
	var offered []string
	for _, category := range contract.Categories() {
		offered = append(offered, before+category+"=")
	}
	return offered, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// channelKinds offers the types, once a channel has a name.
func channelKinds(_ *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
	name, _, named := strings.Cut(word, "=")
	var offered []string
	if named {
		for _, t := range contract.ChannelTypes() {
			offered = append(offered, name+"="+t+",")
		}
	}
	return offered, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}
