package connect

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"go.opentelemetry.io/otel"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// A STOP and its confirmation are one trace, from the webhook to the provider.
func TestAWebhookIsTracedToItsAnswer(t *testing.T) {
	recorder := tracetest.NewSpanRecorder()
	provider := sdk.NewTracerProvider(sdk.WithSpanProcessor(recorder))
	before := otel.GetTracerProvider()
	otel.SetTracerProvider(provider)
	t.Cleanup(func() { otel.SetTracerProvider(before) })
	s := newStage(t, pgtest.New(t))
	s.says(guest, "STOP")
	ended := func(name string) sdk.ReadOnlySpan {
		t.Helper()
		var found sdk.ReadOnlySpan
		s.until("the step "+name+" ends", func() (bool, string) {
			for _, span := range recorder.Ended() {
				if span.Name() == name {
					found = span
				}
			}
			return found != nil, fmt.Sprintf("%d steps ended", len(recorder.Ended()))
		})
		return found
	}
	receive, send, ask := ended("receive"), ended("send"), ended("ask the provider")
	if receive.Parent().IsValid() {
		t.Error("a provider says what its webhook belongs to")
	}
	if send.Parent().SpanID() != receive.SpanContext().SpanID() || ask.Parent().SpanID() != send.SpanContext().SpanID() ||
		send.SpanContext().TraceID() != receive.SpanContext().TraceID() {
		t.Errorf("receive %v, send %v, ask %v", receive.SpanContext(), send.Parent(), ask.Parent())
	}
	if ask.SpanKind() != trace.SpanKindClient {
		t.Errorf("asking is of kind %s", ask.SpanKind())
	}
	said, err := json.Marshal(tracetest.SpanStubsFromReadOnlySpans(recorder.Ended()))
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{guest[1:], "STOP", number[1:], account} {
		if strings.Contains(string(said), secret) {
			t.Errorf("the spans hold %s", secret)
		}
	}
}
