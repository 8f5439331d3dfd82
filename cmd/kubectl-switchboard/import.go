package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"strconv"
	"strings"

	"filippo.io/age"
	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/archive"
	"github.com/switchboard-operator/switchboard/internal/name"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

const importAbout = `Brings a file that "kubectl switchboard export" wrote into a tenant that holds nothing yet: all or nothing. Ids, ages,
receipts and their chain, suppressions, consent and what holds keep are as they were; what has expired by now is left out.
The keys of hashes of the file take the place of the new tenant's own, in Secret keys: else nobody who said STOP would be
known. A receipt of kind "adopted" says where the data came from.

Before: apply what is in the file's resources.yaml (age -d -i key.txt FILE | tar xzO resources.yaml), with the Secrets that it
names, and with spec.suspended true in the Tenant, so that nobody writes meanwhile. Name, namespace, region and hostname may be
others. No limit may be longer than before, and the LegalHolds must be in force. After: set spec.suspended to false.

You need the rights to read the tenant's objects and Jobs, to create, get and delete pods, to create pods/exec, and to get and
update Secret keys, in its namespace.

Exit codes: 0 it is in, 2 wrong usage, 3 it is not, and nothing of it is.`

const importExamples = `  kubectl switchboard import inn-berlin --identity key.txt < hotel-berlin.tar.gz.age

  # Only the very file that the former platform's certificate names
  kubectl switchboard import inn-berlin --identity key.txt --digest "$SHA256" < hotel-berlin.tar.gz.age`

var sha256Hex = regexp.MustCompile(`^[0-9a-f]{64}$`)

func importCommand(c *connection) *cobra.Command {
	var identity, digest string
	cmd := &cobra.Command{
		Use: "import TENANT --identity FILE", Short: "Bring an exported tenant into one that holds nothing yet",
		Long: importAbout, Example: importExamples,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) != 1:
				return &usageError{fmt.Errorf("name one tenant, there are %d names", len(args))}
			case identity == "":
				return &usageError{errors.New("give the key that opens the file: --identity key.txt")}
			case digest != "" && !sha256Hex.MatchString(digest):
				return &usageError{errors.New("--digest: write a SHA-256 as 64 lower-case hexadecimal digits")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return runImport(cmd, c, args[0], identity, digest) },
	}
	cmd.Flags().StringVar(&identity, "identity", "", "`FILE` with the age private key, as age-keygen writes it")
	cmd.Flags().StringVar(&digest, "digest", "", "refuse a file of another `SHA256`")
	return cmd
}

func runImport(cmd *cobra.Command, c *connection, tenant, identity, digest string) error {
	key, identities, err := readIdentity(identity)
	if err != nil {
		return err
	}
	// What is read of the beginning is sent along again.
	var read bytes.Buffer
	head, keys, err := archive.ReadKeys(io.TeeReader(cmd.InOrStdin(), &read), identities...)
	if err != nil {
		return err
	}
	reader, config, err := c.open()
	if err != nil {
		return err
	}
	ctx, errs := cmd.Context(), cmd.ErrOrStderr()
	t := &v1alpha1.Tenant{}
	if err := reader.Get(ctx, client.ObjectKey{Name: tenant}, t); err != nil {
		return fmt.Errorf("reading Tenant %s: %w", tenant, err)
	}
	if !t.Spec.Suspended {
		return fmt.Errorf("tenant %s is served, and somebody may write to it meanwhile: set its spec.suspended to true first", tenant)
	}
	fmt.Fprintf(errs, "the file is of tenant %s, as of %s\n", head.Tenant, head.SnapshotAt.Format("2006-01-02T15:04:05Z07:00"))
	err = withPod(ctx, reader, t, contract.ComponentAdopt, errs, func(pod client.ObjectKey) error { return isEmpty(ctx, config, pod) })
	if err != nil {
		return err
	}
	if err := putKeys(ctx, reader, plan.Tenant{Tenant: t}.Namespace(), keys); err != nil {
		return err
	}
	return withPod(ctx, reader, t, contract.ComponentAdopt, errs, func(pod client.ObjectKey) error {
		from := io.MultiReader(strings.NewReader(key+"\n"), &read, cmd.InOrStdin())
		return adoptInPod(ctx, config, pod, digest, from, cmd.OutOrStdout())
	})
}

// readIdentity gives the one private key of a file, and what opens by it.
func readIdentity(file string) (string, []age.Identity, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return "", nil, fmt.Errorf("reading the key: %w", err)
	}
	var keys []string
	for each := lines(string(b)); each.Scan(); {
		if line := strings.TrimSpace(each.Text()); line != "" && !strings.HasPrefix(line, "#") {
			keys = append(keys, line)
		}
	}
	if len(keys) != 1 {
		return "", nil, fmt.Errorf("file %s holds %d keys: give one with a single age private key", file, len(keys))
	}
	identities, err := age.ParseIdentities(strings.NewReader(keys[0]))
	if err != nil {
		return "", nil, fmt.Errorf("file %s holds no age private key; age-keygen writes one", file) // err quotes it
	}
	return keys[0], identities, nil
}

func isEmpty(ctx context.Context, config *rest.Config, pod client.ObjectKey) error {
	var errs bytes.Buffer
	err := run(ctx, config, pod, contract.ComponentAdopt, []string{"/instance", "adopt", "--check"}, remotecommand.StreamOptions{Stdout: io.Discard, Stderr: &errs})
	if err != nil {
		return fmt.Errorf("looking whether the tenant holds nothing yet: %w: %s", err, lastLine(errs.String()))
	}
	return nil
}

// putKeys makes the keys of hashes those of the archive. Nothing was hashed by the others yet.
func putKeys(ctx context.Context, c client.Client, namespace string, keys map[int][]byte) error {
	secret := &corev1.Secret{}
	if err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name.Keys}, secret); err != nil {
		return fmt.Errorf("reading Secret %s: %w", name.Keys, err)
	}
	wanted := map[string][]byte{}
	for version, key := range keys {
		wanted[contract.FileHashKeyPrefix+strconv.Itoa(version)] = key
	}
	if maps.EqualFunc(secret.Data, wanted, bytes.Equal) {
		return nil
	}
	secret.Data = wanted
	if err := c.Update(ctx, secret); err != nil {
		return fmt.Errorf("putting the keys of hashes into Secret %s: %w", name.Keys, err)
	}
	return nil
}

// adoptInPod sends key and file, and tells the outcome.
func adoptInPod(ctx context.Context, config *rest.Config, pod client.ObjectKey, digest string, from io.Reader, out io.Writer) error {
	command := []string{"/instance", "adopt"}
	if digest != "" {
		command = append(command, "--digest", digest)
	}
	var told, errs bytes.Buffer
	err := run(ctx, config, pod, contract.ComponentAdopt, command, remotecommand.StreamOptions{Stdin: from, Stdout: &told, Stderr: &errs})
	if err != nil {
		return fmt.Errorf("running instance adopt in pod %s: %w: %s", pod, err, lastLine(errs.String()))
	}
	var result contract.AdoptResult
	if err := json.Unmarshal(told.Bytes(), &result); err != nil {
		return errors.New("the pod told something else than an outcome: look into its log, and whether its image is as new as this program")
	}
	fmt.Fprintf(out, "was        %s, as of %s\n", result.Tenant, result.SnapshotAt.Format("2006-01-02T15:04:05Z07:00"))
	for _, c := range result.Tables {
		fmt.Fprintf(out, "%-18s %10d rows", c.Table, c.Rows)
		if c.LeftOut > 0 {
			fmt.Fprintf(out, ", %d left out because they have expired", c.LeftOut)
		}
		fmt.Fprintln(out)
	}
	_, err = fmt.Fprintf(out, "unknown    %d messages that were on their way out: staff decide\nreceipt    %d:%s\n", result.Unknown, result.Receipt.Sequence, result.Receipt.Digest)
	return err
}
