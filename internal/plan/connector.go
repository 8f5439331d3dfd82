package plan

import (
	"cmp"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/name"
)

// What a Channel's settings are when it does not say.
const (
	defaultTwilioURL    = "https://api.twilio.com" // in its home region
	defaultGraphURL     = "https://graph.facebook.com"
	defaultGraphVersion = "v23.0"
	defaultTelegramURL  = "https://api.telegram.org"
	defaultWindow       = 10
	defaultEnquireLink  = 30 // seconds
	defaultPace         = 10 // messages in a second
	defaultLongMessages = "UDH8"

	defaultSessionHours     = 168
	defaultMaxMessageLength = 2000
)

// Connector is a channel's way in and out: its own pod, login, certificate and egress.
func Connector(in Tenant, channel *v1alpha1.Channel, processor v1alpha1.SubProcessor) []client.Object {
	labels := in.labels(componentConnector, v1alpha1.LabelChannel, channel.Name)
	selector := in.selector(componentConnector, v1alpha1.LabelChannel, channel.Name)
	connector := name.Connector(channel.Name)
	meta := in.meta(connector, labels, channel, "Channel")
	needs := need{cpu: "25m", memory: "48Mi", memoryLimit: "128Mi"}
	if channel.Spec.WebChat != nil {
		needs.memoryLimit = "256Mi" // for each guest a socket, as long as the page is open
	}
	mounts := []corev1.VolumeMount{mount("database", contract.DirDatabase), mount("tls", contract.DirTLS), mount("keys", contract.DirKeys)}
	volumes := []corev1.Volume{in.databaseVolume(connector), secretVolume("tls", name.ConnectorTLS(channel.Name)), secretVolume("keys", name.Keys)}
	if secret, keys := ChannelCredentials(channel); secret != "" {
		credentials := secretVolume("channel", secret)
		for _, key := range keys {
			credentials.Secret.Items = append(credentials.Secret.Items, corev1.KeyToPath{Key: key, Path: key})
		}
		mounts, volumes = append(mounts, mount("channel", contract.DirChannel)), append(volumes, credentials)
	}
	container := serving(in.instance("connect", needs, []corev1.EnvVar{{Name: contract.EnvChannel, Value: mustJSON(channelOf(in.Tenant, channel))}}, mounts))
	pod := in.pod(instanceUser, []corev1.Container{container}, volumes)
	replicas := int32(1)
	if in.Tenant.Spec.Suspended || in.EgressClosed() { // a pod that is not there sends nothing, whatever the network enforces
		replicas = 0
	}
	all := []client.Object{
		connectorPolicy(in, channel, processor, selector),
		in.deployment(meta, selector, replicas, in.traced(in.stored(guarded(pod)))),
		service(meta, selector, "https", 443, intstr.FromString("https")),
		disruptionBudget(meta, selector),
	}
	if contract.Dials(string(channel.Spec.Type)) {
		return dialling(all)
	}
	if route := in.route(meta, "/webhooks/"+channel.Name, connector); route != nil {
		all = append(all, route)
	}
	return all
}

// connectorPolicy opens what one connector needs: its database and its provider's addresses.
func connectorPolicy(in Tenant, channel *v1alpha1.Channel, processor v1alpha1.SubProcessor, selector map[string]string) *networkingv1.NetworkPolicy {
	egress := in.toDatabase()
	if e := processor.Egress; e != nil && !in.EgressClosed() {
		egress = append(egress, in.to(onThePort(*e, channel))...)
	}
	p := in.networkPolicy(name.Connector(channel.Name), selector, []networkingv1.NetworkPolicyIngressRule{in.fromEdge()}, egress, channel, "Channel")
	p.Labels = in.labels(componentConnector, v1alpha1.LabelChannel, channel.Name) // the Tenant prunes what is labelled as its own
	return p
}

// ChannelCredentials are the Secret that a Channel names and the keys that it must have; none for a web chat whose guests are
// known by their sessions alone.
func ChannelCredentials(channel *v1alpha1.Channel) (secret string, keys []string) {
	if w := channel.Spec.WhatsApp; w != nil {
		secret = w.CredentialsSecretRef.Name
	}
	if t := channel.Spec.TwilioSMS; t != nil {
		secret = t.CredentialsSecretRef.Name
	}
	if t := channel.Spec.Telegram; t != nil {
		secret = t.CredentialsSecretRef.Name
	}
	if m := channel.Spec.Messenger; m != nil {
		secret = m.CredentialsSecretRef.Name
	}
	if s := channel.Spec.SMPP; s != nil {
		secret = s.CredentialsSecretRef.Name
	}
	if w := channel.Spec.WebChat; w != nil {
		if w.Identity == nil {
			return "", nil
		}
		secret = w.Identity.SecretRef.Name
	}
	return secret, contract.CredentialKeys(string(channel.Spec.Type))
}

func channelOf(tenant *v1alpha1.Tenant, channel *v1alpha1.Channel) contract.Channel {
	c := contract.Channel{Name: channel.Name, Type: string(channel.Spec.Type)}
	if t := channel.Spec.TwilioSMS; t != nil {
		c.TwilioSMS = &contract.TwilioSMS{
			AccountSID: t.AccountSID, From: t.From, MessagingServiceSID: t.MessagingServiceSID,
			APIBaseURL: cmp.Or(t.APIBaseURL, defaultTwilioURL), CABundle: t.CABundle,
		}
	}
	if w := channel.Spec.WhatsApp; w != nil {
		c.WhatsApp = &contract.WhatsApp{
			PhoneNumberID: w.PhoneNumberID, BusinessAccountID: w.BusinessAccountID,
			APIBaseURL: cmp.Or(w.APIBaseURL, defaultGraphURL), APIVersion: cmp.Or(w.APIVersion, defaultGraphVersion), CABundle: w.CABundle,
		}
	}
	if t := channel.Spec.Telegram; t != nil {
		c.Telegram = &contract.Telegram{Username: t.Username, APIBaseURL: cmp.Or(t.APIBaseURL, defaultTelegramURL), CABundle: t.CABundle}
	}
	if m := channel.Spec.Messenger; m != nil {
		c.Messenger = &contract.Messenger{
			PageID: m.PageID, APIBaseURL: cmp.Or(m.APIBaseURL, defaultGraphURL), APIVersion: cmp.Or(m.APIVersion, defaultGraphVersion), CABundle: m.CABundle,
		}
	}
	c.SMPP = smppOf(channel.Spec.SMPP)
	if w := channel.Spec.WebChat; w != nil {
		c.WebChat = webChatOf(tenant, w)
	}
	for _, k := range channel.Spec.Keywords {
		c.Keywords = append(c.Keywords, contract.Keywords{
			Locale: k.Locale, Stop: words(k.Stop), Start: words(k.Start), Help: words(k.Help),
		})
	}
	return c
}

func webChatOf(tenant *v1alpha1.Tenant, w *v1alpha1.WebChat) *contract.WebChat {
	c := &contract.WebChat{
		WelcomeText: w.WelcomeText, PrivacyNoticeURL: w.PrivacyNoticeURL, SessionHours: defaultSessionHours, MaxMessageLength: defaultMaxMessageLength,
	}
	if n := PrivacyNotice(tenant.Spec.PrivacyNotice); n != nil && w.PrivacyNoticeURL == "" {
		c.PrivacyNoticeURL, c.NoticeVersion = n.URL, n.Material
	}
	for _, origin := range w.AllowedOrigins {
		c.AllowedOrigins = append(c.AllowedOrigins, string(origin))
	}
	if w.Identity != nil {
		c.Identity = cmp.Or(string(w.Identity.Mode), contract.IdentityEnforced)
	}
	if w.SessionHours != nil {
		c.SessionHours = *w.SessionHours
	}
	if w.MaxMessageLength != nil {
		c.MaxMessageLength = *w.MaxMessageLength
	}
	return c
}

func words(keywords []v1alpha1.Keyword) []string {
	var w []string
	for _, k := range keywords {
		w = append(w, string(k))
	}
	return w
}
