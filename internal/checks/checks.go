// Package checks asks every channel's connector, over and over, what its provider said of
// the channel's credentials, and what it has counted. A connector does not talk to the Kubernetes API, and its
// readiness is another thing: with a token that was revoked it still takes webhooks.
package checks

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/switchboard-operator/switchboard/api/v1alpha1"
	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/credentials"
	"github.com/switchboard-operator/switchboard/internal/name"
	"github.com/switchboard-operator/switchboard/internal/observe"
)

const (
	// Every is the time between two rounds.
	Every = 30 * time.Second
	// atOnce bounds how many connectors are asked at the same time.
	atOnce = 16
	// timeout bounds one question.
	timeout = 5 * time.Second
	// maxAnswer bounds an answer, in bytes.
	maxAnswer = 4 << 10
)

// Checks is a runnable of the manager's, for the leader alone.
type Checks struct {
	Client client.Client // reads Channels, best from a cache
	Keeper credentials.Keeper
	Every  time.Duration // between two rounds
	// URL of a channel's connector; its Service in the cluster when nil.
	URL func(*v1alpha1.Channel) string
	// Changed is told of a channel of whose credentials something else is known.
	Changed chan event.GenericEvent

	mu    sync.Mutex
	known map[types.UID]answer
}

// answer is what a connector told last, and when.
type answer struct {
	contract.ConnectorState
	at     time.Time // zero when it was asked, and never answered
	silent time.Time // since when it has been asked in vain; zero when it answered
}

// NeedLeaderElection is true: the others' reconcilers don't work.
func (c *Checks) NeedLeaderElection() bool { return true }

// Start asks until ctx ends.
func (c *Checks) Start(ctx context.Context) error {
	rounds := time.NewTicker(c.Every)
	defer rounds.Stop()
	for {
		if err := c.round(ctx); err != nil {
			log.FromContext(ctx).Error(err, "asking connectors for what their providers said")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-rounds.C:
		}
	}
}

func (c *Checks) round(ctx context.Context) error {
	var channels v1alpha1.ChannelList
	if err := c.Client.List(ctx, &channels); err != nil {
		return fmt.Errorf("listing the Channels: %w", err)
	}
	c.forget(channels.Items)
	var questions sync.WaitGroup
	defer questions.Wait()
	free := make(chan struct{}, atOnce)
	for i := range channels.Items {
		channel := &channels.Items[i]
		available := contract.Dials(string(channel.Spec.Type)) || meta.IsStatusConditionTrue(channel.Status.Conditions, v1alpha1.ConditionConnectorAvailable)
		if _, asked := c.last(channel); !asked || !available {
			continue // its reconciler asks first, once there is a connector; nobody answers while there is none
		}
		free <- struct{}{}
		questions.Go(func() {
			defer func() { <-free }()
			_, news, err := c.ask(ctx, channel)
			switch {
			case err != nil && ctx.Err() == nil:
				// Its connector is not there: condition ConnectorAvailable says so.
				log.FromContext(ctx).V(1).Info("a connector does not tell what its provider said", "channel", client.ObjectKeyFromObject(channel), "error", err.Error())
			case news:
				select {
				case c.Changed <- event.GenericEvent{Object: channel}:
				case <-ctx.Done(): // the operator ends: nobody listens any more
				}
			}
		})
	}
	return nil
}

// forget drops what is known of channels that are gone.
func (c *Checks) forget(channels []v1alpha1.Channel) {
	there := map[types.UID]bool{}
	for i := range channels {
		there[channels[i].UID] = true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for uid := range c.known {
		if !there[uid] {
			delete(c.known, uid)
		}
	}
}

func (c *Checks) last(channel *v1alpha1.Channel) (contract.Check, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k, ok := c.known[channel.UID]
	return k.Check, ok
}

// Known gives what the connector of a channel told last. Nobody has to wait for a round
// after the operator has started: a connector that was not asked yet is asked now.
func (c *Checks) Known(ctx context.Context, channel *v1alpha1.Channel) (contract.Check, error) {
	if k, ok := c.last(channel); ok && !k.Tried.IsZero() {
		return k, nil
	}
	told, _, err := c.ask(ctx, channel)
	return told, err
}

// ask asks a connector; news is true when it tells something else than before.
func (c *Checks) ask(ctx context.Context, channel *v1alpha1.Channel) (_ contract.Check, news bool, err error) {
	state, err := c.question(ctx, channel)
	c.mu.Lock()
	if c.known == nil {
		c.known = map[types.UID]answer{}
	}
	last := c.known[channel.UID]
	before, told := last.Check, state.Check
	if err != nil {
		told = before // asked, and asked again in the next round
		if last.silent.IsZero() {
			last.silent = c.Keeper.Now()
		}
		c.known[channel.UID] = last // that it was asked is known, too
	} else {
		c.known[channel.UID] = answer{ConnectorState: state, at: c.Keeper.Now()}
	}
	c.mu.Unlock()
	news = before.Tried.IsZero() != told.Tried.IsZero() || before.Problem != told.Problem || before.Code != told.Code || Lost(before) != Lost(told)
	return told, news, err
}

// patience is how long a provider, or a connector that an operator asks for the first time, may fail to answer before that is told.
const patience = 15 * time.Minute

// Silent says that a connector has been asked in vain for too long.
func (c *Checks) Silent(channel *v1alpha1.Channel) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	since := c.known[channel.UID].silent
	return !since.IsZero() && c.Keeper.Now().Sub(since) > patience
}

// Lost says that the provider never answered, or not for too long.
func Lost(k contract.Check) bool { return k.Answered.IsZero() || k.Tried.Sub(k.Answered) > patience }

func (c *Checks) question(ctx context.Context, channel *v1alpha1.Channel) (contract.ConnectorState, error) {
	var told contract.ConnectorState
	tenant, _, err := observe.TenantOf(ctx, c.Client, channel.Namespace)
	if err != nil {
		return told, err
	}
	if tenant == nil {
		return told, fmt.Errorf("namespace %s belongs to no Tenant", channel.Namespace)
	}
	host := name.Host(name.Connector(channel.Name), channel.Namespace)
	config, err := c.Keeper.Operator(ctx, tenant.Name, host)
	if err != nil {
		return told, err
	}
	transport := &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}
	asker := &http.Client{
		Timeout: timeout, Transport: transport,
		// What answers in the tenant's name leads nowhere else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	at := "https://" + host
	if c.URL != nil {
		at = c.URL(channel)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at+contract.PathCheck, nil)
	if err != nil {
		return told, err
	}
	response, err := asker.Do(request)
	if err != nil {
		c.Keeper.Distrust(tenant.Name) // it may have another authority by now
		return told, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return told, fmt.Errorf("it answered %s", response.Status)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return told, err
	}
	if err := json.Unmarshal(body, &told); err != nil {
		return contract.ConnectorState{}, fmt.Errorf("reading its answer: %w", err)
	}
	return told, nil
}
