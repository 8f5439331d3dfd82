package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/name"
	"github.com/switchboard-operator/switchboard/internal/plan"
)

// newClient is a client that is to be onboarded.
type newClient struct {
	Name, DisplayName, Region, Hostname string
	Schedule, TimeZone                  string
	Channels                            []v1alpha1.Channel
	Rules                               []v1alpha1.RetentionRule
}

func (n newClient) namespace() string { return name.Namespace(n.Name) }

// policyName is that of the one policy that is rendered.
const policyName = "guest-data"

func (n newClient) policy() *v1alpha1.RetentionPolicy {
	if len(n.Rules) == 0 {
		return nil
	}
	return &v1alpha1.RetentionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: policyName, Namespace: n.namespace()},
		Spec:       v1alpha1.RetentionPolicySpec{Schedule: n.Schedule, TimeZone: n.TimeZone, Rules: n.Rules},
	}
}

// Argo CD's annotations, as docs/argocd.md has them. Policies go with the Tenant: one whose data nothing bounds is Degraded,
// and a sync would wait for it before it came to them.
const (
	annotationWave    = "argocd.argoproj.io/sync-wave"
	annotationOptions = "argocd.argoproj.io/sync-options"
	waveNamespace     = "0"
	waveTenant        = "1"
	waveChannel       = "2"
)

// file of a folder.
type file struct {
	name    string
	text    []byte
	objects []*unstructured.Unstructured
}

// folder renders a client: what kubectl apply -f takes in the order of the names, and what Argo CD takes by its waves.
func (n newClient) folder() ([]file, error) {
	var files []file
	add := func(name, comment, wave, kind, version string, object any) error {
		u, err := bare(object, kind, version)
		if err != nil {
			return err
		}
		annotations := u.GetAnnotations()
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[annotationWave] = wave
		u.SetAnnotations(annotations)
		text, err := yaml.Marshal(u.Object)
		if err != nil {
			return fmt.Errorf("writing %s: %w", name, err)
		}
		files = append(files, file{name, append([]byte(comment), text...), []*unstructured.Unstructured{u}})
		return nil
	}
	ours := v1alpha1.GroupVersion.String()
	err := errors.Join(
		add("00-namespace.yaml", "# The label is the consent to be taken over by the Tenant of this name.\n", waveNamespace, "Namespace", "v1", &corev1.Namespace{
			ObjectMeta: metav1.ObjectMeta{Name: n.namespace(), Labels: map[string]string{v1alpha1.LabelTenant: n.Name}},
		}),
		add("10-tenant.yaml", "# Argo CD asks a person before it removes this. With deletionPolicy Retain the data stays even then.\n", waveTenant, "Tenant", ours, &v1alpha1.Tenant{
			ObjectMeta: metav1.ObjectMeta{Name: n.Name, Annotations: map[string]string{annotationOptions: "Prune=confirm,Delete=confirm"}},
			Spec:       v1alpha1.TenantSpec{DisplayName: n.DisplayName, Region: n.Region, Hostname: n.Hostname, DeletionPolicy: v1alpha1.DeletionRetain},
		}),
	)
	if p := n.policy(); p != nil {
		err = errors.Join(err, add("20-policy-"+p.Name+".yaml", "", waveTenant, "RetentionPolicy", ours, p))
	}
	for i := range n.Channels {
		c := &n.Channels[i]
		comment := ""
		if command := makeSecret(c); command != "" {
			comment = fmt.Sprintf("# It waits until its Secret is there, which is never a file of this folder. Make it once:\n#   %s\n", command)
		}
		err = errors.Join(err, add("30-channel-"+c.Name+".yaml", comment, waveChannel, "Channel", ours, c))
	}
	if err != nil {
		return nil, err
	}
	return append(files, file{name: "README.md", text: n.readme(files)}), nil
}

// bare is an object as people write it: without what the server fills in.
func bare(object any, kind, version string) (*unstructured.Unstructured, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return nil, fmt.Errorf("writing a %s: %w", kind, err)
	}
	delete(content, "status")
	u := &unstructured.Unstructured{Object: content}
	if kind == "Namespace" {
		delete(content, "spec")
	}
	unstructured.RemoveNestedField(content, "metadata", "creationTimestamp")
	u.SetKind(kind)
	u.SetAPIVersion(version)
	return u, nil
}

func (n newClient) readme(files []file) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# %s\n\nA client of Switchboard, as a folder: apply it in one go, or let Argo CD.\n\n", cmp.Or(n.DisplayName, n.Name))
	b.WriteString("| File | Is |\n|---|---|\n")
	for _, f := range files {
		u := f.objects[0]
		fmt.Fprintf(&b, "| `%s` | %s %s |\n", f.name, u.GetKind(), u.GetName())
	}
	b.WriteString("\n## Secrets\n\nCredentials don't belong in Git. ")
	var commands []string
	for i := range n.Channels {
		if command := makeSecret(&n.Channels[i]); command != "" && !slices.Contains(commands, command) {
			commands = append(commands, command)
		}
	}
	if len(commands) == 0 {
		b.WriteString("This client needs none.\n")
	} else {
		b.WriteString("Make these by hand once the namespace is there, or have a secret store put them there under these names. What comes from standard\ninput or a file stands in no history of a shell:\n\n```sh\n")
		fmt.Fprintf(&b, "%s\n```\n", strings.Join(commands, "\n"))
	}
	fmt.Fprintf(&b, "\n## Apply\n\n```sh\nkubectl apply -f .\nkubectl switchboard status %s\n```\n", n.Name)
	return b.Bytes()
}

// usual are the sub-processor and the Secret of a channel that names none.
var usual = map[v1alpha1.ChannelType]string{
	v1alpha1.TypeTwilioSMS: "twilio", v1alpha1.TypeWhatsApp: "meta", v1alpha1.TypeMessenger: "meta", v1alpha1.TypeTelegram: "telegram", v1alpha1.TypeSMPP: "carrier",
}

// makeSecret is the command that makes a channel's Secret; empty when it needs none.
func makeSecret(c *v1alpha1.Channel) string {
	secret, keys := plan.ChannelCredentials(c)
	if secret == "" {
		return ""
	}
	command := fmt.Sprintf("kubectl -n %s create secret generic %s", c.Namespace, secret)
	if len(keys) == 1 {
		return command + " --from-file=" + keys[0] + "=/dev/stdin"
	}
	for _, key := range keys {
		command += " --from-file=" + key + "=" + strings.ToUpper(key) + "_FILE"
	}
	return command
}

// settings gives the field of a channel that holds the settings of its type.
func settings(c *v1alpha1.Channel) reflect.Value {
	s := &c.Spec
	switch s.Type {
	case v1alpha1.TypeTwilioSMS:
		s.TwilioSMS = cmp.Or(s.TwilioSMS, &v1alpha1.TwilioSMS{})
		return reflect.ValueOf(s.TwilioSMS).Elem()
	case v1alpha1.TypeWhatsApp:
		s.WhatsApp = cmp.Or(s.WhatsApp, &v1alpha1.WhatsApp{})
		return reflect.ValueOf(s.WhatsApp).Elem()
	case v1alpha1.TypeMessenger:
		s.Messenger = cmp.Or(s.Messenger, &v1alpha1.Messenger{})
		return reflect.ValueOf(s.Messenger).Elem()
	case v1alpha1.TypeTelegram:
		s.Telegram = cmp.Or(s.Telegram, &v1alpha1.Telegram{})
		return reflect.ValueOf(s.Telegram).Elem()
	case v1alpha1.TypeSMPP:
		s.SMPP = cmp.Or(s.SMPP, &v1alpha1.SMPP{})
		return reflect.ValueOf(s.SMPP).Elem()
	case v1alpha1.TypeWebChat:
		s.WebChat = cmp.Or(s.WebChat, &v1alpha1.WebChat{})
		return reflect.ValueOf(s.WebChat).Elem()
	default:
		return reflect.Value{}
	}
}

// credentials is the field of a channel's settings that names its Secret; not valid for a type that needs none.
func credentials(c *v1alpha1.Channel) reflect.Value {
	if s := settings(c); s.IsValid() {
		return s.FieldByName("CredentialsSecretRef")
	}
	return reflect.Value{}
}

// parseChannel reads NAME=TYPE,FIELD=VALUE,… where fields are those of the type's settings (docs/api.md), subProcessor, and
// secret, the name of the Secret. Values of a list are separated by semicolons.
func parseChannel(text, namespace string) (v1alpha1.Channel, error) {
	c := v1alpha1.Channel{ObjectMeta: metav1.ObjectMeta{Namespace: namespace}}
	channel, rest, ok := strings.Cut(text, "=")
	words := strings.Split(rest, ",")
	if problems := validation.IsDNS1123Label(channel); !ok || len(problems) > 0 || len(channel) > 40 {
		return c, errors.New("write NAME=TYPE,FIELD=VALUE,… as in front-desk=TwilioSMS,accountSID=AC…,from=+49…; the name has at most 40 lower-case letters, digits and hyphens")
	}
	c.Name = channel
	for _, t := range contract.ChannelTypes() {
		if strings.EqualFold(t, words[0]) {
			c.Spec.Type = v1alpha1.ChannelType(t)
		}
	}
	fields := settings(&c)
	if !fields.IsValid() {
		return c, fmt.Errorf("channel %s: there is no type %q: use one of %v", channel, words[0], contract.ChannelTypes())
	}
	c.Spec.SubProcessor = usual[c.Spec.Type]
	if ref := credentials(&c); ref.IsValid() {
		ref.Field(0).SetString(usual[c.Spec.Type])
	}
	for _, word := range words[1:] {
		field, value, ok := strings.Cut(word, "=")
		var err error
		switch {
		case !ok || value == "":
			err = fmt.Errorf("%q has no value: write FIELD=VALUE", field)
		case slices.Contains(contract.CredentialKeys(string(c.Spec.Type)), field):
			err = fmt.Errorf("%s is a secret: it would stand in the history of your shell, and in Git; leave it out, and make the Secret as the folder's README.md says", field)
		case field == "secret" && credentials(&c).IsValid():
			credentials(&c).Field(0).SetString(value)
		case field == "subProcessor" && c.Spec.Type != v1alpha1.TypeWebChat:
			c.Spec.SubProcessor = value
		default:
			err = setField(fields, field, value)
		}
		if err != nil {
			return c, fmt.Errorf("channel %s: %w", channel, err)
		}
	}
	return c, nil
}

// setField sets a field of a struct by its name in JSON.
func setField(in reflect.Value, field, value string) error {
	var known []string
	for i := range in.NumField() {
		name, _, _ := strings.Cut(in.Type().Field(i).Tag.Get("json"), ",")
		f := in.Field(i)
		switch f.Kind() {
		case reflect.String, reflect.Bool, reflect.Int32, reflect.Pointer, reflect.Slice:
		default:
			continue
		}
		if f.Kind() == reflect.Pointer && f.Type().Elem().Kind() != reflect.Int32 {
			continue
		}
		known = append(known, name)
		if name != field {
			continue
		}
		quoted := strconv.Quote(value)
		switch f.Kind() {
		case reflect.Slice:
			list, err := json.Marshal(strings.Split(value, ";"))
			if err != nil {
				return fmt.Errorf("%s: %w", field, err)
			}
			quoted = string(list)
		case reflect.Bool, reflect.Int32, reflect.Pointer:
			quoted = value
		}
		if err := json.Unmarshal([]byte(quoted), f.Addr().Interface()); err != nil {
			return fmt.Errorf("%s can't be %q: it is a number, or true or false", field, value)
		}
		return nil
	}
	return fmt.Errorf("there is no field %q: use subProcessor, secret, or one of %s", field, strings.Join(known, ", "))
}

// parseRules reads CATEGORY=DAYS.
func parseRules(texts []string) ([]v1alpha1.RetentionRule, error) {
	var rules []v1alpha1.RetentionRule
	for _, text := range texts {
		wanted, days, _ := strings.Cut(text, "=")
		rule := v1alpha1.RetentionRule{}
		for _, c := range contract.Categories() {
			if strings.EqualFold(c, wanted) {
				rule.Category = v1alpha1.Category(c)
			}
		}
		n, err := strconv.ParseInt(strings.TrimSuffix(days, "d"), 10, 32)
		switch {
		case rule.Category == "":
			return nil, fmt.Errorf("--retention %q: write CATEGORY=DAYS, as in Messages=90; categories are %v", text, contract.Categories())
		case err != nil || n < 1 || n > 36500:
			return nil, fmt.Errorf("--retention %q: write a whole number of days from 1 to 36500, as in %s=90", text, rule.Category)
		case slices.ContainsFunc(rules, func(r v1alpha1.RetentionRule) bool { return r.Category == rule.Category }):
			return nil, fmt.Errorf("--retention: %s is there twice", rule.Category)
		}
		rule.RetainDays = int32(n)
		rules = append(rules, rule)
	}
	return rules, nil
}
