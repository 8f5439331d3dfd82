package tracing

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/switchboard-operator/switchboard/internal/contract"
)

// collector is one that writes down what it is told.
func collector(t *testing.T, answer *atomic.Int32) (endpoint string, told *bytes.Buffer) {
	t.Helper()
	told = &bytes.Buffer{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s with %s", r.Method, r.URL, r.Header.Get("Content-Type"))
		}
		_, _ = io.Copy(told, r.Body)
		w.WriteHeader(int(answer.Load()))
	}))
	t.Cleanup(server.Close)
	return server.URL, told
}

func TestOnlyWhatMayBeToldLeaves(t *testing.T) {
	var answer atomic.Int32
	answer.Store(http.StatusOK)
	endpoint, told := collector(t, &answer)
	exporter, err := NewExporter(contract.Tracing{Endpoint: endpoint}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	provider := sdk.NewTracerProvider(sdk.WithSyncer(exporter))
	_, span := provider.Tracer(scope).Start(t.Context(), "send", trace.WithSpanKind(trace.SpanKindProducer),
		trace.WithAttributes(Channel.String("front-desk"), Attempt.Int(2), attribute.String("guest", "+4915112345678")))
	span.AddEvent("the guest said Hallo")
	span.RecordError(errors.New("no route to +4915112345678"))
	span.SetStatus(codes.Error, "no route to +4915112345678")
	span.End()
	for _, secret := range []string{"4915112345678", "Hallo", "guest"} {
		if strings.Contains(told.String(), secret) {
			t.Errorf("the collector was told of %q: %s", secret, told)
		}
	}
	var got exported
	if err := json.Unmarshal(told.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	one := got.ResourceSpans[0].ScopeSpans[0].Spans[0]
	if one.Name != "send" || one.Kind != 4 || one.Status.Code != 2 || len(one.Says) != 2 || *one.Says[0].Value.String != "front-desk" || *one.Says[1].Value.Int != "2" {
		t.Errorf("told: %s", told)
	}
}

var update = flag.Bool("update", false, "write testdata/told.json anew")

// The collector of OpenTelemetry's reads the same file in test/traces.
func TestWhatIsTold(t *testing.T) {
	var answer atomic.Int32
	answer.Store(http.StatusOK)
	endpoint, told := collector(t, &answer)
	exporter, err := NewExporter(contract.Tracing{Endpoint: endpoint}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)
	of := resource.NewSchemaless(attribute.String("service.name", "switchboard-connect"), attribute.String("service.namespace", "hotel-berlin"))
	place := func(span byte) trace.SpanContext {
		return trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{15: 7}, SpanID: trace.SpanID{7: span}, TraceFlags: trace.FlagsSampled})
	}
	spans := tracetest.SpanStubs{
		{Name: "receive", SpanContext: place(1), SpanKind: trace.SpanKindConsumer, StartTime: at, EndTime: at.Add(4 * time.Millisecond),
			Attributes: []attribute.KeyValue{Channel.String("front-desk"), Type.String("TwilioSMS"), Messages.Int(1)}, Resource: of},
		{Name: "send", SpanContext: place(2), Parent: place(1), SpanKind: trace.SpanKindProducer, StartTime: at.Add(time.Second), EndTime: at.Add(1250 * time.Millisecond),
			Attributes: []attribute.KeyValue{Channel.String("front-desk"), Attempt.Int(2)}, Status: sdk.Status{Code: codes.Error}, Resource: of},
	}
	if err := exporter.ExportSpans(t.Context(), spans.Snapshots()); err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := json.Indent(&got, told.Bytes(), "", "  "); err != nil {
		t.Fatal(err)
	}
	got.WriteByte('\n')
	const golden = "testdata/told.json"
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("told:\n%s\nwant:\n%s", &got, want)
	}
}

func TestACollectorThatIsAwayIsToldOfOnce(t *testing.T) {
	var answer atomic.Int32
	answer.Store(http.StatusServiceUnavailable)
	endpoint, _ := collector(t, &answer)
	log := &bytes.Buffer{}
	exporter, err := NewExporter(contract.Tracing{Endpoint: endpoint}, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if exporter.ExportSpans(t.Context(), nil) == nil {
			t.Fatal("what was refused counts as told")
		}
	}
	answer.Store(http.StatusOK)
	for range 3 {
		if err := exporter.ExportSpans(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
	if lines := strings.Count(log.String(), "\n"); lines != 2 || !strings.Contains(log.String(), "answers 503") {
		t.Errorf("the log:\n%s", log)
	}
}

func TestACollectorSendsNobodyElsewhere(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was followed") }))
	defer elsewhere.Close()
	collector := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer collector.Close()
	exporter, err := NewExporter(contract.Tracing{Endpoint: collector.URL}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := exporter.ExportSpans(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "307") {
		t.Errorf("a redirect gives %v", err)
	}
}

func TestAJobFollowsWhatQueuedIt(t *testing.T) {
	if b := Carry(t.Context()); b != nil {
		t.Errorf("a job of nothing that is followed bears %s", b)
	}
	provider := sdk.NewTracerProvider()
	ctx, span := provider.Tracer(scope).Start(t.Context(), "receive")
	defer span.End()
	borne := Carry(ctx)
	if got := trace.SpanContextFromContext(Follow(t.Context(), borne)); got.TraceID() != span.SpanContext().TraceID() || got.SpanID() != span.SpanContext().SpanID() || !got.IsSampled() {
		t.Errorf("%s gives %v", borne, got)
	}
	for _, borne := range []string{"", "{}", "[]", `{"traceparent":7}`, `{"traceparent":"00-0-0-01"}`, `{"traceparent":"` + strings.Repeat("0", 1<<16) + `"}`} {
		if got := trace.SpanContextFromContext(Follow(context.Background(), []byte(borne))); got.IsValid() {
			t.Errorf("%.40s gives %v", borne, got)
		}
	}
}

func TestACollectorByTLSIsTheBundles(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of the handshake that is refused
	server.StartTLS()
	defer server.Close()
	bundle := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	for ca, fine := range map[string]bool{bundle: true, "": false} {
		exporter, err := NewExporter(contract.Tracing{Endpoint: server.URL, CABundle: ca}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if err := exporter.ExportSpans(t.Context(), nil); (err == nil) != fine {
			t.Errorf("with a bundle (%v): %v", fine, err)
		}
	}
	if _, err := NewExporter(contract.Tracing{Endpoint: server.URL, CABundle: "none"}, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a bundle that is none is taken")
	}
}
