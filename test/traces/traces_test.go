// Package traces has OpenTelemetry's own collector judge what instances tell: the golden file of internal/instance/tracing, whose own
// test holds it to what is sent.
package traces

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"os"
	"testing"

	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/configgrpc"
	"go.opentelemetry.io/collector/config/confignet"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
	"go.opentelemetry.io/collector/receiver/receivertest"
)

const told = "../../internal/instance/tracing/testdata/told.json"

// freeAddress is one of loopback that nobody listened on just now: the receiver does not say which port it was given.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return l.Addr().String()
}

func TestTheCollectorReadsWhatIsTold(t *testing.T) {
	content, err := os.ReadFile(told)
	if err != nil {
		t.Fatal(err)
	}
	read, address := &consumertest.TracesSink{}, freeAddress(t)
	factory := otlpreceiver.NewFactory()
	config := factory.CreateDefaultConfig().(*otlpreceiver.Config)
	config.Protocols.GRPC = configoptional.None[configgrpc.ServerConfig]()
	config.Protocols.HTTP.GetOrInsertDefault().ServerConfig.NetAddr = confignet.AddrConfig{Endpoint: address, Transport: confignet.TransportTypeTCP}
	collector, err := factory.CreateTraces(t.Context(), receivertest.NewNopSettings(factory.Type()), config, read)
	if err != nil {
		t.Fatal(err)
	}
	if err := collector.Start(t.Context(), componenttest.NewNopHost()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := collector.Shutdown(context.WithoutCancel(t.Context())); err != nil { // which has ended by then
			t.Error(err)
		}
	})
	answer, err := http.Post("http://"+address+"/v1/traces", "application/json", bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("the collector answers %s", answer.Status)
	}
	if n := read.SpanCount(); n != 2 {
		t.Fatalf("the collector read %d spans", n)
	}
	of := read.AllTraces()[0].ResourceSpans().At(0)
	if service, _ := of.Resource().Attributes().Get("service.name"); service.AsString() != "switchboard-connect" {
		t.Errorf("the service is %q", service.AsString())
	}
	receive, send := of.ScopeSpans().At(0).Spans().At(0), of.ScopeSpans().At(0).Spans().At(1)
	if receive.Name() != "receive" || receive.Kind() != ptrace.SpanKindConsumer || !receive.ParentSpanID().IsEmpty() || receive.Status().Code() != ptrace.StatusCodeUnset {
		t.Errorf("receive: %s, %s, parent %s, %s", receive.Name(), receive.Kind(), receive.ParentSpanID(), receive.Status().Code())
	}
	if send.Name() != "send" || send.Kind() != ptrace.SpanKindProducer || send.ParentSpanID() != receive.SpanID() || send.TraceID() != receive.TraceID() || send.Status().Code() != ptrace.StatusCodeError {
		t.Errorf("send: %s, %s, parent %s, %s", send.Name(), send.Kind(), send.ParentSpanID(), send.Status().Code())
	}
	if took := send.EndTimestamp() - send.StartTimestamp(); took != 250e6 {
		t.Errorf("sending took %d ns", took)
	}
	if attempt, _ := send.Attributes().Get("switchboard.attempt"); attempt.Int() != 2 || send.Attributes().Len() != 2 {
		t.Errorf("send says %v", send.Attributes().AsRaw())
	}
}
