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
	"slices"
	"strings"
	"time"

	"filippo.io/age"
	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

const requestAbout = `Files what a person asked for and the law grants: a DataSubjectRequest, and the Secret that says who is meant. Prints when it is
due, and how to follow it; --wait follows it itself. docs/requests.md says what becomes of each type:
  Erasure, Underage   deletes all that the tenant has of the person
  Access              puts it into an archive, encrypted to the age key of --to
  Rectification       puts name or number right: newName, newPhone
  OptOut, Objection   end messages to the person
  Complaint           is answered by people; its clock is kept

The person is named by --person: a file, or - for standard input, with an address in each line after its kind (phone,
whatsapp, messenger, telegram, webchat, email; of a Rectification newName, newPhone too). Addresses are not taken from the
command line: they would stand in the history of the shell, and in the list of processes that everybody on the machine can
read. They go into the Secret and nowhere else; the operator removes it when the request is done.

You need the rights of the ClusterRole switchboard-privacy-officer in the tenant's namespace.

Exit codes: 0 it is filed, with --wait it is completed; 1 with --wait: it is not completed, for a hold keeps some of it, the
time is over, or somebody must see to it; 2 wrong usage; 3 it could not be filed, or not be followed.`

const requestExamples = `  # Asks for the address; end with Ctrl-D
  kubectl switchboard request hotel-berlin --type Erasure --person -
  phone +4915112345678

  # By a file, and until it is done
  kubectl switchboard request hotel-berlin --type Access --person person.txt --to "$(age-keygen -y key.txt)" --wait

  # It reached the client last week, as number 41 of the year
  kubectl switchboard request hotel-berlin --type Objection --person person.txt --name request-2026-41 --received 2026-11-20T09:00:00Z`

// requestOptions are the flags of request.
type requestOptions struct {
	kind, person, name, received, to, output string
	dueDays                                  int32
	wait                                     bool
	timeout                                  time.Duration
}

var requestTypes = []v1alpha1.RequestType{
	v1alpha1.RequestErasure, v1alpha1.RequestAccess, v1alpha1.RequestRectification, v1alpha1.RequestOptOut, v1alpha1.RequestObjection,
	v1alpha1.RequestComplaint, v1alpha1.RequestUnderage,
}

// errOnCommandLine is told to who writes an address onto the command line. It does not repeat it.
var errOnCommandLine = errors.New("a person's address is not taken from the command line: it stands in your shell's history now, and in the list of processes; " +
	"remove it from the history, and give --person FILE, or --person - and write it, as: phone +4915112345678")

func requestCommand(c *connection) *cobra.Command {
	var o requestOptions
	cmd := &cobra.Command{
		Use: "request TENANT --type TYPE", Short: "File what a person asked for: erasure, access, objection and the like",
		Long: requestAbout, Example: requestExamples,
		Args: func(cmd *cobra.Command, args []string) error {
			for _, kind := range personKeys {
				if cmd.Flags().Changed(kind) {
					return &usageError{errOnCommandLine}
				}
			}
			if slices.ContainsFunc(args, looksLikeAnAddress) {
				return &usageError{errOnCommandLine}
			}
			if len(args) != 1 {
				return &usageError{fmt.Errorf("name one tenant, there are %d names", len(args))}
			}
			return o.check()
		},
		RunE: func(cmd *cobra.Command, args []string) error { return runRequest(cmd, c, args[0], o) },
	}
	flags := cmd.Flags()
	flags.StringVar(&o.kind, "type", "", fmt.Sprintf("the `TYPE`: one of %v", requestTypes))
	flags.StringVar(&o.person, "person", "", "read who is meant from `FILE`, or - for standard input")
	flags.StringVar(&o.name, "name", "", "the request's `NAME`: a number, never a person's name; by default one is made")
	flags.StringVar(&o.received, "received", "", "when the request reached the client, a `TIME` as 2026-11-20T09:00:00Z; by default now")
	flags.Int32Var(&o.dueDays, "due-days", 0, "how many `DAYS` the law gives; by default 45, for Underage 1")
	flags.StringVar(&o.to, "to", "", "the age public key that the archive of an Access request is encrypted to (`age1…`)")
	flags.BoolVar(&o.wait, "wait", false, "follow it until it is completed")
	flags.DurationVar(&o.timeout, "timeout", 10*time.Minute, "how long --wait follows it, as 90s or 10m")
	flags.StringVarP(&o.output, "output", "o", "text", "`text`, json or yaml")
	for _, kind := range personKeys { // so that the mistake is told as what it is
		flags.String(kind, "", "")
		_ = flags.MarkHidden(kind)
	}
	return cmd
}

// personKeys are the kinds of what names a person, the keys of its Secret.
var personKeys = slices.Concat(contract.Kinds(), []string{contract.FileNewName, contract.FileNewPhone})

// looksLikeAnAddress guesses that a word is of a person, to refuse it.
func looksLikeAnAddress(word string) bool {
	return strings.HasPrefix(word, "+") || strings.Contains(word, "@") || strings.Contains(word, " ")
}

func (o requestOptions) check() error {
	mistake := func(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }
	kind := v1alpha1.RequestType(o.kind)
	if !slices.Contains(requestTypes, kind) {
		return mistake("--type %q: write one of %v", o.kind, requestTypes)
	}
	if _, err := os.Stat(o.person); o.person != "-" && err != nil && looksLikeAnAddress(o.person) {
		return &usageError{errOnCommandLine}
	}
	if (kind == v1alpha1.RequestComplaint) != (o.person == "") {
		return mistake("say who is meant by --person FILE, or - for standard input; a Complaint names nobody")
	}
	if _, err := age.ParseX25519Recipient(o.to); (kind == v1alpha1.RequestAccess) != (o.to != "") || o.to != "" && err != nil {
		return mistake("--to: an Access request, and no other, needs an age public key, as age-keygen prints it (age1…)")
	}
	if problems := validation.IsDNS1123Label(o.name); o.name != "" && (len(problems) > 0 || len(o.name) > 40) {
		return mistake("--name: use at most 40 lower-case letters, digits and hyphens, as in request-2026-41; never a person's name")
	}
	if _, err := time.Parse(time.RFC3339, o.received); o.received != "" && err != nil {
		return mistake("--received %q: write a time as 2026-11-20T09:00:00Z", o.received)
	}
	if o.dueDays < 0 || o.dueDays > 90 {
		return mistake("--due-days %d: write 1 to 90", o.dueDays)
	}
	if o.output != "text" && o.output != "json" && o.output != "yaml" {
		return mistake("--output %q: write text, json or yaml", o.output)
	}
	return nil
}

// request is the object, without what the server fills in.
func (o requestOptions) request(namespace string, now time.Time) *v1alpha1.DataSubjectRequest {
	received := now
	if o.received != "" {
		received, _ = time.Parse(time.RFC3339, o.received) // checked before
	}
	q := &v1alpha1.DataSubjectRequest{
		ObjectMeta: metav1.ObjectMeta{Name: cmp.Or(o.name, fmt.Sprintf("request-%s-%s", now.Format("2006-01-02"), rand.String(5))), Namespace: namespace},
		Spec:       v1alpha1.DataSubjectRequestSpec{Type: v1alpha1.RequestType(o.kind), ReceivedAt: metav1.NewTime(received.UTC().Truncate(time.Second))},
	}
	if o.person != "" {
		q.Spec.Subject = &v1alpha1.SubjectReference{SecretName: q.Name}
	}
	if o.dueDays > 0 {
		q.Spec.DueDays = &o.dueDays
	}
	if o.to != "" {
		q.Spec.Archive = &v1alpha1.Archive{PublicKey: o.to}
	}
	return q
}

func runRequest(cmd *cobra.Command, c *connection, tenant string, o requestOptions) error {
	ctx := cmd.Context()
	reader, _, err := c.open()
	if err != nil {
		return err
	}
	namespace, err := namespaceOf(ctx, reader, tenant)
	if err != nil {
		return err
	}
	q := o.request(namespace, time.Now().UTC())
	var person map[string][]byte
	if o.person != "" {
		if person, err = readPerson(o.person, cmd.InOrStdin()); err != nil {
			return err
		}
		if err := plan.CheckSubject(q, person); err != nil {
			return fmt.Errorf("reading who is meant: %w", err)
		}
	}
	if err := fileRequest(ctx, reader, q, person); err != nil {
		return err
	}
	if !o.wait {
		return printRequest(cmd.OutOrStdout(), tenant, q, o.output)
	}
	if o.output == "text" {
		if err := printRequest(cmd.OutOrStdout(), tenant, q, o.output); err != nil {
			return err
		}
	}
	told := q.Status.Phase
	err = follow(ctx, reader, q, o.timeout, func() {
		if q.Status.Phase != told {
			told = q.Status.Phase
			fmt.Fprintf(cmd.ErrOrStderr(), "%s  %s\n", time.Now().UTC().Format(time.RFC3339), told)
		}
	})
	if err != nil && !errors.Is(err, errFindings) {
		return err
	}
	if o.output == "text" {
		return errors.Join(printOutcome(cmd.OutOrStdout(), q), err)
	}
	return errors.Join(printRequest(cmd.OutOrStdout(), tenant, q, o.output), err)
}

// namespaceOf gives a tenant's namespace. Who may not read Tenants is shown the usual one.
func namespaceOf(ctx context.Context, reader client.Reader, tenant string) (string, error) {
	t := &v1alpha1.Tenant{}
	err := reader.Get(ctx, client.ObjectKey{Name: tenant}, t)
	switch {
	case apierrors.IsNotFound(err):
		return "", fmt.Errorf("there is no Tenant %s: see kubectl switchboard status for those that there are", tenant)
	case apierrors.IsForbidden(err):
		t.Name = tenant
	case err != nil:
		return "", fmt.Errorf("reading Tenant %s: %w", tenant, err)
	}
	return plan.Tenant{Tenant: t}.Namespace(), nil
}

// maxPerson bounds what names a person, in bytes: 16 addresses and a name take less.
const maxPerson = 16 << 10

// readPerson reads lines of kind and address. Errors name lines, never what is in them.
func readPerson(from string, in io.Reader) (map[string][]byte, error) {
	if from != "-" {
		f, err := os.Open(from)
		if err != nil {
			return nil, errors.New("reading who is meant: there is no such file, or it can't be read; use - for standard input")
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxPerson+1))
	if err != nil {
		return nil, errors.New("reading who is meant: it can't be read")
	}
	if len(text) > maxPerson {
		return nil, fmt.Errorf("reading who is meant: it has more than %d bytes", maxPerson)
	}
	person := map[string][]byte{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" {
			continue
		}
		kind, value, ok := strings.Cut(line, " ")
		kind = strings.TrimSuffix(kind, ":")
		if !ok || !slices.Contains(personKeys, kind) {
			return nil, fmt.Errorf("reading who is meant: line %d: write a kind, a blank and an address, as: phone +4915112345678; kinds are %s", n, strings.Join(personKeys, ", "))
		}
		if len(person[kind]) > 0 {
			person[kind] = append(person[kind], '\n')
		}
		person[kind] = append(person[kind], strings.TrimSpace(value)...)
	}
	return person, nil
}

// fileRequest makes the Secret and the request. What the API server would refuse is refused before there is a Secret; who may
// make Secrets may not be able to remove them.
func fileRequest(ctx context.Context, c client.Client, q *v1alpha1.DataSubjectRequest, person map[string][]byte) error {
	if err := c.Create(ctx, q.DeepCopy(), client.DryRunAll); err != nil {
		return fmt.Errorf("filing the request: %w", err)
	}
	if person == nil {
		if err := c.Create(ctx, q); err != nil {
			return fmt.Errorf("filing the request: %w", err)
		}
		return nil
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: q.Spec.Subject.SecretName, Namespace: q.Namespace}, Data: person}
	if err := c.Create(ctx, secret); err != nil {
		return fmt.Errorf("making the Secret that says who is meant: %w", withoutData(err))
	}
	err := c.Create(ctx, q)
	if err == nil {
		return nil
	}
	err = fmt.Errorf("filing the request: %w", err)
	if removed := c.Delete(ctx, secret); client.IgnoreNotFound(removed) != nil {
		err = errors.Join(err, fmt.Errorf("removing the Secret again: %w; have it removed: kubectl -n %s delete secret %s", removed, secret.Namespace, secret.Name))
	}
	return err
}

// withoutData tells no more of a refusal than why: an API server may quote what it does not take.
func withoutData(err error) error {
	if reason := apierrors.ReasonForError(err); reason != metav1.StatusReasonUnknown && reason != metav1.StatusReasonForbidden && reason != metav1.StatusReasonAlreadyExists {
		return errors.New(string(reason))
	}
	return err
}

const (
	// followEvery is how often --wait looks.
	followEvery = time.Second
	// followTimeout bounds one look.
	followTimeout = 30 * time.Second
)

// follow reads the request until nothing more is to be waited for; errFindings when it did not come about.
func follow(ctx context.Context, reader client.Reader, q *v1alpha1.DataSubjectRequest, timeout time.Duration, changed func()) error {
	err := wait.PollUntilContextTimeout(ctx, followEvery, timeout, true, func(context.Context) (bool, error) {
		ctx, cancel := context.WithTimeout(ctx, followTimeout) // not the one that ends with the waiting: a look that is cut short is no failure
		defer cancel()
		if err := reader.Get(ctx, client.ObjectKeyFromObject(q), q); err != nil {
			return false, err
		}
		changed()
		switch q.Status.Phase {
		case v1alpha1.RequestCompleted:
			return true, nil
		case v1alpha1.RequestDeferred, v1alpha1.RequestOpen:
			return false, errFindings
		default:
			if q.Status.ObservedGeneration == q.Generation && meta.IsStatusConditionTrue(q.Status.Conditions, v1alpha1.ConditionStalled) {
				return false, errFindings
			}
			return false, nil
		}
	})
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("following the request: %w; it is filed, and goes on", ctx.Err())
	case wait.Interrupted(err):
		return errFindings
	case err != nil && !errors.Is(err, errFindings):
		return fmt.Errorf("following the request: %w; it is filed, and goes on", err)
	}
	return err
}

// filed is what is told of a request: nothing of the person.
type filed struct {
	Tenant    string                    `json:"tenant"`
	Namespace string                    `json:"namespace"`
	Name      string                    `json:"name"`
	Type      v1alpha1.RequestType      `json:"type"`
	Received  time.Time                 `json:"receivedAt"`
	Due       time.Time                 `json:"dueAt"`
	Phase     v1alpha1.RequestPhase     `json:"phase,omitempty"`
	Done      []v1alpha1.CategoryCount  `json:"done,omitempty"`
	Refused   []v1alpha1.Refusal        `json:"refused,omitempty"`
	Download  *v1alpha1.Download        `json:"download,omitempty"`
	Receipts  []v1alpha1.RequestReceipt `json:"receipts,omitempty"`
}

func printRequest(out io.Writer, tenant string, q *v1alpha1.DataSubjectRequest, output string) error {
	f := filed{
		Tenant: tenant, Namespace: q.Namespace, Name: q.Name, Type: q.Spec.Type, Received: q.Spec.ReceivedAt.UTC(), Due: plan.Due(q), Phase: q.Status.Phase,
		Done: q.Status.Done, Refused: q.Status.Refused, Download: q.Status.Download, Receipts: q.Status.Receipts,
	}
	switch output {
	case "json":
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return e.Encode(f)
	case "yaml":
		b, err := yaml.Marshal(f)
		if err != nil {
			return err
		}
		_, err = out.Write(b)
		return err
	}
	_, err := fmt.Fprintf(out, "request   %s, in namespace %s\ntype      %s\nreceived  %s\ndue       %s\nFollow it by:\n  kubectl -n %s get datasubjectrequest %s --watch\n  kubectl switchboard status %s\n",
		f.Name, f.Namespace, f.Type, f.Received.Format(time.RFC3339), f.Due.Format(time.RFC3339), f.Namespace, f.Name, tenant)
	return err
}

// printOutcome tells what became of a request that was followed.
func printOutcome(out io.Writer, q *v1alpha1.DataSubjectRequest) error {
	w := bufio.NewWriter(out)
	s := q.Status
	fmt.Fprintf(w, "phase     %s\n", cmp.Or(s.Phase, v1alpha1.RequestPending))
	for _, d := range s.Done {
		fmt.Fprintf(w, "done      %s: %d rows\n", d.Category, d.Rows)
	}
	for _, r := range s.Refused {
		fmt.Fprintf(w, "kept      %s: %d rows, by hold %s\n", r.Category, r.Rows, r.Hold)
	}
	for _, r := range s.Receipts {
		fmt.Fprintf(w, "receipt   %d:%s\n", r.Sequence, r.Digest)
	}
	if d := s.Download; d != nil {
		fmt.Fprintf(w, "archive   %s, until %s\nFetch it once by:\n  TOKEN=$(kubectl -n %s get secret %s -o jsonpath='{.data.token}' | base64 -d)\n  curl -H \"Authorization: Bearer $TOKEN\" -o archive.zip.age %s\n",
			d.URL, d.ExpiresAt.UTC().Format(time.RFC3339), q.Namespace, d.SecretName, d.URL)
	}
	if s.Phase != v1alpha1.RequestCompleted {
		if c := meta.FindStatusCondition(s.Conditions, v1alpha1.ConditionReady); c != nil {
			fmt.Fprintf(w, "%s: %s\n", c.Reason, c.Message)
		} else {
			fmt.Fprintln(w, "The operator has not looked at it yet; it goes on when it does.")
		}
	}
	return w.Flush()
}
