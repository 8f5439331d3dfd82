package retention_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/evidence"
	"github.com/switchboard-operator/switchboard/internal/instance/retention"
	"github.com/switchboard-operator/switchboard/internal/pgtest"
)

// TestAResultFitsATerminationMessage: with all categories and the 20 receipts before it.
func TestAResultFitsATerminationMessage(t *testing.T) {
	d := pgtest.New(t)
	policy := d.Limits(t, allLimits)
	fill(t, d.Admin(t), 200, 300)
	var all []contract.ChainLink
	var result contract.RetentionResult
	for range 24 {
		result = run(t, d, policy)
		all = append(all, contract.ChainLink{Sequence: result.Sequence, Digest: result.Digest})
	}
	message, err := contract.Result{Retention: &result}.Encode()
	if err != nil || len(message) > contract.TerminationLimit {
		t.Fatalf("%d bytes, %v", len(message), err)
	}
	back, err := contract.DecodeResult(string(message))
	if err != nil {
		t.Fatal(err)
	}
	if len(back.Retention.Recent) < 10 || len(back.Retention.Categories) != 9 {
		t.Fatalf("%d links and %d categories came back", len(back.Retention.Recent), len(back.Retention.Categories))
	}
	for i, link := range back.Retention.Recent { // newest first, before this one
		if link != all[len(all)-2-i] {
			t.Errorf("link %d is %+v, want %+v", i, link, all[len(all)-2-i])
		}
	}
	wantValidChain(t, d.Admin(t), result)
}

func TestTheCommandTellsWhyItFailed(t *testing.T) {
	for _, tc := range []struct{ name, value, want string }{
		{"no policy", "", contract.EnvRetention + " is not set"},
		{"not JSON", "{", contract.EnvRetention},
	} {
		t.Run(tc.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "log")
			t.Setenv(contract.EnvTerminationLog, file)
			t.Setenv(contract.EnvRetention, tc.value)
			if err := retention.Command(context.Background(), slog.New(slog.DiscardHandler)); err == nil {
				t.Fatal("the command did not fail")
			}
			message, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			result, err := contract.DecodeResult(string(message))
			if err != nil || !strings.Contains(result.Error, tc.want) || result.Retention != nil {
				t.Errorf("message %s, want an error with %q", message, tc.want)
			}
		})
	}
}

func TestVerifyCommand(t *testing.T) {
	d := pgtest.New(t)
	db := d.Admin(t)
	ctx := context.Background()
	log := slog.New(slog.DiscardHandler)
	policy := d.Limits(t, allLimits)
	fill(t, db, 200, 300)
	run(t, d, policy)
	run(t, d, policy)
	newest := run(t, d, policy)
	anchor := strconv.FormatInt(newest.Sequence, 10) + ":" + newest.Digest

	for _, component := range []string{contract.ComponentRetain, contract.ComponentServe} {
		d.Setenv(t, contract.LoginRole(component, 1))
		var out bytes.Buffer
		if err := retention.VerifyCommand(ctx, log, retention.VerifyOptions{Anchor: anchor}, nil, &out); err != nil {
			t.Errorf("as %s: %v", component, err)
		}
		if want := "3 receipts, the newest is " + anchor + ": the chain is whole.\n"; out.String() != want {
			t.Errorf("as %s: printed %q, want %q", component, out.String(), want)
		}
	}

	var exported bytes.Buffer
	if err := retention.VerifyCommand(ctx, log, retention.VerifyOptions{Export: true}, nil, &exported); err != nil {
		t.Fatal(err)
	}
	// From here on there is no database: what follows is offline.
	t.Setenv("PGHOST", "")
	file := filepath.Join(t.TempDir(), "receipts.jsonl")
	lines := strings.SplitAfter(exported.String(), "\n")
	for _, tc := range []struct {
		name, content, anchor string
		codes                 []evidence.Code
		fails                 error
	}{
		{"as exported", exported.String(), anchor, nil, nil},
		{"the newest is cut off", lines[0] + lines[1], anchor, []evidence.Code{evidence.HeadTruncated}, retention.ErrNotWhole},
		{"the newest is cut off, without an anchor", lines[0] + lines[1], "", nil, nil},
		{"the oldest is cut off", lines[1] + lines[2], anchor, []evidence.Code{evidence.StartTruncated}, retention.ErrNotWhole},
		{"the middle is missing", lines[0] + lines[2], anchor, []evidence.Code{evidence.Missing}, retention.ErrNotWhole},
		{"a count is edited", strings.Replace(exported.String(), `deleted\":0`, `deleted\":1`, 1), anchor, []evidence.Code{evidence.Edited}, retention.ErrNotWhole},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if err := os.WriteFile(file, []byte(tc.content), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, source := range []retention.VerifyOptions{{File: file}, {File: "-"}} {
				source.Anchor, source.Output = tc.anchor, "json"
				var out bytes.Buffer
				if err := retention.VerifyCommand(ctx, log, source, strings.NewReader(tc.content), &out); !errors.Is(err, tc.fails) {
					t.Errorf("ended with %v, want %v", err, tc.fails)
				}
				var report struct {
					OK       bool               `json:"ok"`
					Findings []evidence.Finding `json:"findings"`
				}
				if err := json.Unmarshal(out.Bytes(), &report); err != nil {
					t.Fatal(err)
				}
				if report.OK != (tc.fails == nil) || len(report.Findings) != len(tc.codes) || len(tc.codes) > 0 && report.Findings[0].Code != tc.codes[0] {
					t.Errorf("reported %s, want %v", out.String(), tc.codes)
				}
			}
		})
	}
	for _, bad := range []retention.VerifyOptions{
		{Output: "yaml"}, {Export: true, File: file}, {Anchor: "7"}, {File: filepath.Join(t.TempDir(), "none")}, {},
	} {
		if err := retention.VerifyCommand(ctx, log, bad, nil, &bytes.Buffer{}); err == nil || errors.Is(err, retention.ErrNotWhole) {
			t.Errorf("%+v: ended with %v, want a refusal", bad, err)
		}
	}
}
