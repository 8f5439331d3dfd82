package contract

// Tracing says which collector of OpenTelemetry's is told how long what took: EnvTracing as JSON.
type Tracing struct {
	Endpoint      string `json:"endpoint"` // an http or https origin, without a trailing slash; OTLP's /v1/traces is appended
	CABundle      string `json:"caBundle,omitempty"`
	SamplePercent int    `json:"samplePercent"` // of what begins here, from 1 to 100
}
