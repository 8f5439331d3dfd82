package connect

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"os"
	"time"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/instance/provider"
	"github.com/switchboard-operator/switchboard/internal/instance/termination"
)

// WithdrawCommand takes from the provider what the connector of the channel that contract.EnvChannel describes has set up there.
// What the provider says is an outcome, not a failure. One that does not answer is tried again until patience is over.
func WithdrawCommand(ctx context.Context, log *slog.Logger, patience time.Duration) error {
	channel, err := readChannel(os.Getenv(contract.EnvChannel))
	if err != nil {
		return termination.Report(contract.Result{}, err)
	}
	log = log.With("channel", channel.Name)
	site := provider.Site{
		PublicURL: os.Getenv(contract.EnvPublicURL), Prefix: "/webhooks/" + channel.Name + "/", Dir: cmp.Or(os.Getenv(EnvChannelDir), contract.DirChannel),
	}
	if err := provider.CheckOrigin(contract.EnvPublicURL, site.PublicURL); err != nil {
		return termination.Report(contract.Result{}, err)
	}
	result := withdraw(ctx, log, channel, site, patience)
	log.Info("withdraw", "gone", result.Gone, "problem", result.Problem, "code", result.Code)
	return termination.Report(contract.Result{Withdraw: &result}, nil)
}

func withdraw(ctx context.Context, log *slog.Logger, channel contract.Channel, site provider.Site, patience time.Duration) contract.WithdrawResult {
	carrier, err := providerOf(channel, site, log)
	if err != nil { // the connector ran with the same settings: what is missing are the credentials
		log.Error("the channel's credentials can't be used", "error", err.Error())
		return contract.WithdrawResult{Problem: contract.ProblemUnreadable}
	}
	withdrawer, ok := carrier.(provider.Withdrawer)
	if !ok {
		return contract.WithdrawResult{Gone: true} // nothing was ever set up
	}
	over := time.Now().Add(patience)
	for {
		asked, cancel := context.WithTimeout(ctx, checkTimeout)
		err := withdrawer.Withdraw(asked)
		cancel()
		var wrong *provider.CredentialsError
		switch {
		case err == nil:
			return contract.WithdrawResult{Gone: true}
		case errors.As(err, &wrong):
			return contract.WithdrawResult{Problem: wrong.Problem, Code: wrong.Code}
		case !time.Now().Before(over):
			return contract.WithdrawResult{}
		}
		log.Warn("the provider does not take the webhook back yet", "error", err.Error())
		again := time.NewTimer(patience / 100)
		select {
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
			return contract.WithdrawResult{}
		}
	}
}
