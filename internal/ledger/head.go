package ledger

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/switchboard-operator/switchboard/internal/contract"
	"github.com/switchboard-operator/switchboard/internal/evidence"
	"github.com/switchboard-operator/switchboard/internal/evidence/statement"
)

// Head is the newest receipt of a tenant's chain as a Job told of it.
type Head struct {
	receipt statement.Receipt    // without what Append knows: tenant, anchor, links, time
	recent  []contract.ChainLink // the receipts before it, newest first
}

// OfRetention gives the head that a retention run told of. The rules are those that
// the operator gave to the run; they are signed along if they are those that it names.
func OfRetention(r contract.RetentionResult, rules []contract.RetentionRule) Head {
	h := Head{recent: r.Recent, receipt: statement.Receipt{
		Sequence: r.Sequence, Digest: r.Digest, PreviousDigest: r.PreviousDigest, Kind: evidence.KindRetention,
		Policy: r.Policy, Generation: r.Generation, PolicyDigest: r.PolicyDigest, Outcome: r.Outcome, FinishedAt: r.FinishedAt.UTC(),
	}}
	if contract.Digest(rules) == r.PolicyDigest {
		h.receipt.Rules = rules
	}
	for _, c := range r.Categories {
		cutoff := c.Cutoff.UTC()
		h.receipt.Counts = append(h.receipt.Counts, statement.Count{
			Category: c.Category, Cutoff: &cutoff, Done: c.Deleted, HeldBack: c.HeldBack, Overdue: c.Overdue,
		})
	}
	return h
}

// OfSubject gives the head that a request of a person told of.
func OfSubject(r contract.SubjectResult) Head {
	counts := map[string]statement.Count{}
	for _, c := range r.Found {
		n := counts[c.Category]
		n.Found += c.Rows
		counts[c.Category] = n
	}
	for _, c := range r.Done {
		n := counts[c.Category]
		n.Done += c.Rows
		counts[c.Category] = n
	}
	for _, c := range r.Refused {
		n := counts[c.Category]
		n.HeldBack += c.Rows
		counts[c.Category] = n
	}
	h := Head{recent: r.Recent, receipt: statement.Receipt{
		Sequence: r.Sequence, Digest: r.Digest, PreviousDigest: r.PreviousDigest, Kind: evidence.KindRequest,
		Request: r.Request, RequestType: r.Type, Subjects: r.Subjects, FinishedAt: r.FinishedAt.UTC(),
	}}
	for _, category := range slices.SortedFunc(maps.Keys(counts), cmp.Compare) {
		n := counts[category]
		n.Category = category
		h.receipt.Counts = append(h.receipt.Counts, n)
	}
	return h
}

// OfReplay gives the head that the replay of a restored database told of.
func OfReplay(r contract.ReplayResult) Head {
	return Head{receipt: statement.Receipt{
		Sequence: r.Sequence, Digest: r.Digest, PreviousDigest: r.PreviousDigest, Kind: evidence.KindRestore,
		Restored: &r.Restored, FinishedAt: r.FinishedAt.UTC(),
	}}
}

// maxSubjects bounds the keyed hashes that a request names a person by.
const maxSubjects = 16

// maxName bounds the names that a Job tells of, as the API does.
const maxName = 63

// check refuses what no Job of ours tells: its pod is the tenant's, the ledger isn't.
func (h Head) check() error {
	r := h.receipt
	if r.Sequence < 1 || !isDigest(r.Digest) || !isDigest(r.PreviousDigest) || len(r.Policy) > maxName || len(r.Request) > maxName || len(r.Subjects) > maxSubjects {
		return errors.New("it is no receipt of a chain")
	}
	if (r.Kind == evidence.KindRestore) != (r.Restored != nil) {
		return errors.New("it tells of no restore")
	}
	if r.Kind == evidence.KindRetention && !isDigest(r.PolicyDigest) {
		return errors.New("its policy has no digest")
	}
	if !slices.Contains([]string{"", contract.OutcomeEnforced, contract.OutcomeBlocked, contract.OutcomeDryRun}, r.Outcome) ||
		r.Kind == evidence.KindRequest && !slices.Contains(requests, r.RequestType) {
		return errors.New("its outcome or type is none that there is")
	}
	categories := contract.Categories()
	if r.Kind == evidence.KindRequest {
		categories = append(categories, contract.RequestCategories()...)
	}
	for _, c := range r.Counts {
		if !slices.Contains(categories, c.Category) {
			return errors.New("it counts a category that there is not")
		}
	}
	for _, s := range r.Subjects {
		if !slices.Contains(contract.Kinds(), s.Kind) || !isHex(s.Hash) {
			return errors.New("it names a person by something else than a keyed hash")
		}
	}
	return h.checkRecent()
}

// checkRecent holds the links to what they are: each receipt before the other.
func (h Head) checkRecent() error {
	for i, link := range h.recent {
		if link.Sequence != h.receipt.Sequence-int64(i)-1 || link.Sequence < 1 || !isDigest(link.Digest) {
			return fmt.Errorf("link %d before it is out of order", i+1)
		}
	}
	if len(h.recent) > 0 && h.recent[0].Digest != h.receipt.PreviousDigest {
		return errors.New("the receipt that it names before it is not the one that it was sealed on")
	}
	return nil
}

// at gives the digest that the head tells of a receipt at or before it.
func (h Head) at(sequence int64) (digest string, told bool) {
	switch back := h.receipt.Sequence - sequence; {
	case back == 0:
		return h.receipt.Digest, true
	case back == 1:
		return h.receipt.PreviousDigest, true
	case back > 1 && back <= int64(len(h.recent)):
		return h.recent[back-1].Digest, true
	default:
		return "", false
	}
}

// whole says that the head tells of every receipt from the first on.
func (h Head) whole() bool {
	first, told := h.at(0)
	if h.receipt.Sequence == 1 {
		return told && first == evidence.Genesis
	}
	_, told = h.at(1)
	return told
}

// after gives the receipts between the anchor and the head, oldest first.
func (h Head) after(anchor int64) []contract.ChainLink {
	var links []contract.ChainLink
	for _, link := range slices.Backward(h.recent) {
		if link.Sequence > anchor {
			links = append(links, link)
		}
	}
	return links
}

var requests = []string{
	contract.RequestErasure, contract.RequestAccess, contract.RequestRectification,
	contract.RequestOptOut, contract.RequestObjection, contract.RequestUnderage,
}

func isDigest(s string) bool {
	_, err := evidence.Digest(s, nil)
	return err == nil
}

func isHex(s string) bool {
	return len(s) <= 128 && len(s)%2 == 0 && !slices.ContainsFunc([]byte(s), func(c byte) bool {
		return (c < '0' || c > '9') && (c < 'a' || c > 'f')
	})
}
