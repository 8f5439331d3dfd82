package tracing

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/trust"
)

// exportTimeout bounds one telling; what waits meanwhile is bounded by the SDK, which drops the rest.
const exportTimeout = 5 * time.Second

// Exporter tells a collector of spans by OTLP over HTTP, in JSON (https://opentelemetry.io/docs/specs/otlp/#otlphttp). The SDK's own
// exporter would cost each pod 4 MiB; docs/design/0025 has the figures.
type Exporter struct {
	url    string
	client *http.Client
	log    *slog.Logger
	deaf   atomic.Bool // the collector did not take the last; told once
}

// NewExporter makes one. The collector need not be there yet.
func NewExporter(to contract.Tracing, log *slog.Logger) (*Exporter, error) {
	roots, err := trust.Authorities(to.CABundle)
	if err != nil {
		return nil, fmt.Errorf("reading the caBundle of %s: %w", contract.EnvTracing, err)
	}
	return &Exporter{url: to.Endpoint + "/v1/traces", log: log, client: &http.Client{
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, MaxIdleConns: 1, IdleConnTimeout: time.Minute},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // spans go where the Region says, and nowhere else
		},
		Timeout: exportTimeout,
	}}, nil
}

// ExportSpans tells of spans that ended. What is not taken is not told again: messages matter more than what is told of them.
func (e *Exporter) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	err := e.post(ctx, spans)
	if was := e.deaf.Swap(err != nil); err != nil && !was {
		e.log.Warn("the collector does not take traces; they are dropped until it does", "error", err.Error())
	} else if err == nil && was {
		e.log.Info("the collector takes traces again")
	}
	return err
}

func (e *Exporter) post(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	b, err := json.Marshal(request(spans))
	if err != nil {
		return fmt.Errorf("writing traces: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader(b))
	if err != nil {
		return fmt.Errorf("telling of traces: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := e.client.Do(r)
	if err != nil {
		return fmt.Errorf("telling of traces: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	_, _ = io.CopyN(io.Discard, answer.Body, 64<<10)
	if answer.StatusCode != http.StatusOK {
		return errors.New("telling of traces: the collector answers " + strconv.Itoa(answer.StatusCode))
	}
	return nil
}

// Shutdown ends nothing that lasts.
func (e *Exporter) Shutdown(context.Context) error {
	e.client.CloseIdleConnections()
	return nil
}

// The JSON of OTLP's ExportTraceServiceRequest, as far as it is used.
type (
	exported struct {
		ResourceSpans []resourceSpans `json:"resourceSpans"`
	}
	resourceSpans struct {
		Resource   attributes   `json:"resource"`
		ScopeSpans []scopeSpans `json:"scopeSpans"`
	}
	scopeSpans struct {
		Scope struct {
			Name string `json:"name"`
		} `json:"scope"`
		Spans []span `json:"spans"`
	}
	span struct {
		TraceID  string     `json:"traceId"`
		SpanID   string     `json:"spanId"`
		ParentID string     `json:"parentSpanId,omitempty"`
		Name     string     `json:"name"`
		Kind     int        `json:"kind"`
		Start    string     `json:"startTimeUnixNano"`
		End      string     `json:"endTimeUnixNano"`
		Says     []keyValue `json:"attributes,omitempty"`
		Status   struct {
			Code int `json:"code,omitempty"`
		} `json:"status"`
	}
	attributes struct {
		Attributes []keyValue `json:"attributes"`
	}
	keyValue struct {
		Key   string `json:"key"`
		Value value  `json:"value"`
	}
	value struct {
		String *string `json:"stringValue,omitempty"`
		Int    *string `json:"intValue,omitempty"`
	}
)

const statusError = 2 // OTLP's STATUS_CODE_ERROR

// request is what is told of spans: what Says may say, times, and whether they failed. Events, links, texts of errors and any other
// attribute are left out here, whoever puts them on a span.
func request(spans []sdk.ReadOnlySpan) exported {
	if len(spans) == 0 {
		return exported{}
	}
	told := scopeSpans{}
	told.Scope.Name = scope
	for _, s := range spans {
		o := span{
			TraceID: s.SpanContext().TraceID().String(), SpanID: s.SpanContext().SpanID().String(),
			Name: s.Name(), Kind: int(s.SpanKind()), // numbered alike
			Start: strconv.FormatInt(s.StartTime().UnixNano(), 10), End: strconv.FormatInt(s.EndTime().UnixNano(), 10),
		}
		if s.Parent().HasSpanID() {
			o.ParentID = s.Parent().SpanID().String()
		}
		for _, kv := range s.Attributes() {
			if allowed[kv.Key] {
				o.Says = append(o.Says, said(kv))
			}
		}
		if s.Status().Code == codes.Error { //nolint:forbidigo // a span's, of no object of Kubernetes'
			o.Status.Code = statusError
		}
		told.Spans = append(told.Spans, o)
	}
	of := resourceSpans{ScopeSpans: []scopeSpans{told}}
	for _, kv := range spans[0].Resource().Attributes() {
		of.Resource.Attributes = append(of.Resource.Attributes, said(kv))
	}
	return exported{ResourceSpans: []resourceSpans{of}}
}

func said(kv attribute.KeyValue) keyValue {
	text := kv.Value.String()
	if kv.Value.Type() == attribute.INT64 {
		return keyValue{string(kv.Key), value{Int: &text}}
	}
	return keyValue{string(kv.Key), value{String: &text}}
}
