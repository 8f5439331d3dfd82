package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

const onboardAbout = `Writes a client as a folder: Namespace, Tenant, Channels, a RetentionPolicy, and a README.md with the commands that make the
Secrets, which are never in it. "kubectl apply -f DIR" takes the folder in one go, and so does Argo CD: it has sync waves.

Where a cluster can be reached, everything is first held against it: against what the Region allows, and by a dry run that the
API server answers as it would the real thing. Nothing is applied. On a terminal it asks for what no flag says.

A channel is NAME=TYPE,FIELD=VALUE,… with the fields of docs/api.md, and
  subProcessor  its name in the Region's register; by default twilio, meta, telegram or carrier
  secret        the name of the Secret with the credentials; by default the same
Values of a list are separated by semicolons. Credentials themselves are refused: a command line stands in the history of the
shell, and in the list of processes.

Exit codes: 0 the folder is written; 1 the Region or the API server would refuse it, and nothing is written; 2 wrong usage;
3 it could not be checked or written.`

const onboardExamples = `  # Questions, on a terminal
  kubectl switchboard onboard hotel-berlin

  # No questions
  kubectl switchboard onboard hotel-berlin --region eu-central --hostname messages.hotel-berlin.example \
    --channel front-desk=TwilioSMS,accountSID=AC00000000000000000000000000000be1,from=+493023125100 \
    --channel chat=WebChat,allowedOrigins=https://www.hotel-berlin.example,privacyNoticeURL=https://www.hotel-berlin.example/privacy \
    --retention Messages=90,MessageMetadata=365,Contacts=365 --time-zone Europe/Berlin
  kubectl apply -f hotel-berlin

  # To look at it first, or to pipe it
  kubectl switchboard onboard hotel-berlin --region eu-central --hostname messages.hotel-berlin.example -o yaml`

// onboardOptions are the flags of onboard.
type onboardOptions struct {
	region, hostname, displayName, schedule, timeZone, out, validate, output string
	channels, retention                                                      []string
	force                                                                    bool
}

// Whether a cluster is asked.
const (
	validateAuto   = "auto"
	validateServer = "server"
	validateNone   = "none"
)

func onboardCommand(c *connection) *cobra.Command {
	var o onboardOptions
	cmd := &cobra.Command{
		Use: "onboard NAME", Short: "Write a new client as a folder for kubectl apply and Argo CD",
		Long: onboardAbout, Example: onboardExamples,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return &usageError{fmt.Errorf("name one client, there are %d names", len(args))}
			}
			return o.check(args[0])
		},
		RunE: func(cmd *cobra.Command, args []string) error { return runOnboard(cmd, c, args[0], o) },
	}
	flags := cmd.Flags()
	flags.StringVar(&o.region, "region", "", "the `REGION` that the client's data lives in")
	flags.StringVar(&o.hostname, "hostname", "", "the `DNS-NAME` under which staff, guests and providers reach the client")
	flags.StringVar(&o.displayName, "display-name", "", "the client's `NAME` for people")
	flags.StringArrayVar(&o.channels, "channel", nil, "a channel, as `NAME=TYPE,FIELD=VALUE,…`; again for each")
	flags.StringSliceVar(&o.retention, "retention", nil, "how long data is kept, as `CATEGORY=DAYS,…`; the Region's default holds for the rest")
	flags.StringVar(&o.schedule, "schedule", "15 3 * * *", "when expired data is removed, as `CRON`")
	flags.StringVar(&o.timeZone, "time-zone", "", "the `ZONE` of the schedule, as Europe/Berlin; by default UTC")
	flags.StringVar(&o.out, "out", "", "the `DIR` to write; by default the client's name")
	flags.BoolVar(&o.force, "force", false, "write into a folder that exists, and for a Tenant that exists; other files stay")
	flags.StringVar(&o.validate, "validate", validateAuto, "whether a cluster is asked: `auto`, when there is one; server; none")
	flags.Lookup("validate").NoOptDefVal = validateServer
	flags.StringVarP(&o.output, "output", "o", "folder", "`folder`, or yaml or json on standard output, without a folder")
	return cmd
}

func (o onboardOptions) check(client string) error {
	if problems := validation.IsDNS1123Label(client); len(problems) > 0 || len(client) > 40 {
		return &usageError{fmt.Errorf("%q can't be a client's name: use at most 40 lower-case letters, digits and hyphens, as in hotel-berlin", client)}
	}
	if o.validate != validateAuto && o.validate != validateServer && o.validate != validateNone {
		return &usageError{fmt.Errorf("--validate %q: write auto, server or none", o.validate)}
	}
	if o.output != "folder" && o.output != "yaml" && o.output != "json" {
		return &usageError{fmt.Errorf("--output %q: write folder, yaml or json", o.output)}
	}
	return nil
}

func runOnboard(cmd *cobra.Command, c *connection, client string, o onboardOptions) error {
	ctx, errs := cmd.Context(), cmd.ErrOrStderr()
	reader, noCluster := clusterFor(ctx, c, o.validate)
	if o.validate == validateServer && noCluster != nil {
		return fmt.Errorf("asking the cluster: %w; --validate=none goes without", noCluster)
	}
	if in, ok := cmd.InOrStdin().(*os.File); ok && term.IsTerminal(int(in.Fd())) { //nolint:gosec // a small number
		if err := o.ask(ctx, bufio.NewReader(in), errs, reader, client); err != nil {
			return err
		}
	}
	n, err := o.client(client)
	if err != nil {
		return &usageError{err}
	}
	files, err := n.folder()
	if err != nil {
		return err
	}
	switch {
	case reader != nil:
		refused, notes, err := checkClient(ctx, reader, n, files, o.force)
		if err != nil {
			return err
		}
		for _, note := range notes {
			fmt.Fprintf(errs, "note: %s\n", note)
		}
		for _, why := range refused {
			fmt.Fprintf(errs, "refused: %s\n", why)
		}
		if len(refused) > 0 {
			fmt.Fprintln(errs, "Nothing was written.")
			return errFindings
		}
	case o.validate == validateAuto:
		fmt.Fprintf(errs, "note: no cluster was asked whether it would take this: %v\n", noCluster)
	}
	if o.output != "folder" {
		return printObjects(cmd.OutOrStdout(), files, o.output)
	}
	return writeFolder(cmd.OutOrStdout(), n, files, o)
}

// client makes sense of the flags.
func (o onboardOptions) client(client string) (newClient, error) {
	n := newClient{Name: client, DisplayName: o.displayName, Region: o.region, Hostname: o.hostname, Schedule: o.schedule, TimeZone: o.timeZone}
	if o.region == "" {
		return n, errors.New("--region is missing: see kubectl get regions for those that there are")
	}
	if o.hostname == "" {
		return n, fmt.Errorf("--hostname is missing: the DNS name of the client, as messages.%s.example", client)
	}
	for _, text := range o.channels {
		channel, err := parseChannel(text, n.namespace())
		if err != nil {
			return n, fmt.Errorf("--channel: %w", err)
		}
		for _, other := range n.Channels {
			if other.Name == channel.Name {
				return n, fmt.Errorf("--channel: %s is there twice", channel.Name)
			}
		}
		n.Channels = append(n.Channels, channel)
	}
	var err error
	n.Rules, err = parseRules(o.retention)
	return n, err
}

// question asks for what is not known yet; an empty line takes what is offered. Plain questions, line by line, are enough for four
// answers: a library of forms would be larger than the rest of the program, and worse for those whose screen is read to them.
func question(in *bufio.Reader, out io.Writer, text, otherwise string, into *string) error {
	if *into != "" {
		return nil
	}
	if otherwise != "" {
		text += " [" + otherwise + "]"
	}
	fmt.Fprintf(out, "%s: ", text)
	line, err := in.ReadString('\n')
	if err != nil && (!errors.Is(err, io.EOF) || line == "") {
		return fmt.Errorf("reading the answer: %w", err)
	}
	if *into = strings.TrimSpace(line); *into == "" {
		*into = otherwise
	}
	return nil
}

// ask asks for what no flag says.
func (o *onboardOptions) ask(ctx context.Context, in *bufio.Reader, out io.Writer, reader client.Client, client string) error {
	region := ""
	if reader != nil && o.region == "" {
		region = offerRegions(ctx, out, reader)
	}
	if err := question(in, out, "Region", region, &o.region); err != nil {
		return err
	}
	if err := question(in, out, "Host name", "messages."+client+".example", &o.hostname); err != nil {
		return err
	}
	if len(o.channels) == 0 {
		if err := o.askChannels(in, out); err != nil {
			return err
		}
	}
	return o.askRetention(in, out)
}

// offerRegions lists the Regions that the cluster has, and gives the name of an only one.
func offerRegions(ctx context.Context, out io.Writer, reader client.Client) string {
	var regions v1alpha1.RegionList
	if err := reader.List(ctx, &regions); err != nil {
		return "" // a name may be given all the same
	}
	for _, r := range regions.Items {
		fmt.Fprintf(out, "  Region %s, jurisdiction %s\n", r.Name, r.Spec.Jurisdiction)
	}
	if len(regions.Items) == 1 {
		return regions.Items[0].Name
	}
	return ""
}

func (o *onboardOptions) askChannels(in *bufio.Reader, out io.Writer) error {
	for {
		channel := ""
		if err := question(in, out, "A channel, as NAME=TYPE,FIELD=VALUE,… (nothing ends the list)", "", &channel); err != nil {
			return err
		}
		if channel == "" {
			return nil
		}
		if _, err := parseChannel(channel, ""); err != nil {
			fmt.Fprintf(out, "  %v\n", err)
			continue
		}
		o.channels = append(o.channels, channel)
	}
}

func (o *onboardOptions) askRetention(in *bufio.Reader, out io.Writer) error {
	for len(o.retention) == 0 {
		limits := ""
		err := question(in, out, "How many days data is kept, as CATEGORY=DAYS,… (- for the Region's default)", "Messages=90,MessageMetadata=365,Contacts=365", &limits)
		if err != nil || limits == "-" {
			return err
		}
		if _, err := parseRules(strings.Split(limits, ",")); err != nil {
			fmt.Fprintf(out, "  %v\n", err)
			continue
		}
		o.retention = strings.Split(limits, ",")
	}
	return nil
}

func printObjects(out io.Writer, files []file, output string) error {
	if output == "yaml" {
		w := bufio.NewWriter(out)
		for _, f := range files {
			if len(f.objects) > 0 {
				fmt.Fprintf(w, "---\n%s", f.text)
			}
		}
		return w.Flush()
	}
	list := map[string]any{"apiVersion": "v1", "kind": "List"}
	var items []any
	for _, f := range files {
		for _, u := range f.objects {
			items = append(items, u.Object)
		}
	}
	list["items"] = items
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(list)
}

func writeFolder(out io.Writer, n newClient, files []file, o onboardOptions) error {
	folder := o.out
	if folder == "" {
		folder = n.Name
	}
	if _, err := os.Lstat(folder); err == nil && !o.force {
		return fmt.Errorf("%s exists: give --out another folder, or --force to write into it", folder)
	} else if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("looking for %s: %w", folder, err)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil { //nolint:gosec // it is for Git
		return fmt.Errorf("making the folder: %w", err)
	}
	for _, f := range files {
		if err := os.WriteFile(filepath.Join(folder, f.name), f.text, 0o644); err != nil { //nolint:gosec // it is for Git, and holds no secret
			return fmt.Errorf("writing the folder: %w", err)
		}
		fmt.Fprintln(out, filepath.Join(folder, f.name))
	}
	_, err := fmt.Fprintf(out, "Next: make the Secrets that %s names, and apply the folder:\n  kubectl apply -f %s\n  kubectl switchboard status %s\n",
		filepath.Join(folder, "README.md"), folder, n.Name)
	return err
}
