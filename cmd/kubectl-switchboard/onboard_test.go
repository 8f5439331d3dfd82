package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

const (
	desk = "front-desk=TwilioSMS,accountSID=AC00000000000000000000000000000be1,from=+493023125100"
	chat = "chat=WebChat,allowedOrigins=https://www.hotel-berlin.example;https://hotel-berlin.example,privacyNoticeURL=https://www.hotel-berlin.example/privacy,sessionHours=72"
)

// onboarded is the command line of a client with two channels and a policy, and more.
func onboarded(more ...string) []string {
	return append([]string{
		"onboard", "hotel-berlin", "--region", "eu-central", "--hostname", "messages.hotel-berlin.example", "--display-name", "Hotel Berlin",
		"--channel", desk, "--channel", chat, "--retention", "Messages=90,MessageMetadata=365", "--retention", "contacts=365", "--time-zone", "Europe/Berlin",
	}, more...)
}

func TestAClientIsAFolder(t *testing.T) {
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	folder := filepath.Join(t.TempDir(), "hotel-berlin")
	plugin(t, "", onboarded("--out", folder)...).says(t, exitWhole, "no cluster was asked", "kubectl apply -f "+folder, "kubectl switchboard status hotel-berlin")
	all, err := os.ReadDir(folder)
	if err != nil || len(all) != 6 {
		t.Fatalf("%v: %d files", err, len(all))
	}
	for _, f := range all {
		b, err := os.ReadFile(filepath.Join(folder, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		golden(t, filepath.Join("onboard", f.Name()), b)
	}
	plugin(t, "", onboarded("--out", folder)...).says(t, exitFailed, "exists", "--force")
	plugin(t, "", onboarded("--out", folder, "--force")...).says(t, exitWhole)
	plugin(t, "", onboarded("--out", filepath.Join(t.TempDir(), "x"), "--validate")...).says(t, exitFailed, "KUBECONFIG", "--validate=none")

	o := plugin(t, "", onboarded("--validate=none", "-o", "json")...)
	var list struct{ Items []metav1.TypeMeta }
	if err := json.Unmarshal([]byte(o.out), &list); err != nil || len(list.Items) != 5 || list.Items[1].Kind != "Tenant" || o.errs != "" {
		t.Errorf("%v: %+v", err, o)
	}
	o = plugin(t, "", onboarded("--validate=none", "-o", "yaml")...)
	if documents := strings.Split(o.out, "---\n"); len(documents) != 6 || o.code != exitWhole {
		t.Errorf("%d documents: %s", len(documents), o.out)
	}
}

// Every type can be onboarded, and needs the keys that the operator looks for.
func TestEveryTypeOfChannelCanBeWritten(t *testing.T) {
	for text, keys := range map[string]string{
		desk: "--from-file=authToken=/dev/stdin",
		"wa=whatsapp,phoneNumberID=106540352242922,businessAccountID=102290129340398,subProcessor=meta-eu,secret=wa": "create secret generic wa --from-file=accessToken=ACCESSTOKEN_FILE --from-file=appSecret=APPSECRET_FILE --from-file=verifyToken=",
		"page=Messenger,pageID=104512345678901":  "--from-file=appSecret=",
		"bot=Telegram,username=hotel_berlin_bot": "--from-file=botToken=BOTTOKEN_FILE --from-file=secretToken=",
		"carrier=SMPP,host=smpp.carrier.example,port=3550,systemID=hotelberlin,from=+493090182000,windowSize=20": "--from-file=password=/dev/stdin",
		chat: "",
	} {
		c, err := parseChannel(text, "tenant-a")
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		command := makeSecret(&c)
		if keys == "" {
			if command != "" || c.Spec.SubProcessor != "" {
				t.Errorf("%s needs %q of %q", text, command, c.Spec.SubProcessor)
			}
		} else if !strings.Contains(command, keys) || !strings.HasPrefix(command, "kubectl -n tenant-a create secret generic ") {
			t.Errorf("%s: %s", text, command)
		}
	}
}

func TestWhatCannotBeOnboardedIsSaid(t *testing.T) {
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	for says, args := range map[string][]string{
		"lower-case letters":        {"onboard", "Hotel_Berlin"},
		"name one client":           {"onboard"},
		"--region is missing":       {"onboard", "a", "--hostname", "a.example"},
		"--hostname is missing":     {"onboard", "a", "--region", "r"},
		"there is no type \"Fax\"":  onboarded("--channel", "x=Fax"),
		"there is no field \"frm\"": onboarded("--channel", "x=TwilioSMS,frm=+49"),
		"authToken is a secret":     onboarded("--channel", "x=TwilioSMS,authToken=hunter2"),
		"it is a number":            onboarded("--channel", "x=SMPP,port=many"),
		"front-desk is there twice": onboarded("--channel", desk),
		"CATEGORY=DAYS":             onboarded("--retention", "Everything=1"),
		"a whole number of days":    onboarded("--retention", "Attachments=soon"),
		"Messages is there twice":   onboarded("--retention", "messages=9"),
		"auto, server or none":      onboarded("--validate=maybe"),
		"folder, yaml or json":      onboarded("-o", "table"),
	} {
		o := plugin(t, "", args...)
		o.says(t, exitUsage, says)
		if strings.Contains(o.errs, "hunter2") {
			t.Errorf("it repeats a secret: %s", o.errs)
		}
	}
}

func TestQuestionsAreAskedForWhatIsMissing(t *testing.T) {
	var out bytes.Buffer
	o := onboardOptions{}
	answers := "eu-central\n\n" + "desk=Fax\n" + desk + "\n\n" + "Messages=soon\nMessages=30\n"
	if err := o.ask(t.Context(), bufio.NewReader(strings.NewReader(answers)), &out, nil, "hotel-berlin"); err != nil {
		t.Fatal(err)
	}
	if o.region != "eu-central" || o.hostname != "messages.hotel-berlin.example" || !slices.Equal(o.channels, []string{desk}) || !slices.Equal(o.retention, []string{"Messages=30"}) {
		t.Errorf("answers %+v", o)
	}
	for _, part := range []string{"Region: ", "Host name [messages.hotel-berlin.example]: ", "there is no type", "whole number of days"} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("it doesn't say %q\n%s", part, &out)
		}
	}
	out.Reset()
	if err := o.ask(t.Context(), bufio.NewReader(strings.NewReader("")), &out, nil, "hotel-berlin"); err != nil || out.Len() > 0 {
		t.Errorf("all was said, and it asks: %v %s", err, &out)
	}
	if err := (&onboardOptions{}).ask(t.Context(), bufio.NewReader(strings.NewReader("eu")), &out, nil, "a"); err == nil {
		t.Error("it goes on although nobody answers")
	}
}

func TestOnboardingInACluster(t *testing.T) {
	c := startCluster(t)
	folder := filepath.Join(t.TempDir(), "hotel-berlin")
	onboard := func(more ...string) outcome {
		return plugin(t, "", onboarded(append([]string{"--out", folder}, more...)...)...)
	}
	onboard().says(t, exitFindings, "there is no Region eu-central", "Nothing was written")

	b, err := os.ReadFile("../../config/samples/regions/eu-central.yaml")
	if err != nil {
		t.Fatal(err)
	}
	region := &v1alpha1.Region{}
	if err := yaml.UnmarshalStrict(b, region); err != nil {
		t.Fatal(err)
	}
	create(t, c, region)
	plugin(t, "", "onboard", "a", "--region", "eu-west", "--hostname", "a.example").says(t, exitFindings, "there is no Region eu-west: there are eu-central")
	// All that would be refused, by the Region and by the API server, at once.
	plugin(t, "", "onboard", "a", "--region", "eu-central", "--hostname", "no dns name", "--channel", "x=Telegram,username=bot_1", "--channel", "y=TwilioSMS,accountSID=AC1,from=030",
		"--retention", "Messages=3", "--out", folder).says(t, exitFindings, "channel x: SubProcessorNotRegistered", "retention: OutOfBounds: Messages can't be deleted after 3 days",
		"10-tenant.yaml: ", "use a DNS name", "30-channel-y.yaml: ", "use E.164", "Nothing was written")
	if _, err := os.Stat(folder); !os.IsNotExist(err) {
		t.Errorf("it wrote something: %v", err)
	}

	onboard().says(t, exitWhole, "kubectl apply -f "+folder)
	var tenants v1alpha1.TenantList
	if err := c.List(t.Context(), &tenants); err != nil || len(tenants.Items) > 0 {
		t.Fatalf("%v: it applied something: %v", err, tenants.Items)
	}
	// For real, by kubectl.
	kubectl := exec.CommandContext(t.Context(), filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kubectl"), "apply", "-f", folder)
	if out, err := kubectl.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var channels v1alpha1.ChannelList
	var policies v1alpha1.RetentionPolicyList
	namespace := client.InNamespace("tenant-hotel-berlin")
	if err := c.List(t.Context(), &channels, namespace); err != nil || len(channels.Items) != 2 {
		t.Errorf("%v: %d channels", err, len(channels.Items))
	}
	if err := c.List(t.Context(), &policies, namespace); err != nil || len(policies.Items) != 1 || len(policies.Items[0].Spec.Rules) != 3 {
		t.Errorf("%v: policies %+v", err, policies.Items)
	}
	var ns corev1.Namespace
	if err := c.Get(t.Context(), client.ObjectKey{Name: "tenant-hotel-berlin"}, &ns); err != nil || ns.Labels[v1alpha1.LabelTenant] != "hotel-berlin" {
		t.Errorf("%v: %v", err, ns.Labels)
	}
	onboard("--out", folder+"-2").says(t, exitFindings, "there is a Tenant hotel-berlin already")

	// What nothing bounds is told beforehand.
	region.Spec.DefaultRetention = nil
	if err := c.Update(t.Context(), region); err != nil {
		t.Fatal(err)
	}
	plugin(t, "", "onboard", "b", "--region", "eu-central", "--hostname", "b.example", "-o", "yaml").says(t, exitWhole, "note: nothing bounds", "kind: Tenant")
}
