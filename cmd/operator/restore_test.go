package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
)

// instances are the stand-ins for serve, by the tenant's name. Nobody answers for others.
var instances = &directory{urls: map[string]string{}}

type directory struct {
	mu   sync.Mutex
	urls map[string]string
}

func (d *directory) url(t *v1alpha1.Tenant) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if url, ok := d.urls[t.Name]; ok {
		return url
	}
	return "https://127.0.0.1:1"
}

// instance plays serve: it answers the operator alone, with its tenant's own certificate.
type instance struct {
	mu     sync.Mutex
	state  contract.State
	asked  contract.Anchor
	denied int // questions by somebody else
	told   int // answers to the operator
	desk   *standinDesk
}

// answersTwice waits until the operator has asked two more times.
func (i *instance) answersTwice(t *testing.T) {
	t.Helper()
	count := func() int {
		i.mu.Lock()
		defer i.mu.Unlock()
		return i.told
	}
	before := count()
	eventually(t, "two more questions", func(context.Context) error {
		if n := count() - before; n < 2 {
			return fmt.Errorf("there were %d", n)
		}
		return nil
	})
}

func (i *instance) holds(s contract.State) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.state = s
}

func (i *instance) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	operator := r.TLS.VerifiedChains[0][0].Subject.CommonName == contract.OperatorName
	if operator && i.desk != nil && r.URL.Path == contract.PathDesk {
		i.desk.ServeHTTP(w, r)
		return
	}
	if !operator || r.URL.Path != contract.PathState {
		i.denied++
		http.NotFound(w, r)
		return
	}
	if err := json.Unmarshal([]byte(r.URL.Query().Get("anchor")), &i.asked); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	i.told++
	state := i.state
	state.Consents = nil
	if i.desk != nil {
		state.Desk = &contract.DeskState{Filed: int64(len(i.desk.filed) + len(i.desk.answered)), Digest: i.desk.told.Digest}
	}
	for _, c := range i.state.Consents { // as sb.consents_after does
		if p, after := c.Position, i.asked.Consent; !state.Behind && (p.XID > after.XID || p.XID == after.XID && p.ID > after.ID) {
			state.Consents = append(state.Consents, c)
		}
	}
	_ = json.NewEncoder(w).Encode(state)
}

// answers lets an instance of the hotel's answer.
func (h hotel) answers(t *testing.T) *instance {
	t.Helper()
	secret := get(t, h, "serve-tls", &corev1.Secret{})
	pair, err := tls.X509KeyPair(secret.Data["tls.crt"], secret.Data["tls.key"])
	if err != nil {
		t.Fatal(err)
	}
	authority := x509.NewCertPool()
	authority.AppendCertsFromPEM(secret.Data["ca.crt"])
	i := &instance{}
	server := httptest.NewUnstartedServer(i)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: authority, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS13}
	server.StartTLS()
	t.Cleanup(server.Close)
	instances.mu.Lock()
	defer instances.mu.Unlock()
	instances.urls[h.name] = server.URL
	return i
}

func aConsent(id int64, change string) contract.Consent {
	return contract.Consent{
		Position: contract.Position{XID: 700 + uint64(id), ID: id}, At: time.Now().UTC().Truncate(time.Second), Channel: "desk",
		Hash: strings.Repeat("ab", 32), KeyVersion: 1, Change: change, Source: "guest",
	}
}

// anchored waits until the pods are told of an anchor.
func (h hotel) anchored(t *testing.T, what string, is func(contract.Anchor) bool) {
	t.Helper()
	eventually(t, "the anchor "+what, func(ctx context.Context) error {
		o := &corev1.ConfigMap{}
		if err := h.Get(ctx, h.key("anchor"), o); err != nil {
			return err
		}
		var a contract.Anchor
		if err := json.Unmarshal([]byte(o.Data[contract.FileAnchor]), &a); err != nil || !is(a) {
			return fmt.Errorf("it is %+v, %w", a, err)
		}
		return nil
	})
}

func (h hotel) isCurrent(t *testing.T, status metav1.ConditionStatus, message string) {
	t.Helper()
	eventually(t, "condition DatabaseCurrent", func(ctx context.Context) error {
		o := &v1alpha1.Tenant{}
		if err := h.Get(ctx, client.ObjectKey{Name: h.name}, o); err != nil {
			return err
		}
		reason := v1alpha1.ReasonReplaying
		if status == metav1.ConditionTrue {
			reason = v1alpha1.ReasonReady
		}
		return says(o.Status.Conditions, v1alpha1.ConditionDatabaseCurrent, status, reason, message)
	})
}

// putBack follows a database that an older one took the place of.
func putBack(t *testing.T, c testCluster) {
	h := c.book(t, "putback", same)
	h.settle(t)
	serve := h.answers(t)
	told := contract.State{Consents: []contract.Consent{aConsent(1, "stop"), aConsent(2, "start")}}
	told.Consent = told.Consents[1].Position

	t.Run("changes of consent are kept outside, and the pods are told", func(t *testing.T) {
		h.anchored(t, "is there before anything is known", func(a contract.Anchor) bool { return a == contract.Anchor{} })
		serve.holds(told)
		h.anchored(t, "tells of consent", func(a contract.Anchor) bool { return a.Consent == told.Consent })
		var kept corev1.ConfigMapList
		if err := c.List(t.Context(), &kept, client.InNamespace("switchboard-system"), client.MatchingLabels{
			"app.kubernetes.io/component": "consents", v1alpha1.LabelTenant: h.name,
		}); err != nil || len(kept.Items) != 1 || len(kept.Items[0].Data) != 2 {
			t.Errorf("kept are %+v, %v", kept.Items, err)
		}
		h.isCurrent(t, metav1.ConditionTrue, "holds all")
		quiet(t, c)
		before := c.writes.Load()
		serve.answersTwice(t)
		if written := c.writes.since(before); len(written) != 0 {
			t.Errorf("with nothing new it wrote %s", strings.Join(written, ", "))
		}
	})

	t.Run("what the tenant is billed by comes into its status", func(t *testing.T) {
		told.Usage = &contract.Usage{Until: "2026-11-29", Months: []contract.UsageMonth{
			{Month: "2026-11", StoredBytes: 9, Channels: []contract.UsageChannel{{Channel: "desk", Received: 2, Sent: 1}}},
		}}
		serve.holds(told)
		eventually(t, "the usage in status", func(ctx context.Context) error {
			o := &v1alpha1.Tenant{}
			if err := h.Get(ctx, client.ObjectKey{Name: h.name}, o); err != nil {
				return err
			}
			want := v1alpha1.Usage{Until: "2026-11-29", Months: []v1alpha1.UsageMonth{
				{Month: "2026-11", StoredBytes: 9, Channels: []v1alpha1.UsageChannel{{Channel: "desk", Received: 2, Sent: 1}}},
			}}
			if o.Status.Usage == nil || !reflect.DeepEqual(*o.Status.Usage, want) {
				return fmt.Errorf("it is %+v", o.Status.Usage)
			}
			return nil
		})
	})

	create(t, c, aGuest("erase-1", h.namespace))
	create(t, c, aRequest("erase-1", h.namespace, v1alpha1.RequestErasure, nil))
	q := get(t, h, "erase-1", &v1alpha1.DataSubjectRequest{})
	subjects := []contract.SubjectHash{{Kind: "phone", KeyVersion: 1, Hash: strings.Repeat("cd", 32)}}
	h.finishes(t, h.attempt(t, "erase-1"), outcome(t, q, 1, func(r *contract.SubjectResult) { r.Subjects = subjects }))
	head := contract.ChainLink{Sequence: 1, Digest: hash("run 1")}
	told.Head = head
	serve.holds(told)
	h.anchored(t, "tells of the receipt", func(a contract.Anchor) bool { return a.Head == head && a.Consent == told.Consent })

	t.Run("what has happened since the backup is carried out again", func(t *testing.T) {
		quiet(t, c)
		serve.holds(contract.State{Behind: true, Lacks: true, Consent: told.Consents[0].Position})
		job, _ := h.pending(t)
		if epoch := job.Spec.Template.Annotations[v1alpha1.AnnotationEpoch]; epoch != "1" {
			t.Errorf("the migration is of epoch %q", epoch)
		}
		if err := c.finish(t.Context(), job, `{"migration":{"schemaVersion":4}}`); err != nil {
			t.Fatal(err)
		}
		h.isCurrent(t, metav1.ConditionFalse, "ends with receipt 0 of 1: Job replay-1 carries out again")
		eventually(t, "Job replay-1", func(ctx context.Context) error { return h.Get(ctx, h.key("replay-1"), &batchv1.Job{}) })
		input := h.replayed(t)
		if len(input.Requests) != 1 || input.Requests[0].UID != string(q.UID) || input.Requests[0].Subjects[0] != subjects[0] || input.Requests[0].At.IsZero() {
			t.Errorf("requests are %+v", input.Requests)
		}
		if len(input.Consents) != 1 || input.Consents[0].Position != told.Consents[1].Position || input.Anchor.Head != head {
			t.Errorf("replayed are %+v", input)
		}
		result, err := json.Marshal(contract.Result{Replay: &contract.ReplayResult{
			Restored:   contract.Restored{Epoch: 1, Known: head, Erasures: 1, Erased: 7, Consents: 1},
			FinishedAt: time.Now().UTC().Truncate(time.Second), Sequence: 2, PreviousDigest: head.Digest, Digest: hash("run 2"),
		}})
		if err != nil {
			t.Fatal(err)
		}
		h.finishes(t, get(t, h, "replay-1", &batchv1.Job{}), string(result))
		h.anchored(t, "is of the next epoch", func(a contract.Anchor) bool {
			return a == contract.Anchor{Epoch: 1, Head: contract.ChainLink{Sequence: 2, Digest: hash("run 2")}}
		})
		if r := h.tenant(t).Status.Restored; r == nil || r.Epoch != 1 || r.Erasures != 1 || r.ErasedRows != 7 || r.Consents != 1 || r.KnownSequence != 1 {
			t.Errorf("status tells of %+v", r)
		}
	})

	t.Run("every policy runs before anything is served", func(t *testing.T) {
		serve.holds(contract.State{Behind: true, Epoch: 1, Head: contract.ChainLink{Sequence: 2, Digest: hash("run 2")}})
		h.isCurrent(t, metav1.ConditionFalse, "these policies run: guests")
		h.released(t, 1, 3)
	})

	t.Run("then all is as before", func(t *testing.T) {
		serve.holds(contract.State{Epoch: 1, Head: contract.ChainLink{Sequence: 2, Digest: hash("run 2")}})
		h.isCurrent(t, metav1.ConditionTrue, "holds all")
		h.gone(t, "replay-1", &batchv1.Job{})
		h.settle(t)
		if serve.denied != 0 {
			t.Errorf("%d questions were not the operator's", serve.denied)
		}
	})
}

// replayed reads what a Job is to carry out again.
func (h hotel) replayed(t *testing.T) (input contract.Replay) {
	t.Helper()
	packed := get(t, h, "replay-1", &corev1.ConfigMap{}).BinaryData[contract.FileReplay]
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.NewDecoder(r).Decode(&input); err != nil {
		t.Fatal(err)
	}
	return input
}
