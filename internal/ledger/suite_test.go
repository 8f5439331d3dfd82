package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/evidence"
	"github.com/switchboard-operator/switchboard/internal/evidence/statement"
	"github.com/switchboard-operator/switchboard/internal/ledger"
	"github.com/switchboard-operator/switchboard/internal/signing"
)

var restConfig *rest.Config

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		fmt.Fprintln(os.Stderr, "these tests need an API server: run `make test`, which builds one and sets KUBEBUILDER_ASSETS")
		return 1
	}
	environment := &envtest.Environment{}
	config, err := environment.Start()
	if err != nil {
		fmt.Fprintln(os.Stderr, "starting the API server:", err)
		return 1
	}
	defer func() { _ = environment.Stop() }()
	restConfig = config
	return m.Run()
}

// world is a ledger in a namespace of its own, with a clock that the test turns and
// a count of what was written.
type world struct {
	*testing.T
	*ledger.Ledger
	now    time.Time
	writes atomic.Int64
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	config := rest.CopyConfig(restConfig)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return counter{next, &w.writes} })
	c, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "ledger-"}}
	if err := c.Create(t.Context(), ns); err != nil {
		t.Fatal(err)
	}
	w.writes.Store(0)
	w.Ledger = &ledger.Ledger{
		Client: c, Reader: c, Index: c, Namespace: ns.Name, Now: func() time.Time { return w.now },
		Keeper: signing.Keeper{Client: c, Reader: c, Namespace: ns.Name},
	}
	return w
}

// counter counts requests that may change something.
type counter struct {
	next   http.RoundTripper
	writes *atomic.Int64
}

func (c counter) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet {
		c.writes.Add(1)
	}
	return c.next.RoundTrip(r)
}

func tenant() *v1alpha1.Tenant {
	return &v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Name: "hotel-berlin", UID: types.UID("3f9b1c64-0000-4000-8000-000000000001")}}
}

// again is a Tenant of the same name that was made after the first was deleted.
func again() *v1alpha1.Tenant {
	t := tenant()
	t.UID = "3f9b1c64-0000-4000-8000-000000000002"
	return t
}

func (w *world) append(t *v1alpha1.Tenant, r contract.RetentionResult) v1alpha1.Evidence {
	w.Helper()
	e, err := w.Append(w.Context(), t, ledger.OfRetention(r, rules()))
	if err != nil {
		w.Fatal(err)
	}
	return e
}

func (w *world) books() []corev1.ConfigMap {
	w.Helper()
	var list corev1.ConfigMapList
	if err := w.Client.List(w.Context(), &list, client.InNamespace(w.Namespace), client.MatchingLabels(ledger.Labels())); err != nil {
		w.Fatal(err)
	}
	return list.Items
}

// statements opens all that the ledger holds, in the order of names and keys.
func (w *world) statements() map[int64]statement.Receipt {
	w.Helper()
	keys, err := w.Keeper.Public(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	all := map[int64]statement.Receipt{}
	for _, book := range w.books() {
		for key, envelope := range book.Data {
			r, _, err := statement.OpenReceipt(w.Context(), []byte(envelope), keys)
			if err != nil {
				w.Fatalf("%s of %s: %v", key, book.Name, err)
			}
			all[r.Sequence] = r
		}
	}
	return all
}

func rules() []contract.RetentionRule {
	return []contract.RetentionRule{{Category: contract.CategoryMessages, RetainDays: 90, Action: contract.ActionDelete, LegalBasis: "Art. 6(1)(b) GDPR"}}
}

// chain gives the results of n runs, each with up to 20 links, as a Job tells them. What
// differs is in all of them.
func chain(t *testing.T, n int, differs string) []contract.RetentionResult {
	t.Helper()
	var head contract.ChainLink
	var results []contract.RetentionResult
	for i := range n {
		at := time.Date(2026, 3, 1, 2, 30, 0, 0, time.UTC).AddDate(0, 0, i)
		overdue := int64(0)
		r := evidence.Receipt{
			Kind: evidence.KindRetention, Tenant: "hotel-berlin", Policy: "guests", Generation: 1, PolicyDigest: contract.Digest(rules()), Outcome: contract.OutcomeEnforced,
			StartedAt: at, FinishedAt: at.Add(time.Second), PlanDigest: differs,
			Categories: []contract.CategoryResult{{Category: contract.CategoryMessages, Cutoff: at.AddDate(0, 0, -90), Deleted: int64(i), Overdue: &overdue}},
		}
		s, err := evidence.Seal(r, head)
		if err != nil {
			t.Fatal(err)
		}
		result := contract.RetentionResult{
			Sequence: s.Sequence, Policy: r.Policy, Generation: r.Generation, PolicyDigest: r.PolicyDigest, Outcome: r.Outcome,
			StartedAt: r.StartedAt, FinishedAt: r.FinishedAt, Categories: r.Categories, PreviousDigest: s.Previous, Digest: s.Digest,
		}
		for j := i - 1; j >= 0 && j >= i-20; j-- {
			result.Recent = append(result.Recent, contract.ChainLink{Sequence: results[j].Sequence, Digest: results[j].Digest})
		}
		results = append(results, result)
		head = contract.ChainLink{Sequence: s.Sequence, Digest: s.Digest}
	}
	return results
}

func word(c string) string { return strings.Repeat(c, 64) }

// nothing is a cache that has not seen anything yet.
type nothing struct{ client.Reader }

func (nothing) List(context.Context, client.ObjectList, ...client.ListOption) error { return nil }

// failing is an API that can't be reached.
type failing struct{ client.Reader }

func (failing) List(context.Context, client.ObjectList, ...client.ListOption) error { return errDown }

var errDown = errors.New("the API server is down")
