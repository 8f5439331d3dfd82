package v1alpha1

// Tracing has a region's tenants tell a collector of OpenTelemetry's in the cluster how long what took: from a webhook to the answer,
// from a reply to the provider. It is told names of steps and channels, counts and outcomes; no id, address or word of anybody.
type Tracing struct {
	// endpoint is the collector's receiver of OTLP over HTTP: a Service of the cluster with its port, which its pods must have too,
	// since network policies see that. /v1/traces is appended. Example: http://otel-collector.observability.svc:4318.
	// +required
	// +kubebuilder:validation:MinLength=12
	// +kubebuilder:validation:MaxLength=180
	// +kubebuilder:validation:XValidation:rule="self.matches('^https?://[a-z0-9]([-a-z0-9]*[a-z0-9])?[.][a-z0-9]([-a-z0-9]*[a-z0-9])?[.]svc([.]cluster[.]local)?:[0-9]{1,5}$')",message="use a Service of the cluster with its port and without a path, as in http://otel-collector.observability.svc:4318"
	// +kubebuilder:validation:XValidation:rule="!self.matches(':[0-9]{1,5}$') || int(self.split(':')[2]) >= 1 && int(self.split(':')[2]) <= 65535",message="use a port from 1 to 65535"
	Endpoint string `json:"endpoint"`
	// caBundle are the certificate authorities that the collector's certificate may be from, in PEM. Default: public ones.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32768
	// +kubebuilder:validation:XValidation:rule="self.contains('-----BEGIN CERTIFICATE-----')",message="use certificates in PEM: text that begins with -----BEGIN CERTIFICATE-----"
	CABundle string `json:"caBundle,omitempty"`
	// samplePercent is how much of what happens is told. Default: 5.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	SamplePercent *int32 `json:"samplePercent,omitempty"`
}
