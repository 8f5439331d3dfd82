package api_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/tracing"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

func TestRequestsAreTracedWithoutWhomTheyAreAbout(t *testing.T) {
	recorder := tracetest.NewSpanRecorder()
	before := otel.GetTracerProvider()
	otel.SetTracerProvider(sdk.NewTracerProvider(sdk.WithSpanProcessor(recorder)))
	t.Cleanup(func() { otel.SetTracerProvider(before) })
	s := start(t)
	v := s.guest("Ada", "+493000", pgtest.Channel, s.now())
	foreign := "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	s.do("POST", v.path()+"/messages", map[string]any{"body": "Gerne, Ada."}, "Traceparent", foreign).want(http.StatusAccepted)
	missing := uuid.New()
	s.do("GET", "/api/v1/contacts/"+missing.String(), nil).want(http.StatusNotFound)

	spans := recorder.Ended()
	if len(spans) != 2 {
		t.Fatalf("%d spans", len(spans))
	}
	for n, want := range []struct {
		name   string
		status int64
	}{{"POST /api/v1/conversations/{id}/messages", http.StatusAccepted}, {"GET /api/v1/contacts/{id}", http.StatusNotFound}} {
		span := spans[n]
		if span.Name() != want.name || span.Status().Code == codes.Error || span.Parent().IsValid() {
			t.Errorf("%s, %v, a part of %v", span.Name(), span.Status(), span.Parent())
		}
		if got := span.Attributes(); len(got) != 1 || got[0].Key != tracing.Status || got[0].Value.AsInt64() != want.status {
			t.Errorf("%s says %v", span.Name(), got)
		}
	}
	said, err := json.Marshal(tracetest.SpanStubsFromReadOnlySpans(spans))
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{v.id.String(), missing.String(), "Ada", "+493000", pgtest.StaffEmail} {
		if strings.Contains(string(said), secret) {
			t.Errorf("the spans hold %s", secret)
		}
	}
	var borne string
	if err := s.admin.QueryRow(t.Context(), "SELECT metadata->>'traceparent' FROM "+contract.QueueSchema(pgtest.Channel)+".river_job WHERE kind = 'send'").Scan(&borne); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(borne, spans[0].SpanContext().TraceID().String()) {
		t.Errorf("the job bears %s, and the request's trace is %s", borne, spans[0].SpanContext().TraceID())
	}
}
