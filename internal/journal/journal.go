// Package journal asks every tenant's instance, over and over, what its database holds:
// changes of consent are kept outside of it, and a database that was put back in time is
// recognised. Nothing is written while nothing changes.
package journal

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/credentials"
	"github.com/switchboard-operator/switchboard/internal/desk"
	"github.com/switchboard-operator/switchboard/internal/ledger"
	"github.com/switchboard-operator/switchboard/internal/name"
	"github.com/switchboard-operator/switchboard/internal/plan"
	"github.com/switchboard-operator/switchboard/internal/served"
)

const (
	// atOnce bounds how many tenants are asked at the same time.
	atOnce = 16
	// timeout bounds one question.
	timeout = 10 * time.Second
	// maxState bounds an answer, in bytes.
	maxState = 1 << 20
	// clientLife is how long a connection's certificate is used before a new one is made.
	clientLife = 24 * time.Hour
)

// Journal is a runnable of the manager's, for the leader alone.
type Journal struct {
	Client client.Client // reads Tenants, best from a cache
	Ledger *ledger.Ledger
	Keeper credentials.Keeper
	Every  time.Duration // between two rounds
	Now    func() time.Time
	// Regions whose tenants are asked.
	Regions served.Regions
	// URL of a tenant's serve; its Service in the cluster when nil.
	URL func(*v1alpha1.Tenant) string
	// Desk sees to what privacy officers file; nil for nobody.
	Desk *desk.Desk
	// Changed is told of a tenant whose database was put back, or is current again.
	Changed chan event.GenericEvent

	mu      sync.Mutex
	known   map[types.UID]Known
	clients map[types.UID]*asker
}

// Known is what a tenant's instance answered last.
type Known struct {
	Anchor contract.Anchor // that it was asked by
	State  contract.State
	at     time.Time
}

// asker asks one tenant.
type asker struct {
	*http.Client
	made time.Time
}

// NeedLeaderElection is true: two would keep the same things.
func (j *Journal) NeedLeaderElection() bool { return true }

// Known gives what a tenant's instance answered last; false when it never did.
func (j *Journal) Known(tenant types.UID) (Known, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	k, ok := j.known[tenant]
	return k, ok
}

// Start asks until ctx ends.
func (j *Journal) Start(ctx context.Context) error {
	rounds := time.NewTicker(j.Every)
	defer rounds.Stop()
	for {
		if err := j.round(ctx); err != nil {
			log.FromContext(ctx).Error(err, "asking what databases hold")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-rounds.C:
		}
	}
}

func (j *Journal) round(ctx context.Context) error {
	var tenants v1alpha1.TenantList
	if err := j.Client.List(ctx, &tenants); err != nil {
		return fmt.Errorf("listing the Tenants: %w", err)
	}
	j.forget(tenants.Items)
	var questions sync.WaitGroup
	defer questions.Wait()
	free := make(chan struct{}, atOnce)
	for i := range tenants.Items {
		t := &tenants.Items[i]
		if !j.asks(t) {
			continue // nobody answers
		}
		free <- struct{}{}
		questions.Go(func() {
			defer func() { <-free }()
			if err := j.Ask(ctx, t); err != nil && ctx.Err() == nil {
				// Its instance is not there, or its database is down: the Tenant's conditions say so.
				log.FromContext(ctx).V(1).Info("a tenant's instance does not tell what its database holds", "tenant", t.Name, "error", err.Error())
			}
		})
	}
	return nil
}

// asks says whether a tenant has an instance that answers.
func (j *Journal) asks(t *v1alpha1.Tenant) bool {
	return j.Regions.Serve(t.Spec.Region) && t.DeletionTimestamp.IsZero() && !t.Spec.Suspended && t.Status.SchemaVersion != 0
}

// forget drops what is known of tenants that are gone.
func (j *Journal) forget(tenants []v1alpha1.Tenant) {
	there := map[types.UID]bool{}
	for i := range tenants {
		there[tenants[i].UID] = true
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for uid := range j.clients {
		if !there[uid] {
			delete(j.clients, uid)
			delete(j.known, uid)
		}
	}
}

// Ask asks one tenant's instance, and keeps the changes of consent that it tells of.
func (j *Journal) Ask(ctx context.Context, t *v1alpha1.Tenant) error {
	anchor, err := j.Ledger.Anchor(ctx, t)
	if err != nil {
		return err
	}
	for {
		state, err := j.question(ctx, t, anchor)
		if err != nil {
			return err
		}
		err = j.Ledger.AppendConsents(ctx, t, state.Consents)
		if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) {
			return nil // the next round finds out what is there
		}
		if err != nil {
			return err
		}
		j.learn(ctx, t, Known{Anchor: anchor, State: state, at: j.Now()})
		if len(state.Consents) < contract.MaxConsents {
			return j.attend(ctx, t, state)
		}
		anchor.Consent = state.Consents[len(state.Consents)-1].Position
	}
}

// faresAlike says that a webhook's condition has nothing new to say.
func faresAlike(a, b contract.WebhookState) bool {
	return a.Name == b.Name && a.Problem == b.Problem && a.Ended == b.Ended && (a.Dead > 0) == (b.Dead > 0)
}

func (j *Journal) learn(ctx context.Context, t *v1alpha1.Tenant, k Known) {
	j.mu.Lock()
	if j.known == nil {
		j.known = map[types.UID]Known{}
	}
	before, had := j.known[t.UID]
	j.known[t.UID] = k
	j.mu.Unlock()
	if j.Changed != nil && (!had || before.State.Behind != k.State.Behind || before.State.Lacks != k.State.Lacks || before.Anchor.Epoch != k.Anchor.Epoch ||
		!slices.EqualFunc(before.State.Webhooks, k.State.Webhooks, faresAlike) || !reflect.DeepEqual(before.State.Usage, k.State.Usage) || !reflect.DeepEqual(before.State.Notice, k.State.Notice)) {
		select {
		case j.Changed <- event.GenericEvent{Object: t}:
		case <-ctx.Done(): // the operator ends: nobody listens any more
		}
	}
}

// attend tells a privacy desk what it does not know yet, and takes what it has filed. Where neither is, nothing is asked.
func (j *Journal) attend(ctx context.Context, t *v1alpha1.Tenant, state contract.State) error {
	if j.Desk == nil || state.Desk == nil || state.Behind {
		return nil
	}
	told, err := j.Desk.Told(ctx, t)
	if err != nil || state.Desk.Filed == 0 && state.Desk.Digest == told.Digest {
		return err
	}
	var answer contract.DeskFiled
	if err := j.tell(ctx, t, told, &answer); err != nil || len(answer.Filed)+len(answer.Answered) == 0 {
		return err
	}
	failed := j.Desk.Answer(ctx, t, answer.Answered)
	var taken []contract.DeskTaken
	if len(answer.Filed) > 0 {
		var some error
		taken, some = j.Desk.Take(ctx, t, answer.Filed)
		failed = errors.Join(failed, some)
	}
	if len(taken) > 0 {
		told.Taken = taken
		failed = errors.Join(failed, j.tell(ctx, t, told, &answer))
	}
	if failed != nil && ctx.Err() == nil {
		// An officer waits for this: unlike an instance that is not there, no condition tells of it.
		log.FromContext(ctx).Error(failed, "taking what a privacy desk has filed; it is tried again", "tenant", t.Name)
	}
	return nil
}

func (j *Journal) tell(ctx context.Context, t *v1alpha1.Tenant, told contract.DeskTold, answer *contract.DeskFiled) error {
	b, err := json.Marshal(told)
	if err != nil {
		return fmt.Errorf("encoding what the desk is told: %w", err)
	}
	*answer = contract.DeskFiled{}
	return j.ask(ctx, t, http.MethodPost, contract.PathDesk, b, answer)
}

func (j *Journal) question(ctx context.Context, t *v1alpha1.Tenant, anchor contract.Anchor) (contract.State, error) {
	var state contract.State
	b, err := json.Marshal(anchor)
	if err != nil {
		return state, fmt.Errorf("encoding the anchor: %w", err)
	}
	err = j.ask(ctx, t, http.MethodGet, contract.PathState+"?anchor="+url.QueryEscape(string(b)), nil, &state)
	if err != nil {
		return contract.State{}, err
	}
	return state, nil
}

// ask asks a tenant's instance, and reads its answer as JSON into what into points to.
func (j *Journal) ask(ctx context.Context, t *v1alpha1.Tenant, method, path string, send []byte, into any) error {
	asker, err := j.asker(ctx, t)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, method, j.url(t)+path, bytes.NewReader(send))
	if err != nil {
		return err
	}
	response, err := asker.Do(request)
	var stranger *tls.CertificateVerificationError
	if errors.As(err, &stranger) { // it may have another authority by now
		j.distrust(t)
	}
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxState+1))
	switch {
	case err != nil:
		return err
	case response.StatusCode != http.StatusOK:
		return fmt.Errorf("it answered %s", response.Status)
	case len(body) > maxState:
		return errors.New("its answer is too long")
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("reading its answer: %w", err)
	}
	return nil
}

func (j *Journal) url(t *v1alpha1.Tenant) string {
	if j.URL != nil {
		return j.URL(t)
	}
	return "https://" + name.Host(name.ServeState, plan.Tenant{Tenant: t}.Namespace())
}

func (j *Journal) asker(ctx context.Context, t *v1alpha1.Tenant) (*asker, error) {
	j.mu.Lock()
	known := j.clients[t.UID]
	j.mu.Unlock()
	if known != nil && j.Now().Sub(known.made) < clientLife {
		return known, nil
	}
	config, err := j.Keeper.Operator(ctx, t.Name, name.Host(name.Serve, plan.Tenant{Tenant: t}.Namespace()))
	if err != nil {
		return nil, err
	}
	made := &asker{made: j.Now(), Client: &http.Client{
		Timeout: timeout,
		// A connection that waits for the next round holds 50 KiB of buffers, certificates and stacks: with a thousand tenants a third
		// of all that the operator needs. A handshake takes less than a millisecond.
		Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true},
		// What answers in the tenant's name leads nowhere else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.clients == nil {
		j.clients = map[types.UID]*asker{}
	}
	j.clients[t.UID] = made
	return made, nil
}

func (j *Journal) distrust(t *v1alpha1.Tenant) {
	j.Keeper.Distrust(t.Name)
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.clients, t.UID)
}
