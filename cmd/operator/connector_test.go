package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
)

// switchboards play the connectors of all channels: each answers the operator alone, with the certificate that its
// Secret holds. Their providers take all credentials, unless a test says otherwise.
type switchboards struct {
	server *httptest.Server
	client client.Reader

	mu     sync.Mutex
	told   map[types.NamespacedName]contract.Check
	denied int
	silent int // how many were not answered
	mute   bool
}

func playConnectors(t *testing.T, c client.Reader) *switchboards {
	t.Helper()
	s := &switchboards{client: c, told: map[types.NamespacedName]contract.Check{}}
	s.server = httptest.NewUnstartedServer(s)
	s.server.TLS = &tls.Config{MinVersion: tls.VersionTLS13, GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) { return s.identity(hello.ServerName) }}
	s.server.StartTLS()
	t.Cleanup(s.server.Close)
	return s
}

// identity is that of the Service by whose name a connector is called.
func (s *switchboards) identity(host string) (*tls.Config, error) {
	part := strings.Split(host, ".")
	if len(part) != 3 {
		return nil, errors.New("no Service bears this name")
	}
	secret := &corev1.Secret{}
	if err := s.client.Get(context.Background(), types.NamespacedName{Namespace: part[1], Name: part[0] + "-tls"}, secret); err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(secret.Data["tls.crt"], secret.Data["tls.key"])
	if err != nil {
		return nil, err
	}
	authority := x509.NewCertPool()
	authority.AppendCertsFromPEM(secret.Data["ca.crt"])
	return &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: authority, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS13}, nil
}

func (s *switchboards) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	part := strings.Split(r.TLS.ServerName, ".")
	if r.TLS.VerifiedChains[0][0].Subject.CommonName != contract.OperatorName || r.URL.Path != contract.PathCheck {
		s.denied++
		http.NotFound(w, r)
		return
	}
	if s.mute {
		s.silent++
		http.Error(w, "not now", http.StatusServiceUnavailable)
		return
	}
	told, set := s.told[types.NamespacedName{Namespace: part[1], Name: strings.TrimPrefix(part[0], "connector-")}]
	if !set {
		now := time.Now().UTC()
		told = contract.Check{Tried: now, Answered: now}
	}
	_ = json.NewEncoder(w).Encode(told)
}

func (s *switchboards) url(*v1alpha1.Channel) string { return s.server.URL }

// says has a channel's connector tell something of its credentials.
func (s *switchboards) says(channel types.NamespacedName, c contract.Check) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told[channel] = c
}

// muted has the connectors answer nobody, and gives how often they did not since they were last told to.
func (s *switchboards) muted(mute bool) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	silent := s.silent
	s.mute, s.silent = mute, 0
	return silent
}

// refusedByProvider follows a channel whose credentials do not work.
func refusedByProvider(t *testing.T, c testCluster) {
	h := c.book(t, "refused", same)
	desk := h.key("desk")
	channel := func(what string, status metav1.ConditionStatus, reason, message string) {
		t.Helper()
		eventually(t, what, func(ctx context.Context) error {
			o := &v1alpha1.Channel{}
			return errors.Join(h.play(ctx, h.namespace), h.Get(ctx, desk, o),
				says(o.Status.Conditions, v1alpha1.ConditionCredentialsAccepted, status, reason, message),
				says(o.Status.Conditions, v1alpha1.ConditionReady, status, reason, message))
		})
	}
	at := time.Now().UTC()
	h.connectors.says(desk, contract.Check{})
	channel("not asked yet", metav1.ConditionFalse, v1alpha1.ReasonWaiting, "not been asked")
	h.connectors.says(desk, contract.Check{Tried: at, Answered: at})
	eventually(t, "taken", func(ctx context.Context) error {
		o := &v1alpha1.Channel{}
		return errors.Join(h.play(ctx, h.namespace), h.Get(ctx, desk, o), condition(o.Status.Conditions, v1alpha1.ConditionReady, metav1.ConditionTrue, ""))
	})
	h.connectors.says(desk, contract.Check{Tried: at, Answered: at, Problem: contract.ProblemRefused, Code: "20003"})
	channel("revoked", metav1.ConditionFalse, v1alpha1.ReasonCredentialsRefused, "Secret twilio authToken")
	h.connectors.says(desk, contract.Check{Tried: at.Add(time.Hour), Answered: at})
	channel("silent", metav1.ConditionFalse, v1alpha1.ReasonProviderUnreachable, "egress")
	h.connectors.says(desk, contract.Check{Tried: at, Answered: at, Problem: contract.ProblemSuspended, Code: "secret-of-somebody"})
	channel("suspended", metav1.ConditionFalse, v1alpha1.ReasonAccountSuspended, "suspended")
	o := &v1alpha1.Channel{}
	if err := h.Get(t.Context(), desk, o); err != nil {
		t.Fatal(err)
	}
	for _, c := range o.Status.Conditions {
		if strings.Contains(c.Message, "somebody") {
			t.Errorf("condition %s repeats what a connector told: %s", c.Type, c.Message)
		}
	}
	// The operator that takes over asks before it judges.
	h.connectors.says(desk, contract.Check{Tried: at, Answered: at})
	c.restart(t)
	eventually(t, "mended", func(ctx context.Context) error {
		return errors.Join(h.Get(ctx, desk, o), condition(o.Status.Conditions, v1alpha1.ConditionReady, metav1.ConditionTrue, ""))
	})
	stays := func(what string) {
		t.Helper()
		quiet(t, c)
		h.connectors.muted(true)
		before := c.writes.Load()
		c.restart(t)
		eventually(t, "the connectors are asked", func(context.Context) error {
			h.connectors.mu.Lock()
			defer h.connectors.mu.Unlock()
			if h.connectors.silent < 2 {
				return errors.New("they are not")
			}
			return nil
		})
		quiet(t, c)
		if again := c.writes.since(before); len(again) > 0 {
			t.Errorf("%s, and what the operator before heard does not stand: %v", what, again)
		}
		if h.connectors.muted(false) == 0 {
			t.Error("nobody was asked")
		}
	}
	stays("taken")
	h.connectors.says(desk, contract.Check{Tried: at, Answered: at, Problem: contract.ProblemRefused, Code: "20003"})
	channel("revoked again", metav1.ConditionFalse, v1alpha1.ReasonCredentialsRefused, "Secret twilio authToken")
	stays("refused")
	if h.connectors.denied > 0 {
		t.Errorf("%d questions were of somebody else", h.connectors.denied)
	}
}
