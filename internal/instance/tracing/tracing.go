// Package tracing tells a collector of the region how long what took, by OpenTelemetry: from a webhook to the answer that is sent,
// from a member of staff's reply to the provider. What leaves is an allowlist (see Export): names of steps, counts and outcomes. No
// id of a message or guest, no address and no word is ever among it.
package tracing

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

// What a span may say beside its name: everything else stays here.
const (
	Channel  = attribute.Key("switchboard.channel")       // the Channel's name
	Type     = attribute.Key("switchboard.channel.type")  // such as TwilioSMS
	Outcome  = attribute.Key("switchboard.outcome")       // a word of ours, such as accepted or not_sent
	Messages = attribute.Key("switchboard.messages")      // how many were stored together
	Attempt  = attribute.Key("switchboard.attempt")       // of sending, from 1
	Status   = attribute.Key("http.response.status_code") // of the answer that was given
)

var allowed = map[attribute.Key]bool{Channel: true, Type: true, Outcome: true, Messages: true, Attempt: true, Status: true}

const (
	scope = "switchboard"
	// stopTimeout bounds the sending of what is left when a pod ends.
	stopTimeout = 3 * time.Second
)

// Start has spans told to the collector that contract.EnvTracing describes, in the name of a component. Without one, spans cost
// nothing. stop sends what is left.
func Start(ctx context.Context, component string, log *slog.Logger) (stop func(), err error) {
	value := os.Getenv(contract.EnvTracing)
	if value == "" {
		return func() {}, nil
	}
	var to contract.Tracing
	if err := json.Unmarshal([]byte(value), &to); err != nil {
		return nil, fmt.Errorf("reading %s: %w", contract.EnvTracing, err)
	}
	exporter, err := NewExporter(to, log)
	if err != nil {
		return nil, err
	}
	provider := sdk.NewTracerProvider(
		sdk.WithBatcher(exporter),
		sdk.WithSampler(sdk.ParentBased(sdk.TraceIDRatioBased(float64(to.SamplePercent)/100))),
		sdk.WithResource(resource.NewSchemaless(
			attribute.String("service.name", scope+"-"+component),
			attribute.String("service.namespace", os.Getenv(contract.EnvTenant)),
			attribute.String("switchboard.region", os.Getenv(contract.EnvRegion)),
		)),
	)
	otel.SetTracerProvider(provider)
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(error) {})) // the exporter tells of its own
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		_ = provider.Shutdown(ctx) // what is not told is lost, as it is when the collector is down
	}, nil
}

// Span is a step that is under way.
type Span struct{ span trace.Span }

// Begin starts a step of what ctx belongs to, or something new.
func Begin(ctx context.Context, name string, kind trace.SpanKind, says ...attribute.KeyValue) (context.Context, Span) {
	ctx, span := otel.Tracer(scope).Start(ctx, name, trace.WithSpanKind(kind), trace.WithAttributes(says...))
	return ctx, Span{span}
}

// Says adds what became known meanwhile.
func (s Span) Says(says ...attribute.KeyValue) { s.span.SetAttributes(says...) }

// End ends a step, which failed if err says so; why stays in the log.
func (s Span) End(err error) {
	if err != nil {
		s.span.SetStatus(codes.Error, "")
	}
	s.span.End()
}

// carrier is what goes with a job: W3C's traceparent (https://www.w3.org/TR/trace-context/).
var carrier = propagation.TraceContext{}

// Carry gives what a job must bear for its steps to belong to what ctx belongs to, as JSON; nil when nobody follows that.
func Carry(ctx context.Context) []byte {
	if !trace.SpanContextFromContext(ctx).IsSampled() {
		return nil
	}
	with := propagation.MapCarrier{}
	carrier.Inject(ctx, with)
	b, err := json.Marshal(with)
	if err != nil {
		return nil
	}
	return b
}

// Follow makes what is done in ctx belong to what a job bears; what can't be read belongs to nothing.
func Follow(ctx context.Context, borne []byte) context.Context {
	with := map[string]any{}
	if json.Unmarshal(borne, &with) != nil {
		return ctx
	}
	parent, _ := with["traceparent"].(string)
	return carrier.Extract(ctx, propagation.MapCarrier{"traceparent": parent})
}
