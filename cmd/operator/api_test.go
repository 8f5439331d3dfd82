package main

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
)

func aPolicy(change func(*v1alpha1.RetentionPolicy)) *v1alpha1.RetentionPolicy {
	p := &v1alpha1.RetentionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "asked", Namespace: "default"},
		Spec: v1alpha1.RetentionPolicySpec{
			Schedule: "15 3 * * *", TimeZone: "Europe/Berlin",
			Rules: []v1alpha1.RetentionRule{{Category: v1alpha1.CategoryMessages, RetainDays: 90}},
		},
	}
	change(p)
	return p
}

func retained(days int32) *v1alpha1.RetentionPolicy {
	return aPolicy(func(p *v1alpha1.RetentionPolicy) { p.Spec.Rules[0].RetainDays = days })
}

func aTenant(change func(*v1alpha1.Tenant)) *v1alpha1.Tenant {
	t := &v1alpha1.Tenant{
		ObjectMeta: metav1.ObjectMeta{Name: "asked"},
		Spec:       v1alpha1.TenantSpec{Region: "eu-central", Hostname: "asked.example"},
	}
	change(t)
	return t
}

func aChannel(change func(*v1alpha1.Channel)) *v1alpha1.Channel {
	c := &v1alpha1.Channel{
		ObjectMeta: metav1.ObjectMeta{Name: "asked", Namespace: "default"},
		Spec: v1alpha1.ChannelSpec{
			Type: v1alpha1.TypeTwilioSMS, SubProcessor: "twilio",
			TwilioSMS: &v1alpha1.TwilioSMS{
				AccountSID: "AC" + strings.Repeat("0", 32), From: "+493023125100",
				CredentialsSecretRef: v1alpha1.SecretReference{Name: "twilio"},
			},
		},
	}
	change(c)
	return c
}

func byMessenger(page string) *v1alpha1.Channel {
	return aChannel(func(o *v1alpha1.Channel) {
		o.Spec.Type, o.Spec.TwilioSMS = v1alpha1.TypeMessenger, nil
		o.Spec.Messenger = &v1alpha1.Messenger{PageID: page, CredentialsSecretRef: v1alpha1.SecretReference{Name: "messenger"}}
	})
}

// bySMPP is a Channel of that type; change may alter its settings.
func bySMPP(change func(*v1alpha1.SMPP)) *v1alpha1.Channel {
	return aChannel(func(o *v1alpha1.Channel) {
		o.Spec.Type, o.Spec.TwilioSMS = v1alpha1.TypeSMPP, nil
		o.Spec.SMPP = &v1alpha1.SMPP{
			Host: "smpp.carrier.example", Port: 3550, SystemID: "hotelberlin", From: "+493012345678",
			CredentialsSecretRef: v1alpha1.SecretReference{Name: "carrier"},
		}
		change(o.Spec.SMPP)
	})
}

func byWebChat(change func(*v1alpha1.Channel)) *v1alpha1.Channel {
	return aChannel(func(o *v1alpha1.Channel) {
		o.Spec.Type, o.Spec.TwilioSMS, o.Spec.SubProcessor = v1alpha1.TypeWebChat, nil, ""
		o.Spec.WebChat = &v1alpha1.WebChat{
			AllowedOrigins: []v1alpha1.Origin{"https://www.hotel-berlin.example"}, PrivacyNoticeURL: "https://www.hotel-berlin.example/privacy",
		}
		if change != nil {
			change(o)
		}
	})
}

func byTelegram(username string) *v1alpha1.Channel {
	return aChannel(func(o *v1alpha1.Channel) {
		o.Spec.Type, o.Spec.TwilioSMS = v1alpha1.TypeTelegram, nil
		o.Spec.Telegram = &v1alpha1.Telegram{Username: username, CredentialsSecretRef: v1alpha1.SecretReference{Name: "telegram"}}
	})
}

func byWhatsApp(change func(*v1alpha1.ChannelSpec)) *v1alpha1.Channel {
	return aChannel(func(o *v1alpha1.Channel) {
		o.Spec.Type, o.Spec.TwilioSMS = v1alpha1.TypeWhatsApp, nil
		o.Spec.WhatsApp = &v1alpha1.WhatsApp{
			PhoneNumberID: "106540352242922", BusinessAccountID: "102290129340398", CredentialsSecretRef: v1alpha1.SecretReference{Name: "whatsapp"},
		}
		if change != nil {
			change(&o.Spec)
		}
	})
}

// withSendWindow is a tenant that lets other systems send by day.
func withSendWindow(change func(*v1alpha1.SendWindow)) *v1alpha1.Tenant {
	return aTenant(func(o *v1alpha1.Tenant) {
		o.Spec.SendWindow = &v1alpha1.SendWindow{Start: "08:00", End: "20:00", Days: []v1alpha1.Weekday{"Monday", "Sunday"}, TimeZone: "Europe/Berlin"}
		change(o.Spec.SendWindow)
	})
}

// withNotice is a tenant with a privacy notice.
func withNotice(change func(*v1alpha1.PrivacyNotice)) *v1alpha1.Tenant {
	return aTenant(func(o *v1alpha1.Tenant) {
		o.Spec.PrivacyNotice = &v1alpha1.PrivacyNotice{URL: "https://hotel-berlin.example/privacy", Version: 3, MaterialVersion: 2, Language: "de"}
		change(o.Spec.PrivacyNotice)
	})
}

// aRegionTracedBy tells a collector.
func aRegionTracedBy(endpoint string) *v1alpha1.Region {
	return &v1alpha1.Region{ObjectMeta: metav1.ObjectMeta{Name: "asked"}, Spec: v1alpha1.RegionSpec{
		Jurisdiction: "EU", Tracing: &v1alpha1.Tracing{Endpoint: endpoint},
	}}
}

// aRegionWith a database of an engine.
func aRegionWith(engine v1alpha1.DatabaseEngine, change func(*v1alpha1.RegionDatabase)) *v1alpha1.Region {
	r := &v1alpha1.Region{ObjectMeta: metav1.ObjectMeta{Name: "asked"}, Spec: v1alpha1.RegionSpec{
		Jurisdiction: "EU", Database: &v1alpha1.RegionDatabase{Engine: engine},
	}}
	there := v1alpha1.Egress{CIDRs: []v1alpha1.CIDR{"203.0.113.64/28"}, Ports: []v1alpha1.Port{5432}}
	switch engine {
	case v1alpha1.EngineExternal:
		r.Spec.Database.External = &v1alpha1.ExternalDatabase{
			Provider: "Example", Location: "DE", CredentialsSecretRef: v1alpha1.SecretReference{Name: "database"}, Egress: there,
		}
	case v1alpha1.EngineCloudNativePG:
		r.Spec.Database.CloudNativePG = &v1alpha1.CloudNativePG{APIServer: there}
	}
	change(r.Spec.Database)
	return r
}

// whatTheAPIServerSays asks without storing anything: what is wrong gets a sentence
// that tells what to do, what is right gets through.
func whatTheAPIServerSays(t *testing.T, c testCluster) {
	const names = "use at most 40 lower-case letters, digits and hyphens"
	const days = "retainDays is a whole number of days from 1 to 36500; to keep data without limit, leave the rule out"
	long := strings.Repeat("a", 40)
	for sentence, ask := range map[string]struct {
		object client.Object
		says   string // empty when it is let in
	}{
		"a policy":                             {retained(90), ""},
		"the shortest retention":               {retained(1), ""},
		"the longest retention":                {retained(36500), ""},
		"no days":                              {retained(0), days},
		"less than none":                       {retained(-1), days},
		"more than a century":                  {retained(36501), days},
		"a schedule of three fields":           {aPolicy(func(p *v1alpha1.RetentionPolicy) { p.Spec.Schedule = "15 3 *" }), "five fields"},
		"a schedule that is a sentence":        {aPolicy(func(p *v1alpha1.RetentionPolicy) { p.Spec.Schedule = "every day at three o'clock" }), "five fields"},
		"a zone within the schedule":           {aPolicy(func(p *v1alpha1.RetentionPolicy) { p.Spec.Schedule = "TZ=Europe/Berlin 15 3 * * *" }), "five fields"},
		"the zone of whatever node it is":      {aPolicy(func(p *v1alpha1.RetentionPolicy) { p.Spec.TimeZone = "Local" }), "IANA time zone"},
		"a policy without rules":               {aPolicy(func(p *v1alpha1.RetentionPolicy) { p.Spec.Rules = nil }), "rules"},
		"a category that nobody keeps":         {aPolicy(func(p *v1alpha1.RetentionPolicy) { p.Spec.Rules[0].Category = "Minibars" }), "AccessLogs"},
		"a policy's name of 40 characters":     {aPolicy(func(p *v1alpha1.RetentionPolicy) { p.Name = long }), ""},
		"a policy's name of 41 characters":     {aPolicy(func(p *v1alpha1.RetentionPolicy) { p.Name = long + "a" }), names},
		"two rules for one category":           {aPolicy(func(p *v1alpha1.RetentionPolicy) { p.Spec.Rules = append(p.Spec.Rules, p.Spec.Rules[0]) }), "Duplicate value"},
		"messages kept as long as their data":  {withMetadata(90), ""},
		"messages kept longer than their data": {withMetadata(89), "Messages"},

		"a collector":                        {aRegionTracedBy("http://otel-collector.observability.svc:4318"), ""},
		"a collector by its whole name":      {aRegionTracedBy("https://otel-collector.observability.svc.cluster.local:4318"), ""},
		"a collector outside of the cluster": {aRegionTracedBy("https://otlp.example.com:4318"), "use a Service of the cluster"},
		"a collector without a port":         {aRegionTracedBy("http://otel-collector.observability.svc"), "use a Service of the cluster"},
		"a collector with a path":            {aRegionTracedBy("http://otel-collector.observability.svc:4318/v1/traces"), "use a Service of the cluster"},
		"a collector of a port that is none": {aRegionTracedBy("http://otel-collector.observability.svc:70000"), "a port from 1 to 65535"},

		"a send window":                     {withSendWindow(func(*v1alpha1.SendWindow) {}), ""},
		"a send window over midnight":       {withSendWindow(func(w *v1alpha1.SendWindow) { w.Start, w.End = "18:00", "02:00" }), ""},
		"a send window to midnight":         {withSendWindow(func(w *v1alpha1.SendWindow) { w.End = "24:00" }), ""},
		"a send window of no time":          {withSendWindow(func(w *v1alpha1.SendWindow) { w.End = w.Start }), "leave sendWindow out"},
		"a send window at eight":            {withSendWindow(func(w *v1alpha1.SendWindow) { w.Start = "8:00 " }), "as HH:MM, from 00:00 to 23:59"},
		"a send window from midnight's end": {withSendWindow(func(w *v1alpha1.SendWindow) { w.Start = "24:00" }), "as HH:MM, from 00:00 to 23:59"},
		"a send window of 61 minutes":       {withSendWindow(func(w *v1alpha1.SendWindow) { w.End = "20:61" }), "as HH:MM, from 00:00 to 24:00"},
		"a send window of a day of none":    {withSendWindow(func(w *v1alpha1.SendWindow) { w.Days = []v1alpha1.Weekday{"Caturday"} }), "Monday"},
		"a send window of an offset":        {withSendWindow(func(w *v1alpha1.SendWindow) { w.TimeZone = "+01:00" }), "IANA time zone"},
		"a send window of the node's zone":  {withSendWindow(func(w *v1alpha1.SendWindow) { w.TimeZone = "Local" }), "IANA time zone"},
		"a provider that staff sign in by":  {withProvider(func(*v1alpha1.StaffOIDC) {}), ""},
		"one with all that it can have": {withProvider(func(o *v1alpha1.StaffOIDC) {
			o.EmailVerifiedClaim, o.Required, o.CABundle = "xms_edov", true, "-----BEGIN CERTIFICATE-----"
		}), ""},
		"a provider without TLS":           {withProvider(func(o *v1alpha1.StaffOIDC) { o.Issuer = "http://login.example" }), "use the issuer by https"},
		"an issuer with a query":           {withProvider(func(o *v1alpha1.StaffOIDC) { o.Issuer = "https://login.example?a=b" }), "use the issuer by https"},
		"an issuer with a user":            {withProvider(func(o *v1alpha1.StaffOIDC) { o.Issuer = "https://a:b@login.example" }), "use the issuer by https"},
		"a provider of no sub-processor":   {withProvider(func(o *v1alpha1.StaffOIDC) { o.SubProcessor = "" }), "subProcessor"},
		"a domain with an @":               {withProvider(func(o *v1alpha1.StaffOIDC) { o.EmailDomains[0] = "@hotel.example" }), "use a domain in lower case"},
		"a client ID with a space":         {withProvider(func(o *v1alpha1.StaffOIDC) { o.ClientID = "switch board" }), "printable ASCII"},
		"a claim of no name":               {withProvider(func(o *v1alpha1.StaffOIDC) { o.EmailVerifiedClaim = "a b" }), "use the name of a claim"},
		"a privacy notice":                 {withNotice(func(*v1alpha1.PrivacyNotice) {}), ""},
		"a privacy notice, by default":     {withNotice(func(n *v1alpha1.PrivacyNotice) { n.MaterialVersion, n.Language = 0, "" }), ""},
		"a privacy notice of no version":   {withNotice(func(n *v1alpha1.PrivacyNotice) { n.Version, n.MaterialVersion = 0, 0 }), "greater than or equal to 1"},
		"a material version to come":       {withNotice(func(n *v1alpha1.PrivacyNotice) { n.MaterialVersion = 4 }), "can't be above version"},
		"a privacy notice without TLS":     {withNotice(func(n *v1alpha1.PrivacyNotice) { n.URL = "http://hotel-berlin.example/privacy" }), "by https in ASCII"},
		"a privacy notice with a space":    {withNotice(func(n *v1alpha1.PrivacyNotice) { n.URL = "https://hotel-berlin.example/our notice" }), "by https in ASCII"},
		"a privacy notice in Latin":        {withNotice(func(n *v1alpha1.PrivacyNotice) { n.Language = "la" }), "supported values"},
		"a web chat with the tenant's":     {byWebChat(func(o *v1alpha1.Channel) { o.Spec.WebChat.PrivacyNoticeURL = "" }), ""},
		"a webhook":                        {withWebhook(func(*v1alpha1.Webhook) {}), ""},
		"a webhook without TLS":            {withWebhook(func(w *v1alpha1.Webhook) { w.URL = "http://pms.example/" }), "use an address by https"},
		"a webhook with a password":        {withWebhook(func(w *v1alpha1.Webhook) { w.URL = "https://a:b@pms.example/" }), "without user and fragment"},
		"a webhook without events":         {withWebhook(func(w *v1alpha1.Webhook) { w.Events = nil }), "events"},
		"a webhook of an event of none":    {withWebhook(func(w *v1alpha1.Webhook) { w.Events = []v1alpha1.WebhookEvent{"GuestSneezed"} }), "MessageReceived"},
		"a webhook that nobody signs":      {withWebhook(func(w *v1alpha1.Webhook) { w.SecretRefs = nil }), "secretRefs"},
		"a webhook's name with a slash":    {withWebhook(func(w *v1alpha1.Webhook) { w.Name = "p/ms" }), "as in property-management"},
		"a webhook of nobody's":            {withWebhook(func(w *v1alpha1.Webhook) { w.SubProcessor = "" }), "subProcessor"},
		"a tenant":                         {aTenant(func(*v1alpha1.Tenant) {}), ""},
		"a tenant's name of 40 characters": {aTenant(func(o *v1alpha1.Tenant) { o.Name = long }), ""},
		"a tenant's name of 41 characters": {aTenant(func(o *v1alpha1.Tenant) { o.Name = long + "a" }), names},
		"a tenant's name with a dot":       {aTenant(func(o *v1alpha1.Tenant) { o.Name = "hotel.berlin" }), names},
		"a hostname without a dot":         {aTenant(func(o *v1alpha1.Tenant) { o.Spec.Hostname = "messages" }), "at least one dot"},
		"a hostname that is a URL":         {aTenant(func(o *v1alpha1.Tenant) { o.Spec.Hostname = "https://a.example" }), "use a DNS name"},
		"a tenant in kube-system":          {aTenant(func(o *v1alpha1.Tenant) { o.Spec.Namespace = "kube-system" }), "leave the field out"},
		"a tenant in default":              {aTenant(func(o *v1alpha1.Tenant) { o.Spec.Namespace = "default" }), "leave the field out"},
		"a policy of deletion unheard of":  {aTenant(func(o *v1alpha1.Tenant) { o.Spec.DeletionPolicy = "Forget" }), `"Retain", "Erase"`},

		"a provider's database":                  {aRegionWith(v1alpha1.EngineExternal, func(*v1alpha1.RegionDatabase) {}), ""},
		"a provider's database of nobody":        {aRegionWith(v1alpha1.EngineExternal, func(d *v1alpha1.RegionDatabase) { d.External = nil }), "engine External goes with external"},
		"a provider beside an embedded database": {aRegionWith(v1alpha1.EngineExternal, func(d *v1alpha1.RegionDatabase) { d.Engine = "" }), "engine External goes with external"},
		"a provider's database at any port":      {aRegionWith(v1alpha1.EngineExternal, func(d *v1alpha1.RegionDatabase) { d.External.Egress.Ports = nil }), "egress.ports"},
		"a provider's database, backed up":       {aRegionWith(v1alpha1.EngineExternal, func(d *v1alpha1.RegionDatabase) { d.Backup = &v1alpha1.Backup{} }), "backed up by its provider"},
		"a provider's database in a city":        {aRegionWith(v1alpha1.EngineExternal, func(d *v1alpha1.RegionDatabase) { d.External.Location = "Berlin" }), "ISO 3166"},
		"a Cluster":                              {aRegionWith(v1alpha1.EngineCloudNativePG, func(*v1alpha1.RegionDatabase) {}), ""},
		"a Cluster without its way":              {aRegionWith(v1alpha1.EngineCloudNativePG, func(d *v1alpha1.RegionDatabase) { d.CloudNativePG = nil }), "engine CloudNativePG goes with cloudNativePG"},
		"a Cluster, backed up":                   {aRegionWith(v1alpha1.EngineCloudNativePG, func(d *v1alpha1.RegionDatabase) { d.Backup = &v1alpha1.Backup{} }), "are not built"},
		"an engine unheard of":                   {aRegionWith("Oracle", func(*v1alpha1.RegionDatabase) {}), `"Embedded"`},

		"a channel":                                         {aChannel(func(*v1alpha1.Channel) {}), ""},
		"a channel's name of 40 characters":                 {aChannel(func(o *v1alpha1.Channel) { o.Name = long }), ""},
		"a channel's name of 41 characters":                 {aChannel(func(o *v1alpha1.Channel) { o.Name = long + "a" }), names},
		"a channel named like a version of another's login": {aChannel(func(o *v1alpha1.Channel) { o.Name = "front-desk-v2" }), "must not end in -v and a number"},
		"a channel named with a v":                          {aChannel(func(o *v1alpha1.Channel) { o.Name = "front-v" }), ""},
		"a number with spaces":                              {aChannel(func(o *v1alpha1.Channel) { o.Spec.TwilioSMS.From = "+49 30 23125100" }), "E.164"},
		"no sender":                                         {aChannel(func(o *v1alpha1.Channel) { o.Spec.TwilioSMS.From = "" }), "set one of from and messagingServiceSID"},
		"an account's name for its SID":                     {aChannel(func(o *v1alpha1.Channel) { o.Spec.TwilioSMS.AccountSID = "Hotel Berlin" }), "Account SID"},
		"an API without encryption":                         {aChannel(func(o *v1alpha1.Channel) { o.Spec.TwilioSMS.APIBaseURL = "http://api.twilio.com" }), "https"},
		"a channel without its settings":                    {aChannel(func(o *v1alpha1.Channel) { o.Spec.TwilioSMS = nil }), "type TwilioSMS goes with twilioSMS"},
		"a channel of WhatsApp":                             {byWhatsApp(func(*v1alpha1.ChannelSpec) {}), ""},
		"a channel of WhatsApp without its settings":        {byWhatsApp(func(o *v1alpha1.ChannelSpec) { o.WhatsApp = nil }), "type WhatsApp goes with whatsApp"},
		"a channel by SMPP":                                 {bySMPP(func(*v1alpha1.SMPP) {}), ""},
		"a host with its port":                              {bySMPP(func(s *v1alpha1.SMPP) { s.Host = "carrier.example:3550" }), "without port"},
		"authorities without TLS":                           {bySMPP(func(s *v1alpha1.SMPP) { s.Transport, s.CABundle = "Plain", "-----BEGIN CERTIFICATE-----" }), "leave it out"},
		"a name as a number":                                {bySMPP(func(s *v1alpha1.SMPP) { s.From = "Hotel" }), "sourceTON: 5"},
		"a number with blanks":                              {bySMPP(func(s *v1alpha1.SMPP) { s.From = "+49 30 12345678" }), "use a number in E.164"},
		"a country by its letters":                          {bySMPP(func(s *v1alpha1.SMPP) { s.DefaultCountryCode = "GB" }), "calling code without plus"},
		"a window of nothing":                               {bySMPP(func(s *v1alpha1.SMPP) { s.WindowSize = new(int32) }), "greater than or equal to 1"},
		"a channel of Telegram":                             {byTelegram("hotel_berlin_bot"), ""},
		"a bot by its @":                                    {byTelegram("@hotel_berlin_bot"), "without the @"},
		"a channel of Messenger":                            {byMessenger("104512345678901"), ""},
		"a web chat":                                        {byWebChat(nil), ""},
		"a web chat that knows the site's users": {byWebChat(func(o *v1alpha1.Channel) {
			o.Spec.WebChat.Identity = &v1alpha1.WebChatIdentity{SecretRef: v1alpha1.SecretReference{Name: "chat"}, Mode: v1alpha1.WebChatIdentityOptional}
		}), ""},
		"a web chat by a company":         {byWebChat(func(o *v1alpha1.Channel) { o.Spec.SubProcessor = "twilio" }), "leave it out for type WebChat"},
		"text messages by nobody":         {aChannel(func(o *v1alpha1.Channel) { o.Spec.SubProcessor = "" }), "name the company that carries the messages"},
		"a web chat without its settings": {byWebChat(func(o *v1alpha1.Channel) { o.Spec.WebChat = nil }), "type WebChat goes with webChat"},
		"a web chat for nobody":           {byWebChat(func(o *v1alpha1.Channel) { o.Spec.WebChat.AllowedOrigins = []v1alpha1.Origin{} }), "at least 1"},
		"a web chat for a host's every page": {byWebChat(func(o *v1alpha1.Channel) {
			o.Spec.WebChat.AllowedOrigins = []v1alpha1.Origin{"https://*.hotel-berlin.example"}
		}), "https origin as browsers send it"},
		"a web chat for a page, not a site": {byWebChat(func(o *v1alpha1.Channel) {
			o.Spec.WebChat.AllowedOrigins = []v1alpha1.Origin{"https://www.hotel-berlin.example/"}
		}), "https origin as browsers send it"},
		"a web chat for a site without encryption": {byWebChat(func(o *v1alpha1.Channel) {
			o.Spec.WebChat.AllowedOrigins = []v1alpha1.Origin{"http://www.hotel-berlin.example"}
		}), "https origin as browsers send it"},
		"a web chat for a site with the port that browsers leave out": {byWebChat(func(o *v1alpha1.Channel) {
			o.Spec.WebChat.AllowedOrigins = []v1alpha1.Origin{"https://www.hotel-berlin.example:443"}
		}), "no port 443"},
		"a web chat whose notice is not encrypted": {byWebChat(func(o *v1alpha1.Channel) { o.Spec.WebChat.PrivacyNoticeURL = "http://hotel-berlin.example" }), "by https"},
		"a web chat of no time":                    {byWebChat(func(o *v1alpha1.Channel) { o.Spec.WebChat.SessionHours = new(int32) }), "greater than or equal to 1"},
		"a page by its name":                       {byMessenger("hotel.berlin"), "page ID"},
		"a channel of two types":                   {aChannel(func(o *v1alpha1.Channel) { o.Spec.WhatsApp = byWhatsApp(nil).Spec.WhatsApp }), "type WhatsApp goes with whatsApp"},
		"a number for its ID":                      {byWhatsApp(func(o *v1alpha1.ChannelSpec) { o.WhatsApp.PhoneNumberID = "+493023125100" }), "phone number ID"},
		"a version of the Graph API without its v": {byWhatsApp(func(o *v1alpha1.ChannelSpec) { o.WhatsApp.APIVersion = "23.0" }), "v23.0"},
	} {
		t.Run(sentence, func(t *testing.T) {
			err := c.Create(t.Context(), ask.object, client.DryRunAll)
			switch {
			case ask.says == "" && err != nil:
				t.Error(err)
			case ask.says != "" && err == nil:
				t.Error("it was let in")
			case ask.says != "" && !strings.Contains(err.Error(), ask.says):
				t.Errorf("the API server says %q, want %q in it", err, ask.says)
			}
		})
	}
}

// withMetadata keeps messages for 90 days and their metadata for as many as given.
func withMetadata(days int32) *v1alpha1.RetentionPolicy {
	return aPolicy(func(p *v1alpha1.RetentionPolicy) {
		p.Spec.Rules = append(p.Spec.Rules, v1alpha1.RetentionRule{Category: v1alpha1.CategoryMessageMetadata, RetainDays: days})
	})
}

// whatCannotChange holds of a Tenant whose data is somewhere.
func whatCannotChange(t *testing.T, c testCluster) {
	tenant := aTenant(func(o *v1alpha1.Tenant) {
		o.Name, o.Spec.Region, o.Spec.Hostname, o.Spec.Move = "settled", "atlantis", "settled.example", &v1alpha1.Move{To: "eu-central"}
		o.Spec.PrivacyNotice = &v1alpha1.PrivacyNotice{URL: "https://hotel-berlin.example/privacy", Version: 3}
	})
	create(t, c, tenant)
	for says, change := range map[string]func(*v1alpha1.TenantSpec){
		"region can't change":    func(s *v1alpha1.TenantSpec) { s.Region = "eu-central" }, // though a move is asked for
		"namespace can't change": func(s *v1alpha1.TenantSpec) { s.Namespace = "elsewhere" },
	} {
		asked := tenant.DeepCopy()
		change(&asked.Spec)
		err := c.Patch(t.Context(), asked, client.MergeFrom(tenant), client.DryRunAll)
		if err == nil || !strings.Contains(err.Error(), says+": the data is there") {
			t.Errorf("err = %v, want %q", err, says)
		}
	}
	back := tenant.DeepCopy()
	back.Spec.PrivacyNotice.Version, back.Spec.PrivacyNotice.MaterialVersion = 2, 2
	if err := c.Patch(t.Context(), back, client.MergeFrom(tenant), client.DryRunAll); err == nil || !strings.Contains(err.Error(), "version can't go back") {
		t.Errorf("err = %v for an older privacy notice", err)
	}
	channel := bySMPP(func(s *v1alpha1.SMPP) { s.DefaultCountryCode = "44" })
	channel.Name = "settled"
	create(t, c, channel)
	for _, code := range []string{"", "49"} {
		asked := channel.DeepCopy()
		asked.Spec.SMPP.DefaultCountryCode = code
		if err := c.Patch(t.Context(), asked, client.MergeFrom(channel), client.DryRunAll); err == nil || !strings.Contains(err.Error(), "defaultCountryCode can't change") {
			t.Errorf("err = %v for country %q", err, code)
		}
	}
	asked := tenant.DeepCopy()
	asked.Spec.Hostname = "moved.example"
	if err := c.Patch(t.Context(), asked, client.MergeFrom(tenant), client.DryRunAll); err != nil {
		t.Error("the hostname can change:", err)
	}
}
